package tokenizer

import "unicode/utf8"

// GPT-2's byte alphabet writes each byte as one printable character, so that a vocabulary
// file is readable text: printable Latin-1 bytes stand for themselves, the other 68 are
// U+0100 and on, in order. A space is therefore "Ġ" and a newline "Ċ".

// runeOfByte is the alphabet.
var runeOfByte = func() (table [256]rune) {
	next := rune(0x100)
	for b := range table {
		table[b] = rune(b)
		if !printsAsItself(b) {
			table[b] = next
			next++
		}
	}
	return table
}()

// byteOfRune is the inverse alphabet: byteOfRune[r] is the byte that r stands for, -1 when
// r is not in the alphabet. The highest character is U+0143.
var byteOfRune = func() (table [0x144]int16) {
	for i := range table {
		table[i] = -1
	}
	for b, r := range runeOfByte {
		table[r] = int16(b)
	}
	return table
}()

func printsAsItself(b int) bool {
	return b >= '!' && b <= '~' || b >= 0xa1 && b <= 0xac || b >= 0xae && b <= 0xff
}

// appendPiece appends the bytes that a vocabulary entry stands for. An entry with a
// character outside the alphabet stands for its own UTF-8 and cannot come out of merges;
// inside is false then.
func appendPiece(dst []byte, entry string) (out []byte, inside bool) {
	start := len(dst)
	for i := 0; i < len(entry); {
		r, n := rune(entry[i]), 1
		if r >= utf8.RuneSelf {
			r, n = utf8.DecodeRuneInString(entry[i:])
		}
		if int(r) >= len(byteOfRune) || byteOfRune[r] < 0 || r == utf8.RuneError {
			return append(dst[:start], entry...), false
		}
		dst = append(dst, byte(byteOfRune[r]))
		i += n
	}
	return dst, true
}

// appendAlphabet appends the entry that stands for the bytes of piece; appendPiece undoes it.
func appendAlphabet(dst []byte, piece string) []byte {
	for i := range len(piece) {
		dst = utf8.AppendRune(dst, runeOfByte[piece[i]])
	}
	return dst
}
