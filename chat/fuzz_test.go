package chat_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/internal/testkit"
)

// conversation has everything that a template may look at.
const conversation = `[
	{"role": "system", "content": "Be brief."},
	{"role": "user", "content": "What is 2 + 3?"},
	{"role": "assistant", "content": null, "reasoning_content": "a sum", "tool_calls": [{"id": "1", "type": "function", "function": {"name": "add", "arguments": {"b": 3, "a": 2}}}]},
	{"role": "tool", "tool_call_id": "1", "content": "5"},
	{"role": "user", "content": [{"type": "text", "text": "So"}, {"type": "text", "text": "?"}]}
]`

// A template is a stranger's program: whatever it is, it ends in time, with text or with one sentence.
func FuzzTemplate(f *testing.F) {
	for _, file := range templateFiles {
		f.Add(string(testkit.Read(f, file)))
	}
	for _, seed := range []string{
		"{{ 'x' * 9999999999 }}", "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}", "{% set ns = namespace(x=[1]) %}{% set ns.x = [ns.x, ns.x] %}{{ ns.x }}",
		"{{ messages[0].content[::-1]|upper|list|join(',')|truncate(5) }}", "{{ tools|tojson(indent=2)|replace('a', 'b') }}",
		"{% call(a) m() %}{% endcall %}{% filter upper %}x{% endfilter %}{% raw %}{{{% endraw %}", "{{ '%5.2f' % 1 }}{{ '{}'.format(1) }}{{ messages|groupby('role')|list }}",
	} {
		f.Add(seed)
	}
	messages, err := chat.ParseMessages([]byte(conversation))
	if err != nil {
		f.Fatal(err)
	}
	tools := chat.Tools{[]byte(`{"type": "function", "function": {"name": "add", "parameters": {"z": 1, "a": [1.5, null]}}}`)}
	f.Fuzz(func(t *testing.T, source string) {
		begin := time.Now()
		ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond) // many short tries find more
		defer cancel()
		template, err := chat.NewTemplate(source)
		var text string
		if err == nil {
			text, err = template.Render(ctx, chat.RenderOptions{
				Messages: messages, Tools: tools, AddGenerationPrompt: true, Think: chat.ThinkOff,
			})
			template.GenerationThinks(text)
		}
		if took := time.Since(begin); took > 2*time.Second {
			t.Errorf("it took %v", took)
		}
		if err != nil && (strings.Contains(err.Error(), "\n") && !strings.Contains(source, "\n") || strings.Contains(err.Error(), "BUG")) {
			t.Errorf("the error is not one sentence: %q", err)
		}
	})
}

func FuzzMessages(f *testing.F) {
	f.Add(conversation)
	f.Add(`[{"role": "user", "content": {"a": 1}}]`)
	f.Add(`[{"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": "{}"}}], "x": [1e999]}]`)
	template := readTemplate(f, templateFiles["qwen3"])
	f.Fuzz(func(t *testing.T, document string) {
		messages, err := chat.ParseMessages([]byte(document))
		if err != nil {
			return
		}
		text, err := template.Render(context.Background(), chat.RenderOptions{Messages: messages})
		if err == nil && !utf8.ValidString(text) {
			t.Errorf("the prompt is not UTF-8: %q", text)
		}
	})
}

// Whatever a model writes as a call, what comes out has arguments that are a JSON object, or the text as it was with the
// reason in one line.
func FuzzCall(f *testing.F) {
	for _, seed := range []string{
		`{'name': 'f', "arguments": {a: True, "b": [1, 2,]`, `{"name": "f", "arguments": "{\"x\": 1}"}`, `{"name": "f", "arguments": {"a": "\u12"}}`,
		"<function=f>\n<parameter=s>\n1\n</parameter>\n</function>", "```json\n{\"name\": \"f\"}\n```", `{"name": "f"}}]`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p := chat.NewParser(false)
		p.SetTools(chat.Tools{json.RawMessage(`{"name": "f", "parameters": {"properties": {"s": {"type": "string"}, "n": {"type": "number"}}}}`)})
		for _, d := range append(p.Push("<tool_call>"+body+"</tool_call>"), p.Flush()...) {
			var object map[string]any
			switch {
			case d.ToolCall != nil && (json.Unmarshal(d.ToolCall.Arguments, &object) != nil || object == nil || d.ToolCall.Name == ""):
				t.Fatalf("the call %+v, %s", d.ToolCall, d.ToolCall.Arguments)
			case d.Broken != "" && (d.Text == "" || strings.Contains(d.Broken, "\n")):
				t.Fatalf("%q is broken: %q", d.Text, d.Broken)
			}
		}
	})
}
