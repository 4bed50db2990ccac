package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// TestShift goes on behind the end of the context. Each time room is made the answer continues with what the model says
// behind the new sequence, with penalties on the device or without.
func TestShift(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{Context: 64, KV: "f32"})
	ids := encode(t, m, sum)
	for _, p := range []sampler.Params{{}, {FrequencyPenalty: 0.3}} {
		var at []int
		var seqs [][]int32
		inner := ShiftText(ids, 4, 64)
		shift := func(ctx context.Context, generated []int32) ([]int32, error) {
			seq, err := inner(ctx, generated)
			at, seqs = append(at, len(generated)), append(seqs, slices.Clone(seq))
			return seq, err
		}
		_, r := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, IgnoreEOS: true, MaxTokens: 84, Shift: shift})
		if len(r.IDs) != 84 || r.FinishReason != "length" || r.Shifts != len(at) || len(at) < 2 {
			t.Fatalf("%d tokens, %s, %d shifts (%d calls)", len(r.IDs), r.FinishReason, r.Shifts, len(at))
		}
		for i, n := range at {
			seq := seqs[i]
			if !slices.Equal(seq[:4], ids[:4]) || !slices.Equal(seq[len(seq)-20:], r.IDs[n-20:n]) || len(seq) >= 64 {
				t.Errorf("shift %d goes on from %v", i, seq)
			}
			logits := logitsBehind(t, s, seq, LogitsOptions{})
			if err := p.ApplyPenalties(logits, ids, r.IDs[:n]); err != nil {
				t.Fatal(err)
			}
			if got, best := logits[r.IDs[n]], slices.Max(logits); got < best-1e-3 { // prompts cut differently: the f32 row of the goldens
				t.Errorf("the token behind shift %d has logit %v, the best %v", i, got, best)
			}
		}
	}
	long := slices.Repeat(ids, 9)
	if _, r := generate(context.Background(), t, s, long, GenerateOptions{MaxTokens: 3, Shift: ShiftText(long, 0, 64)}); len(r.IDs) != 3 || r.Usage.PromptTokens >= 64 {
		t.Errorf("a prompt of %d tokens: %d tokens of answer behind %d", len(long), len(r.IDs), r.Usage.PromptTokens)
	}
}

// TestShiftTurns: turns are left out whole and from the oldest on; system message and last turn stay; an answer in the
// middle of which the context is full goes on.
func TestShiftTurns(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{Context: 96})
	user := func(text string) chat.Message { return chat.Message{Role: "user", Content: text} }
	o := chat.RenderOptions{AddGenerationPrompt: true, Think: chat.ThinkOff, Messages: []chat.Message{
		{Role: "system", Content: "Be kind."},
		user("one " + strings.Repeat("word ", 10)),
		{Role: "assistant", ToolCalls: []chat.ToolCall{{Name: "f"}}},
		{Role: "tool", Content: "result"},
		{Role: "assistant", Content: "first"},
		user("two " + strings.Repeat("word ", 10)),
		{Role: "assistant", Content: "second"},
		user("three"),
	}}
	rendered, err := m.Render(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	ids := encode(t, m, rendered)
	out := 0
	shift := m.ShiftTurns(o, 96, func(n int) { out = n })
	_, r := generate(context.Background(), t, s, ids, GenerateOptions{IgnoreEOS: true, MaxTokens: 40, Shift: shift})
	if r.Shifts == 0 || len(r.IDs) != 40 {
		t.Errorf("%d tokens behind a prompt of %d, %d shifts", len(r.IDs), len(ids), r.Shifts)
	}
	text, err := m.Tokenizer().Decode(s.s.State().IDs, tokenizer.DecodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	const system = "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\n"
	if out != 4 || !strings.HasPrefix(text, system+"two word ") || !strings.Contains(text, "second<|im_end|>\n<|im_start|>user\nthree<|im_end|>\n") {
		t.Errorf("%d messages are left out, the context holds %q", out, text)
	}
	_, r = generate(context.Background(), t, s, ids, GenerateOptions{IgnoreEOS: true, MaxTokens: 400, Shift: m.ShiftTurns(o, 96, func(n int) { out = n })})
	if text, err = m.Tokenizer().Decode(s.s.State().IDs, tokenizer.DecodeOptions{}); err != nil {
		t.Fatal(err)
	}
	if out != 6 || !strings.HasPrefix(text, system+"three<|im_end|>\n<|im_start|>assistant\n") {
		t.Errorf("%d messages are left out in the end, the context holds %q", out, text)
	}
	if r.FinishReason != "length" || len(r.IDs) >= 400 {
		t.Errorf("an answer that fills the context alone: %d tokens, %s", len(r.IDs), r.FinishReason)
	}
	o.Messages = []chat.Message{user(strings.Repeat("word ", 200))}
	for _, err := range s.Generate(context.Background(), slices.Repeat(ids, 3), GenerateOptions{Shift: m.ShiftTurns(o, 96, nil)}) {
		if !errors.Is(err, ErrContextFull) {
			t.Errorf("a message that fills the context alone: %v", err)
		}
	}
}

// TestContextShift: a conversation goes on behind the end of the context, and keeps all its messages.
func TestContextShift(t *testing.T) {
	m, err := openTest(t, Options{}, nil).LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{Context: 128})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := m.NewChat(ChatOptions{System: "Be kind.", Think: chat.ThinkOff, Sampling: &sampler.Params{}, ContextShift: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	shifts := 0
	for i := range 5 {
		answer, _ := say(context.Background(), t, c, fmt.Sprintf("What is %d + 1?", i+1))
		if want := fmt.Sprintf("%d+1=%d", i+1, i+2); answer != want {
			t.Errorf("answer %d: %q, want %q", i, answer, want)
		}
		say(context.Background(), t, c, "What is a token?")
		shifts += c.Result().Shifts
	}
	if shifts == 0 || c.shifted == 0 || len(c.Messages()) != 21 {
		t.Errorf("%d shifts, %d messages out, %d messages", shifts, c.shifted, len(c.Messages()))
	}
	text, err := m.Tokenizer().Decode(c.session.s.State().IDs, tokenizer.DecodeOptions{})
	if err != nil || !strings.HasPrefix(text, "<|im_start|>system\nBe kind.") {
		t.Errorf("the context holds %q, %v", text, err)
	}
	options := c.Options()
	options.ContextShift = false
	c.SetOptions(options)
	c.shifted = 0
	for _, err := range c.Send(context.Background(), "And now?") {
		if !errors.Is(err, ErrContextFull) {
			t.Errorf("without shifting: %v", err)
		}
	}
	if c.Reset(); len(c.Messages()) != 1 || c.shifted != 0 {
		t.Errorf("after a reset: %d messages, %d out", len(c.Messages()), c.shifted)
	}
}
