package quant

import (
	"encoding/binary"

	"github.com/qwenvk/qwenvk/internal/half"
)

// The types with blocks of 32.

// symmetric4 and symmetric5 are the spacings that Q4_0 and Q5_0 try; below the middle one the
// largest number is cut off in favour of all others.
var (
	symmetric4 = candidates{first: -0.9, step: 0.15, n: 13}
	symmetric5 = candidates{first: -0.9, step: 0.15, n: 13}
	affine4    = candidates{first: -1, step: 0.1, n: 21}
	affine5    = candidates{first: -0.5, step: 0.1, n: 16}
)

// encodeQ8_0 spans the block with 255 levels, as every writer of this type does: at 8 bits a
// search gains nothing, and files of the same weights are the same bytes.
func encodeQ8_0(dst []byte, x []float32) {
	d := abs32(x[largest(x)]) / 127
	binary.LittleEndian.PutUint16(dst, half.F32ToF16(d))
	var inv float32
	if d != 0 {
		inv = 1 / d
	}
	for i, f := range x {
		dst[2+i] = byte(int8(roundAway(f * inv)))
	}
}

// roundAway rounds to the nearest integer, ties away from zero, for |x| < 2^22.
func roundAway(x float32) int32 {
	if x < 0 {
		return -roundAway(-x)
	}
	n := int32(x)
	if x-float32(n) >= 0.5 {
		n++
	}
	return n
}

func encodeQ4_0(dst []byte, x []float32) {
	var s sample
	s.load(x, evenly)
	inv := inverse(putF16(dst, s.fitSymmetric(8, symmetric4)))
	for i := range 16 {
		low, high := level(s.x[i]*inv+8, 0, 15), level(s.x[i+16]*inv+8, 0, 15)
		dst[2+i] = byte(low | high<<4)
	}
}

func encodeQ4_1(dst []byte, x []float32) {
	var s sample
	s.load(x, evenly)
	scale, floor := s.fitFree(15, affine4)
	inv, floor := inverse(putF16(dst, scale)), putF16(dst[2:], floor)
	for i := range 16 {
		low, high := level((s.x[i]-floor)*inv, 0, 15), level((s.x[i+16]-floor)*inv, 0, 15)
		dst[4+i] = byte(low | high<<4)
	}
}

func encodeQ5_0(dst []byte, x []float32) {
	var s sample
	s.load(x, evenly)
	inv := inverse(putF16(dst, s.fitSymmetric(16, symmetric5)))
	var q [32]int
	for i, v := range s.x[:32] {
		q[i] = level(v*inv+16, 0, 31)
	}
	putFive(dst[2:], &q)
}

func encodeQ5_1(dst []byte, x []float32) {
	var s sample
	s.load(x, evenly)
	scale, floor := s.fitFree(31, affine5)
	inv, floor := inverse(putF16(dst, scale)), putF16(dst[2:], floor)
	var q [32]int
	for i, v := range s.x[:32] {
		q[i] = level((v-floor)*inv, 0, 31)
	}
	putFive(dst[4:], &q)
}

// putFive writes 32 levels of 5 bits: the fifth bits as one word, then nibbles as in Q4_0.
func putFive(dst []byte, q *[32]int) {
	var high uint32
	for i := range 16 {
		dst[4+i] = byte(q[i]&15 | q[i+16]&15<<4)
		high |= uint32(q[i]>>4)<<i | uint32(q[i+16]>>4)<<(i+16)
	}
	binary.LittleEndian.PutUint32(dst, high)
}
