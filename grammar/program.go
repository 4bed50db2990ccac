package grammar

import "fmt"

// A program is the automaton: nodes that consume a byte, choose, call and return.
type program struct {
	nodes []node
	sets  []byteSet
	start int32
	lengths

	class   [256]uint8 // bytes that no set tells apart share a class
	classes int
	pick    []uint8 // one byte of each class
}

type op uint8

const (
	opBytes  op = iota // consumes a byte of set and goes on at next
	opSplit            // goes on at any of alts
	opCall             // runs body up to its opEnd, then next
	opRepeat           // runs body from least to most times, then next
	opEnd              // returns to the frame below
)

type node struct {
	op          op
	nullable    bool // opRepeat: the body may be empty
	set         int32
	next, body  int32
	least, most int32 // most < 0: any number
	alts        []int32
}

// byteSet has a bit for each byte.
type byteSet [4]uint64

func (s *byteSet) add(lo, hi byte) {
	for b := int(lo); b <= int(hi); b++ {
		s[b>>6] |= 1 << (b & 63)
	}
}

func (s *byteSet) has(b byte) bool { return s[b>>6]>>(b&63)&1 == 1 }

// maxNodes bounds the automaton: about 16 MB.
const maxNodes = 1 << 18

// errTooLarge reports a grammar beyond maxNodes.
var errTooLarge = fmt.Errorf("the grammar is too large: its automaton has more than %d states", maxNodes)

// builder makes a program of expressions.
type builder struct {
	p     *program
	rules []rule
	entry []int32 // of each rule; -1: not begun
	empty []bool  // rules that may be empty
	todo  []int
	sets  map[byteSet]int32
	tails map[tail]int32
}

// tail is a byte range before a node; the continuation bytes of many characters share them.
type tail struct {
	lo, hi byte
	next   int32
}

// rule is a named expression.
type rule struct {
	name string
	body expr
	at   position
}

// build compiles the rules that root needs.
func build(rules []rule, root int) (*program, error) {
	b := &builder{p: &program{}, rules: rules, entry: make([]int32, len(rules)), empty: make([]bool, len(rules)), sets: map[byteSet]int32{}, tails: map[tail]int32{}}
	for i := range b.entry {
		b.entry[i] = -1
	}
	if err := b.check(root); err != nil {
		return nil, err
	}
	b.p.start = b.call(root)
	for len(b.todo) > 0 {
		i := b.todo[len(b.todo)-1]
		b.todo = b.todo[:len(b.todo)-1]
		end := b.add(node{op: opEnd})
		n := b.expr(rules[i].body, end)
		b.p.nodes[b.entry[i]].alts = []int32{n}
		if len(b.p.nodes) > maxNodes {
			return nil, errTooLarge
		}
	}
	b.p.findClasses()
	return b.p, nil
}

// call returns a rule's entry, which stands for it before it is compiled.
func (b *builder) call(i int) int32 {
	if b.entry[i] < 0 {
		b.entry[i] = b.add(node{op: opSplit})
		b.todo = append(b.todo, i)
	}
	return b.entry[i]
}

func (b *builder) add(n node) int32 {
	if len(b.p.nodes) > maxNodes {
		return 0 // build tells
	}
	b.p.nodes = append(b.p.nodes, n)
	return int32(len(b.p.nodes) - 1)
}

func (b *builder) bytes(lo, hi byte, next int32) int32 {
	t := tail{lo, hi, next}
	if n, ok := b.tails[t]; ok {
		return n
	}
	var s byteSet
	s.add(lo, hi)
	n := b.byteSet(s, next)
	b.tails[t] = n
	return n
}

func (b *builder) byteSet(s byteSet, next int32) int32 {
	id, ok := b.sets[s]
	if !ok {
		id = int32(len(b.p.sets))
		b.p.sets = append(b.p.sets, s)
		b.sets[s] = id
	}
	return b.add(node{op: opBytes, set: id, next: next})
}

func (b *builder) split(alts ...int32) int32 {
	if len(alts) == 1 {
		return alts[0]
	}
	return b.add(node{op: opSplit, alts: alts})
}

// expr compiles e with what comes behind it.
func (b *builder) expr(e expr, next int32) int32 {
	if len(b.p.nodes) > maxNodes {
		return next
	}
	switch e := e.(type) {
	case literal:
		for i := len(e) - 1; i >= 0; i-- {
			next = b.bytes(e[i], e[i], next)
		}
		return next
	case runeSet:
		return b.runes(e, next)
	case sequence:
		for i := len(e) - 1; i >= 0; i-- {
			next = b.expr(e[i], next)
		}
		return next
	case choice:
		alts := make([]int32, len(e))
		for i := range e {
			alts[i] = b.expr(e[i], next)
		}
		return b.split(alts...)
	case reference:
		return b.add(node{op: opCall, body: b.call(e.rule), next: next})
	case repeat:
		return b.repeat(e, next)
	case *machine:
		return b.machine(e, next)
	}
	panic(fmt.Sprintf("BUG: grammar: expression %T", e))
}

// repeat compiles loops to loops. Only counts need a frame of their own.
func (b *builder) repeat(e repeat, next int32) int32 {
	switch {
	case e.most == 0:
		return next
	case e.least <= 1 && e.most < 0:
		loop := b.add(node{op: opSplit})
		body := b.expr(e.body, loop)
		b.p.nodes[loop].alts = []int32{body, next}
		if e.least == 0 {
			return loop
		}
		return body
	case e.least == 1 && e.most == 1:
		return b.expr(e.body, next)
	case e.least == 0 && e.most == 1:
		return b.split(b.expr(e.body, next), next)
	}
	nullable := b.nullable(e.body)
	least := e.least
	if nullable {
		least = 0 // the iterations that are missing may all be empty
	}
	return b.add(node{op: opRepeat, body: b.expr(e.body, b.add(node{op: opEnd})), next: next, least: int32(least), most: int32(e.most), nullable: nullable})
}

// machine compiles a finite automaton over characters. Each of its states becomes a choice.
func (b *builder) machine(m *machine, next int32) int32 {
	first := make([]int32, len(m.states))
	for i := range first {
		first[i] = b.add(node{op: opSplit})
	}
	for i, s := range m.states {
		var alts []int32
		for _, edge := range s.edges {
			alts = append(alts, b.expr(edge.text, first[edge.to]))
		}
		if s.final {
			alts = append(alts, next)
		}
		if len(b.p.nodes) <= maxNodes {
			b.p.nodes[first[i]].alts = alts
		}
	}
	return first[0]
}

// findClasses groups the bytes that no set tells apart.
func (p *program) findClasses() {
	type seen struct {
		of uint8
		in bool
	}
	for _, s := range p.sets {
		split := map[seen]uint8{}
		for b := range 256 {
			k := seen{p.class[b], s.has(byte(b))}
			c, ok := split[k]
			if !ok {
				c = uint8(len(split))
				split[k] = c
			}
			p.class[b] = c
		}
	}
	for b := 255; b >= 0; b-- {
		c := int(p.class[b])
		for len(p.pick) <= c {
			p.pick = append(p.pick, 0)
		}
		p.pick[c] = byte(b)
	}
	p.classes = len(p.pick)
}

// nullable reports whether e may be empty, as far as is known of the rules.
func (b *builder) nullable(e expr) bool {
	switch e := e.(type) {
	case literal:
		return len(e) == 0
	case sequence:
		for _, part := range e {
			if !b.nullable(part) {
				return false
			}
		}
		return true
	case choice:
		for _, part := range e {
			if b.nullable(part) {
				return true
			}
		}
		return false
	case repeat:
		return e.least == 0 || b.nullable(e.body)
	case *machine:
		return e.states[0].final
	case reference:
		return b.empty[e.rule]
	}
	return false
}
