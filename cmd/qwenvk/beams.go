package main

import (
	"context"
	"iter"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/tokenizer"
)

func beamFlags() []cli.Flag {
	return []cli.Flag{
		number(sampleFlags, "beams", "search for the likeliest answer with `n` open ones at a time, 1 to 32, instead of drawing one"),
		real(sampleFlags, "length-penalty", "with --beams: `power` of the length that the sum of log-probabilities is divided by (default 1)"),
		text(sampleFlags, "early-stopping", "with --beams: end with as many answers as beams, when better ones are unlikely, or impossible: `true/false/never` (default false)"),
	}
}

// beams is a search under way for the likeliest answer.
type beams struct {
	options qwenvk.BeamOptions
	best    qwenvk.Hypothesis // once it was found
}

// readBeams reads the flags of a beam search; nil: none.
func readBeams(c *cli.Context, a *ask) (*beams, error) {
	if err := firstError(between(c, "beams", 1, qwenvk.MaxBeams), oneOf(c, "early-stopping", "true", "false", "never")); err != nil {
		return nil, err
	}
	penalty := 1.0
	if c.IsSet("length-penalty") {
		penalty = c.Float64("length-penalty")
	}
	switch {
	case !c.IsSet("beams") && (c.IsSet("length-penalty") || c.String("early-stopping") != ""):
		return nil, usageError("--length-penalty and --early-stopping say how beams are searched; add --beams N")
	case !c.IsSet("beams"):
		return nil, nil
	case !(penalty >= -100 && penalty <= 100):
		return nil, usageError("--length-penalty must be from -100 to 100, not %g", penalty)
	case a.shift:
		return nil, usageError("--beams compares whole answers, which --context-shift would cut; leave one out")
	case a.options.LogProbs > 0 || len(a.options.Stop) > 0 || a.options.ThinkBudget != nil:
		return nil, usageError("--beams compares whole answers: --logprobs, --stop and --think-budget are for drawn ones; leave them out")
	}
	for name, v := range a.sampling.set {
		if name != "temp" || v != 0 {
			return nil, usageError("--beams searches for the likeliest answer and draws none: leave --%s out", name)
		}
	}
	if a.sampling.bias != nil {
		return nil, usageError("--beams searches for the likeliest answer and draws none: leave --logit-bias out")
	}
	return &beams{options: qwenvk.BeamOptions{
		Beams: c.Int("beams"), LengthPenalty: penalty, EarlyStopping: qwenvk.EarlyStopping(c.String("early-stopping")),
		MaxTokens: a.options.MaxTokens, IgnoreEOS: a.options.IgnoreEOS, Reasoning: a.options.Reasoning,
	}}, nil
}

// tokens are those of the answer: drawn one by one, or of the best that a search found.
func (t *turn) tokens(ctx context.Context, s *qwenvk.Session) iter.Seq2[qwenvk.Token, error] {
	if t.beams == nil {
		return s.Generate(ctx, t.ids, t.options)
	}
	return func(yield func(qwenvk.Token, error) bool) {
		t.beams.options.Reasoning = t.options.Reasoning
		found, err := s.Beam(ctx, t.ids, t.beams.options)
		if err != nil {
			yield(qwenvk.Token{}, err)
			return
		}
		t.beams.best = found[0]
		text := t.tokenizer.NewStream(tokenizer.DecodeOptions{SkipSpecial: true})
		for _, id := range found[0].IDs {
			if !yield(qwenvk.Token{ID: id, Text: text.Push(id)}, nil) {
				return
			}
		}
		yield(qwenvk.Token{ID: -1, Text: text.Flush()}, nil)
	}
}
