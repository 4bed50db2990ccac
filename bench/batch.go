package bench

import (
	"context"
	"errors"
	"fmt"

	"github.com/qwenvk/qwenvk"
)

// together times n decode steps of batch sequences behind depth tokens each; tps counts the tokens of all. The sequences are
// not the same: experts would be chosen alike.
func (b *bencher) together(ctx context.Context, batch, n, depth int) (tps float64, result qwenvk.Result, err error) {
	for len(b.sessions) < batch {
		s, err := b.model.NewSession()
		if err != nil {
			return 0, result, err
		}
		b.sessions = append(b.sessions, s)
	}
	run := b.model.NewBatch()
	for i, s := range b.sessions[:batch] {
		o := qwenvk.GenerateOptions{MaxTokens: n + 1, IgnoreEOS: true}
		if _, err := run.Add(ctx, s, b.ids[i:i+max(depth, 1)], o); err != nil {
			return 0, result, err
		}
	}
	b.session.Profile()
	for _, err := range run.Run(ctx) {
		if err != nil {
			return 0, result, err
		}
	}
	if err := ctx.Err(); err != nil {
		return 0, result, err
	}
	// The last one to begin has no prompt of another in its time, and ends with the others.
	result = b.sessions[batch-1].Result()
	if got := result.Usage.CompletionTokens; got != n+1 {
		return 0, result, fmt.Errorf("%d tokens were written, not %d", got, n+1)
	}
	return float64(batch) * result.Timings.DecodeTPS, result, nil
}

// closeSessions gives the sequences of batches back.
func (b *bencher) closeSessions() error {
	var errs []error
	for _, s := range b.sessions {
		errs = append(errs, s.Close())
	}
	return errors.Join(errs...)
}
