package jinja

import (
	"cmp"
	"strings"
	"time"
)

// maxRange is the longest range that the sandbox of Jinja makes, too.
const maxRange = 100_000

// globals are the functions that every template can call.
var globals = map[string]any{
	"range":           &function{"range", rangeOf},
	"dict":            &function{"dict", dictOf},
	"namespace":       &function{"namespace", newNamespace},
	"raise_exception": &function{"raise_exception", raise},
	"strftime_now":    &function{"strftime_now", strftimeNow},
	"joiner":          &function{"joiner", newJoiner},
	"cycler":          &function{"cycler", newCycler},
}

func rangeOf(r *run, a args) (any, error) {
	bound, err := a.bind("range", "start", "stop?", "step?")
	if err != nil {
		return nil, err
	}
	var n [3]int64
	for i, otherwise := range []int64{0, 0, 1} {
		if n[i], err = integer("range", []string{"start", "stop", "step"}[i], bound[i], otherwise); err != nil {
			return nil, err
		}
	}
	from, to, step := n[0], n[1], n[2]
	if _, one := bound[1].(absent); one {
		from, to = 0, from
	}
	switch {
	case step == 0:
		return nil, fault("the step of range cannot be 0")
	case step > 0 && from >= to, step < 0 && from <= to:
		return &List{}, nil
	}
	// The distance of two int64 fits in a uint64.
	distance, stride := uint64(to)-uint64(from), uint64(step)
	if step < 0 {
		distance, stride = uint64(from)-uint64(to), -stride
	}
	count := (distance-1)/stride + 1
	if count > maxRange {
		return nil, fault("a range of more than %d numbers is not allowed", maxRange)
	}
	if err := r.alloc(int(count) * bytesPerValue); err != nil {
		return nil, err
	}
	out := &List{items: make([]any, count)}
	for i := range out.items {
		out.items[i] = from + int64(i)*step
	}
	return out, nil
}

// dictOf is dict(a=1) and dict(other, a=1).
func dictOf(r *run, a args) (any, error) {
	d := &Dict{}
	if len(a.positional) > 1 {
		return nil, fault("dict takes one value at most")
	}
	if len(a.positional) == 1 {
		if err := r.update(d, a.positional[0]); err != nil {
			return nil, err
		}
	}
	for i, name := range a.names {
		d.Set(name, a.keywords[i])
	}
	return d, r.alloc(d.Len() * bytesPerValue)
}

// update copies a dict, or a list of pairs, into d.
func (r *run) update(d *Dict, v any) error {
	if from, ok := v.(*Dict); ok {
		for i, key := range from.keys {
			d.Set(key, from.values[i])
		}
		return nil
	}
	items, err := r.iterate(v)
	if err != nil {
		return err
	}
	for _, pair := range items {
		both, err := r.unpack(pair, 2)
		if err != nil {
			return err
		}
		if isHashable(both[0]) {
			d.Set(both[0], both[1])
		} else {
			return fault("a value of type %s cannot be a key", typeName(both[0]))
		}
	}
	return nil
}

func newNamespace(r *run, a args) (any, error) {
	v, err := dictOf(r, a)
	if err != nil {
		return nil, err
	}
	ns := &namespace{map[string]any{}}
	d := v.(*Dict)
	for i, key := range d.keys {
		if name, ok := key.(string); ok {
			ns.attributes[name] = d.values[i]
		}
	}
	return ns, nil
}

func raise(r *run, a args) (any, error) {
	bound, err := a.bind("raise_exception", "message")
	if err != nil {
		return nil, err
	}
	message, err := r.str(bound[0])
	if err != nil {
		return nil, err
	}
	return nil, &Error{Message: "the template refuses: " + strings.Join(strings.Fields(message), " "), Raised: true}
}

func newJoiner(_ *run, a args) (any, error) {
	bound, err := a.bind("joiner", "sep?")
	if err != nil {
		return nil, err
	}
	separator, err := optional("joiner", "sep", bound[0], ", ")
	return &joiner{separator: separator}, err
}

func newCycler(_ *run, a args) (any, error) {
	if len(a.positional) == 0 {
		return nil, fault("cycler needs values")
	}
	return &cycler{items: a.positional}, nil
}

func (c *cycler) member(name string) (any, bool) {
	switch name {
	case "current":
		return c.items[c.next], true
	case "next":
		return &function{name, func(*run, args) (any, error) {
			now := c.items[c.next]
			c.next = (c.next + 1) % len(c.items)
			return now, nil
		}}, true
	case "reset":
		return &function{name, func(*run, args) (any, error) {
			c.next = 0
			return nil, nil
		}}, true
	}
	return nil, false
}

// goLayouts are the conversions of C's strftime that Go's time formatting has; the others are in strftime.
var goLayouts = map[byte]string{
	'Y': "2006", 'y': "06", 'm': "01", 'd': "02", 'H': "15", 'I': "03", 'M': "04", 'S': "05", 'p': "PM",
	'B': "January", 'b': "Jan", 'h': "Jan", 'A': "Monday", 'a': "Mon", 'j': "002", 'Z': "MST", 'z': "-0700", 'e': "_2",
	'F': "2006-01-02", 'T': "15:04:05", 'R': "15:04", 'D': "01/02/06", 'c': "Mon Jan _2 15:04:05 2006", 'x': "01/02/06", 'X': "15:04:05",
}

func strftimeNow(r *run, a args) (any, error) {
	bound, err := a.bind("strftime_now", "format")
	if err != nil {
		return nil, err
	}
	format, err := text("strftime_now", "format", bound[0])
	if err != nil {
		return nil, err
	}
	if err := r.alloc(16 * len(format)); err != nil {
		return nil, err
	}
	return strftime(r.now(), format), nil
}

func strftime(t time.Time, format string) string {
	var b strings.Builder
	for i := 0; i < len(format); i++ {
		if format[i] != '%' || i+1 == len(format) {
			b.WriteByte(format[i])
			continue
		}
		i++
		bare := format[i] == '-' && i+1 < len(format) // %-d: without leading zeros
		if bare {
			i++
		}
		c := format[i]
		layout, ok := goLayouts[c]
		switch {
		case c == 'f':
			b.WriteString(t.Format(".000000")[1:])
		case ok && bare:
			b.WriteString(cmp.Or(strings.TrimLeft(t.Format(layout), "0 "), "0"))
		case ok:
			b.WriteString(t.Format(layout))
		case c == '%':
			b.WriteByte('%')
		case c == 'n':
			b.WriteByte('\n')
		case c == 't':
			b.WriteByte('\t')
		default:
			b.WriteString("%" + string(c))
		}
	}
	return b.String()
}
