package chat

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/qwenvk/qwenvk/chat/jinja"
)

// Think says whether a model that can think before it answers shall do so.
type Think int

const (
	ThinkAuto Think = iota // the template decides: enable_thinking is not passed to it
	ThinkOn                // the model thinks before it answers
	ThinkOff               // the model answers at once
)

// ParseThink reads "auto", "on" or "off".
func ParseThink(s string) (Think, error) {
	switch s {
	case "auto", "":
		return ThinkAuto, nil
	case "on":
		return ThinkOn, nil
	case "off":
		return ThinkOff, nil
	}
	return ThinkAuto, fmt.Errorf("thinking is auto, on or off, not %q", s)
}

func (t Think) String() string { return [...]string{"auto", "on", "off"}[t] }

// renderTime bounds one Render; the templates of published models take a millisecond or two.
const renderTime = time.Second

// Template is a model's chat template. It is immutable and safe for concurrent use.
type Template struct {
	source  string
	program *jinja.Template
}

// NewTemplate reads a Jinja template, as it stands in tokenizer_config.json, chat_template.jinja or GGUF metadata.
func NewTemplate(source string) (*Template, error) {
	program, err := jinja.Parse(source)
	if err != nil {
		return nil, fmt.Errorf("the chat template is wrong: %w", err)
	}
	return &Template{source: source, program: program}, nil
}

// Source is the text of the template.
func (t *Template) Source() string { return t.source }

// TakesThinking reports whether the template can switch thinking on and off, by the variable enable_thinking.
func (t *Template) TakesThinking() bool { return t.program.Uses("enable_thinking") }

// RenderOptions are the parts of a prompt.
type RenderOptions struct {
	Messages            []Message
	Tools               Tools
	AddGenerationPrompt bool // end with the opening of the assistant's turn
	Think               Think
	Vars                map[string]string // further variables, such as bos_token
	Now                 func() time.Time  // for templates that write the date; nil: the clock
}

// Render writes the prompt. It ends with an error after a second, or when the template makes far more text than the
// messages hold, whatever the template does.
func (t *Template) Render(ctx context.Context, o RenderOptions) (string, error) {
	vars := map[string]any{"add_generation_prompt": o.AddGenerationPrompt}
	for name, value := range o.Vars {
		vars[name] = value
	}
	size := 0
	var messages []any
	for i := range o.Messages {
		v, err := o.Messages[i].value()
		if err != nil {
			return "", err
		}
		messages = append(messages, v)
		size += len(o.Messages[i].Content) + len(o.Messages[i].ReasoningContent)
	}
	vars["messages"] = jinja.NewList(messages...)
	tools, err := o.Tools.value()
	if err != nil {
		return "", err
	}
	vars["tools"] = tools
	if o.Think != ThinkAuto {
		vars["enable_thinking"] = o.Think == ThinkOn
	}
	limited, cancel := context.WithTimeout(ctx, renderTime)
	defer cancel()
	text, err := t.program.Render(limited, vars, jinja.Options{
		Budget: jinja.Budget{Memory: minMemory + memoryPerByte*size}, Now: o.Now,
	})
	if err == nil {
		return text, nil
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	var refused *jinja.Error
	if errors.As(err, &refused) && refused.Raised {
		return "", fmt.Errorf("chat template: %w", err)
	}
	return "", fmt.Errorf("the chat template cannot be rendered: %w", err)
}

// The memory that a template may use: templates copy each message a handful of times.
const (
	minMemory     = 64 << 20
	memoryPerByte = 32
)
