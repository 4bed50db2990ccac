package toolcheck

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"
)

// errCircle is a schema that asks to check a value against itself, and would for ever.
var errCircle = errors.New("a $ref leads back to itself")

// checkRefs refuses a schema by which a check would not end, or not soon: one whose references come round without going
// into a part of the value, or branch out without bound. A tree of itself, {"properties": {"child": {"$ref": "#"}}}, is
// no such circle. References other than "#" and "#/…" are refused, because following them would need what only the
// validator knows.
func checkRefs(root *jsonschema.Schema) error {
	w := walker{root: root, costs: map[*jsonschema.Schema]int{}}
	return w.walk(root, 0)
}

// walker goes through a schema.
type walker struct {
	root  *jsonschema.Schema
	costs map[*jsonschema.Schema]int // schemas that a check of one value goes through; visiting while it is counted
}

const (
	visiting = -1
	maxCost  = 10_000
)

// walk looks at s and all schemas inside it.
func (w *walker) walk(s *jsonschema.Schema, depth int) error {
	if s == nil {
		return nil
	}
	if depth > maxDepth {
		return errDeep
	}
	if s != w.root && s.ID != "" {
		return fmt.Errorf("a part of it has an $id of its own, %q, and references cannot be followed", s.ID)
	}
	if _, err := w.cost(s, 0); err != nil {
		return err
	}
	for _, child := range children(s) {
		if err := w.walk(child, depth+1); err != nil {
			return err
		}
	}
	return nil
}

// cost counts the schemas that a check of one value against s goes through.
func (w *walker) cost(s *jsonschema.Schema, depth int) (int, error) {
	if s == nil {
		return 0, nil
	}
	known, ok := w.costs[s]
	switch {
	case known == visiting:
		return 0, errCircle
	case ok:
		return known, nil
	case depth > maxDepth:
		return 0, errDeep
	}
	w.costs[s] = visiting
	same, err := inPlace(w.root, s)
	if err != nil {
		return 0, err
	}
	sum := 1
	for _, next := range same {
		n, err := w.cost(next, depth+1)
		if err != nil {
			return 0, err
		}
		if sum += n; sum > maxCost {
			return 0, fmt.Errorf("a check of one value would go through more than %d parts of it", maxCost)
		}
	}
	w.costs[s] = sum
	return sum, nil
}

const maxDepth = 200

var errDeep = fmt.Errorf("it is nested more than %d levels deep", maxDepth)

// inPlace lists the schemas that s applies to the same value.
func inPlace(root, s *jsonschema.Schema) ([]*jsonschema.Schema, error) {
	same := append([]*jsonschema.Schema{s.Not, s.If, s.Then, s.Else}, s.AllOf...)
	same = append(append(same, s.AnyOf...), s.OneOf...)
	for _, dependent := range s.DependentSchemas {
		same = append(same, dependent)
	}
	for _, dependent := range s.DependencySchemas {
		same = append(same, dependent)
	}
	if s.DynamicRef != "" {
		return nil, fmt.Errorf("the reference %q cannot be followed", s.DynamicRef)
	}
	if s.Ref != "" {
		target, err := follow(root, s.Ref)
		if err != nil {
			return nil, err
		}
		same = append(same, target)
	}
	return same, nil
}

// children lists the schemas inside s.
func children(s *jsonschema.Schema) []*jsonschema.Schema {
	all := []*jsonschema.Schema{
		s.Not, s.If, s.Then, s.Else, s.Items, s.AdditionalItems, s.Contains, s.UnevaluatedItems,
		s.AdditionalProperties, s.PropertyNames, s.UnevaluatedProperties,
	}
	for _, list := range [][]*jsonschema.Schema{s.AllOf, s.AnyOf, s.OneOf, s.PrefixItems, s.ItemsArray} {
		all = append(all, list...)
	}
	for _, set := range []map[string]*jsonschema.Schema{
		s.Properties, s.PatternProperties, s.Defs, s.Definitions, s.DependentSchemas, s.DependencySchemas,
	} {
		for _, child := range set {
			all = append(all, child)
		}
	}
	return all
}

// follow finds what "#" or "#/$defs/name/…" refers to (RFC 6901).
func follow(root *jsonschema.Schema, ref string) (*jsonschema.Schema, error) {
	pointer, local := strings.CutPrefix(ref, "#")
	pointer, err := url.PathUnescape(pointer)
	if !local || err != nil || pointer != "" && pointer[0] != '/' {
		return nil, fmt.Errorf("the reference %q cannot be followed", ref)
	}
	at := root
	steps := strings.Split(pointer, "/")[1:]
	if pointer == "" {
		steps = nil
	}
	for i := 0; i < len(steps); i++ {
		name := ""
		if i+1 < len(steps) {
			name = strings.NewReplacer("~1", "/", "~0", "~").Replace(steps[i+1])
		}
		next, takesName := step(at, steps[i], name)
		if next == nil {
			return nil, fmt.Errorf("the reference %q leads nowhere", ref)
		}
		if at = next; takesName {
			i++
		}
	}
	return at, nil
}

// step goes from a schema to the one under a keyword, and under name where the keyword holds several.
func step(s *jsonschema.Schema, keyword, name string) (next *jsonschema.Schema, takesName bool) {
	switch keyword {
	case "not":
		return s.Not, false
	case "if":
		return s.If, false
	case "then":
		return s.Then, false
	case "else":
		return s.Else, false
	case "items":
		if s.Items != nil {
			return s.Items, false
		}
	case "contains":
		return s.Contains, false
	case "additionalProperties":
		return s.AdditionalProperties, false
	case "propertyNames":
		return s.PropertyNames, false
	}
	if set, ok := map[string]map[string]*jsonschema.Schema{
		"$defs": s.Defs, "definitions": s.Definitions, "properties": s.Properties, "patternProperties": s.PatternProperties,
		"dependentSchemas": s.DependentSchemas,
	}[keyword]; ok {
		return set[name], true
	}
	list := map[string][]*jsonschema.Schema{
		"allOf": s.AllOf, "anyOf": s.AnyOf, "oneOf": s.OneOf, "prefixItems": s.PrefixItems, "items": s.ItemsArray,
	}[keyword]
	if i, err := strconv.Atoi(name); err == nil && i >= 0 && i < len(list) {
		return list[i], true
	}
	return nil, true
}
