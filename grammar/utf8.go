package grammar

import (
	"slices"
	"unicode/utf8"
)

const (
	maxRune        = '\U0010FFFF'
	surrogateFirst = 0xD800
	surrogateLast  = 0xDFFF
)

// normal sorts the ranges, joins those that meet, and takes the surrogates out, which UTF-8 has no bytes for.
func (s runeSet) normal() runeSet {
	sorted := slices.Clone(s)
	slices.SortFunc(sorted, func(a, b runeRange) int { return int(a.lo - b.lo) })
	var out runeSet
	add := func(lo, hi rune) {
		if lo > hi {
			return
		}
		if n := len(out); n > 0 && lo <= out[n-1].hi+1 {
			out[n-1].hi = max(out[n-1].hi, hi)
			return
		}
		out = append(out, runeRange{lo, hi})
	}
	for _, r := range sorted {
		add(r.lo, min(r.hi, surrogateFirst-1))
		add(max(r.lo, surrogateLast+1), r.hi)
	}
	return out
}

// complement returns the characters that are not in s.
func (s runeSet) complement() runeSet {
	var out runeSet
	at := rune(0)
	for _, r := range s.normal() {
		if r.lo > at {
			out = append(out, runeRange{at, r.lo - 1})
		}
		at = r.hi + 1
	}
	if at <= maxRune {
		out = append(out, runeRange{at, maxRune})
	}
	return out.normal()
}

func (s runeSet) intersect(t runeSet) runeSet {
	var out runeSet
	for _, a := range s {
		for _, b := range t {
			if lo, hi := max(a.lo, b.lo), min(a.hi, b.hi); lo <= hi {
				out = append(out, runeRange{lo, hi})
			}
		}
	}
	return out.normal()
}

func (s runeSet) has(r rune) bool {
	for _, x := range s {
		if x.lo <= r && r <= x.hi {
			return true
		}
	}
	return false
}

// runes compiles a set of characters to the byte sequences of UTF-8. Characters of one byte become one node.
func (b *builder) runes(s runeSet, next int32) int32 {
	var one byteSet
	ascii := false
	var alts []int32
	for _, r := range s.normal() {
		if r.lo < utf8.RuneSelf {
			one.add(byte(r.lo), byte(min(r.hi, utf8.RuneSelf-1)))
			ascii = true
			r.lo = utf8.RuneSelf
		}
		for r.lo <= r.hi {
			hi := min(r.hi, lastOfLength(r.lo))
			alts = b.ranges(r.lo, hi, next, alts)
			r.lo = hi + 1
		}
	}
	if ascii {
		alts = append([]int32{b.byteSet(one, next)}, alts...)
	}
	return b.split(alts...)
}

// lastOfLength is the last character that takes as many bytes as r.
func lastOfLength(r rune) rune {
	switch {
	case r < 0x80:
		return 0x7F
	case r < 0x800:
		return 0x7FF
	case r < 0x10000:
		return 0xFFFF
	}
	return maxRune
}

// ranges appends a node for each part of lo to hi, characters of equal length, whose bytes vary independently.
func (b *builder) ranges(lo, hi rune, next int32, alts []int32) []int32 {
	// A part ends where a higher byte would change while the lower ones do not run through all of 80 to BF.
	for shift := 6; shift < 6*utf8.RuneLen(lo); shift += 6 {
		m := rune(1)<<shift - 1
		if lo&^m == hi&^m {
			break
		}
		if lo&m != 0 {
			alts = b.ranges(lo, lo|m, next, alts)
			return b.ranges(lo|m+1, hi, next, alts)
		}
		if hi&m != m {
			alts = b.ranges(lo, hi&^m-1, next, alts)
			return b.ranges(hi&^m, hi, next, alts)
		}
	}
	var from, to [utf8.UTFMax]byte
	n := utf8.EncodeRune(from[:], lo)
	utf8.EncodeRune(to[:], hi)
	for i := n - 1; i >= 0; i-- {
		next = b.bytes(from[i], to[i], next)
	}
	return append(alts, next)
}
