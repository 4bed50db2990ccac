package mcp

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"

	"github.com/qwenvk/qwenvk/chat"
)

// session is a server that answers.
type session struct {
	server  Server
	client  *sdk.ClientSession
	process *process // nil: HTTP
	frames  *frames
	schemas *schemas
	tools   []chat.Tool // under the server's own names
}

// connect starts a server, or reaches it, and asks for its tools. An error has ended what was started.
func connect(ctx context.Context, server Server, o Options) (_ *session, err error) {
	s := &session{server: server, schemas: &schemas{}}
	transport, err := s.transport(o)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = s.explain(ctx, err)
			s.close()
		}
	}()
	client := sdk.NewClient(&sdk.Implementation{Name: "qwenvk", Version: o.Version}, &sdk.ClientOptions{
		Capabilities: &sdk.ClientCapabilities{}, // it may ask nothing of us
	})
	if s.client, err = client.Connect(ctx, transport, nil); err != nil {
		return nil, err
	}
	return s, s.list(ctx)
}

// transport is the way to the server.
func (s *session) transport(o Options) (sdk.Transport, error) {
	if s.server.Command != "" {
		p, err := s.server.start()
		if err != nil {
			return nil, err
		}
		s.process = p
		s.frames = newFrames(p.stdout, s.schemas, func(line []byte) {
			o.warn("the tool server %s prints text that is no message, which is left out: %q", s.server.Name, short(string(line)))
		}, p.kill)
		return &sdk.IOTransport{Reader: pipes{s.frames, io.NopCloser(nil)}, Writer: p, MaxLineLength: -1}, nil // frames has the bound
	}
	at, err := url.Parse(s.server.URL)
	if err != nil {
		return nil, err
	}
	return &sdk.StreamableClientTransport{
		Endpoint: s.server.URL, MaxRetries: 1, DisableStandaloneSSE: true, MaxEventSize: maxMessage,
		HTTPClient: &http.Client{Transport: &caller{at: at, headers: s.server.Headers, schemas: s.schemas}},
	}, nil
}

// maxTools bounds what one server may offer.
const maxTools = 1000

// list asks for the tools, page by page.
func (s *session) list(ctx context.Context) error {
	s.schemas.begin()
	var listed []*sdk.Tool
	for tool, err := range s.client.Tools(ctx, nil) {
		if err != nil {
			return err
		}
		if listed = append(listed, tool); len(listed) > maxTools {
			return fmt.Errorf("it offers more than %d tools", maxTools)
		}
	}
	raw := s.schemas.end()
	for _, tool := range listed {
		if !nameable(tool.Name) {
			continue
		}
		schema := raw[tool.Name]
		if schema == nil {
			var err error
			if schema, err = json.Marshal(tool.InputSchema); err != nil {
				return err
			}
		}
		s.tools = append(s.tools, chat.Tool{
			Name: tool.Name, Description: tool.Description, Parameters: schema,
			Call: func(ctx context.Context, arguments json.RawMessage) (string, error) {
				return s.call(ctx, tool.Name, arguments)
			},
		})
	}
	return nil
}

// nameable tells whether a model can write a name and a person read it.
func nameable(name string) bool {
	return name != "" && len(name) <= 128 && !strings.ContainsFunc(name, func(r rune) bool {
		return r == unicode.ReplacementChar || !unicode.IsGraphic(r) || unicode.IsSpace(r) || strings.ContainsRune(`"<>`, r)
	})
}

// call has the server do something.
func (s *session) call(ctx context.Context, name string, arguments json.RawMessage) (string, error) {
	result, err := s.client.CallTool(ctx, &sdk.CallToolParams{Name: name, Arguments: arguments})
	if err != nil {
		return "", fmt.Errorf("the tool server %s: %w", s.server.Name, s.explain(ctx, err))
	}
	return textOf(result)
}

// explain says why a server does not answer as it should.
func (s *session) explain(ctx context.Context, err error) error {
	if s.frames != nil {
		if failure := s.frames.failure(); failure != nil {
			return failure
		}
	}
	if s.process != nil && (ctx.Err() == nil || s.process.gone(0)) {
		if how := s.process.ending(); how != "" {
			return errors.New("it ended " + how)
		}
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	return errors.New(short(err.Error()))
}

// patience is how long a server may take to end by itself.
const patience = 2 * time.Second

// close ends the server.
func (s *session) close() {
	closed := make(chan struct{})
	go func() {
		defer close(closed)
		if s.client != nil {
			_ = s.client.Close() // it is no longer needed, whatever it says
		}
	}()
	if s.process != nil {
		s.process.stop(patience)
	}
	select {
	case <-closed:
	case <-time.After(patience):
	}
}
