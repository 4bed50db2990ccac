package grammar

import (
	"strings"
	"unicode/utf8"
)

// oracle matches by backtracking on the expressions themselves: slow, and with nothing in common with the automaton.
type oracle struct {
	rules  []rule
	text   string
	prefix bool // the end of the text is enough, wherever it comes
	work   int
}

// fits reports whether a text is in the language, or with prefix may become one of it.
func fits(rules []rule, root int, text string, prefix bool) bool {
	o := &oracle{rules: rules, text: text, prefix: prefix}
	return o.match(rules[root].body, 0, func(at int) bool { return at == len(text) })
}

func (o *oracle) match(e expr, at int, then func(int) bool) bool {
	if o.work++; o.work > 5_000_000 {
		panic("the oracle is too slow for this case")
	}
	switch e := e.(type) {
	case literal:
		rest := o.text[at:]
		if o.prefix && len(rest) < len(e) && strings.HasPrefix(string(e), rest) {
			return true
		}
		return strings.HasPrefix(rest, string(e)) && then(at+len(e))
	case runeSet:
		if at == len(o.text) {
			return o.prefix
		}
		if o.prefix && !utf8.FullRuneInString(o.text[at:]) {
			return anyRune(e, o.text[at:])
		}
		r, n := utf8.DecodeRuneInString(o.text[at:])
		return (r != utf8.RuneError || n > 1) && e.has(r) && then(at+n)
	case sequence:
		if len(e) == 0 {
			return then(at)
		}
		return o.match(e[0], at, func(at int) bool { return o.match(e[1:], at, then) })
	case choice:
		for _, part := range e {
			if o.match(part, at, then) {
				return true
			}
		}
		return false
	case reference:
		return o.match(o.rules[e.rule].body, at, then)
	case repeat:
		return o.times(e, 0, at, then)
	}
	panic("no such expression")
}

func (o *oracle) times(e repeat, done, at int, then func(int) bool) bool {
	if done >= e.least && then(at) {
		return true
	}
	if e.most >= 0 && done >= e.most {
		return false
	}
	return o.match(e.body, at, func(to int) bool {
		if to == at {
			if done < e.least { // the missing iterations may all be empty
				return then(to)
			}
			return false
		}
		return o.times(e, done+1, to, then)
	})
}

// anyRune reports whether a character of s begins with the bytes of an incomplete one.
func anyRune(s runeSet, begin string) bool {
	var lo, n rune
	switch lead := rune(begin[0]); {
	case lead < 0xC2 || lead > 0xF4:
		return false
	case lead < 0xE0:
		lo, n = lead&0x1F, 2
	case lead < 0xF0:
		lo, n = lead&0x0F, 3
	default:
		lo, n = lead&0x07, 4
	}
	for _, b := range []byte(begin[1:]) {
		if b&0xC0 != 0x80 {
			return false
		}
		lo = lo<<6 | rune(b&0x3F)
	}
	rest := 6 * (n - rune(len(begin)))
	lo <<= rest
	hi := min(lo|(1<<rest-1), maxRune)
	lo = max(lo, map[rune]rune{2: 0x80, 3: 0x800, 4: 0x10000}[n])
	for _, r := range s {
		// The characters of s between lo and hi, without the surrogates.
		for _, part := range []runeRange{{r.lo, min(r.hi, surrogateFirst-1)}, {max(r.lo, surrogateLast+1), r.hi}} {
			if max(part.lo, lo) <= min(part.hi, hi) {
				return true
			}
		}
	}
	return false
}
