package grammar

import "slices"

// Numbers of the rules that many schemas share.
const (
	anyRule = iota
	charRule
	stringRule
	numberRule
	integerRule
	freeObjectRule
	freeArrayRule
	sharedRules
)

var (
	gap   = repeat{body: literal(" "), most: 1}
	comma = sequence{literal(","), gap}
	colon = sequence{literal(":"), gap}
)

// free is a reference to a shared rule, which is made when it is first wanted.
func (s *schemas) free(which int) expr {
	if s.shared[which] == 0 {
		s.rules = append(s.rules, rule{name: "a value"})
		s.shared[which] = len(s.rules)
		body := s.freeBody(which) // which may add rules
		s.rules[s.shared[which]-1].body = body
	}
	return reference{rule: s.shared[which] - 1}
}

func (s *schemas) freeBody(which int) expr {
	digits := func(least, most int) expr { return repeat{digitChars, least, most} }
	switch which {
	case charRule:
		return jsonChars(runeSet{{0, maxRune}}.normal())
	case stringRule:
		return sequence{literal(`"`), repeat{s.charBody(), 0, -1}, literal(`"`)}
	case integerRule:
		return sequence{repeat{literal("-"), 0, 1}, choice{literal("0"), sequence{runeSet{{'1', '9'}}, digits(0, integerDigits-1)}}}
	case numberRule:
		return sequence{
			repeat{literal("-"), 0, 1},
			choice{literal("0"), sequence{runeSet{{'1', '9'}}, digits(0, numberDigits-1)}},
			repeat{sequence{literal("."), digits(1, numberDigits)}, 0, 1},
		}
	case freeObjectRule:
		pair := sequence{s.free(stringRule), colon, s.free(anyRule)}
		return sequence{literal("{"), repeat{sequence{pair, repeat{sequence{comma, pair}, 0, -1}}, 0, 1}, literal("}")}
	case freeArrayRule:
		item := s.free(anyRule)
		return sequence{literal("["), repeat{sequence{item, repeat{sequence{comma, item}, 0, -1}}, 0, 1}, literal("]")}
	}
	return choice{
		s.free(freeObjectRule), s.free(freeArrayRule), s.free(stringRule), s.free(numberRule),
		literal("true"), literal("false"), literal("null"),
	}
}

// charBody is any character of a JSON string.
func (s *schemas) charBody() expr { return s.freeBody(charRule) }

// way compiles schemas that all hold, with nothing left to choose.
func (s *schemas) way(way []loc) (expr, error) {
	if len(way) == 0 {
		return s.free(anyRule), nil
	}
	m, err := s.merge(way)
	if err != nil {
		return nil, err
	}
	if len(m.enums) > 0 {
		return s.enumeration(m)
	}
	if m.only == 0 {
		return s.nothing(m.where, "no answer fits: the types exclude each other"), nil
	}
	alts := choice{}
	for _, one := range []struct {
		is    types
		build func(*merged) (expr, error)
	}{
		{typeObject, s.objects},
		{typeArray, s.arrays},
		{typeString, s.strings},
		{typeInteger, s.numbers},
		{typeBoolean, func(*merged) (expr, error) { return choice{literal("true"), literal("false")}, nil }},
		{typeNull, func(*merged) (expr, error) { return literal("null"), nil }},
	} {
		if m.only&one.is == 0 {
			continue
		}
		e, err := one.build(m)
		if err != nil {
			return nil, err
		}
		alts = append(alts, e)
	}
	return alts, nil
}

// enumeration lists the values that fit everything else as well.
func (s *schemas) enumeration(m *merged) (expr, error) {
	alts := choice{}
	for _, v := range m.enums[0] {
		fits := true
		for _, part := range m.parts {
			c := checker{s: s}
			ok, err := c.fits(v, part.loc)
			if err != nil {
				return nil, err
			}
			fits = fits && ok
		}
		if fits {
			alts = append(alts, literal(encode(v)))
		}
	}
	if len(alts) == 0 {
		return s.nothing(m.where, "no answer fits: none of the values of enum or const fits the rest"), nil
	}
	return alts, nil
}

func (s *schemas) strings(m *merged) (expr, error) {
	if why := m.length.contradiction("characters"); why != "" {
		return s.nothing(m.where, "%s", why), nil
	}
	long := m.length != span{0, -1}
	if len(m.matches) == 0 {
		if !long {
			return s.free(stringRule), nil
		}
		return sequence{literal(`"`), repeat{s.free(charRule), m.length.least, m.length.most}, literal(`"`)}, nil
	}
	var d *dfa
	join := func(next *dfa, err error) error {
		if err == nil && d != nil {
			next, err = both(d, next, true)
		}
		d = next
		return err
	}
	var err error
	for _, text := range m.matches {
		next, fault := s.dfaOf(m.where, text)
		if fault != nil {
			return nil, fault
		}
		if err = join(next, nil); err != nil {
			return nil, because(m.where, err)
		}
	}
	if long {
		if err = join(lengthDFA(m.length.least, m.length.most)); err != nil {
			return nil, because(m.where, err)
		}
	}
	text := d.machine()
	if text == nil {
		return s.nothing(m.where, "no answer fits: no text matches the pattern and has the right length"), nil
	}
	return sequence{literal(`"`), text, literal(`"`)}, nil
}

func (s *schemas) arrays(m *merged) (expr, error) {
	if why := m.count.contradiction("items"); why != "" {
		return s.nothing(m.where, "%s", why), nil
	}
	prefix := 0
	given := false
	for _, k := range m.parts {
		prefix = max(prefix, len(k.prefix))
		given = given || k.items != nil
	}
	if prefix == 0 && !given && m.count == (span{0, -1}) {
		return s.free(freeArrayRule), nil
	}
	most := m.count.most
	if !given && prefix > 0 { // nothing is said of further items: none come unless they must
		limit := max(prefix, m.count.least)
		if most < 0 || most > limit {
			most = limit
		}
	}
	item := func(i int) (expr, error) {
		var set []loc
		for _, k := range m.parts {
			switch {
			case i < len(k.prefix):
				set = append(set, k.prefix[i])
			case k.items != nil:
				set = append(set, *k.items)
			}
		}
		if len(set) == 0 {
			return s.free(anyRule), nil
		}
		return s.ref(set)
	}
	if prefix > 1000 {
		return nil, fault(m.where, "prefixItems has more than 1000 schemas")
	}
	last, err := item(prefix)
	if err != nil {
		return nil, err
	}
	tail := s.rest(last, prefix, m.count.least, most)
	for i := min(prefix, cut(most)) - 1; i >= 0; i-- {
		e, err := item(i)
		if err != nil {
			return nil, err
		}
		part := sequence{e, tail}
		if i > 0 {
			part = sequence{comma, e, tail}
		}
		if tail = part; i >= m.count.least {
			tail = repeat{part, 0, 1}
		}
	}
	return sequence{literal("["), tail, literal("]")}, nil
}

func cut(most int) int {
	if most < 0 {
		return 1 << 30
	}
	return most
}

// rest is what may follow the first done items of an array.
func (s *schemas) rest(item expr, done, least, most int) expr {
	if most >= 0 && most <= done {
		return sequence{}
	}
	left := span{max(least-done, 0), -1}
	if most >= 0 {
		left.most = most - done
	}
	next := sequence{comma, item}
	if done > 0 {
		return repeat{next, left.least, left.most}
	}
	more := repeat{next, max(left.least-1, 0), left.most}
	if left.most > 0 {
		more.most = left.most - 1
	}
	all := sequence{item, more}
	if left.least == 0 {
		return repeat{all, 0, 1}
	}
	return all
}

// objects compiles the properties in their order, and others behind them.
func (s *schemas) objects(m *merged) (expr, error) {
	if why := m.size.contradiction("properties"); why != "" {
		return s.nothing(m.where, "%s", why), nil
	}
	o := &objectBuilder{s: s, m: m}
	if err := o.collect(); err != nil {
		return nil, err
	}
	if len(o.pairs) == 0 && len(o.extras) == 1 && o.extras[0].free && m.size == (span{0, -1}) {
		return s.free(freeObjectRule), nil
	}
	for _, p := range o.pairs {
		if p.required && p.forbidden {
			return s.nothing(m.where, "no answer fits: the property %q is required and forbidden", p.name), nil
		}
	}
	if m.size.most >= 0 && m.size.most < len(m.required) {
		return s.nothing(m.where, "no answer fits: %d properties are required and at most %d allowed", len(m.required), m.size.most), nil
	}
	if m.size.least > len(o.pairs) && len(o.extras) == 0 {
		return s.nothing(m.where, "no answer fits: at least %d properties are asked for, and there are %d", m.size.least, len(o.pairs)), nil
	}
	return o.machine()
}

// objectBuilder makes the automaton of an object's pairs.
type objectBuilder struct {
	s      *schemas
	m      *merged
	pairs  []pair
	extras []extra // pairs with other names, any number of them, behind the pairs
}

type pair struct {
	name                string
	value               expr
	required, forbidden bool
}

type extra struct {
	key   expr
	value expr
	free  bool
}

// collect finds what each name's value has to fit.
func (o *objectBuilder) collect() error {
	names := slices.Clone(o.m.names)
	for _, name := range o.m.required {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	if len(names) > 2000 {
		return fault(o.m.where, "an object has more than 2000 properties")
	}
	for _, name := range names {
		set, forbidden, err := o.schemasOf(name)
		if err != nil {
			return err
		}
		p := pair{name: name, required: slices.Contains(o.m.required, name), forbidden: forbidden}
		if len(set) == 0 {
			p.value = o.s.free(anyRule)
		} else if p.value, err = o.s.ref(set); err != nil {
			return err
		}
		if !forbidden || p.required {
			o.pairs = append(o.pairs, p)
		}
	}
	return o.others(names)
}

// schemasOf lists the schemas for one property's value.
func (o *objectBuilder) schemasOf(name string) (set []loc, forbidden bool, err error) {
	for _, k := range o.m.parts {
		found := false
		if l, ok := k.properties[name]; ok {
			set, found = append(set, l), true
			forbidden = forbidden || l.value == any(false)
		}
		for _, p := range k.patterns {
			d, err := o.s.dfaOf(p.value.pointer, p.pattern)
			if err != nil {
				return nil, false, err
			}
			if d.matches(name) {
				set, found = append(set, p.value), true
			}
		}
		if !found && k.additional != nil {
			set = append(set, *k.additional)
			forbidden = forbidden || k.additional.value == any(false)
		}
	}
	return set, forbidden, nil
}

// others makes the pairs with names that properties doesn't have: one kind for each set of patterns that the names may
// match, and one for those that match none.
func (o *objectBuilder) others(names []string) error {
	var patterns []patternProperty
	said := false
	for _, k := range o.m.parts {
		patterns = append(patterns, k.patterns...)
		said = said || k.additional != nil
	}
	if len(patterns) > 4 {
		return fault(o.m.where, "more than 4 patternProperties act on one object")
	}
	none, err := wordsDFA(names)
	if err != nil {
		return because(o.m.where, err)
	}
	all, err := lengthDFA(0, -1)
	if err != nil {
		return err
	}
	others, err := both(all, none, false)
	if err != nil {
		return because(o.m.where, err)
	}
	for subset := range 1 << len(patterns) {
		if subset == 0 && !said && (len(o.m.names) > 0 || len(patterns) > 0) {
			continue // nothing is said of other names: none come
		}
		if err := o.otherNames(others, patterns, subset, len(names) == 0); err != nil {
			return err
		}
	}
	return nil
}

// otherNames adds the names that match just the patterns of subset.
func (o *objectBuilder) otherNames(keys *dfa, patterns []patternProperty, subset int, all bool) error {
	var set []loc
	for i, p := range patterns {
		d, err := o.s.dfaOf(p.value.pointer, p.pattern)
		if err == nil {
			keys, err = both(keys, d, subset>>i&1 == 1)
		}
		if err != nil {
			return because(o.m.where, err)
		}
		if subset>>i&1 == 1 {
			set = append(set, p.value)
		}
	}
	for _, k := range o.m.parts {
		own := slices.ContainsFunc(k.patterns, func(p patternProperty) bool {
			return slices.ContainsFunc(set, func(l loc) bool { return l.pointer == p.value.pointer })
		})
		if !own && k.additional != nil {
			set = append(set, *k.additional)
		}
	}
	if slices.ContainsFunc(set, func(l loc) bool { return l.value == any(false) }) {
		return nil
	}
	text := keys.machine()
	if text == nil {
		return nil
	}
	e := extra{key: sequence{literal(`"`), text, literal(`"`)}, value: o.s.free(anyRule)}
	unconstrained := !slices.ContainsFunc(set, func(l loc) bool { return l.value != any(true) })
	if len(patterns) == 0 && all {
		e.key, e.free = o.s.free(stringRule), unconstrained
	}
	if !unconstrained {
		var err error
		if e.value, err = o.s.ref(set); err != nil {
			return err
		}
	}
	o.extras = append(o.extras, e)
	return nil
}

// machine has a state for each property that may come next and each number of pairs so far that makes a difference.
func (o *objectBuilder) machine() (expr, error) {
	size := o.m.size
	most := max(1, size.least, size.most) // more pairs are as good as this many
	if (len(o.pairs)+1)*(most+1) > 20000 {
		return nil, fault(o.m.where, "the number of properties is counted too far for %d of them", len(o.pairs))
	}
	m := &machine{}
	at := func(i, count int) int { return i*(most+1) + min(count, most) }
	for i := range len(o.pairs) + 1 {
		for count := range most + 1 {
			var st machineState
			full := size.most >= 0 && count >= size.most
			add := func(key, value expr, to int) {
				text := sequence{key, colon, value}
				if count > 0 {
					text = sequence{comma, key, colon, value}
				}
				st.edges = append(st.edges, machineEdge{text, to})
			}
			if i < len(o.pairs) {
				p := o.pairs[i]
				if !full {
					add(literal(quote(p.name)), p.value, at(i+1, count+1))
				}
				if !p.required {
					st.edges = append(st.edges, machineEdge{literal(""), at(i+1, count)})
				}
			} else {
				st.final = count >= size.least
				for _, e := range o.extras {
					if !full {
						add(e.key, e.value, at(i, count+1))
					}
				}
			}
			m.states = append(m.states, st)
		}
	}
	return sequence{literal("{"), m, literal("}")}, nil
}
