package quant

import "math"

// The types with blocks of 256: groups of 16 or 32 have scales (and minima) of their own, which
// are whole multiples of the block's f16 scales.

// kBlock is one block on its way: for each group its scale and the minimum that is subtracted.
type kBlock struct {
	scale, least [16]float64
	q            [256]uint8
}

// fit finds scales and minima of all groups of size elements, levels 0 to levels.
func (k *kBlock) fit(x []float32, size, levels int, bias, linear float64, c candidates) {
	var s sample
	for g := range len(x) / size {
		part := x[g*size:][:size]
		s.load(part, weighing{bias: bias * rms(part), linear: linear})
		if s.sw == 0 {
			s.load(part, evenly)
		}
		scale, floor := s.fitAffine(levels, c)
		k.scale[g], k.least[g] = scale, -floor
	}
}

// share stores the f16 scale of groups' numbers, whole multiples up to most of it, and rounds
// them to that. It returns the scale as it is read back.
func share(dst []byte, values []float64, most int, multiples *[16]int) float64 {
	top := 0.0
	for _, v := range values {
		top = max(top, v)
	}
	d := putScale(dst, top/float64(most))
	inv := inverse(d)
	for g, v := range values {
		multiples[g] = level(v*inv, 0, most)
	}
	return d
}

// round finds the levels for the scales that were stored.
func (k *kBlock) round(x []float32, size, levels int, d, dmin float64, scales, minima *[16]int) {
	for g := range len(x) / size {
		inv, least := inverse(d*float64(scales[g])), dmin*float64(minima[g])
		for i, f := range x[g*size:][:size] {
			k.q[g*size+i] = uint8(level((float64(f)+least)*inv, 0, levels))
		}
	}
}

func encodeQ4_K(dst []byte, x []float32) {
	var k kBlock
	k.fit(x, 32, 15, 1, 1, candidates{first: -1, step: 0.1, n: 21})
	k.finish(dst, x, 15)
	packHalves(dst[16:144], &k.q)
}

func encodeQ5_K(dst []byte, x []float32) {
	var k kBlock
	k.fit(x, 32, 31, 1, 1, candidates{first: -0.5, step: 0.1, n: 16})
	k.finish(dst, x, 31)
	high := dst[16:48]
	clear(high)
	for i, q := range &k.q {
		high[i%32] |= q >> 4 << (i / 32)
		k.q[i] = q & 15
	}
	packHalves(dst[48:176], &k.q)
}

// finish writes the first 16 bytes of Q4_K and Q5_K, f16 scales of scales and minima and eight
// 6-bit pairs of them, and rounds the levels.
func (k *kBlock) finish(dst []byte, x []float32, levels int) {
	var scales, minima [16]int
	d := share(dst, k.scale[:8], 63, &scales)
	dmin := share(dst[2:], k.least[:8], 63, &minima)
	packSixBits(dst[4:16], &scales, &minima)
	k.round(x, 32, levels, d, dmin, &scales, &minima)
}

// packSixBits writes eight scales and minima of 6 bits to 12 bytes. The first four of each lie
// in the low bits of bytes 0-3 and 4-7. The others have their low nibbles side by side in bytes
// 8-11, and their two high bits above the first four's.
func packSixBits(dst []byte, scales, minima *[16]int) {
	for j := range 4 {
		s, m := scales[j+4], minima[j+4]
		dst[j] = byte(scales[j] | s>>4<<6)
		dst[j+4] = byte(minima[j] | m>>4<<6)
		dst[j+8] = byte(s&15 | m&15<<4)
	}
}

// packHalves writes nibbles: of each 64 levels, byte i has i in its low and i+32 in its high half.
func packHalves(dst []byte, q *[256]uint8) {
	for h := range 4 {
		for i := range 32 {
			dst[32*h+i] = q[64*h+i] | q[64*h+32+i]<<4
		}
	}
}

// Where a Q2_K block of 84 bytes has its parts: 16 bytes of scales and minima (low and high
// nibble), 64 of levels, two f16 scales.
const (
	q2kLevels = 16
	q2kD      = 80
)

func encodeQ2_K(dst []byte, x []float32) {
	var k kBlock
	k.fit(x, 16, 3, 0, 1, candidates{first: -0.5, step: 0.1, n: 16})
	var scales, minima [16]int
	d := share(dst[q2kD:], k.scale[:], 15, &scales)
	dmin := share(dst[q2kD+2:], k.least[:], 15, &minima)
	for g := range 16 {
		dst[g] = byte(scales[g] | minima[g]<<4)
	}
	k.round(x, 16, 3, d, dmin, &scales, &minima)
	packQuarters(dst[q2kLevels:q2kD], &k.q)
}

// packQuarters writes levels of 2 bits: of each 128, byte i has i, i+32, i+64 and i+96.
func packQuarters(dst []byte, q *[256]uint8) {
	for h := range 2 {
		for i := range 32 {
			p := q[128*h:]
			dst[32*h+i] = p[i] | p[i+32]<<2 | p[i+64]<<4 | p[i+96]<<6
		}
	}
}

// rms is the root of the mean square.
func rms(x []float32) float64 {
	sum := 0.0
	for _, f := range x {
		sum += float64(f) * float64(f)
	}
	return math.Sqrt(sum / float64(len(x)))
}
