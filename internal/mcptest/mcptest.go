// Package mcptest is a tool server for tests, made of the MCP SDK's own server: it offers the tools that the demo model
// was trained with, over stdio or HTTP, and misbehaves on request. A test runs it as a program of its own.
package mcptest

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/modelcontextprotocol/go-sdk/mcp"
)

// definitions are the demo model's tools, keys in the order of its training.
var definitions = []struct{ name, description, schema string }{
	{"get_weather", "Get the weather of a city", `{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`},
	{"multiply", "Multiply two numbers", `{"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}`},
	{"add", "Add two numbers", `{"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "number"}}, "required": ["a", "b"]}`},
	{"get_time", "Get the time in a timezone", `{"type": "object", "properties": {"timezone": {"type": "string"}}, "required": ["timezone"]}`},
	{"convert", "Convert an amount of money", `{"type": "object", "properties": {"amount": {"type": "number"}, "from": {"type": "string"}, "to": {"type": "string"}}, "required": ["amount", "from", "to"]}`},
	{"search", "Search the web", `{"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]}`},
	{"set_timer", "Set a timer", `{"type": "object", "properties": {"minutes": {"type": "number"}}, "required": ["minutes"]}`},
	{"play_music", "Play a song", `{"type": "object", "properties": {"title": {"type": "string"}}, "required": ["title"]}`},
	{"show", "Give one content of each kind", `{"type": "object", "properties": {}}`},
	{"environment", "List the variables", `{"type": "object", "properties": {}}`},
	{"fail", "Report an error", `{"type": "object", "properties": {}}`},
	{"sleep", "Answer late", `{"type": "object", "properties": {}}`},
	{"die", "End the server", `{"type": "object", "properties": {}}`},
	{"flood", "Send messages without end", `{"type": "object", "properties": {}}`},
	{"garbage", "Print text without end", `{"type": "object", "properties": {}}`},
	{"large", "Give a result of a million bytes", `{"type": "object", "properties": {}}`},
}

// Main is the program: its arguments are flags.
//
//	-tools NAME,…   what is offered (default: all)
//	-page N         tools to a page of the list
//	-fault NAME     hang, mute, exit, stray, line: misbehave from the beginning
//	-http FILE      serve HTTP on a free port of this machine; the address is written to FILE
//	-key TEXT       with -http: answer only requests with the header X-Key: TEXT
//	-status N       with -http: answer everything with this status
//	-child FILE     start a child that lives on, its process id is written to FILE
func Main() { os.Exit(run(os.Args[1:])) }

func run(args []string) int {
	flags := flag.NewFlagSet("toolserver", flag.ContinueOnError)
	offer := flags.String("tools", "", "")
	page := flags.Int("page", 0, "")
	fault := flags.String("fault", "", "")
	address := flags.String("http", "", "")
	key := flags.String("key", "", "")
	status := flags.Int("status", 0, "")
	child := flags.String("child", "", "")
	if err := flags.Parse(args); err != nil {
		return 2
	}
	if *child != "" {
		long := exec.Command("sleep", "600")
		if err := long.Start(); err != nil {
			return 1
		}
		if err := os.WriteFile(*child, fmt.Append(nil, long.Process.Pid), 0o600); err != nil {
			return 1
		}
	}
	misbehave(*fault)
	server := mcp.NewServer(&mcp.Implementation{Name: "toolserver", Version: "1"}, &mcp.ServerOptions{PageSize: *page})
	for _, d := range definitions {
		if *offer == "" || strings.Contains(","+*offer+",", ","+d.name+",") {
			server.AddTool(&mcp.Tool{Name: d.name, Description: d.description, InputSchema: json.RawMessage(d.schema)}, handle)
		}
	}
	var err error
	if *address != "" {
		err = serve(server, *address, *key, *status)
	} else {
		err = server.Run(context.Background(), &mcp.StdioTransport{})
	}
	if err != nil && !errors.Is(err, io.EOF) {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

// misbehave does what no server should before it serves.
func misbehave(fault string) {
	switch fault {
	case "hang":
		select {}
	case "mute": // reads, never answers
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	case "exit":
		fmt.Fprintln(os.Stderr, "the database is not there")
		os.Exit(3)
	case "stray":
		fmt.Println("Server is starting…")
		fmt.Println(`{"level": "info", "msg": "listening"}`)
	case "line":
		out := bufio.NewWriter(os.Stdout)
		for {
			if _, err := out.WriteString("xxxxxxxxxxxxxxxx"); err != nil {
				os.Exit(1)
			}
		}
	}
}

// serve answers over HTTP until the program is ended.
func serve(server *mcp.Server, address, key string, status int) error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	if err := os.WriteFile(address+".new", []byte("http://"+listener.Addr().String()+"/mcp"), 0o600); err != nil {
		return err
	}
	if err := os.Rename(address+".new", address); err != nil {
		return err
	}
	inner := mcp.NewStreamableHTTPHandler(func(*http.Request) *mcp.Server { return server }, nil)
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { //nolint:gosec // a test's
		switch {
		case status != 0:
			http.Error(w, "out of order", status)
		case key != "" && r.Header.Get("X-Key") != key:
			http.Error(w, "who are you?", http.StatusUnauthorized)
		default:
			inner.ServeHTTP(w, r)
		}
	}))
}

// handle does what the tools do.
func handle(ctx context.Context, r *mcp.CallToolRequest) (*mcp.CallToolResult, error) {
	var arguments struct{ A, B float64 }
	if err := json.Unmarshal(r.Params.Arguments, &arguments); err != nil {
		return nil, err
	}
	switch r.Params.Name {
	case "get_weather":
		return text(`{"weather": "foggy", "temperature": 1}`), nil
	case "multiply":
		return text(fmt.Sprintf(`{"result": %.10g}`, arguments.A*arguments.B)), nil
	case "add":
		return text(fmt.Sprintf(`{"result": %.10g}`, arguments.A+arguments.B)), nil
	case "set_timer", "play_music":
		return text(`{"status": "ok"}`), nil
	case "show":
		return &mcp.CallToolResult{Content: []mcp.Content{
			&mcp.TextContent{Text: "words"},
			&mcp.ImageContent{MIMEType: "image/png", Data: []byte("12345")},
			&mcp.AudioContent{MIMEType: "audio/wav", Data: []byte("123")},
			&mcp.ResourceLink{URI: "file:///a.txt", Name: "a", MIMEType: "text/plain", Description: "a letter"},
			&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///b.txt", Text: "inside b"}},
			&mcp.EmbeddedResource{Resource: &mcp.ResourceContents{URI: "file:///c.bin", MIMEType: "application/zip", Blob: []byte("1234")}},
		}}, nil
	case "environment":
		return text(strings.Join(os.Environ(), "\n")), nil
	case "fail":
		return &mcp.CallToolResult{IsError: true, Content: []mcp.Content{&mcp.TextContent{Text: "the city is unknown"}}}, nil
	case "sleep":
		select {
		case <-ctx.Done():
		case <-time.After(20 * time.Second):
		}
		return text("late"), nil
	case "die":
		fmt.Fprintln(os.Stderr, "out of memory")
		os.Exit(7)
	case "flood":
		for {
			fmt.Println(`{"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}`)
		}
	case "garbage":
		for {
			fmt.Println("what a fine day")
		}
	case "large":
		return text(strings.Repeat("0123456789", 100_000)), nil
	}
	return text(`{"result": 1}`), nil
}

func text(s string) *mcp.CallToolResult {
	return &mcp.CallToolResult{Content: []mcp.Content{&mcp.TextContent{Text: s}}}
}
