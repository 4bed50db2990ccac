package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// Shift makes room when the context is full, see [GenerateOptions]. It returns the ids to go on from, which end with those
// generated so far. [Model.ShiftTurns] and [ShiftText] make one.
type Shift = engine.Shift

// ShiftTurns leaves out the oldest turns of a conversation, each a user's message with all that followed it, until a quarter
// of the context of so many tokens is free; the system message and the last turn stay. o is what the prompt was rendered
// with. dropped, unless nil, is told how many messages are left out in all.
func (m *Model) ShiftTurns(o chat.RenderOptions, limit int, dropped func(messages int)) Shift {
	first := 0
	if len(o.Messages) > 0 && o.Messages[0].Role == "system" {
		first = 1
	}
	system, turns := o.Messages[:first], o.Messages[first:]
	out := 0
	return func(ctx context.Context, generated []int32) ([]int32, error) {
		var ids []int32
		for ids == nil || len(ids) > limit-limit/4 {
			next := out + 1 + slices.IndexFunc(turns[min(out+1, len(turns)):], func(m chat.Message) bool { return m.Role == "user" })
			if next == out {
				break // only the last turn is left
			}
			out = next
			o.Messages = slices.Concat(system, turns[out:])
			rendered, err := m.Render(ctx, o)
			if err != nil {
				return nil, err
			}
			if ids, err = m.tok.Encode(rendered, tokenizer.EncodeOptions{}); err != nil {
				return nil, err
			}
			ids = append(ids, generated...)
		}
		if ids == nil || len(ids) >= limit {
			return nil, fmt.Errorf("the last message and its answer alone fill the context of %d tokens: shorten it or load the model with a larger context: %w",
				limit, ErrContextFull)
		}
		if dropped != nil {
			dropped(out)
		}
		return ids, nil
	}
}

// ShiftText is for text without turns: it keeps the first keep tokens of the prompt and leaves out half of what follows
// them, as often as it takes to fit a context of so many tokens.
func ShiftText(prompt []int32, keep, limit int) Shift {
	text, known := slices.Clone(prompt), 0
	keep = max(0, min(keep, len(prompt), limit/2))
	return func(_ context.Context, generated []int32) ([]int32, error) {
		text, known = append(text, generated[known:]...), len(generated)
		for once := true; once || len(text) >= limit; once = false {
			rest := text[keep:]
			if len(rest) < 2 {
				return nil, errors.Join(ErrContextFull, fmt.Errorf("a context of %d tokens leaves no room", limit))
			}
			text = slices.Concat(text[:keep], rest[len(rest)-len(rest)/2:])
		}
		return slices.Clone(text), nil
	}
}

// window are the messages that the context still holds: the system message, and the rest without what was shifted out.
func (c *Chat) window() []chat.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	first := 0
	if len(c.messages) > 0 && c.messages[0].Role == "system" {
		first = 1
	}
	at := first + c.shifted
	if c.shifted == 0 || at >= len(c.messages) || c.messages[at].Role != "user" {
		c.shifted = 0 // the conversation was replaced
		return slices.Clip(c.messages)
	}
	return slices.Concat(c.messages[:first], c.messages[at:])
}

// shift leaves out more of the messages whenever the context is full; Messages still has them all.
func (t *turn) shift(o chat.RenderOptions) Shift {
	if !t.options.ContextShift {
		return nil
	}
	t.mu.Lock()
	before := t.shifted
	t.mu.Unlock()
	return t.model.ShiftTurns(o, t.session.Context(), func(messages int) {
		t.mu.Lock()
		defer t.mu.Unlock()
		if t.Chat.epoch == t.epoch {
			t.shifted = before + messages
		}
	})
}
