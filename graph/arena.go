package graph

import "sort"

// ArenaAlign is the alignment in bytes of every value in an arena: the largest storage-buffer offset alignment that
// Vulkan lets a device ask for.
const ArenaAlign = 256

// Arena places the values of a graph in one buffer: two values share bytes only if no node sits between the first
// write of the one and the last read of the other.
type Arena struct {
	Offset []int64 // by value; -1 for values that no node writes
	Size   []int64 // bytes of each value
	Bytes  int64   // of the whole arena
}

// PlanArena lays out g for the given row counts.
//
// Values are placed in the order of their size, largest first, each at the lowest offset that is free during its
// life (greedy by size, Pisarchyk and Lee 2020); the order of birth breaks ties, so that the plan is deterministic.
func PlanArena(g *Graph, tokens, seqs int) *Arena {
	type life struct {
		id          ID
		first, last int
	}
	lives := make([]life, len(g.Values))
	for i := range lives {
		lives[i] = life{ID(i), -1, -1}
	}
	touch := func(id ID, at int) {
		if id == None {
			return
		}
		l := &lives[id]
		if l.first < 0 {
			l.first = at
		}
		l.last = max(l.last, at)
	}
	for i, n := range g.Nodes {
		beside := besides(g, i)
		for _, in := range n.In {
			touch(in, beside)
		}
		touch(n.Out, i)
	}
	touch(g.Output, len(g.Nodes)) // read by the caller

	a := &Arena{Offset: make([]int64, len(g.Values)), Size: make([]int64, len(g.Values))}
	var order []life
	for i, t := range g.Values {
		rows := tokens
		if t.Rows == PerSequence {
			rows = seqs
		}
		a.Offset[i] = -1
		a.Size[i] = t.Bytes(rows)
		if lives[i].first >= 0 {
			order = append(order, lives[i])
		}
	}
	sort.SliceStable(order, func(i, j int) bool {
		si, sj := a.Size[order[i].id], a.Size[order[j].id]
		return si > sj || si == sj && order[i].first < order[j].first
	})
	var placed []life
	for _, l := range order {
		var busy []life
		for _, p := range placed {
			if p.first <= l.last && l.first <= p.last {
				busy = append(busy, p)
			}
		}
		sort.Slice(busy, func(i, j int) bool { return a.Offset[busy[i].id] < a.Offset[busy[j].id] })
		at := int64(0)
		for _, p := range busy {
			if at+a.Size[l.id] <= a.Offset[p.id] {
				break
			}
			at = max(at, align(a.Offset[p.id]+a.Size[p.id], ArenaAlign))
		}
		a.Offset[l.id] = at
		a.Bytes = max(a.Bytes, align(at+a.Size[l.id], ArenaAlign))
		placed = append(placed, l)
	}
	return a
}

// besides is the last of the nodes behind node i that none from i on hands a value to: they may run beside each other. What
// they read must not be written over by one of them, or memory would make them wait where values don't.
func besides(g *Graph, i int) int {
	made := map[ID]bool{g.Nodes[i].Out: true}
	for j := i + 1; j < len(g.Nodes); j++ {
		for _, in := range g.Nodes[j].In {
			if made[in] {
				return j - 1
			}
		}
		made[g.Nodes[j].Out] = true
	}
	return len(g.Nodes) - 1
}

func align(n, to int64) int64 { return (n + to - 1) / to * to }
