package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
	"github.com/qwenvk/qwenvk/demo"
)

// conversation is an interactive chat.
type conversation struct {
	p      *program
	m      *loaded
	a      *ask
	chat   *qwenvk.Chat
	tools  *toolbox // nil: no servers
	calls  int      // of the model's last turn
	lines  lineReader
	answer uint64 // answers so far: each draws other random numbers

	attached []attachment // go along with the next message
	colour   bool
	live     bool // rows at the bottom can be drawn again
	unfolded bool // reasoning stays as it is written
	raw      bool // answers are shown as they are written, not as Markdown looks
	hinted   bool // it was told how folded reasoning is shown
}

// errLeave ends a conversation.
var errLeave = errors.New("leave")

// converse talks until the person leaves.
func (p *program) converse(ctx context.Context, m *loaded, a *ask, b *toolbox) (err error) {
	form, err := a.constraint(m)
	if err != nil {
		return err
	}
	talk, err := m.NewChat(qwenvk.ChatOptions{
		System: a.system, Think: a.think, Tools: a.tools, MaxTokens: a.options.MaxTokens, Stop: a.options.Stop, ThinkBudget: a.options.ThinkBudget, ContextShift: a.shift,
		Constraint: form, Speculate: a.options.Speculate,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, talk.Close()) }()
	if m.DefaultTemplate() {
		p.noteChatML(m.name)
	}
	if err := a.cache.restore(ctx, talk.RestoreCache); err != nil {
		return err
	}
	lines := p.openLines()
	defer func() { err = errors.Join(err, lines.Close()) }()
	defer p.exits.add(func() { _ = lines.Close() })() // the program is ending: nobody is left to tell
	columns, rows := p.window()
	c := &conversation{
		p: p, m: m, a: a, chat: talk, tools: b, lines: lines, colour: coloured(),
		live: columns > 0 && rows > 0 && os.Getenv("TERM") != "dumb",
	}
	if t, ok := lines.(*terminal); ok {
		t.editor.Keys["ctrl-o"] = c.unfold
	}
	c.greet()
	return c.loop(ctx)
}

func (c *conversation) greet() {
	i := c.m.Info()
	c.say("%s, %s parameters, %s, on %s", i.Name, count(i.Params), i.Type, c.m.runtime.Device().Name)
	if c.m.name == demo.Name {
		c.say(`A toy: try "What is 17 + 25?", "What is a token?", "Who are you?"`)
	}
	c.say("/help lists the commands, Ctrl-C stops an answer, Ctrl-D leaves\n")
}

// loop reads messages and answers them. Ctrl-C at the prompt leaves when it is pressed twice.
func (c *conversation) loop(ctx context.Context) error {
	aborted := false
	for {
		text, err := readMessage(c.lines)
		switch {
		case errors.Is(err, io.EOF):
			c.say("")
			return nil
		case errors.Is(err, errAborted) && aborted:
			return errInterrupted
		case errors.Is(err, errAborted):
			aborted = true
			c.say("(Ctrl-C again or Ctrl-D leaves)")
			continue
		case err != nil:
			return err
		}
		aborted = false
		if text = strings.TrimSpace(text); text == "" {
			continue
		}
		if err := c.handle(ctx, text); errors.Is(err, errLeave) {
			return nil
		} else if err != nil {
			return err
		}
	}
}

// handle does what a message says: a command, or something to be answered.
func (c *conversation) handle(ctx context.Context, text string) error {
	if strings.HasPrefix(text, "/") {
		return c.command(ctx, text)
	}
	return c.send(ctx, text)
}

// send has a message answered. Errors that the conversation survives are told and swallowed.
func (c *conversation) send(ctx context.Context, text string) error {
	err := c.reply(ctx, text)
	switch {
	case err == nil, ctx.Err() != nil:
		return err
	case errors.Is(err, qwenvk.ErrContextFull):
		c.say("The conversation has outgrown the context of %d tokens: /clear begins a new one.", c.m.Info().Context)
		return nil
	case errors.Is(err, qwenvk.ErrDeviceLost), errors.Is(err, qwenvk.ErrOutOfMemory):
		return err
	}
	c.say("%s", sentence(err))
	return nil
}

// reply answers one message.
func (c *conversation) reply(parent context.Context, text string) (err error) {
	if err := validText("the message", text); err != nil {
		return err
	}
	ctx, done := c.p.interrupts.scope(parent)
	defer done()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	text = withAttachments(c.attached, text)
	if err := c.chooseSampling(ctx, text); err != nil {
		return err
	}
	if err := c.showAnswer(c.talk(ctx, cancel, text)); err != nil {
		return err
	}
	c.attached = nil
	r := c.chat.Result()
	if c.answer == 1 {
		c.a.cache.update(ctx, c.chat.LastAnswer(), c.chat.SaveCache)
	}
	switch {
	case r.Shifts > 0:
		c.say("(the context of %d tokens was full: the oldest messages are no longer in it)", c.m.Info().Context)
	case r.FinishReason == "interrupted":
		c.say("(stopped)")
	case r.FinishReason == "tool_calls" && c.tools != nil:
		c.say("(the model still wants to call tools; say something to go on)")
	case r.FinishReason == "length" && c.a.options.MaxTokens == 0:
		c.say("(the context of %d tokens is full: /clear begins a new conversation)", c.m.Info().Context)
	case r.FinishReason == "length":
		c.say("(ended after %d tokens: /set max-tokens changes that)", r.Usage.CompletionTokens)
	}
	if c.a.stats {
		c.p.printStats(c.m, r, c.chat.Profile)
	}
	c.say("")
	return nil
}

// chooseSampling fits the sampling to the mode that the next prompt ends in, since thinking may have been switched.
func (c *conversation) chooseSampling(ctx context.Context, text string) error {
	o := c.chat.Options()
	messages := append(c.chat.Messages(), chat.Message{Role: "user", Content: text})
	rendered, err := c.m.Render(ctx, chat.RenderOptions{Messages: messages, Tools: o.Tools, Think: o.Think, AddGenerationPrompt: true})
	if err != nil {
		return err
	}
	var g qwenvk.GenerateOptions
	c.a.sampling.apply(c.m, rendered, &g)
	c.p.checkThinking(c.m, rendered, &g)
	g.Sampling.Seed += c.answer
	c.answer++
	o.Sampling, o.MaxTokens = &g.Sampling, c.a.options.MaxTokens
	c.chat.SetOptions(o)
	return nil
}

// say writes a line about the conversation, not of it.
func (c *conversation) say(format string, args ...any) {
	columns, _ := c.p.window()
	line := term.Wrap(term.Clean(fmt.Sprintf(format, args...)), columns)
	if line != "" {
		line = c.dim(line)
	}
	_, _ = fmt.Fprintln(c.p.out, line) // a terminal that is gone ends the next read
}
