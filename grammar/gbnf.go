package grammar

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Limits of a grammar's text.
const (
	maxText    = 1 << 20
	maxRules   = 1 << 13
	maxDepth   = 200 // of groups within groups
	maxRepeats = 4   // of repetitions behind one part
)

// A Grammar says which texts are allowed.
type Grammar struct {
	p     *program
	Notes []string // what was passed over, a sentence each
	check func(text []byte) error
}

// Check looks at a finished text for what the automaton can't see: branches of oneOf that overlap, and uniqueItems. It is
// not needed for anything else: an answer that a Matcher accepted fits.
func (g *Grammar) Check(text []byte) error {
	if g.check == nil {
		return nil
	}
	return g.check(text)
}

// Parse reads rules in the form of llama.cpp's GBNF:
//
//	root  ::= "yes" | "no" reason?     # a comment
//	reason ::= ", because " [^.\n]{1,200} "."
//
// A rule may go on over lines. Strings and classes know \n \t \r \" \' \\ \[ \] \- \^ \xNN \uNNNN \UNNNNNNNN, numbers
// of characters. Behind a part may stand * + ? {m} {m,} {m,n}; "." is any character. Errors are [*Error] with line and
// column.
func Parse(text string) (*Grammar, error) {
	if len(text) > maxText {
		return nil, &Error{Message: fmt.Sprintf("the grammar has %d bytes, more than %d", len(text), maxText)}
	}
	p := &parser{text: text, names: map[string]int{}}
	if err := p.parse(); err != nil {
		return nil, err
	}
	root, ok := p.names["root"]
	if !ok {
		return nil, &Error{Message: `there is no rule "root", with which an answer begins`}
	}
	return newGrammar(p.rules, root)
}

// newGrammar compiles rules and makes sure that each of them ends.
func newGrammar(rules []rule, root int) (*Grammar, error) {
	prog, err := build(rules, root)
	if err != nil {
		return nil, err
	}
	prog.measure()
	if prog.length[prog.start] >= endless {
		return nil, &Error{at: rules[root].at, Message: fmt.Sprintf("the rule %q never ends: every way through it comes back to a rule that is not finished", rules[root].name)}
	}
	return &Grammar{p: prog}, nil
}

// parser reads rules. A name's rule may be defined behind its use.
type parser struct {
	text  string
	pos   int
	depth int
	rules []rule
	names map[string]int
	used  []position // of the first use, per rule; zero where it is defined
}

func (p *parser) fail(at int, format string, args ...any) error {
	return &Error{at: p.place(at), Message: fmt.Sprintf(format, args...)}
}

// place turns an offset into line and column.
func (p *parser) place(at int) position {
	before := p.text[:min(at, len(p.text))]
	line := strings.Count(before, "\n") + 1
	return position{line, utf8.RuneCountInString(before[strings.LastIndexByte(before, '\n')+1:]) + 1}
}

func (p *parser) parse() error {
	for i, r := range p.text {
		if r == utf8.RuneError && !strings.HasPrefix(p.text[i:], "\uFFFD") {
			return p.fail(i, "the byte 0x%02x is not UTF-8", p.text[i])
		}
	}
	for p.space(); p.pos < len(p.text); p.space() {
		if err := p.rule(); err != nil {
			return err
		}
	}
	for i, r := range p.rules {
		if r.body == nil {
			return &Error{at: p.used[i], Message: fmt.Sprintf("the rule %q is not defined", r.name)}
		}
	}
	return nil
}

// space skips white space and comments.
func (p *parser) space() {
	for p.pos < len(p.text) {
		switch c := p.text[p.pos]; {
		case c == ' ' || c == '\t' || c == '\r' || c == '\n':
			p.pos++
		case c == '#':
			n := strings.IndexByte(p.text[p.pos:], '\n')
			if n < 0 {
				n = len(p.text) - p.pos
			}
			p.pos += n
		default:
			return
		}
	}
}

func isNameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '_'
}

func (p *parser) name() string {
	from := p.pos
	for p.pos < len(p.text) && isNameByte(p.text[p.pos]) {
		p.pos++
	}
	return p.text[from:p.pos]
}

// number returns a name's rule.
func (p *parser) number(name string, at int) int {
	i, ok := p.names[name]
	if !ok {
		i = len(p.rules)
		p.names[name] = i
		p.rules = append(p.rules, rule{name: name})
		p.used = append(p.used, p.place(at))
	}
	return i
}

func (p *parser) rule() error {
	from := p.pos
	name := p.name()
	if len(p.rules) >= maxRules {
		return p.fail(from, "there are more than %d rules", maxRules)
	}
	if name == "" {
		return p.fail(from, "a rule begins with its name (letters, digits, - and _), not with %s", p.here())
	}
	p.space()
	if !strings.HasPrefix(p.text[p.pos:], "::=") {
		return p.fail(p.pos, `"::=" must follow the name of the rule %q, not %s`, name, p.here())
	}
	p.pos += len("::=")
	i := p.number(name, from)
	if p.rules[i].body != nil {
		return p.fail(from, "the rule %q is defined twice; join the two with |", name)
	}
	body, err := p.choice()
	if err != nil {
		return err
	}
	if p.pos < len(p.text) && !p.atRule() {
		return p.fail(p.pos, "%s has no meaning here", p.here())
	}
	p.rules[i].body, p.rules[i].at = body, p.place(from)
	return nil
}

// here describes what stands at the position.
func (p *parser) here() string {
	if p.pos >= len(p.text) {
		return "the end of the text"
	}
	r, _ := utf8.DecodeRuneInString(p.text[p.pos:])
	return strconv.QuoteRune(r)
}

// atRule reports whether the next rule begins.
func (p *parser) atRule() bool {
	from := p.pos
	defer func() { p.pos = from }()
	if p.name() == "" {
		return false
	}
	p.space()
	return strings.HasPrefix(p.text[p.pos:], "::=")
}

func (p *parser) choice() (expr, error) {
	var alts choice
	for {
		s, err := p.sequence()
		if err != nil {
			return nil, err
		}
		alts = append(alts, s)
		if p.pos >= len(p.text) || p.text[p.pos] != '|' {
			break
		}
		p.pos++
	}
	if len(alts) == 1 {
		return alts[0], nil
	}
	return alts, nil
}

func (p *parser) sequence() (expr, error) {
	s := sequence{}
	for {
		p.space()
		if p.pos >= len(p.text) || p.text[p.pos] == '|' || p.text[p.pos] == ')' || isNameByte(p.text[p.pos]) && p.atRule() {
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
}

func (p *parser) part() (expr, error) {
	from := p.pos
	switch c := p.text[p.pos]; {
	case c == '"':
		return p.literal()
	case c == '[':
		return p.class()
	case c == '.':
		p.pos++
		return runeSet{{0, maxRune}}, nil
	case c == '(':
		p.pos++
		if p.depth++; p.depth > maxDepth {
			return nil, p.fail(from, "groups lie more than %d deep in each other", maxDepth)
		}
		e, err := p.choice()
		if err != nil {
			return nil, err
		}
		if p.pos >= len(p.text) || p.text[p.pos] != ')' {
			return nil, p.fail(from, `this "(" is not closed`)
		}
		p.pos++
		p.depth--
		return e, nil
	case isNameByte(c):
		name := p.name()
		return reference{p.number(name, from), p.place(from)}, nil
	case c == '*' || c == '+' || c == '?' || c == '{':
		return nil, p.fail(from, "%q has nothing before it to repeat", c)
	}
	return nil, p.fail(from, "%s has no meaning here", p.here())
}

// times reads what follows a part: how often it comes.
func (p *parser) times(e expr) (expr, error) {
	for n := 1; ; n++ {
		p.space()
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
			if err := p.counts(&r); err != nil {
				return nil, err
			}
		default:
			return e, nil
		}
		if n > maxRepeats {
			return nil, p.fail(p.pos, "more than %d repetitions follow each other; one is enough", maxRepeats)
		}
		p.pos++
		e = r
	}
}

// counts reads {m}, {m,} and {m,n} up to the closing brace.
func (p *parser) counts(r *repeat) error {
	from := p.pos
	p.pos++
	number := func() (int, bool, error) {
		p.space()
		at := p.pos
		for p.pos < len(p.text) && p.text[p.pos] >= '0' && p.text[p.pos] <= '9' {
			p.pos++
		}
		digits := p.text[at:p.pos]
		p.space()
		if digits == "" {
			return 0, false, nil
		}
		n, err := strconv.Atoi(digits)
		if err != nil || n > math.MaxInt32/2 {
			return 0, false, p.fail(at, "the count %s is too large", digits)
		}
		return n, true, nil
	}
	least, ok, err := number()
	if err != nil {
		return err
	}
	r.least, r.most = least, least
	comma := p.pos < len(p.text) && p.text[p.pos] == ','
	if comma {
		p.pos++
		most, given, err := number()
		if err != nil {
			return err
		}
		if r.most = most; !given {
			r.most = -1
		}
		ok = ok || given
	}
	switch {
	case !ok || p.pos >= len(p.text) || p.text[p.pos] != '}':
		return p.fail(from, "a count is {m}, {m,}, {,n} or {m,n}")
	case r.most >= 0 && r.most < r.least:
		return p.fail(from, "the count {%d,%d} asks for at least %d and at most %d", r.least, r.most, r.least, r.most)
	}
	return nil
}

func (p *parser) literal() (expr, error) {
	from := p.pos
	p.pos++
	var text strings.Builder
	for p.pos < len(p.text) && p.text[p.pos] != '"' {
		if p.text[p.pos] == '\n' {
			break
		}
		r, err := p.char()
		if err != nil {
			return nil, err
		}
		text.WriteRune(r)
	}
	if p.pos >= len(p.text) || p.text[p.pos] != '"' {
		return nil, p.fail(from, `this '"' is not closed on its line`)
	}
	p.pos++
	return literal(text.String()), nil
}

func (p *parser) class() (expr, error) {
	from := p.pos
	p.pos++
	negated := strings.HasPrefix(p.text[p.pos:], "^")
	if negated {
		p.pos++
	}
	var set runeSet
	for p.pos < len(p.text) && p.text[p.pos] != ']' {
		at := p.pos
		lo, err := p.char()
		if err != nil {
			return nil, err
		}
		hi := lo
		if rest := p.text[p.pos:]; len(rest) > 1 && rest[0] == '-' && rest[1] != ']' {
			p.pos++
			if hi, err = p.char(); err != nil {
				return nil, err
			}
		}
		if hi < lo {
			return nil, p.fail(at, "the range %q-%q runs backwards", lo, hi)
		}
		set = append(set, runeRange{lo, hi})
	}
	if p.pos >= len(p.text) {
		return nil, p.fail(from, `this "[" is not closed`)
	}
	p.pos++
	if negated {
		set = set.complement()
	}
	if set = set.normal(); len(set) == 0 {
		return nil, p.fail(from, "this class has no character")
	}
	return set, nil
}

// char reads a character of a string or a class.
func (p *parser) char() (rune, error) {
	at := p.pos
	r, n := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += n
	if r != '\\' {
		return r, nil
	}
	if p.pos >= len(p.text) {
		return 0, p.fail(at, "nothing follows the backslash")
	}
	c, n := utf8.DecodeRuneInString(p.text[p.pos:])
	p.pos += n
	switch c {
	case 'n':
		return '\n', nil
	case 't':
		return '\t', nil
	case 'r':
		return '\r', nil
	case '"', '\'', '\\', '[', ']', '-', '^':
		return c, nil
	case 'x':
		return p.hex(at, 2)
	case 'u':
		return p.hex(at, 4)
	case 'U':
		return p.hex(at, 8)
	}
	return 0, p.fail(at, `\%c is no escape; there are \n \t \r \" \' \\ \[ \] \- \^ \xNN \uNNNN \UNNNNNNNN`, c)
}

func (p *parser) hex(at, n int) (rune, error) {
	if len(p.text)-p.pos < n {
		return 0, p.fail(at, "the escape needs %d hexadecimal digits", n)
	}
	v, err := strconv.ParseUint(p.text[p.pos:p.pos+n], 16, 32)
	if err != nil {
		return 0, p.fail(at, "the escape needs %d hexadecimal digits", n)
	}
	if v > maxRune || v >= surrogateFirst && v <= surrogateLast {
		return 0, p.fail(at, "there is no character U+%04X", v)
	}
	p.pos += n
	return rune(v), nil
}
