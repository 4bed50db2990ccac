package mcp_test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/chat/mcp"
	"github.com/qwenvk/qwenvk/internal/mcptest"
)

// The test's own program is the tool server, when it is asked to be.
const asServer = "QWENVK_TEST_TOOLSERVER"

func TestMain(m *testing.M) {
	if os.Getenv(asServer) != "" {
		mcptest.Main()
	}
	os.Exit(m.Run())
}

// stdio is a server that is run as a program.
func stdio(t *testing.T, name string, args ...string) mcp.Server {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return mcp.Server{Name: name, Command: program, Args: args, Env: map[string]string{asServer: "1"}}
}

// overHTTP runs a server and returns it as one to be reached by its address.
func overHTTP(t *testing.T, name string, args ...string) mcp.Server {
	t.Helper()
	file := filepath.Join(t.TempDir(), "address")
	s := stdio(t, name, append(args, "-http", file)...)
	cmd := exec.Command(s.Command, s.Args...)
	cmd.Env = append(os.Environ(), asServer+"=1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = cmd.Process.Kill(), cmd.Wait() })
	for range 200 {
		if address, err := os.ReadFile(file); err == nil {
			return mcp.Server{Name: name, URL: string(address)}
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the server does not begin")
	return mcp.Server{}
}

// warnings collects what is said.
type warnings struct {
	mu   sync.Mutex
	said []string
}

func (w *warnings) add(message string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said = append(w.said, message)
}

func (w *warnings) all() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return strings.Join(w.said, "\n")
}

func start(t *testing.T, o mcp.Options, servers ...mcp.Server) (*mcp.Set, error) {
	t.Helper()
	if o.StartTimeout == 0 {
		o.StartTimeout = 20 * time.Second
	}
	set, err := mcp.Start(context.Background(), servers, o)
	t.Cleanup(func() { _ = set.Close() })
	return set, err
}

// tool finds a tool by its name.
func tool(t *testing.T, s *mcp.Set, name string) mcp.Tool {
	t.Helper()
	for _, tool := range s.Tools() {
		if tool.Name == name {
			return tool
		}
	}
	t.Fatalf("there is no tool %s", name)
	return mcp.Tool{}
}

// Tools of both kinds of servers, page by page, with their schemas as the server wrote them; calls and their results.
func TestServers(t *testing.T) {
	secret := overHTTP(t, "keyed", "-key", "open sesame", "-tools", "add")
	secret.Headers = map[string]string{"X-Key": "open sesame"}
	for name, server := range map[string]mcp.Server{
		"stdio": stdio(t, "one", "-page", "2"), "http": overHTTP(t, "one", "-page", "2"), "headers": secret,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			set, err := start(t, mcp.Options{}, server)
			if err != nil {
				t.Fatal(err)
			}
			add := tool(t, set, "add")
			const schema = `{"type":"object","properties":{"a":{"type":"number"},"b":{"type":"number"}},"required":["a","b"]}`
			if got := strings.ReplaceAll(string(add.Parameters), " ", ""); got != schema || add.Description != "Add two numbers" || add.Allowed || add.Server != server.Name {
				t.Errorf("got %+v, %s", add, got)
			}
			got, err := add.Call(t.Context(), json.RawMessage(`{"a": 17, "b": 25.5}`))
			if got != `{"result": 42.5}` || err != nil {
				t.Errorf("got %q, %v", got, err)
			}
			if name == "headers" {
				return
			}
			if n := len(set.Tools()); n != 16 {
				t.Errorf("%d tools", n)
			}
			if got, err := tool(t, set, "show").Call(t.Context(), json.RawMessage(`{}`)); err != nil || got != shown {
				t.Errorf("got %q, %v", got, err)
			}
			if _, err := tool(t, set, "fail").Call(t.Context(), json.RawMessage(`{}`)); err == nil || err.Error() != "the city is unknown" {
				t.Errorf("got %v", err)
			}
			if got, err := tool(t, set, "large").Call(t.Context(), json.RawMessage(`{}`)); len(got) != 1_000_000 || err != nil {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			// One that is late does not stop the others.
			limited, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			if _, err := tool(t, set, "sleep").Call(limited, json.RawMessage(`{}`)); err == nil {
				t.Error("the late answer came")
			}
			if got, err := add.Call(t.Context(), json.RawMessage(`{"a": 1, "b": 2}`)); got != `{"result": 3}` || err != nil {
				t.Errorf("afterwards: %q, %v", got, err)
			}
		})
	}
}

const shown = `words
[an image, image/png, 5 bytes, which cannot be shown here]
[a sound, audio/wav, 3 bytes, which cannot be heard here]
[a resource, file:///a.txt, named a, text/plain, a letter]
[the resource file:///b.txt]
inside b
[the resource file:///c.bin, application/zip, 4 bytes, which are no text]`

// What strangers' programs get wrong costs their tools and a sentence.
func TestWrongServers(t *testing.T) {
	noFolder := stdio(t, "s")
	noFolder.Dir = "/no/such/folder"
	for name, c := range map[string]struct {
		server mcp.Server
		want   string
	}{
		"missing":   {mcp.Server{Name: "s", Command: "no-such-command-here"}, `the tool server s cannot be used: the command "no-such-command-here" is not there; is it installed?`},
		"path":      {mcp.Server{Name: "s", Command: "/no/such/command"}, `the command "/no/such/command" is not there`},
		"no folder": {noFolder, "its folder /no/such/folder is none"},
		"hang":      {stdio(t, "s", "-fault", "hang"), "the tool server s does not answer within 1s"},
		"mute":      {stdio(t, "s", "-fault", "mute"), "the tool server s does not answer within 1s"},
		"exit":      {stdio(t, "s", "-fault", "exit"), `it ended with exit status 3, saying "the database is not there"`},
		"line":      {stdio(t, "s", "-fault", "line"), "it sent a line of more than 16 MiB"},
		"not one":   {mcp.Server{Name: "s", Command: "echo", Args: []string{"hello"}}, "it ended with exit status 0"},
		"no port":   {mcp.Server{Name: "s", URL: "http://127.0.0.1:1/mcp"}, "connection refused"},
		"500":       {overHTTP(t, "s", "-status", "500"), "Internal Server Error"},
		"404":       {overHTTP(t, "s", "-status", "404"), "Not Found"},
		"401":       {overHTTP(t, "s", "-key", "secret"), "Unauthorized"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			limit := 20 * time.Second
			if name == "hang" || name == "mute" {
				limit = time.Second
			}
			set, err := start(t, mcp.Options{StartTimeout: limit}, c.server)
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("got %v, want %s", err, c.want)
			}
			if len(set.Tools()) > 0 {
				t.Errorf("it has tools: %+v", set.Tools())
			}
		})
	}
}

// A server that goes wrong in the middle fails its calls, with the reason, and is told apart from its neighbour.
func TestServersGoWrong(t *testing.T) {
	for name, want := range map[string]string{
		"die":     `the tool server bad: it ended with exit status 7, saying "out of memory"`,
		"flood":   "the tool server bad: it floods us: 5001 messages",
		"garbage": "the tool server bad: it prints text that is no message, more than 1 MiB of it",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var said warnings
			set, err := start(t, mcp.Options{Warn: said.add}, stdio(t, "bad", "-tools", name), stdio(t, "good", "-tools", "add"))
			if err != nil {
				t.Fatal(err)
			}
			bad := tool(t, set, name)
			for range 2 { // the second call finds the server gone
				limited, cancel := context.WithTimeout(t.Context(), 20*time.Second)
				_, err := bad.Call(limited, json.RawMessage(`{}`))
				cancel()
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("got %v, want %s", err, want)
				}
			}
			if got, err := tool(t, set, "add").Call(t.Context(), json.RawMessage(`{"a": 1, "b": 2}`)); got != `{"result": 3}` || err != nil {
				t.Errorf("the neighbour: %q, %v", got, err)
			}
			if name == "garbage" && !strings.Contains(said.all(), `the tool server bad prints text that is no message, which is left out: "what a fine day"`) {
				t.Errorf("said %q", said.all())
			}
		})
	}
}

// Text between the messages is left out, and told once.
func TestStrayLines(t *testing.T) {
	var said warnings
	set, err := start(t, mcp.Options{Warn: said.add}, stdio(t, "chatty", "-fault", "stray", "-tools", "add"))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := tool(t, set, "add").Call(t.Context(), json.RawMessage(`{"a": 1, "b": 2}`)); got != `{"result": 3}` || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	if said.all() != `the tool server chatty prints text that is no message, which is left out: "Server is starting…"` {
		t.Errorf("said %q", said.all())
	}
}

// Tools of the same name get their server's name; the configuration's own names say what needs no approval.
func TestNames(t *testing.T) {
	one, two := stdio(t, "my server", "-tools", "add,multiply"), stdio(t, "two", "-tools", "add,get_time")
	two.AlwaysAllow = []string{"add"}
	off := stdio(t, "off")
	off.Disabled = true
	set, err := start(t, mcp.Options{Reserved: []string{"get_time"}}, one, off, two)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, tool := range set.Tools() {
		got = append(got, tool.Name+":"+tool.Server+":"+strconv.FormatBool(tool.Allowed))
	}
	const want = "my_server__add:my server:false multiply:my server:false two__add:two:true two__get_time:two:false"
	if strings.Join(got, " ") != want {
		t.Errorf("got %s", strings.Join(got, " "))
	}
	if result, err := tool(t, set, "two__add").Call(t.Context(), json.RawMessage(`{"a": 1, "b": 2}`)); result != `{"result": 3}` || err != nil {
		t.Errorf("got %q, %v", result, err)
	}
}

// A server sees no more of the environment than it needs and was given.
func TestEnvironment(t *testing.T) {
	t.Setenv("HF_TOKEN", "hf_secret")
	server := stdio(t, "one", "-tools", "environment")
	server.Env["MINE"] = "yes"
	set, err := start(t, mcp.Options{}, server)
	if err != nil {
		t.Fatal(err)
	}
	got, err := tool(t, set, "environment").Call(t.Context(), json.RawMessage(`{}`))
	if err != nil || strings.Contains(got, "hf_secret") || !strings.Contains(got, "MINE=yes") || !strings.Contains(got, "PATH=") {
		t.Errorf("got %q, %v", got, err)
	}
}
