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
		for w := range 2 { // words of 16 elements
			var word uint32
			for i := range 4 {
				word |= binary.LittleEndian.Uint32(high[16*w+4*i:]) >> (2 * k) & 0x03030303 << (2 * i)
			}
			binary.LittleEndian.PutUint32(dstHigh[8*k+4*w:], word)
		}
	}
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
