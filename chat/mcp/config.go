package mcp

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Server says how one server is reached: by a command, or at a URL.
type Server struct {
	Name string

	Command string
	Args    []string
	Env     map[string]string // beside what every server gets, see [BaseEnvironment]
	Dir     string            // working directory; "": ours

	URL     string
	Headers map[string]string

	AlwaysAllow []string // tools that need not be approved, by the server's own names
	Disabled    bool
}

// ParseConfig reads the form that MCP clients share, {"mcpServers": {name: {"command", "args", "env", "cwd"} or {"url",
// "headers"}}}, in the order of the file. In texts ${NAME} and ${NAME:-default} stand for variables that lookup knows;
// fields that are not known are left alone, because other clients have some of their own.
func ParseConfig(document []byte, lookup func(string) (string, bool)) ([]Server, error) {
	if !utf8.Valid(document) {
		return nil, errors.New("the file is not valid UTF-8")
	}
	var file map[string]json.RawMessage
	if err := json.Unmarshal(document, &file); err != nil {
		return nil, fmt.Errorf("the file is no JSON object: %w", err)
	}
	raw, ok := file["mcpServers"]
	if !ok {
		return nil, errors.New(`the file has no "mcpServers"; it should look like {"mcpServers": {"name": {"command": "…", "args": ["…"]}}}`)
	}
	names, entries, err := ordered(raw)
	if err != nil {
		return nil, errors.New(`"mcpServers" is no JSON object of servers`)
	}
	var servers []Server
	for i, name := range names {
		s, err := parseServer(name, entries[i], lookup)
		if err != nil {
			return nil, fmt.Errorf("server %q: %w", name, err)
		}
		if slices.ContainsFunc(servers, func(other Server) bool { return other.Name == name }) {
			return nil, fmt.Errorf("server %q stands in the file twice", name)
		}
		servers = append(servers, s)
	}
	return servers, nil
}

// ordered returns the keys and values of a JSON object as they stand.
func ordered(object json.RawMessage) (keys []string, values []json.RawMessage, err error) {
	d := json.NewDecoder(bytes.NewReader(object))
	if brace, err := d.Token(); err != nil || brace != json.Delim('{') {
		return nil, nil, errors.New("no object")
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, nil, err
		}
		var value json.RawMessage
		if err := d.Decode(&value); err != nil {
			return nil, nil, err
		}
		keys, values = append(keys, key.(string)), append(values, value)
	}
	return keys, values, nil
}

func parseServer(name string, raw json.RawMessage, lookup func(string) (string, bool)) (Server, error) {
	var entry struct {
		Type        string            `json:"type"`
		Command     string            `json:"command"`
		Args        []string          `json:"args"`
		Env         map[string]string `json:"env"`
		Dir         string            `json:"cwd"`
		URL         string            `json:"url"`
		Headers     map[string]string `json:"headers"`
		AlwaysAllow []string          `json:"alwaysAllow"`
		Disabled    bool              `json:"disabled"`
	}
	if err := json.Unmarshal(raw, &entry); err != nil {
		var wrong *json.UnmarshalTypeError
		if errors.As(err, &wrong) && wrong.Field != "" {
			return Server{}, fmt.Errorf("%q has the wrong type, a %s", wrong.Field, wrong.Value)
		}
		return Server{}, errors.New("it is no JSON object")
	}
	s := Server{
		Name: name, Command: entry.Command, Args: entry.Args, Env: entry.Env, Dir: entry.Dir,
		URL: entry.URL, Headers: entry.Headers, AlwaysAllow: entry.AlwaysAllow, Disabled: entry.Disabled,
	}
	if s.Disabled {
		return s, nil
	}
	if err := s.expand(lookup); err != nil {
		return s, err
	}
	return s, s.check(entry.Type)
}

// check refuses what cannot be a server.
func (s *Server) check(kind string) error {
	switch kind {
	case "", "stdio", "http", "streamable-http", "streamableHttp":
	case "sse":
		return errors.New(`the transport "sse" is the protocol's old one, which this program does not speak; most servers have a streamable HTTP address beside it`)
	default:
		return fmt.Errorf(`the type is "stdio" or "http", not %q`, kind)
	}
	switch {
	case s.Name == "":
		return errors.New("it has no name")
	case s.Command != "" && s.URL != "":
		return errors.New(`it has a "command" and a "url"; leave one out`)
	case s.Command == "" && s.URL == "":
		return errors.New(`it has neither a "command" nor a "url"`)
	case kind == "stdio" && s.Command == "":
		return errors.New(`its type is "stdio", and it has no "command"`)
	case kind != "" && kind != "stdio" && s.URL == "":
		return fmt.Errorf(`its type is %q, and it has no "url"`, kind)
	case s.URL != "":
		u, err := url.Parse(s.URL)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
			return fmt.Errorf("%q is no http:// or https:// address", s.URL)
		}
	}
	for name := range s.Env {
		if name == "" || strings.ContainsAny(name, "=\x00") {
			return fmt.Errorf("%q is no name of an environment variable", name)
		}
	}
	for name, value := range s.Headers {
		if !headerName.MatchString(name) || strings.ContainsAny(value, "\r\n\x00") {
			return fmt.Errorf("%q is no header, or has a value that is none", name)
		}
	}
	return nil
}

var (
	headerName = regexp.MustCompile("^[-!#$%&'*+.^_`|~0-9A-Za-z]+$")
	variable   = regexp.MustCompile(`\$\{(?:env:)?([A-Za-z_][A-Za-z0-9_]*)(:-[^}]*)?\}`)
)

// expand puts the values of variables into all texts.
func (s *Server) expand(lookup func(string) (string, bool)) error {
	var missing []string
	put := func(text string) string {
		return variable.ReplaceAllStringFunc(text, func(found string) string {
			parts := variable.FindStringSubmatch(found)
			if value, ok := lookup(parts[1]); ok && (value != "" || parts[2] == "") {
				return value
			}
			if parts[2] == "" {
				missing = append(missing, parts[1])
			}
			return strings.TrimPrefix(parts[2], ":-")
		})
	}
	s.Command, s.Dir, s.URL = put(s.Command), put(s.Dir), put(s.URL)
	for i := range s.Args {
		s.Args[i] = put(s.Args[i])
	}
	for name := range s.Env {
		s.Env[name] = put(s.Env[name])
	}
	for name := range s.Headers {
		s.Headers[name] = put(s.Headers[name])
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return fmt.Errorf("it uses ${%s}, which is not set in the environment", missing[0])
	}
	return nil
}
