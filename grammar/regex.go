package grammar

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"
)

// maxPattern bounds a pattern's text.
const maxPattern = 4096

// compilePattern reads the part of ECMA's regular expressions that finite automata know. As JSON Schema has it, a pattern
// may match anywhere; ^ and $ tie it to the ends and may stand there only.
func compilePattern(text string) (*dfa, error) {
	if len(text) > maxPattern {
		return nil, fmt.Errorf("the pattern has %d bytes, more than %d", len(text), maxPattern)
	}
	p := &patternParser{text: text}
	e, err := p.choice(true)
	if err != nil {
		return nil, err
	}
	if p.pos < len(text) {
		return nil, p.fail("%q has no meaning here", text[p.pos])
	}
	n := &nfa{}
	start, err := n.expr(e, n.add(nfaNode{final: true}))
	if err != nil {
		return nil, err
	}
	return n.determine(start)
}

type patternParser struct {
	text  string
	pos   int
	depth int
}

func (p *patternParser) fail(format string, args ...any) error {
	return fmt.Errorf("the pattern %q, column %d: %s", p.text, utf8.RuneCountInString(p.text[:p.pos])+1, fmt.Sprintf(format, args...))
}

var anyText = repeat{body: runeSet{{0, maxRune}}.normal(), most: -1}

// choice reads alternatives. Each of the outermost ones may be tied to the ends of the text.
func (p *patternParser) choice(outer bool) (expr, error) {
	var alts choice
	for {
		s, err := p.sequence(outer)
		if err != nil {
			return nil, err
		}
		alts = append(alts, s)
		if p.pos >= len(p.text) || p.text[p.pos] != '|' {
			return alts, nil
		}
		p.pos++
	}
}

func (p *patternParser) sequence(outer bool) (expr, error) {
	s := sequence{}
	if outer {
		if strings.HasPrefix(p.text[p.pos:], "^") {
			p.pos++
		} else {
			s = append(s, anyText)
		}
	}
	for p.pos < len(p.text) {
		c := p.text[p.pos]
		if c == '|' || c == ')' {
			break
		}
		if c == '$' && outer && (p.pos+1 == len(p.text) || p.text[p.pos+1] == '|') {
			p.pos++
			return s, nil
		}
		e, err := p.part()
		if err != nil {
			return nil, err
		}
		if e, err = p.times(e); err != nil {
			return nil, err
		}
		s = append(s, e)
	}
	if outer {
		s = append(s, anyText)
	}
	return s, nil
}

func (p *patternParser) part() (expr, error) {
	switch c := p.text[p.pos]; c {
	case '(':
		return p.group()
	case '[':
		return p.class()
	case '.':
		p.pos++
		return runeSet{{'\n', '\n'}, {'\r', '\r'}, {0x2028, 0x2029}}.complement(), nil
	case '^', '$':
		return nil, p.fail("%q can stand at the pattern's ends only", c)
	case '*', '+', '?', '{':
		return nil, p.fail("%q has nothing before it to repeat", c)
	case '\\':
		return p.escape()
	}
	r, n := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += n
	return runeSet{{r, r}}, nil
}

func (p *patternParser) group() (expr, error) {
	rest := p.text[p.pos:]
	for _, refused := range []struct{ begin, name string }{
		{"(?=", "lookahead"}, {"(?!", "lookahead"}, {"(?<=", "lookbehind"}, {"(?<!", "lookbehind"},
	} {
		if strings.HasPrefix(rest, refused.begin) {
			return nil, p.fail("%s is not supported", refused.name)
		}
	}
	switch {
	case strings.HasPrefix(rest, "(?:"):
		p.pos += 3
	case strings.HasPrefix(rest, "(?<") && strings.Contains(rest, ">"):
		p.pos += strings.IndexByte(rest, '>') + 1
	case strings.HasPrefix(rest, "(?"):
		return nil, p.fail("this kind of group is not supported")
	default:
		p.pos++
	}
	if p.depth++; p.depth > maxDepth {
		return nil, p.fail("groups lie more than %d deep in each other", maxDepth)
	}
	e, err := p.choice(false)
	if err != nil {
		return nil, err
	}
	if p.pos >= len(p.text) || p.text[p.pos] != ')' {
		return nil, p.fail(`a "(" is not closed`)
	}
	p.pos++
	p.depth--
	return e, nil
}

// times reads a repetition. Lazy ones accept the same texts.
func (p *patternParser) times(e expr) (expr, error) {
	if p.pos >= len(p.text) {
		return e, nil
	}
	r := repeat{body: e}
	switch p.text[p.pos] {
	case '*':
		r.most = -1
	case '+':
		r.least, r.most = 1, -1
	case '?':
		r.most = 1
	case '{':
		counts, _, ok := strings.Cut(p.text[p.pos+1:], "}")
		least, most, comma := strings.Cut(counts, ",")
		var err1, err2 error
		if r.least, err1 = strconv.Atoi(least); !comma {
			r.most = r.least
		} else if r.most = -1; most != "" {
			r.most, err2 = strconv.Atoi(most)
		}
		if !ok || err1 != nil || err2 != nil || r.least < 0 || comma && most != "" && r.most < r.least {
			return nil, p.fail("a count is {m}, {m,} or {m,n}")
		}
		if max(r.least, r.most) > maxStates {
			return nil, p.fail("a count may be at most %d", maxStates)
		}
		p.pos += len(counts) + 1
	default:
		return e, nil
	}
	p.pos++
	if strings.HasPrefix(p.text[p.pos:], "?") {
		p.pos++
	}
	return r, nil
}

var (
	digitChars = runeSet{{'0', '9'}}
	wordChars  = runeSet{{'0', '9'}, {'A', 'Z'}, {'_', '_'}, {'a', 'z'}}
	spaceChars = runeSet{
		{'\t', '\r'},
		{' ', ' '},
		{0xA0, 0xA0},
		{0x1680, 0x1680},
		{0x2000, 0x200A},
		{0x2028, 0x2029},
		{0x202F, 0x202F},
		{0x205F, 0x205F},
		{0x3000, 0x3000},
		{0xFEFF, 0xFEFF},
	}
)

// escape reads what follows a backslash.
func (p *patternParser) escape() (runeSet, error) {
	if p.pos++; p.pos >= len(p.text) {
		return nil, p.fail("nothing follows the backslash")
	}
	c, n := utf8.DecodeRuneInString(p.text[p.pos:])
	switch c {
	case 'd':
		p.pos++
		return digitChars, nil
	case 'D':
		p.pos++
		return digitChars.complement(), nil
	case 'w':
		p.pos++
		return wordChars, nil
	case 'W':
		p.pos++
		return wordChars.complement(), nil
	case 's':
		p.pos++
		return spaceChars, nil
	case 'S':
		p.pos++
		return spaceChars.complement(), nil
	case 'b', 'B':
		return nil, p.fail(`word borders (\%c) are not supported`, c)
	case 'p', 'P':
		return nil, p.fail(`Unicode properties (\%c) are not supported`, c)
	case 'k', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return nil, p.fail(`references to groups (\%c) are not supported`, c)
	case 'x':
		return p.hex(2)
	case 'u':
		return p.hex(4)
	}
	p.pos += n
	if at := strings.IndexRune("ntrfv0", c); at >= 0 {
		c = []rune("\n\t\r\f\v\x00")[at]
	} else if wordChars.has(c) {
		p.pos -= n
		return nil, p.fail(`\%c is no escape`, c)
	}
	return runeSet{{c, c}}, nil
}

func (p *patternParser) hex(n int) (runeSet, error) {
	p.pos++
	if len(p.text)-p.pos < n {
		return nil, p.fail("%d hexadecimal digits must follow", n)
	}
	v, err := strconv.ParseUint(p.text[p.pos:p.pos+n], 16, 32)
	if err != nil || v >= surrogateFirst && v <= surrogateLast {
		return nil, p.fail("%d hexadecimal digits of a character must follow", n)
	}
	p.pos += n
	return runeSet{{rune(v), rune(v)}}, nil
}

func (p *patternParser) class() (expr, error) {
	p.pos++
	negated := strings.HasPrefix(p.text[p.pos:], "^")
	if negated {
		p.pos++
	}
	var set runeSet
	one := func() (runeSet, error) {
		if strings.HasPrefix(p.text[p.pos:], `\b`) {
			p.pos += 2
			return runeSet{{'\b', '\b'}}, nil
		}
		if p.text[p.pos] == '\\' {
			return p.escape()
		}
		r, n := utf8.DecodeRuneInString(p.text[p.pos:])
		p.pos += n
		return runeSet{{r, r}}, nil
	}
	for p.pos < len(p.text) && p.text[p.pos] != ']' {
		from, err := one()
		if err != nil {
			return nil, err
		}
		rest := p.text[p.pos:]
		if len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			p.pos++
			to, err := one()
			if err != nil {
				return nil, err
			}
			if len(from) != 1 || len(to) != 1 || from[0].lo != from[0].hi || to[0].lo != to[0].hi || to[0].lo < from[0].lo {
				return nil, p.fail("a range in [] goes from one character to a later one")
			}
			from = runeSet{{from[0].lo, to[0].lo}}
		}
		set = append(set, from...)
	}
	if p.pos >= len(p.text) {
		return nil, p.fail(`a "[" is not closed`)
	}
	p.pos++
	if negated {
		return set.complement(), nil
	}
	if set = set.normal(); set == nil {
		set = runeSet{} // nothing matches; nil would be no character
	}
	return set, nil
}
