package main

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/internal/testkit"
)

var update = flag.Bool("update", false, "write the golden files anew")

// pane is a terminal of tmux, at which the test sits.
type pane struct {
	t      *testing.T
	socket string
}

// newPane starts a command in a window of its own server.
func newPane(t *testing.T, columns, rows int, command string) *pane {
	t.Helper()
	if _, err := exec.LookPath("tmux"); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("tmux is not installed: scripts/setup.sh test does that")
		}
		t.Skip("this test needs tmux: scripts/setup.sh test installs it")
	}
	dir, err := os.MkdirTemp("", "tmux") // a socket's path must be short
	if err != nil {
		t.Fatal(err)
	}
	p := &pane{t: t, socket: filepath.Join(dir, "s")}
	t.Cleanup(func() {
		_ = exec.Command("tmux", "-S", p.socket, "kill-server").Run() // it may have ended with its window
		_ = os.RemoveAll(dir)
	})
	p.tmux("-f", os.DevNull, "-u", "new-session", "-d", "-x", fmt.Sprint(columns), "-y", fmt.Sprint(rows), command)
	p.tmux("set-option", "-s", "set-clipboard", "on")
	p.tmux("set-option", "-s", "escape-time", "0")
	return p
}

func (p *pane) tmux(words ...string) string {
	p.t.Helper()
	cmd := exec.Command("tmux", append([]string{"-S", p.socket}, words...)...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		p.t.Fatalf("tmux %q: %v %s", words, err, stderr.String())
	}
	return string(out)
}

// screen is what the window shows and what went out of it since clear, without the empty rows below.
func (p *pane) screen() string {
	return strings.TrimRight(p.tmux("capture-pane", "-p", "-S", "-"), "\n")
}

// clear takes a draft of one line away and begins an empty screen.
func (p *pane) clear() {
	p.t.Helper()
	p.tmux("send-keys", "C-e", "C-u", "C-l")
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if strings.TrimSpace(p.tmux("capture-pane", "-p")) == ">>>" {
			p.tmux("clear-history")
			return
		}
	}
	p.t.Fatalf("the screen is not clear:\n%s", p.screen())
}

// resize changes the window's width. tmux tells the program a quarter of a second later.
func (p *pane) resize(columns int) {
	p.t.Helper()
	p.tmux("resize-window", "-x", fmt.Sprint(columns), "-y", "20")
	time.Sleep(500 * time.Millisecond)
}

// waitFor returns the screen when it matches and stays as it is.
func (p *pane) waitFor(pattern string) string {
	p.t.Helper()
	wanted := regexp.MustCompile(pattern)
	before := ""
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(60 * time.Millisecond) {
		now := p.screen()
		if now == before && wanted.MatchString(now) {
			return now
		}
		before = now
	}
	p.t.Fatalf("%q did not come on the screen:\n%s", pattern, before)
	return ""
}

// masks are what differs from one run, driver or machine to another.
var masks = []struct {
	pattern *regexp.Regexp
	to      string
}{
	{regexp.MustCompile(`, on .*`), ", on DEVICE"},
	{regexp.MustCompile(`thought for [0-9.]+ s`), "thought for N s"},
	{regexp.MustCompile(`(?s)(>>> Who are you\?\nI am).*?\n\(stopped\)`), "$1 …\n(stopped)"},
}

// A person talks to the demo model: everything that the screen shows, step by step, is docs/results/terminal-session.txt.
// -update writes it.
func TestTerminalSession(t *testing.T) {
	needDevice(t)
	if testing.Short() {
		t.Skip("the terminal is the same whatever computes")
	}
	useTestDevice(t)
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("NO_COLOR", "") // set and empty: colours
	p := newPane(t, 72, 20, `qwenvk run demo --temp 0 --ctx 4000 --log-level error; echo "exit status $?"; stty -a | grep -ow -e '-*icanon' -e '-*echo'; exec sleep 600`)
	record := &txtar.Archive{Comment: []byte("What a person sees who talks to the demo model in a terminal of 72 columns (tmux), step by step. TestTerminalSession\n" +
		"plays it and compares; times and the device are masked.\n\n")}
	step := func(what, pattern string, keys ...string) {
		t.Helper()
		if len(keys) > 0 {
			p.tmux(append([]string{"send-keys"}, keys...)...)
		}
		seen := p.waitFor(pattern)
		for _, m := range masks {
			seen = m.pattern.ReplaceAllString(seen, m.to)
		}
		record.Files = append(record.Files, txtar.File{Name: what, Data: []byte(strings.TrimRight(seen, "\n") + "\n\n")})
	}
	const ready = `\n>>> *$`
	step("it begins", `(?m)^>>> a message`)
	step("a question: the reasoning is folded behind its end", `=42\n`+ready, "What is 17 + 25?", "Enter")
	step("Ctrl-O unfolds it", `carry 1\n.*`+ready, "C-o")
	step("Chinese", `=67\n`+ready, "90-23等于几?", "Enter")
	p.clear()
	p.tmux("set-buffer", "I count 16 heads and 40 legs\nof chickens and rabbits.\nHow many of each?")
	p.tmux("paste-buffer", "-p")
	step("a paste of three lines is one message", `each\?$`)
	step("and has one answer", `rabbits\.\n`+ready, "Enter")
	step("the arrow brings it back, Ctrl-C gives it up", `each\?\n>>> *$`, "Up", "C-c")
	step("a draft in wide characters", `拆成几行$`, "这个句子很长，窗口变窄的时候，它必须在正确的位置被拆成几行")
	p.resize(40)
	step("the window becomes narrower", `拆成几行$`)
	p.resize(72)
	step("and wide again, the cursor goes to the left", `拆x成几行$`, "Left", "Left", "Left", "x")
	p.clear()
	step("Tab offers commands", `/stats`, "/s", "Tab")
	p.clear()
	step("thinking is switched off, and no answer may end", `2551=-inf\n`+ready,
		"/clear", "Enter", "/no_think", "Enter", "/set logit-bias 2553=-inf", "Enter", "/set logit-bias 2551=-inf", "Enter")
	p.clear()
	p.tmux("send-keys", "Who are you?", "Enter")
	p.waitUnstill(`I am`)
	step("Ctrl-C stops the answer", `\(stopped\)\n`+ready, "C-c")
	p.clear()
	step("the conversation goes on", `Thinking: on\.\n`+ready, "/set logit-bias default", "Enter", "/think", "Enter")
	p.clear()
	step("with another question", `=42\n`+ready, "What is 17 + 25?", "Enter")
	step("Ctrl-C twice at the prompt leaves", `exit status 130\n-*icanon\n-*echo$`, "C-c", "C-c")

	config := filepath.Join(t.TempDir(), "servers.json")
	const servers = `{"mcpServers": {"here": {"command": "toolserver", "args": ["-tools", "get_weather"]}}}`
	if err := os.WriteFile(config, []byte(servers), 0o600); err != nil {
		t.Fatal(err)
	}
	p = newPane(t, 72, 20, `qwenvk run demo --temp 0 --max-tokens 60 --log-level error --mcp '`+config+`'; exec sleep 600`)
	step("a conversation with a server of tools", `(?m)^>>> a message`)
	step("before a tool is called the person is asked", regexp.QuoteMeta(strings.TrimSpace(askCall(chat.ToolCall{Name: "get_weather"})))+`$`, "I need the weather for Oslo.", "Enter")
	step("the call is allowed", `degrees\.\n`+ready, "y", "Enter")

	golden := filepath.Join(testkit.Root(t), "docs", "results", "terminal-session.txt")
	got := txtar.Format(record)
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); diff != "" {
		t.Errorf("want -, got +\n%s", diff)
	}
}

// waitUnstill waits for something on a screen that goes on changing.
func (p *pane) waitUnstill(pattern string) {
	p.t.Helper()
	wanted := regexp.MustCompile(pattern)
	for end := time.Now().Add(60 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		if wanted.MatchString(p.screen()) {
			return
		}
	}
	p.t.Fatalf("%q did not come on the screen:\n%s", pattern, p.screen())
}
