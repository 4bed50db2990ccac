package engine

import (
	"context"
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// Shift makes room in a context that is full: it returns what the sequence is to be from then on, shorter than before. Its
// end are the tokens generated so far, which Shift is given. The new sequence is computed anew where it differs, so that
// every key has the position that its token now has.
//
// An error that is ErrContextFull says that nothing can be left out: the answer then ends as it would without a Shift.
type Shift func(ctx context.Context, generated []int32) ([]int32, error)

// room returns the sequence itself where the context holds it, and what Shift makes of it otherwise.
func (g *generation) room(ctx context.Context, ids []int32) ([]int32, error) {
	most := g.s.e.options.Context
	if g.o.Shift == nil || len(ids) <= most {
		return ids, nil
	}
	next, err := g.o.Shift(ctx, g.s.result.IDs)
	if err != nil {
		return nil, err
	}
	if len(next) == 0 || len(next) > most {
		return nil, fmt.Errorf("BUG: engine: a context of %d tokens was shifted to %d", most, len(next))
	}
	g.s.result.Shifts++
	return next, nil
}

// most is the number of tokens that the answer may have.
func (g *generation) most() int {
	n := g.s.e.options.Context - len(g.ids) + 1 // the last token need not be fed
	if g.o.Shift != nil {
		n = math.MaxInt
	}
	if g.o.MaxTokens > 0 {
		n = min(n, g.o.MaxTokens)
	}
	return n
}

// restart computes a sequence that ends with the answer so far and chooses the next token, as a prompt's first.
func (g *generation) restart(ctx context.Context, ids []int32) (int32, error) {
	if g.penalises() {
		g.s.e.mu.Lock()
		err := g.setHistory(ctx)
		g.s.e.mu.Unlock()
		if err != nil {
			return 0, err
		}
	}
	r, err := g.s.prefill(ctx, ids, g.tail(), g.history(vkexec.Penalise))
	if err != nil {
		return 0, err
	}
	defer g.s.e.mu.Unlock()
	return g.choose(ctx, r, 0)
}
