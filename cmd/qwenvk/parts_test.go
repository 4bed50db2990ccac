package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/internal/cliargs"
)

func TestStatusOf(t *testing.T) {
	for _, test := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("any"), 1},
		{qwenvk.ErrDeviceLost, 1},
		{&loadError{qwenvk.ErrDeviceLost}, 1},
		{qwenvk.ErrContextFull, 1},
		{qwenvk.ErrNotFinite, 1},
		{usageError("x"), 2},
		{&cliargs.Error{}, 2},
		{fmt.Errorf("x: %w", qwenvk.ErrNoLoader), 3},
		{qwenvk.ErrNoDevice, 3},
		{&loadError{errors.New("any")}, 4},
		{qwenvk.ErrCorrupt, 4},
		{qwenvk.ErrNotFound, 4},
		{qwenvk.ErrUnsupportedFormat, 4},
		{qwenvk.ErrUnsupportedModel, 4},
		{qwenvk.ErrWeights, 4},
		{&loadError{fmt.Errorf("x: %w", qwenvk.ErrOutOfMemory)}, 5},
		{qwenvk.ErrOutOfMemory, 5},
		{errInterrupted, 130},
		{&loadError{context.Canceled}, 130},
		{errors.Join(errInterrupted, errors.New("close")), 130},
	} {
		if got := statusOf(test.err); got != test.want {
			t.Errorf("%v: status %d, want %d", test.err, got, test.want)
		}
	}
}

// A name that takes a value in one command and none in another could not be sorted before the command is known. No flag of this
// version is refused.
func TestFlagsAgree(t *testing.T) {
	takes := map[string]bool{}
	for _, c := range argumentTable(newProgram().app()).Commands {
		here := map[string]bool{}
		for _, f := range c.Flags {
			for _, name := range f.Names {
				if here[name] {
					t.Errorf("%s has --%s twice", c.Name, name)
				}
				here[name] = true
				if switchBefore, known := takes[name]; known && switchBefore != f.Switch {
					t.Errorf("--%s takes a value in one command and none in %s", name, c.Name)
				}
				takes[name] = f.Switch
				if f.Absent != "" {
					t.Errorf("%s refuses --%s", c.Name, name)
				}
			}
		}
	}
}

// Every flag with a long name has its twin, and a help text with the value's name.
func TestEveryFlag(t *testing.T) {
	app := newProgram().app()
	for _, c := range app.Commands {
		if len(examples(c.Name)) == 0 {
			t.Errorf("%s has no example", c.Name)
		}
		for _, f := range c.Flags {
			d, ok := f.(cli.DocGenerationFlag)
			if !ok || f.Names()[0] == "help" {
				continue
			}
			value, usage := placeholder(d.GetUsage())
			if usage == "" || d.TakesValue() == (value == "") {
				t.Errorf("%s --%s: usage %q, value %q", c.Name, f.Names()[0], usage, value)
			}
			if len(f.Names()[0]) < 2 {
				t.Errorf("%s: -%s has no long name, and so no twin", c.Name, f.Names()[0])
			}
		}
	}
	// The variables are looked at when the app is made.
	t.Setenv("QWENVK_STOP", "a,b")
	t.Setenv("QWENVK_TOP_K", "3")
	run := newProgram().runCommand()
	for _, name := range []string{"stop", "top-k"} {
		i := slices.IndexFunc(run.Flags, func(f cli.Flag) bool { return f.Names()[0] == name })
		if d := run.Flags[i].(cli.DocGenerationFlag); !slices.Equal(d.GetEnvVars(), []string{twin(name)}) {
			t.Errorf("--%s reads %q", name, d.GetEnvVars())
		}
	}
}

// Values reach the command whole: commas and spaces are part of a stop text, flags win over variables.
func TestFlagValues(t *testing.T) {
	t.Setenv("QWENVK_STOP", "from, the environment")
	t.Setenv("QWENVK_TEMP", "0.25")
	t.Setenv("QWENVK_TOP_K", "")
	for _, test := range []struct {
		words []string
		want  string
	}{
		{[]string{"run", "demo"}, `stop ["from, the environment"] temp 0.25 args ["demo"] top-k set false`},
		{[]string{"run", "demo", "--stop", ","}, `stop [","] temp 0.25 args ["demo"] top-k set false`},
		{[]string{"run", "--stop", " a,b ", "demo", "--stop=c", "x"}, `stop [" a,b " "c"] temp 0.25 args ["demo" "x"] top-k set false`},
		{[]string{"run", "demo", "--temp", "1", "--top-k=0"}, `stop ["from, the environment"] temp 1 args ["demo"] top-k set true`},
		{[]string{"run", "demo", "--", "--temp", "--"}, `stop ["from, the environment"] temp 0.25 args ["demo" "--temp" "--"] top-k set false`},
		{[]string{"run", "help", "h"}, `stop ["from, the environment"] temp 0.25 args ["help" "h"] top-k set false`},
	} {
		p := newProgram()
		app := p.app()
		got := ""
		app.Commands[0].Action = func(c *cli.Context) error {
			got = fmt.Sprintf("stop %q temp %g args %q top-k set %v", c.StringSlice("stop"), c.Float64("temp"), c.Args().Slice(), c.IsSet("top-k"))
			return nil
		}
		sorted, err := argumentTable(app).Sort(test.words)
		if err == nil {
			err = app.Run(append([]string{"qwenvk"}, sorted...))
		}
		if err != nil || got != test.want {
			t.Errorf("%q:\n got %s (%v)\nwant %s", test.words, got, err, test.want)
		}
	}
}

func TestPrinter(t *testing.T) {
	call := &chat.ToolCall{ID: "call_1", Name: "f", Arguments: []byte(`{"a":1}`)}
	deltas := []chat.Delta{{Reasoning: "hm"}, {Reasoning: "m"}, {Text: "a"}, {Text: "b"}, {ToolCall: call}}
	for _, test := range []struct {
		tty      terminals
		noColour string
		want     string // "out: …" and "err: …" as they are written
	}{
		{terminals{}, "", "ab\n{\"id\":\"call_1\",\"name\":\"f\",\"arguments\":{\"a\":1}}\n|"},
		{terminals{out: true}, "", "\x1b[2mhmm\x1b[0m\n\nab\n{\"id\":\"call_1\",\"name\":\"f\",\"arguments\":{\"a\":1}}\n|"},
		{terminals{out: true}, "1", "hmm\n\nab\n{\"id\":\"call_1\",\"name\":\"f\",\"arguments\":{\"a\":1}}\n|"},
		{terminals{err: true}, "", "ab\n{\"id\":\"call_1\",\"name\":\"f\",\"arguments\":{\"a\":1}}\n|\x1b[2mhmm\x1b[0m\n\n"},
	} {
		t.Setenv("NO_COLOR", test.noColour)
		var out, errs bytes.Buffer
		w := (&program{out: &out, err: &errs, tty: test.tty}).newPrinter()
		for _, d := range deltas {
			if err := w.delta(d); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.end(); err != nil {
			t.Fatal(err)
		}
		if got := out.String() + "|" + errs.String(); got != test.want {
			t.Errorf("terminals %+v:\n got %q\nwant %q", test.tty, got, test.want)
		}
	}
}

// An answer ends with one newline, whether it has one of its own or not.
func TestPrinterEndsLines(t *testing.T) {
	for text, want := range map[string]string{"a": "a\n", "a\n": "a\n", "a\n\n": "a\n\n", "": ""} {
		var out bytes.Buffer
		w := (&program{out: &out, err: io.Discard}).newPrinter()
		if err := errors.Join(w.delta(chat.Delta{Text: text}), w.end()); err != nil {
			t.Fatal(err)
		}
		if out.String() != want {
			t.Errorf("%q: got %q, want %q", text, out.String(), want)
		}
	}
}

func TestParseIDs(t *testing.T) {
	for _, test := range []struct {
		text string
		want []int32
		ok   bool
	}{
		{"1,2,3", []int32{1, 2, 3}, true},
		{" [1, 2,\n3] ", []int32{1, 2, 3}, true},
		{"1 2\t3\r\n", []int32{1, 2, 3}, true},
		{"", nil, true},
		{"1,x", nil, false},
		{"-1", nil, false},
		{"2147483648", nil, false},
		{"1.5", nil, false},
	} {
		got, err := parseIDs(test.text)
		if (err == nil) != test.ok || test.ok && !slices.Equal(got, test.want) {
			t.Errorf("%q: got %v, %v", test.text, got, err)
		}
	}
}

func TestValidText(t *testing.T) {
	for text, want := range map[string]string{
		"good 你好 \uFFFD": "", "": "", "ab\xff": "byte 2 is 0xff", "\xe4\xbd": "byte 0 is 0xe4",
	} {
		err := validText("x", text)
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q", text, err, want)
		}
	}
}

// A file that fails halfway leaves the old one as it was and nothing beside it.
func TestWriteFile(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "file")
	p := newProgram()
	write := func(text string, fail error) error {
		return p.writeFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, text)
			return errors.Join(err, fail)
		})
	}
	if err := write("old", nil); err != nil {
		t.Fatal(err)
	}
	broken := errors.New("broken")
	if err := write("new", broken); !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
	entries, err := os.ReadDir(dir)
	if err != nil || len(entries) != 1 {
		t.Errorf("the folder holds %v (%v)", entries, err)
	}
	if content, _ := os.ReadFile(path); string(content) != "old" {
		t.Errorf("the file holds %q", content)
	}
}
