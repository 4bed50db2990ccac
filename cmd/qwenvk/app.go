package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/internal/cliargs"
)

// run sorts a command line, lets the parser have it and does what it says.
func (p *program) run(ctx context.Context, args []string) error {
	app := p.app()
	grammar := grammarOf(app)
	if err := refusedCommand(grammar.Find(args)); err != nil {
		return err
	}
	line, err := grammar.Sort(args, p.env)
	if err != nil {
		return err
	}
	if line.Command == "" && len(line.Args) > 0 {
		return usagef("%q is no command; qwenvk --help lists the commands", line.Args[0])
	}
	return app.RunContext(ctx, append([]string{app.Name}, line.Strings()...))
}

// app is the command line as urfave/cli knows it.
func (p *program) app() *cli.App {
	wrong := func(_ *cli.Context, err error, _ bool) error { return &statusError{statusUsage, err} }
	app := &cli.App{
		Name:      "qwenvk",
		Usage:     "run Qwen language models on a Vulkan device",
		UsageText: "qwenvk COMMAND [FLAGS] [ARGUMENTS]",
		Description: "Begin with the model that is inside the program:\n\n" +
			"   qwenvk run demo -p \"What is 17 + 25?\"\n   qwenvk run demo\n\n" +
			"Flags may stand anywhere; -- ends them. QWENVK_SOME_FLAG in the environment stands for --some-flag.",
		Writer: p.stdout, ErrWriter: p.stderr, ExitErrHandler: func(*cli.Context, error) {},
		HideHelpCommand: true, HideVersion: true,
		DisableSliceFlagSeparator: true,
		OnUsageError:              wrong,
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "log-level", Usage: "detail on standard error: `debug`, info, warn or error", Value: "warn"},
			&cli.BoolFlag{Name: "version", Usage: "print the version"},
		},
		Before: p.before,
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				return p.version(c)
			}
			return cli.ShowAppHelp(c)
		},
		Commands: p.commands(),
	}
	for _, c := range app.Commands {
		c.HideHelpCommand = true
		c.OnUsageError = wrong
		c.Before = refusedFlags(c.Before)
	}
	return app
}

// commands are those of this version, in the order of the help text.
func (p *program) commands() []*cli.Command {
	return append([]*cli.Command{
		p.runCommand(), p.devicesCommand(), p.inspectCommand(),
		p.tokenizeCommand(), p.detokenizeCommand(), p.templateCommand(),
		p.logitsCommand(), p.perplexityCommand(), p.benchCommand(),
		p.versionCommand(), p.completionCommand(),
	}, refusedCommands()...)
}

// before sets the log level up.
func (p *program) before(c *cli.Context) error {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.String("log-level"))); err != nil {
		return usagef("--log-level is debug, info, warn or error, not %q", c.String("log-level"))
	}
	p.log = p.logger(level)
	return nil
}

// grammarOf is what internal/cliargs has to know of an app.
func grammarOf(app *cli.App) cliargs.Grammar {
	help := cliargs.Flag{Names: []string{"help", "h"}, Bool: true, NoEnv: true}
	g := cliargs.Grammar{EnvPrefix: "QWENVK_", Global: append(flagsOf(app.Flags), help)}
	for _, c := range app.Commands {
		g.Commands = append(g.Commands, cliargs.Command{Name: c.Name, Flags: append(flagsOf(c.Flags), help)})
	}
	return g
}

func flagsOf(flags []cli.Flag) []cliargs.Flag {
	var out []cliargs.Flag
	for _, f := range flags {
		_, boolean := f.(*cli.BoolFlag)
		name := f.Names()[0]
		out = append(out, cliargs.Flag{Names: f.Names(), Bool: boolean, NoEnv: isRefused(f) || name == "version"})
	}
	return out
}

// example is the last part of a command's help.
func example(lines ...string) string {
	return "Example:\n   " + strings.Join(lines, "\n   ")
}

// oneArgument is the argument of commands that need exactly one.
func oneArgument(c *cli.Context, what string) (string, error) {
	switch n := c.NArg(); {
	case n == 0:
		return "", usagef("%s needs %s; qwenvk %[1]s --help shows an example", c.Command.Name, what)
	case n > 1:
		return "", usagef("%s takes one argument, %s, not %d; quote what has spaces", c.Command.Name, what, n)
	}
	return c.Args().First(), nil
}

// noArguments refuses arguments.
func noArguments(c *cli.Context) error {
	if c.NArg() > 0 {
		return usagef("%s takes no arguments; %q is one", c.Command.Name, c.Args().First())
	}
	return nil
}

// printf writes to standard output and reports when that fails, as on a full disk.
func printf(w io.Writer, format string, args ...any) error {
	if _, err := fmt.Fprintf(w, format, args...); err != nil {
		return fmt.Errorf("the output cannot be written: %w", err)
	}
	return nil
}
