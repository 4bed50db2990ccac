package sampler_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/sampler"
)

var (
	nan = float32(math.NaN())
	inf = float32(math.Inf(1))
)

func TestValidate(t *testing.T) {
	good := sampler.Params{Temperature: 0.7, TopK: 20, TopP: 0.8, MinP: 0, RepetitionPenalty: 1.05}
	for _, c := range []struct {
		name   string
		change func(*sampler.Params)
		want   string // "" for no error
	}{
		{"Qwen3's own", func(*sampler.Params) {}, ""},
		{"zero value", func(p *sampler.Params) { *p = sampler.Params{} }, ""},
		{"greedy with leftovers", func(p *sampler.Params) { p.Temperature, p.TopP = 0, 0 }, ""},
		{"NaN", func(p *sampler.Params) { p.MinP = math.NaN() }, "min-p is NaN"},
		{"negative temperature", func(p *sampler.Params) { p.Temperature = -1 }, "temperature is -1"},
		{"infinite temperature", func(p *sampler.Params) { p.Temperature = math.Inf(1) }, "temperature is +Inf"},
		{"tiny temperature", func(p *sampler.Params) { p.Temperature = 1e-9 }, "must be 0 (greedy)"},
		{"top-p of nothing", func(p *sampler.Params) { p.TopP = 0 }, "top-p is 0"},
		{"top-p above 1", func(p *sampler.Params) { p.TopP = 1.01 }, "top-p is 1.01"},
		{"min-p above 1", func(p *sampler.Params) { p.MinP = 2 }, "min-p is 2"},
		{"negative top-k", func(p *sampler.Params) { p.TopK = -1 }, "top-k is -1"},
		{"tiny repetition", func(p *sampler.Params) { p.RepetitionPenalty = 1e-30 }, "repetition penalty"},
		{"huge presence", func(p *sampler.Params) { p.PresencePenalty = 1e300 }, "presence penalty"},
		{"infinite frequency", func(p *sampler.Params) { p.FrequencyPenalty = math.Inf(-1) }, "frequency penalty"},
	} {
		p := good
		c.change(&p)
		s, err := sampler.New(p)
		if c.want == "" && (err != nil || s == nil) {
			t.Errorf("%s: %v", c.name, err)
		}
		if c.want != "" && (err == nil || s != nil || !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestBadLogits(t *testing.T) {
	for _, p := range []sampler.Params{{}, {Temperature: 1, TopP: 1}, {Temperature: 1, TopP: 0.5, TopK: 1, RepetitionPenalty: 2}} {
		s := newSampler(t, p)
		for _, c := range []struct {
			logits []float32
			want   string
		}{
			{nil, "0 logits"},
			{[]float32{1, nan, 2}, "the logit of id 1 is NaN"},
			{[]float32{1, 2, inf}, "the logit of id 2 is +Inf"},
			{[]float32{-inf, -inf}, "every token is excluded"},
		} {
			if id, err := s.Sample(c.logits, nil, nil); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("%+v: Sample(%v) = %d, %v; want an error with %q", p, c.logits, id, err, c.want)
			}
			if _, _, err := s.Probabilities(c.logits, nil, nil); err == nil {
				t.Errorf("%+v: Probabilities(%v) returns no error", p, c.logits)
			}
			if _, err := s.SampleProcessed(c.logits); err == nil {
				t.Errorf("%+v: SampleProcessed(%v) returns no error", p, c.logits)
			}
		}
		if n := s.Draws(); n != 0 {
			t.Errorf("%+v: %d random numbers were used by errors", p, n)
		}
	}
	s := newSampler(t, sampler.Params{PresencePenalty: 1})
	for _, history := range [][]int32{{-1}, {2}} {
		if _, err := s.Sample([]float32{1, 2}, nil, history); err == nil || !strings.Contains(err.Error(), "only 2 logits") {
			t.Errorf("a history of %d: %v", history, err)
		}
	}
}

func TestGreedy(t *testing.T) {
	for _, c := range []struct {
		logits []float32
		want   int32
	}{
		{[]float32{1}, 0},
		{[]float32{1, 3, 3, 2}, 1}, // the lowest id of equal ones
		{[]float32{-inf, -5, -inf}, 1},
		{[]float32{float32(math.Copysign(0, -1)), 0}, 0}, // the zeros are equal
		{[]float32{-math.MaxFloat32, math.MaxFloat32}, 1},
	} {
		s := newSampler(t, sampler.Params{TopK: 5, Seed: 1})
		if got, err := s.Sample(c.logits, nil, nil); err != nil || got != c.want {
			t.Errorf("%v: %d, %v; want %d", c.logits, got, err, c.want)
		}
		if got, ok := s.FromCandidates(candidatesOf(c.logits, 1)); !ok || got != c.want {
			t.Errorf("%v from candidates: %d, %t; want %d", c.logits, got, ok, c.want)
		}
	}
	// The penalty comes before the choice.
	s := newSampler(t, sampler.Params{RepetitionPenalty: 2})
	if got, err := s.Sample([]float32{3, 2}, []int32{0, 0}, nil); err != nil || got != 1 {
		t.Errorf("with the penalty once: %d, %v; want 1", got, err)
	}
}

// TestDraws compares how often ids are drawn with their probabilities.
func TestDraws(t *testing.T) {
	logits := []float32{2, 1, 1, 0, -1, -4, -inf, 1.5}
	for _, p := range []sampler.Params{
		{Temperature: 1, TopP: 1, Seed: 7},
		{Temperature: 0.7, TopP: 0.9, TopK: 5, Seed: 8},
		{Temperature: 1.5, TopP: 1, MinP: 0.2, Seed: 9},
	} {
		s := newSampler(t, p)
		ids, probs, err := s.Probabilities(logits, nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		const n = 200_000
		counts := make(map[int32]float64)
		for range n {
			id, err := s.Sample(logits, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			counts[id]++
		}
		chi := 0.0
		for i, id := range ids {
			want := n * probs[i]
			chi += (counts[id] - want) * (counts[id] - want) / want
			delete(counts, id)
		}
		if len(counts) > 0 {
			t.Errorf("%+v: ids were drawn that are not kept: %v", p, counts)
		}
		if chi > 30 { // at most 6 degrees of freedom: one in 20,000
			t.Errorf("%+v: chi-square of %d draws is %.1f", p, n, chi)
		}
	}
}

func TestSeeds(t *testing.T) {
	logits := make([]float32, 1000)
	draw := func(seed uint64, n int) (ids []int32) {
		s := newSampler(t, sampler.Params{Temperature: 1, TopP: 1, Seed: seed})
		for range n {
			id, err := s.Sample(logits, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			ids = append(ids, id)
		}
		// The numbers come from their place alone.
		s.Seek(uint64(n / 2))
		if id, err := s.Sample(logits, nil, nil); err != nil || id != ids[n/2] {
			t.Errorf("seed %d: number %d again is %d, %v; was %d", seed, n/2, id, err, ids[n/2])
		}
		return ids
	}
	if a, b := draw(1, 50), draw(1, 50); !slices.Equal(a, b) {
		t.Errorf("one seed gave %d and %d", a, b)
	}
	seen := make(map[string]uint64)
	for _, seed := range []uint64{0, 1, 2, 0x9e3779b97f4a7c15, math.MaxUint64} {
		ids := draw(seed, 50)
		for shift := range 3 {
			key := fmt.Sprint(ids[shift : shift+40])
			if before, twice := seen[key]; twice {
				t.Errorf("seeds %d and %d give the same ids", before, seed)
			}
			seen[key] = seed
		}
	}
}

// TestUnsoundCandidates: what no correct device returns is never used.
func TestUnsoundCandidates(t *testing.T) {
	for _, p := range []sampler.Params{{}, {Temperature: 1, TopP: 1}, {Temperature: 0.5, TopK: 1, TopP: 1}} {
		for name, change := range map[string]func(*sampler.Candidates){
			"none":             func(c *sampler.Candidates) { c.IDs, c.Logits = nil, nil },
			"fewer logits":     func(c *sampler.Candidates) { c.Logits = c.Logits[:1] },
			"out of order":     func(c *sampler.Candidates) { c.Logits[1], c.Logits[2] = c.Logits[2], c.Logits[1] },
			"ties by high id":  func(c *sampler.Candidates) { c.Logits[1], c.IDs[0] = c.Logits[0], 9 },
			"id beyond":        func(c *sampler.Candidates) { c.IDs[1] = 10 },
			"negative id":      func(c *sampler.Candidates) { c.IDs[2] = -1 },
			"NaN":              func(c *sampler.Candidates) { c.Logits[1] = nan },
			"NaN first":        func(c *sampler.Candidates) { c.Logits[0] = nan },
			"infinite first":   func(c *sampler.Candidates) { c.Logits[0], c.Max = inf, math.Inf(1) },
			"another maximum":  func(c *sampler.Candidates) { c.Max++ },
			"NaN sum":          func(c *sampler.Candidates) { c.LogSumExp = math.NaN() },
			"small vocabulary": func(c *sampler.Candidates) { c.Vocab = 2 },
		} {
			c := candidatesOf([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 3)
			change(&c)
			s := newSampler(t, p)
			if id, ok := s.FromCandidates(c); ok || s.Draws() != 0 {
				t.Errorf("%+v: %s: chose %d", p, name, id)
			}
		}
	}
	for _, sum := range []float64{5, 1000, math.Inf(1), math.Inf(-1)} { // it is 10.46
		c := candidatesOf([]float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 3)
		c.LogSumExp = sum
		if id, ok := newSampler(t, sampler.Params{Temperature: 1, TopP: 0.9}).FromCandidates(c); ok {
			t.Errorf("a log-sum-exp of %g: chose %d", sum, id)
		}
	}
}

// TestTies: the K-th candidate ties with the last that top-k keeps, so more may tie.
func TestTies(t *testing.T) {
	logits := []float32{5, 3, 3, 3, 3, 1}
	s := newSampler(t, sampler.Params{Temperature: 1, TopP: 1, TopK: 2})
	ids, _, err := s.Probabilities(logits, nil, nil)
	if err != nil || !slices.Equal(ids, []int32{0, 1, 2, 3, 4}) {
		t.Errorf("kept %d, %v; ties with the last stay", ids, err)
	}
	for k, want := range map[int]bool{2: false, 3: false, 5: false, 6: true} {
		if _, ok := s.FromCandidates(candidatesOf(logits, k)); ok != want {
			t.Errorf("%d candidates: decided %t, want %t", k, ok, want)
		}
	}
}

// modelLogits is a row of logits as language models make them: a few likely tokens over a
// long tail.
func modelLogits(rng *rand.Rand, vocab int) []float32 {
	logits := make([]float32, vocab)
	for i := range logits {
		logits[i] = float32(rng.NormFloat64() * 2)
	}
	for range 40 {
		logits[rng.IntN(len(logits))] = float32(12 + rng.ExpFloat64()*3)
	}
	return logits
}

// TestCandidatesDecideMostly: the fallback costs a read of all logits, so it must be rare
// for the settings that people use, with top-k off as well.
func TestCandidatesDecideMostly(t *testing.T) {
	rng := rand.New(rand.NewPCG(13, 14))
	for _, p := range []sampler.Params{
		{Temperature: 0.6, TopK: 20, TopP: 0.95},
		{Temperature: 0.7, TopP: 0.8},
		{Temperature: 0.7, TopP: 1, MinP: 0.05},
		{Temperature: 1, TopP: 0.9},
		{Temperature: 0.8, TopP: 1},
	} {
		const n = 100
		decided := 0
		for i := range n {
			p.Seed = uint64(i)
			logits := modelLogits(rng, 10_000)
			s, all := newSampler(t, p), newSampler(t, p)
			want, err := all.Sample(logits, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, ok := s.FromCandidates(candidatesOf(logits, 64)); ok {
				decided++
				if got != want {
					t.Fatalf("%+v: candidates give %d, all logits %d", p, got, want)
				}
			}
		}
		t.Logf("%+v: %d of %d", p, decided, n)
		if decided*10 < n*9 {
			t.Errorf("%+v: only %d of %d draws were decided by 64 candidates", p, decided, n)
		}
	}
}

func BenchmarkSample(b *testing.B) {
	logits := modelLogits(rand.New(rand.NewPCG(15, 16)), 151936)
	c := candidatesOf(logits, 64)
	for _, p := range []sampler.Params{{}, {Temperature: 0.6, TopK: 20, TopP: 0.95}, {Temperature: 1, TopP: 0.95}, {Temperature: 1, TopP: 1}} {
		name := fmt.Sprintf("t=%g k=%d p=%g", p.Temperature, p.TopK, p.TopP)
		s, err := sampler.New(p)
		if err != nil {
			b.Fatal(err)
		}
		b.Run("all 151936/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := s.Sample(logits, nil, nil); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("64 candidates/"+name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.FromCandidates(c)
			}
		})
	}
}
