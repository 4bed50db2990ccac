package qwenvk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
)

// thinkingCase is a line of the evaluation set with what a chat needs of it.
type thinkingCase struct {
	evalCase
	Category   string
	Messages   []chat.Message
	F32Output  string `json:"f32_output"`
	F32Correct bool   `json:"f32_correct"`
}

func readThinking(t *testing.T) []thinkingCase {
	t.Helper()
	var cases []thinkingCase
	for line := range bytes.Lines(testkit.Read(t, "demo-model/eval.jsonl")) {
		var c thinkingCase
		if err := errors.Join(json.Unmarshal(line, &c), json.Unmarshal(line, &c.evalCase)); err != nil {
			t.Fatal(err)
		}
		cases = append(cases, c)
	}
	return cases
}

// TestDemoThinking puts the sums of the evaluation set that want thinking to a chat: as many right as the reference has,
// with the reasoning apart from the answer and its tokens counted exactly.
func TestDemoThinking(t *testing.T) {
	rt := openUnchecked(t)
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	c, err := m.NewChat(ChatOptions{Think: chat.ThinkOn, Sampling: &sampler.Params{}, MaxTokens: 160})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	closing := encode(t, m, chat.ThinkClose)[0]
	cases, right, reference, same := 0, 0, 0, 0
	for _, e := range readThinking(t) {
		if e.Category != "arith_think" {
			continue
		}
		last := len(e.Messages) - 1
		c.SetMessages(e.Messages[:last])
		answer, reasoning := say(context.Background(), t, c, e.Messages[last].Content)
		cases++
		if e.F32Correct {
			reference++
		}
		if e.right(answer) {
			right++
		}
		r := c.Result()
		if want := slices.Index(r.IDs, closing) + 1; r.Usage.ReasoningTokens != want {
			t.Errorf("%s: %d tokens of reasoning, want %d", e.ID, r.Usage.ReasoningTokens, want)
		}
		if slices.Equal(r.IDs, e.F32IDs) {
			same++
			thought, text, _ := strings.Cut(e.F32Output, "</think>")
			if reasoning != strings.Trim(strings.TrimPrefix(thought, "<think>"), "\n") || answer != strings.TrimSpace(text) {
				t.Errorf("%s: reasoning %q, answer %q of %q", e.ID, reasoning, answer, e.F32Output)
			}
		}
	}
	if cases != 20 || right < reference || same < 15 {
		t.Errorf("%d sums, %d right (reference %d), %d with the reference's ids", cases, right, reference, same)
	}
}
