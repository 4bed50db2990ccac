package tokenizer

// pair is one merge rule: two neighbouring ids become one. The lowest rank goes first.
type pair struct {
	rank, id int32
}

// pairTable maps two neighbouring ids to their merge. It is an open-addressing hash table
// with linear probing: one lookup is most of the work of encoding a new word, and this one
// costs half of a Go map's. The zero value holds nothing.
type pairTable struct {
	keys  []uint64 // left id << 32 | right id, plus one; 0 is an empty place
	pairs []pair
	shift uint
}

func pairKey(left, right int32) uint64 { return uint64(uint32(left))<<32 | uint64(uint32(right)) + 1 }

// newPairTable makes room for n merges at no more than half load.
func newPairTable(n int) pairTable {
	bits := uint(4)
	for 1<<bits < 2*n {
		bits++
	}
	return pairTable{keys: make([]uint64, 1<<bits), pairs: make([]pair, 1<<bits), shift: 64 - bits}
}

// place returns the index where key is, or where it belongs.
func (t *pairTable) place(key uint64) int {
	// Fibonacci hashing: the top bits of a product with 2^64/phi.
	mask := len(t.keys) - 1
	i := int(key * 0x9e3779b97f4a7c15 >> t.shift)
	for t.keys[i&mask] != 0 && t.keys[i&mask] != key {
		i++
	}
	return i & mask
}

// put adds a merge; of two rules for one pair the later stands, as in the reference.
func (t *pairTable) put(left, right int32, p pair) {
	key := pairKey(left, right)
	i := t.place(key)
	t.keys[i], t.pairs[i] = key, p
}

// noPair is what a lookup without a rule returns: a rank that is never the lowest.
var noPair = pair{rank: 1<<31 - 1, id: -1}

func (t *pairTable) get(left, right int32) pair {
	if len(t.keys) == 0 {
		return noPair
	}
	key := pairKey(left, right)
	if i := t.place(key); t.keys[i] == key {
		return t.pairs[i]
	}
	return noPair
}

// shortWord is the length in bytes up to which merging scans the whole word for the lowest
// rank each time: quadratic, and still faster than a heap.
const shortWord = 48

// merger holds what merging one word needs; it is reused from word to word.
type merger struct {
	ids   []int32
	pairs []pair // pairs[i] is the rule for ids[i] and its right neighbour
	next  []int32
	prev  []int32
	queue []candidate
}

// merge applies the rules to the bytes of a word, given as ids in m.ids, until none is left.
// The result is m.ids.
func (m *merger) merge(t *pairTable) {
	if len(m.ids) <= shortWord {
		m.mergeShort(t)
	} else {
		m.mergeLong(t)
	}
}

func (m *merger) mergeShort(t *pairTable) {
	ids, pairs := m.ids, m.pairs[:0]
	for i := 1; i < len(ids); i++ {
		pairs = append(pairs, t.get(ids[i-1], ids[i]))
	}
	for len(pairs) > 0 {
		best := 0
		for i := range pairs {
			if pairs[i].rank < pairs[best].rank {
				best = i
			}
		}
		if pairs[best].id < 0 {
			break
		}
		ids[best] = pairs[best].id
		ids = append(ids[:best+1], ids[best+2:]...)
		pairs = append(pairs[:best], pairs[best+1:]...)
		if best > 0 {
			pairs[best-1] = t.get(ids[best-1], ids[best])
		}
		if best < len(pairs) {
			pairs[best] = t.get(ids[best], ids[best+1])
		}
	}
	m.ids, m.pairs = ids, pairs
}

// candidate is a pair that may be merged: it stands for the ids at place and right of it.
type candidate struct {
	key         uint64 // rank << 32 | place: the heap's order, leftmost of equal ranks first
	left, right int32  // the ids when it was queued; others there now make it stale
	id          int32
}

// mergeLong keeps the ids in a linked list and the candidates in a heap: n log n, so that
// a word of a megabyte (no space in it) takes a second, not a day.
func (m *merger) mergeLong(t *pairTable) {
	ids := m.ids
	n := int32(len(ids))
	m.next, m.prev, m.queue = m.next[:0], m.prev[:0], m.queue[:0]
	for i := range n {
		m.next, m.prev = append(m.next, i+1), append(m.prev, i-1)
	}
	offer := func(at int32) {
		left, right := ids[at], ids[m.next[at]]
		if p := t.get(left, right); p.id >= 0 {
			m.push(candidate{uint64(p.rank)<<32 | uint64(at), left, right, p.id})
		}
	}
	for i := range n - 1 {
		offer(i)
	}
	for len(m.queue) > 0 {
		c := m.pop()
		at := int32(c.key & 0xffffffff)
		gone := m.next[at]
		if ids[at] != c.left || gone >= n || ids[gone] != c.right {
			continue
		}
		ids[at] = c.id
		ids[gone] = -1 // matches no candidate
		m.next[at] = m.next[gone]
		if m.next[at] < n {
			m.prev[m.next[at]] = at
			offer(at)
		}
		if before := m.prev[at]; before >= 0 {
			offer(before)
		}
	}
	kept := ids[:0]
	for at := int32(0); at < n; {
		next := m.next[at]
		kept = append(kept, ids[at])
		at = next
	}
	m.ids = kept
}

// push and pop are a binary heap by key.
func (m *merger) push(c candidate) {
	q := append(m.queue, c)
	i := len(q) - 1
	for i > 0 {
		up := (i - 1) / 2
		if q[up].key <= c.key {
			break
		}
		q[i] = q[up]
		i = up
	}
	q[i] = c
	m.queue = q
}

func (m *merger) pop() candidate {
	q := m.queue
	top, last := q[0], q[len(q)-1]
	q = q[:len(q)-1]
	for i := 0; len(q) > 0; {
		down := 2*i + 1
		if down+1 < len(q) && q[down+1].key < q[down].key {
			down++
		}
		if down >= len(q) || q[down].key >= last.key {
			q[i] = last
			break
		}
		q[i] = q[down]
		i = down
	}
	m.queue = q
	return top
}
