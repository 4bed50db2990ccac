package sampler

import "math"

// Candidates is what the device returns for one position instead of all logits: the best K
// of them after penalties and masks, before temperature.
type Candidates struct {
	IDs    []int32   // [K], by descending logit, equal ones by ascending id
	Logits []float32 // [K]

	LogSumExp float64 // ln(sum of exp(logit)) over the whole vocabulary, right to 1e-5
	Max       float64 // the highest logit of the vocabulary; a check, since it is Logits[0]
	Vocab     int     // number of logits that the candidates were chosen from

	rest *span // of candidates that Adjusted or Masked changed: what is not listed
}

// span bounds a mass of exp(logit - Max).
type span struct{ least, most float64 }

// massTolerance is how far a mass computed from LogSumExp may be off, relative to the
// whole: twice what Candidates allows. No decision is taken nearer to a border than this.
const massTolerance = 2e-5

// summingTolerance is the same for the mass of a whole vocabulary, summed in another order
// than Sample does.
const summingTolerance = 1e-12

// FromCandidates chooses the token that Sample would choose from all logits, with the same
// random number. ok is false when the candidates do not decide it, or are not what they
// should be (NaN, out of order); no random number is used then, and the caller goes on
// with Sample or SampleProcessed.
//
// They always decide when greedy, and with a top-k below K unless the K-th equals the last
// that top-k keeps. Without top-k they decide unless what is drawn, or the border of top-p,
// lies beyond them or so near to a border that rounding on the device would matter. Typical
// and mirostat need a border that lies among them, of top-k, top-p, min-p or mirostat itself;
// top-n-sigma is never decided, since it asks for the spread of all logits.
//
// c has the penalties that the device knows; Adjusted and Masked add what it does not.
func (s *Sampler) FromCandidates(c Candidates) (id int32, ok bool) {
	if !c.sound() {
		return 0, false
	}
	if s.p.Greedy() {
		return c.IDs[0], true
	}
	if s.p.TopNSigma > 0 {
		return 0, false
	}
	low, high, ok := s.list.fillFrom(c, s.p)
	if !ok {
		return 0, false
	}
	// The mass of what is kept grows with the total, and the place of the draw with that
	// mass: when both ends lead to one place, so does everything between. Where the list
	// ends before a token is dropped, kept gives the least mass; the most is all there is.
	w := s.whims()
	least, most := s.list.selection(s.p, low, w, false), s.list.selection(s.p, high, w, low != high)
	inexact := low != high && (least.to == s.list.len() || most.to == s.list.len() || least.to != most.to)
	beyond := s.p.TypicalP > 0 || s.p.Mirostat.Tau > 0 || least.through || most.through
	if inexact && beyond || least.from != most.from {
		return 0, false
	}
	u := uniform(s.p.Seed, s.draws)
	i, inside := s.list.place(u*least.mass, least)
	j, alsoInside := s.list.place(u*most.mass, most)
	if !inside || !alsoInside || i != j {
		return 0, false
	}
	return s.drawn(i, least, w), true
}

// sound reports whether c is a list that a correct device can have returned.
func (c Candidates) sound() bool {
	k := len(c.IDs)
	if k > 0 && c.rest != nil {
		return true // Adjusted and Masked have looked
	}
	if k == 0 || k != len(c.Logits) || k > c.Vocab || math.IsNaN(c.LogSumExp) {
		return false
	}
	if top := float64(c.Logits[0]); math.IsInf(top, 0) || top != float64(float32(c.Max)) {
		return false
	}
	for i, id := range c.IDs {
		if id < 0 || int(id) >= c.Vocab {
			return false
		}
		if i > 0 && !(ranked{c.Logits[i-1], c.IDs[i-1]}).before(ranked{c.Logits[i], id}) {
			return false
		}
	}
	return !math.IsNaN(float64(c.Logits[0])) // the comparisons above hold for no other NaN
}

// fillFrom lists the candidates, as far as top-k keeps them, with the bounds of the mass of
// all tokens that it keeps. The bounds are equal when every kept token is in the list. ok
// is false when top-k is not decided or the log-sum-exp cannot be right.
func (r *ranking) fillFrom(c Candidates, p Params) (low, high float64, ok bool) {
	r.start(p, c.Logits[0])
	topK := p.TopK > 0 && p.TopK < c.Vocab
	for i, id := range c.IDs {
		next := r.candidate(ranked{c.Logits[i], id})
		if topK && i >= p.TopK && next.scaled < r.sorted[p.TopK-1].scaled {
			return r.total, r.total, true
		}
		r.sorted = append(r.sorted, next)
		r.total += next.weight
	}
	switch {
	case len(c.IDs) == c.Vocab && topK:
		return r.total, r.total, true // all the rest ties with the last that is kept
	case len(c.IDs) == c.Vocab:
		return r.total * (1 - summingTolerance), r.total * (1 + summingTolerance), true
	case topK:
		return 0, 0, false
	}
	low, high, ok = c.remaining(p.Temperature)
	return r.total + low, r.total + high, ok
}

// remaining bounds the mass, at a temperature, of the tokens that are not candidates.
//
// Their mass at temperature 1, R, is known from the log-sum-exp. With n of them, none above
// the last candidate's exp(d), and a = 1/temperature, the sum of exp(a*d') over them lies
// between n^(1-a) * R^a, where all are equal, and R * exp((a-1)*d), where all that are not
// negligible are as high as can be. For a < 1 the two change places.
func (c Candidates) remaining(temperature float64) (low, high float64, ok bool) {
	last := float64(c.Logits[len(c.Logits)-1]) - c.Max
	n := float64(c.Vocab - len(c.Logits))
	rest, ok := c.unlisted()
	if !ok {
		return 0, 0, false
	}
	if rest.most == 0 {
		return 0, 0, true
	}
	a := 1 / temperature
	equal := func(mass float64) float64 { return math.Pow(n, 1-a) * math.Pow(mass, a) }
	peaked := func(mass float64) float64 { return mass * math.Exp((a-1)*last) }
	if a >= 1 {
		low, high = equal(rest.least), peaked(rest.most)
	} else {
		low, high = peaked(rest.least), equal(rest.most)
	}
	// Logits are divided by the temperature in float32.
	return low * (1 - massTolerance), high * (1 + massTolerance), !math.IsNaN(low + high)
}

// unlisted bounds the mass of exp(logit - Max) of the tokens that are not candidates. ok is
// false when the log-sum-exp cannot be right.
func (c Candidates) unlisted() (rest span, ok bool) {
	if c.rest != nil {
		return *c.rest, true
	}
	listed := 0.0
	for _, l := range c.Logits {
		listed += math.Exp(float64(l) - c.Max)
	}
	all := math.Exp(c.LogSumExp - c.Max)
	slack := massTolerance * all
	last := float64(c.Logits[len(c.Logits)-1]) - c.Max
	n := float64(c.Vocab - len(c.Logits))
	rest = span{max(all-listed-slack, 0), min(all-listed+slack, n*math.Exp(last))}
	return rest, !math.IsInf(all, 0) && rest.most >= 0 && rest.least <= rest.most*(1+massTolerance)
}
