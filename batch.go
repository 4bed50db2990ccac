package qwenvk

import (
	"context"
	"errors"
	"iter"

	"github.com/qwenvk/qwenvk/engine"
)

// Batch computes answers of several sessions of a model together: each step brings every one of them a token, from one
// reading of the weights, which is what a step costs on a card. Answers may join at any time, also from the loop over the
// tokens, and the others go on when one ends. The model must have been loaded with LoadOptions.Sessions for as many sequences
// as answer at the same time.
//
// Up to eight answers together are to the token what their sessions would have said alone. With more of them, on a card,
// products run in kernels that sum in another order, and a token may differ where two are as good as equally likely.
//
// A Batch belongs to one goroutine.
type Batch struct {
	model *Model
	inner *engine.Batch
}

// BatchToken is a token of one of a batch's answers; see [Token].
type BatchToken struct {
	Index int // of the answer: what Batch.Add returned; -1 with an error that ends the batch
	Token
}

// NewBatch makes a batch without answers.
func (m *Model) NewBatch() *Batch { return &Batch{model: m, inner: m.engine.NewBatch()} }

// Add lets the answer of a session to ids, the whole prompt, join, and returns its index: 0 for the first one. Its prompt is
// computed when Run comes to it. The session is in use until the answer ends, which ctx ends too; its Result then describes
// the answer. Options are those of [Session.Generate]; Speculate has no effect, since the rows of a step are those of other
// answers.
//
// Errors: those of the options, [ErrBusy], [ErrNoSlot], and sessions of another model or with other adapters, or other scales
// of them, than those in the batch.
func (b *Batch) Add(ctx context.Context, s *Session, ids []int32, o GenerateOptions) (index int, err error) {
	if s.model != b.model {
		return 0, errors.New("the session belongs to another model than the batch")
	}
	inner := o.forEngine()
	if inner.Reasoning, err = s.reasoning(ids, o); err != nil {
		return 0, err
	}
	matcher, err := s.matcher(o)
	if err != nil {
		return 0, err
	}
	if matcher != nil {
		inner.Constraint = matcher
	}
	return b.inner.Add(ctx, s.s, ids, inner, func() error { return s.checkAnswer(o.Constraint, matcher) })
}

// Run computes the answers until all have ended, those that join meanwhile included, and yields their tokens step by step. An
// error comes with the index of its answer, which it ends, or with -1 where it ends the batch. Cancelling ctx ends all answers
// within one token, without an error: see Result.FinishReason; so does leaving the loop.
func (b *Batch) Run(ctx context.Context) iter.Seq2[BatchToken, error] {
	return func(yield func(BatchToken, error) bool) {
		for t, err := range b.inner.Run(ctx) {
			if !yield(BatchToken{t.Index, Token(t.Token)}, err) {
				return
			}
		}
	}
}
