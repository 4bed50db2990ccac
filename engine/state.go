package engine

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// State is what a session's cache holds: the tokens and the rotary frequencies that their keys were turned by.
type State struct {
	IDs  []int32
	RoPE int
}

// State describes the session's cache.
func (s *Session) State() State {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return State{IDs: slices.Clone(s.cached), RoPE: s.rope}
}

// CacheShape says how caches are stored: layers, and bytes of a page of keys (or values) of one of them.
type CacheShape struct {
	Layers, PageBytes, PageTokens int
	Kind                          vkexec.KVType
}

// CacheShape is that of the engine's sessions.
func (e *Engine) CacheShape() CacheShape {
	return CacheShape{Layers: e.exec().KVLayers(), PageBytes: e.exec().PageBytes(), PageTokens: vkexec.PageTokens, Kind: e.exec().KVKind()}
}

// Bytes is what WriteCache writes of so many tokens.
func (c CacheShape) Bytes(tokens int) int64 {
	return 2 * int64(c.Layers) * int64(pagesFor(tokens)) * int64(c.PageBytes)
}

// WriteCache writes the keys and values of the first n cached tokens, whole pages, in the order of vkexec's ReadPages.
// The session is held (Hold) from when n was asked for. Other sessions wait while it reads the device.
func (s *Session) WriteCache(ctx context.Context, n int, w io.Writer) error {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	if n < 0 || n > len(s.cached) {
		return fmt.Errorf("BUG: engine: %d of %d cached tokens", n, len(s.cached))
	}
	defer s.e.exec().FreeStaging()
	return s.e.exec().ReadPages(ctx, s.pages[:pagesFor(n)], func(piece []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := w.Write(piece)
		return err
	})
}

// ReadCache fills the cache with keys and values that WriteCache wrote of the tokens of st. After an error the cache is
// empty. check runs at the end and may still refuse what was read.
func (s *Session) ReadCache(ctx context.Context, st State, r io.Reader, check func() error) error {
	if len(st.IDs) > s.e.options.Context {
		return fmt.Errorf("BUG: engine: %d tokens in a context of %d", len(st.IDs), s.e.options.Context)
	}
	if err := s.enter(ctx); err != nil {
		return fmt.Errorf("its cache cannot be restored: %w", err)
	}
	defer s.leave()
	if err := s.reserve(len(st.IDs)); err != nil {
		return err
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	s.cached, s.e.lastStep = s.cached[:0], nil
	defer s.e.exec().FreeStaging()
	err := s.e.exec().WritePages(ctx, s.pages[:pagesFor(len(st.IDs))], func(piece []byte) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		_, err := io.ReadFull(r, piece)
		return err
	})
	if err == nil {
		err = check()
	}
	if err != nil {
		return err
	}
	s.cached, s.rope = append(s.cached, st.IDs...), st.RoPE
	return nil
}
