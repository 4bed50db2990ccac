package quant

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/qwenvk/qwenvk/internal/half"
)

// QuantizeRows rounds rows × cols weights of type t (F32, F16 or BF16) to INT8 or INT4 and
// writes them as planes of layout l (Q8 or Q4 with any Group and Zero).
//
// With b bits, per group of neighbouring inputs of a row, in float32 (f16 rounds to nearest
// even, round to nearest integer with ties to even):
//
//	symmetric:  m = 2^(b-1) - 1,  s = f16(max|w| / m),       q = clamp(round(w/s), -m, m)
//	zero point: m = 2^b - 1,      s = f16((hi - lo) / m),    z = clamp(round(-lo/s), 0, m),
//	            lo = min(w, 0),   hi = max(w, 0),            q = clamp(round(w/s) + z, 0, m)
//
// A group whose scale rounds to zero becomes zeros. A weight that is not finite, or a group
// whose scale is beyond F16, is a *ValueError.
//
// Rows are independent, as for Repack.
func QuantizeRows(planes [][]byte, l Layout, t Type, src []byte, rows, cols int) error {
	if err := l.CheckCols(cols); err != nil {
		return err
	}
	if !l.Kind.Grouped() {
		return fmt.Errorf("quant: layout %s is not one to quantise to", l.Name())
	}
	if !t.Dense() {
		return fmt.Errorf("quant: weights of type %v are quantised already", t)
	}
	if err := l.checkPlanes(planes, rows, cols); err != nil {
		return err
	}
	if _, err := checkSource(t, src, rows, cols); err != nil {
		return err
	}

	// Groups follow each other without padding in rows and in planes alike.
	var (
		weights [128]float32
		quants  [128]uint8
		w, q    = weights[:l.Group], quants[:l.Group]
		bytes   = l.Group * t.BlockBytes()
		packed  = l.PlaneRowBytes(0, l.Group)
	)
	for g := 0; len(src) > 0; g++ {
		decodeDense(w, t, src)
		scale, zero, bad, problem := quantizeGroup(q, w, l)
		if bad >= 0 {
			e := g*l.Group + bad
			return &ValueError{Row: e / cols, Col: e % cols, Value: w[bad], Problem: problem}
		}
		if l.Kind == LayoutQ8 {
			copy(planes[0][g*packed:][:packed], q)
		} else {
			packNibbles(planes[0][g*packed:][:packed], q)
		}
		binary.LittleEndian.PutUint16(planes[1][2*g:], scale)
		if l.Zero {
			planes[2][g] = zero
		}
		src = src[bytes:]
	}
	return nil
}

// quantizeGroup rounds one group. q and zero are as the planes store them, 4-bit quants one
// to a byte. bad is the place of a weight that cannot be used, or -1.
func quantizeGroup(q []uint8, w []float32, l Layout) (scale uint16, zero uint8, bad int, problem string) {
	lo, hi, ok := bounds(w)
	if !ok {
		return 0, 0, firstNotFinite(w), notFinite
	}
	levels := int32(255)
	if l.Kind == LayoutQ4 {
		levels = 15
	}
	var span float32
	if l.Zero {
		span = (hi - lo) / float32(levels)
	} else {
		span = max(hi, -lo) / float32(levels/2)
	}
	scale = half.F32ToF16(span)
	if !finiteF16(scale) {
		extreme := hi
		if -lo > hi {
			extreme = lo
		}
		return 0, 0, slices.Index(w, extreme), bigGroup
	}
	s := half.F16ToF32(scale)
	if s == 0 {
		s = 1 // every |w| is far below 1/2 and rounds to 0
	}

	// z is the zero point on the scale 0..levels, bias what planes store instead of 0.
	z, bias, least := levels/2+1, int32(0), int32(1)
	if l.Zero {
		z, least = min(max(roundEven(-lo/s), 0), levels), 0
	}
	if l.Kind == LayoutQ8 {
		bias = 128
	}
	q = q[:len(w)]
	for i, f := range w {
		q[i] = uint8(min(max(roundEven(f/s)+z, least), levels) - bias)
	}
	return scale, uint8(z - bias), -1, ""
}

// bounds returns the least and the largest of w and 0; ok is false if a weight is not finite.
//
// It compares the floats' bits as integers, those of negative numbers turned round so that
// their order is the numbers' order: integers have a minimum and maximum without branches, and
// the infinities and NaN lie at the ends of that order.
func bounds(w []float32) (lo, hi float32, ok bool) {
	const inf, sign = 0x7f800000, 0x7fffffff
	var least, most int32
	for _, f := range w {
		b := int32(math.Float32bits(f))
		b ^= b >> 31 & sign
		least, most = min(least, b), max(most, b)
	}
	lo = math.Float32frombits(uint32(least ^ least>>31&sign))
	hi = math.Float32frombits(uint32(most))
	return lo, hi, most < inf && least > -inf-1
}

// roundEven rounds to the nearest integer, ties to even, for |x| < 2^22. Here |x| is at most
// 510: a scale is at least half of what it was rounded from.
func roundEven(x float32) int32 {
	const big = 3 << 22 // float32s of this size are 1 apart, so the sum is rounded as wanted
	return int32(math.Float32bits(x+big)) - int32(math.Float32bits(big))
}

// packNibbles writes one word per 8 quants, in the order that the package comment draws.
func packNibbles(dst []byte, q []uint8) {
	for i := range dst {
		e := i/4*8 + i%4
		dst[i] = q[e] | q[e+4]<<4
	}
}
