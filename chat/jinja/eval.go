package jinja

import (
	"fmt"
	"math"
	"math/big"
	"math/bits"
	"strings"
)

// eval computes an expression.
func (r *run) eval(x expr, s *scope) (v any, err error) {
	up, err := r.deeper()
	if err == nil {
		defer up()
		if err = r.spend(1); err == nil {
			v, err = r.value(x, s)
		}
	}
	if err != nil {
		return nil, atLine(err, x.pos())
	}
	return v, nil
}

func (r *run) value(x expr, s *scope) (any, error) {
	switch x := x.(type) {
	case *literal:
		return x.value, nil
	case *variable:
		if v, ok := s.get(x.name); ok {
			return v, nil
		}
		return Undefined{fmt.Sprintf("'%s' is undefined", x.name)}, nil
	case *listExpr:
		items, err := r.evalAll(x.items, s)
		return &List{items, x.tuple}, err
	case *dictExpr:
		return r.dict(x, s)
	case *unary:
		return r.unary(x, s)
	case *binary:
		return r.binary(x, s)
	case *compare:
		return r.compare(x, s)
	case *choice:
		cond, err := r.eval(x.cond, s)
		if err != nil {
			return nil, err
		}
		if truth(cond) {
			return r.eval(x.yes, s)
		}
		if x.no == nil {
			return Undefined{"the inline if has no else"}, nil
		}
		return r.eval(x.no, s)
	case *attribute:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		return r.attribute(v, x.name)
	case *item:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		key, err := r.eval(x.key, s)
		if err != nil {
			return nil, err
		}
		return r.item(v, key)
	case *slice:
		return r.slice(x, s)
	case *call:
		fn, a, err := r.callee(x, s)
		if err != nil {
			return nil, err
		}
		return r.apply(fn, a)
	case *filter:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		return r.filter(x, v, s)
	case *test:
		v, err := r.eval(x.x, s)
		if err != nil {
			return nil, err
		}
		a, err := r.args(x.args, s)
		if err != nil {
			return nil, err
		}
		return tests[x.name](r, v, a)
	}
	return nil, fault("BUG: expression %T", x)
}

func (r *run) evalAll(xs []expr, s *scope) ([]any, error) {
	if err := r.alloc(len(xs) * bytesPerValue); err != nil {
		return nil, err
	}
	out := make([]any, len(xs))
	for i, x := range xs {
		v, err := r.eval(x, s)
		if err != nil {
			return nil, err
		}
		out[i] = v
	}
	return out, nil
}

func (r *run) dict(x *dictExpr, s *scope) (any, error) {
	keys, err := r.evalAll(x.keys, s)
	if err != nil {
		return nil, err
	}
	values, err := r.evalAll(x.values, s)
	if err != nil {
		return nil, err
	}
	d := &Dict{}
	for i, key := range keys {
		if isHashable(key) {
			d.Set(key, values[i])
		} else {
			return nil, fault("a value of type %s cannot be a key", typeName(key))
		}
	}
	return d, nil
}

// filter applies one filter to v.
func (r *run) filter(x *filter, v any, s *scope) (any, error) {
	a, err := r.args(x.args, s)
	if err != nil {
		return nil, err
	}
	return filters[x.name](r, v, a)
}

// chain sends text through the filters of a block; nil is none.
func (r *run) chain(x *filter, v any, s *scope) (any, error) {
	if x == nil {
		return v, nil
	}
	if inner, ok := x.x.(*filter); ok {
		var err error
		if v, err = r.chain(inner, v, s); err != nil {
			return nil, err
		}
	}
	return r.filter(x, v, s)
}

func (r *run) unary(x *unary, s *scope) (any, error) {
	v, err := r.eval(x.x, s)
	if err != nil {
		return nil, err
	}
	if x.op == "not" {
		return !truth(v), nil
	}
	if i, ok := asInt(v); ok {
		if x.op == "-" {
			i = -i
		}
		return i, nil
	}
	f, ok := asFloat(v)
	if !ok {
		return nil, badOperand(x.op, v)
	}
	if x.op == "-" {
		f = -f
	}
	return f, nil
}

func badOperand(op string, values ...any) error {
	for _, v := range values {
		if u, ok := v.(Undefined); ok {
			return u.err()
		}
	}
	if len(values) == 2 {
		return fault("'%s' does not work between values of types %s and %s", op, typeName(values[0]), typeName(values[1]))
	}
	return fault("'%s' does not work on a value of type %s", op, typeName(values[0]))
}

func (r *run) compare(x *compare, s *scope) (any, error) {
	left, err := r.eval(x.first, s)
	if err != nil {
		return nil, err
	}
	for i, op := range x.ops {
		right, err := r.eval(x.rest[i], s)
		if err != nil {
			return nil, err
		}
		holds, err := r.compareTwo(op, left, right)
		if err != nil || !holds {
			return false, err
		}
		left = right
	}
	return true, nil
}

func (r *run) compareTwo(op string, a, b any) (bool, error) {
	switch op {
	case "==":
		return r.equal(a, b)
	case "!=":
		same, err := r.equal(a, b)
		return !same, err
	case "in":
		return r.contains(b, a)
	case "not in":
		in, err := r.contains(b, a)
		return !in, err
	}
	order, err := r.order(a, b)
	switch op {
	case "<":
		return order < 0, err
	case "<=":
		return order <= 0, err
	case ">":
		return order > 0, err
	}
	return order >= 0, err
}

func (r *run) binary(x *binary, s *scope) (any, error) {
	a, err := r.eval(x.l, s)
	if err != nil {
		return nil, err
	}
	if x.op == "and" && !truth(a) || x.op == "or" && truth(a) {
		return a, nil
	}
	b, err := r.eval(x.r, s)
	if err != nil {
		return nil, err
	}
	switch x.op {
	case "and", "or":
		return b, nil
	case "~":
		left, err := r.str(a)
		if err != nil {
			return nil, err
		}
		right, err := r.str(b)
		if err != nil {
			return nil, err
		}
		return r.joined(left, right)
	}
	return r.arithmetic(x.op, a, b)
}

func (r *run) joined(a, b string) (any, error) {
	if err := r.alloc(len(a) + len(b)); err != nil {
		return nil, err
	}
	return a + b, nil
}

// arithmetic computes a op b for + - * / // % **.
func (r *run) arithmetic(op string, a, b any) (any, error) {
	if i, ok := asInt(a); ok {
		if j, ok := asInt(b); ok {
			return integers(op, i, j)
		}
	}
	if f, ok := asFloat(a); ok {
		if g, ok := asFloat(b); ok {
			return floats(op, f, g)
		}
	}
	switch op {
	case "+":
		if s, ok := a.(string); ok {
			if t, ok := b.(string); ok {
				return r.joined(s, t)
			}
		}
		if l, ok := a.(*List); ok {
			if m, ok := b.(*List); ok && l.tuple == m.tuple {
				if err := r.alloc((len(l.items) + len(m.items)) * bytesPerValue); err != nil {
					return nil, err
				}
				return &List{append(l.items[:len(l.items):len(l.items)], m.items...), l.tuple}, nil
			}
		}
	case "*":
		if n, ok := asInt(b); ok {
			return r.repeat(a, n)
		}
		if n, ok := asInt(a); ok {
			return r.repeat(b, n)
		}
	case "%":
		if s, ok := a.(string); ok {
			return r.percent(s, b)
		}
	}
	return nil, badOperand(op, a, b)
}

// repeat is a string or list n times.
func (r *run) repeat(v any, n int64) (any, error) {
	n = max(n, 0)
	size := func(length, each int) error {
		high, low := bits.Mul64(uint64(n), uint64(length*each))
		if high != 0 || low > math.MaxInt32 {
			return r.alloc(-1)
		}
		return r.alloc(int(low))
	}
	switch v := v.(type) {
	case string:
		if err := size(len(v), 1); err != nil {
			return nil, err
		}
		if v == "" {
			return "", nil
		}
		return strings.Repeat(v, int(n)), nil
	case *List:
		if err := size(len(v.items), bytesPerValue); err != nil {
			return nil, err
		}
		out := &List{tuple: v.tuple}
		if len(v.items) > 0 {
			for range n {
				out.items = append(out.items, v.items...)
			}
		}
		return out, nil
	}
	return nil, badOperand("*", v, n)
}

func integers(op string, a, b int64) (any, error) {
	switch op {
	case "/":
		return floats(op, float64(a), float64(b))
	case "//", "%":
		if b == 0 {
			return nil, fault("division by zero")
		}
		if b == -1 { // the quotient of the smallest integer does not fit
			if op == "%" {
				return int64(0), nil
			}
			return exact(new(big.Int).Neg(big.NewInt(a)))
		}
		quotient, rest := a/b, a%b
		if rest != 0 && (rest < 0) != (b < 0) { // Python rounds down
			quotient, rest = quotient-1, rest+b
		}
		if op == "%" {
			return rest, nil
		}
		return quotient, nil
	case "**":
		if b < 0 {
			return floats(op, float64(a), float64(b))
		}
		if b > 64 && a != 0 && a != 1 && a != -1 {
			return nil, fault("%d ** %d is too large", a, b)
		}
		if b > 64 {
			b = 64 + b%2
		}
		return exact(new(big.Int).Exp(big.NewInt(a), big.NewInt(b), nil))
	}
	x, y := big.NewInt(a), big.NewInt(b)
	switch op {
	case "+":
		return exact(x.Add(x, y))
	case "-":
		return exact(x.Sub(x, y))
	}
	return exact(x.Mul(x, y))
}

// exact returns a result that fits in 64 bits.
func exact(n *big.Int) (any, error) {
	if !n.IsInt64() {
		return nil, fault("an integer is too large")
	}
	return n.Int64(), nil
}

func floats(op string, a, b float64) (any, error) {
	if b == 0 && (op == "/" || op == "//" || op == "%") {
		return nil, fault("division by zero")
	}
	switch op {
	case "+":
		return a + b, nil
	case "-":
		return a - b, nil
	case "*":
		return a * b, nil
	case "/":
		return a / b, nil
	case "//":
		return math.Floor(a / b), nil
	case "%":
		rest := math.Mod(a, b)
		if rest != 0 && (rest < 0) != (b < 0) {
			rest += b
		}
		return rest, nil
	}
	return math.Pow(a, b), nil
}

// attribute is v.name: what the type offers first, then the dictionary's entry.
func (r *run) attribute(v any, name string) (any, error) {
	if u, ok := v.(Undefined); ok {
		return nil, u.err()
	}
	if found, ok := r.member(v, name); ok {
		return found, nil
	}
	if d, ok := v.(*Dict); ok {
		if found, ok := d.Get(name); ok {
			return found, nil
		}
	}
	return Undefined{fmt.Sprintf("a value of type %s has no attribute '%s'", typeName(v), name)}, nil
}

// member finds what a type offers under a name: methods, and the attributes of namespaces and loops.
func (r *run) member(v any, name string) (any, bool) {
	switch v := v.(type) {
	case string:
		if m, ok := stringMethods[name]; ok {
			return &function{name, func(r *run, a args) (any, error) { return m(r, v, a) }}, true
		}
	case *Dict:
		if m, ok := dictMethods[name]; ok {
			return &function{name, func(r *run, a args) (any, error) { return m(r, v, a) }}, true
		}
	case *List:
		if m, ok := listMethods[name]; ok {
			return &function{name, func(r *run, a args) (any, error) { return m(r, v, a) }}, true
		}
	case *namespace:
		found, ok := v.attributes[name]
		return found, ok
	case *loop:
		return v.attribute(r, name)
	case *cycler:
		return v.member(name)
	case *function:
		if name == "name" {
			return v.name, true
		}
	}
	return nil, false
}

// item is v[key].
func (r *run) item(v, key any) (any, error) {
	missing := Undefined{fmt.Sprintf("a value of type %s has no such item", typeName(v))}
	switch v := v.(type) {
	case Undefined:
		return nil, v.err()
	case *Dict:
		if isHashable(key) {
			if found, ok := v.Get(key); ok {
				return found, nil
			}
		}
	case *List:
		if i, ok := asInt(key); ok {
			if i < 0 {
				i += int64(len(v.items))
			}
			if i < 0 || i >= int64(len(v.items)) {
				return missing, nil
			}
			return v.items[i], nil
		}
	case string:
		if i, ok := asInt(key); ok {
			runes, err := r.runes(v)
			if err != nil {
				return nil, err
			}
			if i < 0 {
				i += int64(len(runes))
			}
			if i < 0 || i >= int64(len(runes)) {
				return missing, nil
			}
			return string(runes[i]), nil
		}
	}
	if name, ok := key.(string); ok {
		missing.Hint = fmt.Sprintf("a value of type %s has no item '%s'", typeName(v), name)
		if found, ok := r.member(v, name); ok {
			return found, nil
		}
	}
	return missing, nil
}

// runes are the characters of s.
func (r *run) runes(s string) ([]rune, error) {
	if err := r.alloc(4 * len(s)); err != nil {
		return nil, err
	}
	return []rune(s), nil
}

func (r *run) slice(x *slice, s *scope) (any, error) {
	v, err := r.eval(x.x, s)
	if err != nil {
		return nil, err
	}
	switch v := v.(type) {
	case *List, string:
	case Undefined:
		return nil, v.err()
	default:
		return nil, fault("a value of type %s cannot be sliced", typeName(v))
	}
	var bounds [3]*int64
	for i, part := range []expr{x.from, x.to, x.step} {
		if part == nil {
			continue
		}
		v, err := r.eval(part, s)
		if err != nil {
			return nil, err
		}
		n, ok := asInt(v)
		if !ok && v != nil {
			return nil, fault("a slice needs integers, not a value of type %s", typeName(v))
		}
		if ok {
			bounds[i] = &n
		}
	}
	if l, ok := v.(*List); ok {
		picked, err := sliced(l.items, bounds)
		if err != nil {
			return nil, err
		}
		return &List{picked, l.tuple}, r.alloc(len(picked) * bytesPerValue)
	}
	text, err := r.str(v)
	if err != nil {
		return nil, err
	}
	runes, err := r.runes(text)
	if err != nil {
		return nil, err
	}
	picked, err := sliced(runes, bounds)
	return string(picked), err
}

// sliced is items[from:to:step] with Python's rules; nil bounds are not given.
func sliced[T any](items []T, bounds [3]*int64) ([]T, error) {
	n := int64(len(items))
	step := int64(1)
	if bounds[2] != nil {
		step = *bounds[2]
	}
	if step == 0 {
		return nil, fault("the step of a slice cannot be 0")
	}
	low, high := int64(0), n // where a bound may lie
	if step < 0 {
		low, high = -1, n-1
	}
	bound := func(given *int64, otherwise int64) int64 {
		if given == nil {
			return otherwise
		}
		at := *given
		if at < 0 {
			at += n
		}
		return min(max(at, low), high)
	}
	from, to := bound(bounds[0], low), bound(bounds[1], high)
	if step < 0 {
		from, to = bound(bounds[0], high), bound(bounds[1], low)
	}
	step = min(max(step, -n-1), n+1) // no overflow below
	var out []T
	for i := from; step > 0 && i < to || step < 0 && i > to; i += step {
		out = append(out, items[i])
	}
	return out, nil
}
