package tokenizer

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// Decode returns the text of ids. Bytes that are no UTF-8 become U+FFFD, one for each
// maximal part of a character, as in the reference. An id that no token has is an error.
func (t *Tokenizer) Decode(ids []int32, o DecodeOptions) (string, error) {
	n := 0
	for i, id := range ids {
		if !t.has(id) {
			return "", fmt.Errorf("tokenizer: id %d (number %d of %d) is no token; the ids go from 0 to %d", id, i+1, len(ids), len(t.pieces)-1)
		}
		n += len(t.pieces[id])
	}
	var raw strings.Builder
	raw.Grow(n)
	for _, id := range ids {
		if !o.SkipSpecial || !t.IsSpecial(id) {
			raw.WriteString(t.pieces[id])
		}
	}
	if s := raw.String(); utf8.ValidString(s) {
		return s, nil
	}
	text, rest := appendValid(nil, raw.String())
	if rest != "" {
		text = append(text, replacement...)
	}
	return string(text), nil
}

// Stream decodes ids one by one, as a model makes them. The concatenation of what Push and
// Flush return equals Decode of all ids, except that ids without a token, which a model
// with padded output rows can make, give nothing. A Stream belongs to one goroutine.
type Stream struct {
	t    *Tokenizer
	o    DecodeOptions
	held string // the beginning of a character, at most three bytes
}

// NewStream returns a stream at the beginning of a text.
func (t *Tokenizer) NewStream(o DecodeOptions) *Stream { return &Stream{t: t, o: o} }

// Push takes the next id and returns the text that is certain now. A character is never
// split: its first bytes are held back until the rest is there.
func (s *Stream) Push(id int32) string {
	if !s.t.has(id) || s.o.SkipSpecial && s.t.IsSpecial(id) {
		return ""
	}
	raw := s.t.pieces[id]
	if s.held == "" && utf8.ValidString(raw) {
		return raw
	}
	text, rest := appendValid(nil, s.held+raw)
	s.held = rest
	return string(text)
}

// Flush ends the text: what is still held back is an incomplete character and becomes
// U+FFFD. The stream is at the beginning again.
func (s *Stream) Flush() string {
	if s.held == "" {
		return ""
	}
	s.held = ""
	return replacement
}

const replacement = "\uFFFD"

// appendValid appends raw to dst with every maximal part of a broken character replaced
// (The Unicode Standard, section 3.9, "U+FFFD Substitution of Maximal Subparts"). An
// unfinished character at the end is not appended but returned.
func appendValid(dst []byte, raw string) (text []byte, rest string) {
	for i := 0; i < len(raw); {
		r, n := utf8.DecodeRuneInString(raw[i:])
		if r != utf8.RuneError || n > 1 {
			dst = append(dst, raw[i:i+n]...)
			i += n
			continue
		}
		part, more := brokenPart(raw[i:])
		if more && i+part == len(raw) {
			return dst, raw[i:]
		}
		dst = append(dst, replacement...)
		i += part
	}
	return dst, ""
}

// brokenPart returns the length of the longest beginning of s that begins some character,
// at least 1, for an s that does not begin with a whole one; more tells whether
// further bytes could complete it.
func brokenPart(s string) (n int, more bool) {
	size, low, high := 0, byte(0x80), byte(0xbf)
	switch b := s[0]; { // table 3-7 of the standard
	case b >= 0xc2 && b <= 0xdf:
		size = 2
	case b >= 0xe0 && b <= 0xef:
		size = 3
		if b == 0xe0 {
			low = 0xa0
		} else if b == 0xed {
			high = 0x9f
		}
	case b >= 0xf0 && b <= 0xf4:
		size = 4
		if b == 0xf0 {
			low = 0x90
		} else if b == 0xf4 {
			high = 0x8f
		}
	default:
		return 1, false
	}
	for n = 1; n < size && n < len(s); n++ {
		if s[n] < low || s[n] > high {
			return n, false
		}
		low, high = 0x80, 0xbf
	}
	return n, true
}
