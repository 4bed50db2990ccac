package jinja

import (
	"fmt"
	"math"
	"math/big"
	"strconv"
	"strings"
	"unicode"
)

// str is Python's str(v).
func (r *run) str(v any) (string, error) {
	switch v := v.(type) {
	case string:
		return v, nil
	case Undefined:
		return "", nil
	case *joiner:
		if !v.used {
			v.used = true
			return "", nil
		}
		return v.separator, nil
	}
	var b strings.Builder
	err := r.repr(&b, v)
	return b.String(), err
}

// repr writes v as Python's repr does.
func (r *run) repr(b *strings.Builder, v any) error {
	up, err := r.deeper()
	if err != nil {
		return err
	}
	defer up()
	switch v := v.(type) {
	case string:
		return r.put(b, quote(v))
	case *List:
		open, end := "[", "]"
		if v.tuple {
			open, end = "(", ")"
			if len(v.items) == 1 {
				end = ",)"
			}
		}
		if err := r.put(b, open); err != nil {
			return err
		}
		for i, item := range v.items {
			if err := r.separated(b, i, ", ", item); err != nil {
				return err
			}
		}
		return r.put(b, end)
	case *Dict:
		if err := r.put(b, "{"); err != nil {
			return err
		}
		for i, key := range v.keys {
			if err := r.separated(b, i, ", ", key); err != nil {
				return err
			}
			if err := r.separated(b, 1, ": ", v.values[i]); err != nil {
				return err
			}
		}
		return r.put(b, "}")
	}
	return r.put(b, scalar(v))
}

// separated writes an item behind a separator, which the first one does not have.
func (r *run) separated(b *strings.Builder, i int, separator string, v any) error {
	if i > 0 {
		if err := r.put(b, separator); err != nil {
			return err
		}
	}
	return r.repr(b, v)
}

// put writes counted text.
func (r *run) put(b *strings.Builder, s string) error {
	if err := r.alloc(len(s)); err != nil {
		return err
	}
	b.WriteString(s)
	return nil
}

// scalar writes everything but strings and containers.
func scalar(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case bool:
		if v {
			return "True"
		}
		return "False"
	case int64:
		return strconv.FormatInt(v, 10)
	case *big.Int:
		return v.String()
	case float64:
		return formatFloat(v)
	case Undefined:
		return "Undefined"
	case *function:
		return "<function " + v.name + ">"
	}
	return "<" + typeName(v) + ">"
}

// formatFloat is Python's repr of a float: the shortest digits that read back the same, an exponent below 1e-4 and
// from 1e16 on.
func formatFloat(f float64) string {
	switch {
	case math.IsNaN(f):
		return "nan"
	case math.IsInf(f, 1):
		return "inf"
	case math.IsInf(f, -1):
		return "-inf"
	}
	if a := math.Abs(f); a != 0 && (a < 1e-4 || a >= 1e16) {
		return strconv.FormatFloat(f, 'e', -1, 64)
	}
	s := strconv.FormatFloat(f, 'f', -1, 64)
	if !strings.Contains(s, ".") {
		s += ".0"
	}
	return s
}

// quote is Python's repr of a string: single quotes unless only they occur in it.
func quote(s string) string {
	q := byte('\'')
	if strings.Contains(s, "'") && !strings.Contains(s, `"`) {
		q = '"'
	}
	var b strings.Builder
	b.WriteByte(q)
	for _, c := range s {
		switch {
		case c == rune(q) || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case unicode.IsPrint(c):
			b.WriteRune(c)
		case c < 0x100:
			fmt.Fprintf(&b, `\x%02x`, c)
		case c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		default:
			fmt.Fprintf(&b, `\U%08x`, c)
		}
	}
	b.WriteByte(q)
	return b.String()
}

// jsonStyle says how tojson writes.
type jsonStyle struct {
	item, key string // separators
	indent    string // of one level; "" with oneLine
	oneLine   bool
	sortKeys  bool
	ascii     bool
}

// json writes v as Python's json.dumps does.
func (r *run) json(b *strings.Builder, v any, style jsonStyle, level int) error {
	up, err := r.deeper()
	if err != nil {
		return err
	}
	defer up()
	switch v := v.(type) {
	case string:
		return r.put(b, jsonString(v, style.ascii))
	case nil:
		return r.put(b, "null")
	case bool:
		return r.put(b, strings.ToLower(scalar(v)))
	case int64, *big.Int:
		return r.put(b, scalar(v))
	case float64:
		return r.put(b, jsonFloat(v))
	case *List:
		return r.jsonItems(b, "[]", len(v.items), style, level, func(i int) error {
			return r.json(b, v.items[i], style, level+1)
		})
	case *Dict:
		order, err := r.keyOrder(v, style.sortKeys)
		if err != nil {
			return err
		}
		return r.jsonItems(b, "{}", len(order), style, level, func(i int) error {
			key, err := jsonKey(v.keys[order[i]])
			if err != nil {
				return err
			}
			if err := r.put(b, jsonString(key, style.ascii)+style.key); err != nil {
				return err
			}
			return r.json(b, v.values[order[i]], style, level+1)
		})
	case Undefined:
		return v.err()
	}
	return fault("a value of type %s cannot be written as JSON", typeName(v))
}

// jsonItems writes n items between brackets.
func (r *run) jsonItems(b *strings.Builder, brackets string, n int, style jsonStyle, level int, item func(int) error) error {
	if n == 0 {
		return r.put(b, brackets)
	}
	newline := func(level int) error {
		if style.oneLine {
			return nil
		}
		if len(style.indent)*level > r.left.Memory {
			return r.alloc(-1)
		}
		return r.put(b, "\n"+strings.Repeat(style.indent, level))
	}
	if err := r.put(b, brackets[:1]); err != nil {
		return err
	}
	for i := range n {
		if i > 0 {
			if err := r.put(b, style.item); err != nil {
				return err
			}
		}
		if err := newline(level + 1); err != nil {
			return err
		}
		if err := item(i); err != nil {
			return err
		}
	}
	if err := newline(level); err != nil {
		return err
	}
	return r.put(b, brackets[1:])
}

// jsonKey writes keys that are no strings as json.dumps does.
func jsonKey(key any) (string, error) {
	switch k := key.(type) {
	case string:
		return k, nil
	case nil:
		return "null", nil
	case bool:
		return strings.ToLower(scalar(k)), nil
	case float64:
		return jsonFloat(k), nil
	}
	return scalar(key), nil
}

func jsonFloat(f float64) string {
	switch s := formatFloat(f); s {
	case "nan":
		return "NaN"
	case "inf":
		return "Infinity"
	case "-inf":
		return "-Infinity"
	default:
		return s
	}
}

// jsonString quotes s; only control characters, quotes and backslashes are escaped unless ascii is set.
func jsonString(s string, ascii bool) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, c := range s {
		switch {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteRune(c)
		case c == '\n':
			b.WriteString(`\n`)
		case c == '\r':
			b.WriteString(`\r`)
		case c == '\t':
			b.WriteString(`\t`)
		case c == '\b':
			b.WriteString(`\b`)
		case c == '\f':
			b.WriteString(`\f`)
		case c < 0x20, ascii && c > 0x7e && c < 0x10000:
			fmt.Fprintf(&b, `\u%04x`, c)
		case ascii && c >= 0x10000:
			c -= 0x10000
			fmt.Fprintf(&b, `\u%04x\u%04x`, 0xd800+c>>10, 0xdc00+c&0x3ff)
		default:
			b.WriteRune(c)
		}
	}
	b.WriteByte('"')
	return b.String()
}
