package quant

import (
	"encoding/binary"

	"github.com/qwenvk/qwenvk/internal/half"
)

// Blocks of the IQ and TQ types have 256 elements, here 8 units of 32. Files keep the parts of a block in the order that
// the functions below name them, without padding; all words are little-endian.

// dequantizeSuper decodes one block of an IQ or TQ type.
func dequantizeSuper(dst []float32, t Type, b []byte) {
	d := half.F16ToF32(superScale(t, b))
	switch t {
	case IQ1_S:
		dequantizeIQ1_S(dst, d, b[2:])
	case IQ1_M:
		dequantizeIQ1_M(dst, d, b)
	case IQ2_XXS:
		dequantizeIQ2_XXS(dst, d, b[2:])
	case IQ2_XS:
		dequantizeIQ2_XS(dst, d, b[2:])
	case IQ2_S:
		dequantizeIQ2_S(dst, d, b[2:])
	case IQ3_XXS:
		dequantizeIQ3_XXS(dst, d, b[2:])
	case IQ3_S:
		dequantizeIQ3_S(dst, d, b[2:])
	case TQ1_0:
		for e := range dst {
			dst[e] = d * float32(int(tq1Digit(b, e))-1)
		}
	default: // TQ2_0
		for e := range dst {
			dst[e] = d * float32(int(b[e/128*32+e%32]>>(e%128/32*2)&3)-1)
		}
	}
}

// superScale returns the f16 that scales a whole block.
func superScale(t Type, b []byte) uint16 {
	switch t {
	case IQ1_M: // the high 4 bits of four words
		s := b[48:56]
		return uint16(s[1]>>4) | uint16(s[3]>>4)<<4 | uint16(s[5]>>4)<<8 | uint16(s[7]>>4)<<12
	case TQ1_0, TQ2_0:
		b = b[t.BlockBytes()-2:]
	}
	return binary.LittleEndian.Uint16(b)
}

// iq1Delta is what IQ1 types add to the values of a group, or subtract where the sign is set.
const iq1Delta = 0.125

// groupIQ1 writes 8 elements of an IQ1 type.
func groupIQ1(dst []float32, scale float32, place uint32, negative bool) {
	delta := float32(iq1Delta)
	if negative {
		delta = -iq1Delta
	}
	word := bookIQ1()[place]
	for e := range 8 {
		dst[e] = scale * (float32(int(nibble(word, e))-1) + delta)
	}
}

// groupIQ2 writes 8 elements of an IQ2 type.
func groupIQ2(dst []float32, scale float32, word, signs uint32) {
	for e := range 8 {
		dst[e] = scale * iq2Values[nibble(word, e)]
		if signs>>e&1 != 0 {
			dst[e] = -dst[e]
		}
	}
}

// groupIQ3 writes 4 elements of an IQ3 type.
func groupIQ3(dst []float32, scale float32, word, signs uint32) {
	for e := range 4 {
		dst[e] = scale * float32(word>>(8*e)&255)
		if signs>>e&1 != 0 {
			dst[e] = -dst[e]
		}
	}
}

// nibble reads element e of a word of 4-bit elements.
func nibble(word uint32, e int) uint32 { return word >> (8*(e%4) + 4*(e/4)) & 15 }

// dequantizeIQ1_S: 32 low bytes of places; 8 half-words for a unit each: 4 times the high 3 bits of a place, 3 bits of
// scale, the sign of delta.
func dequantizeIQ1_S(dst []float32, d float32, b []byte) {
	for u := range 8 {
		high := uint32(binary.LittleEndian.Uint16(b[32+2*u:]))
		for g := range 4 {
			place := uint32(b[4*u+g]) | high>>(3*g)&7<<8
			groupIQ1(dst[32*u+8*g:], d*float32(2*(high>>12&7)+1), place, high>>15 != 0)
		}
	}
}

// dequantizeIQ1_M: 32 low bytes of places; 4 bits per group of 8: the high 3 bits of its place, the sign of delta; 4
// half-words: 4 times 3 bits of scale for 16 elements, 4 bits of d.
func dequantizeIQ1_M(dst []float32, d float32, b []byte) {
	for g := range 32 {
		high := uint32(b[32+g/2]) >> (4 * (g & 1)) & 15
		scale := uint32(binary.LittleEndian.Uint16(b[48+g/8*2:])) >> (g % 8 / 2 * 3) & 7
		groupIQ1(dst[8*g:], d*float32(2*scale+1), uint32(b[g])|high&7<<8, high>>3 != 0)
	}
}

// quarterScale is the scale of IQ2 types: 4 bits and a half, in quarters.
func quarterScale(d float32, s uint32) float32 { return d * (0.5 + float32(s)) * 0.25 }

// dequantizeIQ2_XXS: per unit a word of 4 places and a word of 4 times 7 signs and 4 bits of scale.
func dequantizeIQ2_XXS(dst []float32, d float32, b []byte) {
	for u := range 8 {
		signs := binary.LittleEndian.Uint32(b[8*u+4:])
		for g := range 4 {
			groupIQ2(dst[32*u+8*g:], quarterScale(d, signs>>28), bookIQ2XXS()[b[8*u+g]], evenSigns(signs>>(7*g)))
		}
	}
}

// dequantizeIQ2_XS: per group of 8 a half-word of 9 bits of place and 7 signs; 4 bits of scale per 16 elements.
func dequantizeIQ2_XS(dst []float32, d float32, b []byte) {
	for g := range 32 {
		q := uint32(binary.LittleEndian.Uint16(b[2*g:]))
		scale := uint32(b[64+g/4]) >> (4 * (g / 2 & 1)) & 15
		groupIQ2(dst[8*g:], quarterScale(d, scale), bookIQ2XS()[q&511], evenSigns(q>>9))
	}
}

// dequantizeIQ2_S: 32 low bytes of places; 32 bytes of signs; 2 high bits of place per group of 8; 4 bits of scale per
// 16 elements.
func dequantizeIQ2_S(dst []float32, d float32, b []byte) {
	for g := range 32 {
		place := uint32(b[g]) | uint32(b[64+g/4])>>(g%4*2)&3<<8
		scale := uint32(b[72+g/4]) >> (4 * (g / 2 & 1)) & 15
		groupIQ2(dst[8*g:], quarterScale(d, scale), bookIQ2S()[place], uint32(b[32+g]))
	}
}

// dequantizeIQ3_XXS: 64 bytes of places; per unit a word of 4 times 7 signs and 4 bits of scale.
func dequantizeIQ3_XXS(dst []float32, d float32, b []byte) {
	for g := range 64 {
		signs := binary.LittleEndian.Uint32(b[64+g/8*4:])
		scale := d * (0.5 + float32(signs>>28)) * 0.5
		groupIQ3(dst[4*g:], scale, bookIQ3XXS()[b[g]], evenSigns(signs>>(g%8/2*7))>>(4*(g&1)))
	}
}

// dequantizeIQ3_S: 64 low bytes of places; the high bit of each; 32 bytes of signs; 4 bits of scale per unit.
func dequantizeIQ3_S(dst []float32, d float32, b []byte) {
	for g := range 64 {
		place := uint32(b[g]) | uint32(b[64+g/8])>>(g%8)&1<<8
		scale := uint32(b[104+g/16]) >> (4 * (g / 8 & 1)) & 15
		groupIQ3(dst[4*g:], d*float32(2*scale+1), bookIQ3S()[place], uint32(b[72+g/2])>>(4*(g&1)))
	}
}

// tq1Digit reads element e of a TQ1_0 block, 0 to 2. A byte b holds up to five digits to the base 3 as the fraction
// b/256: each multiplication by 3 carries the next one out. Elements 0-159 are the digits of 32 bytes, one digit of
// each after another; 160-239 those of 16 bytes; 240-255 four digits of 4 bytes.
func tq1Digit(b []byte, e int) uint8 {
	switch {
	case e < 160:
		return digit(b[e%32], e/32)
	case e < 240:
		return digit(b[32+e%16], (e-160)/16)
	default:
		return digit(b[48+e%4], (e-240)/4)
	}
}

// digit returns digit n of a byte of TQ1_0, from the highest down.
func digit(b uint8, n int) uint8 {
	rest := b * [5]uint8{1, 3, 9, 27, 81}[n] // what lies before the point is dropped
	return uint8(uint16(rest) * 3 >> 8)
}
