package chat_test

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/internal/testkit"
)

// templateFiles are the templates of the goldens.
var templateFiles = map[string]string{
	"qwen3":               "qwen-tokenizer/qwen3/chat_template.jinja",
	"qwen3-release":       "qwen-tokenizer/qwen3/chat_template_release.jinja",
	"qwen3-2507-thinking": "qwen-tokenizer/qwen3-2507/chat_template.jinja",
	"qwen2.5":             "qwen-tokenizer/qwen2.5/chat_template.jinja",
}

func readTemplate(t testing.TB, file string) *chat.Template {
	t.Helper()
	template, err := chat.NewTemplate(string(testkit.Read(t, file)))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return template
}

// render reads messages and tools as a user gives them and renders them.
func render(t *testing.T, template *chat.Template, messages, tools json.RawMessage, generation bool, thinking *bool) string {
	t.Helper()
	o := chat.RenderOptions{AddGenerationPrompt: generation}
	var err error
	if o.Messages, err = chat.ParseMessages(messages); err != nil {
		t.Fatal(err)
	}
	if o.Tools, err = chat.ParseTools(tools); err != nil {
		t.Fatal(err)
	}
	if thinking != nil {
		o.Think = chat.ThinkOff
		if *thinking {
			o.Think = chat.ThinkOn
		}
	}
	text, err := template.Render(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// The 288 renders of transformers' apply_chat_template; the same when the messages were written and read again, as a saved
// conversation is.
func TestGolden(t *testing.T) {
	var records []struct {
		Name, Template  string
		Messages, Tools json.RawMessage
		Generation      bool  `json:"add_generation_prompt"`
		Thinking        *bool `json:"enable_thinking"`
		Text            string
	}
	if err := json.Unmarshal(testkit.Read(t, "qwen-tokenizer/chat_golden.json"), &records); err != nil {
		t.Fatal(err)
	}
	if len(records) != 288 {
		t.Fatalf("there are %d records, not 288", len(records))
	}
	templates := map[string]*chat.Template{}
	for name, file := range templateFiles {
		templates[name] = readTemplate(t, file)
	}
	wrong := 0
	for _, r := range records {
		if got := render(t, templates[r.Template], r.Messages, r.Tools, r.Generation, r.Thinking); got != r.Text {
			if wrong++; wrong <= 5 {
				t.Errorf("%s, %s:\n got %q\nwant %q", r.Template, r.Name, got, r.Text)
			}
		}
		messages, err := chat.ParseMessages(r.Messages)
		if err != nil {
			t.Fatal(err)
		}
		written, err := json.Marshal(messages)
		if err != nil {
			t.Fatal(err)
		}
		if got := render(t, templates[r.Template], written, r.Tools, r.Generation, r.Thinking); got != r.Text {
			t.Errorf("%s, %s: written again as %s they give\n%q, want\n%q", r.Template, r.Name, written, got, r.Text)
		}
	}
	t.Logf("%d of %d equal", len(records)-wrong, len(records))
}

// The 150 prompts of the demo model's evaluation, rendered by transformers from the model's own template.
func TestDemoPrompts(t *testing.T) {
	var config struct {
		Template string `json:"chat_template"`
	}
	if err := json.Unmarshal(testkit.Read(t, "demo-model/qwenvk-demo/tokenizer_config.json"), &config); err != nil {
		t.Fatal(err)
	}
	template, err := chat.NewTemplate(config.Template)
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(testkit.Read(t, "demo-model/eval.jsonl"))), "\n")
	if len(lines) != 150 {
		t.Fatalf("there are %d prompts, not 150", len(lines))
	}
	for _, line := range lines {
		var r struct {
			ID              string
			Messages, Tools json.RawMessage
			Thinking        *bool `json:"enable_thinking"`
			Prompt          string
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if got := render(t, template, r.Messages, r.Tools, true, r.Thinking); got != r.Prompt {
			t.Errorf("%s:\n got %q\nwant %q", r.ID, got, r.Prompt)
		}
	}
}
