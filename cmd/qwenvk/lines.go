package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/peterh/liner"
)

// lineReader reads what a person types.
type lineReader interface {
	// Line returns the next line. Errors: io.EOF for Ctrl-D, errAborted for Ctrl-C.
	Line(prompt string) (string, error)
	// Remember makes a message recallable.
	Remember(text string)
	// Close gives the terminal back as it was.
	Close() error
}

// errAborted is Ctrl-C at a prompt.
var errAborted = errors.New("aborted")

const (
	firstPrompt = ">>> "
	nextPrompt  = "... "
	quotes      = `"""`
)

// readMessage reads one message: a line, several that end with a backslash, or all between two lines' """.
func readMessage(r lineReader) (string, error) {
	line, err := r.Line(firstPrompt)
	if err != nil {
		return "", err
	}
	text := line
	if rest, ok := strings.CutPrefix(strings.TrimLeft(line, " \t"), quotes); ok {
		if text, err = readQuoted(r, rest); err != nil {
			return "", err
		}
	} else {
		for strings.HasSuffix(text, `\`) {
			if line, err = r.Line(nextPrompt); err != nil {
				return "", err
			}
			text = strings.TrimSuffix(text, `\`) + "\n" + line
		}
	}
	if strings.TrimSpace(text) != "" {
		r.Remember(text)
	}
	return text, nil
}

// readQuoted reads up to the closing quotes; text is what stands behind the opening ones.
func readQuoted(r lineReader, text string) (string, error) {
	for {
		if body, _, closed := strings.Cut(text, quotes); closed {
			return strings.Trim(body, "\n"), nil
		}
		line, err := r.Line(nextPrompt)
		if err != nil {
			return "", err
		}
		text += "\n" + line
	}
}

// terminal is a lineReader with editing, history and completion.
type terminal struct {
	p       *program
	state   *liner.State
	history string // the file; "" for none
	closed  bool
}

// historyLines is how many lines the history file is cut to when it has become twice as long.
const historyLines = liner.HistoryLimit

// newTerminal takes the terminal over. A history that cannot be read is told once and done without.
func (p *program) newTerminal() lineReader {
	t := &terminal{p: p, state: liner.NewLiner()}
	t.state.SetCtrlCAborts(true)
	t.state.SetMultiLineMode(true)
	t.state.SetBeep(false)
	t.state.SetCompleter(func(line string) (matches []string) {
		for _, name := range slashCommands {
			if strings.HasPrefix(name, line) && line != "" {
				matches = append(matches, name)
			}
		}
		return matches
	})
	path, err := historyFile()
	if err == nil {
		err = t.recall(path)
	}
	if err != nil {
		p.warn("earlier lines cannot be recalled, and these will not be: %v", err)
		return t
	}
	t.history = path
	return t
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

// recall reads the history and cuts the file when it has grown long.
func (t *terminal) recall(path string) error {
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	lines := strings.Split(strings.ToValidUTF8(strings.TrimRight(string(content), "\n"), "\uFFFD"), "\n")
	if len(lines) > 2*historyLines {
		lines = lines[len(lines)-historyLines:]
		if err := t.p.writeFile(path, func(w io.Writer) error {
			_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
			return err
		}); err != nil {
			return err
		}
	}
	for _, line := range lines {
		t.state.AppendHistory(line)
	}
	return nil
}

// Line shows the prompt and reads a line.
func (t *terminal) Line(prompt string) (string, error) {
	line, err := t.state.Prompt(prompt)
	if errors.Is(err, liner.ErrPromptAborted) {
		return "", errAborted
	}
	return line, err
}

// Remember keeps a message as one line, here and for the next conversation. Each is added to the file at once, so that
// two conversations at the same time do not overwrite each other's lines.
func (t *terminal) Remember(text string) {
	line := strings.Join(strings.Fields(text), " ")
	t.state.AppendHistory(line)
	if t.history == "" {
		return
	}
	if err := appendLine(t.history, line); err != nil {
		t.p.warn("this line will not be recalled in later conversations: %v", err)
		t.history = ""
	}
}

func appendLine(path, line string) (err error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriter(f)
	_, err = fmt.Fprintln(w, line)
	return errors.Join(err, w.Flush())
}

// Close gives the terminal back as it was.
func (t *terminal) Close() error {
	if t.closed {
		return nil
	}
	t.closed = true
	return t.state.Close()
}
