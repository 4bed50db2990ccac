package chat_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/internal/testkit"
)

// parsed is what a parser made of an answer.
type parsed struct{ text, reasoning, calls string }

func (p *parsed) add(deltas []chat.Delta) {
	for _, d := range deltas {
		p.text += d.Text
		p.reasoning += d.Reasoning
		if d.ToolCall != nil {
			p.calls += fmt.Sprintf("%s %s%s;", d.ToolCall.ID, d.ToolCall.Name, d.ToolCall.Arguments)
		}
	}
}

// parse feeds an answer in pieces.
func parse(thinking bool, pieces ...string) parsed {
	var out parsed
	p := chat.NewParser(thinking)
	for _, piece := range pieces {
		out.add(p.Push(piece))
	}
	out.add(p.Flush())
	return out
}

func TestParser(t *testing.T) {
	for _, c := range []struct {
		name, in string
		thinking bool
		want     parsed
	}{
		{"plain", "Hello, world.\n", false, parsed{text: "Hello, world.\n"}},
		{"empty", "", false, parsed{}},
		{"only whitespace", " \n", false, parsed{text: " \n"}},
		{"thinking", "<think>\nLet me see.\n</think>\n\n42", false, parsed{text: "42", reasoning: "Let me see."}},
		{"prompt opened it", "Let me see.\n</think>\n\n42", true, parsed{text: "42", reasoning: "Let me see."}},
		{"empty thinking", "<think>\n\n</think>\n\nHi", false, parsed{text: "Hi"}},
		{"whitespace before", "\n<think>a</think>b", false, parsed{text: "b", reasoning: "a"}},
		{"no end", "<think>\nstill", false, parsed{reasoning: "still"}},
		{"half a tag at the end", "<think>a</thi", false, parsed{reasoning: "a</thi"}},
		{"half a tag at the beginning", "<thin", false, parsed{text: "<thin"}},
		{"tag in the middle is text", "use <think> here", false, parsed{text: "use <think> here"}},
		{"closing tag without opening is text", "a </think> b", false, parsed{text: "a </think> b"}},
		{"spaces inside reasoning", "<think>\na\n\nb \n</think>\n\nc", false, parsed{text: "c", reasoning: "a\n\nb"}},
		{
			"tool call", "<tool_call>\n{\"name\": \"add\", \"arguments\": {\"b\": 1, \"a\": [2.50]}}\n</tool_call>", false,
			parsed{calls: `call_1 add{"b": 1, "a": [2.50]};`},
		},
		{
			"text and two calls", "I look.\n<tool_call>\n{\"name\": \"f\", \"arguments\": {}}\n</tool_call>\n<tool_call>\n{\"name\": \"g\"}\n</tool_call>", false,
			parsed{text: "I look.", calls: "call_1 f{};call_2 g{};"},
		},
		{
			"thought, call, text", "<think>x</think>\n\n<tool_call>{\"name\":\"f\",\"arguments\":{}}</tool_call>\nDone.", false,
			parsed{text: "Done.", reasoning: "x", calls: "call_1 f{};"},
		},
		{"call without end", "<tool_call>\n{\"name\": \"f\", \"arguments\": {\"x\": 1}}", false, parsed{calls: `call_1 f{"x": 1};`}},
		{"broken call is text", "a <tool_call>{\"name\": </tool_call> b", false, parsed{text: "a <tool_call>{\"name\": </tool_call> b"}},
		{"call without a name is text", "<tool_call>{}</tool_call>", false, parsed{text: "<tool_call>{}</tool_call>"}},
		{"unfinished call is text", "<tool_call>{\"na", false, parsed{text: "<tool_call>{\"na"}},
		{"call in reasoning is reasoning", "<think><tool_call>{}</tool_call></think>x", false, parsed{text: "x", reasoning: "<tool_call>{}</tool_call>"}},
		{"wide characters", "<think>\n你好\n</think>\n\n世界", false, parsed{text: "世界", reasoning: "你好"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			if got := parse(c.thinking, c.in); got != c.want {
				t.Errorf("in one piece:\n got %+v\nwant %+v", got, c.want)
			}
			if got := parse(c.thinking, strings.Split(c.in, "")...); got != c.want {
				t.Errorf("by characters:\n got %+v\nwant %+v", got, c.want)
			}
			for i := range c.in {
				if got := parse(c.thinking, c.in[:i], c.in[i:]); got != c.want {
					t.Errorf("cut at %d:\n got %+v\nwant %+v", i, got, c.want)
				}
			}
		})
	}
}

// What is certain is not held back: a person sees the answer as it comes.
func TestParserStreams(t *testing.T) {
	p := chat.NewParser(false)
	for i, want := range []string{"Hi", "", " <b", "", " <tool_x"} {
		piece := []string{"Hi", " ", "<b", " <tool", "_x"}[i]
		var got parsed
		got.add(p.Push(piece))
		if got.text != want {
			t.Errorf("piece %d, %q: got %q, want %q", i, piece, got.text, want)
		}
	}
}

// The demo model's reference answers: what the parser splits off is in the template's own form.
func TestParserOnAnswers(t *testing.T) {
	calls := 0
	for _, line := range strings.Split(strings.TrimSpace(string(testkit.Read(t, "demo-model/eval.jsonl"))), "\n") {
		var r struct {
			ID, Category string
			Output       string `json:"f32_output"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		got := parse(false, strings.Split(r.Output, "")...)
		text := r.Output
		if think, answer, ok := strings.Cut(text, "</think>"); ok {
			text = answer
			if want := strings.TrimSpace(strings.TrimPrefix(think, "<think>")); got.reasoning != want {
				t.Errorf("%s: reasoning %q, want %q", r.ID, got.reasoning, want)
			}
		}
		if strings.Contains(text, "<tool_call>") {
			calls++
			if got.calls == "" {
				t.Errorf("%s: no call in %q", r.ID, r.Output)
			}
			continue
		}
		if want := strings.TrimSpace(text); strings.TrimSpace(got.text) != want {
			t.Errorf("%s: text %q, want %q", r.ID, got.text, want)
		}
	}
	if calls < 10 {
		t.Errorf("only %d answers call a tool", calls)
	}
}

// However an answer is cut, the result is the same, and every character that is neither whitespace nor part of a tag
// comes out.
func FuzzParser(f *testing.F) {
	for _, seed := range []string{"<think>\na\n</think>\n\nb", "<tool_call>{\"name\":\"f\"}</tool_call>", "x<tool_call>", "a\n\n<thi", "</think>"} {
		f.Add(seed, uint8(3), true)
		f.Add(seed, uint8(1), false)
	}
	f.Fuzz(func(t *testing.T, answer string, size uint8, thinking bool) {
		var pieces []string
		for rest := answer; rest != ""; {
			n := min(int(size%16)+1, len(rest))
			pieces = append(pieces, rest[:n])
			rest = rest[n:]
		}
		whole, cut := parse(thinking, answer), parse(thinking, pieces...)
		if whole != cut {
			t.Fatalf("cut: %+v\nwhole: %+v", cut, whole)
		}
		if whole.calls == "" {
			bare := func(s string) string { return strings.Join(strings.FieldsFunc(s, isBlank), "") }
			got, want := bare(whole.reasoning+whole.text), bare(answer)
			for _, tag := range []string{"", "<think>", "</think>", "<think></think>"} {
				if without := removed(want, tag); got == without {
					return
				}
			}
			t.Fatalf("got %q of %q", got, want)
		}
	})
}

func isBlank(c rune) bool { return c == ' ' || c == '\t' || c == '\r' || c == '\n' }

// removed takes the first of each tag away.
func removed(s, tags string) string {
	for _, tag := range []string{"<think>", "</think>"} {
		if strings.Contains(tags, tag) {
			s = strings.Replace(s, tag, "", 1)
		}
	}
	return s
}
