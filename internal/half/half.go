package half

import "math"

const (
	signF32 = 0x80000000
	infF32  = 0x7f800000
	quiet   = 0x00400000 // the bit that makes a float32 NaN quiet

	infF16      = 0x7c00
	firstNormal = 0x38800000 // bits of 2^-14, the smallest normal F16, as a float32
	overflow    = 0x47800000 // bits of 2^16, beyond every F16
)

// F16ToF32 widens an F16.
func F16ToF32(h uint16) float32 {
	sign := uint32(h&0x8000) << 16
	abs := uint32(h & 0x7fff)
	switch {
	case abs > infF16:
		return math.Float32frombits(sign | infF32 | quiet | abs<<13)
	case abs == infF16:
		return math.Float32frombits(sign | infF32)
	}
	// The F16's exponent and mantissa, moved to their float32 places, read as a number
	// 2^112 times too small (the difference of the biases). The product is exact, and an
	// F16 subnormal is then a float32 subnormal, which needs no case of its own.
	f := math.Float32frombits(abs<<13) * 0x1p112
	return math.Float32frombits(sign | math.Float32bits(f))
}

// F32ToF16 narrows to the nearest F16, ties to even.
func F32ToF16(f float32) uint16 {
	bits := math.Float32bits(f)
	sign := uint16(bits >> 16 & 0x8000)
	abs := bits &^ uint32(signF32)
	switch {
	case abs > infF32:
		return sign | 0x7e00 | uint16(abs>>13&0x3ff)
	case abs >= overflow:
		return sign | infF16
	case abs < firstNormal:
		// In [0.5, 1) a float32's last place is worth 2^-24, an F16 subnormal's last place:
		// adding 0.5 lets the processor do the rounding.
		return sign | uint16(math.Float32bits(math.Float32frombits(abs)+0.5)-math.Float32bits(0.5))
	}
	abs += 0xfff + abs>>13&1 // half of a last place, less one when the result would be odd
	return sign | uint16((abs-(112<<23))>>13)
}

// BF16ToF32 widens a BF16.
func BF16ToF32(b uint16) float32 {
	return math.Float32frombits(uint32(b) << 16)
}

// F32ToBF16 narrows to the nearest BF16, ties to even.
func F32ToBF16(f float32) uint16 {
	bits := math.Float32bits(f)
	if bits&^uint32(signF32) > infF32 {
		return uint16((bits | quiet) >> 16)
	}
	return uint16((bits + 0x7fff + bits>>16&1) >> 16)
}
