package jinja

import (
	"strconv"
	"strings"
)

// format is Python's "…{}…".format(…) with {}, {0}, {name} and the conversions !s and !r; a format specification behind
// a colon is refused.
func (r *run) format(s string, a args) (any, error) {
	var b strings.Builder
	next := 0
	for s != "" {
		at := strings.IndexAny(s, "{}")
		if at < 0 {
			return r.ended(&b, s)
		}
		if err := r.put(&b, s[:at]); err != nil {
			return nil, err
		}
		if at+1 < len(s) && s[at+1] == s[at] {
			b.WriteByte(s[at])
			s = s[at+2:]
			continue
		}
		end := strings.IndexByte(s[at:], '}')
		if s[at] == '}' || end < 0 {
			return nil, fault("format: a brace has no partner")
		}
		if err := r.field(&b, s[at+1:at+end], &next, a); err != nil {
			return nil, err
		}
		s = s[at+end+1:]
	}
	return b.String(), nil
}

func (r *run) ended(b *strings.Builder, s string) (any, error) {
	err := r.put(b, s)
	return b.String(), err
}

// field writes one {…}.
func (r *run) field(b *strings.Builder, field string, next *int, a args) error {
	if strings.Contains(field, ":") {
		return fault("format: '{%s}' asks for a format that is not supported", field)
	}
	name, conversion, _ := strings.Cut(field, "!")
	v, err := a.named(name, next)
	if err != nil {
		return err
	}
	if conversion == "r" {
		return r.repr(b, v)
	}
	s, err := r.str(v)
	if err != nil {
		return err
	}
	return r.put(b, s)
}

// named finds the argument that a field of format asks for.
func (a args) named(name string, next *int) (any, error) {
	if name == "" {
		name = strconv.Itoa(*next)
		*next++
	}
	if i, err := strconv.Atoi(name); err == nil {
		if i < 0 || i >= len(a.positional) {
			return nil, fault("format: there is no value number %d", i)
		}
		return a.positional[i], nil
	}
	for i, n := range a.names {
		if n == name {
			return a.keywords[i], nil
		}
	}
	return nil, fault("format: there is no value '%s'", name)
}

// percent is Python's "…%s…" % values.
func (r *run) percent(s string, values any) (any, error) {
	list := []any{values}
	if l, ok := values.(*List); ok && l.tuple {
		list = l.items
	}
	var b strings.Builder
	used := 0
	for s != "" {
		at := strings.IndexByte(s, '%')
		if at < 0 {
			if err := r.put(&b, s); err != nil {
				return nil, err
			}
			break
		}
		if err := r.put(&b, s[:at]); err != nil {
			return nil, err
		}
		spec, n := percentSpec(s[at:])
		s = s[at+n:]
		if spec.verb == '%' {
			b.WriteByte('%')
			continue
		}
		v := values
		if spec.name != "" {
			d, ok := values.(*Dict)
			if !ok {
				return nil, fault("'%%(%s)' needs a dict", spec.name)
			}
			if v, ok = d.Get(spec.name); !ok {
				return nil, fault("the dict has no '%s'", spec.name)
			}
		} else {
			if used >= len(list) {
				return nil, fault("there are more conversions than values")
			}
			v = list[used]
			used++
		}
		if err := r.convert(&b, spec, v); err != nil {
			return nil, err
		}
	}
	l, isList := values.(*List)
	if _, isDict := values.(*Dict); !isDict && (!isList || l.tuple) && used < len(list) { // Python lets lists pass, too
		return nil, fault("there are more values than conversions")
	}
	return b.String(), nil
}

// percentConversion is one %[(name)][flags][width][.precision]verb.
type percentConversion struct {
	name             string
	left, zero, plus bool
	width, precision int // precision -1: not given
	verb             byte
}

func percentSpec(s string) (c percentConversion, n int) {
	c.precision = -1
	n = 1
	if strings.HasPrefix(s[n:], "(") {
		if end := strings.IndexByte(s, ')'); end > 0 {
			c.name, n = s[n+1:end], end+1
		}
	}
	for ; n < len(s) && strings.IndexByte("-0+ #", s[n]) >= 0; n++ {
		c.left = c.left || s[n] == '-'
		c.zero = c.zero || s[n] == '0'
		c.plus = c.plus || s[n] == '+'
	}
	number := func() int {
		v := 0
		for ; n < len(s) && s[n] >= '0' && s[n] <= '9'; n++ {
			v = min(v*10+int(s[n]-'0'), 1000)
		}
		return v
	}
	c.width = number()
	if n < len(s) && s[n] == '.' {
		n++
		c.precision = number()
	}
	if n < len(s) {
		c.verb = s[n]
		n++
	}
	return c, n
}

func (r *run) convert(b *strings.Builder, c percentConversion, v any) error {
	out, err := r.converted(c, v)
	if err != nil {
		return err
	}
	if gap := c.width - len([]rune(out)); gap > 0 {
		switch {
		case c.left:
			out += strings.Repeat(" ", gap)
		case c.zero && c.verb != 's' && c.verb != 'r':
			sign := ""
			if out[0] == '-' || out[0] == '+' {
				sign, out = out[:1], out[1:]
			}
			out = sign + strings.Repeat("0", gap) + out
		default:
			out = strings.Repeat(" ", gap) + out
		}
	}
	return r.put(b, out)
}

func (r *run) converted(c percentConversion, v any) (string, error) {
	switch c.verb {
	case 's':
		s, err := r.str(v)
		if runes := []rune(s); c.precision >= 0 && c.precision < len(runes) {
			s = string(runes[:c.precision])
		}
		return s, err
	case 'r':
		var quoted strings.Builder
		err := r.repr(&quoted, v)
		return quoted.String(), err
	case 'd', 'i', 'x', 'X', 'o', 'f', 'F', 'e', 'E', 'g', 'G':
		f, ok := asFloat(v)
		if !ok {
			return "", fault("'%%%c' needs a number, not a value of type %s", c.verb, typeName(v))
		}
		i, whole := asInt(v)
		if !whole {
			i = int64(f)
		}
		out := ""
		switch c.verb {
		case 'd', 'i':
			out = strconv.FormatInt(i, 10)
		case 'x':
			out = strconv.FormatInt(i, 16)
		case 'X':
			out = strings.ToUpper(strconv.FormatInt(i, 16))
		case 'o':
			out = strconv.FormatInt(i, 8)
		default:
			precision := c.precision
			if precision < 0 {
				precision = 6
			}
			verb := c.verb
			if verb == 'F' {
				verb = 'f'
			}
			out = strconv.FormatFloat(f, verb, precision, 64)
		}
		if c.plus && out[0] != '-' {
			out = "+" + out
		}
		return out, nil
	}
	return "", fault("the conversion '%%%c' is unknown", c.verb)
}
