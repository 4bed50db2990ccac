package engine

import (
	"context"
	"math"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/sampler"
)

// TopToken is a token that might have come.
type TopToken struct {
	ID      int32
	LogProb float64
}

// note keeps the log-probabilities of the token that was chosen. They are those of the model: the log-softmax of its
// logits, before penalties, bias, temperature and everything else that shapes the choice. From candidates they are right
// to 1e-5, as the device's log-sum-exp is.
func (g *generation) note(ctx context.Context, id int32, r *vkexec.Result, row int, c sampler.Candidates, logits []float32) (err error) {
	n := min(g.o.LogProbs, c.Vocab)
	if n == 0 {
		return nil
	}
	at := slices.Index(c.IDs, id)
	if logits == nil && (at < 0 || n > len(c.IDs)) {
		if logits, err = g.allLogits(ctx, r, row); err != nil {
			return err
		}
	}
	if logits != nil {
		g.noted.LogProb, g.noted.Top = logProbs(logits, id, n)
		return nil
	}
	g.noted.LogProb = float64(c.Logits[at]) - c.LogSumExp
	g.noted.Top = make([]TopToken, n)
	for i := range n {
		g.noted.Top[i] = TopToken{c.IDs[i], float64(c.Logits[i]) - c.LogSumExp}
	}
	return nil
}

// logProbs is the log-probability of an id and of the n most probable ones, equal ones by ascending id.
func logProbs(logits []float32, id int32, n int) (float64, []TopToken) {
	highest := float64(slices.Max(logits))
	sum := 0.0
	for _, l := range logits {
		sum += math.Exp(float64(l) - highest)
	}
	all := highest + math.Log(sum)
	top := make([]TopToken, 0, n+1)
	for i, l := range logits {
		p := float64(l) - all
		if len(top) == n && p <= top[n-1].LogProb {
			continue
		}
		place := len(top)
		for place > 0 && top[place-1].LogProb < p {
			place--
		}
		top = slices.Insert(top, place, TopToken{int32(i), p})
		top = top[:min(len(top), n)]
	}
	return float64(logits[id]) - all, top
}
