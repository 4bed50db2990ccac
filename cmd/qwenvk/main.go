package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"strings"
	"sync"

	"github.com/mattn/go-isatty"
	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk/internal/cliargs"
)

func main() { os.Exit(newProgram().run(os.Args[1:])) }

// program is one run of the command line.
type program struct {
	in         io.Reader
	out, err   io.Writer
	tty        terminals
	level      *slog.LevelVar
	interrupts *interrupts
	exits      *exits
	openLines  func() lineReader // takes the terminal over for a conversation

	greedyThinking sync.Once // the warning of checkThinking
}

// terminals says which streams a person sits at.
type terminals struct{ in, out, err bool }

func newProgram() *program {
	last := &exits{}
	p := &program{
		in: os.Stdin, out: os.Stdout, err: os.Stderr,
		tty:        terminals{in: isTerminal(os.Stdin), out: isTerminal(os.Stdout), err: isTerminal(os.Stderr)},
		level:      &slog.LevelVar{},
		interrupts: newInterrupts(last.run),
		exits:      last,
	}
	p.openLines = p.newTerminal
	return p
}

func isTerminal(f *os.File) bool {
	return isatty.IsTerminal(f.Fd()) || isatty.IsCygwinTerminal(f.Fd())
}

// run executes a command line and returns the exit status.
func (p *program) run(words []string) int {
	err := p.execute(words)
	status := statusOf(err)
	if err != nil && status != statusInterrupted {
		p.printError(err)
	}
	return status
}

func (p *program) execute(words []string) error {
	app := p.app()
	table := argumentTable(app)
	sorted, err := table.Sort(words)
	if err != nil {
		return err
	}
	if len(sorted) > 0 && (sorted[0] == "--version" || sorted[0] == "-v") {
		sorted = []string{"version"}
	}
	if len(sorted) > 0 {
		if err := table.CheckEnvironment(sorted[0], os.LookupEnv, "QWENVK_PROFILE"); err != nil {
			return err
		}
	}
	ctx, done := p.interrupts.scope(context.Background())
	defer done()
	err = app.RunContext(ctx, append([]string{app.Name}, sorted...))
	if err != nil && ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return errInterrupted
	}
	return err
}

// printError writes an error as one line.
func (p *program) printError(err error) {
	_, _ = io.WriteString(p.err, "qwenvk: "+sentence(err)+"\n")
}

// sentence puts joined errors, which come one a line, into one.
func sentence(err error) string {
	return strings.Join(strings.FieldsFunc(err.Error(), func(r rune) bool { return r == '\n' || r == '\r' }), "; ")
}

// argumentTable tells the sorter what the app's commands know, and what is known but absent.
func argumentTable(app *cli.App) cliargs.Table {
	t := cliargs.Table{Program: app.Name}
	for _, c := range app.Commands {
		row := cliargs.Command{Name: c.Name}
		for _, f := range c.Flags {
			takes := true
			if d, ok := f.(cli.DocGenerationFlag); ok {
				takes = d.TakesValue()
			}
			row.Flags = append(row.Flags, cliargs.Flag{Names: f.Names(), Switch: !takes})
		}
		t.Commands = append(t.Commands, row)
	}
	t.Commands = append(t.Commands, absentCommands()...)
	return t
}
