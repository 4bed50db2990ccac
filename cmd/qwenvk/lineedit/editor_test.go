package lineedit

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term/vt"
)

// typed is an editor to which somebody types.
func typed(screen *vt.Screen, keys string, entries ...string) *Editor {
	none := func() error { return nil }
	return &Editor{
		In: strings.NewReader(keys), Out: screen, Raw: none, Quiet: none, History: &History{entries: entries},
		Size: func() (int, int) { return screen.Columns, screen.Rows },
		Complete: func(text string) (int, []string) {
			from := strings.LastIndexByte(text, ' ') + 1
			var words []string
			for _, word := range []string{"/save", "/set", "/show", "数据.txt", "数学.txt"} {
				if strings.HasPrefix(word, text[from:]) {
					words = append(words, word)
				}
			}
			return from, words
		},
		Unfinished: func(text string) bool { return strings.Count(text, `"""`) == 1 },
		Keys:       map[string]func() string{"ctrl-o": func() string { return "shown\nabove" }},
	}
}

func TestKeys(t *testing.T) {
	const left, right, up, down, home, end = "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B", "\x1b[H", "\x1b[F"
	history := []string{"first", "second\nline", "third 世"}
	for _, test := range []struct{ name, keys, want string }{
		{"text", "hello\r", "hello"},
		{"line feed, as a terminal sends what was typed before", "hello\nmore", "hello"},
		{"left and right", "ac" + left + "b" + right + "d\r", "abcd"},
		{"wide characters are one step", "世界" + left + left + "x\r", "x世界"},
		{"an emoji with joiners is one step", "a👩\u200d💻b" + left + "\x7f\r", "ab"},
		{"a letter with an accent is one step", "e\u0301x" + left + "\x7f\r", "x"},
		{"delete", "abc" + home + "\x1b[3~\r", "bc"},
		{"Ctrl-D in a text deletes", "abc\x01\x04\r", "bc"},
		{"home, end", "b" + home + "a" + end + "c\r", "abc"},
		{"SS3 keys", "b\x1bOHa\x1bOFc\r", "abc"},
		{"words", "one two three\x1bb\x1b[1;5Dx\r", "one xtwo three"},
		{"word right", "one two\x01\x1bfx\r", "onex two"},
		{"kill and yank", "one two\x17\x19\x19\r", "one twotwo"},
		{"kill to the ends", "one two\x1bb\x0b\x15x\x19\r", "xone "},
		{"Alt-D, Alt-Backspace", "one two three\x01\x1bd\x05\x1b\x7f\r", " two "},
		{"undo", "one two\x17\x1f\r", "one two"},
		{"undo letters", "one \x1fx\r", "x"},
		{"Alt-Enter", "one\x1b\rtwo\r", "one\ntwo"},
		{"Shift-Enter of terminals that tell", "one\x1b[13;2utwo\x1b[27;2;13~three\r", "one\ntwo\nthree"},
		{"backslash", "one\\\rtwo\r", "one\ntwo"},
		{"quotes", "\"\"\"one\rtwo\"\"\"\r", "\"\"\"one\ntwo\"\"\""},
		{"paste", "a\x1b[200~one\rtwo\r\n\tthree\n\x1b[201~b\r", "aone\ntwo\n\tthree\nb"},
		{"a paste without end is ended by Ctrl-C", "\x1b[200~one\rtwo\x03\r", "one\ntwo"},
		{"lines: up keeps the column", "\x1b[200~abc\ndef\x1b[201~" + left + up + "x\r", "abxc\ndef"},
		{"lines: home is the line's", "\x1b[200~abc\ndef\x1b[201~" + home + "x\r", "abc\nxdef"},
		{"lines: down", "\x1b[200~世a\ndef\x1b[201~" + up + home + right + down + "x\r", "世a\ndexf"},
		{"history", up + "!\r", "third 世!"},
		{"history, two up, one down", up + up + "\x1b[1;5H" + up + "\r", "first"},
		{"history keeps the draft", "draft" + up + down + "!\r", "draft!"},
		{"history's ends", up + up + up + up + up + up + down + down + down + down + down + "x\r", "x"},
		{"search", "\x12ir\x12\r", "first"},
		{"search by several keys", "\x12i\x12\x12r\x7f\r", "third 世"},
		{"search given up", "abc\x12second\x07!\r", "abc!"},
		{"search, then edit", "\x12sec" + end + "!\r", "second\nline!"},
		{"completion", "/sh\t!\r", "/show!"},
		{"completion of what is common", "数\t\r", "数"},
		{"completion cycles", "/s\t\t\t\r", "/set"},
		{"completion backwards", "/s\t\x1b[Z\r", "/show"},
		{"completion with nothing", "x\t\r", "x"},
		{"a key of the caller", "a\x0fb\r", "ab"},
		{"unknown sequences", "a\x1b[99;99xb\x1bqc\x1bO\x1b[1;9Qd\r", "abcd"},
		{"control characters are no text", "a\x00\x1cb\r", "ab"},
		{"no UTF-8", "a\xffb\r", "a\uFFFDb"},
	} {
		for _, columns := range []int{80, 7} {
			screen := &vt.Screen{Columns: columns, Rows: 24}
			got, err := typed(screen, test.keys, history...).Line(">>> ", "... ")
			if got != test.want || err != nil || screen.Err != nil {
				t.Errorf("%s: got %q, %v, %v; want %q", test.name, got, err, screen.Err, test.want)
			}
		}
	}
}

func TestEnds(t *testing.T) {
	for keys, want := range map[string]error{"\x04": io.EOF, "abc\x03": ErrAborted, "": io.EOF, "abc": io.EOF, "\x1b": io.EOF} {
		screen := &vt.Screen{Columns: 80, Rows: 24}
		if _, err := typed(screen, keys).Line(">>> ", "... "); !errors.Is(err, want) {
			t.Errorf("%q: got %v, want %v", keys, err, want)
		}
	}
}

// Keys that come while nobody reads wait for the next prompt.
func TestTypeAhead(t *testing.T) {
	screen := &vt.Screen{Columns: 80, Rows: 24}
	e := typed(screen, "one\rtwo\x1b[D!\rthree")
	for _, want := range []string{"one", "tw!o"} {
		if got, err := e.Line("> ", ". "); got != want || err != nil {
			t.Errorf("got %q, %v", got, err)
		}
	}
}

// What a person sees, with the cursor as ▌.
func TestScreen(t *testing.T) {
	for _, test := range []struct {
		name, keys    string
		columns, rows int
		want          string
	}{
		{"a line", "hello", 20, 5, ">>> hello▌"},
		{"broken", "0123456789", 10, 5, ">>> 012345\n6789▌"},
		{"full", "012345", 10, 5, ">>> 012345\n▌"},
		{"a wide character does not fit", "01234世", 10, 5, ">>> 01234\n世▌"},
		{"cursor before it", "01234世\x1b[D", 10, 5, ">>> 01234\n▌世"},
		{"lines", "a\x1b\rb\x1b\r", 10, 5, ">>> a\n... b\n... ▌"},
		{"cursor in the first line", "a\x1b\rb\x1b[A\x01", 10, 5, ">>> ▌a\n... b"},
		{"higher than the window", "1\x1b\r2\x1b\r3\x1b\r4\x1b\r5", 10, 3, "... 3\n... 4\n... 5▌"},
		{"its middle", "1\x1b\r2\x1b\r3\x1b\r4\x1b\r5\x1b[A\x1b[A\x1b[A", 10, 3, "... 2▌\n... 3\n... 4"},
		{"offers", "/s\t", 20, 5, ">>> /s▌\n/save  /set   /show"},
		{"offers are gone", "/s\tx", 20, 5, ">>> /sx▌"},
		{"search", "\x12s", 20, 5, "(search: s) first▌"},
		{"above", "ab\x0f", 20, 5, "shown\nabove\n>>> ab▌"},
		{"tab and controls in a paste", "\x1b[200~a\tb\x01c\x1b[201~", 20, 5, ">>> a    b^Ac▌"},
		{"erased rows", "0123456789\x15ab", 10, 5, ">>> ab▌"},
	} {
		screen := &vt.Screen{Columns: test.columns, Rows: test.rows}
		e := typed(screen, test.keys+"\x18", "first")
		got := ""
		e.Keys["ctrl-x"] = func() string { got = seen(screen); return "" }
		if _, err := e.Line(">>> ", "... "); !errors.Is(err, io.EOF) {
			t.Errorf("%s: %v", test.name, err)
		}
		if got != test.want || screen.Err != nil {
			t.Errorf("%s: %v, got\n%s\nwant\n%s", test.name, screen.Err, got, test.want)
		}
	}
}

// seen is the screen's text with the cursor as ▌.
func seen(screen *vt.Screen) string {
	column, row := screen.Cursor()
	lines := strings.Split(screen.Text(), "\n")
	for len(lines) <= row {
		lines = append(lines, "")
	}
	text, width := "", 0
	for rest := lines[row]; width < column; {
		cluster, w := " ", 1
		if rest != "" {
			cluster, w = term.FirstCluster(rest)
			rest = rest[len(cluster):]
		}
		text, width = text+cluster, width+w
	}
	behind := ""
	if len(lines[row]) > len(text) {
		behind = lines[row][len(text):]
	}
	lines[row] = text + "▌" + behind
	return strings.Join(lines, "\n")
}

// Whatever is pressed, the screen shows the text as if it had been drawn for the first time, nothing of it is lost or
// shown twice, and what stood above is as it was.
func TestRandomKeys(t *testing.T) {
	keys := []string{
		"a", "word ", "世", "e\u0301", "👍🏽", "\t", "\x1b[D", "\x1b[C", "\x1b[A", "\x1b[B", "\x01", "\x05", "\x7f", "\x04", "\x17", "\x15", "\x19", "\x1f", "\x1b\r",
		"\x1b[200~x\ny\n世界\x1b[201~", "\x12o", "\x07", "\x0f", "0123456789", "/s\t", "\x1b[1;5H",
	}
	rapid.Check(t, func(t *rapid.T) {
		pressed := "x" + strings.Join(rapid.SliceOfN(rapid.SampledFrom(keys), 0, 30).Draw(t, "keys"), "")
		screen := &vt.Screen{Columns: rapid.IntRange(4, 20).Draw(t, "columns"), Rows: 100}
		fmt.Fprint(screen, "^\n")
		e := typed(screen, pressed+"\x07\x18", "first", "two\nlines", "世界")
		e.Keys["ctrl-o"] = func() string { return "" }
		compared := false
		e.Keys["ctrl-x"] = func() string {
			compared = true
			e.offers = offers{}
			if err := e.draw(); err != nil {
				t.Fatal(err)
			}
			fresh := &vt.Screen{Columns: screen.Columns, Rows: screen.Rows}
			fmt.Fprint(fresh, "^\n")
			again := typed(fresh, "")
			again.prompt, again.next, again.text, again.at = e.searchPrompt(), e.next, e.text, e.at
			if err := again.draw(); err != nil {
				t.Fatal(err)
			}
			if seen(screen) != seen(fresh) || screen.Err != nil {
				t.Fatalf("%v, got\n%s\nwant\n%s", screen.Err, seen(screen), seen(fresh))
			}
			return ""
		}
		text, err := e.Line(">>> ", "... ")
		if !compared && err == nil || compared && !strings.HasPrefix(screen.Text(), "^\n>>>") {
			t.Fatalf("%q, %v:\n%s", text, err, screen.Text())
		}
	})
}

// A message that is higher than the window is in the scrollback when it is sent.
func TestHighMessage(t *testing.T) {
	screen := &vt.Screen{Columns: 10, Rows: 3}
	if _, err := typed(screen, "\x1b[200~1\n2\n3\n4\n5\n6\x1b[201~\x1b[A\x1b[A\x1b[A\x1b[A\r").Line(">>> ", "... "); err != nil {
		t.Fatal(err)
	}
	if got, want := screen.Text(), ">>> 1\n... 2\n... 3\n... 4\n... 5\n... 6"; got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestHistory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "history")
	replaced := 0
	replace := func(path string, content func(io.Writer) error) error {
		replaced++
		f, err := os.Create(path)
		if err != nil {
			return err
		}
		return errors.Join(content(f), f.Close())
	}
	h, err := ReadHistory(path, replace)
	if err != nil {
		t.Fatal(err)
	}
	entries := []string{"one", "二", "two\nlines\n\\ and a backslash", `"quoted"`, `C:\new`, strings.Repeat("x", historyEntry), "last"}
	for _, entry := range append(entries, "last") { // twice in a row is once
		if err := h.Add(entry); err != nil {
			t.Fatal(err)
		}
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may read what was typed: %v, %v", info.Mode(), err)
	}
	again, err := ReadHistory(path, replace)
	want := slices.DeleteFunc(slices.Clone(entries), func(s string) bool { return len(s) > historyEntry-1 })
	if err != nil || !slices.Equal(again.entries, append(want[:5:5], entries[5:]...)) {
		t.Errorf("got %q, %v", again.entries, err)
	}
	for range 2*historyEntries + 1 {
		if err := errors.Join(again.Add("a"), again.Add("b")); err != nil {
			t.Fatal(err)
		}
	}
	if h, err = ReadHistory(path, replace); err != nil || replaced != 1 || len(h.entries) != historyEntries {
		t.Errorf("%v, cut %d times, %d entries", err, replaced, len(h.entries))
	}
	if content, err := os.ReadFile(path); err != nil || strings.Count(string(content), "\n") != historyEntries {
		t.Errorf("%v, the file has %d lines", err, strings.Count(string(content), "\n"))
	}
	if _, err := ReadHistory(t.TempDir(), replace); err == nil {
		t.Error("a folder is no history")
	}
}
