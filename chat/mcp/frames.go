package mcp

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"
)

// Bounds of what a server may send.
const (
	maxMessage = 16 << 20 // bytes of one message
	maxStray   = 1 << 20  // bytes of text that is no message
	maxRate    = 5000     // messages within rateWindow
	maxVolume  = 64 << 20 // bytes within rateWindow
	rateWindow = 10 * time.Second
)

// frames passes on the messages of a server's stdout, each a line with a JSON-RPC object. Other lines, which many
// servers print by mistake, are dropped, up to a bound.
type frames struct {
	in      *bufio.Reader
	schemas *schemas
	stray   func(line []byte) // told of the first line that is no message
	failed  func()            // told that nothing more will be read

	pending []byte
	dropped int // bytes that were no message

	began    time.Time // of the window
	messages int
	volume   int

	mu  sync.Mutex
	err error
}

func newFrames(stdout io.Reader, s *schemas, stray func([]byte), failed func()) *frames {
	return &frames{in: bufio.NewReaderSize(stdout, 64<<10), schemas: s, stray: stray, failed: failed}
}

// Read fills p with the next bytes of messages.
func (f *frames) Read(p []byte) (int, error) {
	for len(f.pending) == 0 {
		line, err := f.line()
		if err == nil {
			err = f.take(line)
		}
		if err != nil {
			f.mu.Lock()
			f.err = err
			f.mu.Unlock()
			if !errors.Is(err, io.EOF) {
				f.failed()
			}
			return 0, err
		}
	}
	n := copy(p, f.pending)
	f.pending = f.pending[n:]
	return n, nil
}

// failure is what ended the reading, nil when nothing did or the server ended.
func (f *frames) failure() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if errors.Is(f.err, io.EOF) {
		return nil
	}
	return f.err
}

// line reads up to the next newline.
func (f *frames) line() ([]byte, error) {
	var line []byte
	for {
		part, err := f.in.ReadSlice('\n')
		if len(line)+len(part) > maxMessage {
			return nil, fmt.Errorf("it sent a line of more than %d MiB", maxMessage>>20)
		}
		line = append(line, part...)
		switch {
		case err == nil, errors.Is(err, io.EOF) && len(line) > 0:
			return line, nil
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

// take decides what a line is.
func (f *frames) take(line []byte) error {
	if now := time.Now(); now.Sub(f.began) > rateWindow {
		f.began, f.messages, f.volume = now, 0, 0
	}
	f.volume += len(line)
	line = bytes.TrimSpace(line)
	message := isMessage(line)
	if message {
		f.messages++
	}
	switch {
	case f.messages > maxRate || f.volume > maxVolume:
		return fmt.Errorf("it floods us: %d messages, %d MiB within %v", f.messages, f.volume>>20, rateWindow)
	case message:
		f.schemas.note(line)
		f.pending = append(line, '\n')
		return nil
	case len(line) > 0 && f.dropped == 0:
		f.stray(line)
	}
	if f.dropped += len(line); f.dropped > maxStray {
		return fmt.Errorf("it prints text that is no message, more than %d MiB of it", maxStray>>20)
	}
	return nil
}

// isMessage tells a JSON-RPC message, or a batch of them, from other text.
func isMessage(line []byte) bool {
	if len(line) > 0 && line[0] == '[' {
		var batch []struct{ JSONRPC string }
		return json.Unmarshal(line, &batch) == nil && len(batch) > 0 && batch[0].JSONRPC == "2.0"
	}
	var message struct{ JSONRPC string }
	return json.Unmarshal(line, &message) == nil && message.JSONRPC == "2.0"
}

// schemas keeps the tools' schemas as their server wrote them. The SDK hands them out as maps, and the order of keys,
// which models were trained to see, would be lost.
type schemas struct {
	mu      sync.Mutex
	listing bool
	byName  map[string]json.RawMessage
}

// begin and end enclose the listing of tools.
func (s *schemas) begin() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listing, s.byName = true, map[string]json.RawMessage{}
}

func (s *schemas) end() map[string]json.RawMessage {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listing = false
	return s.byName
}

// note looks at a message.
func (s *schemas) note(message []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.listing || !bytes.Contains(message, []byte(`"inputSchema"`)) {
		return
	}
	var list struct {
		Result struct {
			Tools []struct {
				Name        string          `json:"name"`
				InputSchema json.RawMessage `json:"inputSchema"`
			} `json:"tools"`
		} `json:"result"`
	}
	if json.Unmarshal(message, &list) != nil {
		return
	}
	for _, t := range list.Result.Tools {
		s.byName[t.Name] = t.InputSchema
	}
}
