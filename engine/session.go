package engine

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// Session is one sequence. It is not safe for concurrent use; several sessions are.
type Session struct {
	e      *Engine
	slot   int // noSlot: none
	turn   uint64
	epoch  uint64 // the engine's when the computation began
	pages  []uint32
	cached []int32 // ids whose keys and values the pages hold
	rope   int     // choice of rotary frequencies that the cache was computed with
	chunk  int     // rows of a prompt chunk; 0: the engine's
	closed bool
	result Result

	adapters *adapterSet // nil: none
	scales   []float64   // of its adapters
	running  bool        // a computation is under way, between enter and leave
}

// Close gives the session's slot and pages back: at once, or where an answer is running at its next step, which then ends
// with ErrClosed. It may be called twice, and from any goroutine.
func (s *Session) Close() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if s.closed {
		return
	}
	s.closed = true
	if !s.running {
		s.release()
	}
}

// Reset forgets the cached tokens, so that the next prompt is computed from its first token. While an answer is running it
// does nothing.
func (s *Session) Reset() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if !s.running {
		s.forget()
	}
}

// forget is Reset within a computation.
func (s *Session) forget() { s.cached = s.cached[:0] }

// Cached is the number of tokens that the session's cache holds.
func (s *Session) Cached() int {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	return len(s.cached)
}

// Context is the number of tokens that the session can hold.
func (s *Session) Context() int { return s.e.options.Context }

// SetChunk makes prompts run in chunks of n tokens at most; 0 leaves the size to the engine.
func (s *Session) SetChunk(n int) { s.chunk = n }

// reserve claims pages until so many tokens fit.
func (s *Session) reserve(tokens int) error {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if err := s.open(); err != nil {
		return err
	}
	need := pagesFor(tokens) - len(s.pages)
	if need > len(s.e.pages.free) {
		return fmt.Errorf("BUG: engine: %d pages wanted, %d left", need, len(s.e.pages.free))
	}
	s.cached = slices.Grow(s.cached, max(0, tokens-len(s.cached))) // so that a token takes no memory
	for range need {
		s.pages = append(s.pages, s.e.pages.take())
	}
	return nil
}

// fits reports a sequence that the context cannot hold.
func (s *Session) fits(ids []int32) error {
	if len(ids) == 0 {
		return fmt.Errorf("the prompt is empty: give at least one token")
	}
	if len(ids) > s.e.options.Context {
		return fmt.Errorf("the prompt has %d tokens and the context holds %d; shorten it or load the model with a larger context: %w",
			len(ids), s.e.options.Context, ErrContextFull)
	}
	return nil
}

// common is the number of leading ids that the cache already holds. The last id of a prompt is always computed,
// since its logits are wanted.
func (s *Session) common(ids []int32) int {
	n := 0
	for n < len(s.cached) && n < len(ids)-1 && s.cached[n] == ids[n] {
		n++
	}
	return n
}

// begin chooses the rotary frequencies for a prompt of n tokens, which stay the same for the answer behind it. What the
// cache holds with others is dropped.
func (s *Session) begin(n int) {
	if rope := s.e.exec().ChooseRoPE(n); rope != s.rope {
		s.forget()
		s.rope = rope
	}
}

// feed runs ids behind the cached tokens as one step and adds them to the cache.
func (s *Session) feed(ctx context.Context, ids []int32, tail vkexec.Tail, h vkexec.History) (*vkexec.Result, error) {
	return s.run(ctx, vkexec.Step{IDs: ids}, tail, h)
}

// run completes a step of this session alone, runs it and adds its ids to the cache.
func (s *Session) run(ctx context.Context, step vkexec.Step, tail vkexec.Tail, h vkexec.History) (*vkexec.Result, error) {
	if err := cmp.Or(ctx.Err(), s.open()); err != nil {
		return nil, err
	}
	e, ids := s.e, step.IDs
	e.lastStep = nil
	e.exec().SetBlocks(s.slot, s.pages)
	e.exec().SetRoPE(s.slot, s.rope)
	begin := time.Now()
	step.Seqs = []vkexec.Seq{{Slot: s.slot, Rows: len(ids), Start: len(s.cached)}}
	if s.adapters != nil {
		step.Adapters, step.Scales = s.adapters.device, s.scales
	}
	r, err := e.exec().Run(ctx, step, tail, h)
	if err != nil {
		return nil, err
	}
	e.noteStep(len(ids), time.Since(begin))
	s.cached = append(s.cached, ids...)
	return r, nil
}

// prefill brings the cache to hold exactly ids, in chunks, and ends with the given tail. The engine's lock is taken
// per chunk, so that other sessions get their turn; it is held when prefill returns without error, and r is valid
// until it is released.
func (s *Session) prefill(ctx context.Context, ids []int32, tail vkexec.Tail, h vkexec.History) (r *vkexec.Result, err error) {
	s.begin(len(ids))
	s.cached = s.cached[:s.common(ids)]
	for {
		if err := s.e.lock(ctx); err != nil {
			return nil, err
		}
		n := min(len(ids)-len(s.cached), s.rows(vkexec.TailNone))
		last := len(s.cached)+n == len(ids)
		if last {
			r, err = s.feed(ctx, ids[len(s.cached):], tail, h)
		} else {
			r, err = s.feed(ctx, ids[len(s.cached):len(s.cached)+n], vkexec.TailNone, vkexec.NoHistory)
		}
		if err != nil {
			s.e.mu.Unlock()
			return nil, err
		}
		if last {
			return r, nil
		}
		s.e.mu.Unlock()
	}
}

// rows is the number of tokens that one chunk may have.
func (s *Session) rows(tail vkexec.Tail) int {
	n := min(s.e.chunk, s.e.exec().MaxRows(tail))
	if s.chunk > 0 {
		n = min(n, s.chunk)
	}
	return n
}

// LogitsOptions choose what Logits computes.
type LogitsOptions struct {
	All   bool // every token's row; else the last one's
	From  int  // with All: the first row that is wanted; else, if not 0: a chunk ends in front of it
	Reuse bool // take what the cache holds of the beginning of ids, up to From (if given), as it is
}

// Logits computes logits behind ids and passes them on row by row, in order. The slice is reused.
func (s *Session) Logits(ctx context.Context, ids []int32, o LogitsOptions, emit func(row int, logits []float32) error) error {
	if err := s.fits(ids); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if err := s.reserve(len(ids)); err != nil {
		return err
	}
	row := make([]float32, s.e.exec().Vocab())
	if !o.Reuse {
		s.forget()
	}
	if !o.All {
		if o.From > 0 {
			if err := s.fill(ctx, ids, o.From); err != nil {
				return err
			}
		}
		r, err := s.prefill(ctx, ids, vkexec.TailLogits, vkexec.NoHistory)
		if err != nil {
			return err
		}
		err = s.e.exec().Logits(ctx, r, 0, row)
		s.e.mu.Unlock()
		if err = cmp.Or(err, ctx.Err()); err != nil {
			return err
		}
		return emit(len(ids)-1, row)
	}
	if err := s.fill(ctx, ids, o.From); err != nil {
		return err
	}
	for len(s.cached) < len(ids) {
		if err := s.rowsChunk(ctx, ids, vkexec.TailAllLogits, row, emit); err != nil {
			return err
		}
	}
	return nil
}

// fill brings the cache to hold the first n of ids, without logits.
func (s *Session) fill(ctx context.Context, ids []int32, n int) error {
	s.begin(len(ids))
	s.cached = s.cached[:min(s.common(ids), n)]
	for len(s.cached) < n {
		if err := s.e.lock(ctx); err != nil {
			return err
		}
		chunk := min(n-len(s.cached), s.rows(vkexec.TailNone))
		_, err := s.feed(ctx, ids[len(s.cached):len(s.cached)+chunk], vkexec.TailNone, vkexec.NoHistory)
		s.e.mu.Unlock()
		if err != nil {
			return err
		}
	}
	return nil
}

// rowsChunk runs the next chunk of ids with a tail that leaves a row per token, and passes those on.
func (s *Session) rowsChunk(ctx context.Context, ids []int32, tail vkexec.Tail, row []float32, emit func(row int, values []float32) error) error {
	if err := s.e.lock(ctx); err != nil {
		return err
	}
	defer s.e.mu.Unlock()
	first := len(s.cached)
	n := min(len(ids)-first, s.rows(tail))
	r, err := s.feed(ctx, ids[first:first+n], tail, vkexec.NoHistory)
	if err != nil {
		return err
	}
	for i := range n {
		if err := ctx.Err(); err != nil { // a step that was submitted is over only now
			return err
		}
		if err := s.e.exec().Logits(ctx, r, i, row); err != nil {
			return err
		}
		if err := emit(first+i, row); err != nil {
			return err
		}
	}
	return nil
}
