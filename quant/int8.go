package quant

import "math"

// Int8Block is the number of activations that share a scale when they are rounded to signed bytes.
const Int8Block = 32

// leastInt8 is the smallest maximum of a block that is not taken for zero: 2^-100, whose inverse times 127 is finite.
const leastInt8 = 0x1p-100

// RoundInt8 rounds a block of activations x as kernels with integer dots read them: x ≈ d·q with d = max|x|/127, in
// float32 and to the nearest even, so that a number differs by d/2 at most. A block whose greatest is below 2^-100 is zero;
// one with a NaN or an infinity has such a d, and quants of 0, so that no product with it is a number.
func RoundInt8(x []float32) (q [Int8Block]int8, d float32) {
	most := uint32(0)
	for _, v := range x {
		most = max(most, math.Float32bits(v)&0x7fffffff) // behind infinity come NaNs
	}
	largest := math.Float32frombits(most)
	switch {
	case most >= 0x7f800000:
		return q, largest
	case largest < leastInt8:
		return q, 0
	}
	inverse := 127 / largest
	for i, v := range x {
		q[i] = int8(math.RoundToEven(float64(v * inverse)))
	}
	return q, largest / 127
}
