package term

import (
	"strings"
	"unicode/utf8"

	"github.com/clipperhouse/uax29/v2/graphemes"
	"github.com/mattn/go-runewidth"
)

// widths measures as terminals do by default. Characters whose width East Asian fonts disagree about (box drawing among
// them) are narrow, whatever the locale says: terminals that draw them wide are set up to do so, those that do not are
// the rule, and a screen must not change with LANG.
var widths = &runewidth.Condition{StrictEmojiNeutral: true}

// Width is the number of columns that a text takes: 2 for a Chinese character or an emoji, 0 for a combining mark.
// Control characters must have been taken out; see [Clean].
func Width(text string) int {
	n := 0
	for i := 0; i < len(text); i++ {
		if text[i] >= utf8.RuneSelf {
			return widths.StringWidth(text)
		}
		n++
	}
	return n
}

// FirstCluster returns the first user-perceived character of a text (Unicode Standard Annex 29) and its width.
func FirstCluster(text string) (cluster string, width int) {
	if text == "" {
		return "", 0
	}
	if text[0] < utf8.RuneSelf && text[0] != '\r' && (len(text) == 1 || text[1] < utf8.RuneSelf) {
		return text[:1], 1
	}
	it := graphemes.FromString(text)
	it.Next()
	return it.Value(), widths.StringWidth(it.Value())
}

// LastCluster returns the last user-perceived character of a text.
func LastCluster(text string) string {
	// A cluster has no bound, but a line break ends every one: what stands before the last line need not be looked at.
	line := text[strings.LastIndexByte(text[:max(0, len(text)-1)], '\n')+1:]
	last := ""
	for it := graphemes.FromString(line); it.Next(); {
		last = it.Value()
	}
	return last
}

// Truncate cuts a text to a width; what was cut is told by an ellipsis.
func Truncate(text string, width int) string { return widths.Truncate(text, max(width, 1), "…") }

// Clean takes out what would steer the terminal instead of being seen: a model's answer or a file is a stranger's text,
// and must neither move the cursor nor name the clipboard. Line breaks stay, a tab becomes spaces, another control
// character and what is no UTF-8 become U+FFFD.
func Clean(text string) string {
	if strings.IndexFunc(text, steers) < 0 && utf8.ValidString(text) {
		return text
	}
	var b strings.Builder
	for _, r := range text {
		switch {
		case r == '\t':
			b.WriteString("    ")
		case r == '\r':
		case steers(r):
			b.WriteRune(utf8.RuneError)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// steers reports C0 and C1 controls, and the marks that turn the direction of what stands behind them (Unicode Standard
// Annex 9), with which code can be made to look like other code.
func steers(r rune) bool {
	return r < ' ' && r != '\n' || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// Wrap breaks the lines of a text at spaces, so that none is wider than the window; 0 breaks nothing. A line that is
// broken goes on where its text began.
func Wrap(text string, width int) string {
	if width <= 0 {
		return text
	}
	var b strings.Builder
	for i, line := range strings.Split(text, "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		column := 0
		for j, word := range strings.Split(line, " ") {
			w := Width(word)
			switch {
			case j == 0:
			case column+1+w > width && column > len(indent):
				b.WriteString("\n" + indent)
				column = len(indent)
			default:
				b.WriteByte(' ')
				column++
			}
			b.WriteString(word)
			column += w
		}
	}
	return b.String()
}
