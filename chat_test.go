package qwenvk

import (
	"context"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/sampler"
)

// say sends a message and returns the answer's text and reasoning.
func say(ctx context.Context, t *testing.T, c *Chat, text string) (answer, reasoning string) {
	t.Helper()
	var a, r strings.Builder
	for d, err := range c.Send(ctx, text) {
		if err != nil {
			t.Fatal(err)
		}
		a.WriteString(d.Text)
		r.WriteString(d.Reasoning)
	}
	return a.String(), r.String()
}

func openChat(t *testing.T, o ChatOptions) *Chat {
	t.Helper()
	rt := openTest(t, Options{}, nil)
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.NewChat(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Close()
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return c
}

func TestChat(t *testing.T) {
	c := openChat(t, ChatOptions{Think: chat.ThinkOn, Sampling: &sampler.Params{}})
	answer, reasoning := say(context.Background(), t, c, "What is 17 + 25?")
	if answer != "17+25=42" || !strings.Contains(reasoning, "carry 1") {
		t.Errorf("answer %q, reasoning %q", answer, reasoning)
	}
	if answer, _ = say(context.Background(), t, c, "Who are you?"); !strings.Contains(answer, "qwenvk demo model") {
		t.Errorf("second answer %q", answer)
	}
	if r := c.Result(); r.Usage.CachedTokens == 0 {
		t.Errorf("nothing of the first turn was reused: %+v", r.Usage)
	}
	messages := c.Messages()
	if len(messages) != 4 || messages[1].Content != "17+25=42" || messages[1].ReasoningContent == "" {
		t.Errorf("messages %+v", messages)
	}
	c.Reset()
	if len(c.Messages()) != 0 {
		t.Errorf("%d messages after a reset", len(c.Messages()))
	}
	options := c.Options()
	options.Think = chat.ThinkOff
	c.SetOptions(options)
	if _, reasoning = say(context.Background(), t, c, "Hello there!"); reasoning != "" {
		t.Errorf("reasoning %q with thinking off", reasoning)
	}
}

// TestChatTool offers a tool and wants a call of it; its result leads to an answer.
func TestChatTool(t *testing.T) {
	tools, err := chat.ParseTools([]byte(`[{"type": "function", "function": {"name": "get_weather", "description": "Get the weather of a city.",
		"parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]`))
	if err != nil {
		t.Fatal(err)
	}
	c := openChat(t, ChatOptions{Tools: tools, Think: chat.ThinkOff, Sampling: &sampler.Params{}})
	var call *chat.ToolCall
	for d, err := range c.Send(context.Background(), "What is the weather in Paris?") {
		if err != nil {
			t.Fatal(err)
		}
		if d.ToolCall != nil {
			call = d.ToolCall
		}
	}
	if call == nil || call.Name != "get_weather" || !strings.Contains(string(call.Arguments), "Paris") {
		t.Fatalf("tool call %+v of %+v", call, c.Messages())
	}
	var answer strings.Builder
	for d, err := range c.Continue(context.Background(), chat.Message{Role: "tool", Content: `{"weather": "sunny", "temperature": 21}`}) {
		if err != nil {
			t.Fatal(err)
		}
		answer.WriteString(d.Text)
	}
	if answer.Len() == 0 {
		t.Errorf("no answer to the tool's result: %+v", c.Messages())
	}
}

// TestChatError: a message that does not fit leaves the conversation as it was.
func TestChatError(t *testing.T) {
	c := openChat(t, ChatOptions{System: "Be brief.", Sampling: &sampler.Params{}})
	for _, err := range c.Send(context.Background(), strings.Repeat("long ", 600)) {
		if err == nil {
			t.Fatal("a message longer than the context was answered")
		}
	}
	if n := len(c.Messages()); n != 1 {
		t.Errorf("%d messages after an error, want the system message alone", n)
	}
}
