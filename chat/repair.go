package chat

import (
	"fmt"
	"strings"
	"unicode/utf8"
)

// repair turns nearly JSON, as models write it, into JSON. It corrects only what can be meant in one way:
//
//   - strings in single quotes, line breaks and tabs inside strings, the escape \'
//   - Python's True, False and None
//   - a comma before a closing brace or bracket
//   - object keys without quotes
//   - braces and brackets that are missing at the end, and surplus ones there
//   - a fence of backquotes around the whole
//
// A string without end, a value that is missing, or text behind the value is an error: nobody knows what was meant.
// Numbers and the text of strings stay as they were written.
func repair(text string) (string, error) {
	r := repairer{in: unfenced(text)}
	r.space()
	if err := r.value(0); err != nil {
		return "", err
	}
	r.space()
	if rest := strings.Trim(r.in[r.at:], "}] \t\r\n"); rest != "" {
		return "", fmt.Errorf("there is text behind it: %q", clip(rest, 40))
	}
	return r.out.String(), nil
}

// unfenced removes ```json … ``` around a text.
func unfenced(text string) string {
	text = strings.TrimSpace(text)
	inner, ok := strings.CutPrefix(text, "```")
	if !ok {
		return text
	}
	inner = strings.TrimSuffix(strings.TrimPrefix(inner, "json"), "```")
	return strings.TrimSpace(inner)
}

// repairDepth bounds the nesting: the values come from a model that may run wild.
const repairDepth = 200

type repairer struct {
	in  string
	at  int
	out strings.Builder
}

func (r *repairer) space() {
	r.at += len(r.in[r.at:]) - len(strings.TrimLeft(r.in[r.at:], " \t\r\n"))
}

// peek is the next byte, 0 at the end.
func (r *repairer) peek() byte {
	if r.at < len(r.in) {
		return r.in[r.at]
	}
	return 0
}

func (r *repairer) value(depth int) error {
	if depth > repairDepth {
		return fmt.Errorf("it is nested more than %d levels deep", repairDepth)
	}
	switch c := r.peek(); {
	case c == '{' || c == '[':
		return r.list(depth)
	case c == '"' || c == '\'':
		return r.text()
	case c == 0:
		return fmt.Errorf("it ends where a value should stand")
	}
	word := r.word()
	switch word {
	case "true", "True":
		r.out.WriteString("true")
	case "false", "False":
		r.out.WriteString("false")
	case "null", "None":
		r.out.WriteString("null")
	default:
		if !isNumber(word) {
			if word == "" {
				word = string(r.peek())
			}
			return fmt.Errorf("%q at byte %d is no value", clip(word, 40), r.at)
		}
		r.out.WriteString(word)
	}
	return nil
}

// list reads an object or an array.
func (r *repairer) list(depth int) error {
	open := r.peek()
	closing := byte(']')
	if open == '{' {
		closing = '}'
	}
	r.at++
	r.out.WriteByte(open)
	for first := true; ; first = false {
		r.space()
		switch c := r.peek(); {
		case c == closing:
			r.at++
			r.out.WriteByte(closing)
			return nil
		case c == 0: // the end is missing
			r.out.WriteByte(closing)
			return nil
		case !first:
			r.out.WriteString(", ")
		}
		if open == '{' {
			if err := r.key(); err != nil {
				return err
			}
		}
		if err := r.value(depth + 1); err != nil {
			return err
		}
		r.space()
		switch c := r.peek(); c {
		case ',':
			r.at++
		case closing, 0:
		default:
			return fmt.Errorf("%q at byte %d stands where a comma or %q should", string(c), r.at, string(closing))
		}
	}
}

// key reads an object's key and the colon.
func (r *repairer) key() error {
	if c := r.peek(); c == '"' || c == '\'' {
		if err := r.text(); err != nil {
			return err
		}
	} else {
		word := r.word()
		if word == "" {
			return fmt.Errorf("%q at byte %d is no key", string(c), r.at)
		}
		r.out.WriteString(`"` + word + `"`)
	}
	r.space()
	if r.peek() != ':' {
		return fmt.Errorf("there is no colon behind the key at byte %d", r.at)
	}
	r.at++
	r.out.WriteString(": ")
	r.space()
	return nil
}

// word reads letters, digits and the signs of numbers.
func (r *repairer) word() string {
	begin := r.at
	for r.at < len(r.in) {
		c := r.in[r.at]
		if c != '_' && c != '.' && c != '+' && c != '-' && (c < '0' || c > '9') && (c < 'A' || c > 'Z') && (c < 'a' || c > 'z') {
			break
		}
		r.at++
	}
	return r.in[begin:r.at]
}

// text reads a string in either quotes and writes it in double ones.
func (r *repairer) text() error {
	quote, begin := r.in[r.at], r.at
	r.at++
	r.out.WriteByte('"')
	for r.at < len(r.in) {
		c := r.in[r.at]
		r.at++
		switch {
		case c == quote:
			r.out.WriteByte('"')
			return nil
		case c == '\\':
			if err := r.escape(); err != nil {
				return err
			}
		case c == '"':
			r.out.WriteString(`\"`)
		case c == '\n':
			r.out.WriteString(`\n`)
		case c == '\t':
			r.out.WriteString(`\t`)
		case c == '\r':
			r.out.WriteString(`\r`)
		case c < ' ':
			fmt.Fprintf(&r.out, `\u%04x`, c)
		default:
			r.out.WriteByte(c)
		}
	}
	return fmt.Errorf("the string at byte %d has no end", begin)
}

// escape copies what follows a backslash.
func (r *repairer) escape() error {
	c := r.peek()
	switch {
	case c == '\'':
		r.out.WriteByte('\'')
	case c == 'u' && !isHex(r.in[r.at+1:]):
		return fmt.Errorf(`\u at byte %d has no four hexadecimal digits behind it`, r.at-1)
	case c != 0 && strings.IndexByte(`"\/bfnrtu`, c) >= 0:
		r.out.WriteByte('\\')
		r.out.WriteByte(c)
	default:
		return fmt.Errorf(`\%s at byte %d is no escape`, string(c), r.at-1)
	}
	r.at++
	return nil
}

// isHex tells whether a text begins with four hexadecimal digits.
func isHex(s string) bool {
	return len(s) >= 4 && strings.Trim(s[:4], "0123456789abcdefABCDEF") == ""
}

// isNumber tells whether a word is a JSON number.
func isNumber(word string) bool {
	rest := strings.TrimPrefix(word, "-")
	digits := func() (n int) {
		for n < len(rest) && rest[n] >= '0' && rest[n] <= '9' {
			n++
		}
		rest = rest[n:]
		return n
	}
	zero := strings.HasPrefix(rest, "0")
	if n := digits(); n == 0 || zero && n > 1 {
		return false
	}
	if after, ok := strings.CutPrefix(rest, "."); ok {
		if rest = after; digits() == 0 {
			return false
		}
	}
	if rest != "" && (rest[0] == 'e' || rest[0] == 'E') {
		rest = rest[1:]
		if rest != "" && (rest[0] == '+' || rest[0] == '-') {
			rest = rest[1:]
		}
		if digits() == 0 {
			return false
		}
	}
	return rest == ""
}

// clip shortens a text to about n bytes, at the border of a character.
func clip(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n] + "…"
}
