package tokenizer

import (
	"unicode"
	"unicode/utf8"
)

// qwenPattern is the pre-tokenizer of Qwen1 to Qwen3, as their tokenizer.json spells it.
// nextQwenWord is the same by hand, four to ten times faster than a regular expression.
const qwenPattern = `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`

// class is what the pattern wants to know of a character.
type class uint8

const (
	other   class = iota // punctuation, marks, symbols, control characters
	letter               // \p{L}
	number               // \p{N}
	space                // \s without the two below
	newline              // \r and \n
)

// classes holds the class of every character of the basic multilingual plane: a table is
// several times faster than the range search of package unicode, and CJK text is mostly it.
var classes = func() *[1 << 16]class {
	var table [1 << 16]class
	mark := func(ranges *unicode.RangeTable, c class) {
		for _, r := range ranges.R16 {
			for i := int(r.Lo); i <= int(r.Hi); i += int(r.Stride) {
				table[i] = c
			}
		}
	}
	mark(unicode.L, letter)
	mark(unicode.N, number)
	mark(unicode.White_Space, space)
	table['\r'], table['\n'] = newline, newline
	return &table
}()

func classOf(r rune) class {
	if r < 1<<16 {
		return classes[r]
	}
	switch { // no white space lives up here
	case unicode.Is(unicode.L, r):
		return letter
	case unicode.Is(unicode.N, r):
		return number
	}
	return other
}

// classAt returns the class and the length in bytes of the character at s[i]; length 0 at
// the end of s.
func classAt(s string, i int) (class, int) {
	if i >= len(s) {
		return other, 0
	}
	if b := s[i]; b < utf8.RuneSelf {
		return classes[b], 1
	}
	r, n := utf8.DecodeRuneInString(s[i:])
	return classOf(r), n
}

// skip returns the end of the run of class c that starts at i.
func skip(s string, i int, c class) int {
	for {
		got, n := classAt(s, i)
		if n == 0 || got != c {
			return i
		}
		i += n
	}
}

// nextQwenWord returns the end of the word that starts at s[i]; i < len(s). The comments
// quote the alternatives of qwenPattern in their order: the first that matches wins.
func nextQwenWord(s string, i int) int {
	c, n := classAt(s, i)
	if s[i] == '\'' {
		// (?i:'s|'t|'re|'ve|'m|'ll|'d)
		if end := contraction(s, i); end > 0 {
			return end
		}
	}
	after, width := classAt(s, i+n)
	switch c {
	case letter:
		return skip(s, i+n, letter)
	case number:
		return i + n
	case other:
		// [^\r\n\p{L}\p{N}]?\p{L}+
		if width > 0 && after == letter {
			return skip(s, i+n+width, letter)
		}
		return skip(s, skip(s, i+n, other), newline)
	case space:
		if width > 0 && after == letter {
			return skip(s, i+n+width, letter)
		}
		//  ?[^\s\p{L}\p{N}]+[\r\n]*
		if s[i] == ' ' && width > 0 && after == other {
			return skip(s, skip(s, i+n+width, other), newline)
		}
	}
	return nextSpaces(s, i)
}

// nextSpaces is the end of white space: \s*[\r\n]+|\s+(?!\S)|\s+
func nextSpaces(s string, i int) int {
	end, last, afterNewline := i, i, 0
	for {
		c, n := classAt(s, end)
		if n == 0 || c != space && c != newline {
			break
		}
		last = end
		end += n
		if c == newline {
			afterNewline = end
		}
	}
	switch {
	case afterNewline > 0: // up to the last newline of the run
		return afterNewline
	case end == len(s) || last == i: // at the end of the text, or a single character
		return end
	}
	return last // the last one belongs to the next word
}

// contraction returns the end of an English contraction at the apostrophe s[i], or 0.
func contraction(s string, i int) int {
	if i+1 >= len(s) {
		return 0
	}
	lower := func(at int) byte {
		if at < len(s) {
			return s[at] | 0x20 // only compared with letters, which have the bit
		}
		return 0
	}
	switch lower(i + 1) {
	case 's', 't', 'm', 'd':
		return i + 2
	case 'r', 'v':
		if lower(i+2) == 'e' {
			return i + 3
		}
	case 'l':
		if lower(i+2) == 'l' {
			return i + 3
		}
	}
	// U+017F, the long s, is a case of s.
	if len(s) > i+2 && s[i+1] == 0xc5 && s[i+2] == 0xbf {
		return i + 3
	}
	return 0
}
