package engine

import (
	"math/rand/v2"
	"strings"
	"testing"
)

func TestStopMatcher(t *testing.T) {
	cases := []struct {
		stops  []string
		pieces []string
		want   string // pieces as passed on, one "|" between them
		stop   bool
	}{
		{nil, []string{"a", "b"}, "a|b|", false},
		{[]string{"STOP"}, []string{"abSTOPcd"}, "ab", true},
		{[]string{"STOP"}, []string{"abS", "TO", "Pcd"}, "ab||", true},
		{[]string{"STOP"}, []string{"abS", "TO", "x"}, "ab||STOx|", false},
		{[]string{"STOP"}, []string{"abST"}, "ab|ST", false},
		{[]string{"ab", "b"}, []string{"xab"}, "x", true},
		{[]string{"aab"}, []string{"aa", "ab"}, "|a", true},
		{[]string{"\n\n", ","}, []string{"x\n", "y,", "z"}, "x|\ny", true},
		{[]string{""}, []string{"x"}, "x|", false},
		{[]string{"。"}, []string{"中", "。", "x"}, "中|", true},
	}
	for _, c := range cases {
		m := newStopMatcher(c.stops)
		var got []string
		stopped := false
		for _, p := range c.pieces {
			var text string
			text, stopped = m.push(p)
			got = append(got, text)
			if stopped {
				break
			}
		}
		if !stopped {
			got = append(got, m.rest())
		}
		if s := strings.Join(got, "|"); s != c.want || stopped != c.stop {
			t.Errorf("stops %q, pieces %q: got %q, stopped %v; want %q, %v", c.stops, c.pieces, s, stopped, c.want, c.stop)
		}
	}
}

// TestStopMatcherAgainstWhole: however a text is cut into pieces, the matcher stops where a search of the whole text
// would, and passes on the same text.
func TestStopMatcherAgainstWhole(t *testing.T) {
	rng := rand.New(rand.NewPCG(41, 42))
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "ab中"[rng.IntN(5)]
		}
		return string(b)
	}
	for range 20_000 {
		text, stops := word(rng.IntN(14)), []string{word(1 + rng.IntN(4)), word(1 + rng.IntN(4))}
		// The earliest end decides when the matcher knows; of those that end there, the earliest beginning.
		want, stopped := text, false
		for end := 1; end <= len(text) && !stopped; end++ {
			for _, s := range stops {
				if strings.HasSuffix(text[:end], s) && (!stopped || end-len(s) < len(want)) {
					want, stopped = text[:end-len(s)], true
				}
			}
		}
		m := newStopMatcher(stops)
		got, done := "", false
		for i := 0; i < len(text) && !done; i++ {
			var piece string
			piece, done = m.push(text[i : i+1])
			got += piece
		}
		if !done {
			got += m.rest()
		}
		if got != want || done != stopped {
			t.Fatalf("stops %q in %q byte by byte: %q (%t), want %q (%t)", stops, text, got, done, want, stopped)
		}
		// In larger pieces more may be known at once, but nothing behind a stop text ever gets out.
		m = newStopMatcher(stops)
		got, done = "", false
		for rest := text; rest != "" && !done; {
			n := 1 + rng.IntN(len(rest))
			var piece string
			piece, done = m.push(rest[:n])
			got, rest = got+piece, rest[n:]
		}
		if !done {
			got += m.rest()
		}
		if done != stopped || !strings.HasPrefix(text, got) || len(got) > len(want) {
			t.Fatalf("stops %q in %q: %q (%t), want at most %q (%t)", stops, text, got, done, want, stopped)
		}
	}
}
