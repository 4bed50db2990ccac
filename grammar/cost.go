package grammar

import "container/heap"

// endless is the length of what never ends. Sums stay below its double.
const endless = int64(1) << 40

func sum(a, b int64) int64 { return min(a+b, endless) }

// times is n*a, at most endless.
func times(n int32, a int64) int64 {
	if n <= 0 || a == 0 {
		return 0
	}
	if a >= endless/int64(n) {
		return endless
	}
	return int64(n) * a
}

// lengths is what measure finds: for each node the least number of bytes up to the end of its frame, and for a choice
// where the shortest way goes on. order lists the nodes so that each comes behind those that its length depends on.
type lengths struct {
	length []int64
	best   []int32
	order  []int32
}

// measure computes the shortest completions by Knuth's generalisation of Dijkstra's algorithm: the node that is known to
// be the shortest of those that are open is final.
func (p *program) measure() {
	n := len(p.nodes)
	l := &p.lengths
	l.length, l.best = make([]int64, n), make([]int32, n)
	users := make([][]int32, n)
	open := &openNodes{length: l.length}
	done := make([]bool, n)
	for i := range p.nodes {
		l.length[i], l.best[i] = endless, -1
		for _, on := range p.nodes[i].dependsOn() {
			users[on] = append(users[on], int32(i))
		}
		if p.nodes[i].op == opEnd {
			l.length[i] = 0
			heap.Push(open, entry{int32(i), 0})
		}
	}
	for open.Len() > 0 {
		e := heap.Pop(open).(entry)
		if done[e.node] {
			continue
		}
		done[e.node] = true
		l.order = append(l.order, e.node)
		for _, u := range users[e.node] {
			if !done[u] {
				if v := p.lengthOf(u, e.node); v < l.length[u] {
					l.length[u], l.best[u] = v, e.node
					heap.Push(open, entry{u, v})
				}
			}
		}
	}
}

func (n *node) dependsOn() []int32 {
	switch n.op {
	case opBytes:
		return []int32{n.next}
	case opSplit:
		return n.alts
	case opCall:
		return []int32{n.body, n.next}
	case opRepeat:
		if n.least == 0 {
			return []int32{n.next}
		}
		return []int32{n.body, n.next}
	}
	return nil
}

// lengthOf is the length of node i by way of a node that it depends on.
func (p *program) lengthOf(i, by int32) int64 {
	switch n := &p.nodes[i]; n.op {
	case opBytes:
		return sum(1, p.length[n.next])
	case opSplit:
		return p.length[by]
	case opCall:
		return sum(p.length[n.body], p.length[n.next])
	default:
		return sum(times(n.least, p.length[n.body]), p.length[n.next])
	}
}

// openNodes is a heap of nodes by length.
type openNodes struct {
	length  []int64
	entries []entry
}

type entry struct {
	node   int32
	length int64
}

func (o *openNodes) Len() int           { return len(o.entries) }
func (o *openNodes) Less(i, j int) bool { return o.entries[i].length < o.entries[j].length }
func (o *openNodes) Swap(i, j int)      { o.entries[i], o.entries[j] = o.entries[j], o.entries[i] }
func (o *openNodes) Push(x any)         { o.entries = append(o.entries, x.(entry)) }
func (o *openNodes) Pop() any {
	last := o.entries[len(o.entries)-1]
	o.entries = o.entries[:len(o.entries)-1]
	return last
}

// after is a value of a node that a frame returns to: count iterations of a repetition are done.
func (p *program) after(value []int64, ret, count int32) int64 {
	n := &p.nodes[ret]
	if n.op != opRepeat {
		return value[ret]
	}
	return sum(times(n.least-count, value[n.body]), value[n.next])
}

// tokenCosts finds for each node a number of tokens that suffice up to the end of its frame, along the shortest bytes.
func (p *program) tokenCosts(v *Vocabulary, pick []byte) []int64 {
	cost := make([]int64, len(p.nodes))
	for i := range cost {
		cost[i] = endless
	}
	for _, i := range p.order {
		switch n := &p.nodes[i]; n.op {
		case opEnd:
			cost[i] = 0
		case opSplit:
			cost[i] = cost[p.best[i]]
		case opCall:
			cost[i] = sum(cost[n.body], cost[n.next])
		case opRepeat:
			cost[i] = p.after(cost, i, 0)
		case opBytes:
			at := int32(0) // in the trie
			for k := i; k >= 0 && p.nodes[k].op == opBytes; k = p.settle(p.nodes[k].next) {
				if at = v.child(at, pick[p.nodes[k].set]); at < 0 {
					break
				}
				if v.ends(at) {
					cost[i] = min(cost[i], sum(1, cost[p.nodes[k].next]))
				}
			}
		}
	}
	return cost
}

// settle follows the shortest way through choices.
func (p *program) settle(i int32) int32 {
	for i >= 0 && p.nodes[i].op == opSplit {
		i = p.best[i]
	}
	return i
}

// picks chooses the byte that stands for each set: the first that is a token by itself, else the first.
func (p *program) picks(v *Vocabulary) []byte {
	pick := make([]byte, len(p.sets))
	for i := range p.sets {
		for b := 255; b >= 0; b-- {
			if p.sets[i].has(byte(b)) && (v.single[b] || !v.single[pick[i]] || !p.sets[i].has(pick[i])) {
				pick[i] = byte(b)
			}
		}
	}
	return pick
}
