package jinja

import (
	"strings"
	"time"
)

// run is one Render: what it has used, what it has written.
type run struct {
	meter
	now func() time.Time
	out *strings.Builder // of the template, or of the macro or block that is being captured
	top *strings.Builder // of the template
}

// scope holds the variables of a loop's turn, a macro or a with block. An if has none.
type scope struct {
	vars   map[string]any
	parent *scope
}

func (s *scope) inner() *scope { return &scope{parent: s} }

func (s *scope) get(name string) (any, bool) {
	for ; s != nil; s = s.parent {
		if v, ok := s.vars[name]; ok {
			return v, true
		}
	}
	return nil, false
}

func (s *scope) set(name string, v any) {
	if s.vars == nil {
		s.vars = map[string]any{}
	}
	s.vars[name] = v
}

// flow says how a block of statements was left.
type flow uint8

const (
	flowOn flow = iota
	flowBreak
	flowContinue
)

// block runs statements in a scope.
func (r *run) block(body []stmt, s *scope) (flow, error) {
	up, err := r.deeper()
	if err != nil {
		return flowOn, err
	}
	defer up()
	for _, st := range body {
		if err := r.spend(1); err != nil {
			return flowOn, atLine(err, st.pos())
		}
		if f, err := r.exec(st, s); err != nil || f != flowOn {
			return f, atLine(err, st.pos())
		}
	}
	return flowOn, nil
}

func (r *run) exec(st stmt, s *scope) (flow, error) {
	switch st := st.(type) {
	case *data:
		return flowOn, r.write(st.text)
	case *printStmt:
		v, err := r.eval(st.x, s)
		if err != nil {
			return flowOn, err
		}
		text, err := r.str(v)
		if err != nil {
			return flowOn, err
		}
		return flowOn, r.write(text)
	case *ifStmt:
		return r.ifStmt(st, s)
	case *forStmt:
		return flowOn, r.forStmt(st, s)
	case *setStmt:
		return flowOn, r.set(st, s)
	case *setBlock:
		text, err := r.capture(st.body, s.inner())
		if err != nil {
			return flowOn, err
		}
		v, err := r.chain(st.chain, text, s)
		if err != nil {
			return flowOn, err
		}
		return flowOn, assign(st.target, v, s)
	case *macroStmt:
		s.set(st.macro.name, r.function(st.macro, s))
		return flowOn, nil
	case *callStmt:
		return flowOn, r.callStmt(st, s)
	case *filterStmt:
		text, err := r.capture(st.body, s.inner())
		if err != nil {
			return flowOn, err
		}
		v, err := r.chain(st.chain, text, s)
		if err != nil {
			return flowOn, err
		}
		text, err = r.str(v)
		if err != nil {
			return flowOn, err
		}
		return flowOn, r.write(text)
	case *withStmt:
		in := s.inner()
		for i, x := range st.values {
			v, err := r.eval(x, s)
			if err != nil {
				return flowOn, err
			}
			in.set(st.names[i], v)
		}
		return r.block(st.body, in)
	case *scopeStmt:
		return r.block(st.body, s.inner())
	case *groupStmt:
		return r.block(st.body, s)
	case *jump:
		if st.stop {
			return flowBreak, nil
		}
		return flowContinue, nil
	}
	return flowOn, fault("BUG: statement %T", st)
}

// write adds to the output.
func (r *run) write(text string) error {
	if err := r.alloc(len(text)); err != nil {
		return err
	}
	if r.out == r.top && r.out.Len()+len(text) > r.left.Output {
		return fault("the rendered text is longer than %d bytes", r.left.Output)
	}
	r.out.WriteString(text)
	return nil
}

// capture runs a body and returns what it writes.
func (r *run) capture(body []stmt, s *scope) (string, error) {
	outer := r.out
	r.out = &strings.Builder{}
	_, err := r.block(body, s)
	text := r.out.String()
	r.out = outer
	return text, err
}

func (r *run) ifStmt(st *ifStmt, s *scope) (flow, error) {
	for i, cond := range st.conds {
		v, err := r.eval(cond, s)
		if err != nil {
			return flowOn, err
		}
		if truth(v) {
			return r.block(st.bodies[i], s)
		}
	}
	return r.block(st.other, s)
}

func (r *run) set(st *setStmt, s *scope) error {
	v, err := r.eval(st.x, s)
	if err != nil {
		return err
	}
	if len(st.targets) == 1 {
		return assign(st.targets[0], v, s)
	}
	items, err := r.unpack(v, len(st.targets))
	if err != nil {
		return err
	}
	for i, to := range st.targets {
		if err := assign(to, items[i], s); err != nil {
			return err
		}
	}
	return nil
}

func assign(to target, v any, s *scope) error {
	if to.attribute == "" {
		s.set(to.name, v)
		return nil
	}
	holder, _ := s.get(to.name)
	ns, ok := holder.(*namespace)
	if !ok {
		return fault("'%s' is no namespace: its attributes cannot be set", to.name)
	}
	ns.attributes[to.attribute] = v
	return nil
}

// unpack spreads a value over n names.
func (r *run) unpack(v any, n int) ([]any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if len(items) != n {
		return nil, fault("%d values cannot be spread over %d names", len(items), n)
	}
	return items, nil
}

// bind sets the targets of a loop.
func (r *run) bind(targets []string, v any, s *scope) error {
	if len(targets) == 1 {
		s.set(targets[0], v)
		return nil
	}
	items, err := r.unpack(v, len(targets))
	if err != nil {
		return err
	}
	for i, name := range targets {
		s.set(name, items[i])
	}
	return nil
}

// loop is the variable of that name inside a for.
type loop struct {
	items   []any
	index   int // of the current turn, from 0
	depth   int
	changed *List
	recurse func(any) (any, error) // nil: the loop is not recursive
}

func (r *run) forStmt(st *forStmt, s *scope) error {
	v, err := r.eval(st.iter, s)
	if err != nil {
		return err
	}
	return r.loop(st, v, s, 0)
}

func (r *run) loop(st *forStmt, v any, s *scope, depth int) error {
	up, err := r.deeper()
	if err != nil {
		return err
	}
	defer up()
	items, err := r.iterate(v)
	if err == nil && st.cond != nil {
		items, err = r.selected(st, items, s)
	}
	if err != nil {
		return err
	}
	if len(items) == 0 {
		_, err := r.block(st.empty, s.inner())
		return err
	}
	l := &loop{items: items, depth: depth}
	if st.recursive {
		l.recurse = func(children any) (any, error) {
			outer := r.out
			r.out = &strings.Builder{}
			err := r.loop(st, children, s, depth+1)
			text := r.out.String()
			r.out = outer
			return text, err
		}
	}
	for i, x := range items {
		l.index = i
		in := s.inner()
		in.set("loop", l)
		if err := r.bind(st.targets, x, in); err != nil {
			return err
		}
		f, err := r.block(st.body, in)
		if err != nil {
			return err
		}
		if f == flowBreak {
			break
		}
	}
	return nil
}

// selected keeps the items for which the loop's condition holds.
func (r *run) selected(st *forStmt, items []any, s *scope) ([]any, error) {
	var kept []any
	for _, x := range items {
		in := s.inner()
		if err := r.bind(st.targets, x, in); err != nil {
			return nil, err
		}
		v, err := r.eval(st.cond, in)
		if err != nil {
			return nil, err
		}
		if truth(v) {
			kept = append(kept, x)
		}
	}
	return kept, r.alloc(len(kept) * bytesPerValue)
}

// attribute returns loop.name.
func (l *loop) attribute(r *run, name string) (any, bool) {
	n := len(l.items)
	neighbour := func(i int) any {
		if i < 0 || i >= n {
			return Undefined{"there is no item before the first or after the last one of a loop"}
		}
		return l.items[i]
	}
	switch name {
	case "index":
		return int64(l.index + 1), true
	case "index0":
		return int64(l.index), true
	case "revindex":
		return int64(n - l.index), true
	case "revindex0":
		return int64(n - l.index - 1), true
	case "first":
		return l.index == 0, true
	case "last":
		return l.index == n-1, true
	case "length":
		return int64(n), true
	case "depth":
		return int64(l.depth + 1), true
	case "depth0":
		return int64(l.depth), true
	case "previtem":
		return neighbour(l.index - 1), true
	case "nextitem":
		return neighbour(l.index + 1), true
	case "cycle":
		return &function{name, func(_ *run, a args) (any, error) {
			if len(a.positional) == 0 {
				return nil, fault("loop.cycle needs values")
			}
			return a.positional[l.index%len(a.positional)], nil
		}}, true
	case "changed":
		return &function{name, func(r *run, a args) (any, error) {
			now := &List{items: a.positional}
			if l.changed != nil {
				if same, err := r.equal(l.changed, now); same || err != nil {
					return false, err
				}
			}
			l.changed = now
			return true, nil
		}}, true
	}
	return nil, false
}

// function makes a macro callable. It sees the variables of the place where it is defined.
func (r *run) function(m *macro, defined *scope) *function {
	return &function{m.name, func(r *run, a args) (any, error) {
		s := defined.inner()
		if err := r.parameters(m, a, s); err != nil {
			return nil, err
		}
		return r.capture(m.body, s)
	}}
}

// parameters binds the arguments of a macro.
func (r *run) parameters(m *macro, a args, s *scope) error {
	for i, name := range m.params {
		if i < len(a.positional) {
			s.set(name, a.positional[i])
		}
	}
	extra := &List{tuple: true}
	if len(a.positional) > len(m.params) {
		extra.items = a.positional[len(m.params):]
	}
	keywords := &Dict{}
	for i, name := range a.names {
		known := false
		for j, param := range m.params {
			if param != name {
				continue
			}
			if j < len(a.positional) {
				return fault("macro '%s' gets '%s' twice", m.name, name)
			}
			s.set(name, a.keywords[i])
			known = true
		}
		if !known {
			keywords.Set(name, a.keywords[i])
		}
	}
	caller, called := keywords.Get("caller")
	switch {
	case len(extra.items) > 0 && !m.uses["varargs"]:
		return fault("macro '%s' takes not more than %d arguments", m.name, len(m.params))
	case keywords.Len() > 0 && !m.uses["kwargs"] && !(called && keywords.Len() == 1 && m.uses["caller"]):
		return fault("macro '%s' takes no argument '%s'", m.name, keywords.keys[0])
	}
	s.set("varargs", extra)
	s.set("kwargs", keywords)
	if called {
		s.set("caller", caller)
	}
	for i, name := range m.params {
		if _, ok := s.vars[name]; ok {
			continue
		}
		if d := i - (len(m.params) - len(m.defaults)); d >= 0 {
			v, err := r.eval(m.defaults[d], s)
			if err != nil {
				return err
			}
			s.set(name, v)
		} else {
			s.set(name, Undefined{"parameter '" + name + "' was not provided"})
		}
	}
	return nil
}

func (r *run) callStmt(st *callStmt, s *scope) error {
	fn, a, err := r.callee(st.call, s)
	if err != nil {
		return err
	}
	a.names = append(a.names, "caller")
	a.keywords = append(a.keywords, r.function(st.caller, s))
	v, err := r.apply(fn, a)
	if err != nil {
		return err
	}
	text, err := r.str(v)
	if err != nil {
		return err
	}
	return r.write(text)
}
