package grammar

import (
	"errors"
	"fmt"
)

// maxShortest bounds the bytes of a completion that is looked for token by token.
const maxShortest = 1 << 16

// shortest returns the tokens of the shortest completion: the fewest that spell its bytes. If the answer followed a plan
// so far, it is what is left of that. None is returned where another completion, of more bytes, takes fewer tokens.
func (m *Matcher) shortest(remaining int) ([]int32, error) {
	if m.planned {
		return m.plan, nil
	}
	plan, n := m.spell()
	if cost := m.cost(); cost < n {
		plan, n = nil, cost
	}
	switch {
	case n >= endless:
		return nil, errors.New("grammar: the vocabulary has no tokens for the shortest answer that fits")
	case n > int64(remaining):
		return nil, fmt.Errorf("%w: it may have %d, and the shortest that fits takes %d", ErrBudget, remaining, n)
	}
	m.plan, m.planned = plan, plan != nil
	return plan, nil
}

// Shortest is the number of tokens that the shortest completion takes from here, an end token not counted.
func (m *Matcher) Shortest() int {
	_, n := m.spell()
	return int(min(n, m.cost()))
}

// spell finds the fewest tokens for the shortest bytes.
func (m *Matcher) spell() (plan []int32, n int64) {
	if m.done {
		return nil, 0
	}
	text, ok := m.completion()
	if !ok {
		return nil, m.cost()
	}
	v := m.c.v
	fewest := make([]int64, len(text)+1) // tokens of text[i:]
	choice := make([]int32, len(text)+1)
	for i := len(text) - 1; i >= 0; i-- {
		fewest[i] = endless
		at := int32(0)
		for j := i; j < len(text); j++ {
			if at = v.child(at, text[j]); at < 0 {
				break
			}
			if v.ends(at) && sum(1, fewest[j+1]) < fewest[i] {
				fewest[i], choice[i] = 1+fewest[j+1], v.ids[v.first[at]]
			}
		}
	}
	if fewest[0] >= endless {
		return nil, endless
	}
	for i := 0; i < len(text); i += len(v.piece(choice[i])) {
		plan = append(plan, choice[i])
	}
	return plan, int64(len(plan))
}

// completion spells the shortest bytes that end the answer; false if they are too many.
func (m *Matcher) completion() ([]byte, bool) {
	best, length := place{}, endless
	for _, p := range m.places {
		total := m.c.p.length[p.node]
		for f := p.frame; f != bottom; f = m.w.a.frames[f].below {
			total = sum(total, m.c.p.after(m.c.p.length, m.w.a.frames[f].ret, m.w.a.frames[f].count))
		}
		if total < length {
			best, length = p, total
		}
	}
	if length > maxShortest {
		return nil, false
	}
	text := m.c.spellNode(make([]byte, 0, length), best.node)
	for f := best.frame; f != bottom; f = m.w.a.frames[f].below {
		text = m.c.spellAfter(text, m.w.a.frames[f].ret, m.w.a.frames[f].count)
	}
	return text, true
}

// spellNode appends the shortest bytes from a node up to the end of its frame.
func (c *Compiled) spellNode(text []byte, i int32) []byte {
	for {
		switch n := &c.p.nodes[i]; n.op {
		case opBytes:
			text = append(text, c.pick[n.set])
			i = n.next
		case opSplit:
			i = c.p.best[i]
		case opCall:
			text = c.spellNode(text, n.body)
			i = n.next
		case opRepeat:
			return c.spellAfter(text, i, 0)
		default:
			return text
		}
	}
}

func (c *Compiled) spellAfter(text []byte, ret, count int32) []byte {
	n := &c.p.nodes[ret]
	if n.op != opRepeat {
		return c.spellNode(text, ret)
	}
	for ; count < n.least && c.p.length[n.body] > 0; count++ {
		text = c.spellNode(text, n.body)
	}
	return c.spellNode(text, n.next)
}
