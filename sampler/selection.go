package sampler

import (
	"math"
	"slices"
)

// selection is what is drawn among: places of the ranking, and their mass.
type selection struct {
	from, to int   // places from..to-1,
	places   []int // or, of those before to, these, ascending, where the typical ones were taken
	mass     float64
	through  bool // XTC found no token below its threshold
}

// whims are what a selection depends on beside Params and logits.
type whims struct {
	coin  float64 // random, for XTC
	bound float64 // mirostat's, in bits
}

// selection applies top-p and what follows to a list with the mass total. Where nothing of the
// list is dropped, fill gives it all of that mass, though the list itself may have less.
func (r *ranking) selection(p Params, total float64, w whims, fill bool) selection {
	least := 0.0
	if p.Mirostat.Tau > 0 {
		least = math.Exp2(-w.bound) * total
	}
	var s selection
	if s.mass, s.to = r.kept(p, total, least); fill && s.to == r.len() {
		s.mass = total
	}
	if p.TypicalP > 0 {
		s = r.typical(s, p.TypicalP)
	}
	if w.coin < p.XTC.Probability {
		s = r.withoutTop(s, p.XTC.Threshold)
	}
	return s
}

// len is the number of places.
func (s selection) len() int {
	if s.places != nil {
		return len(s.places)
	}
	return s.to - s.from
}

// at is the i-th place.
func (s selection) at(i int) int {
	if s.places != nil {
		return s.places[i]
	}
	return s.from + i
}

// typical keeps the tokens whose surprise is nearest to the mean one, with the mass p (Meister
// et al., "Locally Typical Sampling", 2022). s begins at the first place.
func (r *ranking) typical(s selection, p float64) selection {
	type distance struct{ surprise, weight float64 }
	var all []distance
	entropy := 0.0
	for i := range s.to {
		w := r.at(i).weight
		if w == 0 {
			break
		}
		surprise := -math.Log(w / s.mass)
		entropy += w / s.mass * surprise
		all = append(all, distance{surprise, w})
	}
	far := func(surprise float64) float64 { return math.Abs(surprise - entropy) }
	near := slices.Clone(all)
	slices.SortStableFunc(near, func(a, b distance) int {
		switch x, y := far(a.surprise), far(b.surprise); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	last, sum := 0, 0.0
	for last = range near {
		if sum += near[last].weight; sum >= p*s.mass {
			break
		}
	}
	limit := far(near[last].surprise)
	out := selection{to: s.to, places: make([]int, 0, last+1)}
	for i, d := range all {
		if far(d.surprise) <= limit {
			out.places = append(out.places, i)
			out.mass += d.weight
		}
	}
	return out
}

// withoutTop drops all but the last of the tokens that have the probability threshold.
func (r *ranking) withoutTop(s selection, threshold float64) selection {
	n := 0
	for n < s.len() && r.at(s.at(n)).weight >= threshold*s.mass && r.at(s.at(n)).weight > 0 {
		n++
	}
	s.through = n == s.len()
	for i := range n - 1 {
		s.mass -= r.at(s.at(i)).weight
	}
	switch {
	case n < 2:
	case s.places != nil:
		s.places = s.places[n-1:]
	default:
		s.from += n - 1
	}
	return s
}

// place returns the first place up to which the mass exceeds target. When there is none,
// inside is false and i is the last that can be drawn.
func (r *ranking) place(target float64, s selection) (i int, inside bool) {
	sum, last := 0.0, s.at(0)
	for k := range s.len() {
		i := s.at(k)
		c := r.at(i)
		if c.weight == 0 {
			break
		}
		sum += c.weight
		if sum > target {
			return i, true
		}
		last = i
	}
	return last, false
}

// aboveSigma turns logits further than n standard deviations below the highest into -Inf
// (Tang et al., "Top-nσ: Not All Logits Are You Need", 2024). Those that are -Inf already do
// not count.
func aboveSigma(logits []float32, highest float32, n float64) {
	sum, count := 0.0, 0.0
	for _, l := range logits {
		if d := float64(l) - float64(highest); !math.IsInf(d, 0) {
			sum += d
			count++
		}
	}
	mean, square := sum/count, 0.0
	for _, l := range logits {
		if d := float64(l) - float64(highest); !math.IsInf(d, 0) {
			square += (d - mean) * (d - mean)
		}
	}
	least := -n * math.Sqrt(square/count)
	for i, l := range logits {
		if float64(l)-float64(highest) < least {
			logits[i] = float32(math.Inf(-1))
		}
	}
}
