package quant

import (
	"encoding/binary"
	"fmt"

	"github.com/qwenvk/qwenvk/internal/half"
)

// chunk is how many elements pass through the stack at a time: one of the largest blocks.
const chunk = 256

// Convert writes rows × cols weights of type t as planes of layout l, whatever it takes: it is
// QuantizeRows where plain numbers go to quants, else Repack.
func Convert(planes [][]byte, l Layout, t Type, src []byte, rows, cols int) error {
	if t.Dense() && (l.Kind == LayoutQ8 || l.Kind == LayoutQ4) {
		return QuantizeRows(planes, l, t, src, rows, cols)
	}
	return Repack(planes, l, t, src, rows, cols)
}

// Repack writes rows × cols weights of type t, src, as planes of layout l. Each plane has
// exactly rows × PlaneRowBytes bytes.
//
// Block types go to the layout that LayoutOf names, value for value. Any type goes to the
// dense layouts F32, F16 and BF16, rounded to nearest even where the layout is narrower.
// A weight that is not finite, in src or after rounding, is a *ValueError.
//
// Rows are independent: parts of a tensor may be repacked at the same time, given the parts
// of src and planes that belong to them.
func Repack(planes [][]byte, l Layout, t Type, src []byte, rows, cols int) error {
	if err := l.CheckCols(cols); err != nil {
		return err
	}
	if err := l.checkPlanes(planes, rows, cols); err != nil {
		return err
	}
	row, err := checkSource(t, src, rows, cols)
	if err != nil {
		return err
	}
	switch {
	case l.Kind <= LayoutBF16:
		for r := range rows {
			n := l.PlaneRowBytes(0, cols)
			if err := repackDense(planes[0][r*n:][:n], l.Kind, t, src[r*row:][:row], cols, r); err != nil {
				return err
			}
		}
		return nil
	case l != LayoutOf(t):
		return fmt.Errorf("quant: weights of type %v cannot be repacked to layout %s", t, l.Name())
	}
	// The layout's blocks follow each other without padding in rows and in planes alike, so
	// rows need no loop of their own.
	var bad int
	switch t {
	case Q8_0:
		bad = repackQ8_0(planes[0], planes[1], src)
	case Q4_0:
		bad = repackQ4_0(planes[0], planes[1], src)
	default: // Q6_K
		bad = repackQ6_K(planes, src)
	}
	if bad >= 0 {
		return blockError(t, src, bad, cols)
	}
	return nil
}

// checkSource holds src against rows × cols of type t and returns the bytes of a row.
func checkSource(t Type, src []byte, rows, cols int) (int, error) {
	row, err := t.RowBytes(cols)
	if err != nil {
		return 0, err
	}
	if LayoutOf(t) == (Layout{}) {
		return 0, fmt.Errorf("quant: type %v is not computed with", t)
	}
	if rows < 0 || len(src)%row != 0 || len(src)/row != rows {
		return 0, fmt.Errorf("quant: %d bytes are not %d rows of %d %v elements", len(src), rows, cols, t)
	}
	return row, nil
}

// repackDense writes one row as plain numbers.
func repackDense(dst []byte, k LayoutKind, t Type, src []byte, cols, row int) error {
	if k == LayoutOf(t).Kind {
		if allFinite(t, src) {
			copy(dst, src)
			return nil
		}
	}
	var buf [chunk]float32
	srcChunk, dstElem := chunk/t.BlockSize()*t.BlockBytes(), len(dst)/cols
	for col := 0; col < cols; col += chunk {
		w := buf[:min(chunk, cols-col)]
		dequantize(w, t, src[:min(srcChunk, len(src))])
		if i := firstNotFinite(w); i >= 0 {
			return &ValueError{Row: row, Col: col + i, Value: w[i], Problem: notFinite}
		}
		if i := encodeDense(dst[col*dstElem:], k, w); i >= 0 {
			problem := notInF16
			if k == LayoutBF16 {
				problem = notInBF16
			}
			return &ValueError{Row: row, Col: col + i, Value: w[i], Problem: problem}
		}
		src = src[min(srcChunk, len(src)):]
	}
	return nil
}

// repackQ8_0 returns the first block whose scale is not finite, or -1.
func repackQ8_0(quants, scales, src []byte) int {
	for i := 0; len(src) > 0; i++ {
		if !finiteF16(binary.LittleEndian.Uint16(src)) {
			return i
		}
		copy(scales[2*i:2*i+2], src)
		copy(quants[32*i:32*i+32], src[2:34])
		src = src[34:]
	}
	return -1
}

const nibbles = 0x0f0f0f0f

// repackQ4_0 returns the first block whose scale is not finite, or -1.
func repackQ4_0(quants, scales, src []byte) int {
	for i := 0; len(src) > 0; i++ {
		if !finiteF16(binary.LittleEndian.Uint16(src)) {
			return i
		}
		copy(scales[2*i:2*i+2], src)
		low := quants[16*i : 16*i+16]
		// Elements 0-15 are the low nibbles of 16 bytes, 16-31 the high ones.
		a, b := binary.LittleEndian.Uint32(src[2:]), binary.LittleEndian.Uint32(src[6:])
		c, d := binary.LittleEndian.Uint32(src[10:]), binary.LittleEndian.Uint32(src[14:])
		binary.LittleEndian.PutUint32(low[0:], a&nibbles|b&nibbles<<4)
		binary.LittleEndian.PutUint32(low[4:], c&nibbles|d&nibbles<<4)
		binary.LittleEndian.PutUint32(low[8:], a>>4&nibbles|b&^uint32(nibbles))
		binary.LittleEndian.PutUint32(low[12:], c>>4&nibbles|d&^uint32(nibbles))
		src = src[18:]
	}
	return -1
}

// repackQ6_K returns the first block whose scale is not finite, or -1.
func repackQ6_K(planes [][]byte, src []byte) int {
	for i := 0; len(src) > 0; i++ {
		d := binary.LittleEndian.Uint16(src[q6kD:])
		if !finiteF16(d) {
			return i
		}
		for h := range 2 {
			repackQ6_KHalf(planes[0][128*i+64*h:][:64], planes[1][64*i+32*h:][:32], src[q6kLow+64*h:][:64], src[q6kHigh+32*h:][:32])
		}
		copy(planes[2][16*i:16*i+16], src[q6kScales:q6kScales+16])
		binary.LittleEndian.PutUint16(planes[3][2*i:], d)
		src = src[210:]
	}
	return -1
}

// repackQ6_KHalf writes 128 elements: 16 words of low bits, 8 words of high bits.
func repackQ6_KHalf(dstLow, dstHigh, low, high []byte) {
	for k := range 4 { // quarters of 32 elements
		from, shift := low[32*(k&1):][:32], 4*(k>>1)
		for w := range 4 { // words of 8 elements
			a := binary.LittleEndian.Uint32(from[8*w:]) >> shift & nibbles
			b := binary.LittleEndian.Uint32(from[8*w+4:]) >> shift & nibbles
			binary.LittleEndian.PutUint32(dstLow[16*k+4*w:], a|b<<4)
		}
		for w := range 2 { // words of 16 elements
			var word uint32
			for i := range 4 {
				word |= binary.LittleEndian.Uint32(high[16*w+4*i:]) >> (2 * k) & 0x03030303 << (2 * i)
			}
			binary.LittleEndian.PutUint32(dstHigh[8*k+4*w:], word)
		}
	}
}

// blockError names the first element of a block whose scale is not finite.
func blockError(t Type, src []byte, block, cols int) error {
	e := block * t.BlockSize()
	at := src[block*t.BlockBytes():]
	if t == Q6_K {
		at = at[q6kD:]
	}
	scale := half.F16ToF32(binary.LittleEndian.Uint16(at))
	return &ValueError{Row: e / cols, Col: e % cols, Value: scale, Problem: badScale}
}
