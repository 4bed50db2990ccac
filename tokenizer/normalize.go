package tokenizer

import (
	"slices"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// normal returns s as the pre-tokenizer wants it.
func (t *Tokenizer) normal(s string) string {
	if !t.normalize {
		return s
	}
	return nfc(s)
}

// joiner is U+034F, the combining grapheme joiner.
const joiner = "\u034f"

// nfc returns s in Unicode's normal form C.
//
// # Why not package norm alone
//
// Its output is always Stream-Safe (UAX #15, section 13): it puts a joiner into runs of
// more than 30 combining marks. The reference does not, and such runs are what "zalgo"
// text is made of, so they are composed here by the plain algorithm.
func nfc(s string) string {
	if norm.NFC.IsNormalString(s) {
		return s
	}
	out := norm.NFC.String(s)
	if strings.Count(out, joiner) == strings.Count(s, joiner) {
		return out
	}
	return composePlain(s)
}

// mark is one character of a decomposed string with its canonical combining class.
type mark struct {
	r     rune
	class uint8
}

// composePlain is normal form C without a limit on combining marks: decompose, sort each
// run of marks by class, compose (The Unicode Standard, section 3.11).
func composePlain(s string) string {
	var marks []mark
	for _, r := range s {
		for _, d := range norm.NFD.String(string(r)) {
			marks = append(marks, mark{d, norm.NFD.PropertiesString(string(d)).CCC()})
		}
	}
	for start := 0; start < len(marks); start++ {
		end := start
		for end < len(marks) && marks[end].class != 0 {
			end++
		}
		slices.SortStableFunc(marks[start:end], func(a, b mark) int { return int(a.class) - int(b.class) })
		start = end
	}
	out := marks[:0]
	starter := -1    // place in out of the last starter
	last := uint8(0) // class of what follows it most recently, if that was kept
	for _, m := range marks {
		adjacent := starter == len(out)-1
		if starter >= 0 && (adjacent || last < m.class) {
			if r, ok := compose(out[starter].r, m.r); ok {
				out[starter].r = r
				continue
			}
		}
		if m.class == 0 {
			starter = len(out)
		}
		last = m.class
		out = append(out, m)
	}
	var text strings.Builder
	for _, m := range out {
		text.WriteRune(m.r)
	}
	return text.String()
}

// compose returns the character that two characters make together, if there is one.
func compose(a, b rune) (rune, bool) {
	both := norm.NFC.String(string(a) + string(b))
	r, n := utf8.DecodeRuneInString(both)
	return r, n == len(both)
}
