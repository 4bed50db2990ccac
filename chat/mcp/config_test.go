package mcp_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat/mcp"
)

func variables(name string) (string, bool) {
	value, ok := map[string]string{"TOKEN": "t0ken", "HOST": "example.org", "EMPTY": ""}[name]
	return value, ok
}

func TestParseConfig(t *testing.T) {
	got, err := mcp.ParseConfig([]byte(`{"inputs": [], "mcpServers": {
		"z": {"command": "${SHELL:-sh}", "args": ["-c", "x ${TOKEN}"], "env": {"K": "${EMPTY}", "L": "${EMPTY:-l}"}, "cwd": "/tmp", "timeout": 5, "alwaysAllow": ["f"]},
		"a": {"type": "streamable-http", "url": "https://${HOST}/mcp", "headers": {"Authorization": "Bearer ${env:TOKEN}"}},
		"off": {"disabled": true}
	}}`), variables)
	want := []mcp.Server{
		{Name: "z", Command: "sh", Args: []string{"-c", "x t0ken"}, Env: map[string]string{"K": "", "L": "l"}, Dir: "/tmp", AlwaysAllow: []string{"f"}},
		{Name: "a", URL: "https://example.org/mcp", Headers: map[string]string{"Authorization": "Bearer t0ken"}},
		{Name: "off", Disabled: true},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
}

func TestParseConfigErrors(t *testing.T) {
	for _, c := range []struct{ in, want string }{
		{``, "no JSON object"},
		{`[]`, "no JSON object"},
		{"\xff", "not valid UTF-8"},
		{`{"servers": {}}`, `has no "mcpServers"; it should look like`},
		{`{"mcpServers": []}`, "no JSON object of servers"},
		{`{"mcpServers": {"a": 1}}`, `server "a": it is no JSON object`},
		{`{"mcpServers": {"a": {}}}`, `server "a": it has neither a "command" nor a "url"`},
		{`{"mcpServers": {"a": {"command": "x", "url": "http://h"}}}`, "leave one out"},
		{`{"mcpServers": {"a": {"command": "x", "args": "y"}}}`, `"args" has the wrong type, a string`},
		{`{"mcpServers": {"a": {"command": "x", "env": {"K": 1}}}}`, `has the wrong type, a number`},
		{`{"mcpServers": {"a": {"command": "x", "env": {"K=": "v"}}}}`, "no name of an environment variable"},
		{`{"mcpServers": {"a": {"url": "ftp://h"}}}`, "no http:// or https:// address"},
		{`{"mcpServers": {"a": {"url": "http://h", "headers": {"X Y": "v"}}}}`, "no header"},
		{`{"mcpServers": {"a": {"url": "http://h", "headers": {"X": "a\nb"}}}}`, "no header"},
		{`{"mcpServers": {"a": {"type": "sse", "url": "http://h"}}}`, "the protocol's old one"},
		{`{"mcpServers": {"a": {"type": "x", "url": "http://h"}}}`, `"stdio" or "http", not "x"`},
		{`{"mcpServers": {"a": {"type": "http", "command": "x"}}}`, `has no "url"`},
		{`{"mcpServers": {"a": {"type": "stdio", "url": "http://h"}}}`, `has no "command"`},
		{`{"mcpServers": {"a": {"command": "${NONE}"}}}`, "it uses ${NONE}, which is not set"},
		{`{"mcpServers": {"a": {"command": "x"}, "a": {"command": "x"}}}`, "twice"},
		{`{"mcpServers": {"": {"command": "x"}}}`, "no name"},
	} {
		_, err := mcp.ParseConfig([]byte(c.in), variables)
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", c.in, err, c.want)
		}
	}
}
