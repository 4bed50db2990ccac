package engine

import (
	"cmp"
	"context"
	"errors"
	"iter"
	"slices"
	"time"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// GenerateOptions say how an answer is drawn and when it ends.
type GenerateOptions struct {
	Sampling  sampler.Params
	MaxTokens int      // 0: until the context is full
	Stop      []string // texts that end the answer; they are not part of it
	IgnoreEOS bool     // go on behind an end token

	Constraint Constraint // which tokens may come; nil: all
	LogProbs   int        // tokens to tell the log-probability of with each chosen one, the most probable; 0: none
	Shift      Shift      // makes room where the context is full; nil: the answer ends there
	Speculate  Speculation
	Reasoning  *Reasoning // the block at the beginning in which the model may think; nil: the answer has none
}

// Token is one generated token and the text that it completes: none while a character, or a text that may become a
// stop text, is incomplete.
type Token struct {
	ID   int32
	Text string

	LogProb float64    // with GenerateOptions.LogProbs; 0 for a token that was not drawn
	Top     []TopToken // the most probable tokens, best first
}

// FinishReason says why an answer ended.
type FinishReason string

// The reasons, as OpenAI's API names the first two.
const (
	FinishStop        FinishReason = "stop"        // an end token or a stop text
	FinishLength      FinishReason = "length"      // MaxTokens, or the context is full
	FinishInterrupted FinishReason = "interrupted" // the context.Context was cancelled
)

// Result describes the last answer of a session.
type Result struct {
	FinishReason     FinishReason
	IDs              []int32 // generated ids, an end token included
	PromptTokens     int
	CachedTokens     int // of the prompt, found in the cache
	Shifts           int // how often the context was full and Shift made room
	Drafted          int // tokens that Speculate guessed
	Accepted         int // of those, how many the model chose as well
	ReasoningTokens  int // of IDs: those of the Reasoning block, with its tags
	Prefill          time.Duration
	FirstToken       time.Duration // from the call to the first token
	Decode           time.Duration // behind the first token
	DecodeSteps      int
	DecodeWait       time.Duration // of Decode: between submission and fence
	DecodeRecord     time.Duration // of Decode: recording plans, which happens once
	Dispatches       uint64        // per decode step
	Barriers         uint64
	SubmitsPerDecode float64
}

// Result is what is known of the last Generate.
func (s *Session) Result() Result { return s.result }

// Generate continues ids, the whole sequence so far. Tokens come one by one; an error ends the sequence. A cancelled
// context ends it as well, with FinishInterrupted and without an error.
//
// The end token is part of Result.IDs but is not yielded.
func (s *Session) Generate(ctx context.Context, ids []int32, o GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		if err := s.enter(ctx); err != nil {
			yield(Token{}, err)
			return
		}
		defer s.leave()
		g := s.newGeneration(ids, o)
		defer func() { g.guess.close() }()
		err := g.run(ctx, yield)
		if err = g.finish(ctx, err, yield); err != nil {
			yield(Token{}, err)
		}
	}
}

// newGeneration begins an answer's result.
func (s *Session) newGeneration(ids []int32, o GenerateOptions) *generation {
	s.result = Result{PromptTokens: len(ids)}
	return &generation{s: s, o: o, ids: ids, begin: time.Now(), block: newBlock(o.Reasoning), fresh: true}
}

// finish completes the result of an answer that ended, with err if that is not nil; what is left of the error is returned.
func (g *generation) finish(ctx context.Context, err error, yield func(Token, error) bool) error {
	g.s.result.ReasoningTokens = g.block.reasoning()
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		g.s.result.FinishReason = FinishInterrupted
		g.flush(yield)
		return nil
	}
	return err
}

// generation is the state of one answer.
type generation struct {
	s       *Session
	o       GenerateOptions
	ids     []int32 // the prompt
	sampler *sampler.Sampler
	text    *tokenizer.Stream
	stop    *stopMatcher
	begin   time.Time
	done    bool // the consumer stopped listening
	limit   int  // tokens that the answer may have
	bound   bool // the mask holds for the step under way

	block  *block
	inside bool // the last token belongs to the block

	allowed  []uint32  // the constraint's mask, one bit per id
	shortest int       // answer that the constraint allows, in tokens
	logits   []float32 // scratch of choices among all logits
	noted    Token     // LogProb and Top of the id chosen last

	one     [1]int32     // scratch
	fresh   bool         // the device does not hold this sequence's next id
	counted int          // ids of the answer that are in the device's history
	guess   *speculation // nil: no tokens are guessed
}

func (g *generation) run(ctx context.Context, yield func(Token, error) bool) error {
	id, over, err := g.start(ctx, yield)
	if over || err != nil {
		return err
	}
	return g.decode(ctx, id, yield)
}

// start computes the prompt and returns the first token behind it, unless the answer is over before.
func (g *generation) start(ctx context.Context, yield func(Token, error) bool) (id int32, over bool, err error) {
	s := g.s
	if g.ids, err = g.room(ctx, g.ids); err != nil {
		return 0, false, err
	}
	if err = s.fits(g.ids); err != nil {
		return 0, false, err
	}
	s.result.PromptTokens = len(g.ids)
	if g.sampler, err = sampler.New(g.o.Sampling); err != nil {
		return 0, false, err
	}
	if s.e.tok != nil {
		g.text = s.e.tok.NewStream(tokenizer.DecodeOptions{SkipSpecial: true})
	}
	g.stop = newStopMatcher(g.o.Stop)
	g.limit = g.most()
	begin, over := g.follow(g.forced(), yield)
	if over {
		return 0, true, nil
	}
	if len(s.result.IDs) >= g.limit {
		return 0, true, g.full(yield)
	}
	if g.bound, err = g.mask(); err != nil {
		return 0, false, err
	}
	if err := s.reserve(min(s.e.options.Context-len(g.ids), g.limit) + len(g.ids)); err != nil {
		return 0, false, err
	}
	s.result.IDs = slices.Grow(s.result.IDs, min(s.e.options.Context, g.limit))
	if err := g.checkChoice(); err != nil {
		return 0, false, err
	}
	if g.guess, err = g.newSpeculation(ctx); err != nil {
		return 0, false, err
	}
	s.begin(len(g.ids))
	s.result.CachedTokens = s.common(g.ids)
	ids, err := g.room(ctx, slices.Concat(g.ids, begin))
	if err != nil {
		return 0, false, err
	}
	id, err = g.restart(ctx, ids)
	if err != nil {
		return 0, false, err
	}
	s.result.Prefill = time.Since(g.begin)
	s.result.FirstToken = s.result.Prefill
	return id, false, nil
}

// decode goes on from the first token, one step at a time.
func (g *generation) decode(ctx context.Context, id int32, yield func(Token, error) bool) (err error) {
	defer g.clock()()
	for {
		t, err := g.settle(ctx, id, yield)
		if err != nil || t.over {
			return err
		}
		if id, err = g.advance(ctx, id, t); err != nil {
			return err
		}
		g.s.result.DecodeSteps++
	}
}

// clock measures from now on until what it returns is called.
func (g *generation) clock() (stop func()) {
	begin, before := time.Now(), g.s.e.Stats()
	return func() {
		g.s.result.Decode = time.Since(begin)
		g.account(before)
	}
}

// turn is what follows a chosen id: the answer is over, or ids are fed, or the id alone.
type turn struct {
	over    bool
	restart []int32 // the whole sequence, with room made in it
	forced  []int32 // the id, and those that follow by rule
}

// settle passes an id on and finds out what comes next.
func (g *generation) settle(ctx context.Context, id int32, yield func(Token, error) bool) (t turn, err error) {
	s := g.s
	if g.emit(id, yield) {
		return turn{over: true}, nil
	}
	if err := g.accept(id); err != nil {
		return t, err
	}
	forced, over := g.follow(g.forced(), yield)
	if over {
		return turn{over: true}, nil
	}
	if len(s.result.IDs) >= g.limit {
		return turn{over: true}, g.full(yield)
	}
	if g.bound, err = g.mask(); err != nil {
		return t, err
	}
	if g.bound {
		if end, ok := g.onlyEnd(); ok {
			g.emit(end, yield)
			return turn{over: true}, nil
		}
	}
	if g.o.Shift != nil && len(s.cached)+1+len(forced) > s.e.options.Context {
		t.restart, err = g.room(ctx, slices.Concat(s.cached, []int32{id}, forced))
		if errors.Is(err, ErrContextFull) {
			return turn{over: true}, g.full(yield)
		}
		return t, err
	}
	if len(forced) > 0 {
		t.forced = append([]int32{id}, forced...)
	}
	return t, nil
}

// advance feeds what a turn says and chooses the next id.
func (g *generation) advance(ctx context.Context, id int32, t turn) (next int32, err error) {
	switch {
	case t.restart != nil:
		g.guess.forget()
		g.fresh = true
		return g.restart(ctx, t.restart)
	case t.forced != nil:
		g.guess.forget()
		g.fresh = true
		return g.feedForced(ctx, t.forced)
	case g.guess != nil:
		return g.guess.step(ctx, id)
	}
	return g.step(ctx, id)
}

// full ends an answer that has all the tokens it may have.
func (g *generation) full(yield func(Token, error) bool) error {
	whole, err := g.complete()
	if err != nil {
		return err
	}
	g.s.result.FinishReason = FinishLength
	if whole {
		g.s.result.FinishReason = FinishStop
	}
	g.flush(yield)
	return nil
}

// account fills in the figures per decode step.
func (g *generation) account(before vkexec.Stats) {
	n := g.s.result.DecodeSteps
	if n == 0 {
		return
	}
	after := g.s.e.Stats()
	r := &g.s.result
	r.DecodeWait = time.Duration(after.WaitNS - before.WaitNS)
	r.DecodeRecord = time.Duration(after.RecordNS - before.RecordNS)
	r.Dispatches = (after.Dispatches - before.Dispatches) / uint64(n)
	r.Barriers = (after.Barriers - before.Barriers) / uint64(n)
	r.SubmitsPerDecode = float64(after.Submits-before.Submits) / float64(n)
}

// step feeds id and returns the next one. A greedy step goes on from what the one before left on the device, unless
// another session's step came in between.
func (g *generation) step(ctx context.Context, id int32) (int32, error) {
	s := g.s
	if err := s.e.lock(ctx); err != nil {
		return 0, err
	}
	defer s.e.mu.Unlock()
	if err := cmp.Or(ctx.Err(), s.open()); err != nil {
		return 0, err
	}
	g.one[0] = id
	step := vkexec.Step{IDs: g.one[:]}
	h, err := g.counting(ctx, &step, false)
	if err != nil {
		return 0, err
	}
	tail := g.tail()
	var r *vkexec.Result
	if tail == vkexec.TailGreedy && !g.fresh && s.e.lastStep == s {
		r, err = s.e.exec().Next(ctx, 1, h)
		if err == nil {
			s.cached = append(s.cached, id)
		}
	} else {
		r, err = s.run(ctx, step, tail, h)
	}
	if err != nil {
		s.e.lastStep = nil
		return 0, err
	}
	s.e.lastStep = s
	g.fresh = tail != vkexec.TailGreedy // the device does not hold a choice of the host's
	return g.choose(ctx, r, 0)
}

// counting says how a step brings the device's history up to the last token of the answer; rows: the step has tokens that
// are no part of it yet.
func (g *generation) counting(ctx context.Context, step *vkexec.Step, rows bool) (vkexec.History, error) {
	if !g.penalises() {
		return vkexec.NoHistory, nil
	}
	behind := g.s.result.IDs[g.counted:]
	switch {
	case !rows && len(behind) == len(step.IDs):
		g.counted = len(g.s.result.IDs)
		return vkexec.CountAndPenalise, nil
	case len(behind) > vkexec.MaxListed:
		if err := g.setHistory(ctx); err != nil {
			return 0, err
		}
		behind = nil
	}
	step.Listed, g.counted = behind, len(g.s.result.IDs)
	return vkexec.CountListed, nil
}

// setHistory gives the device the history anew; the engine's lock is held.
func (g *generation) setHistory(ctx context.Context) error {
	p := g.o.Sampling
	if err := g.s.open(); err != nil {
		return err
	}
	repetition := p.RepetitionPenalty
	if repetition == 0 {
		repetition = 1
	}
	g.counted = len(g.s.result.IDs)
	return g.s.e.exec().SetHistory(ctx, g.s.slot, g.ids, g.s.result.IDs, vkexec.Penalties{
		Repetition: float32(repetition), Presence: float32(p.PresencePenalty), Frequency: float32(p.FrequencyPenalty),
	})
}

// emit passes a token on and reports whether the answer is over.
func (g *generation) emit(id int32, yield func(Token, error) bool) bool {
	r := &g.s.result
	r.IDs = append(r.IDs, id)
	if !g.o.IgnoreEOS && slices.Contains(g.s.e.options.EOS, id) {
		r.FinishReason = FinishStop
		g.flush(yield)
		return true
	}
	text, stopped := "", false
	if g.text != nil {
		piece := g.text.Push(id)
		g.inside = g.block.push(piece)
		text, stopped = g.stop.push(piece)
	}
	t := g.noted
	t.ID, t.Text, g.noted = id, text, Token{}
	if !yield(t, nil) {
		g.done = true
		r.FinishReason = FinishInterrupted
		return true
	}
	if stopped {
		r.FinishReason = FinishStop
	}
	return stopped
}

// flush passes on the text that was held back.
func (g *generation) flush(yield func(Token, error) bool) {
	if g.text == nil || g.done || g.stop == nil {
		return
	}
	text, stopped := g.stop.push(g.text.Flush())
	if !stopped {
		text += g.stop.rest()
	}
	if text != "" {
		g.done = !yield(Token{ID: -1, Text: text}, nil)
	}
}
