package markdown

import (
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// code is a fenced block that is being printed. Its lines are not framed at the sides and long ones are left to the
// terminal to break, so that what is marked with the mouse is the code and nothing else.
type code struct {
	blockStart
	prefix []piece
	lexer  lexer
}

// beginCode prints the upper edge: a line with the language's name, or the fence as it is where there are no colours.
func (s *Stream) beginCode(line string, b blockStart, prefix []piece) {
	language, _, _ := strings.Cut(b.words, " ")
	s.code = &code{blockStart: b, prefix: prefix, lexer: lexer{language: languageOf(language)}}
	s.wrap.begin(prefix, nil)
	if !s.wrap.colour {
		s.wrap.raw(piece{line[b.mark:], 0})
		s.wrap.newline()
		return
	}
	edge := "──"
	if language != "" {
		edge += " " + language + " "
	}
	s.wrap.raw(piece{edge + strings.Repeat("─", max(0, s.ruleWidth()-term.Width(edge)-s.wrap.column)), faint})
	s.wrap.newline()
}

// codeLine prints a line of code, or ends the block.
func (s *Stream) codeLine(line string) {
	c := s.code
	for range c.quote {
		line = strings.TrimPrefix(strings.TrimPrefix(line, ">"), " ")
	}
	text := strings.TrimSpace(line)
	if len(text) >= len(c.fence) && strings.Trim(text, c.fence[:1]) == "" {
		s.endCode()
		return
	}
	for range c.indent { // of the fence: the block stands in a list
		line = strings.TrimPrefix(line, " ")
	}
	s.wrap.begin(c.prefix, nil)
	if s.wrap.colour {
		for _, p := range c.lexer.line(line) {
			s.wrap.raw(p)
		}
	} else {
		s.wrap.raw(piece{line, 0})
	}
	s.wrap.newline()
}

// endCode prints the lower edge, also of a block whose end never came.
func (s *Stream) endCode() {
	c := s.code
	s.code = nil
	s.wrap.begin(c.prefix, nil)
	if s.wrap.colour {
		s.wrap.raw(piece{strings.Repeat("─", s.ruleWidth()-s.wrap.column), faint})
	} else {
		s.wrap.raw(piece{c.fence, 0})
	}
	s.wrap.newline()
}
