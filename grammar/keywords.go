package grammar

import (
	"fmt"
	"math/big"
	"slices"
	"strconv"
)

// types is a set of JSON types. An integer is a number without a fraction, so "number" is both bits.
type types uint8

const (
	typeNull types = 1 << iota
	typeBoolean
	typeInteger
	typeFraction
	typeString
	typeArray
	typeObject

	typeNumber = typeInteger | typeFraction
	typeAll    = 1<<7 - 1
)

var typeNames = map[string]types{
	"null": typeNull, "boolean": typeBoolean, "integer": typeInteger, "number": typeNumber,
	"string": typeString, "array": typeArray, "object": typeObject,
}

// keywords is one schema object, read and checked; its fields are the keywords.
type keywords struct {
	loc  loc
	all  []loc   // $ref and allOf
	any  [][]loc // anyOf and oneOf: one of each list
	one  [][]loc // oneOf
	only types
	enum []any // nil: not given

	number numberRange
	length span
	match  []string
	format string

	prefix []loc
	items  *loc
	count  span
	unique bool

	names      []string // of properties
	properties map[string]loc
	patterns   []patternProperty
	additional *loc
	required   []string
	size       span
}

type patternProperty struct {
	pattern string
	value   loc
}

// span is a least and a most; most < 0: none.
type span struct{ least, most int }

// numberRange holds bounds and divisors; nil: none.
type numberRange struct {
	least, most                 *big.Rat
	leastExclusive, mostExclude bool
	multiple                    *big.Rat
}

// Keywords that say nothing of what is valid.
var annotations = map[string]bool{
	"title": true, "description": true, "default": true, "examples": true, "$schema": true, "$id": true, "$comment": true,
	"deprecated": true, "readOnly": true, "writeOnly": true, "$defs": true, "definitions": true, "$anchor": true, "$vocabulary": true,
}

// Keywords that the automaton can't keep.
var refused = map[string]bool{
	"not": true, "if": true, "then": true, "else": true, "contains": true, "minContains": true, "maxContains": true,
	"propertyNames": true, "dependentRequired": true, "dependentSchemas": true, "dependencies": true, "unevaluatedItems": true,
	"unevaluatedProperties": true, "$dynamicRef": true, "$dynamicAnchor": true, "$recursiveRef": true, "additionalItems": true,
}

// read reads a schema object once.
func (s *schemas) read(l loc) (*keywords, error) {
	if k, ok := s.reads[l.pointer]; ok {
		return k, nil
	}
	o, ok := l.value.(*object)
	if !ok {
		return nil, fault(l.pointer, "a schema is an object, true or false, not %s", describe(l.value))
	}
	k := &keywords{loc: l, only: typeAll, length: span{0, -1}, count: span{0, -1}, size: span{0, -1}, properties: map[string]loc{}}
	for _, key := range o.keys {
		if err := s.keyword(k, key, loc{l.in(key), o.values[key]}); err != nil {
			return nil, err
		}
	}
	s.reads[l.pointer] = k
	return k, nil
}

func describe(v any) string {
	switch v.(type) {
	case nil:
		return "null"
	case bool:
		return "a boolean"
	case string:
		return "a string"
	case []any:
		return "an array"
	case *object:
		return "an object"
	}
	return "a number"
}

func (s *schemas) keyword(k *keywords, key string, v loc) (err error) {
	switch key {
	case "$ref":
		name, ok := v.value.(string)
		if !ok {
			return fault(v.pointer, "a $ref is a string, not %s", describe(v.value))
		}
		var to loc
		if to, err = s.resolve(v.pointer, name); err == nil && to.pointer == k.loc.pointer {
			err = fault(v.pointer, "the reference %q leads to itself", name)
		}
		k.all = append(k.all, to)
	case "allOf":
		var list []loc
		list, err = schemaList(v)
		k.all = append(k.all, list...)
	case "anyOf", "oneOf":
		var list []loc
		list, err = schemaList(v)
		k.any = append(k.any, list)
		if key == "oneOf" && len(list) > 1 {
			k.one = append(k.one, list)
			s.checked = true
		}
	case "type":
		err = k.types(v)
	case "enum":
		list, ok := v.value.([]any)
		if !ok || len(list) == 0 {
			return fault(v.pointer, "enum is an array of at least one value")
		}
		k.enum = list
	case "const":
		k.enum = []any{v.value}
	case "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf":
		err = k.bound(key, v)
	case "minLength":
		k.length.least, err = natural(v)
	case "maxLength":
		k.length.most, err = natural(v)
	case "minItems":
		k.count.least, err = natural(v)
	case "maxItems":
		k.count.most, err = natural(v)
	case "minProperties":
		k.size.least, err = natural(v)
	case "maxProperties":
		k.size.most, err = natural(v)
	case "pattern":
		err = s.pattern(k, v)
	case "format":
		k.format, _ = v.value.(string)
		if _, ok := formats[k.format]; !ok {
			s.note("format "+k.format, "the format %q at %s is not kept", k.format, v.pointer)
			k.format = ""
		}
	case "prefixItems":
		k.prefix, err = schemaList(v)
	case "items":
		if _, ok := v.value.([]any); ok {
			return fault(v.pointer, "a list of schemas is called prefixItems in draft 2020-12")
		}
		k.items = &v
	case "uniqueItems":
		k.unique, _ = v.value.(bool)
		s.checked = s.checked || k.unique
	case "properties", "patternProperties":
		err = s.properties(k, key, v)
	case "additionalProperties":
		k.additional = &v
	case "required":
		k.required, err = stringList(v)
	default:
		if refused[key] {
			return fault(v.pointer, "the keyword %q is not supported", key)
		}
		if !annotations[key] {
			s.note("keyword "+key, "the keyword %q at %s is unknown and has no effect", key, k.loc.pointerOrTop())
		}
	}
	return err
}

func (l loc) pointerOrTop() string {
	if l.pointer == "" {
		return "the top"
	}
	return l.pointer
}

func schemaList(v loc) ([]loc, error) {
	list, ok := v.value.([]any)
	if !ok || len(list) == 0 {
		return nil, fault(v.pointer, "it is an array of at least one schema")
	}
	var out []loc
	for i := range list {
		out = append(out, loc{v.in(strconv.Itoa(i)), list[i]})
	}
	return out, nil
}

func stringList(v loc) ([]string, error) {
	list, ok := v.value.([]any)
	var out []string
	for _, item := range list {
		name, isString := item.(string)
		ok = ok && isString
		out = append(out, name)
	}
	if !ok {
		return nil, fault(v.pointer, "it is an array of strings")
	}
	return out, nil
}

// natural reads a count: a whole number from 0 on.
func natural(v loc) (int, error) {
	n, _ := isNumber(v.value)
	if r, ok := rational(n); n != "" && ok && r.IsInt() && r.Sign() >= 0 {
		if r.Num().BitLen() > 30 {
			return 0, fault(v.pointer, "%s is too large", n)
		}
		return int(r.Num().Int64()), nil
	}
	return 0, fault(v.pointer, "it is a whole number from 0 on")
}

func (k *keywords) types(v loc) error {
	list, ok := v.value.([]any)
	if !ok {
		list = []any{v.value}
	}
	if len(list) == 0 {
		return fault(v.pointer, "the list of types is empty")
	}
	k.only = 0
	for _, item := range list {
		name, _ := item.(string)
		t, ok := typeNames[name]
		if !ok {
			return fault(v.pointer, "%s is no type; there are null, boolean, integer, number, string, array and object", encode(item))
		}
		k.only |= t
	}
	return nil
}

func (k *keywords) bound(key string, v loc) error {
	n, isNum := isNumber(v.value)
	r, ok := rational(n)
	if !isNum || !ok {
		return fault(v.pointer, "%s is a number of up to 100 digits", key)
	}
	b := &k.number
	switch key {
	case "minimum":
		b.atLeast(r, false)
	case "exclusiveMinimum":
		b.atLeast(r, true)
	case "maximum":
		b.atMost(r, false)
	case "exclusiveMaximum":
		b.atMost(r, true)
	default:
		if r.Sign() <= 0 {
			return fault(v.pointer, "multipleOf is above 0")
		}
		b.multiple = r
	}
	return nil
}

func (b *numberRange) atLeast(r *big.Rat, exclusive bool) {
	if b.least == nil || r.Cmp(b.least) > 0 || r.Cmp(b.least) == 0 && exclusive {
		b.least, b.leastExclusive = r, exclusive
	}
}

func (b *numberRange) atMost(r *big.Rat, exclusive bool) {
	if b.most == nil || r.Cmp(b.most) < 0 || r.Cmp(b.most) == 0 && exclusive {
		b.most, b.mostExclude = r, exclusive
	}
}

func (s *schemas) pattern(k *keywords, v loc) error {
	text, ok := v.value.(string)
	if !ok {
		return fault(v.pointer, "a pattern is a string")
	}
	k.match = append(k.match, text)
	_, err := s.dfaOf(v.pointer, text)
	return err
}

// dfaOf compiles a pattern once.
func (s *schemas) dfaOf(pointer, text string) (*dfa, error) {
	d, ok := s.patterns[text]
	if !ok {
		var err error
		if d, err = compilePattern(text); err != nil {
			return nil, fault(pointer, "%v", err)
		}
		s.patterns[text] = d
	}
	return d, nil
}

func (s *schemas) properties(k *keywords, key string, v loc) error {
	o, ok := v.value.(*object)
	if !ok {
		return fault(v.pointer, "it is an object of schemas, not %s", describe(v.value))
	}
	for _, name := range o.keys {
		l := loc{v.in(name), o.values[name]}
		if key == "properties" {
			k.names = append(k.names, name)
			k.properties[name] = l
			continue
		}
		if _, err := s.dfaOf(l.pointer, name); err != nil {
			return err
		}
		k.patterns = append(k.patterns, patternProperty{name, l})
	}
	return nil
}

// formats are the values of "format" that are kept, as patterns.
var formats = map[string]string{
	"date":      datePattern,
	"time":      "^" + timePattern + "$",
	"date-time": datePattern[:len(datePattern)-1] + "T" + timePattern + "$",
	"uuid":      `^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$`,
}

const (
	// February has 28 days here: a leap day would need the year's arithmetic.
	datePattern = `^[0-9]{4}-(?:(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])|(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)|02-(?:0[1-9]|1[0-9]|2[0-8]))$`
	timePattern = `(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-](?:[01][0-9]|2[0-3]):[0-5][0-9])`
)

// merged is what all schemas of one way ask for.
type merged struct {
	keywords
	where   string // for messages
	enums   [][]any
	parts   []*keywords
	matches []string
}

func (s *schemas) merge(way []loc) (*merged, error) {
	m := &merged{keywords: keywords{only: typeAll, length: span{0, -1}, count: span{0, -1}, size: span{0, -1}, properties: map[string]loc{}}}
	for i, l := range way {
		k, err := s.read(l)
		if err != nil {
			return nil, err
		}
		if i == 0 {
			m.where = l.pointer
		}
		m.parts = append(m.parts, k)
		m.only &= k.only
		if k.enum != nil {
			m.enums = append(m.enums, k.enum)
		}
		m.number.merge(&k.number)
		m.length.merge(k.length)
		m.count.merge(k.count)
		m.size.merge(k.size)
		m.matches = append(m.matches, k.match...)
		if k.format != "" {
			m.matches = append(m.matches, formats[k.format])
		}
		for _, name := range k.names {
			if !slices.Contains(m.names, name) {
				m.names = append(m.names, name)
			}
		}
		for _, name := range k.required {
			if !slices.Contains(m.required, name) {
				m.required = append(m.required, name)
			}
		}
	}
	slices.Sort(m.matches)
	m.matches = slices.Compact(m.matches)
	return m, nil
}

func (a *span) merge(b span) {
	a.least = max(a.least, b.least)
	if a.most < 0 || b.most >= 0 && b.most < a.most {
		a.most = b.most
	}
}

func (a *span) contradiction(what string) string {
	if a.most < 0 || a.least <= a.most {
		return ""
	}
	return fmt.Sprintf("no answer fits: at least %d %s and at most %d are asked for", a.least, what, a.most)
}

func (b *numberRange) merge(c *numberRange) {
	if c.least != nil {
		b.atLeast(c.least, c.leastExclusive)
	}
	if c.most != nil {
		b.atMost(c.most, c.mostExclude)
	}
	switch {
	case c.multiple == nil:
	case b.multiple == nil:
		b.multiple = c.multiple
	default:
		b.multiple = commonMultiple(b.multiple, c.multiple)
	}
}

// commonMultiple is the least common multiple of two fractions.
func commonMultiple(a, b *big.Rat) *big.Rat {
	x := new(big.Int).Mul(a.Num(), b.Denom())
	y := new(big.Int).Mul(b.Num(), a.Denom())
	gcd := new(big.Int).GCD(nil, nil, x, y)
	lcm := x.Mul(x, y.Div(y, gcd))
	return new(big.Rat).SetFrac(lcm, new(big.Int).Mul(a.Denom(), b.Denom()))
}
