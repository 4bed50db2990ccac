package sampler

import (
	"math"
	"slices"
)

// Adjusted is c as it would be if a had been added to all logits before the candidates were
// chosen: what is still certain of it. Where nothing is, it has no candidates.
//
// A candidate whose new logit is below the old last one may have others before it, and leaves
// the list. An id outside the list has a logit of at most the last one; if it gains, whatever
// it may overtake leaves the list too.
func (c Candidates) Adjusted(a Adjustments) Candidates {
	if len(a) == 0 {
		return c
	}
	if !c.sound() {
		return Candidates{}
	}
	rest, ok := c.unlisted()
	if !ok {
		return Candidates{}
	}
	list := make([]ranked, len(c.IDs))
	for i, id := range c.IDs {
		delta, _ := a.of(id)
		list[i] = ranked{c.Logits[i] + delta, id}
	}
	last := ranked{c.Logits[len(c.Logits)-1], c.IDs[len(c.IDs)-1]}
	if whole := len(list) == c.Vocab; whole {
		last = ranked{float32(math.Inf(-1)), math.MaxInt32}
	}
	border := last
	for _, x := range a {
		if slices.Contains(c.IDs, x.ID) {
			continue
		}
		// Its share of the rest may be anything up to that of the last.
		rest.least -= math.Exp(float64(last.logit) - c.Max)
		if x.Delta > 0 {
			gained := last.logit + x.Delta
			rest.most += math.Exp(float64(gained) - c.Max)
			// No id of the list is below -1: one that is as high as the border falls.
			border = ranked{max(border.logit, gained), -1}
		}
	}
	rest.least = max(rest.least, 0)
	slices.SortFunc(list, func(a, b ranked) int {
		if a.before(b) {
			return -1
		}
		return 1
	})
	n := len(list)
	for n > 0 && border.before(list[n-1]) {
		n--
		mass := math.Exp(float64(list[n].logit) - c.Max)
		rest.least, rest.most = rest.least+mass, rest.most+mass
	}
	return c.reduced(list[:n], rest, c.Vocab)
}

// Masked is c for a choice among the allowed ids alone, count of them (bit id%32 of word
// id/32).
func (c Candidates) Masked(allowed []uint32, count int) Candidates {
	if !c.sound() {
		return Candidates{}
	}
	rest, ok := c.unlisted()
	if !ok {
		return Candidates{}
	}
	var list []ranked
	for i, id := range c.IDs {
		if allowed[id/32]>>(id%32)&1 != 0 {
			list = append(list, ranked{c.Logits[i], id})
		}
	}
	last := float64(c.Logits[len(c.Logits)-1]) - c.Max
	rest = span{0, min(rest.most, float64(count-len(list))*math.Exp(last))}
	return c.reduced(list, rest, count)
}

// reduced makes candidates of a list, best first, of vocab tokens. rest is that of the tokens
// outside the list, relative to c.Max.
func (c Candidates) reduced(list []ranked, rest span, vocab int) Candidates {
	if len(list) == 0 || math.IsInf(float64(list[0].logit), 0) {
		return Candidates{}
	}
	out := Candidates{Max: float64(list[0].logit), Vocab: vocab}
	scale, sum := math.Exp(c.Max-out.Max), 0.0
	out.rest = &span{rest.least * scale, rest.most * scale}
	for _, x := range list {
		out.IDs, out.Logits = append(out.IDs, x.id), append(out.Logits, x.logit)
		sum += math.Exp(float64(x.logit) - out.Max)
	}
	out.LogSumExp = out.Max + math.Log(sum+(out.rest.least+out.rest.most)/2)
	if math.IsNaN(out.LogSumExp) || math.IsInf(out.LogSumExp, 0) {
		return Candidates{}
	}
	return out
}
