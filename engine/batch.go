package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// Batch computes the answers of several sessions of an engine together: one step brings each of them a token, from one
// reading of the weights. Answers may join and end at any time. A Batch belongs to one goroutine.
//
// A step of up to eight answers computes the bits that each answer's own step would, so that they are what the sessions would
// have said alone. On a card more answers are one step too, whose products run in kernels that sum in another order; the
// logits then agree within the tolerance of the model's type, and a token may differ where two are as good as equally likely.
type Batch struct {
	e       *Engine
	width   int // answers of one step at most
	members []*member
	joined  int // answers so far

	ready  []*member   // scratch
	step   vkexec.Step // the last one
	serial uint64      // of the last step
}

// member is an answer of a batch.
type member struct {
	index  int
	ctx    context.Context
	g      *generation
	end    func() error // what the answer's maker has to say at its end; nil: nothing
	id     int32        // the last one chosen
	cancel func()       // ends ctx
	forget func() bool  // that the batch's context ends it
	stop   func()       // the clock; nil: the prompt was not computed yet
}

// BatchToken is a token of one of a batch's answers.
type BatchToken struct {
	Index int // what Add returned
	Token
}

// NewBatch makes an empty batch.
func (e *Engine) NewBatch() *Batch { return &Batch{e: e, width: e.exec().BatchRows()} }

// SetWidth makes steps of n answers at most; more are computed in several steps. Without it the device decides.
func (b *Batch) SetWidth(n int) { b.width = n }

// Add lets an answer join, and returns its index: 0 for the first one. The session is in use until the answer ends, which
// ctx ends too. end is called when it is over; its error becomes the answer's. Speculate is not used: a batch's rows are
// those of other answers.
//
// Errors: ErrBusy, ErrNoSlot, and a session that is of another engine or has other adapters than those in the batch.
func (b *Batch) Add(ctx context.Context, s *Session, ids []int32, o GenerateOptions, end func() error) (int, error) {
	if s.e != b.e {
		return 0, errors.New("the session belongs to another model than the batch")
	}
	if most := b.e.exec().MaxRows(vkexec.TailTopK); len(b.members) >= most {
		return 0, fmt.Errorf("%d answers at a time are too many: the model was loaded to compute %d tokens at a time", len(b.members)+1, most)
	}
	if err := s.enter(ctx); err != nil {
		return 0, err
	}
	if len(b.members) > 0 {
		if first := b.members[0].g.s; first.adapters != s.adapters || !slices.Equal(first.scales, s.scales) {
			s.leave()
			return 0, errors.New("the session has other adapters than those in the batch; answers with different ones need a batch each")
		}
	}
	o.Speculate = Speculation{}
	b.joined++
	b.members = append(b.members, &member{index: b.joined - 1, ctx: ctx, g: s.newGeneration(ids, o), end: end})
	return b.joined - 1, nil
}

// Run computes the answers until all are over, those that join meanwhile included. Tokens come in the order of the answers,
// step by step. An error with a token's Index ends that answer and no other; one with Index -1 ends the batch. Leaving the
// loop ends all answers; so does ctx, without an error, with FinishInterrupted.
func (b *Batch) Run(ctx context.Context) iter.Seq2[BatchToken, error] {
	return func(yield func(BatchToken, error) bool) {
		listening := true
		pass := func(t BatchToken, err error) bool {
			listening = listening && yield(t, err)
			return listening
		}
		defer b.drop()
		for len(b.members) > 0 {
			ready := b.settle(ctx, pass)
			if !listening {
				return
			}
			if len(ready) == 0 {
				continue
			}
			for group := range slices.Chunk(ready, b.width) {
				if err := b.compute(ctx, group); err != nil {
					pass(BatchToken{Index: -1}, err)
					return
				}
			}
		}
	}
}

// drop ends what is left.
func (b *Batch) drop() {
	for _, m := range b.members {
		m.g.s.result.FinishReason = FinishInterrupted
		m.g.s.result.ReasoningTokens = m.g.block.reasoning()
		m.close()
	}
	b.members = nil
}

func (m *member) close() {
	if m.stop != nil {
		m.stop()
	}
	if m.cancel != nil {
		m.forget()
		m.cancel()
	}
	m.g.s.leave()
}

// settle passes on what the last step chose, lets answers begin and end, and returns those that want a step of one token.
func (b *Batch) settle(ctx context.Context, pass func(BatchToken, error) bool) (ready []*member) {
	ready = b.ready[:0]
	defer func() { b.ready = ready }()
	for i := 0; i < len(b.members); i++ { // more may join while tokens are passed on
		m := b.members[i]
		yield := func(t Token, err error) bool { return pass(BatchToken{m.index, t}, err) }
		step, over, err := m.turn(ctx, yield)
		switch {
		case over || err != nil:
			if err = m.g.finish(m.ctx, err, yield); err == nil && m.end != nil {
				err = m.end()
			}
			b.members = slices.Delete(b.members, i, i+1)
			i--
			m.close()
			if err != nil {
				pass(BatchToken{Index: m.index}, err)
			}
		case step:
			ready = append(ready, m)
		}
	}
	return ready
}

// turn brings an answer to where it wants a step of its last token alone; over: it has ended. Neither: it is asked again.
func (m *member) turn(ctx context.Context, yield func(Token, error) bool) (step, over bool, err error) {
	if m.cancel == nil {
		m.ctx, m.cancel = context.WithCancel(m.ctx)
		m.forget = context.AfterFunc(ctx, m.cancel)
	}
	if ctx.Err() != nil {
		m.cancel()
	}
	if err := m.open(); err != nil {
		return false, false, err
	}
	if m.stop == nil {
		m.id, over, err = m.g.start(m.ctx, yield)
		if over || err != nil {
			return false, over, err
		}
		m.stop = m.g.clock()
	}
	t, err := m.g.settle(m.ctx, m.id, yield)
	switch {
	case err != nil || t.over:
		return false, t.over, err
	case t.restart == nil && t.forced == nil:
		return true, false, nil
	}
	m.id, err = m.g.advance(m.ctx, m.id, t)
	m.g.s.result.DecodeSteps++
	return false, false, err
}

// open refuses an answer whose context has ended or whose session was closed.
func (m *member) open() error {
	m.g.s.e.mu.Lock()
	defer m.g.s.e.mu.Unlock()
	return cmp.Or(m.ctx.Err(), m.g.s.open())
}

// compute runs one step of the answers and chooses for each.
func (b *Batch) compute(ctx context.Context, ready []*member) error {
	e := b.e
	if err := e.lock(ctx); err != nil {
		if ctx.Err() != nil { // during a pause: the answers end with their next turn
			return nil
		}
		return err
	}
	defer e.mu.Unlock()
	tail, history := vkexec.TailGreedy, vkexec.NoHistory
	for _, m := range ready {
		if err := m.g.s.open(); err != nil && !m.g.s.closed { // one that was closed ends with its next turn
			return err
		}
		if m.g.tail() != vkexec.TailGreedy {
			tail = vkexec.TailTopK
		}
		if m.g.penalises() {
			history = vkexec.CountAndPenalise
		}
	}
	r, err := b.run(ctx, ready, tail, history)
	if err != nil {
		e.lastStep, b.step.IDs = nil, nil
		return err
	}
	e.lastStep, b.serial = nil, e.exec().Stats().Steps
	for i, m := range ready {
		g := m.g
		g.s.cached = append(g.s.cached, m.id)
		g.fresh = tail != vkexec.TailGreedy
		if m.id, err = g.choose(ctx, r, i); err != nil {
			return err
		}
		g.s.result.DecodeSteps++
	}
	return nil
}

// run goes on from what the last step left on the device where that was one of the very same answers; else it begins anew.
func (b *Batch) run(ctx context.Context, ready []*member, tail vkexec.Tail, history vkexec.History) (*vkexec.Result, error) {
	e := b.e
	goOn := tail == vkexec.TailGreedy && b.serial == e.exec().Stats().Steps && len(ready) == len(b.step.IDs)
	for i, m := range ready {
		goOn = goOn && !m.g.fresh && b.step.Seqs[i].Slot == m.g.s.slot
		switch {
		case history == vkexec.NoHistory:
		case m.g.penalises(): // its last token is what the step counts
			m.g.counted = len(m.g.s.result.IDs)
		default:
			if err := e.exec().NoPenalties(m.g.s.slot); err != nil {
				return nil, err
			}
		}
	}
	if goOn {
		return e.exec().Next(ctx, len(ready), history)
	}
	b.step.IDs, b.step.Seqs = b.step.IDs[:0], b.step.Seqs[:0]
	for _, m := range ready {
		s := m.g.s
		e.exec().SetBlocks(s.slot, s.pages)
		e.exec().SetRoPE(s.slot, s.rope)
		b.step.IDs = append(b.step.IDs, m.id)
		b.step.Seqs = append(b.step.Seqs, vkexec.Seq{Slot: s.slot, Rows: 1, Start: len(s.cached)})
		if s.adapters != nil {
			b.step.Adapters, b.step.Scales = s.adapters.device, s.scales
		}
	}
	return e.exec().Run(ctx, b.step, tail, history)
}
