package engine

import (
	"context"
	"slices"
	"time"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/sampler"
)

// drafter lets a smaller model say what may come next. Its session follows the answer's text: what both have in common is
// not computed again.
//
// Where the answer is sampled the draft is too, with the random numbers of the answer's own draws: two models that agree
// about the probabilities then choose the same tokens, as two arg maxima do where the answer is greedy.
type drafter struct {
	s       *Session
	sampler *sampler.Sampler
	vocab   int // ids that both models know; beyond them are rows that no token has
}

// newDrafter begins a computation of the draft's session, which leave ends.
func newDrafter(ctx context.Context, s *Session, vocab int, p sampler.Params) (*drafter, error) {
	// What depends on the text so far, or on draws, is left to the model whose answer it is.
	p.RepetitionPenalty, p.PresencePenalty, p.FrequencyPenalty, p.LogitBias = 1, 0, 0, nil
	p.DRY, p.Mirostat = sampler.DRY{}, sampler.Mirostat{}
	random, err := sampler.New(p)
	if err != nil {
		return nil, err
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	return &drafter{s: s, sampler: random, vocab: min(vocab, s.e.exec().Vocab())}, nil
}

// draft returns up to n tokens that may follow text; draws is the number of the first one's draw. cost is the time of one of
// them, 0 where that says nothing about the next: much of the text had to be read first.
func (d *drafter) draft(ctx context.Context, text []int32, n int, draws uint64, greedy bool) (ids []int32, cost time.Duration, err error) {
	s := d.s
	n = min(n, s.e.options.Context-len(text))
	unknown := func(id int32) bool { return int(id) >= d.vocab }
	if n < 1 || slices.ContainsFunc(text[s.common(text):], unknown) {
		return nil, 0, nil
	}
	if err := s.reserve(len(text) + n); err != nil {
		return nil, 0, err
	}
	tail := vkexec.TailTopK
	if greedy || d.sampler.Params().Greedy() {
		tail = vkexec.TailGreedy
	}
	begin, before := time.Now(), s.e.Stats()
	unread := len(text) - s.common(text)
	r, err := s.prefill(ctx, text, tail, vkexec.NoHistory)
	if err != nil {
		return nil, 0, err
	}
	defer s.e.mu.Unlock() // prefill has left it locked
	for i := range n {
		id := d.choose(r, draws+uint64(i))
		if unknown(id) {
			break
		}
		if ids = append(ids, id); i+1 == n {
			break
		}
		if tail == vkexec.TailGreedy && (i > 0 || unread == 1) { // a step of one row has left its choice on the device
			if r, err = s.e.exec().Next(ctx, 1, vkexec.NoHistory); err == nil {
				s.cached = append(s.cached, id)
			}
		} else {
			r, err = s.feed(ctx, []int32{id}, tail, vkexec.NoHistory)
		}
		if err != nil {
			return nil, 0, err
		}
	}
	if after := s.e.exec().Stats(); unread <= vkexec.MaxGuess {
		cost = (time.Since(begin) - time.Duration(after.RecordNS-before.RecordNS)) / time.Duration(n)
	}
	return ids, cost, nil
}

// choose takes the draft's token of a step; where its candidates do not decide, the likeliest.
func (d *drafter) choose(r *vkexec.Result, draw uint64) int32 {
	if len(r.IDs) > 0 {
		return r.IDs[0]
	}
	c := r.Candidates[0]
	d.sampler.Seek(draw)
	best := sampler.Candidates{IDs: c.IDs, Logits: c.Logits, Max: float64(c.Max), LogSumExp: float64(c.LogSumExp), Vocab: d.s.e.exec().Vocab()}
	if id, ok := d.sampler.FromCandidates(best); ok {
		return id
	}
	return c.IDs[0]
}
