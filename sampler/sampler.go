package sampler

import (
	"errors"
	"fmt"
	"math"
)

// Sampler chooses the tokens of one answer. It belongs to one goroutine.
type Sampler struct {
	p     Params
	draws uint64 // random numbers used so far

	processed []float32 // scratch: logits after penalties
	list      ranking   // scratch
}

// New returns a sampler at its first random number, or Validate's error.
func New(p Params) (*Sampler, error) {
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Sampler{p: p}, nil
}

// Params returns what the sampler was made with.
func (s *Sampler) Params() Params { return s.p }

// Draws returns how many random numbers were used: one for each token, none when greedy.
func (s *Sampler) Draws() uint64 { return s.draws }

// Seek makes the n-th random number, counted from 0, the next one. A session that takes
// tokens back goes back to the numbers that they were drawn with.
func (s *Sampler) Seek(n uint64) { s.draws = n }

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

// SampleProcessed is Sample for logits to which the penalties have been applied already, by
// the device. It is the way on when FromCandidates does not decide.
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
	s.list.fill(s.processed, s.p)
	mass, n := s.list.kept(s.p, s.list.total)
	// Rounding can put a draw of almost 1 behind the last token; then it is that one.
	i, _ := s.list.place(uniform(s.p.Seed, s.draws)*mass, n)
	s.draws++
	return s.list.at(i).id
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
	s.list.fill(s.processed, s.p)
	mass, n := s.list.kept(s.p, s.list.total)
	for i := range n {
		c := s.list.at(i)
		if c.weight == 0 {
			break
		}
		ids = append(ids, c.id)
		probs = append(probs, c.weight/mass)
	}
	return ids, probs, nil
}

// process fills s.processed with the logits after penalties, checks them, and returns the
// id of the highest.
func (s *Sampler) process(logits []float32, prompt, generated []int32) (best int32, err error) {
	s.processed = append(s.processed[:0], logits...)
	if err := s.p.ApplyPenalties(s.processed, prompt, generated); err != nil {
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
