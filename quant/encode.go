package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/internal/half"
)

// blockEncoder writes one block; x has the type's block size and finite numbers only.
type blockEncoder func(dst []byte, x []float32)

// encoders lists the block types that [Encode] writes. A block whose scale is not finite is useless,
// so the scales that types names are looked at afterwards.
var encoders = map[Type]blockEncoder{
	Q8_0: encodeQ8_0,
	Q4_0: encodeQ4_0,
	Q4_1: encodeQ4_1,
	Q5_0: encodeQ5_0,
	Q5_1: encodeQ5_1,
	Q2_K: encodeQ2_K,
	Q3_K: encodeQ3_K,
	Q4_K: encodeQ4_K,
	Q5_K: encodeQ5_K,
	Q6_K: encodeQ6_K,
}

// Encodable reports whether [Encode] writes the type.
func Encodable(t Type) bool {
	_, ok := encoders[t]
	return ok || t.Dense()
}

// Encode writes src, whole rows of cols numbers, as type t to dst, as a file stores them.
//
// Block types choose scales and minima by weighted least squares over a handful of candidates
// (see fitAffine and fitSymmetric); which numbers come out depends on the block alone, so that
// rows may be encoded in any order by any number of goroutines. A zero block becomes zeros. A
// number that is not finite, or that the type cannot hold, is a *ValueError.
func Encode(dst []byte, t Type, src []float32, cols int) error {
	size, err := t.RowBytes(cols)
	switch {
	case !Encodable(t):
		return fmt.Errorf("quant: type %v is not one to write", t)
	case err != nil:
		return err
	case len(src)%cols != 0 || len(dst) != len(src)/cols*size:
		return fmt.Errorf("quant: %d bytes are not %d numbers in rows of %d as %v", len(dst), len(src), cols, t)
	}
	if err := CheckFinite(src, cols); err != nil {
		return err
	}
	if t.Dense() {
		if at := encodeDense(dst, t.denseLayout(), src); at >= 0 {
			problem := notInF16
			if t == BF16 {
				problem = notInBF16
			}
			return &ValueError{Row: at / cols, Col: at % cols, Value: src[at], Problem: problem}
		}
		return nil
	}
	encode := encoders[t]
	block, bytes := t.BlockSize(), t.BlockBytes()
	for at := 0; at < len(src); at += block {
		b := dst[at/block*bytes:][:bytes]
		encode(b, src[at:at+block])
		for _, place := range types[t].scales {
			if !finiteF16(binary.LittleEndian.Uint16(b[place:])) {
				worst := at + largest(src[at:at+block])
				return &ValueError{Row: worst / cols, Col: worst % cols, Value: src[worst], Problem: bigGroup}
			}
		}
	}
	return nil
}

// CheckFinite returns a *ValueError about the first of values, rows of cols, that is NaN or infinite.
func CheckFinite(values []float32, cols int) error {
	if at := firstNotFinite(values); at >= 0 {
		return &ValueError{Row: at / cols, Col: at % cols, Value: values[at], Problem: notFinite}
	}
	return nil
}

// denseLayout is the layout that writes numbers as the dense type does.
func (t Type) denseLayout() LayoutKind {
	switch t {
	case F16:
		return LayoutF16
	case BF16:
		return LayoutBF16
	}
	return LayoutF32
}

// largest returns the place of the number that is farthest from zero.
func largest(x []float32) int {
	at := 0
	for i, f := range x {
		if abs32(f) > abs32(x[at]) {
			at = i
		}
	}
	return at
}

func abs32(f float32) float32 { return math.Float32frombits(math.Float32bits(f) &^ (1 << 31)) }

// putF16 stores a scale and returns the number that a reader will see.
func putF16(dst []byte, f float64) float64 {
	h := half.F32ToF16(float32(f))
	binary.LittleEndian.PutUint16(dst, h)
	return float64(half.F16ToF32(h))
}

// putScale stores the scale of which other scales are whole multiples. Where F16 has few digits
// left, below 2^-14, it rounds away from zero: a multiple beyond the largest could not be stored.
func putScale(dst []byte, f float64) float64 {
	d := putF16(dst, f)
	if math.Abs(d) < math.Abs(f) && math.Abs(f) < 0x1p-14 {
		h := half.F32ToF16(float32(d)) + 1 // the next one farther from zero, whose sign it keeps
		if d == 0 {
			h = half.F32ToF16(float32(math.Copysign(0x1p-24, f)))
		}
		binary.LittleEndian.PutUint16(dst, h)
		return float64(half.F16ToF32(h))
	}
	return d
}

// inverse is 1/f, and 0 where f is: everything is then rounded to zero.
func inverse(f float64) float64 {
	if f == 0 {
		return 0
	}
	return 1 / f
}

// nearest rounds to the nearest integer, ties to even, for |x| < 2^51.
func nearest(x float64) float64 {
	const big = 3 << 51 // float64s of this size are 1 apart, so the sum is rounded as wanted
	return x + big - big
}

// level is the nearest level from least to most, as the number that is stored.
func level(x float64, least, most int) int {
	return int(nearest(min(max(x, float64(least)), float64(most))))
}
