package qwenvk

import (
	"context"
	"fmt"

	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// ErrHeadless reports a model without output head, such as Qwen3-Embedding: it gives hidden states, no logits.
var ErrHeadless = vkexec.ErrHeadless

// HiddenOptions choose the rows of Session.Hidden.
type HiddenOptions struct {
	All   bool // every token's hidden state, not only the last one's
	Chunk int  // tokens computed at a time, at most; 0: chosen for the device
}

// Hidden computes the hidden states behind ids, after the last norm, and passes them to emit row by row: row is the
// position in ids, hidden is as wide as the model and is reused. An embedding is the last row, divided by its length.
func (s *Session) Hidden(ctx context.Context, ids []int32, o HiddenOptions, emit func(row int, hidden []float32) error) error {
	if o.Chunk < 0 {
		return fmt.Errorf("chunks of %d tokens are not possible", o.Chunk)
	}
	s.s.SetChunk(o.Chunk)
	defer s.s.SetChunk(0)
	return s.s.Hidden(ctx, ids, engine.HiddenOptions{All: o.All}, emit)
}
