package chat_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
)

func TestParseMessages(t *testing.T) {
	messages, err := chat.ParseMessages([]byte(conversation))
	if err != nil {
		t.Fatal(err)
	}
	if len(messages) != 5 {
		t.Fatalf("%d messages", len(messages))
	}
	if got := messages[4].Content; got != "So?" {
		t.Errorf("parts joined: %q", got)
	}
	call := messages[2].ToolCalls[0]
	if call.ID != "1" || call.Name != "add" || string(call.Arguments) != `{"b": 3, "a": 2}` {
		t.Errorf("call: %+v", call)
	}
	if messages[3].ToolCallID != "1" || messages[2].ReasoningContent != "a sum" {
		t.Errorf("got %+v", messages)
	}
}

func TestParseMessagesErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, "no JSON array"},
		{`{}`, "no JSON array"},
		{`[]`, "there are no messages"},
		{`[1]`, "a message is no JSON object"},
		{`[{"content": "x"}]`, "a message has no role"},
		{`[{"role": 1}]`, `field "role" of a message has the wrong type`},
		{`[{"role": "user", "content": 5}]`, `field "content" of a message has the wrong type`},
		{`[{"role": "user", "content": [{"type": "image_url"}]}]`, `field "content" of a message has the wrong type`},
		{`[{"role": "user", "content": "x"}] x`, "no JSON array"},
		{`[{"role": "assistant", "tool_calls": [{"function": {}}]}]`, "a tool call has no name"},
		{"[{\"role\": \"user\", \"content\": \"\xff\"}]", "not valid UTF-8"},
	} {
		_, err := chat.ParseMessages([]byte(c.in))
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", c.in, err, c.want)
		}
	}
	if _, err := chat.ParseTools([]byte(`[1]`)); err == nil {
		t.Error("a number is no tool")
	}
	if tools, err := chat.ParseTools([]byte(`null`)); err != nil || len(tools) != 0 {
		t.Errorf("null are no tools: %v, %v", tools, err)
	}
}

// Messages survive being written and read.
func TestMessageJSON(t *testing.T) {
	in := chat.Message{Role: "assistant", Content: "c", ReasoningContent: "r", ToolCalls: []chat.ToolCall{
		{ID: "1", Name: "f", Arguments: json.RawMessage(`{"z":1,"a":2}`)},
	}}
	document, err := json.Marshal([]chat.Message{in})
	if err != nil {
		t.Fatal(err)
	}
	out, err := chat.ParseMessages(document)
	if err != nil {
		t.Fatal(err)
	}
	if again, _ := json.Marshal(out); string(again) != string(document) {
		t.Errorf("got %s, want %s", again, document)
	}
}

// A template sees absent, null and empty content and reasoning as they were written, and fields that only it knows.
func TestMessageAsSeen(t *testing.T) {
	template, err := chat.NewTemplate("{% for m in messages %}{{ m.content is none }},{{ m.reasoning_content is defined }},{{ m.mood }};{% endfor %}")
	if err != nil {
		t.Fatal(err)
	}
	messages, err := chat.ParseMessages([]byte(`[{"role": "a", "content": ""}, {"role": "a", "content": null}, {"role": "a"},
		{"role": "a", "content": "x", "reasoning_content": "", "mood": {"b": 1, "a": 2}}, {"role": "a", "content": "x", "reasoning_content": null}]`))
	if err != nil {
		t.Fatal(err)
	}
	got, err := template.Render(context.Background(), chat.RenderOptions{Messages: messages})
	want := "False,False,;True,False,;True,False,;False,True,{'b': 1, 'a': 2};False,False,;"
	if got != want || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

// The mode of a prompt, for each published template.
func TestThinking(t *testing.T) {
	user := []chat.Message{{Role: "user", Content: "Hi"}}
	for _, c := range []struct {
		template     string
		takes, opens bool
		modes        [3]bool // of auto, on, off
	}{
		{"qwen3", true, false, [3]bool{true, true, false}},
		{"qwen3-release", true, false, [3]bool{true, true, false}},
		{"qwen3-2507-thinking", false, true, [3]bool{true, true, true}},
		{"qwen2.5", false, false, [3]bool{false, false, false}},
	} {
		template := readTemplate(t, templateFiles[c.template])
		if got := template.TakesThinking(); got != c.takes {
			t.Errorf("%s takes thinking: %v", c.template, got)
		}
		for i, want := range c.modes {
			think := []chat.Think{chat.ThinkAuto, chat.ThinkOn, chat.ThinkOff}[i]
			prompt, err := template.Render(context.Background(), chat.RenderOptions{Messages: user, Think: think, AddGenerationPrompt: true})
			if err != nil {
				t.Fatal(err)
			}
			if got := template.GenerationThinks(prompt); got != want {
				t.Errorf("%s, %v: thinks %v, want %v", c.template, think, got, want)
			}
			if got := template.OpensThinking(prompt); got != c.opens {
				t.Errorf("%s, %v: opens %v, want %v", c.template, think, got, c.opens)
			}
		}
	}
}

func TestRenderEnds(t *testing.T) {
	messages := []chat.Message{{Role: "user", Content: "Hi"}}
	for _, c := range []struct{ source, want string }{
		{"{{ raise_exception('no system message') }}", "chat template: line 1: the template refuses: no system message"},
		{"{{ messages[0].content + 1 }}", "the chat template cannot be rendered: line 1: '+' does not work between values of types str and int"},
		{"{{ 'x' * 99999999999 }}", "the chat template cannot be rendered: line 1: the template makes too much text or too large a list"},
	} {
		template, err := chat.NewTemplate(c.source)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := template.Render(context.Background(), chat.RenderOptions{Messages: messages}); err == nil || err.Error() != c.want {
			t.Errorf("got %v, want %s", err, c.want)
		}
	}
	if _, err := chat.NewTemplate("{% if %}"); err == nil || !strings.HasPrefix(err.Error(), "the chat template is wrong: line 1: ") {
		t.Errorf("got %v", err)
	}
}

// A long conversation fits: a thousand turns, and one message of two megabytes.
func TestRenderLong(t *testing.T) {
	template := readTemplate(t, templateFiles["qwen3"])
	messages := []chat.Message{{Role: "system", Content: strings.Repeat("word ", 400_000)}}
	for range 1000 {
		messages = append(messages, chat.Message{Role: "user", Content: "question"}, chat.Message{Role: "assistant", Content: "<think>\nx\n</think>\n\nanswer"})
	}
	prompt, err := template.Render(context.Background(), chat.RenderOptions{Messages: messages, AddGenerationPrompt: true})
	if err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(prompt, "<|im_start|>"); n != 2002 {
		t.Errorf("%d turns", n)
	}
}
