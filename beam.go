package qwenvk

import (
	"context"

	"github.com/qwenvk/qwenvk/engine"
)

// BeamOptions say how a beam search goes; see [Session.Beam].
type BeamOptions struct {
	Beams         int           // 1 to MaxBeams
	LengthPenalty float64       // power of the length that the sum of log-probabilities is divided by; usual: 1
	EarlyStopping EarlyStopping // "": StopUnlikely
	MaxTokens     int           // 0: until the context is full
	IgnoreEOS     bool          // end tokens are tokens like others
	Reasoning     bool          // as in GenerateOptions
}

// Hypothesis is an answer that a beam search found: its ids, an end token included, and its score.
type Hypothesis = engine.Hypothesis

// EarlyStopping says when a beam search is content.
type EarlyStopping = engine.EarlyStopping

// The choices, named as transformers names them.
const (
	StopUnlikely = engine.StopUnlikely // "false": when the best open beam, ending now, would not be among the best
	StopEnough   = engine.StopEnough   // "true": with as many hypotheses as beams
	StopHopeless = engine.StopHopeless // "never": when no open beam can get among the best any more
)

// MaxBeams is how many beams a search can have at most; a model with several end tokens takes fewer.
const MaxBeams = engine.MaxBeams

// Beam searches for the likeliest answers to ids, the whole prompt: transformers' beam search. It returns as many as there
// are beams, best first. It needs a model that was loaded with LoadOptions.Sessions for as many sequences as beams, and
// works on the model's own probabilities: no penalty and no temperature. Result describes the best hypothesis.
//
// Errors: [ErrContextFull], [ErrNoSlot], [ErrDeviceLost], [ErrNotFinite], and ctx.Err() when ctx is cancelled.
func (s *Session) Beam(ctx context.Context, ids []int32, o BeamOptions) ([]Hypothesis, error) {
	reasoning, err := s.reasoning(ids, GenerateOptions{Reasoning: o.Reasoning})
	if err != nil {
		return nil, err
	}
	return s.s.Beam(ctx, ids, engine.BeamOptions{
		Beams: o.Beams, LengthPenalty: o.LengthPenalty, EarlyStopping: o.EarlyStopping,
		MaxTokens: o.MaxTokens, IgnoreEOS: o.IgnoreEOS, Reasoning: reasoning,
	})
}
