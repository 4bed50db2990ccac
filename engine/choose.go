package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/sampler"
)

// penalises reports whether the device applies penalties. Where log-probabilities are asked for they stay on the host, since
// what the device leaves behind is then no longer what the model said.
func (g *generation) penalises() bool { return g.o.Sampling.Penalized() && g.o.LogProbs == 0 }

// history is h where the device applies penalties.
func (g *generation) history(h vkexec.History) vkexec.History {
	if g.penalises() {
		return h
	}
	return vkexec.NoHistory
}

// tail is how a step ends: the device chooses greedily where nothing but its penalties stands between the logits and the
// choice; else it returns candidates, and leaves all logits behind.
func (g *generation) tail() vkexec.Tail {
	if g.o.Sampling.Greedy() && !g.bound && !g.o.Sampling.Adjusts() && g.o.LogProbs == 0 {
		return vkexec.TailGreedy
	}
	return vkexec.TailTopK
}

// checkChoice refuses a bias for an id that the model does not have, and log-probabilities of less than no tokens.
func (g *generation) checkChoice() error {
	vocab := g.s.e.exec().Vocab()
	if g.o.LogProbs < 0 {
		return fmt.Errorf("log-probabilities of %d tokens are not possible", g.o.LogProbs)
	}
	for id := range g.o.Sampling.LogitBias {
		if int(id) >= vocab {
			return fmt.Errorf("there is a logit bias for id %d; the model's ids go from 0 to %d", id, vocab-1)
		}
	}
	return nil
}

// choose takes the device's arg max of a row of the step's choices, or draws from its candidates; where these do not decide,
// from all logits.
func (g *generation) choose(ctx context.Context, r *vkexec.Result, row int) (id int32, err error) {
	if len(r.IDs) > 0 {
		return r.IDs[row], nil
	}
	c := r.Candidates[row]
	best := sampler.Candidates{
		IDs: c.IDs, Logits: c.Logits, Max: float64(c.Max), LogSumExp: float64(c.LogSumExp), Vocab: g.s.e.exec().Vocab(),
	}
	adjust := g.sampler.Adjustments(g.ids, g.s.result.IDs)
	decided := false
	if g.penalises() || !g.o.Sampling.Penalized() {
		changed := best.Adjusted(adjust)
		if g.bound {
			changed = changed.Masked(g.allowed, g.count())
		}
		id, decided = g.sampler.FromCandidates(changed)
	}
	var logits []float32
	if !decided {
		if logits, err = g.allLogits(ctx, r, row); err != nil {
			return 0, err
		}
		if id, err = g.fromAll(logits, adjust); err != nil {
			return 0, err
		}
	}
	return id, g.note(ctx, id, r, row, best, logits)
}

// fromAll draws from all logits, which are not changed where they are needed again.
func (g *generation) fromAll(logits []float32, adjust sampler.Adjustments) (int32, error) {
	if g.o.LogProbs > 0 {
		logits = slices.Clone(logits)
		if err := g.o.Sampling.ApplyPenalties(logits, g.ids, g.s.result.IDs); err != nil {
			return 0, err
		}
	}
	if err := adjust.Apply(logits); err != nil {
		return 0, err
	}
	if g.bound {
		if err := g.applyMask(logits); err != nil {
			return 0, err
		}
	}
	return g.sampler.SampleProcessed(logits)
}

// allLogits downloads a row of the logits of the step under way, or errStale where another one came in between.
func (g *generation) allLogits(ctx context.Context, r *vkexec.Result, row int) ([]float32, error) {
	if g.guess.stale() {
		return nil, errStale
	}
	if g.logits == nil {
		g.logits = make([]float32, g.s.e.exec().Vocab())
	}
	return g.logits, g.s.e.exec().Logits(context.WithoutCancel(ctx), r, row, g.logits)
}
