package jinja

import (
	"strings"
	"unicode"
)

// testFunc is what stands behind "is": it answers for v.
type testFunc func(r *run, v any, a args) (any, error)

// tests are those of Jinja.
var tests = map[string]testFunc{
	"defined":   kindTest(func(v any) bool { _, u := v.(Undefined); return !u }),
	"undefined": kindTest(func(v any) bool { _, u := v.(Undefined); return u }),
	"none":      kindTest(func(v any) bool { return v == nil }),
	"boolean":   kindTest(func(v any) bool { _, ok := v.(bool); return ok }),
	"true":      kindTest(func(v any) bool { return v == true }),
	"false":     kindTest(func(v any) bool { return v == false }),
	"integer":   kindTest(func(v any) bool { return typeName(v) == "int" }),
	"float":     kindTest(func(v any) bool { return typeName(v) == "float" }),
	"number":    kindTest(isNumber),
	"string":    kindTest(func(v any) bool { _, ok := v.(string); return ok }),
	"mapping":   kindTest(func(v any) bool { _, ok := v.(*Dict); return ok }),
	"sequence":  kindTest(isSequence),
	"iterable":  kindTest(isSequence),
	"callable":  kindTest(isCallable),
	"escaped":   kindTest(func(any) bool { return false }), // there is no markup
	"lower":     caseTest("lower", unicode.IsUpper, unicode.IsLower),
	"upper":     caseTest("upper", unicode.IsLower, unicode.IsUpper),

	"odd":         remainderTest(1),
	"even":        remainderTest(0),
	"divisibleby": divisibleBy,
	"sameas":      sameAs,
	"in":          inTest,
	"filter":      nameTest("filter", func(name string) bool { _, ok := filters[name]; return ok }),

	"==": comparisonTest("=="), "eq": comparisonTest("=="), "equalto": comparisonTest("=="),
	"!=": comparisonTest("!="), "ne": comparisonTest("!="),
	"<": comparisonTest("<"), "lt": comparisonTest("<"), "lessthan": comparisonTest("<"),
	"<=": comparisonTest("<="), "le": comparisonTest("<="),
	">": comparisonTest(">"), "gt": comparisonTest(">"), "greaterthan": comparisonTest(">"),
	">=": comparisonTest(">="), "ge": comparisonTest(">="),
}

func init() { // not in the table above, which it looks at
	tests["test"] = nameTest("test", func(name string) bool { _, ok := tests[name]; return ok })
}

func isSequence(v any) bool {
	switch v.(type) {
	case string, *List, *Dict, Undefined:
		return true
	}
	return false
}

func isCallable(v any) bool {
	switch v := v.(type) {
	case *function, *joiner:
		return true
	case *loop:
		return v.recurse != nil
	}
	return false
}

// kindTest is a test that looks at the value alone.
func kindTest(holds func(any) bool) testFunc {
	return func(_ *run, v any, a args) (any, error) {
		if _, err := a.bind("the test"); err != nil {
			return nil, err
		}
		return holds(v), nil
	}
}

// caseTest is Python's islower and isupper: no letter of the other case and one of this.
func caseTest(name string, other, this func(rune) bool) testFunc {
	return func(r *run, v any, _ args) (any, error) {
		s, err := r.str(v)
		if err != nil {
			return nil, err
		}
		return strings.IndexFunc(s, other) < 0 && strings.IndexFunc(s, this) >= 0, r.spend(len(s) / bytesPerWork)
	}
}

func remainderTest(want int64) testFunc {
	return func(r *run, v any, _ args) (any, error) {
		rest, err := r.arithmetic("%", v, int64(2))
		if err != nil {
			return nil, err
		}
		return r.equal(rest, want)
	}
}

func divisibleBy(r *run, v any, a args) (any, error) {
	bound, err := a.bind("the test 'divisibleby'", "num")
	if err != nil {
		return nil, err
	}
	rest, err := r.arithmetic("%", v, bound[0])
	if err != nil {
		return nil, err
	}
	return r.equal(rest, int64(0))
}

// sameAs is Python's "is", for the values where templates use it: None, True and False.
func sameAs(r *run, v any, a args) (any, error) {
	bound, err := a.bind("the test 'sameas'", "other")
	if err != nil || typeName(v) != typeName(bound[0]) {
		return false, err
	}
	return r.equal(v, bound[0])
}

func inTest(r *run, v any, a args) (any, error) {
	bound, err := a.bind("the test 'in'", "seq")
	if err != nil {
		return nil, err
	}
	return r.contains(bound[0], v)
}

func comparisonTest(op string) testFunc {
	return func(r *run, v any, a args) (any, error) {
		bound, err := a.bind("the test '"+op+"'", "other")
		if err != nil {
			return nil, err
		}
		return r.compareTwo(op, v, bound[0])
	}
}

func nameTest(name string, holds func(string) bool) testFunc {
	return func(_ *run, v any, _ args) (any, error) {
		s, err := text("the test '"+name+"'", "value", v)
		return holds(s), err
	}
}
