package jinja

import (
	"math"
	"slices"
	"strconv"
	"strings"
)

// The grammar of expressions, loosest first, one method for each level:
//
//	expression  or [if or [else expression]]
//	or, and, not
//	comparison  sum (== != < <= > >= in, not in) sum …
//	sum         join (+ -) join …
//	join        product ~ product …
//	product     power (* / // %) power …
//	power       unary ** unary …
//	unary       (- +) unary | primary, then .name [key] (args), then |filter and "is test"

// expression reads an expression without bare commas.
func (p *parser) expression() (expr, error) {
	up, err := p.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	x, err := p.or()
	if err != nil {
		return nil, err
	}
	for p.isName("if") {
		line := at(p.next().line)
		cond, err := p.or()
		if err != nil {
			return nil, err
		}
		c := &choice{at: line, cond: cond, yes: x}
		if p.acceptName("else") {
			if c.no, err = p.expression(); err != nil {
				return nil, err
			}
		}
		x = c
	}
	return x, nil
}

// tupleOrExpr reads an expression, or several with commas between them.
func (p *parser) tupleOrExpr() (expr, error) { return p.tuple(p.expression) }

// tuple reads one or more of what element reads; with commas they are a tuple.
func (p *parser) tuple(element func() (expr, error)) (expr, error) {
	line := at(p.peek().line)
	first, err := element()
	if err != nil || !p.isOp(",") {
		return first, err
	}
	items := []expr{first}
	for p.acceptOp(",") {
		if p.endsTuple() {
			break
		}
		x, err := element()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	return &listExpr{line, items, true}, nil
}

func (p *parser) endsTuple() bool {
	k := p.peek().kind
	return k == kindPrintEnd || k == kindBlockEnd || p.isOp(")") || p.isName("if") || p.isName("recursive")
}

// binaries reads operators of one level, left to right.
func (p *parser) binaries(operand func() (expr, error), is func() string) (expr, error) {
	left, err := operand()
	if err != nil {
		return nil, err
	}
	for {
		op := is()
		if op == "" {
			return left, nil
		}
		line := at(p.next().line)
		right, err := operand()
		if err != nil {
			return nil, err
		}
		left = &binary{line, op, left, right}
	}
}

// ops returns a function that says which of the operators comes next.
func (p *parser) ops(k kind, ops ...string) func() string {
	return func() string {
		if t := p.peek(); t.kind == k && slices.Contains(ops, t.text) {
			return t.text
		}
		return ""
	}
}

func (p *parser) or() (expr, error) { return p.binaries(p.and, p.ops(kindName, "or")) }

func (p *parser) and() (expr, error) { return p.binaries(p.not, p.ops(kindName, "and")) }

func (p *parser) not() (expr, error) {
	if !p.isName("not") {
		return p.comparison()
	}
	up, err := p.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	line := at(p.next().line)
	x, err := p.not()
	return &unary{line, "not", x}, err
}

func (p *parser) comparison() (expr, error) {
	first, err := p.sum()
	if err != nil {
		return nil, err
	}
	c := &compare{at: at(p.peek().line), first: first}
	for {
		op := p.comparator()
		if op == "" {
			break
		}
		x, err := p.sum()
		if err != nil {
			return nil, err
		}
		c.ops, c.rest = append(c.ops, op), append(c.rest, x)
	}
	if len(c.ops) == 0 {
		return first, nil
	}
	return c, nil
}

// comparator takes an operator that compares, or returns "".
func (p *parser) comparator() string {
	t := p.peek()
	switch {
	case t.kind == kindOp && slices.Contains([]string{"==", "!=", "<", "<=", ">", ">="}, t.text):
		return p.next().text
	case p.acceptName("in"):
		return "in"
	case p.isName("not") && p.tokens[p.pos+1].kind == kindName && p.tokens[p.pos+1].text == "in":
		p.next()
		p.next()
		return "not in"
	}
	return ""
}

func (p *parser) sum() (expr, error) { return p.binaries(p.join, p.ops(kindOp, "+", "-")) }

func (p *parser) join() (expr, error) { return p.binaries(p.product, p.ops(kindOp, "~")) }

func (p *parser) product() (expr, error) {
	return p.binaries(p.power, p.ops(kindOp, "*", "/", "//", "%"))
}

func (p *parser) power() (expr, error) {
	return p.binaries(func() (expr, error) { return p.unary(true) }, p.ops(kindOp, "**"))
}

// unary reads a value with its signs and what follows it; filters bind looser than a sign.
func (p *parser) unary(filters bool) (expr, error) {
	up, err := p.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	var x expr
	if t := p.peek(); p.isOp("-") || p.isOp("+") {
		p.next()
		if x, err = p.unary(false); err == nil {
			x = &unary{at(t.line), t.text, x}
		}
	} else {
		x, err = p.primary()
	}
	if err == nil {
		x, err = p.postfix(x)
	}
	if err == nil && filters {
		x, err = p.filtered(x)
	}
	return x, err
}

func (p *parser) primary() (expr, error) {
	t := p.next()
	line := at(t.line)
	switch t.kind {
	case kindName:
		switch t.text {
		case "true", "True":
			return &literal{line, true}, nil
		case "false", "False":
			return &literal{line, false}, nil
		case "none", "None":
			return &literal{line, nil}, nil
		}
		p.names[t.text] = true
		return &variable{line, t.text}, nil
	case kindString:
		text := t.text
		for p.peek().kind == kindString {
			text += p.next().text
		}
		return &literal{line, text}, nil
	case kindInt:
		n, err := strconv.ParseInt(t.text, 0, 64)
		if err != nil {
			n, err = strconv.ParseInt(t.text, 10, 64) // 007
		}
		if err != nil {
			return nil, p.errorf(t, "number %s is too large", t.text)
		}
		return &literal{line, n}, nil
	case kindFloat:
		f, err := strconv.ParseFloat(t.text, 64)
		if err != nil || math.IsInf(f, 0) {
			return nil, p.errorf(t, "number %s is too large", t.text)
		}
		return &literal{line, f}, nil
	case kindOp:
		switch t.text {
		case "(":
			return p.parenthesis(line)
		case "[":
			items, err := p.list("]")
			return &listExpr{line, items, false}, err
		case "{":
			return p.dict(line)
		}
	}
	return nil, p.errorf(t, "an expression expected, found %s", t)
}

func (p *parser) parenthesis(line at) (expr, error) {
	if p.acceptOp(")") {
		return &listExpr{line, nil, true}, nil
	}
	x, err := p.tupleOrExpr()
	if err != nil {
		return nil, err
	}
	return x, p.expectOp(")")
}

// list reads expressions up to a closing bracket.
func (p *parser) list(end string) ([]expr, error) {
	var items []expr
	for !p.acceptOp(end) {
		if len(items) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.acceptOp(end) {
				break
			}
		}
		x, err := p.expression()
		if err != nil {
			return nil, err
		}
		items = append(items, x)
	}
	return items, nil
}

func (p *parser) dict(line at) (expr, error) {
	d := &dictExpr{at: line}
	for !p.acceptOp("}") {
		if len(d.keys) > 0 {
			if err := p.expectOp(","); err != nil {
				return nil, err
			}
			if p.acceptOp("}") {
				break
			}
		}
		key, err := p.expression()
		if err != nil {
			return nil, err
		}
		if err := p.expectOp(":"); err != nil {
			return nil, err
		}
		value, err := p.expression()
		if err != nil {
			return nil, err
		}
		d.keys, d.values = append(d.keys, key), append(d.values, value)
	}
	return d, nil
}

func (p *parser) postfix(x expr) (expr, error) {
	for {
		t := p.peek()
		var err error
		switch {
		case p.acceptOp("."):
			x, err = p.dot(x, at(t.line))
		case p.acceptOp("["):
			x, err = p.subscript(x, at(t.line))
		case p.acceptOp("("):
			c := &call{at: at(t.line), fn: x}
			c.args, err = p.arguments()
			x = c
		default:
			return x, nil
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) dot(x expr, line at) (expr, error) {
	t := p.next()
	switch t.kind {
	case kindName:
		return &attribute{line, x, t.text}, nil
	case kindInt:
		if n, err := strconv.ParseInt(t.text, 10, 64); err == nil {
			return &item{line, x, &literal{line, n}}, nil
		}
	}
	return nil, p.errorf(t, "a name expected after '.', found %s", t)
}

func (p *parser) subscript(x expr, line at) (expr, error) {
	s := &slice{at: line, x: x}
	parts := []*expr{&s.from, &s.to, &s.step}
	colons := 0
	for !p.isOp("]") {
		if p.acceptOp(":") {
			if colons++; colons > 2 {
				return nil, p.errorf(p.peek(), "a slice has at most three parts")
			}
			continue
		}
		if *parts[colons] != nil {
			return nil, p.errorf(p.peek(), "']' expected, found %s", p.peek())
		}
		part, err := p.expression()
		if err != nil {
			return nil, err
		}
		*parts[colons] = part
	}
	end := p.next()
	switch {
	case colons > 0:
		return s, nil
	case s.from == nil:
		return nil, p.errorf(end, "an index expected between '[' and ']'")
	}
	return &item{line, x, s.from}, nil
}

// arguments reads what stands behind "(".
func (p *parser) arguments() (a arguments, err error) {
	for first := true; !p.acceptOp(")"); first = false {
		if !first {
			if err := p.expectOp(","); err != nil {
				return a, err
			}
			if p.acceptOp(")") {
				break
			}
		}
		if err := p.argument(&a); err != nil {
			return a, err
		}
	}
	return a, nil
}

func (p *parser) argument(a *arguments) (err error) {
	t := p.peek()
	next := p.tokens[min(p.pos+1, len(p.tokens)-1)]
	switch {
	case p.acceptOp("*"):
		a.star, err = p.expression()
	case p.acceptOp("**"):
		a.starStar, err = p.expression()
	case t.kind == kindName && next.kind == kindOp && next.text == "=":
		p.next()
		p.next()
		x, err := p.expression()
		a.names, a.keywords = append(a.names, t.text), append(a.keywords, x)
		return err
	default:
		if len(a.names) > 0 || a.starStar != nil {
			return p.errorf(t, "an argument without a name follows one with a name")
		}
		x, err := p.expression()
		a.positional = append(a.positional, x)
		return err
	}
	return err
}

// filtered reads the filters and tests behind a value.
func (p *parser) filtered(x expr) (expr, error) {
	for {
		t := p.peek()
		switch {
		case p.acceptOp("|"):
			f, err := p.oneFilter(x)
			if err != nil {
				return nil, err
			}
			x = f
		case p.acceptName("is"):
			tested, err := p.test(x, at(t.line))
			if err != nil {
				return nil, err
			}
			x = tested
		case p.isOp("("):
			p.next()
			args, err := p.arguments()
			if err != nil {
				return nil, err
			}
			x = &call{at(t.line), x, args}
		default:
			return x, nil
		}
	}
}

// oneFilter reads the name and arguments of a filter.
func (p *parser) oneFilter(x expr) (*filter, error) {
	t := p.peek()
	name, err := p.dotted()
	if err != nil {
		return nil, err
	}
	if _, ok := filters[name]; !ok {
		return nil, p.errorf(t, "filter '%s' does not exist", name)
	}
	f := &filter{at: at(t.line), x: x, name: name}
	if p.acceptOp("(") {
		f.args, err = p.arguments()
	}
	return f, err
}

func (p *parser) test(x expr, line at) (expr, error) {
	negated := p.acceptName("not")
	t := p.peek()
	name, err := p.dotted()
	if err != nil {
		return nil, err
	}
	if _, ok := tests[name]; !ok {
		return nil, p.errorf(t, "test '%s' does not exist", name)
	}
	n := &test{at: line, x: x, name: name}
	switch next := p.peek(); {
	case p.acceptOp("("):
		n.args, err = p.arguments()
	case next.kind == kindString, next.kind == kindInt, next.kind == kindFloat, p.isOp("["), p.isOp("{"),
		next.kind == kindName && !slices.Contains([]string{"else", "or", "and", "is", "if", "in", "not", "recursive"}, next.text):
		var arg expr
		if arg, err = p.primary(); err == nil {
			arg, err = p.postfix(arg)
		}
		n.args.positional = []expr{arg}
	}
	if err != nil {
		return nil, err
	}
	if negated {
		return &unary{line, "not", n}, nil
	}
	return n, nil
}

// dotted reads a name with dots in it.
func (p *parser) dotted() (string, error) {
	var parts []string
	for {
		part, err := p.identifier()
		if err != nil {
			return "", err
		}
		parts = append(parts, part)
		if !p.acceptOp(".") {
			return strings.Join(parts, "."), nil
		}
	}
}
