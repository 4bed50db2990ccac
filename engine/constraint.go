package engine

import (
	"fmt"
	"math"
	"math/bits"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// Constraint decides which tokens may come next in one answer. It belongs to that answer alone. Of an answer that begins
// with reasoning (GenerateOptions.Reasoning) it sees what follows.
type Constraint interface {
	// Mask sets the bits of the ids that may come next: bit id%32 of word id/32. The slice has room for the whole
	// vocabulary and is cleared before. remaining is how many tokens the answer may still have, an end token not
	// counted. An end of the answer is allowed by setting the bit of an end token.
	Mask(allowed []uint32, remaining int) error
	// Accept tells the id that was chosen; end tokens are not told.
	Accept(id int32) error
}

// Unbound is a Constraint that for some time leaves the model free, as while it thinks. Unbound reports whether any token
// may come next; the engine then asks for no mask, and the device chooses as it does without a constraint.
type Unbound interface {
	Unbound(remaining int) bool
}

// Bounded is a Constraint that knows how many tokens the shortest answer takes that it allows from here on. The engine ends
// the model's reasoning when no more room is left.
type Bounded interface {
	Shortest() int
}

// need is the number of tokens that must be left for an answer behind the reasoning.
func (g *generation) need() int {
	c, ok := g.o.Constraint.(Bounded)
	if !ok {
		return 0
	}
	if g.shortest == 0 {
		g.shortest = c.Shortest()
	}
	return g.shortest + len(g.block.o.End)
}

// mask asks the constraint for the tokens that may come next. bound is false where any may.
func (g *generation) mask() (bound bool, err error) {
	c := g.o.Constraint
	if c == nil || g.block.state == blockOpen {
		return false, nil
	}
	remaining := g.limit - len(g.s.result.IDs)
	if u, ok := c.(Unbound); ok && u.Unbound(remaining) {
		return false, nil
	}
	if g.allowed == nil {
		g.allowed = make([]uint32, (g.s.e.exec().Vocab()+31)/32)
	}
	clear(g.allowed)
	if err := c.Mask(g.allowed, remaining); err != nil {
		return true, err
	}
	g.allowOpening()
	return true, nil
}

// onlyEnd returns an end token if the mask allows nothing else: the answer is complete, and the model need not be asked.
func (g *generation) onlyEnd() (id int32, ok bool) {
	if g.o.IgnoreEOS {
		return 0, false
	}
	n := g.count()
	id = -1
	for _, end := range g.s.e.options.EOS {
		if isAllowed(g.allowed, end) {
			n--
			if id < 0 {
				id = end
			}
		}
	}
	return id, n == 0 && id >= 0
}

// count is the number of ids that the mask allows.
func (g *generation) count() (n int) {
	for _, word := range g.allowed {
		n += bits.OnesCount32(word)
	}
	return n
}

// complete reports whether the answer may end here, as far as the constraint is concerned.
func (g *generation) complete() (bool, error) {
	if g.o.Constraint == nil || g.o.IgnoreEOS {
		return false, nil
	}
	bound, err := g.mask()
	return bound && slices.ContainsFunc(g.s.e.options.EOS, func(id int32) bool { return isAllowed(g.allowed, id) }), err
}

func isAllowed(mask []uint32, id int32) bool {
	return id >= 0 && int(id)/32 < len(mask) && mask[id/32]>>(id%32)&1 == 1
}

// applyMask leaves the allowed ids' logits alone and takes the others out of the choice.
func (g *generation) applyMask(logits []float32) error {
	left := 0
	for id, l := range logits {
		switch {
		case l != l:
			return vkexec.ErrNotFinite
		case isAllowed(g.allowed, int32(id)):
			left++
		default:
			logits[id] = float32(math.Inf(-1))
		}
	}
	if left == 0 {
		return fmt.Errorf("BUG: engine: the constraint allows no token after %d of the answer", len(g.s.result.IDs))
	}
	return nil
}

// accept tells the constraint what was chosen.
func (g *generation) accept(id int32) error {
	if g.o.Constraint == nil || g.inside || !g.o.IgnoreEOS && slices.Contains(g.s.e.options.EOS, id) {
		return nil
	}
	return g.o.Constraint.Accept(id)
}
