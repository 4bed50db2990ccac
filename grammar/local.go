package grammar

import (
	"encoding/binary"
	"slices"
	"sync"
)

// Compiled is a grammar for a vocabulary. It serves any number of matchers at the same time.
type Compiled struct {
	g    *Grammar
	p    *program
	v    *Vocabulary
	pick []byte  // of each set, for shortest completions
	cost []int64 // of each node: tokens that suffice up to the end of its frame

	mu    sync.Mutex
	cache *cache
	limit int // bytes of the cache
}

// DefaultCacheBytes bounds the masks that a Compiled keeps.
const DefaultCacheBytes = 64 << 20

// Compile joins a grammar with a vocabulary.
func Compile(g *Grammar, v *Vocabulary) *Compiled {
	c := &Compiled{g: g, p: g.p, v: v, limit: DefaultCacheBytes}
	c.pick = c.p.picks(v)
	c.cost = c.p.tokenCosts(v, c.pick)
	c.cache = newCache(c)
	return c
}

// cache is what was found out about the automaton so far. Its frames are relative: the bottom one stands for whatever
// lies below.
type cache struct {
	c      *Compiled
	w      walker
	states []localState
	index  map[string]int32 // of states, by their places
	starts map[frame]int32  // states that a frame is returned to with
	fronts [][]int32        // trie nodes; front 0 is the root
	front  map[string]int32
	found  map[step]*outcome
	bytes  int
	key    []byte
	path   []int32 // scratch: states by depth
}

// localState is a set of places with relative frames.
type localState struct {
	places []place
	left   bool    // one of the ways has left the bottom frame
	cost   int64   // least, up to the end of the bottom frame
	next   []int32 // by class of bytes; unknown, dead or a state
}

const (
	unknown int32 = -1
	dead    int32 = -2
)

// step is the question which tokens go on from the nodes of a front in a state.
type step struct{ front, state int32 }

// outcome is its answer.
type outcome struct {
	groups []group // by rising cost
	exits  int32   // the front at which the bottom frame is left; 0: nowhere
}

// group holds the tokens behind which the same cost is left up to the end of the bottom frame.
type group struct {
	cost   int64
	dense  []uint32
	sparse []int32
}

func newCache(c *Compiled) *cache {
	a := newArena()
	return &cache{
		c: c, w: walker{p: c.p, a: a, seen: map[visit]struct{}{}}, index: map[string]int32{}, starts: map[frame]int32{},
		fronts: [][]int32{{0}}, front: map[string]int32{}, found: map[step]*outcome{}, path: make([]int32, maxTokenBytes+1),
	}
}

// state returns the number of a set of places, which is sorted here.
func (k *cache) state(places []place, left bool) int32 {
	slices.SortFunc(places, comparePlaces)
	places = slices.Compact(places)
	k.key = k.key[:0]
	for _, p := range places {
		k.key = binary.LittleEndian.AppendUint32(k.key, uint32(p.node))
		k.key = binary.LittleEndian.AppendUint32(k.key, uint32(p.frame))
	}
	if left {
		k.key = append(k.key, 1)
	}
	if i, ok := k.index[string(k.key)]; ok {
		return i
	}
	s := localState{places: slices.Clone(places), left: left, cost: endless, next: make([]int32, k.c.p.classes)}
	for i := range s.next {
		s.next[i] = unknown
	}
	for _, p := range places {
		s.cost = min(s.cost, sum(k.c.cost[p.node], k.c.below(k.w.a, p.frame)))
	}
	if left {
		s.cost = 0
	}
	i := int32(len(k.states))
	k.states = append(k.states, s)
	k.index[string(k.key)] = i
	k.bytes += 3*len(k.key) + 4*len(s.next) + 128
	return i
}

func comparePlaces(a, b place) int {
	if a.frame != b.frame {
		return int(a.frame - b.frame)
	}
	return int(a.node - b.node)
}

// below is the cost of what follows a frame, down to the bottom.
func (c *Compiled) below(a *arena, f int32) int64 {
	total := int64(0)
	for ; f != bottom; f = a.frames[f].below {
		total = sum(total, c.p.after(c.cost, a.frames[f].ret, a.frames[f].count))
	}
	return total
}

// returned is the state behind the end of a frame.
func (k *cache) returned(ret, count int32) int32 {
	f := frame{ret: ret, count: count}
	if i, ok := k.starts[f]; ok {
		return i
	}
	k.w.reset()
	k.w.from(ret, count, bottom)
	i := k.state(k.w.places, k.w.left)
	k.starts[f] = i
	k.bytes += 64
	return i
}

// follow is the state behind a byte.
func (k *cache) follow(s int32, b byte) int32 {
	class := k.c.p.class[b]
	if to := k.states[s].next[class]; to != unknown {
		return to
	}
	k.w.reset()
	before := len(k.w.a.frames)
	for _, p := range k.states[s].places {
		n := &k.c.p.nodes[p.node]
		if k.c.p.sets[n.set].has(b) {
			k.w.from(n.next, 0, p.frame)
		}
	}
	k.bytes += 48 * (len(k.w.a.frames) - before)
	to := dead
	if len(k.w.places) > 0 || k.w.left {
		to = k.state(k.w.places, k.w.left)
	}
	k.states[s].next[class] = to
	return to
}

// outcome answers a step.
func (k *cache) outcome(q step) *outcome {
	if o, ok := k.found[q]; ok {
		return o
	}
	o := k.walk(q)
	k.found[q] = o
	return o
}

// walk goes through the trie below each node of the front.
func (k *cache) walk(q step) *outcome {
	v := k.c.v
	tokens := map[int64][]int32{}
	var exits []int32
	from := k.states[q.state]
	for _, top := range k.fronts[q.front] {
		if from.left {
			exits = append(exits, top)
		}
		if len(from.places) == 0 {
			continue
		}
		k.path[v.depth[top]] = q.state
		for n, end := top+1, v.end[top]; n < end; {
			d := v.depth[n]
			s := k.follow(k.path[d-1], v.edge[n])
			if s == dead {
				n = v.end[n]
				continue
			}
			k.path[d] = s
			x := &k.states[s]
			if v.ends(n) {
				tokens[x.cost] = append(tokens[x.cost], v.ids[v.first[n]:v.first[n+1]]...)
			}
			if x.left && v.end[n] > n+1 {
				exits = append(exits, n)
			}
			if len(x.places) == 0 {
				n = v.end[n]
				continue
			}
			n++
		}
	}
	o := &outcome{exits: k.frontOf(exits)}
	for cost, ids := range tokens {
		g := group{cost: cost}
		if len(ids) > v.Words() {
			g.dense = make([]uint32, v.Words())
			for _, id := range ids {
				g.dense[id>>5] |= 1 << (id & 31)
			}
			k.bytes += 4 * len(g.dense)
		} else {
			g.sparse = slices.Clone(ids)
			k.bytes += 4 * len(g.sparse)
		}
		o.groups = append(o.groups, g)
	}
	slices.SortFunc(o.groups, func(a, b group) int { return int(a.cost - b.cost) })
	k.bytes += 128 + 64*len(o.groups)
	return o
}

// frontOf returns the number of a set of trie nodes; 0 of none, which is the root's and never an exit.
func (k *cache) frontOf(nodes []int32) int32 {
	if len(nodes) == 0 {
		return 0
	}
	slices.Sort(nodes)
	nodes = slices.Compact(nodes)
	k.key = k.key[:0]
	for _, n := range nodes {
		k.key = binary.LittleEndian.AppendUint32(k.key, uint32(n))
	}
	if i, ok := k.front[string(k.key)]; ok {
		return i
	}
	k.fronts = append(k.fronts, slices.Clone(nodes))
	i := int32(len(k.fronts) - 1)
	k.front[string(k.key)] = i
	k.bytes += 2*len(k.key) + 96
	return i
}
