package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/internal/half"
)

// chunk is how many elements pass through the stack at a time: one of the largest blocks.
const chunk = 256

// Convert writes rows × cols weights of type t as planes of layout l, whatever it takes: it is
// QuantizeRows where plain numbers go to quants, else Repack.
func Convert(planes [][]byte, l Layout, t Type, src []byte, rows, cols int) error {
	if t.Dense() && l.Kind.Grouped() {
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
	n := l.Planes()
	for r := range rows {
		from := src[r*row:][:row]
		if i, scale := badBlock(t, from); i >= 0 {
			return &ValueError{Row: r, Col: i * t.BlockSize(), Value: scale, Problem: badScale}
		}
		var parts [4][]byte
		for p := range n {
			size := l.PlaneRowBytes(p, cols)
			parts[p] = planes[p][r*size:][:size]
		}
		repackBlocks(&parts, t, from)
	}
	return nil
}

// repackBlocks writes the blocks of a row to the row's parts of the planes. The blocks follow
// each other without padding there as well. The calls are spelt out as in dequantize.
func repackBlocks(planes *[4][]byte, t Type, src []byte) {
	switch t {
	case Q8_0:
		repackQ8_0(planes, src)
	case Q4_0:
		repackQ4_0(planes, src)
	case Q4_1:
		repackQ4_1(planes, src)
	case Q5_0:
		repackQ5_0(planes, src)
	case Q5_1:
		repackQ5_1(planes, src)
	case Q2_K:
		repackQ2_K(planes, src)
	case Q3_K:
		repackQ3_K(planes, src)
	case Q4_K:
		repackQ4_K(planes, src)
	case Q5_K:
		repackQ5_K(planes, src)
	case IQ4_NL:
		repackIQ4_NL(planes, src)
	case IQ4_XS:
		repackIQ4_XS(planes, src)
	case MXFP4:
		repackMXFP4(planes, src)
	case IQ1_S, IQ1_M, IQ2_XXS, IQ2_XS, IQ2_S, IQ3_XXS, IQ3_S, TQ1_0, TQ2_0:
		repackSuper(planes, t, src)
	default: // Q6_K
		repackQ6_K(planes, src)
	}
}

// badBlock returns the first block of src with a scale or minimum that is not finite, or whose
// product with a quant may not be, and that number; or -1.
func badBlock(t Type, src []byte) (block int, scale float32) {
	size, scales := types[t].size, types[t].scales
	for i := 0; len(src) > 0; i++ {
		for _, at := range scales {
			if h := binary.LittleEndian.Uint16(src[at:]); !finiteF16(h) {
				return i, half.F16ToF32(h)
			}
		}
		if t == IQ1_M {
			if h := superScale(t, src); !finiteF16(h) {
				return i, half.F16ToF32(h)
			}
		}
		if t == MXFP4 && src[0] > mxfp4Most {
			return i, float32(math.Inf(1))
		}
		src = src[size:]
	}
	return -1, 0
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
