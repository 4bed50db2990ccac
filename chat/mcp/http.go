package mcp

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
)

// caller makes the HTTP requests to one server: with its headers, and with bounds on what comes back.
type caller struct {
	at      *url.URL
	headers map[string]string
	schemas *schemas
}

// RoundTrip makes one request. The headers, which may hold a key, go to the configured host alone, wherever the server
// sends us on to.
func (c *caller) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host == c.at.Host && r.URL.Scheme == c.at.Scheme {
		r = r.Clone(r.Context())
		for name, value := range c.headers {
			r.Header.Set(name, value)
		}
	}
	response, err := http.DefaultTransport.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	kind, _, _ := mime.ParseMediaType(response.Header.Get("Content-Type"))
	response.Body = &body{ReadCloser: response.Body, schemas: c.schemas, events: kind == "text/event-stream"}
	return response, nil
}

// body is a response that is read: bounded, and looked through for schemas.
type body struct {
	io.ReadCloser
	schemas *schemas
	events  bool   // server-sent events, else one document
	size    int    // bytes so far
	kept    []byte // the document, or the event that is being read
}

// Read passes on the next bytes.
func (b *body) Read(p []byte) (int, error) {
	n, err := b.ReadCloser.Read(p)
	if b.size += n; b.size > maxVolume {
		return 0, fmt.Errorf("the server sent more than %d MiB", maxVolume>>20)
	}
	b.kept = append(b.kept, p[:n]...)
	if b.events {
		b.readEvents()
	} else if err != nil {
		b.schemas.note(b.kept)
		b.kept = nil
	}
	if len(b.kept) > maxMessage {
		return 0, fmt.Errorf("the server sent a message of more than %d MiB", maxMessage>>20)
	}
	return n, err
}

// readEvents looks at the events that are whole: lines "data: …", ended by an empty one.
func (b *body) readEvents() {
	for {
		at := bytes.Index(b.kept, []byte("\n\n"))
		width := 2
		if crlf := bytes.Index(b.kept, []byte("\r\n\r\n")); crlf >= 0 && (at < 0 || crlf < at) {
			at, width = crlf, 4
		}
		if at < 0 {
			return
		}
		var data []byte
		for line := range bytes.Lines(b.kept[:at]) {
			if value, ok := bytes.CutPrefix(line, []byte("data:")); ok {
				data = append(data, bytes.TrimSpace(value)...)
			}
		}
		b.schemas.note(data)
		b.kept = b.kept[at+width:]
	}
}
