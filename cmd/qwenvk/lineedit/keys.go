package lineedit

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf8"
)

// key is what was pressed.
type key struct {
	name string // "enter", "ctrl-a", "alt-left", …; "text" or "paste" for text; "" for what is not known
	text string
}

const (
	pasteBegin = "\x1b[200~"
	pasteEnd   = "\x1b[201~"
)

// decode returns the first key in what a terminal sent and how many bytes it took: 0 where the rest of a key must be
// waited for. With idle set nothing follows soon, so that a lone ESC is the key of that name.
func decode(sent []byte, idle bool) (k key, n int) {
	if len(sent) == 0 {
		return key{}, 0
	}
	switch c := sent[0]; {
	case c == 0x1b:
		return decodeEscape(sent, idle)
	case c == '\r' || c == '\n':
		return key{name: "enter"}, 1
	case c == '\t':
		return key{name: "tab"}, 1
	case c == 0x7f || c == 8:
		return key{name: "backspace"}, 1
	case c == 0:
		return key{}, 1
	case c == 0x1f:
		return key{name: "ctrl-_"}, 1
	case c < 0x1b:
		return key{name: "ctrl-" + string(rune('a'+c-1))}, 1
	case c < ' ':
		return key{}, 1
	}
	// All the text that is there is one key: whoever pastes without brackets does not wait for every letter.
	for n < len(sent) && sent[n] >= ' ' && sent[n] != 0x7f {
		if !utf8.FullRune(sent[n:]) && !idle {
			break
		}
		_, size := utf8.DecodeRune(sent[n:])
		n += size
	}
	if n == 0 {
		return key{}, 0
	}
	return key{name: "text", text: strings.ToValidUTF8(string(sent[:n]), "\uFFFD")}, n
}

func decodeEscape(sent []byte, idle bool) (key, int) {
	if len(sent) == 1 {
		if idle {
			return key{name: "esc"}, 1
		}
		return key{}, 0
	}
	switch sent[1] {
	case '[':
		return decodeCSI(sent, idle)
	case 'O':
		if len(sent) > 2 && sent[2] == 0x1b { // cut off
			return key{}, 2
		}
		if len(sent) > 2 {
			return key{name: finals[sent[2]]}, 3
		}
	case 0x1b: // ESC ESC: the first one alone
		return key{name: "esc"}, 1
	default:
		k, n := decode(sent[1:], idle)
		if k.name == "text" {
			_, n = utf8.DecodeRuneInString(k.text)
			k = key{name: k.text[:n]}
		}
		if n == 0 {
			return key{}, 0
		}
		k.name = "alt-" + k.name
		return k, n + 1
	}
	if idle {
		return key{}, len(sent)
	}
	return key{}, 0
}

// finals are the last bytes of the sequences of cursor keys; numbers are the parameters of those that end with '~'
// (ECMA-48 and xterm's "Control Sequences").
var (
	finals  = map[byte]string{'A': "up", 'B': "down", 'C': "right", 'D': "left", 'H': "home", 'F': "end", 'M': "enter", 'Z': "shift-tab"}
	numbers = map[int]string{1: "home", 3: "delete", 4: "end", 5: "page-up", 6: "page-down", 7: "home", 8: "end"}
)

func decodeCSI(sent []byte, idle bool) (key, int) {
	if bytes.HasPrefix(sent, []byte(pasteBegin)) {
		return decodePaste(sent)
	}
	end := 2
	for end < len(sent) && (sent[end] < 0x40 || sent[end] > 0x7e) {
		end++
	}
	if end == len(sent) {
		if idle || end > 64 {
			return key{}, end
		}
		return key{}, 0
	}
	var parameters []int
	for word := range strings.SplitSeq(string(sent[2:end]), ";") {
		v, _ := strconv.Atoi(word) // none: 0
		parameters = append(parameters, v)
	}
	parameters = append(parameters, 0, 0, 0)
	name, modifier := "", parameters[1]
	switch final := sent[end]; {
	case final == 'u': // the key's code point and its modifiers
		name = code(parameters[0])
	case final == '~' && parameters[0] == 27: // xterm's modifyOtherKeys
		name = code(parameters[2])
	case final == '~':
		name = numbers[parameters[0]]
	default:
		name = finals[final]
	}
	return key{name: modified(name, modifier)}, end + 1
}

// code names the keys that are sent by their code point when a modifier is held.
func code(r int) string {
	switch {
	case r == 13:
		return "enter"
	case r == 9:
		return "tab"
	case r == 27:
		return "esc"
	case r == 127:
		return "backspace"
	case r > ' ' && r < 0x7f:
		return string(rune(r))
	}
	return ""
}

// modified puts the modifiers before a key's name: bit 0 of modifier-1 is shift, 1 alt, 2 control.
func modified(name string, modifier int) string {
	switch held := modifier - 1; {
	case name == "" || held <= 0:
		return name
	case held&4 != 0:
		return "ctrl-" + name
	case held&2 != 0:
		return "alt-" + name
	case len(name) == 1:
		return ""
	default:
		return "shift-" + name
	}
}

// decodePaste waits for the end of the brackets. Terminals take control characters out of what they paste, so Ctrl-C
// is somebody who waits for an end that was lost.
func decodePaste(sent []byte) (key, int) {
	text := sent[len(pasteBegin):]
	if end := bytes.Index(text, []byte(pasteEnd)); end >= 0 {
		return key{name: "paste", text: pasted(text[:end])}, len(pasteBegin) + end + len(pasteEnd)
	}
	if end := bytes.IndexByte(text, 3); end >= 0 {
		return key{name: "paste", text: pasted(text[:end])}, len(pasteBegin) + end + 1
	}
	return key{}, 0
}

// pasted makes the line ends of a paste, which terminals send as Enter, those of text.
func pasted(text []byte) string {
	s := strings.ReplaceAll(string(text), "\r\n", "\n")
	return strings.ToValidUTF8(strings.ReplaceAll(s, "\r", "\n"), "\uFFFD")
}
