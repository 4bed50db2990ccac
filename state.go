package qwenvk

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/internal/statefile"
)

// Errors of saved sessions.
var (
	// ErrNotState: the file is no saved session, or of another version.
	ErrNotState = statefile.ErrNotState
	// ErrDamaged: the saved session is cut off or changed.
	ErrDamaged = statefile.ErrDamaged
)

// StateMagic is what files of saved sessions begin with.
const StateMagic = statefile.Magic

// Save writes the session's tokens and its cache, so that Restore can go on from them without computing them again. The
// file takes what the cache takes, see Info.KVBytesPerToken. Error: [ErrBusy] while an answer is running.
func (s *Session) Save(ctx context.Context, w io.Writer) error {
	return s.save(ctx, w, allTokens, nil)
}

// SavePrefix is Save for the first n tokens, or for all where the cache holds fewer.
func (s *Session) SavePrefix(ctx context.Context, w io.Writer, n int) error {
	return s.save(ctx, w, n, nil)
}

// allTokens is more than any cache holds.
const allTokens = math.MaxInt

// Restore fills the session's cache with what Save wrote, in place of what it holds. A file of another model, of other
// settings or adapters, or of more tokens than the context holds leaves the cache empty: note then says why, and the next
// prompt is computed from its first token, as it would be without the file. What is computed behind a restored cache has
// the bits that it would have had, on the same device; in a model of several sessions whose cache takes more than one
// buffer, up to the order in which attention sums those up.
//
// Errors: [ErrNotState], [ErrDamaged], [ErrBusy], and those of r and the device; the cache is then empty as well.
func (s *Session) Restore(ctx context.Context, r io.Reader) (note string, err error) {
	s.Reset()
	f, err := statefile.Open(r)
	if err != nil {
		return "", err
	}
	return s.restore(ctx, f)
}

func (s *Session) save(ctx context.Context, w io.Writer, n int, conversation json.RawMessage) error {
	if n < 0 {
		return fmt.Errorf("a cache of %d tokens cannot be saved", n)
	}
	release, err := s.s.Hold()
	if err != nil {
		return fmt.Errorf("the cache cannot be saved: %w", err)
	}
	defer release()
	h, err := s.header()
	if err != nil {
		return err
	}
	state := s.s.State()
	n = min(n, len(state.IDs))
	h.RoPEChoice, h.Chat = state.RoPE, conversation
	return statefile.Write(w, h, state.IDs[:n], func(w io.Writer) error { return s.s.WriteCache(ctx, n, w) })
}

// restore reads a file behind its header.
func (s *Session) restore(ctx context.Context, f *statefile.Reader) (note string, err error) {
	own, err := s.header()
	if err != nil {
		return "", err
	}
	if note = differs(f.Header, own); note != "" {
		return note, nil
	}
	switch {
	case f.Header.Tokens > s.Context():
		return fmt.Sprintf("it holds %d tokens, and the context %d", f.Header.Tokens, s.Context()), nil
	case f.Header.RoPEChoice > len(s.model.model.Graph.RoPE.Longer):
		return "", fmt.Errorf("%w: it names rotary frequencies that the model does not have", ErrDamaged)
	}
	ids, err := f.IDs(s.model.info.Vocab)
	if err != nil {
		return "", err
	}
	err = s.s.ReadCache(ctx, engine.State{IDs: ids, RoPE: f.Header.RoPEChoice}, f.Body(), f.Check)
	return "", statefile.Cut(err)
}

// header describes what a cache of the session is computed with.
func (s *Session) header() (statefile.Header, error) {
	m := s.model
	_, end, err := m.life.begin(context.Background()) // while the checkpoint is read it must stay mapped
	if err != nil {
		return statefile.Header{}, err
	}
	defer end()
	m.identityOnce.Do(func() { m.identity, m.identityErr = m.checkpoint.Digest() })
	if m.identityErr != nil {
		return statefile.Header{}, m.identityErr
	}
	shape := m.engine.CacheShape()
	h := statefile.Header{
		Model: m.identity, Settings: m.settings, RoPE: m.ropeDigest(),
		KV: string(shape.Kind), Layers: shape.Layers, PageBytes: shape.PageBytes, PageTokens: shape.PageTokens,
	}
	for _, u := range s.adapters {
		digest, err := u.Adapter.digest()
		if err != nil {
			return h, err
		}
		h.Adapters = append(h.Adapters, statefile.Adapter{Digest: digest, Scale: u.Scale})
	}
	return h, nil
}

// differs says what a file was made with that the session has not; "" if it fits.
func differs(file, own statefile.Header) string {
	switch {
	case file.Model != own.Model:
		return "it is of another model"
	case file.Settings != own.Settings:
		return fmt.Sprintf("it was made with the weights as %s, not as %s", file.Settings, own.Settings)
	case file.RoPE != own.RoPE:
		return "it was made with other rotary frequencies (--rope-scaling, or --ctx where the scaling is dynamic)"
	case !slices.Equal(file.Adapters, own.Adapters):
		return "it was made with other adapters"
	case file.KV != own.KV:
		return fmt.Sprintf("its cache is of type %q, the session's is %s", file.KV, own.KV)
	case file.Layers != own.Layers || file.PageBytes != own.PageBytes || file.PageTokens != own.PageTokens:
		return "its cache has another form"
	}
	return ""
}

// ropeDigest is made of the rotary frequencies, which the model, the options and, where they are scaled dynamically, the
// context decide.
func (m *Model) ropeDigest() string {
	r := &m.model.Graph.RoPE
	h := sha256.New()
	fmt.Fprintf(h, "%g %d %d\n", r.Scale, r.Trained, len(r.Longer))
	for choice := range len(r.Longer) + 1 {
		if err := binary.Write(h, binary.LittleEndian, r.Frequencies(choice)); err != nil {
			panic("BUG: " + err.Error()) // a hash takes everything
		}
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// conversation is a chat in a file.
type conversation struct {
	System   string         `json:"system,omitempty"`
	Messages []chat.Message `json:"messages"`
	Shifted  int            `json:"shifted,omitempty"` // messages that the context no longer held
}

// Save writes the conversation with its cache, see [Session.Save].
func (c *Chat) Save(ctx context.Context, w io.Writer) error {
	c.mu.Lock()
	text, err := json.Marshal(conversation{System: c.options.System, Messages: c.messages, Shifted: c.shifted})
	c.mu.Unlock()
	if err != nil {
		return err
	}
	return c.session.save(ctx, w, allTokens, text)
}

// Load goes on with a conversation that Save wrote, in place of this one; its system message replaces that of the options.
// Where its cache cannot be used, note says why, as for [Session.Restore]: the conversation is there all the same, and the
// next answer computes it anew. After an error the conversation is as it was before.
func (c *Chat) Load(ctx context.Context, r io.Reader) (note string, err error) {
	f, err := statefile.Open(r)
	if err != nil {
		return "", err
	}
	if f.Header.Chat == nil {
		return "", fmt.Errorf("%w of a conversation: it holds a prompt's cache alone", ErrNotState)
	}
	var saved conversation
	if err := json.Unmarshal(f.Header.Chat, &saved); err != nil {
		return "", fmt.Errorf("%w: its conversation cannot be read: %w", ErrDamaged, err)
	}
	c.session.Reset()
	if note, err = c.session.restore(ctx, f); err != nil {
		return "", err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(saved.Messages)
	c.options.System, c.shifted, c.total = saved.System, max(0, saved.Shifted), nil
	return note, nil
}

// RestoreCache fills the chat's cache with what [Session.Save] or [Chat.SaveCache] wrote, see [Session.Restore]. The messages
// stay.
func (c *Chat) RestoreCache(ctx context.Context, r io.Reader) (note string, err error) {
	return c.session.Restore(ctx, r)
}

// SaveCache writes the cache of the first n tokens of the last prompt and its answer, see [Session.SavePrefix].
func (c *Chat) SaveCache(ctx context.Context, w io.Writer, n int) error {
	return c.session.SavePrefix(ctx, w, n)
}
