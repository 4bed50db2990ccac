package lineedit

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// Buffer is a text being edited. Its steps are characters as people see them: an emoji with its joiners, or a letter
// with its accents, is one.
type Buffer struct {
	text string
	at   int // the cursor: bytes before it
	cut  string
	past []state // for undo
	kind string  // of the last change: letters in a row are undone together
}

type state struct {
	text string
	at   int
}

// undoSteps is how many changes can be taken back.
const undoSteps = 200

// change remembers the text before a change.
func (b *Buffer) change(kind string) {
	if kind == "" || kind != b.kind {
		b.past = append(b.past, state{b.text, b.at})
		if len(b.past) > undoSteps {
			b.past = b.past[1:]
		}
	}
	b.kind = kind
}

func (b *Buffer) set(text string) { b.text, b.at, b.kind = text, len(text), "" }

func (b *Buffer) insert(text, kind string) {
	b.change(kind)
	b.text = b.text[:b.at] + text + b.text[b.at:]
	b.at += len(text)
}

// replace puts text in place of what stands from a place up to the cursor.
func (b *Buffer) replace(from int, text string) {
	b.change("")
	b.text = b.text[:from] + text + b.text[b.at:]
	b.at = from + len(text)
}

func (b *Buffer) remove(from, to int) {
	if from == to {
		return
	}
	b.change("")
	b.text = b.text[:from] + b.text[to:]
	b.at = from
}

func (b *Buffer) kill(from, to int) {
	if from != to {
		b.cut = b.text[from:to]
	}
	b.remove(from, to)
}

func (b *Buffer) undo() {
	if n := len(b.past); n > 0 {
		b.text, b.at, b.kind = b.past[n-1].text, b.past[n-1].at, ""
		b.past = b.past[:n-1]
	}
}

// before and after are the cursor's neighbours.
func (b *Buffer) before() int { return b.at - len(term.LastCluster(b.text[:b.at])) }

func (b *Buffer) after() int {
	cluster, _ := term.FirstCluster(b.text[b.at:])
	return b.at + len(cluster)
}

// The line that the cursor is in, from begin to end.
func (b *Buffer) begin() int { return strings.LastIndexByte(b.text[:b.at], '\n') + 1 }

func (b *Buffer) end() int {
	if i := strings.IndexByte(b.text[b.at:], '\n'); i >= 0 {
		return b.at + i
	}
	return len(b.text)
}

func inWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsNumber(r) || unicode.IsMark(r) }

// wordBefore is where the word at or before the cursor begins, wordAfter where the next one ends.
func (b *Buffer) wordBefore() int {
	head := strings.TrimRightFunc(b.text[:b.at], func(r rune) bool { return !inWord(r) })
	return len(strings.TrimRightFunc(head, inWord))
}

func (b *Buffer) wordAfter() int {
	tail := strings.TrimLeftFunc(b.text[b.at:], func(r rune) bool { return !inWord(r) })
	return len(b.text) - len(strings.TrimLeftFunc(tail, inWord))
}

// spaceBefore is where the run of non-spaces before the cursor begins: Ctrl-W's word.
func (b *Buffer) spaceBefore() int {
	head := strings.TrimRightFunc(b.text[:b.at], unicode.IsSpace)
	return len(strings.TrimRightFunc(head, func(r rune) bool { return !unicode.IsSpace(r) }))
}

// up moves to the line above at the same column, and reports false in the first line.
func (b *Buffer) up() bool {
	begin := b.begin()
	if begin == 0 {
		return false
	}
	column := term.Width(b.text[begin:b.at])
	b.at = begin - 1
	b.toColumn(column)
	return true
}

// down moves to the line below, and reports false in the last line.
func (b *Buffer) down() bool {
	end := b.end()
	if end == len(b.text) {
		return false
	}
	column := term.Width(b.text[b.begin():b.at])
	b.at = end + 1
	b.toColumn(column)
	return true
}

func (b *Buffer) toColumn(column int) {
	b.at = b.begin()
	for end := b.end(); b.at < end; {
		cluster, w := term.FirstCluster(b.text[b.at:end])
		if column -= w; column < 0 {
			return
		}
		b.at += len(cluster)
	}
}

// press does what the keys of GNU Readline do, and reports whether it knew the key.
func (b *Buffer) press(k key) bool {
	switch k.name {
	case "text":
		kind := "text"
		if last, _ := utf8.DecodeLastRuneInString(b.text[:b.at]); unicode.IsSpace(last) {
			kind = "" // undone word by word
		}
		b.insert(k.text, kind)
		b.kind = "text"
	case "paste":
		b.insert(k.text, "")
	case "alt-enter", "shift-enter", "ctrl-enter":
		b.insert("\n", "")
	case "backspace", "ctrl-h", "shift-backspace":
		b.remove(b.before(), b.at)
	case "delete", "ctrl-d":
		b.remove(b.at, b.after())
	case "left", "ctrl-b":
		b.at = b.before()
	case "right", "ctrl-f":
		b.at = b.after()
	case "home", "ctrl-a":
		b.at = b.begin()
	case "end", "ctrl-e":
		b.at = b.end()
	case "ctrl-left", "alt-left", "alt-b":
		b.at = b.wordBefore()
	case "ctrl-right", "alt-right", "alt-f":
		b.at = b.wordAfter()
	case "ctrl-home", "alt-<":
		b.at = 0
	case "ctrl-end", "alt->":
		b.at = len(b.text)
	case "ctrl-k":
		b.kill(b.at, b.end())
	case "ctrl-u":
		b.kill(b.begin(), b.at)
	case "ctrl-w":
		b.kill(b.spaceBefore(), b.at)
	case "alt-backspace":
		b.kill(b.wordBefore(), b.at)
	case "alt-d":
		b.kill(b.at, b.wordAfter())
	case "ctrl-y":
		b.insert(b.cut, "")
	case "ctrl-_":
		b.undo()
	default:
		return false
	}
	if k.name != "text" {
		b.kind = ""
	}
	return true
}
