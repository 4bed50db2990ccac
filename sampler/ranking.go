package sampler

import "math"

// candidate is a token with its weight: exp((logit - highest) / temperature), so 1 for the
// most probable; its probability is the weight divided by the mass of what is kept.
type candidate struct {
	id     int32
	scaled float32 // logit / temperature, in float32 as the reference has it
	weight float64
}

// ranking lists tokens by descending logit, equal ones by ascending id. It sorts no further
// than it is asked, since what is drawn nearly always stands near the top.
type ranking struct {
	sorted []candidate
	rest   []ranked // a heap of what comes after sorted
	total  float64  // mass of the whole list, of sorted and rest

	temperature float32
	highest     float64 // the highest scaled logit
}

// ranked is a token before its weight is known.
type ranked struct {
	logit float32
	id    int32
}

func (a ranked) before(b ranked) bool {
	return a.logit > b.logit || a.logit == b.logit && a.id < b.id
}

// start empties the list for tokens of which the highest logit is given.
func (r *ranking) start(p Params, highest float32) {
	r.sorted, r.rest, r.total = r.sorted[:0], r.rest[:0], 0
	r.temperature = float32(p.Temperature)
	r.highest = float64(highest / r.temperature)
}

func (r *ranking) candidate(c ranked) candidate {
	scaled := c.logit / r.temperature
	return candidate{c.id, scaled, math.Exp(float64(scaled) - r.highest)}
}

// fill ranks all logits [vocabulary] but those that are -Inf, and applies top-k.
func (r *ranking) fill(logits []float32, p Params) {
	highest := logits[0]
	for _, l := range logits {
		highest = max(highest, l)
	}
	r.start(p, highest)
	for id, l := range logits {
		if !math.IsInf(float64(l), -1) { // never drawn; masks leave many
			r.rest = append(r.rest, ranked{l, int32(id)})
		}
	}
	for i := len(r.rest)/2 - 1; i >= 0; i-- {
		r.sink(i)
	}
	if p.TopK == 0 || p.TopK >= len(logits) {
		for _, l := range logits {
			r.total += r.candidate(ranked{logit: l}).weight
		}
		return
	}
	for len(r.rest) > 0 {
		next := r.candidate(r.rest[0])
		if n := len(r.sorted); n >= p.TopK && next.scaled < r.sorted[p.TopK-1].scaled {
			break
		}
		r.pop()
		r.total += next.weight
	}
	r.rest = r.rest[:0]
}

// len returns the number of tokens in the list.
func (r *ranking) len() int { return len(r.sorted) + len(r.rest) }

// at returns the i-th token; i < len.
func (r *ranking) at(i int) candidate {
	for len(r.sorted) <= i {
		r.pop()
	}
	return r.sorted[i]
}

// kept returns the mass and the number of the tokens that top-p and min-p keep when the
// whole list has the mass total; least is the smallest weight that mirostat keeps. n is len
// when the list ends before a token is dropped.
func (r *ranking) kept(p Params, total, least float64) (mass float64, n int) {
	if p.TopP == 1 && p.MinP == 0 && least == 0 {
		return total, r.len()
	}
	least = max(least, p.MinP)
	for n = 0; n < r.len(); n++ {
		c := r.at(n)
		// The most probable token is always kept. A token is dropped when those before it
		// reach the mass already.
		if n > 0 && (c.weight < least || p.TopP < 1 && mass >= p.TopP*total) {
			break
		}
		mass += c.weight
	}
	return mass, n
}

// pop moves the next token from the heap to the sorted ones.
func (r *ranking) pop() {
	r.sorted = append(r.sorted, r.candidate(r.rest[0]))
	n := len(r.rest) - 1
	r.rest[0] = r.rest[n]
	r.rest = r.rest[:n]
	r.sink(0)
}

// sink restores the heap below i.
func (r *ranking) sink(i int) {
	h := r.rest
	for {
		down := 2*i + 1
		if down >= len(h) {
			return
		}
		if down+1 < len(h) && h[down+1].before(h[down]) {
			down++
		}
		if !h[down].before(h[i]) {
			return
		}
		h[i], h[down] = h[down], h[i]
		i = down
	}
}
