package tuner

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// bench is a device of the imagination: each measurement takes the candidate's time on a clock that only it moves.
type bench struct {
	now     time.Time
	seen    map[string]int // measurements by candidate
	order   []string
	took    func(key, candidate string, n int) (time.Duration, error) // the n-th time from 0
	compile time.Duration
}

func (b *bench) tuner(budget time.Duration) *Tuner {
	b.seen = map[string]int{}
	return &Tuner{
		Now: func() time.Time { return b.now }, Budget: budget,
		Prepare: func(c Choice) []error {
			b.now = b.now.Add(b.compile * time.Duration(len(c.Candidates)))
			return nil
		},
		Measure: func(c Choice, i int) (time.Duration, error) {
			name := c.Key + "/" + c.Candidates[i]
			n := b.seen[name]
			b.seen[name]++
			b.order = append(b.order, name)
			d, err := b.took(c.Key, c.Candidates[i], n)
			b.now = b.now.Add(max(d, 0))
			return d, err
		},
	}
}

func micros(n float64) time.Duration { return time.Duration(n * 1000) }

func TestDecide(t *testing.T) {
	type times map[string]float64 // µs
	rng := rand.New(rand.NewPCG(7, 7))
	for _, c := range []struct {
		what string
		took func(candidate string, n int) (time.Duration, error)
		want string
	}{
		{"the fastest", func(c string, _ int) (time.Duration, error) { return micros(times{"a": 30, "b": 20, "c": 25}[c]), nil }, "b"},
		{"a tie keeps the default", func(string, int) (time.Duration, error) { return micros(20), nil }, "a"},
		{"one percent is a tie", func(c string, _ int) (time.Duration, error) {
			return micros(times{"a": 20.2, "b": 20, "c": 20.1}[c]), nil
		}, "a"},
		{"five percent is not", func(c string, _ int) (time.Duration, error) { return micros(times{"a": 21, "b": 20, "c": 21}[c]), nil }, "b"},
		{"of two ahead the one preferred", func(c string, _ int) (time.Duration, error) {
			return micros(times{"a": 30, "b": 20.1, "c": 20}[c]), nil
		}, "b"},
		{"noise of five percent on equals", func(string, int) (time.Duration, error) { return micros(20 * (1 + 0.05*rng.Float64())), nil }, "a"},
		{"noise does not hide a third", func(c string, _ int) (time.Duration, error) {
			return micros(times{"a": 30, "b": 29, "c": 20}[c] * (1 + 0.05*rng.Float64())), nil
		}, "c"},
		{"the best has outliers", func(c string, n int) (time.Duration, error) {
			if c == "b" && n%3 == 1 {
				return micros(900), nil
			}
			return micros(times{"a": 30, "b": 20, "c": 26}[c]), nil
		}, "b"},
		{"the worst was fast once", func(c string, n int) (time.Duration, error) {
			if c == "c" && n == 1 {
				return micros(1), nil
			}
			return micros(times{"a": 30, "b": 25, "c": 40}[c]), nil
		}, "b"},
		{"the machine becomes slower meanwhile", func(c string, n int) (time.Duration, error) {
			return micros(times{"a": 30, "b": 25, "c": 40}[c] * float64(1+n)), nil
		}, "b"},
		{"the fastest fails", func(c string, n int) (time.Duration, error) {
			if c == "b" && n == 2 {
				return 0, errors.New("driver crashed")
			}
			return micros(times{"a": 30, "b": 10, "c": 25}[c]), nil
		}, "c"},
		{"the default fails", func(c string, _ int) (time.Duration, error) {
			if c == "a" {
				return 0, errors.New("does not compile")
			}
			return micros(times{"b": 20, "c": 25}[c]), nil
		}, "b"},
		{"all fail", func(string, int) (time.Duration, error) { return 0, errors.New("no") }, "a"},
		{"a clock that stands still", func(c string, _ int) (time.Duration, error) { return micros(times{"a": 30, "b": 0, "c": 20}[c]), nil }, "c"},
	} {
		t.Run(c.what, func(t *testing.T) {
			b := &bench{took: func(_, candidate string, n int) (time.Duration, error) { return c.took(candidate, n) }}
			v, err := b.tuner(time.Second).Decide([]Choice{{Key: "k", Candidates: []string{"a", "b", "c"}, Weight: 1}})
			if err != nil {
				t.Fatal(err)
			}
			if got := v[0].Candidates[v[0].Best]; got != c.want {
				t.Errorf("%s with the medians %v, want %s", got, v[0].Times, c.want)
			}
		})
	}
}

// Candidates are measured in turns, and those far behind not to the end.
func TestTurns(t *testing.T) {
	b := &bench{took: func(_, c string, _ int) (time.Duration, error) {
		return map[string]time.Duration{"a": 20, "b": 21, "c": 80}[c] * time.Microsecond, nil
	}}
	if _, err := b.tuner(time.Second).Decide([]Choice{{Key: "k", Candidates: []string{"a", "b", "c"}}}); err != nil {
		t.Fatal(err)
	}
	if fmt.Sprint(b.order[:6]) != "[k/a k/b k/c k/a k/b k/c]" {
		t.Errorf("measured in the order %v", b.order)
	}
	if b.seen["k/c"] != enough || b.seen["k/a"] != rounds || b.seen["k/b"] != rounds {
		t.Errorf("measured %v times, want %d for what is far behind and %d else", b.seen, enough, rounds)
	}
}

// The budget ends the measuring; the weightiest choices are decided, those that were cut short keep the default.
func TestBudget(t *testing.T) {
	b := &bench{compile: 5 * time.Millisecond, took: func(_, c string, _ int) (time.Duration, error) {
		return map[string]time.Duration{"a": 3 * time.Millisecond, "b": 2 * time.Millisecond}[c], nil
	}}
	choices := []Choice{
		{Key: "light", Candidates: []string{"a", "b"}, Weight: 1},
		{Key: "heavy", Candidates: []string{"a", "b"}, Weight: 100},
		{Key: "middle", Candidates: []string{"a", "b"}, Weight: 10},
	}
	begin := b.now
	const budget = 60 * time.Millisecond // one choice takes 10 ms to prepare and 3·5+4·2 to measure
	v, err := b.tuner(budget).Decide(choices)
	if err != nil {
		t.Fatal(err)
	}
	if used := b.now.Sub(begin); used > budget+3*time.Millisecond {
		t.Errorf("%v of a budget of %v were used; a measurement that is under way may end, no other begins", used, budget)
	}
	if !v[1].Measured || v[1].Best != 1 {
		t.Errorf("the heavy choice: %+v", v[1])
	}
	if v[0].Measured || v[0].Best != 0 || b.seen["light/a"] != 0 {
		t.Errorf("the light choice was measured %d times: %+v", b.seen["light/a"], v[0])
	}
	for _, n := range []time.Duration{12, 14, 18} { // within the rounds of the heavy one
		b := &bench{compile: 5 * time.Millisecond, took: b.took}
		if v, err = b.tuner(n * time.Millisecond).Decide(choices); err != nil {
			t.Fatal(err)
		}
		if v[1].Measured || v[1].Best != 0 {
			t.Errorf("with %d ms, before every candidate had %d turns: %+v", n, enough, v[1])
		}
	}
}

// A measurement that kills the device ends everything, its candidate is known, and what was decided stands.
func TestFatal(t *testing.T) {
	lost := fmt.Errorf("device lost: %w", ErrFatal)
	b := &bench{took: func(key, c string, n int) (time.Duration, error) {
		if key == "second" && c == "b" && n == 1 {
			return 0, lost
		}
		return map[string]time.Duration{"a": 3, "b": 2}[c] * time.Millisecond, nil
	}}
	v, err := b.tuner(time.Second).Decide([]Choice{
		{Key: "first", Candidates: []string{"a", "b"}, Weight: 3},
		{Key: "second", Candidates: []string{"a", "b"}, Weight: 2},
		{Key: "third", Candidates: []string{"a", "b"}, Weight: 1},
	})
	if !errors.Is(err, ErrFatal) {
		t.Fatalf("error %v", err)
	}
	if !v[0].Measured || v[0].Best != 1 || !errors.Is(v[1].Excluded[1], ErrFatal) || v[1].Best != 0 || b.seen["third/a"] != 0 {
		t.Errorf("verdicts %+v", v)
	}
}
