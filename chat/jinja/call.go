package jinja

// args are evaluated arguments.
type args struct {
	positional []any
	names      []string
	keywords   []any
}

// args evaluates arguments.
func (r *run) args(a arguments, s *scope) (out args, err error) {
	if out.positional, err = r.evalAll(a.positional, s); err != nil {
		return out, err
	}
	if a.star != nil {
		v, err := r.eval(a.star, s)
		if err != nil {
			return out, err
		}
		items, err := r.iterate(v)
		if err != nil {
			return out, err
		}
		if err := r.alloc(len(items) * bytesPerValue); err != nil {
			return out, err
		}
		out.positional = append(out.positional, items...)
	}
	if out.keywords, err = r.evalAll(a.keywords, s); err != nil {
		return out, err
	}
	out.names = append(out.names, a.names...)
	if a.starStar == nil {
		return out, nil
	}
	v, err := r.eval(a.starStar, s)
	if err != nil {
		return out, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return out, fault("'**' needs a dict, not a value of type %s", typeName(v))
	}
	for i, key := range d.keys {
		name, ok := key.(string)
		if !ok {
			return out, fault("an argument's name must be a string")
		}
		out.names, out.keywords = append(out.names, name), append(out.keywords, d.values[i])
	}
	return out, r.alloc(d.Len() * bytesPerValue)
}

// callee evaluates the function and the arguments of a call.
func (r *run) callee(c *call, s *scope) (any, args, error) {
	fn, err := r.eval(c.fn, s)
	if err != nil {
		return nil, args{}, err
	}
	a, err := r.args(c.args, s)
	return fn, a, err
}

// apply calls a value.
func (r *run) apply(fn any, a args) (any, error) {
	up, err := r.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	if err := r.spend(1); err != nil {
		return nil, err
	}
	switch fn := fn.(type) {
	case *function:
		return fn.call(r, a)
	case *joiner:
		return r.str(fn)
	case *loop:
		if fn.recurse != nil && len(a.positional) == 1 {
			return fn.recurse(a.positional[0])
		}
		return nil, fault("only a loop with 'recursive' can be called, with one value")
	case Undefined:
		return nil, fn.err()
	}
	return nil, fault("a value of type %s cannot be called", typeName(fn))
}

// bind spreads arguments over the parameters of a built-in function. A name that ends in "?" may be left out: its
// value is then absent{}.
func (a args) bind(fn string, params ...string) ([]any, error) {
	if len(a.positional) > len(params) {
		return nil, fault("%s takes not more than %d arguments, not %d", fn, len(params), len(a.positional))
	}
	out := make([]any, len(params))
	for i := range out {
		out[i] = absent{}
	}
	copy(out, a.positional)
	for i, name := range a.names {
		at := -1
		for j, param := range params {
			if param == name || param == name+"?" {
				at = j
			}
		}
		if at < 0 {
			return nil, fault("%s takes no argument '%s'", fn, name)
		}
		if at < len(a.positional) {
			return nil, fault("%s gets '%s' twice", fn, name)
		}
		out[at] = a.keywords[i]
	}
	for i, param := range params {
		if _, missing := out[i].(absent); missing && param[len(param)-1] != '?' {
			return nil, fault("%s needs '%s'", fn, param)
		}
	}
	return out, nil
}

// absent is an argument that was not given.
type absent struct{}

// optional returns v, or otherwise where it was not given.
func optional[T any](fn, param string, v any, otherwise T) (T, error) {
	switch v := v.(type) {
	case absent:
		return otherwise, nil
	case T:
		return v, nil
	case Undefined:
		return otherwise, v.err()
	}
	return otherwise, fault("'%s' of %s has the wrong type, %s", param, fn, typeName(v))
}

// text returns a string argument.
func text(fn, param string, v any) (string, error) {
	if s, ok := v.(string); ok {
		return s, nil
	}
	if u, ok := v.(Undefined); ok {
		return "", u.err()
	}
	return "", fault("'%s' of %s must be a string, not a value of type %s", param, fn, typeName(v))
}

// integer returns an integer argument.
func integer(fn, param string, v any, otherwise int64) (int64, error) {
	if _, ok := v.(absent); ok {
		return otherwise, nil
	}
	if i, ok := asInt(v); ok {
		return i, nil
	}
	return 0, fault("'%s' of %s must be an integer, not a value of type %s", param, fn, typeName(v))
}
