package main

import (
	"context"
	"errors"
	"iter"
	"strings"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// talk has the model answer a message, with the tools of the servers if there are some. cancel ends the answer.
func (c *conversation) talk(ctx context.Context, cancel context.CancelFunc, text string) iter.Seq2[qwenvk.Delta, error] {
	if c.tools == nil {
		return c.chat.Send(ctx, text)
	}
	return c.chat.Run(ctx, text, c.tools.options(c.asker(cancel)))
}

// asker asks at the conversation's own prompt, under the call that is shown already. Ctrl-C there ends the answer.
func (c *conversation) asker(cancel context.CancelFunc) asker {
	return func(_ context.Context, call chat.ToolCall, prompt string) (string, error) {
		if c.calls > 1 { // which of those above?
			c.say("%s", shownCall(call))
		}
		if t, ok := c.lines.(*terminal); ok {
			hint, complete := t.editor.Hint, t.editor.Complete
			t.editor.Hint, t.editor.Complete = "", nil
			defer func() { t.editor.Hint, t.editor.Complete = hint, complete }()
		}
		line, err := c.lines.Line(prompt)
		if errors.Is(err, errAborted) {
			cancel()
			return "", nil
		}
		return line, err
	}
}

// showAnswer shows an answer as it comes. Each turn of the model has a view of its own: calls and their results stand
// between them.
func (c *conversation) showAnswer(answer iter.Seq2[qwenvk.Delta, error]) error {
	out := c.newView()
	c.calls = 0
	for d, err := range answer {
		if d.ToolCall != nil {
			c.calls++
		}
		switch {
		case err != nil:
		case d.ToolResult != nil:
			if err = out.end(); err == nil {
				c.calls = 0
				c.say("→ %s", shownResult(*d.ToolResult))
				out = c.newView()
			}
		default:
			err = out.delta(chat.Delta{Text: d.Text, Reasoning: d.Reasoning, ToolCall: d.ToolCall})
		}
		if err != nil {
			return errors.Join(err, out.end())
		}
	}
	return out.end()
}

// listTools tells what the model may call.
func (c *conversation) listTools() {
	tools := c.chat.Options().Tools
	if len(tools) == 0 && c.tools == nil {
		c.say("The model has no tools; --tools FILE and --mcp FILE give it some.\n")
		return
	}
	line := func(name, description, remark string) {
		c.say("%s  %s%s", oneLine(name), term.Truncate(oneLine(description), 70), remark)
	}
	for i := range tools {
		d := tools.Describe(i)
		line(d.Name, d.Description, "")
	}
	if c.tools != nil {
		for _, t := range c.tools.set.Tools() {
			remarks := []string{"server " + oneLine(t.Server)}
			if c.tools.wish.yes || c.tools.allowed[t.Name] {
				remarks = append(remarks, "called without asking")
			}
			line(t.Name, t.Description, " ("+strings.Join(remarks, ", ")+")")
		}
	}
	c.say("")
}
