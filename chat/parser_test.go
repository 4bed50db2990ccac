package chat_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

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
		{"a tag inside a string", "<tool_call>{\"name\": \"f\", \"arguments\": {\"x\": \"a\\\"</tool_call><tool_call>\"}}</tool_call>b", false, parsed{text: "b", calls: "call_1 f{\"x\": \"a\\\"</tool_call><tool_call>\"};"}},
		{
			"a string without end, then a call", "<tool_call>{\"name\": \"f</tool_call>\n<tool_call>{\"name\": \"g\"}</tool_call>", false,
			parsed{text: "<tool_call>{\"name\": \"f</tool_call>", calls: "call_1 g{};"},
		},
		{"the next call ends the one before", "<tool_call>{\"name\": \"f\"}\n<tool_call>{\"name\": \"g\"}</tool_call>", false, parsed{calls: "call_1 f{};call_2 g{};"}},
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

// What models write for JSON, and what is made of it.
func TestRepairedCalls(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"name": "f", "arguments": {"a": 1,},}`, `f{"a": 1}`},
		{`{'name': 'f', 'arguments': {'a': 'it\'s "so"', "b": [1, 2,]}}`, `f{"a": "it's \"so\"", "b": [1, 2]}`},
		{`{"name": "f", "arguments": {"a": True, "b": None, "c": [False]}}`, `f{"a": true, "b": null, "c": [false]}`},
		{`{"name": "f", "arguments": {"a": 2.50}`, `f{"a": 2.50}`},
		{`{"name": "f", "arguments": {"a": [1, {"b": -1e5`, `f{"a": [1, {"b": -1e5}]}`},
		{`{"name": "f", "arguments": {"a": 1}}}`, `f{"a": 1}`},
		{`{name: "f", arguments: {a_1: 1}}`, `f{"a_1": 1}`},
		{"```json\n{\"name\": \"f\"}\n```", `f{}`},
		{"{\"name\": \"f\", \"arguments\": {\"code\": \"a\n\tb\x01\"}}", "f{\"code\": \"a\\n\\tb\\u0001\"}"},
		{`{"name": "f", "arguments": "{\"a\": 1}"}`, `f{"a": 1}`},
		{`{"name": "f", "arguments": "{'a': 1}"}`, `f{"a": 1}`},
		{`{"name": "f", "arguments": ""}`, `f{}`},
		{`{"name": "f", "arguments": null}`, `f{}`},
		{`{"name": "f", "parameters": {"a": 1}}`, `f{"a": 1}`},
		{`{"type": "function", "function": {"name": "f", "arguments": {"a": 1}}}`, `f{"a": 1}`},
		{`{"name": "天气", "arguments": {"城市": "北京",}}`, `天气{"城市": "北京"}`},
		{"<function=f>\n<parameter=s>\n12\n</parameter>\n<parameter=n>\n12\n</parameter>\n</function>", `f{"s": "12", "n": 12}`},
		{"<function=f>\n<parameter=s>\na\n\n<b> & \"c\"\n</parameter>\n<parameter=l>\n[1, True]\n</parameter></function>", `f{"s": "a\n\n<b> & \"c\"", "l": [1, true]}`},
		{"<function=f>\n<parameter=s>\nx\n<parameter=n>\n1.5\n</function>", `f{"s": "x", "n": 1.5}`},
		{"<function=other>\n<parameter=x>\n{\"a\": 1}\n</parameter>\n<parameter=y>\nplain\n</parameter>\n</function>", `other{"x": {"a": 1}, "y": "plain"}`},
		{"<function=f>\n</function>", `f{}`},
	} {
		for _, size := range []int{len(c.in), 1, 3} {
			p := chat.NewParser(false)
			p.SetTools(chat.Tools{json.RawMessage(`{"type": "function", "function": {"name": "f", "parameters": {"type": "object",
				"properties": {"s": {"type": "string"}, "n": {"type": ["number", "null"]}, "l": {"type": "array"}}}}}`)})
			var deltas []chat.Delta
			for rest := "<tool_call>\n" + c.in + "\n</tool_call>"; rest != ""; {
				n := min(size, len(rest))
				deltas = append(deltas, p.Push(rest[:n])...)
				rest = rest[n:]
			}
			deltas = append(deltas, p.Flush()...)
			if len(deltas) != 1 || deltas[0].ToolCall == nil {
				t.Errorf("%s in pieces of %d: got %+v", c.in, size, deltas)
				continue
			}
			call := deltas[0].ToolCall
			if got := call.Name + string(call.Arguments); got != c.want || !json.Valid(call.Arguments) {
				t.Errorf("%s: got %s, want %s", c.in, got, c.want)
			}
		}
	}
}

// What can be meant in more than one way is told, and comes out as text.
func TestBrokenCalls(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{`{"name": "f", "arguments": {"a": }}`, "the tool call is not valid JSON: '}' at byte"},
		{`{"name": "f", "arguments": {"a": "x}}`, "has no end"},
		{`{"name": "f", "arguments": {"a": 01}}`, `"01" at byte`},
		{`{"name": "f", "arguments": {"a": NaN}}`, `"NaN" at byte`},
		{`{"name": "f" "arguments": {}}`, "stands where a comma"},
		{`{"name" "f"}`, "no colon"},
		{`{"name": "f"} and more`, "text behind it"},
		{`{"name": "f", "arguments": [1]}`, "an object, not [1]"},
		{`{"name": "f", "arguments": "hello"}`, "a string that holds no JSON"},
		{`{"name": 5}`, "is a string"},
		{`{"arguments": {}}`, `has no "name"`},
		{`[]`, "a tool call is an object"},
		{``, "ends where a value should stand"},
		{`{"name": "a\q"}`, "no escape"},
		{`{"name": "a\u12x4",}`, "no four hexadecimal digits"},
		{"{\"name\": \"f\", \"arguments\": " + strings.Repeat("[", 300), "nested more than 200 levels"},
		{"<function=>", "no function name"},
		{"<function=f>text", "outside its parameters"},
		{"<function=f><parameter=>1</parameter></function>", "no name"},
	} {
		whole := "<tool_call>" + c.in + "</tool_call>"
		p := chat.NewParser(false)
		deltas := append(p.Push(whole), p.Flush()...)
		if len(deltas) != 1 || deltas[0].Text != whole || !strings.Contains(strings.ReplaceAll(deltas[0].Broken, `"}"`, "'}'"), c.want) {
			t.Errorf("%s: got %+v, want %s", c.in, deltas, c.want)
		}
	}
}

// A model that repeats itself inside a string does not make the parser look at everything again and again.
func TestParserRunaway(t *testing.T) {
	p := chat.NewParser(false)
	p.Push(`<tool_call>{"name": "f", "arguments": {"x": "`)
	began := time.Now()
	for range 10_000 {
		p.Push("</tool_call>")
	}
	if deltas := p.Flush(); len(deltas) == 0 || deltas[0].Broken == "" {
		t.Error("no broken call")
	}
	if took := time.Since(began); took > 10*time.Second {
		t.Errorf("took %v", took)
	}
}
