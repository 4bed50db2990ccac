package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk/bench"
	"github.com/qwenvk/qwenvk/demo"
)

func (p *program) evalCommand() *cli.Command {
	return &cli.Command{
		Name: "eval", ArgsUsage: "[MODEL] FILE.jsonl", Usage: "score a model on an evaluation set",
		Description: "Each line of FILE is a JSON object:\n" +
			"  {\"question\", \"choices\", \"answer\"}            multiple choice by log-likelihood (the form of MMLU);\n" +
			"                                             answer is an index from 0, a letter, or the choice's text\n" +
			"  {\"question\", \"answer\"}                       the answer is found in what the model writes (the form of GSM8K)\n" +
			"  {\"messages\", \"expected\", \"match\"}            a conversation; match is exact or contains\n" +
			"\"category\" or \"subject\" makes rows of the table. Sampling is greedy.",
		Flags: slices.Concat([]cli.Flag{
			text(promptFlags, "shots-file", "`file` with examples to put in front of each item, of the set's form"),
			number(promptFlags, "shots", "this `many` examples; without --shots-file the set's first ones, which are then not scored"),
			text(promptFlags, "prompt-form", "how an item is put: `auto/chat/raw` (default auto: choices raw, questions as a chat where the model has a template)"),
			text(promptFlags, "think", "whether the model shall think: `auto/on/off`; auto leaves it to the template"),
			text(promptFlags, "pattern", "`regexp` that finds the answer to a question: its last match, the first group if it has one (default: what follows ####, else the last number)"),
			text(promptFlags, "score", "choices by `letter/text`: the likelihood of \"A\", or of the choice's text per byte (default letter)"),
			number(sampleFlags, "max-tokens", "`tokens` that an answer may have (default 512)"),
			number(promptFlags, "limit", "score only the first `items`"),
			text(outputFlags, "output,o", "`file` for what came of each item, one JSON object a line"),
			onOff(outputFlags, "json", "print one JSON document"),
		}, computeFlags()),
		Action: p.eval,
	}
}

// evalDocument is what eval --json prints.
type evalDocument struct {
	Model  string `json:"model"`
	Device string `json:"device"`
	File   string `json:"file"`
	Shots  int    `json:"shots"`
	bench.EvalResult
}

func (p *program) eval(c *cli.Context) error {
	o, err := evalFlags(c)
	if err != nil {
		return err
	}
	model, file := demo.Name, c.Args().First()
	if c.NArg() == 2 {
		model, file = c.Args().First(), c.Args().Get(1)
	} else {
		p.note("no MODEL is named: %q, the small model inside this program, answers", demo.Name)
	}
	if _, err := locate(model); err != nil {
		return err
	}
	items, err := p.readEval(file)
	if err != nil {
		return err
	}
	if items, err = p.chooseShots(c, items, &o); err != nil {
		return err
	}
	if c.IsSet("limit") {
		items = items[:min(len(items), c.Int("limit"))]
	}
	return p.withModel(c, model, nil, func(ctx context.Context, m *loaded) (err error) {
		o.Progress = p.itemLine()
		var result bench.EvalResult
		run := func(w io.Writer) error {
			if w != nil {
				o.Record = func(r bench.EvalRecord) error { return json.NewEncoder(w).Encode(r) }
			}
			result, err = bench.Eval(ctx, m.Model, items, o)
			return err
		}
		if out := c.String("output"); out != "" {
			err = p.writeFile(out, run)
		} else {
			err = run(nil)
		}
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return writeJSON(p.out, evalDocument{m.name, m.runtime.Device().Name, file, len(o.Shots), result})
		}
		return p.printEval(result)
	})
}

// evalFlags reads the flags that say how a set is put and scored.
func evalFlags(c *cli.Context) (o bench.EvalOptions, err error) {
	err = firstError(
		arguments(c, 1, 2), oneOf(c, "prompt-form", "auto", "chat", "raw"), oneOf(c, "score", "letter", "text"),
		between(c, "shots", 0, 1000), between(c, "limit", 1, maxInt), between(c, "max-tokens", 1, maxInt),
	)
	if err != nil {
		return o, err
	}
	if o.Think, err = thinkFlag(c); err != nil {
		return o, err
	}
	o.Form, o.ByText, o.MaxTokens = bench.PromptForm(c.String("prompt-form")), c.String("score") == "text", c.Int("max-tokens")
	if pattern := c.String("pattern"); pattern != "" {
		if o.Pattern, err = regexp.Compile(pattern); err != nil {
			return o, usageError("--pattern: %v", err)
		}
	}
	return o, nil
}

func (p *program) readEval(name string) ([]bench.EvalItem, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("the evaluation set %s cannot be read: %w", name, bareCause(err))
	}
	items, err := bench.ReadEval(f)
	if err := errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("%s: %w", name, err)
	}
	return items, nil
}

// chooseShots takes the examples from their file, or from the head of the set.
func (p *program) chooseShots(c *cli.Context, items []bench.EvalItem, o *bench.EvalOptions) ([]bench.EvalItem, error) {
	n := c.Int("shots")
	if file := c.String("shots-file"); file != "" {
		shots, err := p.readEval(file)
		if err != nil {
			return nil, err
		}
		if c.IsSet("shots") {
			if n > len(shots) {
				return nil, fmt.Errorf("%s has %d examples, not %d", file, len(shots), n)
			}
			shots = shots[:n]
		}
		o.Shots = shots
		return items, nil
	}
	if n >= len(items) {
		return nil, fmt.Errorf("the set has %d items: with %d as examples none is left to score", len(items), n)
	}
	o.Shots = items[:n]
	return items[n:], nil
}

// itemLine tells how far an evaluation is, now and then.
func (p *program) itemLine() func(done, total int) { return p.everyTenSeconds("item") }

func (p *program) printEval(r bench.EvalResult) error {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name string, s bench.EvalScore) {
		_, _ = fmt.Fprintf(w, "%s\t%d/%d\t%.2f %% ± %.2f\n", name, s.Correct, s.Items, 100*s.Accuracy, 100*s.StdErr) // to memory
	}
	for _, s := range r.Categories {
		name := s.Category
		if name == "" {
			name = "(none)"
		}
		row(name, s)
	}
	row("all", r.EvalScore)
	if err := w.Flush(); err != nil {
		return err
	}
	_, err := io.WriteString(p.out, b.String())
	return err
}
