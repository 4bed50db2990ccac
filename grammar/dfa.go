package grammar

import (
	"errors"
	"fmt"
	"slices"
)

// dfa is a finite automaton over characters that always has somewhere to go: text is a set of characters for each edge,
// together all of them. It begins in state 0.
type dfa struct{ states []dfaState }

type dfaState struct {
	edges []dfaEdge
	final bool
}

type dfaEdge struct {
	set runeSet
	to  int
}

// maxStates bounds the automaton of a pattern and of what is made of several, maxSteps the work of making it.
const (
	maxStates = 4000
	maxSteps  = 1 << 20
)

var errPatternTooLarge = fmt.Errorf("the pattern is too large: its automaton has more than %d states", maxStates)

// nfa is what patterns are parsed to.
type nfa struct {
	nodes []nfaNode
}

type nfaNode struct {
	set   runeSet // consumed on the way to next; nil: nothing is consumed, all of more are next
	next  int
	more  []int
	final bool
}

func (n *nfa) add(x nfaNode) int {
	n.nodes = append(n.nodes, x)
	return len(n.nodes) - 1
}

// expr compiles what a pattern consists of, with what comes behind it.
func (n *nfa) expr(e expr, next int) (int, error) {
	if len(n.nodes) > 4*maxStates {
		return 0, errPatternTooLarge
	}
	switch e := e.(type) {
	case runeSet:
		return n.add(nfaNode{set: e, next: next}), nil
	case sequence:
		for _, part := range slices.Backward(e) {
			var err error
			if next, err = n.expr(part, next); err != nil {
				return 0, err
			}
		}
		return next, nil
	case choice:
		var more []int
		for _, part := range e {
			at, err := n.expr(part, next)
			if err != nil {
				return 0, err
			}
			more = append(more, at)
		}
		return n.add(nfaNode{more: more}), nil
	case repeat:
		return n.repeat(e, next)
	}
	panic(fmt.Sprintf("BUG: grammar: a pattern with %T", e))
}

func (n *nfa) repeat(e repeat, next int) (int, error) {
	if e.most < 0 {
		loop := n.add(nfaNode{})
		body, err := n.expr(e.body, loop)
		if err != nil {
			return 0, err
		}
		n.nodes[loop].more = []int{body, next}
		next = loop
	}
	end := next
	for i := max(e.least, e.most); i > 0; i-- {
		body, err := n.expr(e.body, next)
		if err != nil {
			return 0, err
		}
		if next = body; i > e.least {
			next = n.add(nfaNode{more: []int{body, end}})
		}
	}
	return next, nil
}

// determine makes a dfa of the ways from a node.
func (n *nfa) determine(start int) (*dfa, error) {
	d := &dfa{}
	index := map[string]int{}
	var sets [][]int
	state := func(from []int) int {
		set, final := n.closure(from)
		key := fmt.Sprint(set, final)
		i, ok := index[key]
		if !ok {
			i = len(sets)
			index[key] = i
			sets = append(sets, set)
			d.states = append(d.states, dfaState{final: final})
		}
		return i
	}
	state([]int{start})
	steps := 0
	for i := 0; i < len(sets); i++ {
		var consumed []runeSet
		known := map[*runeRange]bool{} // copies of one part share their set
		for _, at := range sets[i] {
			if set := n.nodes[at].set; len(set) > 0 && !known[&set[0]] {
				known[&set[0]] = true
				consumed = append(consumed, set)
			}
		}
		var edges []dfaEdge
		for _, part := range partition(consumed) {
			if steps += len(sets[i]) + 1; steps > maxSteps || len(sets) > maxStates {
				return nil, errPatternTooLarge
			}
			var to []int
			for _, at := range sets[i] {
				if n.nodes[at].set.has(part[0].lo) {
					to = append(to, n.nodes[at].next)
				}
			}
			edges = addEdge(edges, part, state(to))
		}
		d.states[i].edges = edges
	}
	return d, nil
}

// addEdge joins sets that lead to the same state.
func addEdge(edges []dfaEdge, set runeSet, to int) []dfaEdge {
	for i := range edges {
		if edges[i].to == to {
			edges[i].set = append(slices.Clone(edges[i].set), set...).normal()
			return edges
		}
	}
	return append(edges, dfaEdge{set, to})
}

func (n *nfa) closure(from []int) (set []int, final bool) {
	seen := map[int]bool{}
	for len(from) > 0 {
		at := from[len(from)-1]
		from = from[:len(from)-1]
		if seen[at] {
			continue
		}
		seen[at] = true
		final = final || n.nodes[at].final
		if n.nodes[at].set != nil {
			set = append(set, at)
		}
		from = append(from, n.nodes[at].more...)
	}
	slices.Sort(set)
	return set, final
}

// partition cuts all characters into sets that none of the given ones tells apart within.
func partition(sets []runeSet) []runeSet {
	cuts := []rune{0, surrogateFirst, surrogateLast + 1}
	for _, s := range sets {
		for _, r := range s {
			cuts = append(cuts, r.lo, r.hi+1)
		}
	}
	slices.Sort(cuts)
	cuts = slices.Compact(cuts)
	byMembers := map[string]int{}
	var parts []runeSet
	for i, lo := range cuts {
		hi := rune(maxRune)
		if i+1 < len(cuts) {
			hi = cuts[i+1] - 1
		}
		if lo > maxRune || lo == surrogateFirst {
			continue
		}
		key := make([]byte, len(sets))
		for j, s := range sets {
			if s.has(lo) {
				key[j] = 1
			}
		}
		at, ok := byMembers[string(key)]
		if !ok {
			at = len(parts)
			byMembers[string(key)] = at
			parts = append(parts, nil)
		}
		parts[at] = append(parts[at], runeRange{lo, hi})
	}
	return parts
}

// both accepts what two automata accept; keep turns the second's verdict round where it is false.
func both(a, b *dfa, keep bool) (*dfa, error) {
	type pair struct{ a, b int }
	d := &dfa{}
	index := map[pair]int{}
	var pairs []pair
	state := func(p pair) int {
		i, ok := index[p]
		if !ok {
			i = len(pairs)
			index[p] = i
			pairs = append(pairs, p)
			d.states = append(d.states, dfaState{final: a.states[p.a].final && b.states[p.b].final == keep})
		}
		return i
	}
	state(pair{})
	steps := 0
	for i := 0; i < len(pairs); i++ {
		steps += len(a.states[pairs[i].a].edges) * len(b.states[pairs[i].b].edges)
		if len(pairs) > maxStates || steps > maxSteps {
			return nil, errPatternTooLarge
		}
		var edges []dfaEdge
		for _, x := range a.states[pairs[i].a].edges {
			for _, y := range b.states[pairs[i].b].edges {
				if set := x.set.intersect(y.set); len(set) > 0 {
					edges = addEdge(edges, set, state(pair{x.to, y.to}))
				}
			}
		}
		d.states[i].edges = edges
	}
	return d, nil
}

// lengthDFA accepts texts of least to most characters; most < 0: any number.
func lengthDFA(least, most int) (*dfa, error) {
	n := max(least, most)
	if n >= maxStates {
		return nil, errors.New("a length beside a pattern is too large")
	}
	all := runeSet{{0, maxRune}}.normal()
	d := &dfa{}
	for i := range n + 1 {
		d.states = append(d.states, dfaState{final: i >= least, edges: []dfaEdge{{all, i + 1}}})
	}
	if most >= 0 {
		d.states = append(d.states, dfaState{edges: []dfaEdge{{all, n + 1}}})
	} else {
		d.states[n].edges[0].to = n
	}
	return d, nil
}

// wordsDFA accepts the given texts.
func wordsDFA(words []string) (*dfa, error) {
	n := &nfa{}
	end := n.add(nfaNode{final: true})
	var alts choice
	for _, w := range words {
		s := sequence{}
		for _, r := range w {
			s = append(s, runeSet{{r, r}})
		}
		alts = append(alts, s)
	}
	start, err := n.expr(alts, end)
	if err != nil {
		return nil, err
	}
	return n.determine(start)
}

func (d *dfa) matches(text string) bool {
	at := 0
	for _, r := range text {
		next := -1
		for _, e := range d.states[at].edges {
			if e.set.has(r) {
				next = e.to
				break
			}
		}
		if next < 0 {
			return false
		}
		at = next
	}
	return d.states[at].final
}

// machine writes the automaton's characters as a JSON string has them. States from which nothing is accepted are left
// out; nil if that is all of them.
func (d *dfa) machine() *machine {
	alive := make([]bool, len(d.states))
	for changed := true; changed; {
		changed = false
		for i := len(d.states) - 1; i >= 0; i-- {
			s := &d.states[i]
			if !alive[i] && (s.final || slices.ContainsFunc(s.edges, func(e dfaEdge) bool { return alive[e.to] })) {
				alive[i], changed = true, true
			}
		}
	}
	if !alive[0] {
		return nil
	}
	m := &machine{states: make([]machineState, len(d.states))}
	for i, s := range d.states {
		m.states[i].final = s.final
		for _, e := range s.edges {
			if alive[i] && alive[e.to] {
				m.states[i].edges = append(m.states[i].edges, machineEdge{jsonChars(e.set), e.to})
			}
		}
	}
	return m
}

// jsonChars is one character of a set within a JSON string.
func jsonChars(set runeSet) expr {
	var alts choice
	if plain := set.intersect(plainChars); len(plain) > 0 {
		alts = append(alts, plain)
	}
	for _, r := range set.intersect(escapedChars) {
		for c := r.lo; c <= r.hi; c++ {
			text, _ := escaped(c)
			alts = append(alts, literal(text))
		}
	}
	return alts
}

var (
	escapedChars = runeSet{{0, 0x1F}, {'"', '"'}, {'\\', '\\'}}
	plainChars   = escapedChars.complement()
)
