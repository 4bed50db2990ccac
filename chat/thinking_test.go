package chat_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
)

// The last /think or /no_think of the conversation's system and user messages decides, as Qwen documents it; a template that
// was told not to think, or always thinks, is not moved by it.
func TestSoftSwitch(t *testing.T) {
	user := func(text string) chat.Message { return chat.Message{Role: "user", Content: text} }
	system := func(text string) chat.Message { return chat.Message{Role: "system", Content: text} }
	answer := chat.Message{Role: "assistant", Content: "Write /no_think to switch it off, /think to switch it on."}
	tool := chat.Message{Role: "tool", Content: "see /no_think"}
	for _, c := range []struct {
		name     string
		messages []chat.Message
		thinks   bool
	}{
		{"none", []chat.Message{user("Hi")}, true},
		{"off", []chat.Message{user("Hi /no_think")}, false},
		{"off, alone", []chat.Message{user("/no_think")}, false},
		{"off, first", []chat.Message{user("/no_think Hi")}, false},
		{"on behind off", []chat.Message{user("Hi /no_think /think")}, true},
		{"off behind on", []chat.Message{user("Hi /think\n/no_think.")}, false},
		{"in the system message", []chat.Message{system("Be brief. /no_think"), user("Hi")}, false},
		{"the user has the last word", []chat.Message{system("/no_think"), user("Hi /think")}, true},
		{"it stays for later turns", []chat.Message{user("Hi /no_think"), answer, user("And?")}, false},
		{"the last turn wins", []chat.Message{user("Hi /no_think"), answer, user("And? /think")}, true},
		{"an assistant's words are none", []chat.Message{user("How?"), answer, user("Thanks")}, true},
		{"a tool's words are none", []chat.Message{user("Hi"), tool}, true},
		{"but a user's before a tool's are", []chat.Message{user("Hi /no_think"), tool}, false},
		{"behind a number", []chat.Message{user("0x293 + 5593 - 0x1852/no_think")}, false},
		{"behind Chinese", []chat.Message{user("你好/no_think。")}, false},
		{"a path", []chat.Message{user("ls /no_think/x ~/no_think a/no_think ./no_think /no_thinking /no_think_2")}, true},
		{"an address", []chat.Message{user("https://x.org/no_think")}, true},
	} {
		for _, name := range []string{"qwen3", "qwen3-release", "qwen3-2507-thinking"} {
			template := readTemplate(t, templateFiles[name])
			for _, think := range []chat.Think{chat.ThinkAuto, chat.ThinkOn, chat.ThinkOff} {
				prompt, err := template.Render(context.Background(), chat.RenderOptions{Messages: c.messages, Think: think, AddGenerationPrompt: true})
				if err != nil {
					t.Fatal(err)
				}
				want := c.thinks
				switch {
				case name == "qwen3-2507-thinking":
					want = true
				case think == chat.ThinkOff:
					want = false
				}
				if got := template.GenerationThinks(prompt); got != want {
					t.Errorf("%s, %s, %v: thinks %v, want %v", c.name, name, think, got, want)
				}
				if got, want := template.MayThink(prompt), name == "qwen3-2507-thinking" || think != chat.ThinkOff; got != want {
					t.Errorf("%s, %s, %v: may think %v, want %v", c.name, name, think, got, want)
				}
			}
		}
	}
	never := readTemplate(t, "qwen-tokenizer/qwen3/chat_template_nonthinking.jinja")
	prompt, err := never.Render(context.Background(), chat.RenderOptions{Messages: []chat.Message{user("Hi /think")}, AddGenerationPrompt: true})
	if err != nil || never.GenerationThinks(prompt) || never.MayThink(prompt) {
		t.Errorf("the template that never thinks: %q, %v", prompt, err)
	}
}

// What an assistant thought before the last question is left out of the prompt, and what it thought since then, in the
// steps between calls of tools, stays; whether the thoughts come in a field of their own or inside the content.
func TestEarlierThinking(t *testing.T) {
	call := []chat.ToolCall{{Name: "f", Arguments: []byte(`{}`)}}
	for _, inContent := range []bool{false, true} {
		assistant := func(thought, text string, calls []chat.ToolCall) chat.Message {
			if inContent {
				return chat.Message{Role: "assistant", Content: "<think>\n" + thought + "\n</think>\n\n" + text, ToolCalls: calls}
			}
			return chat.Message{Role: "assistant", Content: text, ReasoningContent: thought, ToolCalls: calls}
		}
		messages := []chat.Message{
			{Role: "user", Content: "one"},
			assistant("early thought", "first answer", nil),
			{Role: "user", Content: "two"},
			assistant("late thought", "", call),
			{Role: "tool", Content: "result"},
		}
		for _, name := range []string{"qwen3", "qwen3-release", "qwen3-2507-thinking"} {
			prompt, err := readTemplate(t, templateFiles[name]).Render(context.Background(), chat.RenderOptions{Messages: messages, AddGenerationPrompt: true})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(prompt, "early thought") || !strings.Contains(prompt, "<|im_start|>assistant\nfirst answer<|im_end|>") {
				t.Errorf("%s: earlier thinking stays in %q", name, prompt)
			}
			if !strings.Contains(prompt, "<think>\nlate thought\n</think>\n\n<tool_call>") {
				t.Errorf("%s: the thinking before a call is lost in %q", name, prompt)
			}
		}
	}
}

// TestMessagesComeBack: what a message had beside the usual fields is there when it was written and read again.
func TestMessagesComeBack(t *testing.T) {
	const odd = `[{"role":"user","content":null,"reasoning_content":"","extra":{"b":1,"a":[2]},"mood":"good"}]`
	messages, err := chat.ParseMessages([]byte(odd))
	if err != nil {
		t.Fatal(err)
	}
	if document, err := json.Marshal(messages); string(document) != odd {
		t.Errorf("%s came back as %s, %v", odd, document, err)
	}
}
