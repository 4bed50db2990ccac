package sampler

import (
	"errors"
	"fmt"
	"math"
)

// Sampler chooses the tokens of one answer. It belongs to one goroutine.
type Sampler struct {
	given  Params
	p      Params    // what of given has an effect
	draws  uint64    // tokens drawn so far
	bounds []float64 // mirostat's, behind each draw

	dry       dry
	adjusted  []Adjustment // scratch
	processed []float32    // scratch: logits after penalties and adjustments
	list      ranking      // scratch
}

// New returns a sampler at its first random number, or Validate's error.
func New(p Params) (*Sampler, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Sampler{given: p, p: p.effective(), dry: newDRY(p.DRY)}, nil
}

// Params returns what the sampler was made with.
func (s *Sampler) Params() Params { return s.given }

// Draws returns how many tokens were drawn; none when greedy.
func (s *Sampler) Draws() uint64 { return s.draws }

// Seek makes the n-th draw, counted from 0, the next one. A session that takes tokens back
// goes back to the numbers that they were drawn with, and to mirostat's bound at that time.
func (s *Sampler) Seek(n uint64) {
	s.draws = n
	s.bounds = s.bounds[:min(uint64(len(s.bounds)), n)]
}

// whims are those of the next draw.
func (s *Sampler) whims() whims {
	w := whims{bound: 2 * s.p.Mirostat.Tau}
	if n := len(s.bounds); n > 0 {
		w.bound = s.bounds[n-1]
	}
	if s.p.XTC.Probability > 0 {
		w.coin = uniform(^s.p.Seed, s.draws)
	}
	return w
}

// drawn counts a draw of the i-th place.
func (s *Sampler) drawn(i int, among selection, w whims) int32 {
	s.draws++
	c := s.list.at(i)
	if m := s.p.Mirostat; m.Tau > 0 {
		surprise := -math.Log2(c.weight / among.mass)
		s.bounds = append(s.bounds, w.bound-m.Eta*(surprise-m.Tau))
	}
	return c.id
}

// Sample chooses a token from the logits of one position [vocabulary], as the model gave
// them; prompt and generated are the ids so far, for the penalties. logits are not changed.
//
// A logit of -Inf is a token that must not be chosen. NaN, +Inf or nothing but -Inf is an
// error: the model has failed.
func (s *Sampler) Sample(logits []float32, prompt, generated []int32) (int32, error) {
	best, err := s.process(logits, prompt, generated)
	if err != nil {
		return 0, err
	}
	return s.choose(best), nil
}

// SampleProcessed is Sample for logits to which penalties and adjustments have been applied
// already. It is the way on when FromCandidates does not decide.
func (s *Sampler) SampleProcessed(logits []float32) (int32, error) {
	s.processed = append(s.processed[:0], logits...)
	best, err := check(s.processed)
	if err != nil {
		return 0, err
	}
	return s.choose(best), nil
}

// choose draws from s.processed, whose highest logit is best's.
func (s *Sampler) choose(best int32) int32 {
	if s.p.Greedy() {
		return best
	}
	w := s.whims()
	among := s.among(best, w)
	// Rounding can put a draw of almost 1 behind the last token; then it is that one.
	i, _ := s.list.place(uniform(s.p.Seed, s.draws)*among.mass, among)
	return s.drawn(i, among, w)
}

// among ranks s.processed and selects.
func (s *Sampler) among(best int32, w whims) selection {
	if s.p.TopNSigma > 0 {
		aboveSigma(s.processed, s.processed[best], s.p.TopNSigma)
	}
	s.list.fill(s.processed, s.p)
	return s.list.selection(s.p, s.list.total, w, false)
}

// Probabilities returns what Sample chooses among: the ids that are kept, the most probable
// first, and their probabilities, which sum to 1. Greedy keeps one.
func (s *Sampler) Probabilities(logits []float32, prompt, generated []int32) (ids []int32, probs []float64, err error) {
	best, err := s.process(logits, prompt, generated)
	if err != nil {
		return nil, nil, err
	}
	if s.p.Greedy() {
		return []int32{best}, []float64{1}, nil
	}
	among := s.among(best, s.whims())
	for k := range among.len() {
		c := s.list.at(among.at(k))
		if c.weight == 0 {
			break
		}
		ids = append(ids, c.id)
		probs = append(probs, c.weight/among.mass)
	}
	return ids, probs, nil
}

// process fills s.processed with the logits after penalties and adjustments, checks them, and
// returns the id of the highest.
func (s *Sampler) process(logits []float32, prompt, generated []int32) (best int32, err error) {
	s.processed = append(s.processed[:0], logits...)
	if err := s.p.ApplyPenalties(s.processed, prompt, generated); err != nil {
		return 0, err
	}
	if err := s.Adjustments(prompt, generated).Apply(s.processed); err != nil {
		return 0, err
	}
	return check(s.processed)
}

// check refuses logits that nothing can be chosen from, and returns the id of the highest,
// the lowest id of equal ones.
func check(logits []float32) (best int32, err error) {
	if len(logits) == 0 || len(logits) > math.MaxInt32 {
		return 0, fmt.Errorf("sampler: there are %d logits to choose from", len(logits))
	}
	highest := float32(math.Inf(-1))
	for id, l := range logits {
		// One comparison for both bad values: it is false for NaN as well.
		if !(l <= math.MaxFloat32) {
			return 0, fmt.Errorf("sampler: the logit of id %d is %g: the model's arithmetic has failed", id, l)
		}
		if l > highest {
			highest, best = l, int32(id)
		}
	}
	if math.IsInf(float64(highest), -1) {
		return 0, errors.New("sampler: every token is excluded: all logits are -Inf")
	}
	return best, nil
}
