package lineedit

import (
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// row is one line of the screen.
type row struct {
	text string
	soft bool // the row before it was full, and the terminal went on by itself
}

// screen is a text laid out for a width.
type screen struct {
	rows        []row
	line, place int // of the cursor: row and column
}

// lay breaks a text into rows, the first line behind prompt, the others behind next. Rows break where the terminal
// breaks them, so that after a change of the window's width the same function tells where everything is.
func lay(prompt, next, text string, at, columns int) screen {
	if columns < 2 {
		columns = 80 // not known, or too small for a wide character
	}
	var s screen
	var b strings.Builder
	column, soft := 0, false
	flush := func() {
		s.rows = append(s.rows, row{b.String(), soft})
		b.Reset()
		column = 0
	}
	room := func(width int) { // for a character: in this row or, as the terminal goes on by itself, in the next
		if column+width > columns {
			flush()
			soft = true
		}
	}
	put := func(text string) {
		for text != "" {
			cluster, width := term.FirstCluster(text)
			room(width)
			b.WriteString(cluster)
			column += width
			text = text[len(cluster):]
		}
	}
	mark := func() { s.line, s.place = len(s.rows), min(column, columns-1) } // behind the last column is no place
	put(prompt)
	for i := 0; i < len(text); {
		cluster, _ := term.FirstCluster(text[i:])
		lineEnd := cluster[0] == '\n' || cluster[0] == '\r'
		shown := ""
		if !lineEnd {
			shown = visible(cluster)
			_, width := term.FirstCluster(shown)
			room(width)
		}
		if i == at {
			mark()
		}
		if lineEnd {
			flush()
			soft = false
			shown = next
		}
		put(shown)
		i += len(cluster)
	}
	if column >= columns {
		flush()
		soft = true
	}
	if at >= len(text) {
		mark()
	}
	flush()
	return s
}

// visible is a character as it is drawn.
func visible(cluster string) string {
	if cluster != "" && cluster[0] < ' ' && cluster[0] != '\n' && cluster[0] != '\t' {
		return "^" + string(rune(cluster[0]+'@'))
	}
	return term.Clean(cluster)
}

// window returns the rows that fit, the cursor's among them: all, or a part of a text higher than the window.
func (s screen) window(height, first int) (rows []row, from int) {
	if height < 1 || len(s.rows) <= height {
		return s.rows, 0
	}
	first = min(first, s.line, len(s.rows)-height)
	first = max(first, s.line-height+1, 0)
	return s.rows[first : first+height], first
}

// write draws rows from the cursor's place on, over what is there, and erases what is left of it. Nothing is erased
// before it is written over: there is no moment without text, and tmux takes an erasure from the window's corner for the
// end of a screen, which it keeps in its scrollback.
func write(b *strings.Builder, rows []row, columns int) {
	for i, r := range rows {
		if i > 0 && !r.soft {
			b.WriteString("\r\n")
		}
		b.WriteString(r.text)
		switch {
		case r.text == "" && r.soft && i > 0:
			b.WriteString(" \r") // a full row's end is no new row before something is written
		case columns < 2 || term.Width(r.text) < columns: // in a full row the cursor is on its last character
			b.WriteString("\x1b[K")
		}
	}
	b.WriteString("\x1b[J")
}

func up(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, "\x1b[%dA", n)
	}
}

func right(b *strings.Builder, n int) {
	if n > 0 {
		fmt.Fprintf(b, "\x1b[%dC", n)
	}
}
