package quant

import (
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/internal/half"
)

// CacheBlock is the number of neighbouring elements of a head that share a scale in a KV cache of type q8_0 or q4_0. A
// head that it does not divide ends with a shorter block.
const CacheBlock = 32

// CacheRowBytes is what one head of one token takes in a cache of the given type: "f32", "f16", "q8_0" or "q4_0". headDim
// is a multiple of 8. The scales of a head are padded to a whole word, so that no two tokens share one.
func CacheRowBytes(kind string, headDim int) int {
	scales := (headDim + 2*CacheBlock - 1) / (2 * CacheBlock) * 4
	switch kind {
	case "f32":
		return 4 * headDim
	case "f16":
		return 2 * headDim
	case "q8_0":
		return headDim + scales
	case "q4_0":
		return headDim/2 + scales
	}
	panic(fmt.Sprintf("BUG: quant: cache type %q", kind))
}

// CacheRounding returns what a cache of the given type makes of a block of up to [CacheBlock] neighbouring elements of a
// head, in place; nil for "f32". The block types are GGUF's of the same name, whose scale is rounded to f16 when it is
// stored and not before, so that a quant belongs to the scale as it was computed:
//
//	q8_0  d = max|x| / 127,              q = round(x/d), halves away from zero,      x' = q · f16(d)
//	q4_0  d = m / -8, m the first x of   q = min(⌊x/d + 8½⌋, 15)                     x' = (q - 8) · f16(d)
//	      the largest magnitude
//
// A block whose d is below 2^-25, and so rounds to zero, becomes zeros; one with an infinity or NaN becomes NaN somewhere.
// The kernels compute this in float32, where x/d may lie on the other side of a border than in float64.
func CacheRounding(kind string) func(block []float64) {
	switch kind {
	case "f32":
		return nil
	case "f16":
		return func(block []float64) {
			for i, x := range block {
				block[i] = roundF16(x)
			}
		}
	case "q8_0":
		return func(block []float64) {
			d := math.Abs(extreme(block)) / 127
			for i, x := range block {
				block[i] = math.Round(divide(x, d)) * roundF16(d)
			}
		}
	case "q4_0":
		return func(block []float64) {
			d := extreme(block) / -8
			for i, x := range block {
				block[i] = (min(math.Floor(divide(x, d)+8.5), 15) - 8) * roundF16(d)
			}
		}
	}
	panic(fmt.Sprintf("BUG: quant: cache type %q", kind))
}

// extreme is the first element of the largest magnitude; NaN if there is one.
func extreme(block []float64) float64 {
	most := 0.0
	for _, x := range block {
		if math.Abs(x) > math.Abs(most) || math.IsNaN(x) && !math.IsNaN(most) {
			most = x
		}
	}
	return most
}

// divide is x/d; 0 where d rounds to a zero scale.
func divide(x, d float64) float64 {
	if math.Abs(d) < 0x1p-25 {
		return 0
	}
	return x / d
}

func roundF16(x float64) float64 { return float64(half.F16ToF32(half.F32ToF16(float32(x)))) }
