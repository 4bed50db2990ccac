package qwenvk

import (
	"context"
	"errors"
	"testing"
)

// endingContext is cancelled while the first step runs: behind the first look at it.
type endingContext struct {
	context.Context
	looks int
}

func (c *endingContext) Err() error {
	if c.looks++; c.looks > 1 {
		return context.Canceled
	}
	return nil
}

// TestLogitsCancelled: whoever cancels during the last step gets no logits that look complete.
func TestLogitsCancelled(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids := encode(t, m, sum)
	for _, all := range []bool{false, true} {
		rows := 0
		err := s.Logits(&endingContext{Context: context.Background()}, ids, LogitsOptions{All: all}, func(int, []float32) error {
			rows++
			return nil
		})
		if !errors.Is(err, context.Canceled) || rows != 0 {
			t.Errorf("all %t: %d rows, %v", all, rows, err)
		}
	}
}
