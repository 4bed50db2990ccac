package ui

import (
	"slices"
	"strings"
	"unicode"
)

// Editor is text with a cursor and a selection, in runes.
type Editor struct {
	text   []rune
	cursor int
	anchor int     // the selection's other end
	column float64 // that moving up and down keeps; negative: the cursor's own
	undo   []edit
}

type edit struct {
	text   []rune
	cursor int
}

// maxText bounds a question: more than any context holds.
const maxText = 1 << 20

// Text is what was typed.
func (e *Editor) Text() string { return string(e.text) }

// Len is the length in runes.
func (e *Editor) Len() int { return len(e.text) }

// Set replaces the text; the cursor goes to its end.
func (e *Editor) Set(text string) {
	e.text = []rune(text)
	e.cursor, e.anchor, e.column, e.undo = len(e.text), len(e.text), -1, nil
}

// Selection is the selected part; from equals to when nothing is selected.
func (e *Editor) Selection() (from, to int) { return min(e.cursor, e.anchor), max(e.cursor, e.anchor) }

// Selected is the selected text.
func (e *Editor) Selected() string {
	from, to := e.Selection()
	return string(e.text[from:to])
}

// Insert replaces the selection. Carriage returns and other controls are left out.
func (e *Editor) Insert(text string) {
	text = strings.ReplaceAll(text, "\r\n", "\n")
	added := slices.DeleteFunc([]rune(text), func(r rune) bool {
		return r != '\n' && r != '\t' && unicode.IsControl(r) || r == unicode.ReplacementChar
	})
	from, to := e.Selection()
	added = added[:min(len(added), max(0, maxText-len(e.text)+to-from))]
	e.remember()
	e.text = slices.Replace(e.text, from, to, added...)
	e.move(from+len(added), false)
}

func (e *Editor) remember() {
	const steps = 100
	e.undo = append(e.undo, edit{slices.Clone(e.text), e.cursor})
	if len(e.undo) > steps {
		e.undo = e.undo[1:]
	}
}

// Undo takes the last change back.
func (e *Editor) Undo() {
	if n := len(e.undo); n > 0 {
		e.text = e.undo[n-1].text
		e.move(e.undo[n-1].cursor, false)
		e.undo = e.undo[:n-1]
	}
}

// Delete removes the selection, or else what Move would move over.
func (e *Editor) Delete(step int, word bool) {
	if e.cursor == e.anchor {
		e.Move(step, word, true)
	}
	if e.cursor != e.anchor {
		e.Insert("")
	}
}

// Move moves the cursor by a character or a word, backwards where step is negative. With selecting the selection grows; without
// it a selection ends, and the cursor stays at the end that was moved to.
func (e *Editor) Move(step int, word, selecting bool) {
	from, to := e.Selection()
	if from != to && !selecting && !word {
		if step < 0 {
			to = from
		}
		e.move(to, false)
		return
	}
	at := e.cursor
	for {
		at += step
		if at <= 0 || at >= len(e.text) || e.stops(at, step, word) {
			break
		}
	}
	e.move(at, selecting)
}

// stops reports where a move may end: never before a combining mark, and for words at their beginning or end.
func (e *Editor) stops(at, step int, word bool) bool {
	if !word {
		return !unicode.Is(unicode.Mn, e.text[at])
	}
	inside := func(i int) bool { return unicode.IsLetter(e.text[i]) || unicode.IsDigit(e.text[i]) }
	if step < 0 {
		return inside(at) && !inside(at-1)
	}
	return inside(at-1) && !inside(at)
}

func (e *Editor) move(to int, selecting bool) {
	e.cursor, e.column = min(max(to, 0), len(e.text)), -1
	if !selecting {
		e.anchor = e.cursor
	}
}

// MoveTo puts the cursor before the n-th rune.
func (e *Editor) MoveTo(n int, selecting bool) { e.move(n, selecting) }

// SelectAll selects everything.
func (e *Editor) SelectAll() { e.anchor, e.cursor = 0, len(e.text) }

// SelectWord selects the word at a place.
func (e *Editor) SelectWord(at int) {
	word := func(i int) bool { return unicode.IsLetter(e.text[i]) || unicode.IsDigit(e.text[i]) }
	from, to := min(at, len(e.text)), min(at, len(e.text))
	for from > 0 && word(from-1) {
		from--
	}
	for to < len(e.text) && word(to) {
		to++
	}
	e.anchor, e.cursor, e.column = from, to, -1
}

// MoveLine moves the cursor by lines of the laid out text, keeping its column; beyond the first or last one it goes to the
// text's beginning or end.
func (e *Editor) MoveLine(t *Text, step int, selecting bool) {
	line, x := t.Caret(e.cursor)
	if e.column >= 0 {
		x = e.column
	}
	switch to := line + step; {
	case to < 0:
		e.move(0, selecting)
	case to >= len(t.Lines):
		e.move(len(e.text), selecting)
	default:
		e.move(t.Nearest(x, (float64(to)+0.5)*t.LineHeight), selecting)
	}
	e.column = x
}

// MoveEdge moves the cursor to the beginning or the end of its line.
func (e *Editor) MoveEdge(t *Text, end, selecting bool) {
	line, _ := t.Caret(e.cursor)
	l := t.Lines[line]
	to := l.From
	if end {
		to = l.To
		if line < len(t.Lines)-1 { // the newline, or the next line's first character
			to--
		}
	}
	e.move(to, selecting)
}
