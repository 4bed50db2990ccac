package lineedit

import (
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

const (
	dim   = "\x1b[2m"
	reset = "\x1b[0m"
)

// offerRows is how many rows the offers of Tab take at most.
const offerRows = 6

// home moves to the first row of what is drawn. After a change of the window's width the terminal
// has broken the rows anew: where the cursor is then, [lay] tells.
func (e *Editor) home(b *strings.Builder) {
	if e.drawn.rows != nil {
		if columns, _ := e.Size(); columns != e.columns && e.first == 0 {
			e.drawn = lay(e.last.prompt, e.next, e.last.text, e.last.at, columns)
		}
		up(b, e.drawn.line-e.first)
	}
	b.WriteByte('\r')
}

// draw shows prompt, text, and what stands below them.
func (e *Editor) draw() error {
	columns, height := e.Size()
	below := e.below(columns, height)
	now := lay(e.searchPrompt(), e.next, e.text, e.at, columns)
	var b strings.Builder
	b.WriteString("\x1b[?2026h")
	e.home(&b)
	room := 0 // no limit where the height is unknown
	if height > 0 {
		room = max(1, height-len(below))
	}
	rows, first := now.window(room, e.first)
	write(&b, rows, columns)
	if e.hint != "" && e.text == "" && e.search == nil {
		if hint := term.Truncate(e.hint, columns-now.place-1); columns > now.place+10 {
			b.WriteString(dim + hint + reset)
		}
	}
	for _, line := range below {
		b.WriteString("\r\n" + line)
	}
	up(&b, len(rows)-1+len(below)-(now.line-first))
	b.WriteByte('\r')
	right(&b, now.place)
	b.WriteString("\x1b[?2026l")
	e.drawn, e.first, e.columns = now, first, columns
	e.last = drawn{e.searchPrompt(), e.text, e.at}
	return e.print(b.String())
}

// drawn is what the screen shows, for when it must be laid out for another width.
type drawn struct {
	prompt, text string
	at           int
}

func (e *Editor) searchPrompt() string {
	if e.search == nil {
		return e.prompt
	}
	return "(search: " + term.Clean(e.search.text) + ") "
}

// below are the offers of Tab, in columns.
func (e *Editor) below(columns, height int) []string {
	words := e.offers.words
	if len(words) == 0 || columns < 1 {
		return nil
	}
	wide := 0
	shown := make([]string, len(words))
	for i, word := range words {
		shown[i] = term.Truncate(term.Clean(strings.ReplaceAll(tail(word), "\n", " ")), columns-2)
		wide = max(wide, term.Width(shown[i])+2)
	}
	each := max(1, (columns+2)/wide)
	limit := offerRows
	if height > 0 {
		limit = max(1, min(limit, height-2))
	}
	first := 0
	if e.offers.tried >= 0 {
		first = max(0, e.offers.tried/each-limit+1)
	}
	var lines []string
	for i := first * each; i < len(words) && len(lines) < limit; i += each {
		var b strings.Builder
		for j := i; j < min(i+each, len(words)); j++ {
			word := shown[j]
			switch pad := strings.Repeat(" ", wide-term.Width(word)); {
			case j == e.offers.tried && e.Colour:
				b.WriteString("\x1b[7m" + word + reset + pad)
			case e.Colour:
				b.WriteString(dim + word + reset + pad)
			default:
				b.WriteString(word + pad)
			}
		}
		lines = append(lines, strings.TrimRight(b.String(), " "))
	}
	return lines
}

// tail is the last part of a path: the folders before it are in the text already.
func tail(word string) string {
	if i := strings.LastIndexByte(strings.TrimSuffix(word, "/"), '/'); i > 0 {
		return word[i+1:]
	}
	return word
}
