package main

import (
	"bufio"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/lineedit"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// lineReader reads what a person types.
type lineReader interface {
	// Line returns the next line, or several where the terminal can edit them. Errors: io.EOF for Ctrl-D, errAborted for
	// Ctrl-C.
	Line(prompt string) (string, error)
	// Remember makes a message recallable.
	Remember(text string)
	// Close gives the terminal back as it was.
	Close() error
}

// errAborted is Ctrl-C at a prompt.
var errAborted = lineedit.ErrAborted

const (
	firstPrompt = ">>> "
	nextPrompt  = "... "
	quotes      = `"""`
)

// readMessage reads one message: a line, several that end with a backslash, or all between two lines' """.
func readMessage(r lineReader) (string, error) {
	text, err := r.Line(firstPrompt)
	if err != nil {
		return "", err
	}
	if rest, ok := openQuotes(text); ok {
		for openEnded(rest) {
			line, err := r.Line(nextPrompt)
			if err != nil {
				return "", err
			}
			rest += "\n" + line
		}
		// Quotes that end before the text does are the text's own, a docstring that was pasted.
		if body, closed := strings.CutSuffix(strings.TrimRight(rest, " \t\n"), quotes); closed && !strings.Contains(body, quotes) {
			text = strings.Trim(body, "\n")
		}
	}
	for strings.HasSuffix(text, `\`) {
		line, err := r.Line(nextPrompt)
		if err != nil {
			return "", err
		}
		text = strings.TrimSuffix(text, `\`) + "\n" + line
	}
	if strings.TrimSpace(text) != "" {
		r.Remember(text)
	}
	return text, nil
}

// openQuotes returns what stands behind the quotes that a text begins with.
func openQuotes(text string) (rest string, ok bool) {
	return strings.CutPrefix(strings.TrimLeft(text, " \t"), quotes)
}

func openEnded(rest string) bool { return !strings.Contains(rest, quotes) }

// terminal is a lineReader with editing, history and completion.
type terminal struct {
	p      *program
	editor *lineedit.Editor
	modes  *term.Modes
	closed bool
}

// newTerminal takes the terminal over. A history that cannot be read is told once and done without.
func (p *program) newTerminal() lineReader {
	modes, err := term.Open(os.Stdin, os.Stdout)
	if err != nil || os.Getenv("TERM") == "dumb" {
		return &plainLines{in: bufio.NewReader(p.in), out: p.out}
	}
	t := &terminal{p: p, modes: modes}
	history := &lineedit.History{}
	path, err := historyFile()
	if err == nil {
		history, err = lineedit.ReadHistory(path, p.writeFile)
	}
	if err != nil {
		p.warn("earlier lines cannot be recalled, and these will not be: %v", err)
	}
	t.editor = &lineedit.Editor{
		In: p.in, Out: p.out, Size: p.window, Raw: modes.Raw, Quiet: modes.Quiet, Suspend: t.suspend, History: history,
		Colour: coloured(), Hint: "a message, or /help", Complete: completeSlash,
		Unfinished: func(text string) bool {
			rest, ok := openQuotes(text)
			return ok && openEnded(rest)
		},
		Keys: map[string]func() string{},
	}
	return t
}

// suspend stops the program until the shell continues it.
func (t *terminal) suspend() error {
	if err := t.modes.Restore(); err != nil {
		return err
	}
	err := term.Suspend()
	time.Sleep(50 * time.Millisecond) // the signal may arrive behind the call; the pause goes on when the program does
	return err
}

// coloured says whether a terminal may be written to in colours.
func coloured() bool { return os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb" }

// window returns the terminal's columns and rows; 0, 0 where there is none.
func (p *program) window() (columns, rows int) {
	if f, ok := p.out.(*os.File); ok {
		return term.Size(f)
	}
	return 0, 0
}

// historyFile is the file that remembers lines from one conversation to the next
// (XDG Base Directory Specification: state that should survive restarts).
func historyFile() (string, error) {
	dir := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(dir) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", err
		}
		dir = filepath.Join(home, ".local", "state")
		if local := os.Getenv("LocalAppData"); runtime.GOOS == "windows" && local != "" {
			dir = local
		}
	}
	dir = filepath.Join(dir, "qwenvk")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return filepath.Join(dir, "history"), nil
}

// Line shows the prompt and reads a text. Ctrl-C at a text gives that up and no more.
func (t *terminal) Line(prompt string) (string, error) {
	for {
		text, err := t.editor.Line(prompt, nextPrompt)
		if text == "" || !errors.Is(err, errAborted) {
			return text, err
		}
	}
}

// Remember keeps a message, here and for the next conversation.
func (t *terminal) Remember(text string) {
	if err := t.editor.History.Add(text); err != nil {
		t.p.warn("this line will not be recalled in later conversations: %v", err)
	}
}

// Close gives the terminal back as it was.
func (t *terminal) Close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	return t.modes.Restore()
}

// plainLines reads from a terminal that cannot move its cursor, or whose modes are not known.
type plainLines struct {
	in  *bufio.Reader
	out io.Writer
}

func (l *plainLines) Line(prompt string) (string, error) {
	if _, err := io.WriteString(l.out, prompt); err != nil {
		return "", err
	}
	line, err := l.in.ReadString('\n')
	if line != "" && errors.Is(err, io.EOF) {
		err = nil
	}
	return strings.TrimRight(line, "\r\n"), err
}

func (l *plainLines) Remember(string) {}

func (l *plainLines) Close() error { return nil }
