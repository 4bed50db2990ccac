package term

import (
	"fmt"
	"io"
	"strings"
	"sync"
)

// Control sequences (ECMA-48; synchronised output is DEC private mode 2026, ignored by terminals that lack it: those
// that have it show a redraw at once instead of half of it).
const (
	eraseBelow = "\x1b[J"
	beginSync  = "\x1b[?2026h"
	endSync    = "\x1b[?2026l"
)

// Region is a block of rows at the bottom that is drawn anew. The cursor rests at the beginning of the row below it.
// Methods may be called from several goroutines.
type Region struct {
	Out  io.Writer
	Size func() (columns, rows int)

	mu     sync.Mutex
	widths []int // of the rows that are on the screen
}

// Draw shows rows in place of those before. Rows hold no line breaks; each should be narrower than the window, and one
// that is not takes several lines. Drawing the tallest region costs as much as its text: nothing above it is touched.
func (r *Region) Draw(rows []string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	b.WriteString(beginSync)
	r.erase(&b)
	for _, row := range rows {
		b.WriteString(row)
		b.WriteString("\r\n")
		r.widths = append(r.widths, Width(Plain(row)))
	}
	b.WriteString(endSync)
	_, err := io.WriteString(r.Out, b.String())
	return err
}

// Erase takes the region away and writes a text, whole lines, in its place.
func (r *Region) Erase(text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.widths) == 0 && text == "" {
		return nil
	}
	var b strings.Builder
	b.WriteString(beginSync)
	r.erase(&b)
	b.WriteString(text)
	b.WriteString(endSync)
	_, err := io.WriteString(r.Out, b.String())
	return err
}

// erase moves to the region's first row and erases from there. The window may have become narrower since: terminals
// break the lines anew then, so rows are counted for the width of now.
func (r *Region) erase(b *strings.Builder) {
	columns, height := r.Size()
	lines := 0
	for _, w := range r.widths {
		if lines++; columns > 0 && w > columns {
			lines += (w - 1) / columns
		}
	}
	if height > 1 {
		lines = min(lines, height-1)
	}
	if lines > 0 {
		fmt.Fprintf(b, "\x1b[%dA", lines)
	}
	b.WriteString("\r" + eraseBelow)
	r.widths = r.widths[:0]
}

// Plain takes the colours out of a text of ours (CSI … m); of no use on a stranger's text, see [Clean].
func Plain(text string) string {
	at := strings.Index(text, "\x1b[")
	if at < 0 {
		return text
	}
	var b strings.Builder
	for at >= 0 {
		b.WriteString(text[:at])
		end := strings.IndexByte(text[at:], 'm')
		if end < 0 {
			return b.String()
		}
		text = text[at+end+1:]
		at = strings.Index(text, "\x1b[")
	}
	b.WriteString(text)
	return b.String()
}
