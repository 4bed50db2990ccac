package chat

import (
	"fmt"
	"strings"
)

// Delta is a piece of an answer. At most one of Text, Reasoning and ToolCall is set.
type Delta struct {
	Text      string
	Reasoning string
	ToolCall  *ToolCall
	Broken    string // why Text, which was meant as a tool call, is none; a sentence for the model
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

	tools Tools
	scan  callScan // of held, in a call
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

// SetTools tells which tools were offered. Qwen3-Coder writes arguments bare, and only the schema knows their types.
func (p *Parser) SetTools(tools Tools) { p.tools = tools }

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

// call waits for the end of a tool call. A model that stops right behind the call often leaves the closing tag out, or
// begins the next call without it.
func (p *Parser) call(end bool) bool {
	at, tag := p.callEnd(end)
	if at < 0 {
		return false
	}
	body, rest := p.held[:at], p.held[at+len(tag):]
	closed := tag == callClose
	call, err := parseCall(body, p.tools)
	switch {
	case err == nil:
		p.calls++
		call.ID = fmt.Sprintf("call_%d", p.calls)
		p.out = append(p.out, Delta{ToolCall: call})
	case closed:
		p.out = append(p.out, Delta{Text: p.gap + callOpen + body + callClose, Broken: err.Error()})
	default:
		p.out = append(p.out, Delta{Text: p.gap + callOpen + body, Broken: err.Error()})
	}
	p.held, p.scan = rest, callScan{}
	if tag == callOpen {
		p.gap = ""
		return true // in the next call
	}
	p.state, p.skip = inText, err == nil && closed
	return rest != ""
}

// callEnd finds where the call that p.held begins with ends, and the tag there: none at the end of the answer. A tag
// inside a JSON string is part of the string, unless the string never ends. -1: not known yet. Each byte is looked at
// once, however the answer is cut.
func (p *Parser) callEnd(end bool) (at int, tag string) {
	s := &p.scan
	for s.at < len(p.held) {
		rest := p.held[s.at:]
		switch c := rest[0]; {
		case !s.begun:
			s.begun = !strings.ContainsRune(" \t\r\n", rune(c))
			s.json = c == '{'
		case s.open && c == '\\':
			if len(rest) == 1 && !end {
				return -1, ""
			}
			s.at++
		case s.json && c == '"':
			s.open = !s.open
		}
		if tag := tagAt(rest); tag != "" && !s.open {
			return s.at, tag
		} else if tag == callClose && s.first == 0 {
			s.first = s.at
		} else if tag == "" && !end && tagBegins(rest) {
			return -1, ""
		}
		s.at++
	}
	switch {
	case !end:
		return -1, ""
	case s.first > 0: // the string never ended: the tag was one
		return s.first, callClose
	}
	return len(p.held), ""
}

// callScan is how far a call was looked through.
type callScan struct {
	at    int
	begun bool // something but white space was there
	json  bool // it began with a brace, so that quotes mean strings
	open  bool // inside a string
	first int  // the first closing tag inside a string; 0: none
}

// tagAt returns the tag that a text begins with.
func tagAt(s string) string {
	for _, tag := range []string{callClose, callOpen} {
		if strings.HasPrefix(s, tag) {
			return tag
		}
	}
	return ""
}

// tagBegins reports whether a text may be the beginning of a tag.
func tagBegins(s string) bool {
	return strings.HasPrefix(callClose, s) || strings.HasPrefix(callOpen, s)
}
