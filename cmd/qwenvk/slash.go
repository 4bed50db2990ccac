package main

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/qwenvk/qwenvk/chat"
)

// slashHelp explains the commands of a conversation.
const slashHelp = `/help              this list
/clear             forget the conversation
/system [TEXT]     show or set the system message, and begin anew
/think [on|off|auto], /no_think
                   whether the model thinks before it answers
/set [NAME VALUE]  show or change temp, top-k, top-p, min-p, typical-p, top-n-sigma,
                   xtc-probability, xtc-threshold, repeat-penalty, presence-penalty,
                   frequency-penalty, dry-multiplier, dry-base, dry-allowed-length,
                   dry-breaker, mirostat, mirostat-tau, mirostat-eta, logit-bias,
                   seed, max-tokens; the value "default" takes a change back
/show              model, device, context, settings
/stats             tell speeds after each answer, or no longer
/quit              leave (also Ctrl-D)

Several lines: begin and end with """, or end a line with \.
Arrow keys recall earlier lines, Ctrl-R searches them.`

// slashCommands are what Tab completes.
var slashCommands = []string{"/clear", "/help", "/no_think", "/quit", "/set", "/show", "/stats", "/system", "/think"}

// command does what a line that begins with a slash says.
func (c *conversation) command(_ context.Context, line string) error {
	name, rest, _ := strings.Cut(line, " ")
	rest = strings.TrimSpace(rest)
	switch name {
	case "/help", "/?":
		c.say("%s\n", slashHelp)
	case "/quit", "/exit", "/bye":
		return errLeave
	case "/clear":
		c.chat.Reset()
		c.say("The conversation is forgotten.\n")
	case "/system":
		c.system(rest)
	case "/think":
		c.think(rest)
	case "/no_think":
		c.think("off")
	case "/set":
		c.set(rest)
	case "/show":
		c.show()
	case "/stats":
		c.a.stats = !c.a.stats
		if c.a.stats {
			c.say("Speeds follow each answer.\n")
		} else {
			c.say("Speeds are no longer told.\n")
		}
	default:
		c.say("There is no command %s; /help lists them. A message that begins with a slash may begin with a space before it.\n", name)
	}
	return nil
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

func (c *conversation) show() {
	i, o, r := c.m.Info(), c.chat.Options(), c.chat.Result()
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
