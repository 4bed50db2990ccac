package grammar

import (
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// ParseSchema makes a grammar of a JSON schema, draft 2020-12.
//
// The answer is one JSON value. Keys come in the schema's order, those of required that properties doesn't have last.
// Behind ":" and "," may stand one space, elsewhere nothing. Characters are written as they are; only those that JSON must
// escape are, in one form each. Integers have up to 18 digits, other numbers up to 15 before the point, no exponent.
//
// Where a schema leaves open what else an object or an array may have, nothing else comes: additionalProperties must be
// true or a schema, items must be given beside prefixItems. An object without any properties, and a schema that says
// nothing of a value, are free.
//
// Of oneOf, any branch may be taken, and uniqueItems isn't kept while the answer is written: [Grammar.Check] looks at
// both afterwards. A keyword that the automaton can't keep is refused; one that is unknown is told in Notes. Errors are
// [*Error] with a JSON pointer.
func ParseSchema(text []byte) (*Grammar, error) {
	if len(text) > maxText {
		return nil, &Error{Message: fmt.Sprintf("the schema has %d bytes, more than %d", len(text), maxText)}
	}
	root, err := decode(text)
	if err != nil {
		return nil, &Error{Message: fmt.Sprintf("the schema is no JSON: %v", err)}
	}
	s := &schemas{root: root, rule: map[string]int{}, noted: map[string]bool{}, patterns: map[string]*dfa{}, reads: map[string]*keywords{}}
	first, err := s.ruleFor([]loc{{"", root}})
	if err != nil {
		return nil, err
	}
	for len(s.todo) > 0 {
		next := s.todo[len(s.todo)-1]
		s.todo = s.todo[:len(s.todo)-1]
		if err := next(); err != nil {
			return nil, err
		}
	}
	prog, err := build(s.rules, first)
	if err != nil {
		return nil, err
	}
	prog.measure()
	if prog.length[prog.start] >= endless {
		if s.impossible != nil {
			return nil, s.impossible
		}
		return nil, &Error{schema: true, Message: "no answer fits: every value would need another within it, for ever"}
	}
	g := &Grammar{p: prog, Notes: s.notes}
	if s.checked {
		g.check = s.check
	}
	return g, nil
}

// loc is a schema within the document: a boolean or an object.
type loc struct {
	pointer string
	value   any
}

func (l loc) in(parts ...string) string {
	for _, p := range parts {
		l.pointer += "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(p)
	}
	return l.pointer
}

// schemas turns a document into rules. One rule stands for each set of schemas that a value has to fit at the same time.
type schemas struct {
	root       any
	rules      []rule
	rule       map[string]int // by the pointers of the set
	todo       []func() error
	notes      []string
	noted      map[string]bool
	impossible error // the first schema that nothing fits
	checked    bool
	patterns   map[string]*dfa
	reads      map[string]*keywords

	shared [sharedRules]int // numbers of the rules that many schemas share, plus one
	work   int

	checking sync.Mutex // what is read and compiled for a check is kept
}

// maxWork bounds the combinations of schemas that are looked at.
const maxWork = 20000

func fault(pointer, format string, args ...any) *Error {
	return &Error{schema: true, pointer: pointer, Message: fmt.Sprintf(format, args...)}
}

// nothing is what a schema becomes that no value fits.
func (s *schemas) nothing(pointer, format string, args ...any) expr {
	if s.impossible == nil {
		s.impossible = fault(pointer, format, args...)
	}
	return choice{}
}

func (s *schemas) note(key, format string, args ...any) {
	if !s.noted[key] && len(s.notes) < 20 {
		s.noted[key] = true
		s.notes = append(s.notes, fmt.Sprintf(format, args...))
	}
}

// ruleFor returns the rule of the values that fit all of set.
func (s *schemas) ruleFor(set []loc) (int, error) {
	set = slices.Clone(set)
	slices.SortFunc(set, func(a, b loc) int { return strings.Compare(a.pointer, b.pointer) })
	set = slices.CompactFunc(set, func(a, b loc) bool { return a.pointer == b.pointer })
	pointers := make([]string, len(set))
	for i := range set {
		pointers[i] = set[i].pointer
	}
	key := strings.Join(pointers, "\n")
	if i, ok := s.rule[key]; ok {
		return i, nil
	}
	i := len(s.rules)
	if i >= maxRules {
		return 0, fault(set[0].pointer, "the schema needs more than %d rules", maxRules)
	}
	s.rule[key] = i
	s.rules = append(s.rules, rule{name: pointers[0]})
	s.todo = append(s.todo, func() error {
		body, err := s.value(set)
		s.rules[i].body = body
		return err
	})
	return i, nil
}

func (s *schemas) ref(set []loc) (expr, error) {
	i, err := s.ruleFor(set)
	return reference{rule: i}, err
}

// value compiles a set of schemas: each way through their anyOf and oneOf is one alternative.
func (s *schemas) value(set []loc) (expr, error) {
	ways, err := s.expand(set)
	if err != nil {
		return nil, err
	}
	alts := choice{}
	for _, way := range ways {
		e, err := s.way(way)
		if err != nil {
			return nil, err
		}
		alts = append(alts, e)
	}
	return alts, nil
}

// expand resolves $ref, allOf, anyOf and oneOf: the result lists the ways to satisfy the set, each the objects whose
// other keywords all hold.
func (s *schemas) expand(set []loc) ([][]loc, error) {
	type open struct {
		pending, taken []loc
	}
	var ways [][]loc
	stack := []open{{pending: set}}
	for len(stack) > 0 {
		if s.work++; s.work > maxWork {
			return nil, fault(set[0].pointer, "the schema is too large: more than %d combinations of schemas", maxWork)
		}
		o := stack[len(stack)-1]
		stack = stack[:len(stack)-1]
		if len(o.pending) == 0 {
			ways = append(ways, o.taken)
			continue
		}
		l := o.pending[0]
		rest := o.pending[1:]
		if slices.ContainsFunc(o.taken, func(t loc) bool { return t.pointer == l.pointer }) {
			stack = append(stack, open{rest, o.taken})
			continue
		}
		if b, ok := l.value.(bool); ok {
			if b {
				stack = append(stack, open{rest, o.taken})
			} else {
				s.nothing(l.pointer, "no answer fits: the schema is false")
			}
			continue
		}
		k, err := s.read(l)
		if err != nil {
			return nil, err
		}
		pending := slices.Concat(rest, k.all)
		taken := append(slices.Clone(o.taken), l)
		branches := [][]loc{nil}
		for _, one := range k.any {
			var more [][]loc
			for _, b := range branches {
				for _, branch := range one {
					more = append(more, append(slices.Clone(b), branch))
				}
			}
			if branches = more; len(branches) > maxWork {
				return nil, fault(l.pointer, "anyOf and oneOf have too many combinations")
			}
		}
		for _, b := range slices.Backward(branches) {
			stack = append(stack, open{slices.Concat(pending, b), taken})
		}
	}
	return ways, nil
}

// resolve finds what a $ref names.
func (s *schemas) resolve(at, ref string) (loc, error) {
	fragment, ok := strings.CutPrefix(ref, "#")
	if !ok {
		return loc{}, fault(at, "the reference %q leads out of the schema; only #… within it works", ref)
	}
	fragment, err := url.PathUnescape(fragment)
	if err != nil {
		return loc{}, fault(at, "the reference %q is no URI", ref)
	}
	if fragment != "" && fragment[0] != '/' {
		if l, ok := findAnchor(loc{"", s.root}, fragment); ok {
			return l, nil
		}
		return loc{}, fault(at, "the reference %q leads to no $anchor", ref)
	}
	l := loc{"", s.root}
	if fragment == "" {
		return l, nil
	}
	for _, part := range strings.Split(fragment[1:], "/") {
		part = strings.NewReplacer("~1", "/", "~0", "~").Replace(part)
		next, ok := any(nil), false
		switch v := l.value.(type) {
		case *object:
			next, ok = v.get(part)
		case []any:
			if i, err := strconv.Atoi(part); err == nil && i >= 0 && i < len(v) {
				next, ok = v[i], true
			}
		}
		if !ok {
			return loc{}, fault(at, "the reference %q leads nowhere", ref)
		}
		l = loc{l.in(part), next}
	}
	return l, nil
}

func findAnchor(l loc, name string) (loc, bool) {
	switch v := l.value.(type) {
	case *object:
		if a, ok := v.values["$anchor"]; ok && a == any(name) {
			return l, true
		}
		for _, key := range v.keys {
			if found, ok := findAnchor(loc{l.in(key), v.values[key]}, name); ok {
				return found, true
			}
		}
	case []any:
		for i := range v {
			if found, ok := findAnchor(loc{l.in(strconv.Itoa(i)), v[i]}, name); ok {
				return found, true
			}
		}
	}
	return loc{}, false
}

// check validates a finished text against the whole schema.
func (s *schemas) check(text []byte) error {
	v, err := decode(text)
	if err != nil {
		return fmt.Errorf("the answer is no JSON: %w", err)
	}
	s.checking.Lock()
	defer s.checking.Unlock()
	c := checker{s: s}
	ok, err := c.fits(v, loc{"", s.root})
	if err == nil && !ok {
		err = fmt.Errorf("the answer does not fit the schema: %s", c.why)
	}
	return err
}

func isNumber(v any) (json.Number, bool) {
	n, ok := v.(json.Number)
	return n, ok
}
