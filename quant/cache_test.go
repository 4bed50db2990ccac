package quant_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
)

// TestCacheRounding holds the rounding of a cache to blocks that were rounded by hand: scales of 1 and -1, elements half way
// between two quants, and what rounds to nothing.
func TestCacheRounding(t *testing.T) {
	for _, c := range []struct {
		kind        string
		block, want []float64
	}{
		{"f16", []float64{1, 1 + 0x1p-11, 1 + 0x1p-10, 65504, 1e-9}, []float64{1, 1, 1 + 0x1p-10, 65504, 0}},
		{"q8_0", []float64{127, 0.5, -0.5, 1.5, 2.5, -126.5, 0.49}, []float64{127, 1, -1, 2, 3, -127, 0}},
		{"q8_0", []float64{0, -254, 1, 3}, []float64{0, -254, 2, 4}},
		{"q8_0", []float64{0, 0}, []float64{0, 0}},
		{"q8_0", []float64{3e-6, -1e-6}, []float64{0, 0}}, // a scale below 2^-25
		{"q4_0", []float64{-8, -7.5, -6.5, -0.5, 0.5, 6.5, 7.5, 8}, []float64{-8, -7, -6, 0, 1, 7, 7, 7}},
		{"q4_0", []float64{8, -8, 7.5, 0.5, -0.5}, []float64{8, -7, 7, 0, -1}}, // the first of the largest has the end of the scale
		{"q4_0", []float64{0, 0}, []float64{0, 0}},
	} {
		got := slices.Clone(c.block)
		quant.CacheRounding(c.kind)(got)
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v becomes %v, want %v", c.kind, c.block, got, c.want)
		}
	}
	if quant.CacheRounding("f32") != nil {
		t.Error("f32 is rounded")
	}
	for _, kind := range []string{"q8_0", "q4_0"} {
		for _, bad := range []float64{math.NaN(), math.Inf(1)} {
			got := []float64{1, bad, 2}
			quant.CacheRounding(kind)(got)
			if sum := got[0] + got[1] + got[2]; !math.IsNaN(sum) && !math.IsInf(sum, 0) {
				t.Errorf("%s: %v is lost: %v", kind, bad, got)
			}
		}
	}
}

// TestCacheRoundingError: half a quant of the block's own scale, and what f16 takes off that scale.
func TestCacheRoundingError(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	for kind, levels := range map[string]float64{"q8_0": 127, "q4_0": 8} {
		for range 1000 {
			block, most := make([]float64, 1+rng.IntN(quant.CacheBlock)), 0.0
			for i := range block {
				block[i] = rng.NormFloat64()
				most = max(most, math.Abs(block[i]))
			}
			got := slices.Clone(block)
			quant.CacheRounding(kind)(got)
			for i, x := range block {
				step := most / levels
				limit := step/2 + most*0x1p-11
				if kind == "q4_0" { // 15 levels up, 16 down: the other end is cut off
					limit = step + most*0x1p-11
				}
				if !(math.Abs(got[i]-x) <= limit) {
					t.Fatalf("%s: %g becomes %g in a block up to %g", kind, x, got[i], most)
				}
			}
		}
	}
}

func TestCacheRowBytes(t *testing.T) {
	for _, c := range []struct {
		dim                 int
		f32, f16, q8_0, q40 int
	}{{128, 512, 256, 136, 72}, {64, 256, 128, 68, 36}, {80, 320, 160, 88, 48}, {8, 32, 16, 12, 8}, {256, 1024, 512, 272, 144}} {
		got := [4]int{
			quant.CacheRowBytes("f32", c.dim), quant.CacheRowBytes("f16", c.dim), quant.CacheRowBytes("q8_0", c.dim), quant.CacheRowBytes("q4_0", c.dim),
		}
		if want := [4]int{c.f32, c.f16, c.q8_0, c.q40}; got != want {
			t.Errorf("a head of %d: %v, want %v", c.dim, got, want)
		}
	}
}
