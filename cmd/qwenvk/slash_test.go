package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/markdown"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term/vt"
)

func TestComplete(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"notes.txt", "数据 1.txt", ".hidden"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "nested"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("HOME", dir)
	for _, test := range []struct {
		text  string
		from  int
		words []string
	}{
		{"/se", 0, []string{"/set"}},
		{"/s", 0, []string{"/system", "/set", "/show", "/save", "/stats"}},
		{"/x", 0, nil},
		{"hello", 0, nil},
		{"", 0, nil},
		{"/think o", 7, []string{"off", "on"}},
		{"/set xtc", 5, []string{"xtc-probability", "xtc-threshold"}},
		{"/show ", 6, []string{"thinking"}},
		{"/clear x", 7, nil},
		{"/file " + dir + "/n", 6, []string{dir + "/nested/", dir + "/notes.txt"}},
		{"/file ~/n", 6, []string{"~/nested/", "~/notes.txt"}},
		{"/load " + dir + "/数据", 6, []string{dir + "/数据 1.txt"}},
		{"/save " + dir + "/.", 6, []string{dir + "/.hidden"}},
		{"/save " + dir + "/", 6, []string{dir + "/nested/", dir + "/notes.txt", dir + "/数据 1.txt"}},
		{"/save /no such folder/x", 6, nil},
	} {
		if from, words := completeSlash(test.text); !slices.Equal(words, test.words) || len(words) > 0 && from != test.from {
			t.Errorf("%q: got %d, %q; want %d, %q", test.text, from, words, test.from, test.words)
		}
	}
}

func TestAttachments(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct{ name, content, wrong string }{
		{"a.py", "print(1)\n", ""},
		{"binary", "a\x00b", "holds zero bytes"},
		{"latin", "caf\xe9", "is not valid UTF-8: byte 3"},
		{"large", strings.Repeat("x", attachmentLimit+1), "too much for a message"},
	} {
		path := filepath.Join(dir, test.name)
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		text, err := readAttachment(path)
		if (err == nil) != (test.wrong == "") || err == nil && text != test.content || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s: %v", test.name, err)
		}
	}
	for path, wrong := range map[string]string{dir: "is a folder", filepath.Join(dir, "none"): "no such file"} {
		if _, err := readAttachment(path); err == nil || !strings.Contains(err.Error(), wrong) {
			t.Errorf("%s: %v", path, err)
		}
	}
	got := withAttachments([]attachment{{"a.md", "x\n```\ny\n```\n"}, {"b", "z"}}, "What is this?")
	if want := "a.md:\n````\nx\n```\ny\n```\n````\n\nb:\n```\nz\n```\n\nWhat is this?"; got != want {
		t.Errorf("got %q", got)
	}
}

func TestLastCode(t *testing.T) {
	for text, want := range map[string]string{
		"none": "", "```go\na\n```\ntext\n```\nb\nc\n```\n": "b\nc\n", "````\n```\nx\n```\n````": "```\nx\n```\n", "a\n~~~\nstopped\n": "stopped\n",
	} {
		if got := lastCode(text); got != want {
			t.Errorf("%q: got %q, want %q", text, got, want)
		}
	}
}

// /save does not write over what it did not write.
func TestOverwritable(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		content string
		want    bool
	}{
		{"", true},
		{`[{"role": "user", "content": "hi"}]`, true},
		{savedMark + "\x01\x00", true},
		{"package main", false},
		{"[]", false},
		{`{"a": 1}`, false},
		{"QWENVK", false},
	} {
		path := filepath.Join(dir, "file")
		if err := os.WriteFile(path, []byte(test.content), 0o600); err != nil {
			t.Fatal(err)
		}
		if got := overwritable(path); got != test.want {
			t.Errorf("%q: got %v", test.content, got)
		}
	}
	if !overwritable(filepath.Join(dir, "none")) || overwritable(dir) {
		t.Error("a name that is free, or a folder")
	}
}

// Reasoning is seen in a few rows at the bottom while it is written and leaves one behind.
func TestFold(t *testing.T) {
	screen := &vt.Screen{Columns: 40, Rows: 12}
	size := func() (int, int) { return screen.Columns, screen.Rows }
	columns := func() int { return screen.Columns }
	v := &view{
		out: screen, colour: true, fold: true, begun: time.Now(), hint: " (hint)", count: func(s string) int { return len(strings.Fields(s)) },
		region: term.Region{Out: screen, Size: size}, text: markdown.New(screen, columns, true),
	}
	v.rows.stream = markdown.New(&v.rows.written, columns, false)
	fmt.Fprint(screen, ">>> question\n")
	for i := range 30 {
		if err := v.delta(chat.Delta{Reasoning: fmt.Sprintf("line %d 世界\n", i)}); err != nil {
			t.Fatal(err)
		}
		v.drawn = time.Time{} // draw each time
	}
	if err := v.drawThought(); err != nil {
		t.Fatal(err)
	}
	seen := screen.Text()
	if !regexp.MustCompile(`^>>> question\nthinking… [0-9.]+ s, 30 tokens\n  line 25 世界\n(.*\n){3}  line 29 世界$`).MatchString(seen) {
		t.Errorf("while it thinks:\n%s", seen)
	}
	for _, piece := range []string{"**The", " answer** is ", "42."} {
		if err := v.delta(chat.Delta{Text: piece}); err != nil {
			t.Fatal(err)
		}
	}
	if err := v.end(); err != nil {
		t.Fatal(err)
	}
	seen = screen.Text()
	if !regexp.MustCompile(`^>>> question\nthought for [0-9.]+ s, 90 tokens \(hint\)\n\nThe answer is 42\.$`).MatchString(seen) || screen.Err != nil {
		t.Errorf("%v, in the end:\n%s", screen.Err, seen)
	}
}

// A conversation of 100,000 tokens is loaded, shown, cut and gone on with in no time: nothing of it is drawn again. (Its
// computation is another matter; the demo model has no room for it and says so.)
func TestLongConversation(t *testing.T) {
	var messages []chat.Message
	for i := range 2000 {
		messages = append(messages, chat.Message{Role: "user", Content: fmt.Sprintf("Question %d: %s", i, strings.Repeat("What is a token? ", 5))},
			chat.Message{Role: "assistant", Content: strings.Repeat("A token is a number. ", 5)})
	}
	content, err := json.Marshal(messages)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "long.json")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	_, _ = talk(t, "/quit") // what a start takes
	begin := time.Now()
	seen, status := talk(t, "/load "+path, "/undo", "/show", "What is 17 + 25?", "/clear", "What is 17 + 25?", "/copy", "/tools", "/show thinking")
	if status != statusDone {
		t.Errorf("exit status %d", status)
	}
	for _, want := range []string{
		"Loaded 4000 messages", "Taken back: Question 1999", "3998 messages", "outgrown the context", "17+25=42",
		"8 characters went to", "The model has no tools", "│ 7+5=12, write 2, carry 1",
	} {
		if !strings.Contains(seen, want) {
			t.Errorf("there is no %q in\n%s", want, seen)
		}
	}
	if len(seen) > 4000 {
		t.Errorf("%d bytes were printed", len(seen))
	}
	t.Logf("%v", time.Since(begin))
	if took := time.Since(begin); took > 30*time.Second {
		t.Errorf("it took %v", took)
	}
}
