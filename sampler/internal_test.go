package sampler

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestRandomIsSplitMix64 uses the published first numbers for the seed 1234567.
func TestRandomIsSplitMix64(t *testing.T) {
	const seed, gamma = 1234567, 0x9e3779b97f4a7c15
	for i, want := range []uint64{6457827717110365317, 3203168211198807973, 9817491932198370423, 4593380528125082431, 16408922859458223821} {
		if got := mix64(seed + uint64(i+1)*gamma); got != want {
			t.Errorf("number %d is %d, want %d", i, got, want)
		}
	}
	sum := 0.0
	const n = 100_000
	for i := range uint64(n) {
		u := uniform(3, i)
		if u < 0 || u >= 1 {
			t.Fatalf("number %d is %g", i, u)
		}
		sum += u
	}
	if mean := sum / n; math.Abs(mean-0.5) > 0.004 { // more than four deviations
		t.Errorf("the mean is %g", mean)
	}
}

// TestRemaining: the bounds hold the true mass of what is not listed, at any temperature.
func TestRemaining(t *testing.T) {
	rng := rand.New(rand.NewPCG(17, 18))
	for range 5000 {
		logits := make([]float32, 2+rng.IntN(300))
		spread := []float64{0, 0.5, 3, 30}[rng.IntN(4)]
		for i := range logits {
			logits[i] = float32(rng.NormFloat64() * spread)
			if rng.IntN(10) == 0 {
				logits[i] = float32(math.Inf(-1))
			}
		}
		logits[0] = float32(spread)
		slices.SortFunc(logits, func(a, b float32) int { return cmp.Compare(b, a) })
		k := 1 + rng.IntN(len(logits)-1)
		c := Candidates{Logits: logits[:k], Max: float64(logits[0]), Vocab: len(logits)}
		temperature := []float64{0.1, 0.7, 1, 1.3, 5}[rng.IntN(5)]
		all, want := 0.0, 0.0
		for i, l := range logits {
			all += math.Exp(float64(l) - c.Max)
			if i >= k {
				want += math.Exp((float64(l) - c.Max) / temperature)
			}
		}
		c.LogSumExp = c.Max + math.Log(all) + (rng.Float64()*2-1)*1e-5
		low, high, ok := c.remaining(temperature)
		if !ok || low > want || high < want || low < 0 {
			t.Fatalf("%d of %d logits at temperature %g: the rest has %g, said to be between %g and %g (%t)", k, len(logits), temperature, want, low, high, ok)
		}
	}
}
