package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// EarlyStopping says when a beam search is content with the hypotheses that it has.
type EarlyStopping string

// The choices are transformers' own.
const (
	// StopUnlikely ends when the best open beam, were it to end now, would not be better than the worst hypothesis.
	StopUnlikely EarlyStopping = "false"
	// StopEnough ends as soon as there are as many hypotheses as beams.
	StopEnough EarlyStopping = "true"
	// StopHopeless ends when no open beam can become better, even if it came to the greatest length.
	StopHopeless EarlyStopping = "never"
)

// BeamOptions say how a beam search goes.
type BeamOptions struct {
	Beams         int
	LengthPenalty float64       // power of the length that the sum of log-probabilities is divided by; usual: 1
	EarlyStopping EarlyStopping // "": StopUnlikely
	MaxTokens     int           // 0: until the context is full
	IgnoreEOS     bool          // end tokens are tokens like others
	Reasoning     *Reasoning    // the block whose tokens are counted; nil: none
}

// Hypothesis is an answer that a beam search found.
type Hypothesis struct {
	IDs        []int32 // an end token included
	SumLogProb float64
	Score      float64 // SumLogProb / len(IDs)^LengthPenalty
}

// maxCandidates is how many continuations the device returns of each beam.
const maxCandidates = vkexec.MaxCandidates

// MaxBeams is how many beams a search can have: at least two continuations of each are looked at.
const MaxBeams = maxCandidates / 2

func (o BeamOptions) check(ends int) error {
	switch {
	case o.Beams < 1:
		return fmt.Errorf("a beam search needs at least one beam, not %d", o.Beams)
	case o.keep(ends) > maxCandidates:
		return fmt.Errorf("%d beams are too many: with the model's %d end tokens %d are possible", o.Beams, ends, maxCandidates/max(2, 1+ends))
	case math.IsNaN(o.LengthPenalty) || math.Abs(o.LengthPenalty) > 100:
		return fmt.Errorf("the length penalty is %g; it must be from -100 to 100", o.LengthPenalty)
	case !slices.Contains([]EarlyStopping{"", StopUnlikely, StopEnough, StopHopeless}, o.EarlyStopping):
		return fmt.Errorf("early stopping is %q; it must be true, false or never", o.EarlyStopping)
	}
	return nil
}

// keep is how many continuations of all beams together are looked at: enough for all beams to go on if every other one
// ends.
func (o BeamOptions) keep(ends int) int { return max(2, 1+ends) * o.Beams }

// Beam searches for the likeliest answers to ids, the whole prompt, and returns as many as there are beams, best first; fewer
// where it ends before. It is transformers' beam search: of the continuations of all open beams the best stay open; those
// among the first Beams that end become hypotheses, of which the best are kept.
//
// It takes Beams sequences of the model, of which the session is one. They share the pages of their common beginning. Result
// then describes the best hypothesis. Errors: ErrContextFull, ErrNoSlot, and that of a cancelled context.
func (s *Session) Beam(ctx context.Context, ids []int32, o BeamOptions) ([]Hypothesis, error) {
	b := &beamSearch{s: s, o: o, prompt: len(ids)}
	if !o.IgnoreEOS {
		b.ends = s.e.options.EOS
	}
	if err := o.check(len(b.ends)); err != nil {
		return nil, err
	}
	if err := s.fits(ids); err != nil {
		return nil, err
	}
	b.limit = s.e.options.Context - len(ids) + 1
	if o.MaxTokens > 0 {
		b.limit = min(b.limit, o.MaxTokens)
	}
	if err := s.enter(ctx); err != nil {
		return nil, err
	}
	defer s.leave()
	if err := b.claim(); err != nil {
		return nil, err
	}
	defer b.close()
	s.result = Result{PromptTokens: len(ids)}
	if err := b.run(ctx, ids); err != nil {
		return nil, err
	}
	b.account()
	return b.found, nil
}

// beamSearch is a search under way.
type beamSearch struct {
	s      *Session
	o      BeamOptions
	prompt int     // tokens
	limit  int     // tokens of an answer
	ends   []int32 // end tokens
	slots  []int   // of the beams, the session's first
	open   []beam
	found  []Hypothesis // best first, as many as beams at most
}

// beam is an open answer. The last of its ids is not in the cache yet.
type beam struct {
	ids   []int32
	sum   float64 // log-probability
	pages []uint32
}

// continuation is a beam with one token more.
type continuation struct {
	parent int
	id     int32
	sum    float64
}

// claim takes the slots of all beams.
func (b *beamSearch) claim() error {
	e := b.s.e
	e.mu.Lock()
	defer e.mu.Unlock()
	more := b.o.Beams - 1
	if rows := e.exec().MaxRows(vkexec.TailTopK); b.o.Beams > rows {
		return fmt.Errorf("%d beams are too many: the model was loaded to compute %d tokens at a time", b.o.Beams, rows)
	}
	if err := b.s.open(); err != nil {
		return err
	}
	if !e.freeSlots(more, b.s) {
		return fmt.Errorf("%w: a search with %d beams takes as many; the model was loaded for %d at the same time, some of which are computing or too few",
			ErrNoSlot, b.o.Beams, max(e.options.Slots, 1))
	}
	b.slots = append([]int{b.s.slot}, e.slots[len(e.slots)-more:]...)
	e.slots = e.slots[:len(e.slots)-more]
	return nil
}

// close gives slots and pages back.
func (b *beamSearch) close() {
	e := b.s.e
	e.mu.Lock()
	defer e.mu.Unlock()
	if b.s.epoch == e.epoch { // else the pool was made anew, and these are others' pages
		for _, beam := range b.open {
			e.pages.release(beam.pages)
		}
	}
	b.open = nil
	e.slots = append(e.slots, b.slots[1:]...)
}

func (b *beamSearch) run(ctx context.Context, ids []int32) error {
	s, begin := b.s, time.Now()
	if err := s.reserve(len(ids)); err != nil {
		return err
	}
	s.begin(len(ids))
	s.result.CachedTokens = s.common(ids)
	r, err := s.prefill(ctx, ids, vkexec.TailTopK, vkexec.NoHistory)
	if err != nil {
		return err
	}
	b.takeOver()
	s.e.mu.Unlock()
	s.result.Prefill = time.Since(begin)
	s.result.FirstToken = s.result.Prefill
	decode := time.Now()
	defer func() { s.result.Decode = time.Since(decode) }()
	for length := 1; ; length++ {
		best := b.best(r)
		goOn := b.judge(best, length)
		if !goOn {
			return nil
		}
		if r, err = b.step(ctx, b.going(best, length), length); err != nil {
			return err
		}
		s.result.DecodeSteps++
	}
}

// takeOver makes the session's cache the first beam's. The session keeps the pages that are full: nobody writes to them
// again. The last one the beams may write to, and the pages behind the prompt they may need.
func (b *beamSearch) takeOver() {
	s, full := b.s, b.prompt/vkexec.PageTokens
	used := pagesFor(b.prompt)
	b.open = []beam{{pages: slices.Clone(s.pages[:used])}}
	s.e.pages.share(s.pages[:full])
	s.e.pages.release(s.pages[used:])
	s.pages, s.cached = s.pages[:full], s.cached[:full*vkexec.PageTokens]
}

// best lists the best continuations of all open beams: equal ones by beam and id.
func (b *beamSearch) best(r *vkexec.Result) []continuation {
	var all []continuation
	for i, c := range r.Candidates {
		for j, id := range c.IDs {
			all = append(all, continuation{i, id, b.open[i].sum + float64(c.Logits[j]) - float64(c.LogSumExp)})
		}
	}
	slices.SortStableFunc(all, func(x, y continuation) int { return cmp.Compare(y.sum, x.sum) })
	return all[:min(len(all), b.o.keep(len(b.ends)))]
}

// over reports whether an answer ends with a token at the given length.
func (b *beamSearch) over(id int32, length int) bool {
	return length >= b.limit || slices.Contains(b.ends, id)
}

// score is what hypotheses are compared by.
func (b *beamSearch) score(sum float64, length int) float64 {
	return sum / math.Pow(float64(length), b.o.LengthPenalty)
}

// judge makes hypotheses of the continuations that end and reports whether the search goes on.
func (b *beamSearch) judge(best []continuation, length int) bool {
	top := math.Inf(-1) // of those that stay open
	for i, c := range best {
		if !b.over(c.id, length) {
			top = max(top, c.sum)
			continue
		}
		if i < b.o.Beams {
			ids := append(slices.Clone(b.open[c.parent].ids), c.id)
			b.found = append(b.found, Hypothesis{IDs: ids, SumLogProb: c.sum, Score: b.score(c.sum, length)})
		}
	}
	slices.SortStableFunc(b.found, func(x, y Hypothesis) int { return cmp.Compare(y.Score, x.Score) })
	b.found = b.found[:min(len(b.found), b.o.Beams)]
	switch {
	case math.IsInf(top, -1):
		return false
	case len(b.found) < b.o.Beams:
		return true
	case b.o.EarlyStopping == StopEnough:
		return false
	}
	if b.o.EarlyStopping == StopHopeless && b.o.LengthPenalty > 0 {
		length = b.limit // a sum is negative: the longest answer has the best score
	}
	return b.score(top, length) > b.found[len(b.found)-1].Score
}

// going are the continuations that stay open.
func (b *beamSearch) going(best []continuation, length int) []continuation {
	best = slices.DeleteFunc(best, func(c continuation) bool { return b.over(c.id, length) })
	return best[:min(len(best), b.o.Beams)]
}

// step makes the continuations the open beams and computes what may follow each.
func (b *beamSearch) step(ctx context.Context, chosen []continuation, length int) (*vkexec.Result, error) {
	s := b.s
	e := s.e
	if err := e.lock(ctx); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	if err := cmp.Or(ctx.Err(), s.open()); err != nil {
		return nil, err
	}
	e.lastStep = nil
	// Submitted work is waited for: its pages are in use until then.
	ctx = context.WithoutCancel(ctx)
	at := b.prompt + length - 1 // of the token to be fed
	if err := b.fork(ctx, chosen, at); err != nil {
		return nil, err
	}
	var step vkexec.Step
	for i, beam := range b.open {
		e.exec().SetBlocks(b.slots[i], beam.pages)
		e.exec().SetRoPE(b.slots[i], s.rope)
		step.IDs = append(step.IDs, beam.ids[len(beam.ids)-1])
		step.Seqs = append(step.Seqs, vkexec.Seq{Slot: b.slots[i], Rows: 1, Start: at})
	}
	if s.adapters != nil {
		step.Adapters, step.Scales = s.adapters.device, s.scales
	}
	return e.exec().Run(ctx, step, vkexec.TailTopK, vkexec.NoHistory)
}

// fork lets the chosen continuations hold the pages of their beams, each with a page of its own where the next token, at the
// given place, will be written.
func (b *beamSearch) fork(ctx context.Context, chosen []continuation, at int) error {
	pool := &b.s.e.pages
	next := make([]beam, len(chosen))
	for i, c := range chosen {
		parent := b.open[c.parent]
		pool.share(parent.pages)
		next[i] = beam{append(slices.Clone(parent.ids), c.id), c.sum, slices.Clone(parent.pages)}
	}
	for _, old := range b.open {
		pool.release(old.pages)
	}
	b.open = next
	page := at / vkexec.PageTokens
	var copies []vkexec.PageCopy
	for i := range next {
		n := &next[i]
		if page < len(n.pages) && !pool.shared(n.pages[page]) {
			continue
		}
		if len(pool.free) == 0 {
			return errors.New("BUG: engine: no page is left for a beam")
		}
		own := pool.take()
		if page == len(n.pages) {
			n.pages = append(n.pages, own)
			continue
		}
		copies = append(copies, vkexec.PageCopy{From: n.pages[page], To: own})
		pool.release(n.pages[page : page+1])
		n.pages[page] = own
	}
	return b.s.e.exec().CopyPages(ctx, copies)
}

// account describes the best hypothesis as the session's result.
func (b *beamSearch) account() {
	r := &b.s.result
	best := b.found[0]
	r.IDs, r.FinishReason = best.IDs, FinishLength
	if slices.Contains(b.ends, best.IDs[len(best.IDs)-1]) {
		r.FinishReason = FinishStop
	}
	if b.s.e.tok == nil {
		return
	}
	block, text := newBlock(b.o.Reasoning), b.s.e.tok.NewStream(tokenizer.DecodeOptions{SkipSpecial: true})
	for _, id := range best.IDs {
		block.push(text.Push(id))
	}
	r.ReasoningTokens = block.reasoning()
}
