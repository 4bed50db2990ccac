package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/chat/mcp"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// toolFlags are those of tools that are called here, not by whoever reads the answer.
func toolFlags() []cli.Flag {
	return []cli.Flag{
		text(toolsFlags, "tools", "`file` with a JSON array of tools that the model may call; the calls are printed"),
		text(toolsFlags, "mcp", "`file` with tool servers, {\"mcpServers\": {…}}; their tools are called, and the model answers with the results"),
		onOff(toolsFlags, "yes,y", "make every call without asking"),
		&cli.StringSliceFlag{Name: "allow", KeepSpace: true, Category: toolsFlags, Usage: "`name` of a tool that is called without asking; may be repeated", EnvVars: env("allow")},
		number(toolsFlags, "tool-rounds", "`answers` that may call tools before the last one (default 10)"),
		number(toolsFlags, "tool-timeout", "`seconds` that a call may take (default 60)"),
	}
}

// toolWish is what the flags say about tools.
type toolWish struct {
	servers []mcp.Server // nil: no --mcp
	yes     bool
	allow   []string
	options qwenvk.ToolOptions // the bounds
}

func (p *program) readToolWish(c *cli.Context) (w toolWish, err error) {
	w = toolWish{
		yes: c.Bool("yes"), allow: c.StringSlice("allow"),
		options: qwenvk.ToolOptions{MaxRounds: c.Int("tool-rounds"), Timeout: time.Duration(c.Int("tool-timeout")) * time.Second},
	}
	const day = 24 * 60 * 60
	if err := firstError(between(c, "tool-rounds", 1, 1000), between(c, "tool-timeout", 1, day)); err != nil {
		return w, err
	}
	file := c.String("mcp")
	if file == "" {
		for _, flag := range []string{"yes", "allow", "tool-rounds", "tool-timeout"} {
			if c.IsSet(flag) {
				return w, usageError("--%s is about the tools of servers; name those with --mcp FILE", flag)
			}
		}
		return w, nil
	}
	document, err := p.readFile(file)
	if err != nil {
		return w, err
	}
	if w.servers, err = mcp.ParseConfig(document, os.LookupEnv); err != nil {
		return w, fmt.Errorf("%s: %w", file, err)
	}
	if len(w.servers) == 0 {
		return w, fmt.Errorf("%s: there are no servers in it", file)
	}
	return w, nil
}

// toolbox holds the running servers, and what the person has allowed.
type toolbox struct {
	p       *program
	wish    toolWish
	set     *mcp.Set
	allowed map[string]bool
	told    bool // that nobody can be asked
}

// openTools starts the servers; nil where there are none. What does not start is told, and done without.
func (p *program) openTools(ctx context.Context, a *ask) (*toolbox, error) {
	if a.toolWish.servers == nil {
		return nil, nil
	}
	var reserved []string
	for i := range a.tools {
		reserved = append(reserved, a.tools.Describe(i).Name)
	}
	set, err := mcp.Start(ctx, a.toolWish.servers, mcp.Options{
		Reserved: reserved, Version: version(),
		Warn: func(message string) { p.warn("%s", term.Clean(message)) },
	})
	b := &toolbox{p: p, wish: a.toolWish, set: set, allowed: map[string]bool{}}
	if ctx.Err() != nil {
		return nil, errors.Join(ctx.Err(), set.Close())
	}
	if err != nil {
		for line := range strings.Lines(err.Error()) {
			p.warn("%s", term.Clean(strings.TrimSpace(line)))
		}
	}
	tools := set.Tools()
	for _, t := range tools {
		b.allowed[t.Name] = t.Allowed
	}
	for _, name := range a.toolWish.allow {
		if !slices.ContainsFunc(tools, func(t mcp.Tool) bool { return t.Name == name }) {
			p.warn("--allow %s: the servers have no such tool", name)
		}
		b.allowed[name] = true
	}
	p.note("%d tools from servers", len(tools))
	return b, nil
}

// close ends the servers.
func (b *toolbox) close() error {
	if b == nil {
		return nil
	}
	return b.set.Close()
}

// tools are what the model may call.
func (b *toolbox) tools() (tools []chat.Tool) {
	for _, t := range b.set.Tools() {
		tools = append(tools, t.Tool)
	}
	return tools
}

// definitions describe them.
func (b *toolbox) definitions() (tools chat.Tools) {
	for _, t := range b.tools() {
		tools = append(tools, t.Definition())
	}
	return tools
}

// options are those of a run in which question asks the person; nil: there is nobody to ask.
func (b *toolbox) options(question asker) qwenvk.ToolOptions {
	o := b.wish.options
	o.Tools = b.tools()
	o.Approve = func(ctx context.Context, call chat.ToolCall) (bool, error) { return b.approve(ctx, call, question) }
	return o
}

// asker shows a question about a call, which the person must be able to see, and returns what is typed. Errors: io.EOF
// where nobody answers, errAborted.
type asker func(ctx context.Context, call chat.ToolCall, prompt string) (string, error)

// askCall is the question. The arguments, which may be long, stand above it.
func askCall(call chat.ToolCall) string {
	return fmt.Sprintf("Call %s? [y]es, [n]o, [a]lways this tool: ", term.Truncate(oneLine(call.Name), 40))
}

// approve asks the person about a call, unless it is allowed already.
func (b *toolbox) approve(ctx context.Context, call chat.ToolCall, question asker) (bool, error) {
	if b.wish.yes || b.allowed[call.Name] {
		return true, nil
	}
	if question == nil {
		if !b.told {
			b.told = true
			b.p.warn("the call of %s is refused because nobody can be asked here; --allow %[1]s allows it, --yes all of them", term.Clean(call.Name))
		}
		return false, nil
	}
	for range 3 {
		word, err := question(ctx, call, askCall(call))
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		switch strings.ToLower(strings.TrimSpace(word)) {
		case "y", "yes":
			return true, nil
		case "a", "always":
			b.allowed[call.Name] = true
			return true, nil
		case "n", "no", "":
			return false, nil
		}
	}
	return false, nil
}

// askOnce is the asker of a single answer: stdin and stderr are terminals, or there is none.
func (p *program) askOnce() asker {
	if !p.tty.in || !p.tty.err {
		return nil
	}
	in := bufio.NewReader(p.in)
	return func(ctx context.Context, call chat.ToolCall, prompt string) (string, error) {
		prompt = shownCall(call) + "\n" + prompt
		if _, err := io.WriteString(p.err, prompt); err != nil {
			return "", err
		}
		type typed struct {
			line string
			err  error
		}
		done := make(chan typed, 1)
		go func() { // a read of a terminal cannot be ended; the program ends with it
			line, err := in.ReadString('\n')
			done <- typed{line, err}
		}()
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case t := <-done:
			return t.line, t.err
		}
	}
}

// maxShown bounds what is shown of a call or a result, in columns.
const maxShown = 200

// shownCall is a call in one line.
func shownCall(c chat.ToolCall) string {
	return term.Truncate(oneLine(c.Name+" "+string(jsonCall(c).Arguments)), maxShown)
}

// shownResult is a result in one line.
func shownResult(r qwenvk.ToolResult) string { return term.Truncate(oneLine(r.Content), maxShown) }

func oneLine(text string) string { return strings.Join(strings.Fields(term.Clean(text)), " ") }

// answerWithTools answers once, calling tools on the way.
func (p *program) answerWithTools(ctx context.Context, m *loaded, a *ask, b *toolbox) (err error) {
	offered := *a
	offered.tools = append(slices.Clone(a.tools), b.definitions()...)
	t, err := p.turn(ctx, m, &offered)
	if err != nil {
		return err
	}
	c, err := m.NewChat(qwenvk.ChatOptions{
		Think: a.think, Tools: a.tools, Sampling: &t.options.Sampling, MaxTokens: a.options.MaxTokens, Stop: a.options.Stop,
		ThinkBudget: a.options.ThinkBudget, ContextShift: a.shift, Speculate: a.options.Speculate,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	if err := a.cache.restore(ctx, c.RestoreCache); err != nil {
		return err
	}
	out := p.newPrinter()
	r := &reply{ran: true, results: map[string]qwenvk.ToolResult{}}
	for d, err := range c.RunMessages(ctx, b.options(p.askOnce()), a.conversation().Messages...) {
		if err == nil {
			err = p.runDelta(out, r, d, a.json)
		}
		if err != nil {
			return errors.Join(err, out.end())
		}
	}
	if r.result = c.Result(); a.json {
		err = writeAnswerJSON(p.out, m, r, t)
	} else {
		err = out.end()
	}
	if err != nil {
		return err
	}
	p.noteContext(m, a, c.LastAnswer())
	a.cache.update(ctx, c.LastAnswer(), c.SaveCache)
	if a.stats {
		p.printStats(m, r.result, c.Profile)
	}
	switch r.result.FinishReason {
	case "interrupted":
		return errInterrupted
	case "tool_calls":
		p.note("the model still wants to call %s", shownCall(r.calls[len(r.calls)-1]))
	}
	return nil
}

// runDelta takes a piece of an answer with tools: the answer goes to stdout, calls and results are told on stderr.
func (p *program) runDelta(out *printer, r *reply, d qwenvk.Delta, quiet bool) error {
	switch {
	case d.ToolCall != nil:
		r.calls = append(r.calls, *d.ToolCall)
		if err := out.end(); err != nil {
			return err
		}
		if p.askOnce() == nil { // else the question shows it
			p.note("call: %s", shownCall(*d.ToolCall))
		}
	case d.ToolResult != nil:
		r.results[d.ToolResult.Call.ID] = *d.ToolResult
		r.text = "" // what was said before a call is not the answer
		p.note("result: %s", shownResult(*d.ToolResult))
	default:
		r.text += d.Text
		r.reasoning += d.Reasoning
		if !quiet {
			return out.delta(chat.Delta{Text: d.Text, Reasoning: d.Reasoning})
		}
	}
	return nil
}

// jsonResult is a call with what became of it.
func jsonResult(c chat.ToolCall, r *reply) toolCall {
	call := jsonCall(c)
	if result, ok := r.results[c.ID]; ok {
		content, err := json.Marshal(result.Content)
		if err != nil {
			return call
		}
		call.Result, call.Failed = content, result.Failed
	}
	return call
}
