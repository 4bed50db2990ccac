package grammar

import (
	"encoding/json"
	"fmt"
	"math/big"
	"slices"
	"strconv"
	"unicode/utf8"
)

// checker validates values against the schemas that ParseSchema took.
type checker struct {
	s     *schemas
	why   string // the first thing that did not fit
	depth int
	work  int
}

// maxChecks bounds a validation.
const maxChecks = 1 << 20

func (c *checker) no(l loc, format string, args ...any) (bool, error) {
	c.why = fmt.Sprintf(format, args...) + " (" + l.pointerOrTop() + ")"
	return false, nil
}

// fits reports whether a value fits a schema.
func (c *checker) fits(v any, l loc) (bool, error) {
	if b, ok := l.value.(bool); ok {
		if !b {
			return c.no(l, "nothing is allowed here")
		}
		return true, nil
	}
	if c.work++; c.work > maxChecks || c.depth > 10*maxNesting {
		return false, fault(l.pointer, "the schema is too deep to be checked")
	}
	c.depth++
	defer func() { c.depth-- }()
	k, err := c.s.read(l)
	if err != nil {
		return false, err
	}
	for _, check := range []func(any, *keywords) (bool, error){c.whole, c.combined, c.string, c.number, c.array, c.object} {
		if ok, err := check(v, k); !ok || err != nil {
			return false, err
		}
	}
	return true, nil
}

func typeOf(v any) types {
	switch v := v.(type) {
	case nil:
		return typeNull
	case bool:
		return typeBoolean
	case string:
		return typeString
	case []any:
		return typeArray
	case *object:
		return typeObject
	case json.Number:
		if r, ok := rational(v); ok && r.IsInt() {
			return typeInteger
		}
	}
	return typeFraction
}

func (c *checker) whole(v any, k *keywords) (bool, error) {
	if typeOf(v)&k.only == 0 {
		return c.no(k.loc, "the type is wrong")
	}
	if k.enum != nil && !slices.ContainsFunc(k.enum, func(e any) bool { return same(e, v) }) {
		return c.no(k.loc, "the value is none of those allowed")
	}
	return true, nil
}

func (c *checker) combined(v any, k *keywords) (bool, error) {
	for _, l := range k.all {
		if ok, err := c.fits(v, l); !ok || err != nil {
			return false, err
		}
	}
	for _, list := range k.any {
		n := 0
		for _, l := range list {
			ok, err := c.fits(v, l)
			if err != nil {
				return false, err
			}
			if ok {
				n++
			}
		}
		exactly := slices.ContainsFunc(k.one, func(one []loc) bool { return one[0].pointer == list[0].pointer })
		switch {
		case n == 0:
			return c.no(k.loc, "no branch of anyOf or oneOf fits")
		case n > 1 && exactly:
			return c.no(k.loc, "%d branches of oneOf fit, and only one may", n)
		}
	}
	return true, nil
}

func (c *checker) string(v any, k *keywords) (bool, error) {
	text, ok := v.(string)
	if !ok {
		return true, nil
	}
	if n := utf8.RuneCountInString(text); n < k.length.least || k.length.most >= 0 && n > k.length.most {
		return c.no(k.loc, "a text has %d characters", n)
	}
	patterns := k.match
	if k.format != "" {
		patterns = append(slices.Clone(patterns), formats[k.format])
	}
	for _, p := range patterns {
		d, err := c.s.dfaOf(k.loc.pointer, p)
		if err != nil {
			return false, err
		}
		if !d.matches(text) {
			return c.no(k.loc, "a text does not match the pattern %q", p)
		}
	}
	return true, nil
}

func (c *checker) number(v any, k *keywords) (bool, error) {
	n, ok := isNumber(v)
	if !ok {
		return true, nil
	}
	r, ok := rational(n)
	if !ok {
		return c.no(k.loc, "the number %s is too long", n)
	}
	b := &k.number
	if b.least != nil && (r.Cmp(b.least) < 0 || b.leastExclusive && r.Cmp(b.least) == 0) ||
		b.most != nil && (r.Cmp(b.most) > 0 || b.mostExclude && r.Cmp(b.most) == 0) {
		return c.no(k.loc, "the number %s is out of bounds", n)
	}
	if b.multiple != nil && !new(big.Rat).Quo(r, b.multiple).IsInt() {
		return c.no(k.loc, "the number %s is no multiple of %s", n, b.multiple.RatString())
	}
	return true, nil
}

func (c *checker) array(v any, k *keywords) (bool, error) {
	list, ok := v.([]any)
	if !ok {
		return true, nil
	}
	if n := len(list); n < k.count.least || k.count.most >= 0 && n > k.count.most {
		return c.no(k.loc, "an array has %d items", n)
	}
	for i, item := range list {
		var l loc
		switch {
		case i < len(k.prefix):
			l = k.prefix[i]
		case k.items != nil:
			l = *k.items
		default:
			continue
		}
		if ok, err := c.fits(item, l); !ok || err != nil {
			return false, err
		}
	}
	if k.unique {
		for i := range list {
			for j := range i {
				if same(list[i], list[j]) {
					return c.no(k.loc, "the items %s and %s of an array are the same", strconv.Itoa(j), strconv.Itoa(i))
				}
			}
		}
	}
	return true, nil
}

func (c *checker) object(v any, k *keywords) (bool, error) {
	o, ok := v.(*object)
	if !ok {
		return true, nil
	}
	if n := len(o.keys); n < k.size.least || k.size.most >= 0 && n > k.size.most {
		return c.no(k.loc, "an object has %d properties", n)
	}
	for _, name := range k.required {
		if _, ok := o.values[name]; !ok {
			return c.no(k.loc, "the property %q is missing", name)
		}
	}
	for _, name := range o.keys {
		b := objectBuilder{s: c.s, m: &merged{parts: []*keywords{k}}}
		set, _, err := b.schemasOf(name)
		if err != nil {
			return false, err
		}
		for _, l := range set {
			if ok, err := c.fits(o.values[name], l); !ok || err != nil {
				return false, err
			}
		}
	}
	return true, nil
}
