package chat

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Delta is a piece of an answer. At most one field is set.
type Delta struct {
	Text      string
	Reasoning string
	ToolCall  *ToolCall
}

const (
	callOpen  = "<tool_call>"
	callClose = "</tool_call>"
)

// Parser splits an answer that arrives in pieces. A tag may be cut anywhere; nothing is emitted that could still turn
// out to be the beginning of one. No text gets lost: what looks like a tool call but is none comes out as text.
//
// Only a <think> at the beginning of the answer opens reasoning. Of the newlines between the tags and the text beside
// them, which belong to the form and not to the answer, none is emitted.
type Parser struct {
	state parserState
	held  string // text whose meaning is not known yet
	skip  bool   // newlines at the beginning of what follows are part of a tag
	gap   string // whitespace before a <tool_call>, which goes with it
	calls int
	out   []Delta
}

type parserState uint8

const (
	atStart     parserState = iota // whitespace, or the beginning of <think>
	inReasoning                    // up to </think>
	inText                         // up to <tool_call>
	inCall                         // up to </tool_call>
)

// NewParser begins an answer. thinking says that the prompt already opened <think>; see [Template.OpensThinking].
func NewParser(thinking bool) *Parser {
	if thinking {
		return &Parser{state: inReasoning, skip: true}
	}
	return &Parser{}
}

// Push takes the next piece and returns what is certain now.
func (p *Parser) Push(piece string) []Delta {
	p.held += piece
	p.out = nil
	for p.step(false) {
	}
	return p.out
}

// Flush ends the answer and returns what was held back.
func (p *Parser) Flush() []Delta {
	p.out = nil
	for p.step(true) {
	}
	return p.out
}

// step makes one move and reports whether another may be possible.
func (p *Parser) step(end bool) bool {
	if p.skip {
		p.held = strings.TrimLeft(p.held, "\r\n")
		if p.held == "" {
			return false
		}
		p.skip = false
	}
	switch p.state {
	case atStart:
		return p.start(end)
	case inReasoning:
		return p.until(ThinkClose, end, p.reasoning, inText)
	case inText:
		return p.until(callOpen, end, p.text, inCall)
	}
	return p.call(end)
}

// start decides whether the answer begins with <think>.
func (p *Parser) start(end bool) bool {
	trimmed := strings.TrimLeft(p.held, " \t\r\n")
	switch {
	case strings.HasPrefix(trimmed, ThinkOpen):
		p.held, p.state, p.skip = trimmed[len(ThinkOpen):], inReasoning, true
		return true
	case !end && strings.HasPrefix(ThinkOpen, trimmed):
		return false // nothing yet, or the beginning of the tag
	}
	p.state = inText
	return p.held != ""
}

// until emits what stands before a tag and, at the tag, goes over to the next state.
func (p *Parser) until(tag string, end bool, emit func(string), next parserState) bool {
	if at := strings.Index(p.held, tag); at >= 0 {
		before := strings.TrimRight(p.held[:at], " \t\r\n")
		emit(before)
		p.gap = p.held[len(before):at]
		p.held, p.state = p.held[at+len(tag):], next
		p.skip = next == inText
		return true
	}
	sure := len(p.held)
	if !end {
		sure = certain(p.held, tag)
	}
	emit(p.held[:sure])
	p.held = p.held[sure:]
	return false
}

// certain is the length of the part of s that is not whitespace before a tag nor the beginning of the tag.
func certain(s, tag string) int {
	n := len(s)
	for k := min(len(tag)-1, n); k > 0; k-- {
		if strings.HasSuffix(s, tag[:k]) {
			n -= k
			break
		}
	}
	return len(strings.TrimRight(s[:n], " \t\r\n"))
}

func (p *Parser) text(s string) {
	if s != "" {
		p.out = append(p.out, Delta{Text: s})
	}
}

func (p *Parser) reasoning(s string) {
	if s != "" {
		p.out = append(p.out, Delta{Reasoning: s})
	}
}

// call waits for the end of a tool call. A model that stops right behind the call often leaves the closing tag out.
func (p *Parser) call(end bool) bool {
	body, rest, closed := strings.Cut(p.held, callClose)
	if !closed && !end {
		return false
	}
	call, ok := parseCall(body)
	switch {
	case ok:
		p.calls++
		call.ID = fmt.Sprintf("call_%d", p.calls)
		p.out = append(p.out, Delta{ToolCall: call})
	case closed:
		p.text(p.gap + callOpen + body + callClose)
	default:
		p.text(p.gap + callOpen + body)
	}
	p.held, p.state, p.skip = rest, inText, ok && closed
	return rest != ""
}

// parseCall reads {"name": …, "arguments": {…}}.
func parseCall(body string) (*ToolCall, bool) {
	var call struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	if err := json.Unmarshal([]byte(body), &call); err != nil || call.Name == "" {
		return nil, false
	}
	if call.Arguments == nil || string(call.Arguments) == "null" {
		call.Arguments = json.RawMessage("{}")
	}
	return &ToolCall{Name: call.Name, Arguments: call.Arguments}, true
}
