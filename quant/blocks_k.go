package quant

import (
	"encoding/binary"

	"github.com/qwenvk/qwenvk/internal/half"
)

// Where a Q6_K block of 210 bytes keeps its parts. Each half of 128 elements owns 64 bytes of
// low bits, 32 of high bits and 8 scales. Within a half, quarter k (0..3) of 32 elements has
// its low bits in bytes 32(k mod 2)..+31, the low nibbles for k < 2, the high ones for k >= 2;
// and its high bits in all 32 bytes, at bits 2k and 2k+1.
const (
	q6kLow    = 0
	q6kHigh   = 128
	q6kScales = 192
	q6kD      = 208
)

func dequantizeQ6_K(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b[q6kD:]))
	for h := range 2 {
		low, high := b[q6kLow+64*h:][:64], b[q6kHigh+32*h:][:32]
		for k := range 4 {
			for i := range 32 {
				e := 128*h + 32*k + i
				q := low[32*(k&1)+i]>>(4*(k>>1))&15 | high[i]>>(2*k)&3<<4
				s := d * float32(int8(b[q6kScales+e/16]))
				dst[e] = s * float32(int(q)-32)
			}
		}
	}
}

func repackQ6_K(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		for h := range 2 {
			repackQ6_KHalf(planes[0][128*i+64*h:][:64], planes[1][64*i+32*h:][:32], src[q6kLow+64*h:][:64], src[q6kHigh+32*h:][:32])
		}
		copy(planes[2][16*i:16*i+16], src[q6kScales:q6kScales+16])
		copy(planes[3][2*i:2*i+2], src[q6kD:])
		src = src[210:]
	}
}

// repackQ6_KHalf writes 128 elements: 16 words of low bits, 8 words of high bits.
func repackQ6_KHalf(dstLow, dstHigh, low, high []byte) {
	for k := range 4 { // quarters of 32 elements
		repackQuarters(dstLow[16*k:][:16], low[32*(k&1):][:32], 4*(k>>1))
		repackPairs(dstHigh[8*k:][:8], high, 2*k)
	}
}

// repackPairs writes 32 elements of a 2-bit plane from the bits at shift of 32 bytes in order.
func repackPairs(dst, src []byte, shift int) {
	for w := range 2 { // words of 16 elements
		var word uint32
		for i := range 4 {
			word |= binary.LittleEndian.Uint32(src[16*w+4*i:]) >> shift & 0x03030303 << (2 * i)
		}
		binary.LittleEndian.PutUint32(dst[4*w:], word)
	}
}

// repackBits writes 32 elements of a 1-bit plane from the bit at shift of 32 bytes in order.
func repackBits(dst, src []byte, shift int) {
	var word uint32
	for i := range 8 {
		word |= binary.LittleEndian.Uint32(src[4*i:]) >> shift & ones << i
	}
	binary.LittleEndian.PutUint32(dst, word)
}

func unpackQ6K(dst []float32, planes [][]byte) {
	for e := range dst {
		q := nibbleAt(planes[0], e) | pairAt(planes[1], e)<<4
		s := scaleAt(planes[3], e/256) * float32(int8(planes[2][e/16]))
		dst[e] = s * float32(int(q)-32)
	}
}

// Where a Q4_K block of 144 bytes keeps its parts: f16 d and f16 dmin, then 12 bytes of packed
// 6-bit scales and minima of 8 groups of 32 elements, then the quants. 32 bytes of quants hold
// two groups, the even one in the low nibbles.
const (
	q4kScales = 4
	q4kQuants = 16
)

// scaleMin unpacks scale and minimum of group g (0 to 7) from the 12 bytes that Q4_K and Q5_K
// have for them: for g < 4 the low 6 bits of bytes g and 4+g; for the others the low 4 bits of
// the scale and the minimum are the nibbles of byte 8+g-4 and the high 2 the top bits of bytes
// g-4 and g.
func scaleMin(b []byte, g int) (scale, minimum uint8) {
	if g < 4 {
		return b[g] & 63, b[4+g] & 63
	}
	return b[4+g]&15 | b[g-4]>>6<<4, b[4+g]>>4 | b[g]>>6<<4
}

func dequantizeQ4_K(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b))
	dmin := half.F16ToF32(binary.LittleEndian.Uint16(b[2:]))
	for g := range 8 {
		sc, m := scaleMin(b[q4kScales:q4kQuants], g)
		s, lowest := d*float32(sc), dmin*float32(m)
		for i, q := range b[q4kQuants+32*(g/2):][:32] {
			dst[32*g+i] = float32(s*float32(q>>(4*(g&1))&15)) - lowest
		}
	}
}

func repackQ4_K(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		for g := range 8 {
			repackQuarters(planes[0][128*i+16*g:][:16], src[q4kQuants+32*(g/2):][:32], 4*(g&1))
			planes[1][16*i+2*g], planes[1][16*i+2*g+1] = scaleMin(src[q4kScales:q4kQuants], g)
		}
		copy(planes[2][4*i:4*i+4], src)
		src = src[144:]
	}
}

func unpackQ4K(dst []float32, planes [][]byte) {
	for e := range dst {
		s := scaleAt(planes[2], 2*(e/256)) * float32(planes[1][2*(e/32)])
		lowest := scaleAt(planes[2], 2*(e/256)+1) * float32(planes[1][2*(e/32)+1])
		dst[e] = float32(s*float32(nibbleAt(planes[0], e))) - lowest
	}
}

// Where a Q5_K block of 176 bytes keeps its parts: scales as Q4_K, then the fifth bits, of
// group g in bit g of 32 bytes, then the low bits as Q4_K.
const (
	q5kHigh = 16
	q5kLow  = 48
)

func dequantizeQ5_K(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b))
	dmin := half.F16ToF32(binary.LittleEndian.Uint16(b[2:]))
	high := b[q5kHigh:][:32]
	for g := range 8 {
		sc, m := scaleMin(b[q4kScales:q5kHigh], g)
		s, lowest := d*float32(sc), dmin*float32(m)
		for i, low := range b[q5kLow+32*(g/2):][:32] {
			q := low>>(4*(g&1))&15 | high[i]>>g&1<<4
			dst[32*g+i] = float32(s*float32(q)) - lowest
		}
	}
}

func repackQ5_K(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		for g := range 8 {
			repackQuarters(planes[0][128*i+16*g:][:16], src[q5kLow+32*(g/2):][:32], 4*(g&1))
			repackBits(planes[1][32*i+4*g:][:4], src[q5kHigh:][:32], g)
			planes[2][16*i+2*g], planes[2][16*i+2*g+1] = scaleMin(src[q4kScales:q5kHigh], g)
		}
		copy(planes[3][4*i:4*i+4], src)
		src = src[176:]
	}
}

func unpackQ5K(dst []float32, planes [][]byte) {
	for e := range dst {
		s := scaleAt(planes[3], 2*(e/256)) * float32(planes[2][2*(e/32)])
		lowest := scaleAt(planes[3], 2*(e/256)+1) * float32(planes[2][2*(e/32)+1])
		q := nibbleAt(planes[0], e) | bitAt(planes[1], e)<<4
		dst[e] = float32(s*float32(q)) - lowest
	}
}

// dequantizeQ2_K: a byte per 16 elements has their scale in the low and their minimum in the high
// nibble. Of each 128 elements, byte i of 32 has elements i, i+32, i+64 and i+96.
func dequantizeQ2_K(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b[q2kD:]))
	dmin := half.F16ToF32(binary.LittleEndian.Uint16(b[q2kD+2:]))
	for g := range 8 {
		for i, q := range b[q2kLevels+32*(g/4):][:32] {
			e := 32*g + i
			s, lowest := d*float32(b[e/16]&15), dmin*float32(b[e/16]>>4)
			dst[e] = float32(s*float32(q>>(2*(g%4))&3)) - lowest
		}
	}
}

func repackQ2_K(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		for g := range 8 {
			repackPairs(planes[0][64*i+8*g:][:8], src[q2kLevels+32*(g/4):][:32], 2*(g%4))
		}
		copy(planes[1][16*i:16*i+16], src)
		copy(planes[2][4*i:4*i+4], src[q2kD:])
		src = src[84:]
	}
}

func unpackQ2K(dst []float32, planes [][]byte) {
	for e := range dst {
		s := scaleAt(planes[2], 2*(e/256)) * float32(planes[1][e/16]&15)
		lowest := scaleAt(planes[2], 2*(e/256)+1) * float32(planes[1][e/16]>>4)
		dst[e] = float32(s*float32(pairAt(planes[0], e))) - lowest
	}
}

// q3Scale unpacks the scale of 16 elements, g from 0 to 15, from Q3_K's 12 bytes of them: the
// low nibbles of g and g+8 share byte g, the high two bits of g, g+4, g+8 and g+12 byte 8+g.
func q3Scale(b []byte, g int) int8 {
	return int8(b[g%8]>>(4*(g/8))&15|b[8+g%4]>>(2*(g/4))&3<<4) - 32
}

// dequantizeQ3_K: low bits as in Q2_K; a quant whose third bit is not set is 4 less.
func dequantizeQ3_K(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b[q3kD:]))
	for g := range 8 {
		for i, low := range b[q3kLow+32*(g/4):][:32] {
			e := 32*g + i
			q := low>>(2*(g%4))&3 | b[i]>>g&1<<2
			s := d * float32(q3Scale(b[q3kScales:q3kD], e/16))
			dst[e] = s * float32(int(q)-4)
		}
	}
}

func repackQ3_K(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		for g := range 8 {
			repackPairs(planes[0][64*i+8*g:][:8], src[q3kLow+32*(g/4):][:32], 2*(g%4))
			repackBits(planes[1][32*i+4*g:][:4], src[:32], g)
		}
		for g := range 16 {
			planes[2][16*i+g] = byte(q3Scale(src[q3kScales:q3kD], g))
		}
		copy(planes[3][2*i:2*i+2], src[q3kD:])
		src = src[110:]
	}
}

func unpackQ3K(dst []float32, planes [][]byte) {
	for e := range dst {
		q := pairAt(planes[0], e) | bitAt(planes[1], e)<<2
		s := scaleAt(planes[3], e/256) * float32(int8(planes[2][e/16]))
		dst[e] = s * float32(int(q)-4)
	}
}
