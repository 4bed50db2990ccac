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
	eraseLine  = "\x1b[K" // from the cursor on
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
	r.home(&b)
	columns, _ := r.Size()
	for _, row := range rows {
		w := Width(Plain(row))
		b.WriteString(row)
		if columns < 1 || w == 0 || w%columns != 0 { // in a full row the cursor is on its last character
			b.WriteString(eraseLine)
		}
		b.WriteString("\r\n")
		r.widths = append(r.widths, w)
	}
	b.WriteString(eraseBelow + endSync)
	_, err := io.WriteString(r.Out, b.String())
	return err
}

// Erase takes the region away and writes a text, whole lines narrower than the window, in its place.
func (r *Region) Erase(text string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.widths) == 0 && text == "" {
		return nil
	}
	var b strings.Builder
	b.WriteString(beginSync)
	r.home(&b)
	b.WriteString(strings.ReplaceAll(text, "\n", eraseLine+"\r\n"))
	b.WriteString(eraseBelow + endSync)
	_, err := io.WriteString(r.Out, b.String())
	return err
}

// home moves to the region's first row, over which others are written then: what is never empty does not flicker. The window may have become narrower since: terminals
// break the lines anew then, so rows are counted for the width of now.
func (r *Region) home(b *strings.Builder) {
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
	b.WriteByte('\r')
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
