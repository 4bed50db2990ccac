package chat_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/internal/testkit"
)

// TestChatML: where Qwen2.5's template only writes turns (a system message first, no tools), ChatML writes the same.
func TestChatML(t *testing.T) {
	compared := 0
	for line := range strings.Lines(string(testkit.Read(t, "qwen-tokenizer/chat_golden.json"))) {
		line = strings.TrimRight(strings.TrimSpace(line), ",")
		var g struct {
			Name, Template, Text string
			Messages             json.RawMessage
			Tools                json.RawMessage
			Generation           bool `json:"add_generation_prompt"`
		}
		if json.Unmarshal([]byte(line), &g) != nil || g.Template != "qwen2.5" || string(g.Tools) != "null" && g.Tools != nil {
			continue
		}
		messages, err := chat.ParseMessages(g.Messages)
		if err != nil {
			t.Fatal(err)
		}
		plain := len(messages) > 0 && messages[0].Role == "system"
		for _, m := range messages {
			plain = plain && m.Role != "tool" && len(m.ToolCalls) == 0
		}
		if !plain {
			continue
		}
		compared++
		got, err := chat.ChatML().Render(context.Background(), chat.RenderOptions{Messages: messages, AddGenerationPrompt: g.Generation})
		if err != nil || got != g.Text {
			t.Errorf("%s: %v\n got %q\nwant %q", g.Name, err, got, g.Text)
		}
	}
	if compared == 0 {
		t.Error("no golden was compared: the search is broken")
	}

	got, err := chat.ChatML().Render(context.Background(), chat.RenderOptions{Messages: []chat.Message{{Role: "user", Content: "hi"}}, AddGenerationPrompt: true})
	want := "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n"
	if err != nil || got != want {
		t.Errorf("without a system message: %v\n got %q\nwant %q", err, got, want)
	}
}
