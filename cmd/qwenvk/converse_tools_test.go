package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
)

// A person is asked before each call, may allow a tool for good, and may stop the answer at the question.
func TestConversationTools(t *testing.T) {
	config := filepath.Join(t.TempDir(), "servers.json")
	const servers = `{"mcpServers": {"here": {"command": "toolserver", "args": ["-tools", "get_weather"]}}}`
	if err := os.WriteFile(config, []byte(servers), 0o600); err != nil {
		t.Fatal(err)
	}
	needDevice(t)
	t.Setenv("NO_COLOR", "1")
	useTestDevice(t)
	var out bytes.Buffer
	p := newProgram()
	p.in, p.out, p.err = strings.NewReader(""), &out, io.Discard
	p.tty = terminals{in: true, out: true}
	lines := &script{lines: []string{
		"/tools",
		"I need the weather for Oslo.", "what?", "n",
		"/clear", "I need the weather for Oslo.", "^C",
		"/clear", "I need the weather for Oslo.", "a",
		"/clear", "I need the weather for Oslo.",
		"/tools", "/quit",
	}}
	p.openLines = func() lineReader { return lines }
	if status := p.run([]string{"run", "demo", "--temp", "0", "--max-tokens", "60", "--log-level", "error", "--mcp", config}); status != statusDone {
		t.Errorf("exit status %d", status)
	}
	seen, at := out.String(), 0
	for _, want := range []string{
		"get_weather  Get the weather of a city (server here)\n",
		`"name":"get_weather","arguments":{"city":"Oslo"}`, "→ Error: the user does not allow this call\n",
		"→ Error: the call was not made: the user interrupted\n", "(stopped)\n",
		`→ {"weather": "foggy", "temperature": 1}` + "\n", "It is foggy in Oslo, 1 degrees.\n",
		`→ {"weather": "foggy", "temperature": 1}` + "\n", "It is foggy in Oslo, 1 degrees.\n",
		"get_weather  Get the weather of a city (server here, called without asking)\n",
	} {
		i := strings.Index(seen[at:], want)
		if i < 0 {
			t.Fatalf("behind byte %d there is no %q in\n%s", at, want, seen)
		}
		at += i + len(want)
	}
	questions := 0
	for _, prompt := range lines.prompts {
		if prompt == "Call get_weather? [y]es, [n]o, [a]lways this tool:" {
			questions++
		}
	}
	if questions != 4 {
		t.Errorf("%d questions were asked: %q", questions, lines.prompts)
	}
}

// What answers to the question mean.
func TestApprove(t *testing.T) {
	call := chat.ToolCall{Name: "f\x1b[2J", Arguments: json.RawMessage(`{}`)}
	gone := errors.New("gone")
	for _, test := range []struct {
		words  []string
		err    error
		yes    bool
		always bool
		failed error
	}{
		{[]string{"y"}, nil, true, false, nil},
		{[]string{" Yes\n"}, nil, true, false, nil},
		{[]string{"a"}, nil, true, true, nil},
		{[]string{"n"}, nil, false, false, nil},
		{[]string{""}, nil, false, false, nil},
		{[]string{"what", "y"}, nil, true, false, nil},
		{[]string{"what", "what", "what", "y"}, nil, false, false, nil},
		{nil, io.EOF, false, false, nil},
		{nil, gone, false, false, gone},
	} {
		b := &toolbox{p: newProgram(), allowed: map[string]bool{}}
		words := test.words
		yes, err := b.approve(context.Background(), call, func(context.Context, chat.ToolCall, string) (string, error) {
			if len(words) == 0 {
				return "", test.err
			}
			word := words[0]
			words = words[1:]
			return word, nil
		})
		if yes != test.yes || !errors.Is(err, test.failed) || b.allowed[call.Name] != test.always {
			t.Errorf("%q: %v, %v, always %v", test.words, yes, err, b.allowed[call.Name])
		}
	}
	var said bytes.Buffer
	b := &toolbox{p: newProgram(), allowed: map[string]bool{}}
	b.p.err = &said
	for range 2 {
		if yes, err := b.approve(context.Background(), call, nil); yes || err != nil {
			t.Errorf("nobody: %v, %v", yes, err)
		}
	}
	if n := strings.Count(said.String(), "\n"); n != 1 || strings.Contains(said.String(), "\x1b") {
		t.Errorf("said %q", said.String())
	}
	b.wish.yes = true
	if yes, err := b.approve(context.Background(), call, nil); !yes || err != nil {
		t.Errorf("--yes: %v, %v", yes, err)
	}
}

// A single answer asks on the terminal, and an interrupt ends the question.
func TestAskOnce(t *testing.T) {
	p := newProgram()
	in, typed := io.Pipe()
	var shown bytes.Buffer
	p.in, p.err = in, &shown
	if p.tty = (terminals{in: true}); p.askOnce() != nil {
		t.Error("a question that nobody sees")
	}
	p.tty.err = true
	question, call := p.askOnce(), chat.ToolCall{Name: "f", Arguments: json.RawMessage(`{"x":1}`)}
	go func() { _, _ = io.WriteString(typed, "y\n") }()
	if word, err := question(context.Background(), call, askCall(call)); word != "y\n" || err != nil || shown.String() != "f {\"x\":1}\nCall f? [y]es, [n]o, [a]lways this tool: " {
		t.Errorf("got %q, %v, shown %q", word, err, shown.String())
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := question(ctx, call, askCall(call)); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	_ = typed.Close()
}
