package jinja

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"math"
	"math/big"
	"strings"
	"unicode/utf8"
)

// Undefined is what a missing variable, attribute or item gives. It prints as nothing and is false; using it in
// another way is an error, with Hint as its sentence.
type Undefined struct{ Hint string }

func (u Undefined) err() error { return fault("%s", u.Hint) }

// List is a Python list or tuple. Templates cannot change it.
type List struct {
	items []any
	tuple bool
}

// NewList makes a list of values.
func NewList(items ...any) *List { return &List{items: items} }

// Dict is a dictionary that keeps the order of its keys. Templates cannot change it.
type Dict struct {
	keys   []any
	values []any
	index  map[any]int
}

// Set adds or replaces an entry. The key is nil, bool, int64, float64 or string.
func (d *Dict) Set(key, value any) {
	if d.index == nil {
		d.index = map[any]int{}
	}
	k := hashable(key)
	if i, ok := d.index[k]; ok {
		d.values[i] = value
		return
	}
	d.index[k] = len(d.keys)
	d.keys, d.values = append(d.keys, key), append(d.values, value)
}

// Get finds an entry.
func (d *Dict) Get(key any) (any, bool) {
	i, ok := d.index[hashable(key)]
	if !ok {
		return nil, false
	}
	return d.values[i], true
}

// Len counts the entries.
func (d *Dict) Len() int { return len(d.keys) }

// hashable gives equal keys the same form: in Python 1, 1.0 and True are one key.
func hashable(key any) any {
	switch k := key.(type) {
	case bool:
		if k {
			return int64(1)
		}
		return int64(0)
	case float64:
		if k == math.Trunc(k) && math.Abs(k) < 1<<53 {
			return int64(k)
		}
	}
	return key
}

// namespace is the one value that a template can change.
type namespace struct{ attributes map[string]any }

// isHashable reports whether v can be a key.
func isHashable(v any) bool {
	switch v.(type) {
	case nil, bool, int64, float64, string:
		return true
	}
	return false
}

// function is a callable value.
type function struct {
	name string
	call func(*run, args) (any, error)
}

// cycler and joiner are stateful globals of Jinja.
type (
	cycler struct {
		items []any
		next  int
	}
	joiner struct {
		separator string
		used      bool
	}
)

// FromJSON decodes one JSON document. Objects become *Dict in the order of their keys.
func FromJSON(document []byte) (any, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	v, err := decode(d)
	if err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("there is something behind the JSON value")
	}
	return v, nil
}

// decode reads the next value. Its recursion is bounded: encoding/json refuses what is nested 10,000 deep.
func decode(d *json.Decoder) (any, error) {
	t, err := d.Token()
	if err != nil {
		return nil, err
	}
	switch t := t.(type) {
	case json.Delim:
		if t == '{' {
			return decodeObject(d)
		}
		list := &List{}
		for d.More() {
			v, err := decode(d)
			if err != nil {
				return nil, err
			}
			list.items = append(list.items, v)
		}
		_, err := d.Token()
		return list, err
	case json.Number:
		return decodeNumber(string(t)), nil
	}
	return t, nil // nil, bool, string
}

func decodeObject(d *json.Decoder) (any, error) {
	dict := &Dict{}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return nil, err
		}
		v, err := decode(d)
		if err != nil {
			return nil, err
		}
		dict.Set(key, v)
	}
	_, err := d.Token()
	return dict, err
}

// decodeNumber reads a number as Python does: with a point or exponent it is a float, else an integer of any size.
func decodeNumber(text string) any {
	n := json.Number(text)
	if i, err := n.Int64(); err == nil {
		return i
	}
	if b, ok := new(big.Int).SetString(text, 10); ok && len(text) < 1000 {
		return b
	}
	f, _ := n.Float64() // beyond the range it is an infinity, as in Python
	return f
}

// typeName is what Python calls the type of v.
func typeName(v any) string {
	switch v := v.(type) {
	case nil:
		return "NoneType"
	case Undefined:
		return "undefined value"
	case bool:
		return "bool"
	case int64, *big.Int:
		return "int"
	case float64:
		return "float"
	case string:
		return "str"
	case *List:
		if v.tuple {
			return "tuple"
		}
		return "list"
	case *Dict:
		return "dict"
	case *namespace:
		return "namespace"
	case *loop:
		return "loop"
	case *function:
		return "function"
	}
	return "object"
}

// truth is Python's bool(v).
func truth(v any) bool {
	switch v := v.(type) {
	case nil, Undefined:
		return false
	case bool:
		return v
	case int64:
		return v != 0
	case *big.Int:
		return v.Sign() != 0
	case float64:
		return v != 0
	case string:
		return v != ""
	case *List:
		return len(v.items) > 0
	case *Dict:
		return len(v.keys) > 0
	}
	return true
}

// asInt returns integers, and truth values as 0 and 1.
func asInt(v any) (int64, bool) {
	switch v := v.(type) {
	case bool:
		if v {
			return 1, true
		}
		return 0, true
	case int64:
		return v, true
	}
	return 0, false
}

// asFloat returns any number as a float.
func asFloat(v any) (float64, bool) {
	switch v := v.(type) {
	case float64:
		return v, true
	case *big.Int:
		f, _ := new(big.Float).SetInt(v).Float64()
		return f, true
	}
	i, ok := asInt(v)
	return float64(i), ok
}

func isNumber(v any) bool { _, ok := asFloat(v); return ok }

// equal is Python's a == b. The work of comparing containers is counted.
func (r *run) equal(a, b any) (bool, error) {
	if err := r.spend(1); err != nil {
		return false, err
	}
	if i, ok := asInt(a); ok {
		if j, ok := asInt(b); ok {
			return i == j, nil
		}
	}
	if f, ok := asFloat(a); ok {
		g, ok := asFloat(b)
		return ok && f == g, nil
	}
	switch a := a.(type) {
	case nil:
		return b == nil, nil
	case Undefined:
		_, ok := b.(Undefined)
		return ok, nil
	case string:
		b, ok := b.(string)
		if !ok || len(a) != len(b) {
			return false, nil
		}
		return a == b, r.spend(len(a) / bytesPerWork)
	case *List:
		if b, ok := b.(*List); ok && a.tuple == b.tuple && len(a.items) == len(b.items) {
			return r.equalItems(a.items, b.items)
		}
		return false, nil
	case *Dict:
		if b, ok := b.(*Dict); ok && len(a.keys) == len(b.keys) {
			return r.equalDicts(a, b)
		}
		return false, nil
	}
	return a == b, nil
}

func (r *run) equalItems(a, b []any) (bool, error) {
	up, err := r.deeper()
	if err != nil {
		return false, err
	}
	defer up()
	for i := range a {
		if same, err := r.equal(a[i], b[i]); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

func (r *run) equalDicts(a, b *Dict) (bool, error) {
	up, err := r.deeper()
	if err != nil {
		return false, err
	}
	defer up()
	for i, key := range a.keys {
		other, ok := b.Get(key)
		if !ok {
			return false, nil
		}
		if same, err := r.equal(a.values[i], other); !same || err != nil {
			return false, err
		}
	}
	return true, nil
}

// order is Python's comparison of a and b: negative, 0 or positive.
func (r *run) order(a, b any) (int, error) {
	if err := r.spend(1); err != nil {
		return 0, err
	}
	if i, ok := asInt(a); ok {
		if j, ok := asInt(b); ok {
			return cmp.Compare(i, j), nil
		}
	}
	if f, ok := asFloat(a); ok {
		if g, ok := asFloat(b); ok {
			return cmp.Compare(f, g), nil
		}
	}
	switch a := a.(type) {
	case string:
		if b, ok := b.(string); ok {
			return cmp.Compare(a, b), r.spend(min(len(a), len(b)) / bytesPerWork)
		}
	case *List:
		if b, ok := b.(*List); ok && a.tuple == b.tuple {
			return r.orderItems(a.items, b.items)
		}
	case Undefined:
		return 0, a.err()
	}
	if u, ok := b.(Undefined); ok {
		return 0, u.err()
	}
	return 0, fault("a value of type %s cannot be compared with one of type %s", typeName(a), typeName(b))
}

func (r *run) orderItems(a, b []any) (int, error) {
	up, err := r.deeper()
	if err != nil {
		return 0, err
	}
	defer up()
	for i := range min(len(a), len(b)) {
		same, err := r.equal(a[i], b[i])
		if err != nil {
			return 0, err
		}
		if !same {
			return r.order(a[i], b[i])
		}
	}
	return cmp.Compare(len(a), len(b)), nil
}

// contains is Python's "x in container".
func (r *run) contains(container, x any) (bool, error) {
	switch c := container.(type) {
	case string:
		s, ok := x.(string)
		if !ok {
			return false, fault("'in' of a string needs a string before it, not a value of type %s", typeName(x))
		}
		return strings.Contains(c, s), r.spend(len(c) / bytesPerWork)
	case *Dict:
		_, ok := c.Get(x)
		return ok, nil
	case *namespace:
		return false, fault("'in' does not work on a namespace")
	}
	items, err := r.iterate(container)
	if err != nil {
		return false, err
	}
	for _, item := range items {
		if same, err := r.equal(item, x); same || err != nil {
			return same, err
		}
	}
	return false, nil
}

// iterate returns what a loop over v goes through.
func (r *run) iterate(v any) ([]any, error) {
	switch v := v.(type) {
	case *List:
		return v.items, nil
	case *Dict:
		return v.keys, nil
	case Undefined:
		return nil, nil
	case string:
		if err := r.alloc(len(v) * bytesPerValue); err != nil {
			return nil, err
		}
		var items []any
		for _, c := range v {
			items = append(items, string(c))
		}
		return items, nil
	}
	return nil, fault("a value of type %s cannot be iterated over", typeName(v))
}

// length is Python's len(v).
func (r *run) length(v any) (int, error) {
	switch v := v.(type) {
	case string:
		return utf8.RuneCountInString(v), r.spend(len(v) / bytesPerWork)
	case *List:
		return len(v.items), nil
	case *Dict:
		return len(v.keys), nil
	case Undefined:
		return 0, nil
	}
	return 0, fault("a value of type %s has no length", typeName(v))
}
