package quant

import (
	"encoding/binary"
	"fmt"

	"github.com/qwenvk/qwenvk/internal/half"
)

// Dequantize writes the values of src, whole blocks of type t, to dst. The arithmetic is
// float32 in the order of gguf-py, the reference for GGML's types: results are equal bit for
// bit. Infinities and NaN pass through.
func Dequantize(dst []float32, t Type, src []byte) error {
	if !t.Valid() {
		return fmt.Errorf("quant: %v is no type of weights", t)
	}
	if LayoutOf(t) == (Layout{}) {
		return fmt.Errorf("quant: type %v is not computed with", t)
	}
	block, size := t.BlockSize(), t.BlockBytes()
	if len(dst)%block != 0 || len(src)%size != 0 || len(dst)/block != len(src)/size {
		return fmt.Errorf("quant: %d bytes of %v do not hold %d elements", len(src), t, len(dst))
	}
	dequantize(dst, t, src)
	return nil
}

// dequantize is Dequantize for lengths that are known to be right. The calls are spelt out,
// because a call through a variable would move the caller's dst from stack to heap.
func dequantize(dst []float32, t Type, src []byte) {
	if t.Dense() {
		decodeDense(dst, t, src)
		return
	}
	n, size := t.BlockSize(), t.BlockBytes()
	for ; len(dst) > 0; dst, src = dst[n:], src[size:] {
		switch t {
		case Q8_0:
			dequantizeQ8_0(dst[:n], src)
		case Q4_0:
			dequantizeQ4_0(dst[:n], src)
		default: // Q6_K
			dequantizeQ6_K(dst[:n], src)
		}
	}
}

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
