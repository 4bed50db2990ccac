package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// slashCommand is a command of a conversation.
type slashCommand struct {
	name  string
	takes string // what may stand behind it, as help shows it
	help  string
	words []string // that Tab offers behind it
	paths bool     // Tab offers paths
	run   func(c *conversation, ctx context.Context, rest string) error
}

// always makes a command of a function that the conversation survives whatever happens.
func always(act func(c *conversation, rest string)) func(*conversation, context.Context, string) error {
	return func(c *conversation, _ context.Context, rest string) error {
		act(c, rest)
		return nil
	}
}

// slashCommands are in the order of help. It is filled by init because help lists it.
var slashCommands []slashCommand

func init() {
	slashCommands = []slashCommand{
		{name: "/help", help: "this list", run: always(func(c *conversation, _ string) {
			columns, _ := c.p.window()
			c.say("%s\n", slashHelp(columns))
		})},
		{name: "/clear", help: "forget the conversation", run: always((*conversation).clear)},
		{name: "/system", takes: "[TEXT]", help: "show or set the system message, and begin anew", run: always((*conversation).system)},
		{
			name: "/think", takes: "[on|off|auto]", help: "whether the model thinks before it answers",
			words: []string{"auto", "off", "on"}, run: always((*conversation).think),
		},
		{name: "/no_think", help: "the same as /think off", run: always(func(c *conversation, _ string) { c.think("off") })},
		{
			name: "/set", takes: "[NAME VALUE]", help: "show or change a setting; \"default\" takes a change back. fold and markdown (on, off) are of the display: " +
				"reasoning folds into one line, answers are shown as they look. The others are flags of run: " + strings.Join(settingNames(), ", "),
			words: settingNames(), run: always((*conversation).set),
		},
		{
			name: "/show", takes: "[thinking]", help: "model, device, context, settings; the last reasoning (also Ctrl-O)",
			words: []string{"thinking"}, run: always((*conversation).show),
		},
		{name: "/save", takes: "PATH", help: "write the conversation into a file, with its cache unless the name ends in .json", paths: true, run: (*conversation).save},
		{name: "/load", takes: "PATH", help: "go on with a saved conversation", paths: true, run: (*conversation).load},
		{name: "/retry", help: "answer the last message again", run: func(c *conversation, ctx context.Context, _ string) error { return c.retry(ctx) }},
		{name: "/undo", help: "take the last message and its answer back", run: always(func(c *conversation, _ string) { c.undo() })},
		{
			name: "/copy", takes: "[code]", help: "copy the last answer, or its last code, to the clipboard",
			words: []string{"code"}, run: always((*conversation).copy),
		},
		{name: "/file", takes: "PATH", help: "put a text file before the next message", paths: true, run: always((*conversation).attach)},
		{name: "/tools", help: "the tools that the model may call", run: always(func(c *conversation, _ string) { c.listTools() })},
		{name: "/stats", help: "tell speeds after each answer, or no longer", run: always((*conversation).toggleStats)},
		{name: "/quit", help: "leave (also Ctrl-D)", run: func(*conversation, context.Context, string) error { return errLeave }},
	}
}

// slashOther are further names of commands, which neither help nor Tab mention.
var slashOther = map[string]string{"/?": "/help", "/exit": "/quit", "/bye": "/quit"}

// slashHelp explains the commands and the keys, for a width.
func slashHelp(columns int) string {
	const margin = 22
	if columns <= 0 {
		columns = 80
	}
	var b strings.Builder
	for _, s := range slashCommands {
		begin := strings.TrimSpace(s.name + " " + s.takes)
		for line := range strings.SplitSeq(term.Wrap(s.help, max(columns-margin, margin)), "\n") {
			fmt.Fprintf(&b, "%-*s%s\n", margin, begin, line)
			begin = ""
		}
	}
	b.WriteString("\nSeveral lines: Alt-Enter, or \\ at a line's end, or \"\"\" before and behind; a paste of several lines is one message. " +
		"Arrow keys recall earlier messages, Ctrl-R searches them, Tab completes commands and paths. Ctrl-C stops an answer.")
	return b.String()
}

func slashNamed(name string) int {
	if to, ok := slashOther[name]; ok {
		name = to
	}
	return slices.IndexFunc(slashCommands, func(s slashCommand) bool { return s.name == name })
}

// command does what a line that begins with a slash says.
func (c *conversation) command(ctx context.Context, line string) error {
	name, rest, _ := strings.Cut(line, " ")
	if i := slashNamed(name); i >= 0 {
		return slashCommands[i].run(c, ctx, strings.TrimSpace(rest))
	}
	c.say("There is no command %s; /help lists them. A message that begins with a slash may begin with a space before it.\n", name)
	return nil
}

func (c *conversation) clear(string) {
	c.chat.Reset()
	c.attached = nil
	c.say("The conversation is forgotten.\n")
}

func (c *conversation) toggleStats(string) {
	if c.a.stats = !c.a.stats; c.a.stats {
		c.say("Speeds follow each answer.\n")
	} else {
		c.say("Speeds are no longer told.\n")
	}
}

func (c *conversation) system(text string) {
	o := c.chat.Options()
	if text == "" {
		c.say("System message: %s\n", orNone(o.System))
		return
	}
	o.System = text
	c.chat.SetOptions(o)
	c.chat.Reset()
	c.say("A new conversation begins with this system message.\n")
}

func (c *conversation) think(word string) {
	if word == "" {
		word = "on"
	}
	think, err := chat.ParseThink(word)
	switch {
	case err != nil:
		c.say("%s\n", sentence(err))
	case !c.m.ChatTemplate().TakesThinking():
		c.say("This model's template does not switch thinking.\n")
	default:
		o := c.chat.Options()
		o.Think = think
		c.chat.SetOptions(o)
		c.say("Thinking: %s.\n", word)
	}
}

// set changes a sampling value, or shows what was changed.
func (c *conversation) set(words string) {
	name, value, _ := strings.Cut(words, " ")
	value = strings.TrimSpace(value)
	if name == "" {
		c.say("%s\n", c.settings())
		return
	}
	if err := c.setValue(name, value); err != nil {
		c.say("%s\n", strings.ReplaceAll(err.Error(), "--", ""))
		return
	}
	c.say("%s: %s\n", name, value)
}

func (c *conversation) setValue(name, value string) error {
	s := &c.a.sampling
	if name == "fold" || name == "markdown" {
		return c.setDisplay(name, value)
	}
	if known, err := s.setText(name, value); known {
		return err
	}
	switch {
	case name == "seed":
		seed, err := strconv.ParseUint(value, 10, 64)
		if err != nil {
			return fmt.Errorf("seed takes a whole number from 0 on, not %q", value)
		}
		s.seed, c.answer = seed, 0
	case name == "max-tokens" && value == "default":
		c.a.options.MaxTokens = 0
	case name == "max-tokens":
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 {
			return fmt.Errorf("max-tokens takes a whole number from 1 on, not %q", value)
		}
		c.a.options.MaxTokens = n
	default:
		return s.setNumber(name, value)
	}
	return nil
}

// setDisplay changes how answers are shown.
func (c *conversation) setDisplay(name, value string) error {
	switch {
	case value != "on" && value != "off":
		return fmt.Errorf("%s takes on or off, not %q", name, value)
	case name == "fold":
		c.unfolded = value == "off"
	default:
		c.raw = value == "off"
	}
	return nil
}

// settingNames are what /set takes.
func settingNames() []string {
	names := []string{"logit-bias", "dry-breaker", "seed", "max-tokens", "fold", "markdown"}
	for _, s := range settings {
		names = append(names, s.name)
	}
	slices.Sort(names)
	return names
}

// settings lists what was changed from the model's own advice.
func (c *conversation) settings() string {
	var parts []string
	for _, name := range slices.Sorted(maps.Keys(c.a.sampling.set)) {
		parts = append(parts, fmt.Sprintf("%s %g", name, c.a.sampling.set[name]))
	}
	for _, id := range slices.Sorted(maps.Keys(c.a.sampling.bias)) {
		parts = append(parts, fmt.Sprintf("logit-bias %d=%g", id, c.a.sampling.bias[id]))
	}
	if texts := c.a.sampling.breakers; texts != nil {
		parts = append(parts, fmt.Sprintf("dry-breaker %q", texts))
	}
	if c.a.options.MaxTokens > 0 {
		parts = append(parts, fmt.Sprintf("max-tokens %d", c.a.options.MaxTokens))
	}
	parts = append(parts, fmt.Sprintf("seed %d", c.a.sampling.seed))
	return strings.Join(parts, ", ") + "; all else as the model advises"
}

func (c *conversation) show(what string) {
	switch what {
	case "":
	case "thinking":
		c.print(c.unfold() + "\n")
		return
	default:
		c.say("/show takes nothing, or thinking.\n")
		return
	}
	i, o, r := c.m.Info(), c.chat.Options(), c.chat.LastAnswer()
	c.say("model     %s (%s, %s, %s parameters)", i.Name, i.Architecture, i.Type, count(i.Params))
	c.say("device    %s", c.m.runtime.Device().Name)
	c.say("context   %d of %d tokens used, %d messages", r.Usage.PromptTokens+r.Usage.CompletionTokens, i.Context, len(c.chat.Messages()))
	c.say("memory    %s", size(i.Memory.Weights+i.Memory.KV+i.Memory.Scratch))
	c.say("thinking  %s", o.Think)
	c.say("system    %s", orNone(o.System))
	c.say("sampling  %s\n", c.settings())
}

func orNone(s string) string {
	if s == "" {
		return "none"
	}
	return s
}
