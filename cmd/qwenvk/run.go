package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/chat/toolcheck"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/grammar"
	"github.com/qwenvk/qwenvk/tokenizer"
)

func (p *program) runCommand() *cli.Command {
	return &cli.Command{
		Name: "run", ArgsUsage: "[MODEL] [PROMPT…]", Usage: "answer a prompt, or chat",
		Description: "With a prompt (arguments, -p, -f, --messages, --ids or piped stdin) one answer goes to stdout; without, a chat\n" +
			"begins. Reasoning is shown dimmed on a terminal and left out elsewhere. MODEL is a .gguf file, a folder in\n" +
			"Hugging Face layout, or \"demo\", the model inside this program, which also answers where no MODEL is named.",
		Flags: slices.Concat([]cli.Flag{
			text(promptFlags, "prompt,p", "the `text` to answer"),
			text(promptFlags, "file,f", "`file` with the text to answer; - is stdin"),
			text(promptFlags, "messages", "`file` with a JSON array of messages in OpenAI's form; the answer is the next turn"),
			text(promptFlags, "ids", "token `ids` to continue, separated by commas; no template"),
			text(promptFlags, "system", "system `message`"),
			text(promptFlags, "think", "whether the model shall think: `auto/on/off`; auto leaves it to the template"),
			number(promptFlags, "think-budget", "`tokens` that the model may think before it must answer; 0: none (default: as many as it likes)"),
			text(promptFlags, "template", "`file` with a Jinja template to use instead of the model's own"),
			text(promptFlags, "prompt-cache", "`file` that keeps what was computed of a prompt, for prompts that begin alike"),
			onOff(promptFlags, "context-shift", "when the context is full, go on without the oldest turns instead of ending the answer"),
			onOff(promptFlags, "raw", "no template: the prompt is continued as it is, special tokens in it are special"),
		}, toolFlags(), samplingFlags(), beamFlags(), speculationFlags(), []cli.Flag{
			text(outputFlags, "json-schema", "the answer is JSON that fits this schema: a `file`, or the schema itself"),
			text(outputFlags, "grammar", "the answer fits the rules (GBNF) in this `file`"),
			number(outputFlags, "logprobs", "with --format json: log-probabilities of each token and of the `n` most probable ones, 1 to 64"),
			text(outputFlags, "format", "`text/json`: the answer as it comes, or one document at the end"),
			onOff(outputFlags, "stats", "tell speeds on stderr; with QWENVK_PROFILE=1 also the time of each operation"),
		}, computeFlags()),
		Action: p.runModel,
	}
}

func (p *program) runModel(c *cli.Context) error {
	a, err := p.readAsk(c)
	if err != nil {
		return err
	}
	if !c.Args().Present() {
		p.note("no MODEL is named: %q, the small model inside this program, answers", demo.Name)
	}
	override := func(o *qwenvk.LoadOptions) {
		if o.Template = a.template; a.beams != nil {
			o.Sessions = a.beams.options.Beams
		}
	}
	return p.withModel(c, a.model, override, func(ctx context.Context, m *loaded) error {
		return p.withDraft(c, m, a, func() error { return p.serveAsk(ctx, m, a) })
	})
}

// serveAsk answers once, or talks, with the tools that were asked for.
func (p *program) serveAsk(ctx context.Context, m *loaded, a *ask) (err error) {
	b, err := p.openTools(ctx, a)
	if err != nil {
		return err
	}
	if b != nil {
		defer p.exits.add(b.set.Kill)()
		defer func() { err = errors.Join(err, b.close()) }()
	}
	switch {
	case a.interactive:
		return p.converse(ctx, m, a, b)
	case b != nil:
		return p.answerWithTools(ctx, m, a, b)
	}
	return p.answerOnce(ctx, m, a)
}

// ask is what a run was asked for.
type ask struct {
	model       string
	prompt      string
	ids         []int32
	messages    []chat.Message
	tools       chat.Tools
	toolWish    toolWish
	think       chat.Think
	system      string
	template    string
	raw         bool
	interactive bool
	json, stats bool
	sampling    samplingChoice
	cache       *promptCache           // nil: none
	shift       bool                   // --context-shift
	options     qwenvk.GenerateOptions // without Sampling
	speculation speculation
	beams       *beams           // nil: none are searched
	form        *grammar.Grammar // of the answers; nil: any
}

// readAsk reads the flags and the prompt of a run.
func (p *program) readAsk(c *cli.Context) (*ask, error) {
	a := &ask{
		model: demo.Name, system: c.String("system"), raw: c.Bool("raw"),
		json: c.String("format") == "json", stats: c.Bool("stats"),
		options: qwenvk.GenerateOptions{MaxTokens: c.Int("max-tokens"), Stop: c.StringSlice("stop"), IgnoreEOS: c.Bool("ignore-eos"), LogProbs: c.Int("logprobs")},
	}
	err := firstError(oneOf(c, "format", "text", "json"), between(c, "max-tokens", 1, maxInt), between(c, "logprobs", 1, maxLogProbs), a.sampling.read(c))
	if err != nil {
		return nil, err
	}
	if a.options.LogProbs > 0 && !a.json {
		return nil, usageError("--logprobs needs --format json: the plain answer has no place for them")
	}
	if a.think, err = thinkFlag(c); err != nil {
		return nil, err
	}
	if a.options.ThinkBudget, err = budgetFlag(c); err != nil {
		return nil, err
	}
	a.shift = c.Bool("context-shift")
	if a.cache, err = p.openPromptCache(c.String("prompt-cache")); err != nil {
		return nil, err
	}
	if a.beams, err = readBeams(c, a); err != nil {
		return nil, err
	}
	if err := a.speculation.read(c); err != nil {
		return nil, err
	}
	if c.Args().Present() {
		a.model = c.Args().First()
	}
	// A wrong name is told before stdin is waited for.
	if _, err := locate(a.model); err != nil {
		return nil, err
	}
	if err := p.readPrompt(c, a); err != nil {
		return nil, err
	}
	if file := c.String("template"); file != "" {
		source, err := p.readFile(file)
		if err != nil {
			return nil, err
		}
		a.template = string(source)
	}
	if a.tools, err = p.readTools(c.String("tools")); err != nil {
		return nil, err
	}
	if _, err := toolcheck.New(a.tools); err != nil {
		return nil, fmt.Errorf("%s: %w", c.String("tools"), err)
	}
	if a.toolWish, err = p.readToolWish(c); err != nil {
		return nil, err
	}
	if a.form, err = p.readForm(c); err != nil {
		return nil, err
	}
	return a, a.check()
}

// readPrompt finds the one place that the prompt comes from.
func (p *program) readPrompt(c *cli.Context, a *ask) (err error) {
	var sources []string
	for _, flag := range []string{"prompt", "file", "messages", "ids"} {
		if c.IsSet(flag) {
			sources = append(sources, "--"+flag)
		}
	}
	if c.NArg() > 1 {
		sources = append(sources, "the arguments")
	}
	if len(sources) > 1 {
		return usageError("the prompt is given twice, by %s; leave one out", strings.Join(sources, " and "))
	}
	switch {
	case c.IsSet("prompt"):
		a.prompt = c.String("prompt")
		err = validText("the prompt", a.prompt)
	case c.IsSet("file"):
		a.prompt, err = p.readPromptFile(c.String("file"), a.raw)
	case c.IsSet("messages"):
		a.messages, err = p.readMessages(c.String("messages"))
	case c.IsSet("ids"):
		if a.ids, err = parseIDs(c.String("ids")); err != nil {
			err = usageError("--ids: %v", err)
		} else if len(a.ids) == 0 {
			err = usageError("--ids has no ids")
		}
		return err
	case c.NArg() > 1:
		a.prompt = strings.Join(c.Args().Slice()[1:], " ")
		err = validText("the prompt", a.prompt)
	case !p.tty.in:
		if a.prompt, err = p.readPromptFile("-", a.raw); err == nil && a.prompt == "" {
			err = usageError("there is no prompt: stdin is empty; name one with -p, or chat in a terminal")
		}
	case p.tty.out:
		a.interactive = true
		return nil
	default:
		return usageError("a chat needs a terminal, and stdout is none; name a prompt with -p")
	}
	if err == nil && a.messages == nil && a.prompt == "" {
		return usageError("the prompt is empty")
	}
	return err
}

// readPromptFile reads a prompt. The newline that ends the file is no part of the question; a raw prompt is taken as it is.
func (p *program) readPromptFile(name string, raw bool) (string, error) {
	content, err := p.readFile(name)
	text := string(content)
	if !raw {
		text = strings.TrimSuffix(strings.TrimSuffix(text, "\n"), "\r")
	}
	return text, err
}

// check refuses flags that contradict each other.
func (a *ask) check() error {
	untemplated := a.raw || a.ids != nil
	switch {
	case a.raw && a.messages != nil:
		return usageError("--raw uses no template, and --messages needs one; leave one out")
	case untemplated && a.options.ThinkBudget != nil:
		return usageError("--think-budget ends the reasoning of a chat's answer; --raw and --ids have none")
	case untemplated && (a.system != "" || a.tools != nil || a.toolWish.servers != nil || a.think != chat.ThinkAuto || a.template != ""):
		return usageError("--system, --tools, --mcp, --think and --template shape what a template writes; --raw and --ids use none")
	case a.toolWish.servers != nil && a.beams != nil:
		return usageError("--beams is for one answer, and with --mcp there may be several; leave one out")
	case a.toolWish.servers != nil && a.options.LogProbs > 0:
		return usageError("--logprobs is for one answer, and with --mcp there may be several; leave one out")
	case a.toolWish.servers != nil && a.options.IgnoreEOS:
		return usageError("--ignore-eos goes on behind an answer's end, where --mcp calls tools; leave one out")
	case untemplated && a.interactive:
		return usageError("a chat needs the template; give --raw a prompt with -p")
	case a.form != nil && a.options.IgnoreEOS:
		return usageError("an answer of a given form ends; leave --ignore-eos out")
	case a.form != nil && (a.tools != nil || a.toolWish.servers != nil):
		return usageError("an answer of a given form cannot call tools; leave --tools and --mcp out, or --json-schema and --grammar")
	case a.interactive && a.options.IgnoreEOS:
		return usageError("--ignore-eos is for one answer, a chat would never get its turn back; name a prompt with -p")
	case a.form != nil && a.beams != nil:
		return usageError("beams are searched without a form; leave --beams out, or --json-schema and --grammar")
	case a.beams != nil && a.speculation.kind != specOff:
		return usageError("a beam search guesses nothing; leave --beams out, or --spec and --draft")
	case a.interactive && a.beams != nil:
		return usageError("--beams is for one answer; name a prompt with -p")
	case a.interactive && a.json:
		return usageError("--format json is for one answer; name a prompt with -p")
	case a.system != "" && len(a.messages) > 0 && a.messages[0].Role == "system":
		return usageError("the messages have a system message already; leave --system out")
	}
	return nil
}

// validText refuses text that is no UTF-8.
func validText(what, text string) error {
	for i, r := range text {
		if r == '\uFFFD' && !strings.HasPrefix(text[i:], "\uFFFD") {
			return fmt.Errorf("%s is not valid UTF-8: byte %d is 0x%02x; convert it to UTF-8 first", what, i, text[i])
		}
	}
	return nil
}

// turn makes token ids of what was asked.
func (p *program) turn(ctx context.Context, m *loaded, a *ask) (t turn, err error) {
	t = turn{ids: a.ids, options: a.options, plain: true, beams: a.beams, tokenizer: m.Tokenizer()}
	if t.options.Constraint, err = a.constraint(m); err != nil {
		return t, err
	}
	rendered := ""
	switch {
	case a.ids != nil:
		if vocab := m.Info().Vocab; slices.ContainsFunc(a.ids, func(id int32) bool { return int(id) >= vocab }) {
			return t, fmt.Errorf("--ids: the ids of %s go from 0 to %d", m.Info().Name, vocab-1)
		}
		a.sampling.apply(m, "", &t.options)
		t.options.Shift = a.shiftText(m, t.ids)
		return t, nil
	case a.raw:
		rendered = a.prompt
	default:
		prompt := a.conversation()
		if rendered, err = p.render(ctx, m, a, prompt); err != nil {
			return t, err
		}
		if a.shift {
			t.options.Shift = m.ShiftTurns(prompt, m.Info().Context, nil)
		}
		t.plain, t.thinking, t.options.Reasoning = false, m.ChatTemplate().OpensThinking(rendered), true
		t.tools = a.tools
	}
	a.sampling.apply(m, rendered, &t.options)
	p.checkThinking(m, rendered, &t.options)
	t.ids, err = m.Tokenizer().Encode(rendered, tokenizer.EncodeOptions{})
	if a.raw {
		t.options.Shift = a.shiftText(m, t.ids)
	}
	return t, err
}

// conversation is what the template is given.
func (a *ask) conversation() chat.RenderOptions {
	messages := a.messages
	if messages == nil {
		messages = []chat.Message{{Role: "user", Content: a.prompt}}
	}
	if a.system != "" {
		messages = append([]chat.Message{{Role: "system", Content: a.system}}, messages...)
	}
	return chat.RenderOptions{Messages: messages, Tools: a.tools, Think: a.think, AddGenerationPrompt: true}
}

func (p *program) render(ctx context.Context, m *loaded, a *ask, prompt chat.RenderOptions) (string, error) {
	template := m.ChatTemplate()
	if template == nil {
		return "", fmt.Errorf("%s has no chat template; give one with --template FILE, or continue text with --raw", m.name)
	}
	if m.DefaultTemplate() {
		p.noteChatML(m.name)
	}
	if a.think != chat.ThinkAuto && !template.TakesThinking() {
		p.warn("--think has no effect: the chat template does not know enable_thinking")
	}
	return m.Render(ctx, prompt)
}

// noteChatML tells that a model is spoken to in a form that it did not bring.
func (p *program) noteChatML(name string) {
	p.note("%s has no chat template; ChatML is used, as Qwen's chat models before templates had it (--template FILE gives another, --raw none)", name)
}

// answerOnce answers and ends. An interrupted answer is printed as far as it got.
func (p *program) answerOnce(ctx context.Context, m *loaded, a *ask) (err error) {
	t, err := p.turn(ctx, m, a)
	if err != nil {
		return err
	}
	s, err := m.NewSession()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if err := a.cache.restore(ctx, s.Restore); err != nil {
		return err
	}
	out := p.newPrinter()
	emit := out.delta
	if a.json {
		emit = func(chat.Delta) error { return nil }
	}
	r, err := answer(ctx, s, t, emit)
	if err != nil {
		return errors.Join(err, out.end())
	}
	if a.json {
		err = writeAnswerJSON(p.out, m, r, t)
	} else {
		err = out.end()
	}
	if err != nil {
		return err
	}
	p.noteContext(m, a, r.result)
	a.cache.update(ctx, r.result, s.SavePrefix)
	if r.broken != "" {
		p.warn("the model meant to call a tool, but %s", r.broken)
	}
	if a.stats {
		p.printStats(m, s.Result(), s.Profile)
	}
	if r.result.FinishReason == "interrupted" {
		return errInterrupted
	}
	return nil
}

// printStats tells the speed of an answer.
func (p *program) printStats(m *loaded, r qwenvk.Result, profile func() []qwenvk.OpTime) {
	t := r.Timings
	_, _ = fmt.Fprintf(p.err, "prompt %d tokens (%d cached) in %.1f ms, %.1f t/s; answer %d tokens in %.1f ms, %.1f t/s; first token after %.1f ms; load %.0f ms\n",
		r.Usage.PromptTokens, r.Usage.CachedTokens, t.PrefillMS, t.PrefillTPS,
		r.Usage.CompletionTokens, t.DecodeMS, t.DecodeTPS, t.FirstTokenMS, float64(m.LoadTime().Microseconds())/1000)
	if r.Counts.Dispatches > 0 {
		_, _ = fmt.Fprintf(p.err, "per token: %.3g submits, %d dispatches, %d barriers, %.0f µs of host time\n",
			r.Counts.Submits, r.Counts.Dispatches, r.Counts.Barriers, t.HostMicrosPerToken)
	}
	if r.Usage.DraftedTokens > 0 {
		_, _ = fmt.Fprintf(p.err, "guessed %d tokens ahead, %d were right (%.0f %%)\n",
			r.Usage.DraftedTokens, r.Usage.AcceptedTokens, 100*float64(r.Usage.AcceptedTokens)/float64(r.Usage.DraftedTokens))
	}
	p.printProfile(profile())
}
