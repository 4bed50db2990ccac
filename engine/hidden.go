package engine

import (
	"context"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// HiddenOptions choose what Hidden computes.
type HiddenOptions struct {
	All bool // every token's row; else the last one's
}

// Hidden computes the hidden states behind ids as the output head would read them, after the last norm, and passes them
// on row by row, in order. The slice is reused.
func (s *Session) Hidden(ctx context.Context, ids []int32, o HiddenOptions, emit func(row int, hidden []float32) error) error {
	if err := s.fits(ids); err != nil {
		return err
	}
	if err := s.enter(ctx); err != nil {
		return err
	}
	defer s.leave()
	if err := s.reserve(len(ids)); err != nil {
		return err
	}
	s.forget()
	row := make([]float32, s.e.exec().Hidden())
	if !o.All {
		r, err := s.prefill(ctx, ids, vkexec.TailHidden, vkexec.NoHistory)
		if err != nil {
			return err
		}
		err = s.e.exec().Logits(ctx, r, 0, row)
		s.e.mu.Unlock()
		if err != nil {
			return err
		}
		return emit(len(ids)-1, row)
	}
	s.begin(len(ids))
	for len(s.cached) < len(ids) {
		if err := s.rowsChunk(ctx, ids, vkexec.TailAllHidden, row, emit); err != nil {
			return err
		}
	}
	return nil
}
