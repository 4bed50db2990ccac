// Package vt is a terminal for tests: it keeps what a person would see. It knows what package term and its users write,
// and fails on anything else.
package vt

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// Screen is a window with scrollback. It is written to.
type Screen struct {
	Columns, Rows int
	Err           error // the first thing that was not understood

	lines  [][]string // of cells; a wide character's second cell is ""
	top    int        // the line that is the window's first
	x, y   int        // the cursor; y counts from the first line
	hold   bool       // a character stands in the last column, and the next one goes to the next line
	unread string
}

// Write shows a text.
func (s *Screen) Write(text []byte) (int, error) {
	rest := s.unread + string(text)
	s.unread = ""
	for rest != "" {
		switch rest[0] {
		case '\r':
			s.x, s.hold, rest = 0, false, rest[1:]
		case '\n': // a terminal's driver writes "\r\n" for it
			s.x, s.hold, rest = 0, false, rest[1:]
			s.down()
		case 0x1b:
			n := s.control(rest)
			if n == 0 {
				s.unread, rest = rest, ""
				continue
			}
			rest = rest[n:]
		default:
			if rest[0] < ' ' {
				s.fail(rest[:1])
			}
			cluster, width := term.FirstCluster(rest)
			rest = rest[len(cluster):]
			s.put(cluster, width)
		}
	}
	return len(text), nil
}

func (s *Screen) fail(what string) {
	if s.Err == nil {
		s.Err = fmt.Errorf("not understood: %q", what)
	}
}

func (s *Screen) line() []string {
	for len(s.lines) <= s.y {
		s.lines = append(s.lines, nil)
	}
	for len(s.lines[s.y]) < s.Columns {
		s.lines[s.y] = append(s.lines[s.y], " ")
	}
	return s.lines[s.y]
}

func (s *Screen) down() {
	s.y++
	s.top = max(s.top, s.y-s.Rows+1)
}

func (s *Screen) put(cluster string, width int) {
	if s.hold || s.x+width > s.Columns {
		s.x, s.hold = 0, false
		s.down()
	}
	line := s.line()
	if width == 0 {
		if s.x > 0 {
			line[s.x-1] += cluster
		}
		return
	}
	line[s.x] = cluster
	for i := 1; i < width; i++ {
		line[s.x+i] = ""
	}
	if s.x += width; s.x >= s.Columns {
		s.x, s.hold = s.Columns-1, true
	}
}

// control obeys a control sequence and returns its length; 0: there must be more of it.
func (s *Screen) control(text string) int {
	if len(text) < 3 {
		return 0
	}
	if text[1] != '[' {
		s.fail(text[:2])
		return 2
	}
	end := strings.IndexFunc(text[2:], func(r rune) bool { return r >= '@' && r <= '~' })
	if end < 0 {
		return 0
	}
	parameters, final := text[2:2+end], text[2+end]
	n, err := strconv.Atoi(parameters)
	if err != nil {
		n = 1
	}
	switch {
	case final == 'm', strings.HasPrefix(parameters, "?") && (final == 'h' || final == 'l'):
	case final == 'A':
		s.y, s.hold = max(s.top, s.y-n), false
	case final == 'C':
		s.x = min(s.Columns-1, s.x+n)
	case final == 'H' && parameters == "":
		s.x, s.y, s.hold = 0, s.top, false
	case final == 'K' && parameters == "":
		for i, line := s.x, s.line(); i < s.Columns; i++ {
			line[i] = " "
		}
	case final == 'J' && parameters == "":
		if s.x == 0 && s.y == s.top && s.Err == nil {
			s.Err = errors.New("the window was erased from its corner: tmux keeps a copy in its scrollback then")
		}
		s.line()
		for i := s.x; i < s.Columns; i++ {
			s.lines[s.y][i] = " "
		}
		s.lines = s.lines[:s.y+1]
	case final == 'J' && n == 2:
		s.lines = s.lines[:min(len(s.lines), s.top)]
	default:
		s.fail(text[:end+3])
	}
	return end + 3
}

// Text is everything, scrollback too, one line a row, without spaces and empty rows at the ends.
func (s *Screen) Text() string {
	var b strings.Builder
	for _, line := range s.lines {
		b.WriteString(strings.TrimRight(strings.Join(line, ""), " ") + "\n")
	}
	return strings.TrimRight(b.String(), "\n")
}

// Cursor is the cursor's column, and its row counted from the first line of the scrollback.
func (s *Screen) Cursor() (column, row int) { return s.x, s.y }
