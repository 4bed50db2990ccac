package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"
)

// app puts the commands together. Their errors come back to the caller: nothing here prints one or exits.
func (p *program) app() *cli.App {
	app := &cli.App{
		Name: "qwenvk", Usage: "run Qwen language models on the GPU, through Vulkan",
		Writer: p.out, ErrWriter: p.err,
		HideHelpCommand: true, HideVersion: true, DisableSliceFlagSeparator: true,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   wrongUse,
		Commands: []*cli.Command{
			p.runCommand(), p.devicesCommand(), p.doctorCommand(), p.inspectCommand(), p.tokenizeCommand(), p.detokenizeCommand(),
			p.templateCommand(), p.logitsCommand(), p.perplexityCommand(), p.evalCommand(), p.embedCommand(), p.rerankCommand(), p.quantizeCommand(), p.benchCommand(), p.pullCommand(), p.versionCommand(),
			p.completionCommand(),
		},
	}
	app.CustomAppHelpTemplate = asTemplate(appHelp(app))
	for _, c := range app.Commands {
		c.HideHelpCommand = true
		c.OnUsageError = wrongUse
		c.CustomHelpTemplate = asTemplate(commandHelp(c))
		c.Before = p.setLogLevel
	}
	return app
}

// wrongUse turns the parser's words about a value into ours.
func wrongUse(c *cli.Context, err error, _ bool) error {
	message := err.Error()
	for _, f := range c.Command.Flags {
		for _, name := range f.Names() {
			if strings.Contains(message, " -"+name+":") || strings.Contains(message, "flag "+name+":") {
				return usageError("--%s takes %s, not %s; see qwenvk %s --help", f.Names()[0], valueKind(f), quotedPart(message), c.Command.Name)
			}
		}
	}
	return usageError("%s; see qwenvk --help", message)
}

// quotedPart returns the first part of the parser's message that stands in quotes: the value.
func quotedPart(message string) string {
	if _, rest, ok := strings.Cut(message, `"`); ok {
		if value, _, ok := strings.Cut(rest, `"`); ok {
			return fmt.Sprintf("%q", value)
		}
	}
	return "this"
}

func valueKind(f cli.Flag) string {
	switch f.(type) {
	case *cli.IntFlag:
		return "a whole number"
	case *cli.Uint64Flag:
		return "a whole number from 0 on"
	case *cli.Float64Flag:
		return "a number"
	case *cli.BoolFlag:
		return "true or false"
	}
	return "a text"
}
