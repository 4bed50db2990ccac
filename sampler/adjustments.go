package sampler

import (
	"fmt"
	"math"
	"slices"
)

// Adjustment is what is added to the logit of an id.
type Adjustment struct {
	ID    int32
	Delta float32 // -Inf bans the id
}

// Adjustments are by ascending id, one for each.
type Adjustments []Adjustment

// Adjustments returns what logit bias and DRY add to the logits, behind the penalties, for the
// text so far. The slice is valid until the next call.
func (s *Sampler) Adjustments(prompt, generated []int32) Adjustments {
	if !s.p.Adjusts() {
		return nil
	}
	s.dry.find(prompt, generated)
	a := s.adjusted[:0]
	for id, bias := range s.p.LogitBias {
		a = append(a, Adjustment{id, float32(bias - s.dry.penalty(id))})
	}
	for id := range s.dry.longest {
		if _, twice := s.p.LogitBias[id]; !twice {
			a = append(a, Adjustment{id, float32(-s.dry.penalty(id))})
		}
	}
	slices.SortFunc(a, func(a, b Adjustment) int { return int(a.ID) - int(b.ID) })
	s.adjusted = a
	return a
}

// Apply changes logits [vocabulary] in place.
func (a Adjustments) Apply(logits []float32) error {
	for _, x := range a {
		if x.ID < 0 || int(x.ID) >= len(logits) {
			return fmt.Errorf("sampler: the logit of id %d shall be changed, but there are only %d logits", x.ID, len(logits))
		}
		logits[x.ID] += x.Delta
	}
	return nil
}

// of returns the delta of an id.
func (a Adjustments) of(id int32) (delta float32, ok bool) {
	i, ok := slices.BinarySearchFunc(a, id, func(x Adjustment, id int32) int { return int(x.ID) - int(id) })
	if !ok {
		return 0, false
	}
	return a[i].Delta, true
}

// dry finds repetitions. Its memory is kept from token to token.
type dry struct {
	p       DRY
	ends    map[int32][][]int32 // breakers by their last id
	single  map[int32]bool      // breakers of one id
	text    []int32             // scratch: the text so far, its end first
	agree   []int               // scratch
	longest map[int32]int       // by the id that would go on: how many ids agree
}

func newDRY(p DRY) dry {
	d := dry{p: p, ends: map[int32][][]int32{}, single: map[int32]bool{}, longest: map[int32]int{}}
	if p.Multiplier == 0 {
		return d
	}
	for _, b := range p.Breakers {
		last := b[len(b)-1]
		d.ends[last] = append(d.ends[last], b)
		if len(b) == 1 {
			d.single[last] = true
		}
	}
	return d
}

// find fills d.longest.
func (d *dry) find(prompt, generated []int32) {
	clear(d.longest)
	if d.p.Multiplier == 0 {
		return
	}
	d.text = append(append(d.text[:0], prompt...), generated...)
	limit := d.limit()
	if limit < d.p.AllowedLength {
		return
	}
	slices.Reverse(d.text)
	d.compare()
	for i := 1; i < len(d.text); i++ {
		n := min(d.agree[i], limit)
		if next := d.text[i-1]; n >= d.p.AllowedLength && n > d.longest[next] && !d.single[next] {
			d.longest[next] = n
		}
	}
}

// limit is the number of ids behind the last breaker. d.text is in its own order.
func (d *dry) limit() int {
	for end := len(d.text); end > 0; end-- {
		for _, b := range d.ends[d.text[end-1]] {
			if len(b) <= end && slices.Equal(b, d.text[end-len(b):end]) {
				return len(d.text) - end
			}
		}
	}
	return len(d.text)
}

// compare sets agree[i] to the number of ids that the reversed text has in common with itself
// from i on. It is the Z algorithm (Gusfield, "Algorithms on Strings, Trees and Sequences",
// 1997, section 1.3), so the time is linear even where a text is one long repetition.
func (d *dry) compare() {
	t := d.text
	d.agree = slices.Grow(d.agree[:0], len(t))[:len(t)]
	left, right := 0, 0
	for i := 1; i < len(t); i++ {
		n := 0
		if i < right {
			n = min(right-i, d.agree[i-left])
		}
		for i+n < len(t) && t[n] == t[i+n] {
			n++
		}
		d.agree[i] = n
		if i+n > right {
			left, right = i, i+n
		}
	}
}

// penalty is what an id loses. It is bounded, so that a logit stays a number.
func (d *dry) penalty(id int32) float64 {
	n, ok := d.longest[id]
	if !ok {
		return 0
	}
	const most = 1e9
	return min(most, d.p.Multiplier*math.Pow(d.p.Base, float64(n-d.p.AllowedLength)))
}
