package qwenvk

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestPauseAnswer pauses an answer, closes another runtime in a pause, and finds both whole.
func TestPauseAnswer(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m, s := openDemo(t, rt, LoadOptions{Context: 128, KV: "f32"})
	ids := encode(t, m, "one two three")
	o := GenerateOptions{MaxTokens: 12, IgnoreEOS: true}
	want, _ := generate(context.Background(), t, s, ids, o)
	s.Reset()
	text, n := "", 0
	for tok, err := range s.Generate(context.Background(), ids, o) {
		if err != nil {
			t.Fatal(err)
		}
		text += tok.Text
		if n++; n == 3 {
			if err := rt.Pause(context.Background()); err != nil {
				t.Fatal(err)
			}
			time.AfterFunc(20*time.Millisecond, func() {
				if err := rt.Resume(); err != nil {
					t.Error(err)
				}
			})
		}
	}
	if text != want {
		t.Errorf("%q, without a pause %q", text, want)
	}

	// An answer that waits can be cancelled.
	ctx, cancel := context.WithCancel(context.Background())
	if err := rt.Pause(ctx); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(10*time.Millisecond, cancel)
	s.Reset()
	if _, r := generate(ctx, t, s, ids, o); r.FinishReason != "interrupted" {
		t.Errorf("finish reason %q", r.FinishReason)
	}
	if err := rt.Resume(); err != nil {
		t.Fatal(err)
	}
	if got, _ := generate(context.Background(), t, s, ids, o); got != want {
		t.Errorf("behind a pause %q, want %q", got, want)
	}
}

// TestCloseInPause: nothing hangs.
func TestCloseInPause(t *testing.T) {
	rt, err := openForTest(t, Options{CacheDir: "none"})
	if err != nil {
		t.Fatal(err)
	}
	_, s := openDemo(t, rt, LoadOptions{Context: 128})
	if err := rt.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	over := make(chan error)
	go func() {
		var last error
		for _, err := range s.Generate(context.Background(), []int32{1, 2, 3}, GenerateOptions{MaxTokens: 4}) {
			last = err
		}
		over <- last
	}()
	time.Sleep(5 * time.Millisecond)
	if err := rt.Close(); err != nil {
		t.Error(err)
	}
	if err := <-over; !errors.Is(err, ErrClosed) {
		t.Errorf("the answer ended with %v", err)
	}
	if err := errors.Join(rt.Pause(context.Background()), rt.Resume()); !errors.Is(err, ErrClosed) {
		t.Errorf("paused though closed: %v", err)
	}
}

// TestMaxSubmitAnswer: a budget changes the number of submissions and nothing else.
func TestMaxSubmitAnswer(t *testing.T) {
	var want string
	for _, budget := range []time.Duration{0, time.Microsecond, 4 * time.Millisecond} {
		m, s := openDemo(t, openTest(t, Options{MaxSubmit: budget, LowPriority: true}, nil), LoadOptions{Context: 128, KV: "f32"})
		text, r := generate(context.Background(), t, s, encode(t, m, "one two three"), GenerateOptions{MaxTokens: 12, IgnoreEOS: true})
		if want == "" {
			want = text
		}
		if text != want {
			t.Errorf("%v: %q, want %q", budget, text, want)
		}
		if budget == 0 && r.Counts.Submits != 1 || budget == time.Microsecond && r.Counts.Submits < 20 {
			t.Errorf("%v: %g submissions a token", budget, r.Counts.Submits)
		}
	}
}
