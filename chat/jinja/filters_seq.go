package jinja

import (
	"slices"
	"strconv"
	"strings"
)

// Filters of sequences.

func toList(r *run, v any, _ args) (any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	return &List{items: items}, nil
}

func itemsFilter(r *run, v any, _ args) (any, error) {
	switch v := v.(type) {
	case *Dict:
		return r.pairs(v)
	case Undefined:
		return &List{}, nil
	}
	return nil, fault("items needs a dict, not a value of type %s", typeName(v))
}

func dictSort(r *run, v any, a args) (any, error) {
	bound, err := a.bind("dictsort", "case_sensitive?", "by?", "reverse?")
	if err != nil {
		return nil, err
	}
	exact, err := optional("dictsort", "case_sensitive", bound[0], false)
	if err != nil {
		return nil, err
	}
	by, err := optional("dictsort", "by", bound[1], "key")
	if err != nil {
		return nil, err
	}
	reverse, err := optional("dictsort", "reverse", bound[2], false)
	if err != nil {
		return nil, err
	}
	d, ok := v.(*Dict)
	if !ok {
		return nil, fault("dictsort needs a dict, not a value of type %s", typeName(v))
	}
	pairs, err := r.pairs(d)
	if err != nil {
		return nil, err
	}
	at := 0
	if by == "value" {
		at = 1
	}
	return r.sorted(pairs.items, func(pair any) (any, error) {
		return folded(pair.(*List).items[at], exact), nil
	}, reverse)
}

// folded is a text in lower case, for orders that ignore it.
func folded(v any, exact bool) any {
	if s, ok := v.(string); ok && !exact {
		return strings.ToLower(s)
	}
	return v
}

// sorted returns the items in the order of their keys.
func (r *run) sorted(items []any, key func(any) (any, error), reverse bool) (*List, error) {
	if err := r.alloc(2 * len(items) * bytesPerValue); err != nil {
		return nil, err
	}
	keys := make([]any, len(items))
	order := make([]int, len(items))
	for i, item := range items {
		k, err := key(item)
		if err != nil {
			return nil, err
		}
		keys[i], order[i] = k, i
	}
	if err := r.sortBy(order, func(i int) any { return keys[i] }, reverse); err != nil {
		return nil, err
	}
	out := &List{items: make([]any, len(items))}
	for i, at := range order {
		out.items[i] = items[at]
	}
	return out, nil
}

// path returns a function that follows "a.b.0" from an item; nil, the item itself, where no path is given.
func (r *run) path(v any) (func(any) (any, error), error) {
	if v == nil || v == (absent{}) {
		return func(item any) (any, error) { return item, nil }, nil
	}
	if i, ok := asInt(v); ok {
		v = strconv.FormatInt(i, 10)
	}
	name, ok := v.(string)
	if !ok {
		return nil, fault("'attribute' must be a string or an integer, not a value of type %s", typeName(v))
	}
	parts := strings.Split(name, ".")
	return func(item any) (any, error) {
		for _, part := range parts {
			var key any = part
			if i, err := strconv.ParseInt(part, 10, 64); err == nil {
				key = i
			}
			var err error
			if item, err = r.item(item, key); err != nil {
				return nil, err
			}
			if err := r.spend(1); err != nil {
				return nil, err
			}
		}
		return item, nil
	}, nil
}

// end is the first or last item of a sequence.
func (r *run) end(v any, last bool) (any, error) {
	items, err := r.iterate(v)
	switch {
	case err != nil:
		return nil, err
	case len(items) == 0:
		return Undefined{"there is no item in an empty sequence"}, nil
	case last:
		return items[len(items)-1], nil
	}
	return items[0], nil
}

func joinFilter(r *run, v any, a args) (any, error) {
	bound, err := a.bind("join", "d?", "attribute?")
	if err != nil {
		return nil, err
	}
	separator := ""
	if bound[0] != (absent{}) {
		if separator, err = r.str(bound[0]); err != nil {
			return nil, err
		}
	}
	items, err := r.mapped(v, bound[1])
	if err != nil {
		return nil, err
	}
	return r.joinAll(items, separator)
}

// mapped follows a path from every item.
func (r *run) mapped(v, path any) ([]any, error) {
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if path == nil || path == (absent{}) {
		return items, nil
	}
	follow, err := r.path(path)
	if err != nil {
		return nil, err
	}
	if err := r.alloc(len(items) * bytesPerValue); err != nil {
		return nil, err
	}
	out := make([]any, len(items))
	for i, item := range items {
		if out[i], err = follow(item); err != nil {
			return nil, err
		}
	}
	return out, nil
}

func reverse(r *run, v any, _ args) (any, error) {
	if s, ok := v.(string); ok {
		runes, err := r.runes(s)
		slices.Reverse(runes)
		return string(runes), err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if err := r.alloc(len(items) * bytesPerValue); err != nil {
		return nil, err
	}
	items = slices.Clone(items)
	slices.Reverse(items)
	return &List{items: items}, nil
}

func sortFilter(r *run, v any, a args) (any, error) {
	bound, err := a.bind("sort", "reverse?", "case_sensitive?", "attribute?")
	if err != nil {
		return nil, err
	}
	reverse, err := optional("sort", "reverse", bound[0], false)
	if err != nil {
		return nil, err
	}
	exact, err := optional("sort", "case_sensitive", bound[1], false)
	if err != nil {
		return nil, err
	}
	follow, err := r.path(bound[2])
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	return r.sorted(items, func(item any) (any, error) {
		k, err := follow(item)
		return folded(k, exact), err
	}, reverse)
}

func unique(r *run, v any, a args) (any, error) {
	bound, err := a.bind("unique", "case_sensitive?", "attribute?")
	if err != nil {
		return nil, err
	}
	exact, err := optional("unique", "case_sensitive", bound[0], false)
	if err != nil {
		return nil, err
	}
	follow, err := r.path(bound[1])
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	out := &List{}
	var seen Dict
	for _, item := range items {
		k, err := follow(item)
		if err != nil {
			return nil, err
		}
		if k = folded(k, exact); !isHashable(k) {
			return nil, fault("unique cannot tell values of type %s apart", typeName(k))
		}
		if _, known := seen.Get(k); !known {
			seen.Set(k, nil)
			out.items = append(out.items, item)
		}
	}
	return out, r.alloc(4 * len(out.items) * bytesPerValue)
}

// extreme is min (sign -1) or max (sign 1).
func extreme(sign int) filterFunc {
	return func(r *run, v any, a args) (any, error) {
		bound, err := a.bind("min and max", "case_sensitive?", "attribute?")
		if err != nil {
			return nil, err
		}
		exact, err := optional("min and max", "case_sensitive", bound[0], false)
		if err != nil {
			return nil, err
		}
		follow, err := r.path(bound[1])
		if err != nil {
			return nil, err
		}
		items, err := r.iterate(v)
		if err != nil {
			return nil, err
		}
		var best, bestKey any = Undefined{"there is no item in an empty sequence"}, nil
		for i, item := range items {
			k, err := follow(item)
			if err != nil {
				return nil, err
			}
			k = folded(k, exact)
			if i > 0 {
				c, err := r.order(k, bestKey)
				if err != nil {
					return nil, err
				}
				if c*sign <= 0 {
					continue
				}
			}
			best, bestKey = item, k
		}
		return best, nil
	}
}

func sum(r *run, v any, a args) (any, error) {
	bound, err := a.bind("sum", "attribute?", "start?")
	if err != nil {
		return nil, err
	}
	items, err := r.mapped(v, bound[0])
	if err != nil {
		return nil, err
	}
	total := bound[1]
	if total == (absent{}) {
		total = int64(0)
	}
	for _, item := range items {
		if total, err = r.arithmetic("+", total, item); err != nil {
			return nil, err
		}
	}
	return total, nil
}

// batch cuts a sequence into lists of n items.
func batch(r *run, v any, a args) (any, error) {
	bound, err := a.bind("batch", "linecount", "fill_with?")
	if err != nil {
		return nil, err
	}
	n, err := integer("batch", "linecount", bound[0], 0)
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if n < 1 {
		return nil, fault("batch needs a count of at least 1")
	}
	n = min(n, maxRange)
	if err := r.alloc(3 * len(items) * bytesPerValue); err != nil {
		return nil, err
	}
	out := &List{}
	for chunk := range slices.Chunk(items, int(n)) {
		out.items = append(out.items, &List{items: slices.Clone(chunk)})
	}
	if fill := bound[1]; fill != nil && fill != (absent{}) && len(out.items) > 0 {
		last := out.items[len(out.items)-1].(*List)
		missing := int(n) - len(last.items)
		if err := r.alloc(missing * bytesPerValue); err != nil {
			return nil, err
		}
		for range missing {
			last.items = append(last.items, fill)
		}
	}
	return out, nil
}

// columns is |slice: n lists that hold the sequence one after another.
func columns(r *run, v any, a args) (any, error) {
	bound, err := a.bind("slice", "slices", "fill_with?")
	if err != nil {
		return nil, err
	}
	n64, err := integer("slice", "slices", bound[0], 0)
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if n64 < 1 || n64 > maxRange {
		return nil, fault("slice needs a count from 1 to %d", maxRange)
	}
	n := int(n64)
	if err := r.alloc((len(items) + 3*n) * bytesPerValue); err != nil {
		return nil, err
	}
	each, longer := len(items)/n, len(items)%n
	out := &List{}
	for i := range n {
		size := each
		if i < longer {
			size++
		}
		column := &List{items: slices.Clone(items[:size])}
		items = items[size:]
		if fill := bound[1]; fill != nil && fill != (absent{}) && i >= longer && longer > 0 {
			column.items = append(column.items, fill)
		}
		out.items = append(out.items, column)
	}
	return out, nil
}

// mapFilter follows an attribute, or applies a filter, to every item.
func mapFilter(r *run, v any, a args) (any, error) {
	if !truth(v) {
		return &List{}, nil
	}
	if len(a.positional) == 0 {
		bound, err := a.bind("map", "attribute", "default?")
		if err != nil {
			return nil, err
		}
		items, err := r.mapped(v, bound[0])
		if err != nil {
			return nil, err
		}
		if bound[1] != (absent{}) {
			for i, item := range items {
				if _, missing := item.(Undefined); missing {
					items[i] = bound[1]
				}
			}
		}
		return &List{items: items}, nil
	}
	name, err := text("map", "filter", a.positional[0])
	if err != nil {
		return nil, err
	}
	f, ok := filters[name]
	if !ok {
		return nil, fault("filter '%s' does not exist", name)
	}
	a.positional = a.positional[1:]
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	if err := r.alloc(len(items) * bytesPerValue); err != nil {
		return nil, err
	}
	out := &List{items: make([]any, len(items))}
	for i, item := range items {
		if err := r.spend(1); err != nil {
			return nil, err
		}
		if out.items[i], err = r.filtered(f, item, a); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// filtered applies a filter that a template names at run time; filters can nest this way.
func (r *run) filtered(f filterFunc, v any, a args) (any, error) {
	up, err := r.deeper()
	if err != nil {
		return nil, err
	}
	defer up()
	return f(r, v, a)
}

// selector keeps the items for which a test, or their truth, is want; with attribute set the test looks at one.
func selector(want, attribute bool) filterFunc {
	return func(r *run, v any, a args) (any, error) {
		var path any = absent{}
		if attribute {
			if len(a.positional) == 0 {
				return nil, fault("selectattr and rejectattr need an attribute")
			}
			path, a.positional = a.positional[0], a.positional[1:]
		}
		follow, err := r.path(path)
		if err != nil {
			return nil, err
		}
		holds := func(_ *run, v any, _ args) (any, error) { return truth(v), nil }
		if len(a.positional) > 0 {
			name, err := text("select", "test", a.positional[0])
			if err != nil {
				return nil, err
			}
			var ok bool
			if holds, ok = tests[name]; !ok {
				return nil, fault("test '%s' does not exist", name)
			}
			a.positional = a.positional[1:]
		}
		out := &List{}
		if !truth(v) {
			return out, nil
		}
		items, err := r.iterate(v)
		if err != nil {
			return nil, err
		}
		for _, item := range items {
			x, err := follow(item)
			if err != nil {
				return nil, err
			}
			answer, err := holds(r, x, a)
			if err != nil {
				return nil, err
			}
			if truth(answer) == want {
				out.items = append(out.items, item)
			}
			if err := r.alloc(bytesPerValue); err != nil {
				return nil, err
			}
		}
		return out, nil
	}
}

// groupBy makes tuples (key, items) in the order of the keys.
func groupBy(r *run, v any, a args) (any, error) {
	bound, err := a.bind("groupby", "attribute", "default?", "case_sensitive?")
	if err != nil {
		return nil, err
	}
	exact, err := optional("groupby", "case_sensitive", bound[2], false)
	if err != nil {
		return nil, err
	}
	plain, err := r.path(bound[0])
	if err != nil {
		return nil, err
	}
	follow := func(item any) (any, error) {
		k, err := plain(item)
		if _, missing := k.(Undefined); missing && bound[1] != (absent{}) {
			k = bound[1]
		}
		return k, err
	}
	items, err := r.iterate(v)
	if err != nil {
		return nil, err
	}
	sorted, err := r.sorted(items, func(item any) (any, error) {
		k, err := follow(item)
		return folded(k, exact), err
	}, false)
	if err != nil {
		return nil, err
	}
	out := &List{}
	var last any
	for i, item := range sorted.items {
		k, err := follow(item)
		if err != nil {
			return nil, err
		}
		same, err := r.equal(folded(k, exact), last)
		if err != nil {
			return nil, err
		}
		if i == 0 || !same {
			last = folded(k, exact)
			out.items = append(out.items, &List{[]any{k, &List{}}, true})
		}
		group := out.items[len(out.items)-1].(*List).items[1].(*List)
		group.items = append(group.items, item)
	}
	return out, r.alloc(4 * len(items) * bytesPerValue)
}
