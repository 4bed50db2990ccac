package grammar

import (
	"errors"
	"fmt"
	"slices"
)

// ErrBudget reports an answer that may not have as many tokens as the shortest one that fits takes.
var ErrBudget = errors.New("too few tokens are left for the answer")

// ErrAmbiguous reports a grammar that reads a text in thousands of ways at the same time.
var ErrAmbiguous = errors.New("grammar: there are too many ways to read the answer; write the rules so that few are possible")

// A Matcher follows one answer. It is not safe for concurrent use; several matchers of one Compiled are.
type Matcher struct {
	c      *Compiled
	w      walker
	places []place // sorted
	done   bool    // the answer may end here

	plan    []int32 // tokens that end the answer from here, where known
	planned bool

	local []place // scratch
}

// NewMatcher begins an answer.
func (c *Compiled) NewMatcher() *Matcher {
	m := &Matcher{c: c, w: walker{p: c.p, a: newArena(), seen: map[visit]struct{}{}}}
	m.w.from(c.p.start, 0, bottom)
	m.take()
	return m
}

// take makes what the walker found the matcher's places.
func (m *Matcher) take() {
	slices.SortFunc(m.w.places, comparePlaces)
	m.places = append(m.places[:0], slices.Compact(m.w.places)...)
	m.done = m.w.left
	m.w.reset()
}

// Done reports whether the answer may end here.
func (m *Matcher) Done() bool { return m.done }

// cost is a number of tokens that suffices to end.
func (m *Matcher) cost() int64 {
	if m.done {
		return 0
	}
	cost := endless
	for _, p := range m.places {
		cost = min(cost, sum(m.c.cost[p.node], m.c.below(m.w.a, p.frame)))
	}
	return cost
}

// Mask sets the bits of the tokens that may come next when the answer may still have remaining tokens, an end token not
// counted: those behind which it can still end in time. If remaining is what the shortest completion takes, only that
// is allowed. Errors: [ErrBudget], at the beginning of an answer only.
func (m *Matcher) Mask(allowed []uint32, remaining int) error {
	if m.done {
		for _, id := range m.c.v.eos {
			if int(id>>5) < len(allowed) && id >= 0 {
				allowed[id>>5] |= 1 << (id & 31)
			}
		}
	}
	if int64(remaining) <= m.cost() {
		plan, err := m.shortest(remaining)
		if err != nil {
			return err
		}
		if len(plan) > 0 {
			allowed[plan[0]>>5] |= 1 << (plan[0] & 31)
		}
		if len(plan) > 0 && len(plan) >= remaining || remaining <= 0 {
			return nil
		}
	}
	m.c.mu.Lock()
	defer m.c.mu.Unlock()
	if m.c.cache.bytes > m.c.limit {
		m.c.cache = newCache(m.c)
	}
	for i := 0; i < len(m.places); {
		f := m.places[i].frame
		m.local = m.local[:0]
		for ; i < len(m.places) && m.places[i].frame == f; i++ {
			m.local = append(m.local, place{m.places[i].node, bottom})
		}
		m.fill(allowed, m.c.cache.state(m.local, false), f, int64(remaining)-1)
	}
	if m.c.cache.w.over {
		m.c.cache = newCache(m.c) // what was found out is not whole
		return ErrAmbiguous
	}
	return nil
}

// fill adds the tokens of places that share a frame, as far as at most limit tokens suffice behind them.
func (m *Matcher) fill(allowed []uint32, state, f int32, limit int64) {
	k, a := m.c.cache, m.w.a
	limit -= m.c.below(a, f)
	q := step{0, state}
	for {
		o := k.outcome(q)
		for i := range o.groups {
			g := &o.groups[i]
			if g.cost > limit {
				break
			}
			for j, word := range g.dense {
				allowed[j] |= word
			}
			for _, id := range g.sparse {
				allowed[id>>5] |= 1 << (id & 31)
			}
		}
		if o.exits == 0 || f == bottom {
			return
		}
		top := a.frames[f]
		count := m.c.canonical(top.ret, top.count)
		// The frame's own cost now counts with the tokens', as that of the count that stands for its count.
		limit += m.c.p.after(m.c.cost, top.ret, count)
		f = top.below
		q = step{o.exits, k.returned(top.ret, count)}
	}
}

// canonical is the count that stands for one of a repetition: a token is too short to see the difference. So a text of
// at most 65,536 characters needs no more masks than one of 200.
func (c *Compiled) canonical(ret, count int32) int32 {
	n := &c.p.nodes[ret]
	if n.op != opRepeat {
		return count
	}
	far := int32(c.v.longest) + 1
	switch {
	case n.most >= 0 && n.most-count <= far:
	case count >= n.least:
		return n.least
	case n.least-count > far:
		return 0
	}
	return count
}

// Accept takes the next token. Any but those that Mask allows is an error, which leaves the matcher as it was.
func (m *Matcher) Accept(id int32) error {
	if err := m.c.v.known(id); err != nil {
		return err
	}
	old := slices.Clone(m.places)
	for _, b := range m.c.v.piece(id) {
		if !m.step(b) {
			m.places = append(m.places[:0], old...)
			if m.w.over {
				return ErrAmbiguous
			}
			return fmt.Errorf("grammar: token %d (%q) does not fit here", id, m.c.v.piece(id))
		}
	}
	if m.planned = m.planned && len(m.plan) > 0 && m.plan[0] == id; m.planned {
		m.plan = m.plan[1:]
	}
	if len(m.w.a.frames) > maxFrames {
		m.tidy()
	}
	return nil
}

// step consumes a byte and reports whether the text so far can still become one that fits.
func (m *Matcher) step(b byte) bool {
	m.w.reset()
	for _, p := range m.places {
		n := &m.c.p.nodes[p.node]
		if m.c.p.sets[n.set].has(b) {
			m.w.from(n.next, 0, p.frame)
		}
	}
	if len(m.w.places) == 0 && !m.w.left || m.w.over {
		return false
	}
	m.take()
	return true
}

// maxFrames bounds the frames that a matcher remembers beyond those that are in use.
const maxFrames = 1 << 14

// tidy forgets the frames that are no longer in use.
func (m *Matcher) tidy() {
	old, fresh := m.w.a, newArena()
	moved := map[int32]int32{bottom: bottom}
	for i, p := range m.places {
		var above []int32
		f := p.frame
		for ; ; f = old.frames[f].below {
			if _, ok := moved[f]; ok {
				break
			}
			above = append(above, f)
		}
		for _, g := range slices.Backward(above) {
			x := old.frames[g]
			moved[g] = fresh.push(frame{x.ret, x.count, moved[x.below]})
		}
		m.places[i].frame = moved[p.frame]
	}
	m.w.a = fresh
	slices.SortFunc(m.places, comparePlaces)
}
