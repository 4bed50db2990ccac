package quant

// The types of 256 without minima.

// fitScales finds the scales of 16 groups of 16 for levels from -n to n-1, and stores the
// block's f16 scale of which they are whole multiples from -most to most-1; the scale that is
// farthest from zero is -most times it. The scales become what a reader will see.
func fitScales(dst []byte, x []float32, n, most int, by weighing, c candidates) (scales [16]float64, multiples [16]int) {
	var s sample
	extreme := 0.0
	for g := range scales {
		s.load(x[16*g:][:16], by)
		scales[g] = s.fitSymmetric(n, c)
		if scales[g]*scales[g] > extreme*extreme {
			extreme = scales[g]
		}
	}
	d := putScale(dst, -extreme/float64(most))
	inv := inverse(d)
	for g, v := range scales {
		multiples[g] = level(v*inv, -most, most-1)
		scales[g] = d * float64(multiples[g])
	}
	return scales, multiples
}

// levelsOf rounds to levels from -n to n-1, stored as 0 to 2n-1.
func levelsOf(x []float32, n int, scales *[16]float64) (q [256]uint8) {
	for g, scale := range scales {
		inv := inverse(scale)
		for i, f := range x[16*g:][:16] {
			q[16*g+i] = uint8(level(float64(f)*inv+float64(n), 0, 2*n-1))
		}
	}
	return q
}

func encodeQ6_K(dst []byte, x []float32) {
	scales, multiples := fitScales(dst[q6kD:], x, 32, 128, weighing{square: 1}, candidates{first: -0.9, step: 0.1, n: 19})
	for g, m := range multiples {
		dst[q6kScales+g] = byte(int8(m))
	}
	q := levelsOf(x, 32, &scales)
	for h := range 2 {
		low, high, p := dst[q6kLow+64*h:][:64], dst[q6kHigh+32*h:][:32], q[128*h:][:128]
		for i := range 32 {
			low[i] = p[i]&15 | p[i+64]&15<<4
			low[i+32] = p[i+32]&15 | p[i+96]&15<<4
			high[i] = p[i]>>4 | p[i+32]>>4<<2 | p[i+64]>>4<<4 | p[i+96]>>4<<6
		}
	}
}

// Where a Q3_K block of 110 bytes has its parts: 32 bytes of third bits, 64 of low bits, 12 of
// 6-bit scales, one f16 scale.
const (
	q3kLow    = 32
	q3kScales = 96
	q3kD      = 108
)

func encodeQ3_K(dst []byte, x []float32) {
	scales, multiples := fitScales(dst[q3kD:], x, 4, 32, weighing{square: 1}, candidates{first: -0.9, step: 0.1, n: 19})
	// Scales are stored plus 32: low nibbles of g and g+8 share byte g, and the two high bits of
	// g, g+4, g+8 and g+12 share byte 8+g.
	packed := dst[q3kScales:q3kD]
	clear(packed)
	for g, m := range multiples {
		m += 32
		packed[g%8] |= byte(m&15) << (4 * (g / 8))
		packed[8+g%4] |= byte(m>>4) << (2 * (g / 4))
	}
	q := levelsOf(x, 4, &scales)
	third := dst[:q3kLow]
	clear(third)
	for i, v := range q {
		third[i%32] |= v >> 2 << (i / 32)
		q[i] = v & 3
	}
	packQuarters(dst[q3kLow:q3kScales], &q)
}
