package engine

import (
	"testing"
	"time"
)

// TestNoteStep: chunks that take a device too long are halved down to a floor; short ones and unlimited devices are
// left alone.
func TestNoteStep(t *testing.T) {
	e := &Engine{chunk: 512, options: Options{MaxStep: 500 * time.Millisecond}}
	for _, s := range []struct {
		rows int
		took time.Duration
		want int
	}{
		{512, 400 * time.Millisecond, 512},
		{100, 2 * time.Second, 512}, // a rest of a prompt says nothing of whole chunks
		{512, 600 * time.Millisecond, 256},
		{256, time.Second, 128},
		{128, time.Second, 64},
		{64, time.Second, 32},
		{32, time.Second, 32},
	} {
		if e.noteStep(s.rows, s.took); e.chunk != s.want {
			t.Errorf("after %d rows in %v: chunks of %d, want %d", s.rows, s.took, e.chunk, s.want)
		}
	}
	e = &Engine{chunk: 512}
	if e.noteStep(512, time.Hour); e.chunk != 512 {
		t.Errorf("without a limit: chunks of %d", e.chunk)
	}
}
