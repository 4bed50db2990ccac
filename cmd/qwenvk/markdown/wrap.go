package markdown

import (
	"strings"
	"unicode/utf8"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// wrapper sets words into lines.
type wrapper struct {
	out    strings.Builder // what is to be printed
	width  func() int      // of the window; 0: lines are not broken
	colour bool

	indent []piece // begins the lines that a long one is broken into
	column int
	fresh  bool    // the line has nothing but its beginning
	now    style   // of the terminal
	word   []piece // is not certain to be finished
	space  []piece // before it
}

// Lines are not broken before closing and behind opening characters (the core of JIS X 4051's kinsoku).
const (
	notFirst = "、。，．：；！？）」』】〉》〕”’…％·,.:;!?)]}%"
	notLast  = "（「『【〈《〔“‘([{"
)

// begin starts a line.
func (w *wrapper) begin(first, indent []piece) {
	w.indent, w.column, w.fresh = indent, 0, true
	for _, p := range first {
		w.raw(p)
	}
}

// raw prints a text as it is.
func (w *wrapper) raw(p piece) {
	if w.colour && p.style != w.now {
		w.out.WriteString(p.style.sequence())
		w.now = p.style
	}
	w.out.WriteString(p.text)
	w.column += term.Width(p.text)
}

// newline ends a line of the screen.
func (w *wrapper) newline() {
	if w.now != 0 {
		w.out.WriteString(reset)
		w.now = 0
	}
	w.out.WriteByte('\n')
	w.column = 0
}

// end ends a line of the text.
func (w *wrapper) end() {
	w.finish()
	w.space = nil
	w.newline()
}

// add takes a piece of a line. Its white space ends words.
func (w *wrapper) add(p piece) {
	for p.text != "" {
		at := strings.IndexByte(p.text, ' ')
		if at < 0 {
			at = len(p.text)
		}
		if at > 0 {
			w.grow(piece{p.text[:at], p.style})
			p.text = p.text[at:]
			continue
		}
		w.finish()
		spaces := len(p.text) - len(strings.TrimLeft(p.text, " "))
		w.space = join(w.space, piece{p.text[:spaces], p.style})
		p.text = p.text[spaces:]
	}
}

// join appends a piece; one that looks like the last is put into it.
func join(pieces []piece, p piece) []piece {
	if n := len(pieces); n > 0 && pieces[n-1].style == p.style {
		pieces[n-1].text += p.text
		return pieces
	}
	return append(pieces, p)
}

// grow adds to the word and prints what of it can be followed by a new line. The last character stays: a combining mark
// or a full stop may follow.
func (w *wrapper) grow(p piece) {
	w.word = join(w.word, p)
	if isASCII(p.text) && isASCII(w.word[0].text) && len(w.word) == 1 {
		return // no place to break, and most words
	}
	text := ""
	for _, p := range w.word {
		text += p.text
	}
	from, last := 0, ""
	for i := 0; i < len(text); {
		cluster, width := term.FirstCluster(text[i:])
		if last != "" && (width > 1 || term.Width(last) > 1) && breakable(last, cluster) {
			w.print(w.take(i - from))
			from = i
		}
		last = cluster
		i += len(cluster)
	}
}

func isASCII(s string) bool {
	for i := range len(s) {
		if s[i] >= utf8.RuneSelf {
			return false
		}
	}
	return true
}

func breakable(before, after string) bool {
	last, _ := utf8.DecodeLastRuneInString(before)
	first, _ := utf8.DecodeRuneInString(after)
	return !strings.ContainsRune(notLast, last) && !strings.ContainsRune(notFirst, first)
}

// take cuts the first n bytes off the word.
func (w *wrapper) take(n int) []piece {
	var taken []piece
	for n > 0 {
		p := w.word[0]
		if len(p.text) > n {
			taken = append(taken, piece{p.text[:n], p.style})
			w.word[0].text = p.text[n:]
			return taken
		}
		n -= len(p.text)
		taken, w.word = append(taken, p), w.word[1:]
	}
	return taken
}

// finish prints the word.
func (w *wrapper) finish() {
	if len(w.word) > 0 {
		w.print(w.word)
		w.word = nil
	}
}

// print sets a word, or a part that may stand alone, into this line or the next. One that is longer than a line is left
// to the terminal to break, which then knows that it is one: an address can be clicked and copied.
func (w *wrapper) print(word []piece) {
	width := 0
	for _, p := range word {
		width += term.Width(p.text)
	}
	spaces := 0
	for _, p := range w.space {
		spaces += len(p.text)
	}
	limit := w.limit()
	if limit > 0 && w.column > limit { // the window became narrower
		w.column %= limit
	}
	if limit > 0 && !w.fresh && w.column+spaces+width > limit {
		w.newline()
		for _, p := range w.indent {
			w.raw(p)
		}
	} else {
		for _, p := range w.space {
			w.raw(p)
		}
	}
	w.space, w.fresh = nil, false
	for _, p := range word {
		w.raw(p)
	}
}

func (w *wrapper) limit() int {
	if w.width == nil {
		return 0
	}
	return w.width()
}
