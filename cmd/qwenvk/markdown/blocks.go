package markdown

import (
	"io"
	"strings"
	"unicode/utf8"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// Stream prints Markdown as it comes.
type Stream struct {
	out    io.Writer
	wrap   wrapper
	source string // not yet printed
	tail   string // of the source: bytes of a character that is not whole

	inLine bool // the block of the line is known, its text is being read
	base   style
	last   rune
	code   *code
	table  []string // its rows so far
	inside []piece  // begins the table's lines
	quote  int      // the table's depth of > marks
}

// New prints to a terminal that is as wide as width says at the time, 0 for lines that are not to be broken. Without
// colours the text keeps its marks.
func New(out io.Writer, width func() int, colour bool) *Stream {
	return &Stream{out: out, wrap: wrapper{width: width, colour: colour}}
}

// Write takes the next piece. Errors are those of the terminal.
func (s *Stream) Write(text string) error {
	text = s.tail + text
	whole := len(text)
	for back := 1; back < utf8.UTFMax && back <= len(text); back++ {
		if utf8.RuneStart(text[len(text)-back]) {
			if !utf8.FullRuneInString(text[len(text)-back:]) {
				whole = len(text) - back
			}
			break
		}
	}
	s.tail = text[whole:]
	s.source += term.Clean(text[:whole])
	return s.print(false)
}

// End prints what is left and ends the last line. The stream can take another answer.
func (s *Stream) End() error {
	s.source += term.Clean(s.tail)
	s.tail = ""
	return s.print(true)
}

func (s *Stream) print(final bool) error {
	for s.step(final) {
	}
	if final {
		s.endTable()
		if s.inLine {
			s.wrap.end()
		}
		if s.code != nil {
			s.endCode()
		}
		s.inLine = false
	}
	if s.wrap.out.Len() == 0 {
		return nil
	}
	_, err := io.WriteString(s.out, s.wrap.out.String())
	s.wrap.out.Reset()
	return err
}

// step reads the next thing, and reports false where more must be known.
func (s *Stream) step(final bool) bool {
	line, _, ended := strings.Cut(s.source, "\n")
	whole := ended || final
	switch {
	case s.source == "":
		return false
	case s.inLine && line == "":
		s.wrap.end()
		s.inLine = false
		s.source = s.source[1:]
		return true
	case s.inLine:
		pieces, n := s.inline(line, s.last, whole, s.base)
		for _, p := range pieces {
			s.wrap.add(p)
		}
		s.last, _ = utf8.DecodeLastRuneInString(line[:n])
		s.source = s.source[n:]
		return n > 0
	case s.code != nil:
		if whole {
			s.codeLine(line)
			s.skip(line, ended)
		}
		return whole
	}
	return s.block(line, whole, ended)
}

// skip takes a line out of the source, its end too.
func (s *Stream) skip(line string, ended bool) {
	n := len(line)
	if ended {
		n++
	}
	s.source = s.source[n:]
}

// block reads the beginning of a line.
func (s *Stream) block(line string, whole, ended bool) bool {
	b := blockOf(line, whole)
	if b.kind == unknown {
		return false
	}
	if b.kind != tableRow || len(s.table) > 0 && b.quote != s.quote {
		s.endTable()
	}
	faintly := func(text string) piece { return piece{text, faint} }
	prefix := make([]piece, 0, 4)
	if b.quote > 0 {
		prefix = append(prefix, faintly(strings.Repeat("│ ", b.quote)))
	}
	if b.indent > 0 {
		prefix = append(prefix, piece{strings.Repeat(" ", b.indent), 0})
	}
	switch b.kind {
	case blank:
		s.wrap.begin(prefix, nil)
		s.wrap.end()
		s.skip(line, ended)
		return true
	case rule:
		s.wrap.begin(append(prefix, faintly(strings.Repeat("─", s.ruleWidth()))), nil)
		s.wrap.end()
		s.skip(line, ended)
		return true
	case fence:
		s.beginCode(line, b, prefix)
		s.skip(line, ended)
		return true
	case tableRow:
		s.table, s.inside, s.quote = append(s.table, line[b.text:]), prefix, b.quote
		s.skip(line, ended)
		return true
	}
	s.base, s.last = 0, ' '
	indent := prefix
	first := prefix
	switch mark := line[b.mark:b.text]; {
	case b.kind == heading && s.wrap.colour:
		s.base = bold | headingStyle
		if strings.TrimSpace(mark) == "#" {
			s.base |= underline
		}
	case mark != "":
		if s.wrap.colour {
			mark = bullet(mark)
		}
		first = append(prefix[:len(prefix):len(prefix)], piece{mark, s.base})
		indent = append(prefix[:len(prefix):len(prefix)], piece{strings.Repeat(" ", term.Width(mark)), 0})
	}
	s.wrap.begin(first, indent)
	s.inLine = true
	s.source = s.source[b.text:]
	return true
}

// bullet is a list's mark as it is shown.
func bullet(mark string) string {
	for from, to := range map[string]string{"[ ] ": "☐ ", "[x] ": "☑ ", "[X] ": "☑ "} {
		if head, ok := strings.CutSuffix(mark, from); ok {
			return bullet(head) + to
		}
	}
	if strings.ContainsAny(mark[:1], "-*+") {
		return "•" + mark[1:]
	}
	return mark
}

func (s *Stream) ruleWidth() int {
	if limit := s.wrap.limit(); limit > 0 {
		return min(limit, 60)
	}
	return 60
}

// kind is what a line is.
type kind int

const (
	unknown kind = iota // more of the line must be known
	paragraph
	blank
	heading
	item
	rule
	fence
	tableRow
)

// blockStart is what a line begins with.
type blockStart struct {
	kind         kind
	quote        int // depth of > marks
	indent       int
	mark, text   int    // where the mark (#, -, 1.) and the text begin
	fence, words string // of code: the marks, and what stands behind them
}

// blockOf reads as much of a line's beginning as tells what it is.
func blockOf(line string, whole bool) blockStart {
	b := blockStart{}
	at := 0
	for {
		spaces := len(line[at:]) - len(strings.TrimLeft(line[at:], " "))
		b.indent = spaces
		at += spaces
		if at == len(line) {
			if b.kind = blank; !whole {
				b.kind = unknown
			}
			return b
		}
		if line[at] != '>' {
			break
		}
		if at++; at == len(line) && !whole {
			return blockStart{}
		}
		if at < len(line) && line[at] == ' ' {
			at++
		}
		b.quote++
	}
	b.mark, b.text = at, at
	rest := line[at:]
	b.kind = paragraph
	switch c := rest[0]; {
	case c == '`' || c == '~':
		b.readFence(rest, whole)
	case c == '#':
		n := run(rest)
		switch {
		case n == len(rest) && !whole:
			b.kind = unknown
		case n <= 6 && n < len(rest) && rest[n] == ' ':
			b.kind, b.text = heading, at+n+1
		}
	case c == '|' && whole:
		b.kind = tableRow
	case c == '|':
		b.kind = unknown
	case strings.IndexByte("-*_+", c) >= 0:
		b.readRule(rest, whole)
		if b.kind == paragraph && c != '_' {
			b.readItem(rest, 1, whole)
		}
	case c >= '0' && c <= '9':
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		switch {
		case digits == len(rest) && !whole:
			b.kind = unknown
		case digits <= 9 && digits < len(rest) && (rest[digits] == '.' || rest[digits] == ')'):
			b.readItem(rest, digits+1, whole)
		}
	}
	return b
}

func (b *blockStart) readFence(rest string, whole bool) {
	n := run(rest)
	switch {
	case n < 3 && n < len(rest), n < 3 && whole:
	case !whole:
		b.kind = unknown
	case rest[0] == '`' && strings.Contains(rest[n:], "`"): // code in a line
	default:
		b.kind, b.fence, b.words = fence, rest[:n], strings.TrimSpace(rest[n:])
	}
}

// readRule reads ---, * * * and the like: a mark and spaces, and nothing else.
func (b *blockStart) readRule(rest string, whole bool) {
	if rest[0] == '+' || strings.Trim(rest, rest[:1]+" ") != "" {
		return
	}
	switch {
	case !whole:
		b.kind = unknown
	case strings.Count(rest, rest[:1]) >= 3:
		b.kind = rule
	}
}

// readItem reads the space behind a list's mark, which has n bytes, and a box to tick.
func (b *blockStart) readItem(rest string, n int, whole bool) {
	if n == len(rest) && !whole {
		b.kind = unknown
		return
	}
	if n == len(rest) || rest[n] != ' ' {
		return
	}
	text := strings.TrimLeft(rest[n:], " ")
	if text == "" && !whole {
		b.kind = unknown
		return
	}
	b.kind, b.text = item, b.mark+n+1
	for _, box := range []string{"[ ] ", "[x] ", "[X] "} {
		if after := rest[n+1:]; strings.HasPrefix(after, box) {
			b.text += len(box)
		} else if strings.HasPrefix(box, after) && !whole {
			b.kind = unknown
			return
		}
	}
}
