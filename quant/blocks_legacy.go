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
