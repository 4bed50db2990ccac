package quant

import (
	"encoding/binary"
	"math"

	"github.com/qwenvk/qwenvk/internal/half"
)

// Types whose 4-bit quants are places in a table of 16 numbers.

// nonlinear are the numbers of IQ4_NL and IQ4_XS, a fact of the format.
var nonlinear = [16]int8{-127, -104, -83, -65, -49, -35, -22, -10, 1, 13, 25, 38, 53, 69, 89, 113}

// e2m1 are twice the numbers that MXFP4's quants stand for, 4-bit floats of one sign, two exponent
// and one mantissa bit (OCP Microscaling Formats, section 5.3.3). Minus zero is zero, as with
// GGML.
var e2m1 = [16]int8{0, 1, 2, 3, 4, 6, 8, 12, 0, -1, -2, -3, -4, -6, -8, -12}

// mxfp4Most is the largest byte of a scale with which all of e2m1 are finite float32.
const mxfp4Most = 252

// e8m0 is half the power of two that MXFP4's scale byte stands for, 2^(e-128); half, because e2m1
// are doubled. The least two are subnormal.
func e8m0(e uint8) float32 {
	if e < 2 {
		return math.Float32frombits(0x200000 << e)
	}
	return math.Float32frombits(uint32(e-1) << 23)
}

// dequantizeIQ4_NL: as Q4_0, with a table in place of a bias.
func dequantizeIQ4_NL(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b))
	for i, q := range b[2:18] {
		dst[i] = d * float32(nonlinear[q&15])
		dst[i+16] = d * float32(nonlinear[q>>4])
	}
}

func repackIQ4_NL(planes *[4][]byte, src []byte) { repackQ4_0(planes, src) }

func unpackIQ4NL(dst []float32, planes [][]byte) {
	for e := range dst {
		dst[e] = scaleAt(planes[1], e/32) * float32(nonlinear[nibbleAt(planes[0], e)])
	}
}

// iq4xsScale unpacks the scale of group g, 0 to 7, from a block of IQ4_XS: 2 high bits each in
// bytes 2-3, low nibbles in bytes 4-7.
func iq4xsScale(b []byte, g int) int8 {
	high := binary.LittleEndian.Uint16(b[2:]) >> (2 * g) & 3
	return int8(b[4+g/2]>>(4*(g&1))&15|uint8(high)<<4) - 32
}

// dequantizeIQ4_XS: bytes 0-1 scale of scales, 2-7 scales, from 8 on 16 bytes for each group of
// 32, nibbles as in Q4_0.
func dequantizeIQ4_XS(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b))
	for g := range 8 {
		s := d * float32(iq4xsScale(b, g))
		for i, q := range b[8+16*g:][:16] {
			dst[32*g+i] = s * float32(nonlinear[q&15])
			dst[32*g+i+16] = s * float32(nonlinear[q>>4])
		}
	}
}

func repackIQ4_XS(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		for g := range 8 {
			repackHalves(planes[0][128*i+16*g:][:16], src[8+16*g:][:16])
			planes[1][8*i+g] = byte(iq4xsScale(src, g))
		}
		copy(planes[2][2*i:2*i+2], src)
		src = src[136:]
	}
}

func unpackIQ4XS(dst []float32, planes [][]byte) {
	for e := range dst {
		s := scaleAt(planes[2], e/256) * float32(int8(planes[1][e/32]))
		dst[e] = s * float32(nonlinear[nibbleAt(planes[0], e)])
	}
}

// dequantizeMXFP4: byte 0 scale, then nibbles as in Q4_0.
func dequantizeMXFP4(dst []float32, b []byte) {
	d := e8m0(b[0])
	for i, q := range b[1:17] {
		dst[i] = d * float32(e2m1[q&15])
		dst[i+16] = d * float32(e2m1[q>>4])
	}
}

func repackMXFP4(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		planes[1][i] = src[0]
		repackHalves(planes[0][16*i:16*i+16], src[1:17])
		src = src[17:]
	}
}

func unpackMXFP4(dst []float32, planes [][]byte) {
	for e := range dst {
		dst[e] = e8m0(planes[1][e/32]) * float32(e2m1[nibbleAt(planes[0], e)])
	}
}
