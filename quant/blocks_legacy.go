package quant

import (
	"encoding/binary"

	"github.com/qwenvk/qwenvk/internal/half"
)

// dequantizeQ8_0: bytes 0-1 scale, 2-33 quants in order.
func dequantizeQ8_0(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b))
	for i, q := range b[2:34] {
		dst[i] = d * float32(int8(q))
	}
}

// dequantizeQ4_0: bytes 0-1 scale; byte 2+i has element i in its low nibble and element
// i+16 in its high nibble.
func dequantizeQ4_0(dst []float32, b []byte) {
	d := half.F16ToF32(binary.LittleEndian.Uint16(b))
	for i, q := range b[2:18] {
		dst[i] = d * float32(int(q&15)-8)
		dst[i+16] = d * float32(int(q>>4)-8)
	}
}

// dequantizeQ4_1: bytes 0-1 scale, 2-3 minimum, then nibbles as in Q4_0.
func dequantizeQ4_1(dst []float32, b []byte) {
	d, m := half.F16ToF32(binary.LittleEndian.Uint16(b)), half.F16ToF32(binary.LittleEndian.Uint16(b[2:]))
	for i, q := range b[4:20] {
		dst[i] = float32(d*float32(q&15)) + m // the conversion forbids one rounding for both
		dst[i+16] = float32(d*float32(q>>4)) + m
	}
}

// dequantizeQ5_0: bytes 0-1 scale, 2-5 the fifth bits, element i's at bit i, then nibbles as in
// Q4_0.
func dequantizeQ5_0(dst []float32, b []byte) {
	d, high := half.F16ToF32(binary.LittleEndian.Uint16(b)), binary.LittleEndian.Uint32(b[2:])
	for i, q := range b[6:22] {
		dst[i] = d * float32(int(uint32(q&15)|high>>i&1<<4)-16)
		dst[i+16] = d * float32(int(uint32(q>>4)|high>>(i+16)&1<<4)-16)
	}
}

// dequantizeQ5_1: bytes 0-1 scale, 2-3 minimum, then as Q5_0.
func dequantizeQ5_1(dst []float32, b []byte) {
	d, m := half.F16ToF32(binary.LittleEndian.Uint16(b)), half.F16ToF32(binary.LittleEndian.Uint16(b[2:]))
	high := binary.LittleEndian.Uint32(b[4:])
	for i, q := range b[8:24] {
		dst[i] = float32(d*float32(uint32(q&15)|high>>i&1<<4)) + m
		dst[i+16] = float32(d*float32(uint32(q>>4)|high>>(i+16)&1<<4)) + m
	}
}

func repackQ8_0(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		copy(planes[1][2*i:2*i+2], src)
		copy(planes[0][32*i:32*i+32], src[2:34])
		src = src[34:]
	}
}

func repackQ4_0(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		copy(planes[1][2*i:2*i+2], src)
		repackHalves(planes[0][16*i:16*i+16], src[2:18])
		src = src[18:]
	}
}

const nibbles = 0x0f0f0f0f

// repackHalves writes 32 elements of a 4-bit plane from 16 bytes that hold elements 0-15 in
// their low nibbles and 16-31 in their high ones.
func repackHalves(dst, src []byte) {
	a, b := binary.LittleEndian.Uint32(src), binary.LittleEndian.Uint32(src[4:])
	c, d := binary.LittleEndian.Uint32(src[8:]), binary.LittleEndian.Uint32(src[12:])
	binary.LittleEndian.PutUint32(dst[0:], a&nibbles|b&nibbles<<4)
	binary.LittleEndian.PutUint32(dst[4:], c&nibbles|d&nibbles<<4)
	binary.LittleEndian.PutUint32(dst[8:], a>>4&nibbles|b&^uint32(nibbles))
	binary.LittleEndian.PutUint32(dst[12:], c>>4&nibbles|d&^uint32(nibbles))
}

// repackQuarters writes 32 elements of a 4-bit plane from the nibbles, low or high by shift (0
// or 4), of 32 bytes in order.
func repackQuarters(dst, src []byte, shift int) {
	for w := range 4 { // words of 8 elements
		a := binary.LittleEndian.Uint32(src[8*w:]) >> shift & nibbles
		b := binary.LittleEndian.Uint32(src[8*w+4:]) >> shift & nibbles
		binary.LittleEndian.PutUint32(dst[4*w:], a|b<<4)
	}
}

func repackQ4_1(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		copy(planes[1][4*i:4*i+4], src)
		repackHalves(planes[0][16*i:16*i+16], src[4:20])
		src = src[20:]
	}
}

func repackQ5_0(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		copy(planes[1][2*i:2*i+2], src)
		repackFifths(planes[2][4*i:4*i+4], src[2:6])
		repackHalves(planes[0][16*i:16*i+16], src[6:22])
		src = src[22:]
	}
}

func repackQ5_1(planes *[4][]byte, src []byte) {
	for i := 0; len(src) > 0; i++ {
		copy(planes[1][4*i:4*i+4], src)
		repackFifths(planes[2][4*i:4*i+4], src[4:8])
		repackHalves(planes[0][16*i:16*i+16], src[8:24])
		src = src[24:]
	}
}

// repackFifths writes 32 elements of a 1-bit plane from 32 bits in order.
func repackFifths(dst, src []byte) {
	bits := binary.LittleEndian.Uint32(src)
	var word uint32
	for i := range 8 {
		// The product puts bit b of a nibble at bit 8b.
		word |= bits >> (4 * i) & 15 * 0x00204081 & ones << i
	}
	binary.LittleEndian.PutUint32(dst, word)
}

const ones = 0x01010101

func unpackQ4_1(dst []float32, planes [][]byte) {
	for e := range dst {
		s, m := scaleAt(planes[1], 2*(e/32)), scaleAt(planes[1], 2*(e/32)+1)
		dst[e] = float32(s*float32(nibbleAt(planes[0], e))) + m
	}
}

func unpackQ5_0(dst []float32, planes [][]byte) {
	for e := range dst {
		q := nibbleAt(planes[0], e) | bitAt(planes[2], e)<<4
		dst[e] = scaleAt(planes[1], e/32) * float32(int(q)-16)
	}
}

func unpackQ5_1(dst []float32, planes [][]byte) {
	for e := range dst {
		q := nibbleAt(planes[0], e) | bitAt(planes[2], e)<<4
		s, m := scaleAt(planes[1], 2*(e/32)), scaleAt(planes[1], 2*(e/32)+1)
		dst[e] = float32(s*float32(q)) + m
	}
}
