package lineedit

import (
	"bufio"
	"errors"
	"io"
	"os"
	"strconv"
	"strings"
)

// History is what was sent before, the oldest first, kept in a file from one program to the next.
type History struct {
	entries []string
	path    string // "": no file
}

const (
	historyEntries = 1000
	historyEntry   = 64 << 10 // bytes; a longer message is recalled only by the program that it was typed into
)

// The file has one entry a line, as it is; one that would not come back so (several lines, a quote at its beginning) is
// written as a Go string.
func encodeEntry(text string) string {
	if strings.ContainsAny(text, "\n\r") || strings.HasPrefix(text, `"`) {
		return strconv.Quote(text)
	}
	return text
}

func decodeEntry(line string) string {
	if strings.HasPrefix(line, `"`) {
		if text, err := strconv.Unquote(line); err == nil {
			return text
		}
	}
	return line
}

// ReadHistory reads a history file and remembers its name. One that has grown twice as long as it is read is cut by
// write, which must put the new content in the place of the old at once.
func ReadHistory(path string, write func(path string, content func(io.Writer) error) error) (*History, error) {
	h := &History{path: path}
	content, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		return h, nil
	}
	if err != nil {
		return &History{}, err
	}
	lines := strings.Split(strings.ToValidUTF8(strings.TrimRight(string(content), "\n"), "\uFFFD"), "\n")
	if long := len(lines) > 2*historyEntries; len(lines) > historyEntries {
		lines = lines[len(lines)-historyEntries:]
		if long {
			err = write(path, func(w io.Writer) error {
				_, err := io.WriteString(w, strings.Join(lines, "\n")+"\n")
				return err
			})
		}
	}
	for _, line := range lines {
		if line != "" {
			h.entries = append(h.entries, decodeEntry(line))
		}
	}
	if err != nil {
		h.path = ""
	}
	return h, err
}

// Add remembers a message, here and in the file; the same message twice in a row once. Each is added to the file at
// once, so that two conversations at the same time do not overwrite each other's.
func (h *History) Add(text string) error {
	if n := len(h.entries); n > 0 && h.entries[n-1] == text {
		return nil
	}
	if h.entries = append(h.entries, text); len(h.entries) > historyEntries {
		h.entries = h.entries[1:]
	}
	if h.path == "" || len(text) > historyEntry {
		return nil
	}
	if err := appendLine(h.path, encodeEntry(text)); err != nil {
		h.path = ""
		return err
	}
	return nil
}

// appendLine writes a line in one piece. Nobody else may read what a person typed.
func appendLine(path, line string) (err error) {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	w := bufio.NewWriterSize(f, len(line)+1)
	_, err = w.WriteString(line + "\n")
	return errors.Join(err, w.Flush())
}

// find returns the newest entry before i that contains text; -1: none.
func (h *History) find(text string, i int) int {
	for i--; i >= 0; i-- {
		if strings.Contains(h.entries[i], text) {
			return i
		}
	}
	return -1
}
