package jinja

import (
	"html"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"unicode"
)

// filterFunc is what stands behind "|".
type filterFunc func(r *run, v any, a args) (any, error)

// filters are those of Jinja that chat templates can have a use for. The table is filled by init, because map and
// select look other filters up in it.
var filters map[string]filterFunc

func init() {
	filters = map[string]filterFunc{
		"tojson": toJSON,

		// Text.
		"string": func(r *run, v any, a args) (any, error) { return r.str(v) },
		"trim":   viaMethod("strip"), "upper": viaMethod("upper"), "lower": viaMethod("lower"),
		"title": titleFilter, "capitalize": viaMethod("capitalize"), "replace": viaMethod("replace"),
		"center": centered, "indent": indent, "truncate": truncate, "wordcount": wordCount,
		"format": func(r *run, v any, a args) (any, error) {
			s, err := r.str(v)
			if err != nil {
				return nil, err
			}
			return r.percent(s, &List{a.positional, true})
		},
		"safe": asText, "escape": escapeHTML, "e": escapeHTML,

		// Numbers.
		"int": toInt, "float": toFloat, "abs": absolute, "round": round,

		// Any value.
		"default": otherwise, "d": otherwise, "attr": attrFilter,
		"length": length, "count": length,

		// Sequences.
		"list": toList, "items": itemsFilter, "dictsort": dictSort,
		"first": func(r *run, v any, a args) (any, error) { return r.end(v, false) },
		"last":  func(r *run, v any, a args) (any, error) { return r.end(v, true) },
		"join":  joinFilter, "reverse": reverse, "sort": sortFilter, "unique": unique,
		"min": extreme(-1), "max": extreme(1), "sum": sum, "batch": batch, "slice": columns,
		"map":    mapFilter,
		"select": selector(true, false), "reject": selector(false, false),
		"selectattr": selector(true, true), "rejectattr": selector(false, true),
		"groupby": groupBy,
	}
}

// toJSON is the tojson of transformers: json.dumps with ensure_ascii off.
func toJSON(r *run, v any, a args) (any, error) {
	bound, err := a.bind("tojson", "indent?", "ensure_ascii?", "separators?", "sort_keys?")
	if err != nil {
		return nil, err
	}
	style := jsonStyle{item: ", ", key: ": ", oneLine: true}
	if style.ascii, err = optional("tojson", "ensure_ascii", bound[1], false); err != nil {
		return nil, err
	}
	if style.sortKeys, err = optional("tojson", "sort_keys", bound[3], false); err != nil {
		return nil, err
	}
	switch by := bound[0].(type) {
	case nil, absent:
	case string:
		style.indent, style.oneLine, style.item = by, false, ","
	default:
		n, err := integer("tojson", "indent", by, 0)
		if err != nil {
			return nil, err
		}
		style.indent, style.oneLine, style.item = strings.Repeat(" ", int(min(max(n, 0), 64))), false, ","
	}
	if l, ok := bound[2].(*List); ok && len(l.items) == 2 {
		if style.item, err = text("tojson", "separators", l.items[0]); err != nil {
			return nil, err
		}
		if style.key, err = text("tojson", "separators", l.items[1]); err != nil {
			return nil, err
		}
	}
	var b strings.Builder
	err = r.json(&b, v, style, 0)
	return b.String(), err
}

// keyOrder is the order in which a dict's entries are written.
func (r *run) keyOrder(d *Dict, sorted bool) ([]int, error) {
	order := make([]int, d.Len())
	for i := range order {
		order[i] = i
	}
	if !sorted {
		return order, r.alloc(8 * d.Len())
	}
	return order, r.sortBy(order, func(i int) any { return d.keys[i] }, false)
}

// sortBy sorts items by a key, stably.
func (r *run) sortBy(order []int, key func(int) any, reverse bool) error {
	var failed error
	slices.SortStableFunc(order, func(i, j int) int {
		if failed != nil {
			return 0
		}
		c, err := r.order(key(i), key(j))
		if err != nil {
			failed = err
		}
		if reverse {
			return -c
		}
		return c
	})
	return failed
}

// viaMethod makes a filter of a string method.
func viaMethod(name string) filterFunc {
	return func(r *run, v any, a args) (any, error) {
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		return stringMethods[name](r, s, a)
	}
}

// titleFilter makes the first character of each word upper case and the others lower case. Unlike for str.title an
// apostrophe is inside a word.
func titleFilter(r *run, v any, _ args) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	inWord := false
	return strings.Map(func(c rune) rune {
		first := !inWord
		inWord = !unicode.IsSpace(c) && !strings.ContainsRune("-({[<", c)
		if first {
			return unicode.ToUpper(c)
		}
		return unicode.ToLower(c)
	}, s), r.alloc(2 * len(s))
}

func asText(r *run, v any, _ args) (any, error) { return r.str(v) }

func escapeHTML(r *run, v any, _ args) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	return html.EscapeString(s), r.alloc(5 * len(s))
}

func centered(r *run, v any, a args) (any, error) {
	bound, err := a.bind("center", "width?")
	if err != nil {
		return nil, err
	}
	if _, missing := bound[0].(absent); missing {
		bound[0] = int64(80)
	}
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	return stringMethods["center"](r, s, args{positional: bound})
}

// indent puts spaces, or a text, before every line but the first and the blank ones.
func indent(r *run, v any, a args) (any, error) {
	bound, err := a.bind("indent", "width?", "first?", "blank?")
	if err != nil {
		return nil, err
	}
	by, ok := bound[0].(string)
	if !ok {
		n, err := integer("indent", "width", bound[0], 4)
		if err != nil {
			return nil, err
		}
		by = strings.Repeat(" ", int(min(max(n, 0), 1000)))
	}
	first, err := optional("indent", "first", bound[1], false)
	if err != nil {
		return nil, err
	}
	blank, err := optional("indent", "blank", bound[2], false)
	if err != nil {
		return nil, err
	}
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	var b strings.Builder
	for i, line := range strings.Split(s, "\n") {
		if i > 0 {
			line = "\n" + line
		}
		if i == 0 && first || i > 0 && (blank || line != "\n") {
			line = strings.Repeat("\n", min(i, 1)) + by + strings.TrimPrefix(line, "\n")
		}
		if err := r.put(&b, line); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

func truncate(r *run, v any, a args) (any, error) {
	bound, err := a.bind("truncate", "length?", "killwords?", "end?", "leeway?")
	if err != nil {
		return nil, err
	}
	limit, err := integer("truncate", "length", bound[0], 255)
	if err != nil {
		return nil, err
	}
	kill, err := optional("truncate", "killwords", bound[1], false)
	if err != nil {
		return nil, err
	}
	end, err := optional("truncate", "end", bound[2], "...")
	if err != nil {
		return nil, err
	}
	leeway, err := integer("truncate", "leeway", bound[3], 5)
	if err != nil {
		return nil, err
	}
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	runes, err := r.runes(s)
	if err != nil {
		return nil, err
	}
	ending := int64(len([]rune(end)))
	if int64(len(runes)) <= limit+leeway {
		return s, nil
	}
	if limit < ending {
		return nil, fault("truncate needs a length of at least that of its end")
	}
	cut := string(runes[:min(limit-ending, int64(len(runes)))])
	if at := strings.LastIndex(cut, " "); !kill && at >= 0 {
		cut = cut[:at]
	}
	return cut + end, nil
}

func wordCount(r *run, v any, _ args) (any, error) {
	s, err := r.str(v)
	if err != nil {
		return nil, err
	}
	inWord, n := false, int64(0)
	for _, c := range s {
		word := c == '_' || unicode.IsLetter(c) || unicode.IsNumber(c)
		if word && !inWord {
			n++
		}
		inWord = word
	}
	return n, r.spend(len(s) / bytesPerWork)
}

func toInt(r *run, v any, a args) (any, error) {
	bound, err := a.bind("int", "default?", "base?")
	if err != nil {
		return nil, err
	}
	base, err := integer("int", "base", bound[1], 10)
	if err != nil {
		return nil, err
	}
	fallback := bound[0]
	if _, missing := fallback.(absent); missing {
		fallback = int64(0)
	}
	switch v := v.(type) {
	case bool, int64:
		i, _ := asInt(v)
		return i, nil
	case *big.Int:
		return v, nil
	case float64:
		return wholePart(v, fallback), nil
	case string:
		s := strings.TrimSpace(v)
		if base < 0 || base > 36 || base == 1 {
			return fallback, nil
		}
		digits := strings.TrimPrefix(s, "+")
		for prefix, of := range map[string]int64{"0x": 16, "0o": 8, "0b": 2} {
			if base == of && strings.HasPrefix(strings.ToLower(digits), prefix) {
				digits = digits[2:]
			}
		}
		if i, err := strconv.ParseInt(digits, int(base), 64); err == nil {
			return i, nil
		}
		if f, err := strconv.ParseFloat(s, 64); err == nil {
			return wholePart(f, fallback), nil
		}
	case Undefined:
		return nil, v.err()
	}
	return fallback, nil
}

func wholePart(f float64, fallback any) any {
	if math.Abs(f) < 1<<63 {
		return int64(f)
	}
	if math.IsInf(f, 0) || math.IsNaN(f) {
		return fallback
	}
	n, _ := big.NewFloat(f).Int(nil)
	return n
}

func toFloat(_ *run, v any, a args) (any, error) {
	bound, err := a.bind("float", "default?")
	if err != nil {
		return nil, err
	}
	if f, ok := asFloat(v); ok {
		return f, nil
	}
	switch v := v.(type) {
	case string:
		if f, err := strconv.ParseFloat(strings.TrimSpace(v), 64); err == nil {
			return f, nil
		}
	case Undefined:
		return nil, v.err()
	}
	if _, missing := bound[0].(absent); missing {
		return 0.0, nil
	}
	return bound[0], nil
}

func absolute(_ *run, v any, _ args) (any, error) {
	if i, ok := asInt(v); ok {
		if i < 0 {
			return integers("-", 0, i)
		}
		return i, nil
	}
	if f, ok := asFloat(v); ok {
		return math.Abs(f), nil
	}
	return nil, badOperand("abs", v)
}

func round(_ *run, v any, a args) (any, error) {
	bound, err := a.bind("round", "precision?", "method?")
	if err != nil {
		return nil, err
	}
	precision, err := integer("round", "precision", bound[0], 0)
	if err != nil {
		return nil, err
	}
	method, err := optional("round", "method", bound[1], "common")
	if err != nil {
		return nil, err
	}
	f, ok := asFloat(v)
	if !ok {
		return nil, badOperand("round", v)
	}
	rounding, ok := map[string]func(float64) float64{"common": math.RoundToEven, "ceil": math.Ceil, "floor": math.Floor}[method]
	if !ok {
		return nil, fault("round knows the methods common, ceil and floor, not '%s'", method)
	}
	if precision > 15 || precision < -300 {
		return f, nil
	}
	i, whole := asInt(v)
	if whole && method == "common" && precision >= 0 {
		return i, nil
	}
	if method == "common" && precision > 0 { // decimal rounding of the exact value, as Python's round
		return strconv.ParseFloat(strconv.FormatFloat(f, 'f', int(precision), 64), 64)
	}
	scale := math.Pow(10, float64(precision))
	rounded := rounding(f*scale) / scale
	if whole && method == "common" {
		return int64(rounded), nil
	}
	return rounded, nil
}

// otherwise is |default: for undefined values, with its second argument for all that are false.
func otherwise(_ *run, v any, a args) (any, error) {
	bound, err := a.bind("default", "default_value?", "boolean?")
	if err != nil {
		return nil, err
	}
	all, err := optional("default", "boolean", bound[1], false)
	if err != nil {
		return nil, err
	}
	if _, missing := v.(Undefined); !missing && (!all || truth(v)) {
		return v, nil
	}
	if _, missing := bound[0].(absent); missing {
		return "", nil
	}
	return bound[0], nil
}

func attrFilter(r *run, v any, a args) (any, error) {
	bound, err := a.bind("attr", "name")
	if err != nil {
		return nil, err
	}
	name, err := text("attr", "name", bound[0])
	if err != nil {
		return nil, err
	}
	if u, ok := v.(Undefined); ok {
		return nil, u.err()
	}
	if found, ok := r.member(v, name); ok {
		return found, nil
	}
	return Undefined{"there is no attribute '" + name + "'"}, nil
}

func length(r *run, v any, _ args) (any, error) {
	n, err := r.length(v)
	return int64(n), err
}
