package jinja

import (
	"fmt"
	"maps"
	"slices"
)

// maxSource bounds a template's length in bytes; the longest published ones have 20,000.
const maxSource = 1 << 20

// maxNesting bounds how deep expressions and blocks may stand in each other in the source.
const maxNesting = 200

// parser turns tokens into nodes by recursive descent.
type parser struct {
	tokens []token
	pos    int
	depth  int
	loops  int // loops around the current statement
	names  map[string]bool
}

func (p *parser) peek() token { return p.tokens[p.pos] }

func (p *parser) next() token {
	t := p.tokens[p.pos]
	if t.kind != kindEOF {
		p.pos++
	}
	return t
}

func (p *parser) is(k kind, text string) bool { t := p.peek(); return t.kind == k && t.text == text }

func (p *parser) isOp(text string) bool { return p.is(kindOp, text) }

func (p *parser) isName(text string) bool { return p.is(kindName, text) }

// accept takes a token if it is the one asked for.
func (p *parser) accept(k kind, text string) bool {
	if !p.is(k, text) {
		return false
	}
	p.next()
	return true
}

func (p *parser) acceptOp(text string) bool { return p.accept(kindOp, text) }

func (p *parser) acceptName(text string) bool { return p.accept(kindName, text) }

func (p *parser) errorf(t token, format string, args ...any) error {
	return &Error{Line: t.line, Message: fmt.Sprintf(format, args...)}
}

func (p *parser) expectOp(text string) error {
	if t := p.next(); t.kind != kindOp || t.text != text {
		return p.errorf(t, "'%s' expected, found %s", text, t)
	}
	return nil
}

func (p *parser) expectName(text string) error {
	if t := p.next(); t.kind != kindName || t.text != text {
		return p.errorf(t, "'%s' expected, found %s", text, t)
	}
	return nil
}

func (p *parser) identifier() (string, error) {
	t := p.next()
	if t.kind != kindName {
		return "", p.errorf(t, "a name expected, found %s", t)
	}
	return t.text, nil
}

// deeper counts nesting; the caller defers the function it returns.
func (p *parser) deeper() (func(), error) {
	if p.depth++; p.depth > maxNesting {
		return nil, p.errorf(p.peek(), "the template is nested more than %d deep", maxNesting)
	}
	return func() { p.depth-- }, nil
}

// blockEnd takes the %} of a tag.
func (p *parser) blockEnd() error {
	if t := p.next(); t.kind != kindBlockEnd {
		return p.errorf(t, "'%%}' expected, found %s", t)
	}
	return nil
}

// body reads statements up to a tag of one of the names, takes that tag's name and returns it.
func (p *parser) body(ends ...string) ([]stmt, string, error) {
	up, err := p.deeper()
	if err != nil {
		return nil, "", err
	}
	defer up()
	var out []stmt
	for {
		t := p.next()
		switch t.kind {
		case kindEOF:
			if len(ends) > 0 {
				return nil, "", p.errorf(t, "'%s' is missing", ends[len(ends)-1])
			}
			return out, "", nil
		case kindData:
			out = append(out, &data{at(t.line), t.text})
		case kindPrintBegin:
			x, err := p.tupleOrExpr()
			if err != nil {
				return nil, "", err
			}
			if end := p.next(); end.kind != kindPrintEnd {
				return nil, "", p.errorf(end, "'}}' expected, found %s", end)
			}
			out = append(out, &printStmt{at(t.line), x})
		case kindBlockBegin:
			word, err := p.identifier()
			if err != nil {
				return nil, "", err
			}
			if slices.Contains(ends, word) {
				return out, word, nil
			}
			s, err := p.statement(word, t)
			if err != nil {
				return nil, "", err
			}
			out = append(out, s)
		}
	}
}

// rest reads a body up to one end tag, which takes no arguments.
func (p *parser) rest(end string) ([]stmt, error) {
	body, _, err := p.body(end)
	if err != nil {
		return nil, err
	}
	return body, p.blockEnd()
}

// statement reads the tag called word.
func (p *parser) statement(word string, t token) (stmt, error) {
	line := at(t.line)
	switch word {
	case "if":
		return p.ifStmt(line)
	case "for":
		return p.forStmt(line)
	case "set":
		return p.set(line)
	case "macro":
		return p.macroStmt(line)
	case "call":
		return p.callStmt(line)
	case "with":
		return p.with(line)
	case "filter":
		chain, err := p.filterChain()
		if err != nil {
			return nil, err
		}
		body, err := p.rest("endfilter")
		return &filterStmt{line, chain, body}, err
	case "generation":
		if err := p.blockEnd(); err != nil {
			return nil, err
		}
		body, err := p.rest("endgeneration")
		return &groupStmt{line, body}, err
	case "block":
		return p.block(line)
	case "break", "continue":
		if p.loops == 0 {
			return nil, p.errorf(t, "'%s' stands outside a loop", word)
		}
		return &jump{line, word == "break"}, p.blockEnd()
	case "include", "import", "from", "extends":
		return nil, p.errorf(t, "'%s' is not allowed: a chat template stands alone", word)
	}
	return nil, p.errorf(t, "tag '%s' is unknown here", word)
}

func (p *parser) ifStmt(line at) (stmt, error) {
	s := &ifStmt{at: line}
	for {
		cond, err := p.tupleOrExpr()
		if err != nil {
			return nil, err
		}
		if err := p.blockEnd(); err != nil {
			return nil, err
		}
		body, end, err := p.body("elif", "else", "endif")
		if err != nil {
			return nil, err
		}
		s.conds, s.bodies = append(s.conds, cond), append(s.bodies, body)
		switch end {
		case "endif":
			return s, p.blockEnd()
		case "else":
			if err := p.blockEnd(); err != nil {
				return nil, err
			}
			s.other, err = p.rest("endif")
			return s, err
		}
	}
}

func (p *parser) forStmt(line at) (s stmt, err error) {
	f := &forStmt{at: line}
	if f.targets, err = p.targets(); err != nil {
		return nil, err
	}
	if err := p.expectName("in"); err != nil {
		return nil, err
	}
	if f.iter, err = p.tuple(p.or); err != nil {
		return nil, err
	}
	if p.acceptName("if") {
		if f.cond, err = p.expression(); err != nil {
			return nil, err
		}
	}
	f.recursive = p.acceptName("recursive")
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	p.loops++
	body, end, err := p.body("else", "endfor")
	p.loops--
	if err != nil {
		return nil, err
	}
	f.body = body
	if end == "else" {
		if err := p.blockEnd(); err != nil {
			return nil, err
		}
		f.empty, err = p.rest("endfor")
		return f, err
	}
	return f, p.blockEnd()
}

// targets reads "a", "a, b" or "(a, b)".
func (p *parser) targets() ([]string, error) {
	paren := p.acceptOp("(")
	var names []string
	for {
		name, err := p.identifier()
		if err != nil {
			return nil, err
		}
		names = append(names, name)
		if !p.acceptOp(",") || p.isName("in") || p.isOp(")") {
			break
		}
	}
	if paren {
		return names, p.expectOp(")")
	}
	return names, nil
}

func (p *parser) set(line at) (stmt, error) {
	var targets []target
	for {
		name, err := p.identifier()
		if err != nil {
			return nil, err
		}
		to := target{name: name}
		if p.acceptOp(".") {
			if to.attribute, err = p.identifier(); err != nil {
				return nil, err
			}
		}
		targets = append(targets, to)
		if !p.acceptOp(",") {
			break
		}
	}
	if p.acceptOp("=") {
		x, err := p.tupleOrExpr()
		if err != nil {
			return nil, err
		}
		return &setStmt{line, targets, x}, p.blockEnd()
	}
	if len(targets) != 1 {
		return nil, p.errorf(p.peek(), "'=' expected, found %s", p.peek())
	}
	s := &setBlock{at: line, target: targets[0]}
	if p.acceptOp("|") {
		chain, err := p.filters()
		if err != nil {
			return nil, err
		}
		s.chain = chain
	}
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	body, err := p.rest("endset")
	s.body = body
	return s, err
}

// filterChain reads the filters of a filter block and the end of its tag.
func (p *parser) filterChain() (*filter, error) {
	chain, err := p.filters()
	if err != nil {
		return nil, err
	}
	return chain, p.blockEnd()
}

// filters reads "name(args)|name…", which stand for a chain without a value at its beginning.
func (p *parser) filters() (*filter, error) {
	var x expr
	for {
		f, err := p.oneFilter(x)
		if err != nil {
			return nil, err
		}
		if !p.acceptOp("|") {
			return f, nil
		}
		x = f
	}
}

// params reads "(a, b=1)".
func (p *parser) params(m *macro) error {
	if err := p.expectOp("("); err != nil {
		return err
	}
	for !p.isOp(")") {
		if len(m.params) > 0 {
			if err := p.expectOp(","); err != nil {
				return err
			}
			if p.isOp(")") {
				break
			}
		}
		name, err := p.identifier()
		if err != nil {
			return err
		}
		m.params = append(m.params, name)
		if p.acceptOp("=") {
			x, err := p.expression()
			if err != nil {
				return err
			}
			m.defaults = append(m.defaults, x)
		} else if len(m.defaults) > 0 {
			return p.errorf(p.peek(), "parameter '%s' needs a default, as the one before it has", name)
		}
	}
	return p.expectOp(")")
}

// function reads the parameters and body of a macro or call.
func (p *parser) function(m *macro, end string) (err error) {
	if err := p.blockEnd(); err != nil {
		return err
	}
	loops, names := p.loops, p.names
	p.loops, p.names = 0, map[string]bool{}
	m.body, err = p.rest(end)
	m.uses = p.names
	p.loops, p.names = loops, names
	maps.Copy(names, m.uses)
	return err
}

func (p *parser) macroStmt(line at) (stmt, error) {
	name, err := p.identifier()
	if err != nil {
		return nil, err
	}
	m := &macro{name: name}
	if err := p.params(m); err != nil {
		return nil, err
	}
	return &macroStmt{line, m}, p.function(m, "endmacro")
}

func (p *parser) callStmt(line at) (stmt, error) {
	m := &macro{name: "caller"}
	if p.isOp("(") {
		if err := p.params(m); err != nil {
			return nil, err
		}
	}
	t := p.peek()
	x, err := p.expression()
	if err != nil {
		return nil, err
	}
	c, ok := x.(*call)
	if !ok {
		return nil, p.errorf(t, "a call expected, found %s", t)
	}
	return &callStmt{line, m, c}, p.function(m, "endcall")
}

func (p *parser) with(line at) (stmt, error) {
	s := &withStmt{at: line}
	for p.peek().kind != kindBlockEnd {
		if len(s.names) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
		}
		name, err := p.identifier()
		if err != nil {
			return nil, err
		}
		if err := p.expectOp("="); err != nil {
			return nil, err
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		s.names, s.values = append(s.names, name), append(s.values, x)
	}
	p.next()
	body, err := p.rest("endwith")
	s.body = body
	return s, err
}

func (p *parser) block(line at) (stmt, error) {
	name, err := p.identifier()
	if err != nil {
		return nil, err
	}
	for p.acceptName("scoped") || p.acceptName("required") {
	}
	if err := p.blockEnd(); err != nil {
		return nil, err
	}
	body, _, err := p.body("endblock")
	if err != nil {
		return nil, err
	}
	p.acceptName(name)
	return &scopeStmt{line, body}, p.blockEnd()
}
