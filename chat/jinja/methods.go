package jinja

import (
	"strings"
	"unicode"
	"unicode/utf8"
)

// Methods are those of Python's str, dict and list that leave the value as it is.

type stringMethod func(r *run, s string, a args) (any, error)

var stringMethods = map[string]stringMethod{
	"strip":  stripper("strip", true, true),
	"lstrip": stripper("lstrip", true, false),
	"rstrip": stripper("rstrip", false, true),

	"upper":      mapper("upper", strings.ToUpper),
	"lower":      mapper("lower", strings.ToLower),
	"casefold":   mapper("casefold", strings.ToLower),
	"title":      mapper("title", titled),
	"capitalize": mapper("capitalize", capitalized),
	"swapcase":   mapper("swapcase", swapCase),

	"isalpha":   classTest("isalpha", unicode.IsLetter),
	"isdigit":   classTest("isdigit", unicode.IsDigit),
	"isnumeric": classTest("isnumeric", unicode.IsNumber),
	"isdecimal": classTest("isdecimal", unicode.IsDigit),
	"isspace":   classTest("isspace", unicode.IsSpace),
	"isalnum":   classTest("isalnum", func(c rune) bool { return unicode.IsLetter(c) || unicode.IsNumber(c) }),
	"islower": func(r *run, s string, a args) (any, error) {
		return caseTest("islower", unicode.IsUpper, unicode.IsLower)(r, s, a)
	},
	"isupper": func(r *run, s string, a args) (any, error) {
		return caseTest("isupper", unicode.IsLower, unicode.IsUpper)(r, s, a)
	},

	"startswith": affix("startswith", strings.HasPrefix),
	"endswith":   affix("endswith", strings.HasSuffix),
	"removeprefix": oneText("removeprefix", func(r *run, s, x string) (any, error) {
		return strings.TrimPrefix(s, x), nil
	}),
	"removesuffix": oneText("removesuffix", func(r *run, s, x string) (any, error) {
		return strings.TrimSuffix(s, x), nil
	}),
	"find":       finder("find", strings.Index, false),
	"rfind":      finder("rfind", strings.LastIndex, false),
	"index":      finder("index", strings.Index, true),
	"rindex":     finder("rindex", strings.LastIndex, true),
	"count":      oneText("count", countIn),
	"split":      splitter("split", false),
	"rsplit":     splitter("rsplit", true),
	"splitlines": splitLines,
	"partition": oneText("partition", func(r *run, s, x string) (any, error) {
		return partition(s, x, strings.Index(s, x))
	}),
	"rpartition": oneText("rpartition", func(r *run, s, x string) (any, error) {
		return partition(s, x, strings.LastIndex(s, x))
	}),
	"join":    join,
	"replace": replace,
	"ljust":   padder("ljust", func(gap, _ int) (int, int) { return 0, gap }),
	"rjust":   padder("rjust", func(gap, _ int) (int, int) { return gap, 0 }),
	"center": padder("center", func(gap, width int) (int, int) {
		before := gap/2 + gap&width&1 // where the odd one goes depends on the width, in Python
		return before, gap - before
	}),
	"zfill":  zeroFill,
	"format": func(r *run, s string, a args) (any, error) { return r.format(s, a) },
}

// stripper removes characters, whitespace if none are named, from the ends.
func stripper(name string, left, right bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		bound, err := a.bind(name, "chars?")
		if err != nil {
			return nil, err
		}
		cut := unicode.IsSpace
		if bound[0] != nil {
			chars, err := optional(name, "chars", bound[0], "\x00")
			if err != nil {
				return nil, err
			}
			if _, missing := bound[0].(absent); !missing {
				cut = func(c rune) bool { return strings.ContainsRune(chars, c) }
				if err := r.spend(len(chars)); err != nil {
					return nil, err
				}
			}
		}
		n := len(s)
		if left {
			s = strings.TrimLeftFunc(s, cut)
		}
		if right {
			s = strings.TrimRightFunc(s, cut)
		}
		return s, r.spend((n - len(s)) / bytesPerWork)
	}
}

// mapper is a method without arguments whose result is about as long as the text.
func mapper(name string, change func(string) string) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		if err := r.alloc(2 * len(s)); err != nil {
			return nil, err
		}
		return change(s), nil
	}
}

// titled is Python's str.title: a letter behind anything but a letter is upper case, all others are lower case.
func titled(s string) string {
	inWord := false
	return strings.Map(func(c rune) rune {
		was := inWord
		inWord = unicode.IsLetter(c)
		if was {
			return unicode.ToLower(c)
		}
		return unicode.ToTitle(c)
	}, s)
}

func capitalized(s string) string {
	first, n := utf8.DecodeRuneInString(s)
	if n == 0 {
		return ""
	}
	return string(unicode.ToTitle(first)) + strings.ToLower(s[n:])
}

func swapCase(s string) string {
	return strings.Map(func(c rune) rune {
		if unicode.IsUpper(c) {
			return unicode.ToLower(c)
		}
		return unicode.ToUpper(c)
	}, s)
}

// classTest is true when there are characters and all are of the class.
func classTest(name string, class func(rune) bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		if _, err := a.bind(name); err != nil {
			return nil, err
		}
		return s != "" && strings.IndexFunc(s, func(c rune) bool { return !class(c) }) < 0, r.spend(len(s) / bytesPerWork)
	}
}

// affix is startswith or endswith: one text, or a tuple of which one must fit; with bounds as in Python.
func affix(name string, has func(s, x string) bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		bound, err := a.bind(name, "prefix", "start?", "end?")
		if err != nil {
			return nil, err
		}
		if s, err = r.window(name, s, bound[1], bound[2]); err != nil {
			return nil, err
		}
		candidates := []any{bound[0]}
		if l, ok := bound[0].(*List); ok {
			candidates = l.items
		}
		for _, c := range candidates {
			x, err := text(name, "prefix", c)
			if err != nil {
				return nil, err
			}
			if err := r.spend(len(x) / bytesPerWork); err != nil {
				return nil, err
			}
			if has(s, x) {
				return true, nil
			}
		}
		return false, nil
	}
}

// window is s[start:end] where the bounds are given.
func (r *run) window(name, s string, start, end any) (string, error) {
	if start == (absent{}) && end == (absent{}) {
		return s, nil
	}
	runes, err := r.runes(s)
	if err != nil {
		return "", err
	}
	from, err := integer(name, "start", start, 0)
	if err != nil {
		return "", err
	}
	to, err := integer(name, "end", end, int64(len(runes)))
	if err != nil {
		return "", err
	}
	picked, err := sliced(runes, [3]*int64{&from, &to, nil})
	return string(picked), err
}

// oneText is a method with one string argument.
func oneText(name string, f func(r *run, s, x string) (any, error)) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		bound, err := a.bind(name, "sub")
		if err != nil {
			return nil, err
		}
		x, err := text(name, "sub", bound[0])
		if err != nil {
			return nil, err
		}
		if err := r.spend(len(s) / bytesPerWork); err != nil {
			return nil, err
		}
		return f(r, s, x)
	}
}

// finder returns where, in characters, a text is found; -1 or an error if it is not.
func finder(name string, find func(s, x string) int, must bool) stringMethod {
	return oneText(name, func(r *run, s, x string) (any, error) {
		at := find(s, x)
		if at < 0 {
			if must {
				return nil, fault("the text that %s looks for is not there", name)
			}
			return int64(-1), nil
		}
		return int64(utf8.RuneCountInString(s[:at])), nil
	})
}

func countIn(_ *run, s, x string) (any, error) { return int64(strings.Count(s, x)), nil }

func partition(s, x string, at int) (any, error) {
	switch {
	case x == "":
		return nil, fault("the separator is empty")
	case at < 0:
		return &List{[]any{s, "", ""}, true}, nil
	}
	return &List{[]any{s[:at], x, s[at+len(x):]}, true}, nil
}

// splitter cuts at a separator, or at runs of whitespace where none is given; a limit counts the cuts.
func splitter(name string, fromRight bool) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		bound, err := a.bind(name, "sep?", "maxsplit?")
		if err != nil {
			return nil, err
		}
		limit, err := integer(name, "maxsplit", bound[1], -1)
		if err != nil {
			return nil, err
		}
		separator := ""
		if bound[0] != nil && bound[0] != (absent{}) {
			if separator, err = text(name, "sep", bound[0]); err != nil {
				return nil, err
			}
			if separator == "" {
				return nil, fault("the separator is empty")
			}
		}
		pieces := 0
		if separator == "" {
			pieces = len(s)/2 + 1
		} else {
			pieces = strings.Count(s, separator) + 1
		}
		if err := r.alloc(pieces * bytesPerValue); err != nil {
			return nil, err
		}
		return &List{items: splitText(s, separator, limit, fromRight)}, nil
	}
}

func splitText(s, separator string, limit int64, fromRight bool) []any {
	cut := func() (before, after string, found bool) { // the piece that is taken is "before", or "after" from the right
		if separator != "" {
			if !fromRight {
				return strings.Cut(s, separator)
			}
			at := strings.LastIndex(s, separator)
			if at < 0 {
				return s, "", false
			}
			return s[:at], s[at+len(separator):], true
		}
		if !fromRight {
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
			at := strings.IndexFunc(s, unicode.IsSpace)
			if at < 0 {
				return s, "", false
			}
			return s[:at], strings.TrimLeftFunc(s[at:], unicode.IsSpace), true
		}
		s = strings.TrimRightFunc(s, unicode.IsSpace)
		at := strings.LastIndexFunc(s, unicode.IsSpace)
		if at < 0 {
			return s, "", false
		}
		_, n := utf8.DecodeRuneInString(s[at:])
		return strings.TrimRightFunc(s[:at], unicode.IsSpace), s[at+n:], true
	}
	var items []any
	for ; limit != 0; limit-- {
		before, after, found := cut()
		if !found {
			break
		}
		if fromRight {
			items, s = append(items, after), before
		} else {
			items, s = append(items, before), after
		}
	}
	if separator == "" {
		if fromRight {
			s = strings.TrimRightFunc(s, unicode.IsSpace)
		} else {
			s = strings.TrimLeftFunc(s, unicode.IsSpace)
		}
	}
	if separator != "" || s != "" {
		items = append(items, s)
	}
	if fromRight {
		for i, j := 0, len(items)-1; i < j; i, j = i+1, j-1 {
			items[i], items[j] = items[j], items[i]
		}
	}
	return items
}

func splitLines(r *run, s string, a args) (any, error) {
	bound, err := a.bind("splitlines", "keepends?")
	if err != nil {
		return nil, err
	}
	keep, err := optional("splitlines", "keepends", bound[0], false)
	if err != nil {
		return nil, err
	}
	if err := r.alloc((strings.Count(s, "\n") + strings.Count(s, "\r") + 1) * bytesPerValue); err != nil {
		return nil, err
	}
	out := &List{}
	for s != "" {
		at := strings.IndexAny(s, "\n\r\v\f\x1c\x1d\x1e\u0085\u2028\u2029")
		if at < 0 {
			out.items = append(out.items, s)
			break
		}
		_, n := utf8.DecodeRuneInString(s[at:])
		if strings.HasPrefix(s[at:], "\r\n") {
			n = 2
		}
		end := at
		if keep {
			end += n
		}
		out.items = append(out.items, s[:end])
		s = s[at+n:]
	}
	return out, nil
}

func join(r *run, s string, a args) (any, error) {
	bound, err := a.bind("join", "iterable")
	if err != nil {
		return nil, err
	}
	items, err := r.iterate(bound[0])
	if err != nil {
		return nil, err
	}
	for _, item := range items {
		if _, err := text("join", "item", item); err != nil {
			return nil, err
		}
	}
	return r.joinAll(items, s)
}

// joinAll writes the items with a separator between them.
func (r *run) joinAll(items []any, separator string) (any, error) {
	var b strings.Builder
	for i, item := range items {
		s, err := r.str(item)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			if err := r.put(&b, separator); err != nil {
				return nil, err
			}
		}
		if err := r.put(&b, s); err != nil {
			return nil, err
		}
	}
	return b.String(), nil
}

func replace(r *run, s string, a args) (any, error) {
	bound, err := a.bind("replace", "old", "new", "count?")
	if err != nil {
		return nil, err
	}
	old, err := text("replace", "old", bound[0])
	if err != nil {
		return nil, err
	}
	with, err := text("replace", "new", bound[1])
	if err != nil {
		return nil, err
	}
	if bound[2] == nil {
		bound[2] = absent{}
	}
	limit, err := integer("replace", "count", bound[2], -1)
	if err != nil {
		return nil, err
	}
	found := strings.Count(s, old)
	if limit < 0 || limit > int64(found) {
		limit = int64(found)
	}
	if int64(len(with)) > 0 && limit > int64(r.left.Memory)/int64(len(with)) {
		return nil, r.alloc(-1)
	}
	if err := r.alloc(len(s) + int(limit)*len(with)); err != nil {
		return nil, err
	}
	return strings.Replace(s, old, with, int(limit)), nil
}

// padder widens a text to a width in characters; split says how much of the gap comes
// before and behind it.
func padder(name string, split func(gap, width int) (int, int)) stringMethod {
	return func(r *run, s string, a args) (any, error) {
		bound, err := a.bind(name, "width", "fillchar?")
		if err != nil {
			return nil, err
		}
		fill, err := optional(name, "fillchar", bound[1], " ")
		if err != nil {
			return nil, err
		}
		if utf8.RuneCountInString(fill) != 1 {
			return nil, fault("'fillchar' of %s must be one character", name)
		}
		gap, err := r.gap(name, s, bound[0], len(fill))
		if err != nil {
			return nil, err
		}
		before, behind := split(gap, gap+utf8.RuneCountInString(s))
		return strings.Repeat(fill, before) + s + strings.Repeat(fill, behind), nil
	}
}

// gap is how many characters s lacks to a width; memory for them is counted.
func (r *run) gap(name, s string, width any, size int) (int, error) {
	w, err := integer(name, "width", width, 0)
	if err != nil {
		return 0, err
	}
	gap := max(w-int64(utf8.RuneCountInString(s)), 0)
	if gap > int64(r.left.Memory)/int64(size) {
		return 0, r.alloc(-1)
	}
	return int(gap), r.alloc(len(s) + int(gap)*size)
}

func zeroFill(r *run, s string, a args) (any, error) {
	bound, err := a.bind("zfill", "width")
	if err != nil {
		return nil, err
	}
	gap, err := r.gap("zfill", s, bound[0], 1)
	if err != nil {
		return nil, err
	}
	sign := ""
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		sign, s = s[:1], s[1:]
	}
	return sign + strings.Repeat("0", gap) + s, nil
}

type dictMethod func(r *run, d *Dict, a args) (any, error)

var dictMethods = map[string]dictMethod{
	"items": func(r *run, d *Dict, a args) (any, error) {
		if _, err := a.bind("items"); err != nil {
			return nil, err
		}
		return r.pairs(d)
	},
	"keys": func(r *run, d *Dict, a args) (any, error) {
		if _, err := a.bind("keys"); err != nil {
			return nil, err
		}
		return &List{items: d.keys}, nil
	},
	"values": func(r *run, d *Dict, a args) (any, error) {
		if _, err := a.bind("values"); err != nil {
			return nil, err
		}
		return &List{items: d.values}, nil
	},
	"copy": func(r *run, d *Dict, a args) (any, error) { return d, nil },
	"get": func(r *run, d *Dict, a args) (any, error) {
		bound, err := a.bind("get", "key", "default?")
		if err != nil {
			return nil, err
		}
		if isHashable(bound[0]) {
			if v, ok := d.Get(bound[0]); ok {
				return v, nil
			}
		}
		if _, missing := bound[1].(absent); missing {
			return nil, nil
		}
		return bound[1], nil
	},
	"update": frozenDict("update"), "pop": frozenDict("pop"), "popitem": frozenDict("popitem"),
	"clear": frozenDict("clear"), "setdefault": frozenDict("setdefault"),
}

// pairs are the entries as tuples.
func (r *run) pairs(d *Dict) (*List, error) {
	if err := r.alloc(4 * d.Len() * bytesPerValue); err != nil {
		return nil, err
	}
	out := &List{items: make([]any, d.Len())}
	for i := range out.items {
		out.items[i] = &List{[]any{d.keys[i], d.values[i]}, true}
	}
	return out, nil
}

func frozenDict(name string) dictMethod {
	return func(*run, *Dict, args) (any, error) { return nil, fault("%s: a template cannot change a dict", name) }
}

type listMethod func(r *run, l *List, a args) (any, error)

var listMethods = map[string]listMethod{
	"index": func(r *run, l *List, a args) (any, error) {
		bound, err := a.bind("index", "value")
		if err != nil {
			return nil, err
		}
		for i, item := range l.items {
			same, err := r.equal(item, bound[0])
			if err != nil {
				return nil, err
			}
			if same {
				return int64(i), nil
			}
		}
		return nil, fault("the value that index looks for is not in the list")
	},
	"count": func(r *run, l *List, a args) (any, error) {
		bound, err := a.bind("count", "value")
		if err != nil {
			return nil, err
		}
		n := int64(0)
		for _, item := range l.items {
			same, err := r.equal(item, bound[0])
			if err != nil {
				return nil, err
			}
			if same {
				n++
			}
		}
		return n, nil
	},
	"copy":   func(r *run, l *List, a args) (any, error) { return l, nil },
	"append": frozenList("append"), "extend": frozenList("extend"), "insert": frozenList("insert"),
	"pop": frozenList("pop"), "remove": frozenList("remove"), "clear": frozenList("clear"),
	"sort": frozenList("sort"), "reverse": frozenList("reverse"),
}

func frozenList(name string) listMethod {
	return func(*run, *List, args) (any, error) { return nil, fault("%s: a template cannot change a list", name) }
}
