package main

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// script is a lineReader that reads from a list; "^C" is Ctrl-C.
type script struct {
	lines    []string
	prompts  []string
	recalled []string
}

func (s *script) Line(prompt string) (string, error) {
	s.prompts = append(s.prompts, strings.TrimSpace(prompt))
	if len(s.lines) == 0 {
		return "", io.EOF
	}
	line := s.lines[0]
	s.lines = s.lines[1:]
	if line == "^C" {
		return "", errAborted
	}
	return line, nil
}

func (s *script) Close() error { return nil }

func (s *script) Remember(text string) { s.recalled = append(s.recalled, text) }

func TestReadMessage(t *testing.T) {
	for _, test := range []struct {
		lines []string
		want  string
		err   error
	}{
		{[]string{"hello"}, "hello", nil},
		{[]string{`one\`, `two\`, "three"}, "one\ntwo\nthree", nil},
		{[]string{`"""one`, "", `two"""`}, "one\n\ntwo", nil},
		{[]string{`"""`, "one", `"""`}, "one", nil},
		{[]string{`"""one line"""`}, "one line", nil},
		{[]string{`say """x"""`}, `say """x"""`, nil},
		{[]string{"\"\"\"one\n\ntwo\"\"\"\n"}, "one\n\ntwo", nil},                     // edited as one text
		{[]string{"\"\"\"doc\"\"\"\ncode\"\"\""}, "\"\"\"doc\"\"\"\ncode\"\"\"", nil}, // a paste
		{[]string{"a \\\nb"}, "a \\\nb", nil},                                         // a paste keeps its backslashes
		{[]string{`"""one`}, "", io.EOF},
		{[]string{`one\`}, "", io.EOF},
		{[]string{`"""one`, "^C"}, "", errAborted},
		{nil, "", io.EOF},
		{[]string{"你好\\", "世界"}, "你好\n世界", nil},
	} {
		s := &script{lines: test.lines}
		got, err := readMessage(s)
		if got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%q: got %q, %v; want %q, %v", test.lines, got, err, test.want, test.err)
		}
		if err == nil && !slices.Equal(s.recalled, []string{test.want}) {
			t.Errorf("%q: remembered %q", test.lines, s.recalled)
		}
		for i, prompt := range s.prompts {
			if want := strings.TrimSpace([]string{firstPrompt, nextPrompt}[min(i, 1)]); prompt != want {
				t.Errorf("%q: prompt %d is %q", test.lines, i, prompt)
			}
		}
	}
}

func TestSettings(t *testing.T) {
	c := &conversation{a: &ask{sampling: samplingChoice{set: map[string]float64{}, seed: 5}}}
	for _, test := range []struct{ name, value, wrong string }{
		{"temp", "0.5", ""},
		{"temp", "warm", "temp takes a number"},
		{"temp", "-1", "--temp must be from 0"},
		{"top-k", "1.5", "top-k takes a number"},
		{"top-k", "7", ""},
		{"top-p", "2", "--top-p must be from 0 to 1"},
		{"min-p", "0.1", ""},
		{"min-p", "default", ""},
		{"max-tokens", "0", "max-tokens takes a whole number"},
		{"max-tokens", "9", ""},
		{"seed", "-1", "seed takes a whole number"},
		{"seed", "11", ""},
		{"speed", "1", `there is no setting "speed"`},
	} {
		err := c.setValue(test.name, test.value)
		if (err == nil) != (test.wrong == "") || err != nil && !strings.Contains(err.Error(), test.wrong) {
			t.Errorf("%s %s: got %v, want %q", test.name, test.value, err, test.wrong)
		}
	}
	if got, want := c.settings(), "temp 0.5, top-k 7, max-tokens 9, seed 11; all else as the model advises"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestHistoryFile(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_STATE_HOME", dir)
	path, err := historyFile()
	if err != nil || path != filepath.Join(dir, "qwenvk", "history") {
		t.Fatalf("got %s, %v", path, err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm()&0o077 != 0 {
		t.Errorf("others may look into the folder: %v, %v", info.Mode(), err)
	}
}

// talk has a whole conversation with the demo model and returns what the person sees.
func talk(t *testing.T, lines ...string) (seen string, status int) {
	t.Helper()
	return talkWith(t, nil, lines...)
}

// talkWith is talk with further flags.
func talkWith(t *testing.T, flags []string, lines ...string) (seen string, status int) {
	t.Helper()
	needDevice(t)
	t.Setenv("NO_COLOR", "1")
	useTestDevice(t)
	var out bytes.Buffer
	p := newProgram()
	p.in, p.out, p.err = strings.NewReader(""), &out, io.Discard
	p.tty = terminals{in: true, out: true}
	p.openLines = func() lineReader { return &script{lines: lines} }
	status = p.run(append([]string{"run", "demo", "--temp", "0", "--log-level", "error"}, flags...))
	return out.String(), status
}

func TestConversation(t *testing.T) {
	seen, status := talk(t,
		"What is 17 + 25?", "/think off", "What is a token?", "/show", "/system Be kind.", "/system", "/clear",
		`"""Who are`, `you?"""`, "/stats", "hello", "/set temp 0.1", "/set", "/nonsense", "", "/help", "^C", "/quit", "never read")
	if status != statusDone {
		t.Errorf("exit status %d", status)
	}
	at := 0
	for _, want := range []string{
		"qwenvk-demo, 3.8 M parameters, Q8_0, on ",
		"17+25=42\n",
		"Thinking: off.",
		"A token is a piece of text that a model reads as one number.\n",
		"messages\n", "thinking  off\n", "system    none\n", "sampling  temp 0, seed ",
		"A new conversation begins", "System message: Be kind.", "The conversation is forgotten.",
		"qwenvk",
		"Speeds follow each answer.",
		"temp: 0.1", "temp 0.1, seed ", "There is no command /nonsense", "/no_think", "(Ctrl-C again or Ctrl-D leaves)",
	} {
		i := strings.Index(seen[at:], want)
		if i < 0 {
			t.Fatalf("behind byte %d there is no %q in\n%s", at, want, seen)
		}
		at += i
	}
	if strings.Contains(seen, "never read") {
		t.Error("the conversation went on behind /quit")
	}
}

// A conversation that outgrows the context says so and can begin anew.
func TestConversationFull(t *testing.T) {
	long := strings.Repeat("word ", 600)
	seen, status := talk(t, long, "/clear", "What is 17 + 25?")
	if status != statusDone || !strings.Contains(seen, "outgrown the context of 512 tokens: /clear begins a new one") ||
		!strings.Contains(seen, "17+25=42") {
		t.Errorf("exit status %d, seen:\n%s", status, seen)
	}
}

// Ctrl-C twice at the prompt leaves as an interrupt does.
func TestConversationLeft(t *testing.T) {
	if _, status := talk(t, "^C", "^C", "never read"); status != statusInterrupted {
		t.Errorf("exit status %d", status)
	}
}
