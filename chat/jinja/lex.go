package jinja

import (
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"
)

// kind is the kind of a token.
type kind uint8

const (
	kindEOF kind = iota
	kindData
	kindBlockBegin // {%
	kindBlockEnd
	kindPrintBegin // {{
	kindPrintEnd
	kindName
	kindString
	kindInt
	kindFloat
	kindOp
)

// token is a piece of template source.
type token struct {
	kind kind
	text string // data, name, operator, number without underscores, or the value of a string literal
	line int
}

func (t token) String() string {
	switch t.kind {
	case kindEOF:
		return "the end of the template"
	case kindBlockEnd:
		return "'%}'"
	case kindPrintEnd:
		return "'}}'"
	case kindString:
		return "a string"
	}
	return fmt.Sprintf("'%s'", t.text)
}

// lexer cuts source into tokens. Text outside tags is trimmed here, as trim_blocks and lstrip_blocks say.
type lexer struct {
	src    string
	pos    int
	line   int
	tokens []token
}

// lex cuts a whole template.
func lex(source string) ([]token, error) {
	source = strings.ReplaceAll(source, "\r\n", "\n")
	source = strings.ReplaceAll(source, "\r", "\n")
	l := &lexer{src: strings.TrimSuffix(source, "\n"), line: 1}
	for l.pos < len(l.src) {
		if err := l.text(); err != nil {
			return nil, err
		}
	}
	l.emit(kindEOF, "")
	return l.tokens, nil
}

func (l *lexer) emit(k kind, text string) { l.tokens = append(l.tokens, token{k, text, l.line}) }

func (l *lexer) errorf(format string, args ...any) error {
	return &Error{Line: l.line, Message: fmt.Sprintf(format, args...)}
}

// skip moves on by n bytes and counts lines.
func (l *lexer) skip(n int) {
	l.line += strings.Count(l.src[l.pos:l.pos+n], "\n")
	l.pos += n
}

// text reads data up to the next tag, and the tag.
func (l *lexer) text() error {
	rest := l.src[l.pos:]
	at := nextTag(rest)
	if at < 0 {
		l.emit(kindData, rest)
		l.skip(len(rest))
		return nil
	}
	data, tag := rest[:at], rest[at:at+2]
	sign := byte(0)
	if at+2 < len(rest) && (rest[at+2] == '-' || rest[at+2] == '+') {
		sign = rest[at+2]
	}
	if trimmed := l.trimBefore(data, tag, sign); trimmed != "" {
		l.emit(kindData, trimmed)
	}
	l.skip(at + 2)
	if sign != 0 {
		l.skip(1)
	}
	switch tag {
	case "{#":
		return l.comment()
	case "{{":
		l.emit(kindPrintBegin, tag)
		return l.inside(kindPrintEnd, "}}")
	}
	if n := rawWord(l.src[l.pos:], "raw"); n > 0 {
		return l.raw(n)
	}
	l.emit(kindBlockBegin, tag)
	return l.inside(kindBlockEnd, "%}")
}

// nextTag finds {{, {% or {#.
func nextTag(s string) int {
	for i := 0; i+1 < len(s); i++ {
		if s[i] == '{' && (s[i+1] == '{' || s[i+1] == '%' || s[i+1] == '#') {
			return i
		}
	}
	return -1
}

// trimBefore is what stays of the text before a tag: "-" takes all whitespace, and white space between the line's
// beginning and a block or comment goes (lstrip_blocks) unless a "+" keeps it.
func (l *lexer) trimBefore(data, tag string, sign byte) string {
	if sign == '-' {
		return strings.TrimRightFunc(data, unicode.IsSpace)
	}
	if sign == '+' || tag == "{{" {
		return data
	}
	begin := strings.LastIndexByte(data, '\n') + 1
	if begin == 0 && !l.lineStarts() {
		return data
	}
	if strings.TrimSpace(data[begin:]) == "" {
		return data[:begin]
	}
	return data
}

// lineStarts reports whether the current position is at the beginning of a line.
func (l *lexer) lineStarts() bool { return l.pos == 0 || l.src[l.pos-1] == '\n' }

// afterTag removes what the end of a tag takes of the following text: "-" all whitespace, a block or comment its
// newline (trim_blocks).
func (l *lexer) afterTag(sign byte, newline bool) {
	rest := l.src[l.pos:]
	switch {
	case sign == '-':
		l.skip(len(rest) - len(strings.TrimLeftFunc(rest, unicode.IsSpace)))
	case sign != '+' && newline && strings.HasPrefix(rest, "\n"):
		l.skip(1)
	}
}

// signBefore returns the "-" or "+" that stands before position end.
func (l *lexer) signBefore(begin, end int) byte {
	if end > begin && (l.src[end-1] == '-' || l.src[end-1] == '+') {
		return l.src[end-1]
	}
	return 0
}

func (l *lexer) comment() error {
	n := strings.Index(l.src[l.pos:], "#}")
	if n < 0 {
		return l.errorf("the comment is not closed by #}")
	}
	sign := l.signBefore(l.pos, l.pos+n)
	l.skip(n + 2)
	l.afterTag(sign, true)
	return nil
}

// rawWord returns the length of " raw %}" and its like at the beginning of s, or 0.
func rawWord(s, word string) int {
	rest := strings.TrimLeftFunc(s, unicode.IsSpace)
	if !strings.HasPrefix(rest, word) {
		return 0
	}
	rest = strings.TrimLeftFunc(rest[len(word):], unicode.IsSpace)
	if len(rest) > 0 && (rest[0] == '-' || rest[0] == '+') {
		rest = rest[1:]
	}
	if !strings.HasPrefix(rest, "%}") {
		return 0
	}
	return len(s) - len(rest) + 2
}

// raw reads the text of {% raw %}…{% endraw %}, whose opening tag is n bytes more.
func (l *lexer) raw(n int) error {
	sign := l.signBefore(l.pos, l.pos+n-2)
	l.skip(n)
	l.afterTag(sign, false)
	for from := l.pos; ; {
		at := strings.Index(l.src[from:], "{%")
		if at < 0 {
			return l.errorf("the raw block is not closed by endraw")
		}
		at += from
		tag := at + 2
		sign := byte(0)
		if tag < len(l.src) && (l.src[tag] == '-' || l.src[tag] == '+') {
			sign = l.src[tag]
			tag++
		}
		n := rawWord(l.src[tag:], "endraw")
		if n == 0 {
			from = at + 2
			continue
		}
		if data := l.trimBefore(l.src[l.pos:at], "{%", sign); data != "" {
			l.emit(kindData, data)
		}
		end := l.signBefore(tag, tag+n-2)
		l.skip(tag + n - l.pos)
		l.afterTag(end, true)
		return nil
	}
}

// operators, the longest first.
var operators = []string{
	"//", "**", "==", "!=", "<=", ">=",
	"+", "-", "*", "/", "%", "~", "<", ">", "=", ".", ",", ":", "|", "(", ")", "[", "]", "{", "}", ";",
}

var closing = map[string]string{"(": ")", "[": "]", "{": "}"}

// inside reads the tokens of a tag up to its end, which inside brackets is none: {{ {'a': {}} }}.
func (l *lexer) inside(end kind, mark string) error {
	var open []string
	for l.pos < len(l.src) {
		rest := l.src[l.pos:]
		if r, n := utf8.DecodeRuneInString(rest); unicode.IsSpace(r) {
			l.skip(n)
			continue
		}
		if len(open) == 0 {
			if strings.HasPrefix(rest, mark) {
				l.emit(end, mark)
				l.skip(2)
				l.afterTag(0, end == kindBlockEnd)
				return nil
			}
			if sign := rest[0]; (sign == '-' || sign == '+' && end == kindBlockEnd) && strings.HasPrefix(rest[1:], mark) {
				l.emit(end, mark)
				l.skip(3)
				l.afterTag(sign, end == kindBlockEnd)
				return nil
			}
		}
		var err error
		if open, err = l.token(rest, open); err != nil {
			return err
		}
	}
	return l.errorf("a tag is not closed by %s", mark)
}

// token reads one token of an expression; open are the brackets around it.
func (l *lexer) token(rest string, open []string) ([]string, error) {
	c := rest[0]
	if c == '\'' || c == '"' {
		n := stringEnd(rest)
		if n < 0 {
			return open, l.errorf("a string is not closed by %c", c)
		}
		l.emit(kindString, unescape(rest[1:n-1]))
		l.skip(n)
		return open, nil
	}
	// The index of x.0.1 is no float.
	n, float := number(rest)
	if float && len(l.tokens) > 0 && l.tokens[len(l.tokens)-1].text == "." {
		n, float = digits(rest), false
	}
	if n > 0 {
		k := kindInt
		if float {
			k = kindFloat
		}
		l.emit(k, strings.ReplaceAll(rest[:n], "_", ""))
		l.skip(n)
		return open, nil
	}
	if n := name(rest); n > 0 {
		l.emit(kindName, rest[:n])
		l.skip(n)
		return open, nil
	}
	for _, op := range operators {
		if !strings.HasPrefix(rest, op) {
			continue
		}
		if _, ok := closing[op]; ok {
			open = append(open, op)
		} else if op == ")" || op == "]" || op == "}" {
			if len(open) == 0 || closing[open[len(open)-1]] != op {
				return open, l.errorf("'%s' closes nothing", op)
			}
			open = open[:len(open)-1]
		}
		l.emit(kindOp, op)
		l.skip(len(op))
		return open, nil
	}
	r, _ := utf8.DecodeRuneInString(rest)
	return open, l.errorf("character %q has no meaning here", r)
}

// stringEnd returns the length of the string literal at the beginning of s, quotes included.
func stringEnd(s string) int {
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case s[0]:
			return i + 1
		}
	}
	return -1
}

// name returns the length of the identifier at the beginning of s.
func name(s string) int {
	for i, r := range s {
		if r == '_' || unicode.IsLetter(r) || i > 0 && (unicode.IsDigit(r) || unicode.IsMark(r)) {
			continue
		}
		return i
	}
	return len(s)
}

// number returns the length of the number at the beginning of s and whether it is a float.
func number(s string) (n int, float bool) {
	if len(s) > 2 && s[0] == '0' && strings.IndexByte("xXoObB", s[1]) >= 0 {
		n = 2
		for n < len(s) && (isHex(s[n]) || s[n] == '_') {
			n++
		}
		return n, false
	}
	n = digits(s)
	if n == 0 {
		return 0, false
	}
	if n < len(s) && s[n] == '.' {
		if d := digits(s[n+1:]); d > 0 {
			n, float = n+1+d, true
		}
	}
	if n < len(s) && (s[n] == 'e' || s[n] == 'E') {
		at := n + 1
		if at < len(s) && (s[at] == '-' || s[at] == '+') {
			at++
		}
		if d := digits(s[at:]); d > 0 {
			n, float = at+d, true
		}
	}
	return n, float
}

// digits counts decimal digits, with underscores between them.
func digits(s string) int {
	n := 0
	for n < len(s) && (s[n] >= '0' && s[n] <= '9' || s[n] == '_' && n > 0 && n+1 < len(s) && s[n+1] >= '0' && s[n+1] <= '9') {
		n++
	}
	return n
}

func isHex(c byte) bool {
	return c >= '0' && c <= '9' || c >= 'a' && c <= 'f' || c >= 'A' && c <= 'F'
}

// unescape reads the escapes of a Python string literal. An unknown escape stays as it is written.
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); {
		if s[i] != '\\' || i+1 == len(s) {
			b.WriteByte(s[i])
			i++
			continue
		}
		text, n := escape(s[i:])
		b.WriteString(text)
		i += n
	}
	return b.String()
}

var simpleEscapes = map[byte]string{
	'n': "\n", 't': "\t", 'r': "\r", '\\': "\\", '\'': "'", '"': "\"", '\n': "", 'a': "\a", 'b': "\b", 'f': "\f", 'v': "\v",
}

// escape reads one escape at the beginning of s and says how long it is.
func escape(s string) (text string, n int) {
	if text, ok := simpleEscapes[s[1]]; ok {
		return text, 2
	}
	if s[1] >= '0' && s[1] <= '7' {
		code, n := rune(0), 1
		for ; n < len(s) && n < 4 && s[n] >= '0' && s[n] <= '7'; n++ {
			code = code*8 + rune(s[n]-'0')
		}
		return string(code), n
	}
	width := map[byte]int{'x': 2, 'u': 4, 'U': 8}[s[1]]
	if width == 0 || len(s) < 2+width {
		return s[:1], 1
	}
	code := rune(0)
	for _, c := range []byte(s[2 : 2+width]) {
		if !isHex(c) {
			return s[:1], 1
		}
		code = code<<4 | rune(hexValue(c))
	}
	return string(code), 2 + width
}

func hexValue(c byte) byte {
	switch {
	case c <= '9':
		return c - '0'
	case c >= 'a':
		return c - 'a' + 10
	}
	return c - 'A' + 10
}
