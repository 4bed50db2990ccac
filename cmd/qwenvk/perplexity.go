package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/bench"
	"github.com/qwenvk/qwenvk/tokenizer"
)

func (p *program) perplexityCommand() *cli.Command {
	return &cli.Command{
		Name: "perplexity", ArgsUsage: "MODEL", Usage: "measure how well a model predicts a text",
		Description: "The text is cut into windows of --window tokens, and tokens 2 to the last of each are scored. With --stride N the\n" +
			"windows begin N tokens apart and only the last N of each are scored. A last window that is not full is left out.",
		Flags: slices.Concat([]cli.Flag{
			text(promptFlags, "file,f", "`file` with the text; - is stdin"),
			number(promptFlags, "window", "`tokens` in a window (default 512)"),
			number(promptFlags, "stride", "`tokens` between the beginnings of two windows (default: the window)"),
			onOff(outputFlags, "json", "print one JSON document"),
		}, computeFlags()),
		Action: p.perplexity,
	}
}

func (p *program) perplexity(c *cli.Context) error {
	o := bench.PerplexityOptions{Window: c.Int("window"), Stride: c.Int("stride")}
	if !c.IsSet("window") {
		o.Window = 512
	}
	if err := firstError(arguments(c, 1, 1), between(c, "window", 2, maxInt), between(c, "stride", 1, maxInt)); err != nil {
		return err
	}
	if o.Stride > o.Window {
		return usageError("--stride %d is longer than the window of %d tokens: some would never be scored", o.Stride, o.Window)
	}
	if c.String("file") == "" {
		return usageError("perplexity needs -f FILE; see qwenvk perplexity --help")
	}
	if _, err := locate(c.Args().First()); err != nil {
		return err
	}
	content, err := p.readFile(c.String("file"))
	if err != nil {
		return err
	}
	adjust := func(l *qwenvk.LoadOptions) {
		if l.Context == 0 {
			l.Context = o.Window
		}
	}
	return p.withModel(c, c.Args().First(), adjust, func(ctx context.Context, m *loaded) (err error) {
		ids, err := m.Tokenizer().Encode(string(content), tokenizer.EncodeOptions{})
		if err != nil {
			return err
		}
		s, err := m.NewSession()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		o.Progress = p.windowLine()
		result, err := bench.Perplexity(ctx, s, ids, o)
		if err != nil {
			return err
		}
		if c.Bool("json") {
			return writeJSON(p.out, result)
		}
		_, err = fmt.Fprintf(p.out, "perplexity %.4f ± %.4f over %d tokens in %d windows of %d\n",
			result.Perplexity, result.StdErr, result.Tokens, result.Windows, o.Window)
		return err
	})
}
