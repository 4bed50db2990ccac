package sampler_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/sampler"
)

// anyParams are random settings of every sampler.
func anyParams(rng *rand.Rand, vocab int) sampler.Params {
	p := sampler.Params{Temperature: []float64{0, 0.1, 0.6, 1, 1.3, 3}[rng.IntN(6)], TopP: 1, Seed: rng.Uint64()}
	one := func(n int, set func()) {
		if rng.IntN(n) == 0 {
			set()
		}
	}
	one(2, func() { p.TopK = 1 + rng.IntN(30) })
	one(2, func() { p.TopP = []float64{0.01, 0.5, 0.8, 0.95, 0.999}[rng.IntN(5)] })
	one(3, func() { p.MinP = []float64{0.01, 0.05, 0.5, 1}[rng.IntN(4)] })
	one(3, func() { p.TypicalP = []float64{0.05, 0.3, 0.9, 0.99}[rng.IntN(4)] })
	one(3, func() {
		p.XTC = sampler.XTC{Probability: []float64{0.5, 1}[rng.IntN(2)], Threshold: []float64{0.01, 0.1, 0.4}[rng.IntN(3)]}
	})
	one(5, func() { p.TopNSigma = []float64{0.5, 1, 2}[rng.IntN(3)] })
	one(4, func() { p.Mirostat = sampler.Mirostat{Tau: []float64{0.5, 2, 5}[rng.IntN(3)], Eta: 0.2} })
	one(3, func() {
		p.LogitBias = map[int32]float64{}
		for range 1 + rng.IntN(6) {
			p.LogitBias[int32(rng.IntN(vocab))] = []float64{math.Inf(-1), -100, -1, 0, 0.3, 5, 100}[rng.IntN(7)]
		}
	})
	one(3, func() { p.DRY = sampler.DRY{Multiplier: 0.8, Base: 1.75, AllowedLength: 1 + rng.IntN(3)} })
	return p
}

// TestEverySamplerFromCandidates draws a text with every kind of setting, once from candidates
// where they decide and once from all logits: one text.
func TestEverySamplerFromCandidates(t *testing.T) {
	rng := rand.New(rand.NewPCG(31, 32))
	decided, tried := map[string]int{}, map[string]int{}
	for range 4000 {
		logits := make([]float32, 20+rng.IntN(300))
		spread := 0.3 + 4*rng.Float64()
		for i := range logits {
			logits[i] = float32(rng.NormFloat64() * spread)
			if rng.IntN(3) == 0 {
				logits[i] = float32(math.Round(float64(logits[i]))) // ties
			}
			if rng.IntN(20) == 0 {
				logits[i] = -inf // masked
			}
		}
		logits[0] = float32(3 * spread)
		p := anyParams(rng, len(logits))
		c := candidatesOf(logits, 1+rng.IntN(min(64, len(logits))))
		all, short := newSampler(t, p), newSampler(t, p)
		var text []int32
		for step := range 8 {
			want, err := all.Sample(logits, nil, text)
			if err != nil {
				break // everything is banned
			}
			got, ok := short.FromCandidates(c.Adjusted(short.Adjustments(nil, text)))
			if !ok {
				changed := slices.Clone(logits)
				if err := short.Adjustments(nil, text).Apply(changed); err != nil {
					t.Fatal(err)
				}
				if got, err = short.SampleProcessed(changed); err != nil {
					t.Fatal(err)
				}
			}
			for name, on := range map[string]bool{
				"typical": p.TypicalP > 0, "XTC": p.XTC.Probability > 0, "mirostat": p.Mirostat.Tau > 0, "bias": p.LogitBias != nil, "DRY": p.DRY.Multiplier > 0,
			} {
				if on && !p.Greedy() && p.TopNSigma == 0 {
					tried[name]++
					if ok {
						decided[name]++
					}
				}
			}
			if got != want {
				t.Fatalf("step %d of %+v with %d of %d candidates behind %d: %d, from all logits %d (decided: %t)", step, p, len(c.IDs), c.Vocab, text, got, want, ok)
			}
			if !p.Greedy() && p.TopNSigma > 0 && p.Mirostat.Tau == 0 && ok {
				t.Fatalf("%+v was decided without all logits", p)
			}
			text = append(text, got)
		}
	}
	for name, n := range tried {
		t.Logf("%s: %d of %d draws decided by candidates", name, decided[name], n)
		if decided[name]*4 < n {
			t.Errorf("%s: only %d of %d draws were decided", name, decided[name], n)
		}
	}
}

// TestMaskedCandidates: a mask on the candidates, behind bias and DRY, gives what a mask on all logits gives.
func TestMaskedCandidates(t *testing.T) {
	rng := rand.New(rand.NewPCG(33, 34))
	decided, tried := 0, 0
	for range 4000 {
		logits := modelLogits(rng, 100+rng.IntN(400))
		p := anyParams(rng, len(logits))
		allowed, count := make([]uint32, (len(logits)+31)/32), 0
		masked := slices.Repeat([]float32{-inf}, len(logits))
		every := 1 + rng.IntN(12)
		for id, l := range logits {
			if rng.IntN(every) == 0 {
				allowed[id/32] |= 1 << (id % 32)
				masked[id] = l
				count++
			}
		}
		all, short := newSampler(t, p), newSampler(t, p)
		text := []int32{0, 1, 2, 0, 1, 2, 0}
		want, err := all.Sample(masked, nil, text)
		if err != nil {
			continue // nothing is allowed
		}
		tried++
		got, ok := short.FromCandidates(candidatesOf(logits, 64).Adjusted(short.Adjustments(nil, text)).Masked(allowed, count))
		if ok {
			decided++
			if got != want {
				t.Fatalf("%+v, %d of %d allowed: %d, from all logits %d", p, count, len(logits), got, want)
			}
		}
	}
	t.Logf("%d of %d decided", decided, tried)
	if decided*2 < tried {
		t.Errorf("only %d of %d draws were decided", decided, tried)
	}
}

// TestVectorsFromCandidates draws from the 64 best of each vector of the reference: what is
// drawn is among what the reference keeps, and what all logits give.
func TestVectorsFromCandidates(t *testing.T) {
	v := readVectors(t)
	decided, tried := 0, 0
	for i, c := range v.Cases {
		p, in := v.params(i), v.Vectors[c.Vector]
		logits := slices.Clone(in.Logits)
		if err := p.ApplyPenalties(logits, in.PromptIDs, in.GeneratedIDs); err != nil {
			t.Fatal(err)
		}
		best := candidatesOf(logits, 64)
		for seed := range uint64(20) {
			p.Seed = seed
			all, short := newSampler(t, p), newSampler(t, p)
			want, err := all.Sample(in.Logits, in.PromptIDs, in.GeneratedIDs)
			if err != nil {
				t.Fatal(err)
			}
			got, ok := short.FromCandidates(best)
			tried++
			if !ok {
				if must := p.TopK > 0 && p.TopK < 64; must {
					t.Errorf("case %d %+v was not decided", i, p)
				}
				continue
			}
			decided++
			if got != want || !slices.Contains(c.KeptIDs, got) {
				t.Errorf("case %d %+v: %d, from all logits %d, the reference keeps %d", i, p, got, want, c.KeptIDs)
			}
		}
	}
	t.Logf("%d of %d decided", decided, tried)
}

// BenchmarkFurther is the time on the host for a token of a large vocabulary.
func BenchmarkFurther(b *testing.B) {
	logits := modelLogits(rand.New(rand.NewPCG(15, 16)), 151936)
	c := candidatesOf(logits, 64)
	text := make([]int32, 8192)
	for i := range text {
		text[i] = int32(rand.IntN(5000))
	}
	base := sampler.Params{Temperature: 0.7, TopP: 0.8, TopK: 20}
	for name, change := range map[string]func(*sampler.Params){
		"typical":  func(p *sampler.Params) { p.TypicalP = 0.9 },
		"sigma":    func(p *sampler.Params) { p.TopNSigma = 1 },
		"XTC":      func(p *sampler.Params) { p.XTC = sampler.XTC{Probability: 0.5, Threshold: 0.1} },
		"mirostat": func(p *sampler.Params) { p.Mirostat = sampler.Mirostat{Tau: 5, Eta: 0.1} },
		"bias":     func(p *sampler.Params) { p.LogitBias = map[int32]float64{5: -100, 17: 2} },
		"DRY":      func(p *sampler.Params) { p.DRY = sampler.DRY{Multiplier: 0.8, Base: 1.75, AllowedLength: 2} },
	} {
		p := base
		change(&p)
		b.Run("64 candidates/"+name, func(b *testing.B) {
			s, decided := must(sampler.New(p)), 0
			for b.Loop() {
				s.Seek(s.Draws() % 1000)
				if _, ok := s.FromCandidates(c.Adjusted(s.Adjustments(text, nil))); ok {
					decided++
				}
			}
			b.ReportMetric(float64(decided)/float64(b.N), "decided")
		})
		b.Run("all 151936/"+name, func(b *testing.B) {
			s := must(sampler.New(p))
			for b.Loop() {
				s.Seek(s.Draws() % 1000)
				_ = must(s.Sample(logits, text, nil))
			}
		})
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
