package markdown

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// reach is how many bytes behind its beginning the end of a span (emphasis, code, a link) is looked for: what begins one
// and does not end it holds the answer up no longer.
const reach = 400

// inline reads the next thing in the rest of a line; last is the character before it, whole says that the line's end is
// known. It returns n = 0 where more of the line must be known. Without colours nothing but the text itself can show what
// it means, so it stays as it was written.
func (s *Stream) inline(line string, last rune, whole bool, base style) (pieces []piece, n int) {
	plain := func(n int) ([]piece, int) { return []piece{{line[:n], base}}, n }
	if !s.wrap.colour {
		return plain(len(line))
	}
	special := strings.IndexAny(line, "\\`*_~[!<")
	if special < 0 {
		return plain(len(line))
	}
	if special > 0 {
		return plain(special)
	}
	whole = whole || len(line) > reach
	line = line[:min(len(line), reach+1)]
	for len(line) > 0 && !utf8.ValidString(line) {
		line = line[:len(line)-1] // the limit fell into a character
	}
	var open, wait bool
	switch line[0] {
	case '\\':
		if len(line) == 1 && !whole {
			return nil, 0
		}
		if len(line) > 1 && line[1] < utf8.RuneSelf && (unicode.IsPunct(rune(line[1])) || unicode.IsSymbol(rune(line[1]))) {
			return []piece{{line[1:2], base}}, 2
		}
	case '`':
		if pieces, n, wait = codeSpan(line, whole, base); n > 0 || wait {
			return pieces, n
		}
		return plain(run(line))
	case '*', '_', '~':
		if pieces, n, wait = s.emphasis(line, last, whole, base); n > 0 || wait {
			return pieces, n
		}
		return plain(run(line))
	case '!':
		if len(line) == 1 && !whole {
			return nil, 0
		}
		open = strings.HasPrefix(line, "![")
	case '[':
		open = true
	case '<':
		if pieces, n, wait = address(line, whole, base); n > 0 || wait {
			return pieces, n
		}
	}
	if open {
		if pieces, n, wait = s.link(line, whole, base); n > 0 || wait {
			return pieces, n
		}
	}
	return plain(1)
}

// all reads a text whose end is known.
func (s *Stream) all(text string, last rune, base style) (pieces []piece) {
	for text != "" {
		found, n := s.inline(text, last, true, base)
		for _, p := range found {
			pieces = join(pieces, p)
		}
		last, _ = utf8.DecodeLastRuneInString(text[:n])
		text = text[n:]
	}
	return pieces
}

// run is how often the first byte is repeated.
func run(line string) int { return len(line) - len(strings.TrimLeft(line, line[:1])) }

// codeSpan reads `code`; wait reports that its end may still come.
func codeSpan(line string, whole bool, base style) (pieces []piece, n int, wait bool) {
	k := run(line)
	if k == len(line) && !whole {
		return nil, 0, true
	}
	for i := k; i < len(line); {
		at := strings.IndexByte(line[i:], '`')
		if at < 0 {
			break
		}
		i += at
		length := run(line[i:])
		if i+length == len(line) && !whole {
			return nil, 0, true
		}
		if length == k {
			text := line[k:i]
			if len(text) > 2 && text[0] == ' ' && text[len(text)-1] == ' ' && strings.TrimSpace(text) != "" {
				text = text[1 : len(text)-1]
			}
			return []piece{{text, base | codeStyle}}, i + k, false
		}
		i += length
	}
	return nil, 0, !whole
}

// emphasis reads *text*, **text**, ***text***, the same with underscores, and ~~text~~. Whether a mark opens or closes
// is told by the spaces beside it, not by punctuation as in CommonMark, whose rule fails on Chinese: **重点：**文字.
func (s *Stream) emphasis(line string, last rune, whole bool, base style) (pieces []piece, n int, wait bool) {
	mark, k := line[0], run(line)
	if k == len(line) {
		return nil, 0, !whole
	}
	next, _ := utf8.DecodeRuneInString(line[k:])
	if k > 3 || unicode.IsSpace(next) || mark == '~' && k != 2 || mark == '_' && wordRune(last) {
		return nil, 0, false
	}
	for i := k; i < len(line); {
		switch line[i] {
		case '\\':
			i += 2
			continue
		case '`':
			_, length, unsure := codeSpan(line[i:], whole, 0)
			if unsure {
				return nil, 0, true
			}
			i += max(length, run(line[i:]))
			continue
		case mark:
		default:
			i++
			continue
		}
		length := run(line[i:])
		if i+length == len(line) && !whole {
			return nil, 0, true
		}
		before, _ := utf8.DecodeLastRuneInString(line[:i])
		after, _ := utf8.DecodeRuneInString(line[i+length:])
		if (length == k || length == 3) && k <= length && !unicode.IsSpace(before) && !(mark == '_' && wordRune(after)) {
			look := base | []style{italic, bold, bold | italic}[k-1]
			if mark == '~' {
				look = base | strike
			}
			end := i + length - k
			return s.all(line[k:end], rune(mark), look), end + k, false
		}
		i += length
	}
	return nil, 0, !whole
}

func wordRune(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// link reads [text](address) and ![text](address), and shows both: nothing can be clicked that is not seen.
func (s *Stream) link(line string, whole bool, base style) (pieces []piece, n int, wait bool) {
	begin := strings.IndexByte(line, '[')
	depth, i := 0, begin
	for ; i < len(line); i++ {
		switch line[i] {
		case '\\':
			i++
		case '[':
			depth++
		case ']':
			depth--
		}
		if depth == 0 {
			break
		}
	}
	if i >= len(line) || i+1 == len(line) {
		return nil, 0, !whole
	}
	if line[i+1] != '(' {
		return nil, 0, false
	}
	text, rest := line[begin+1:i], line[i+2:]
	depth = 1
	for j := range len(rest) {
		switch rest[j] {
		case '(':
			depth++
		case ')':
			depth--
		case ' ':
			if !strings.ContainsAny(rest[:j], `"'`) && j+1 < len(rest) && rest[j+1] != '"' && rest[j+1] != '\'' {
				return nil, 0, false
			}
		}
		if depth == 0 {
			where, _, _ := strings.Cut(rest[:j], " ")
			pieces = s.all(text, '[', base|underline)
			if where != "" && where != text {
				pieces = append(pieces, piece{" (" + where + ")", base | faint})
			}
			return pieces, i + 2 + j + 1, false
		}
	}
	return nil, 0, !whole
}

// address reads <https://…>.
func address(line string, whole bool, base style) (pieces []piece, n int, wait bool) {
	end := strings.IndexAny(line[1:], "<> ")
	if end < 0 {
		return nil, 0, !whole
	}
	text := line[1 : end+1]
	if line[end+1] != '>' || !strings.Contains(text, "://") && !strings.Contains(text, "@") {
		return nil, 0, false
	}
	return []piece{{text, base | underline}}, end + 2, false
}
