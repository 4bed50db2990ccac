package quant

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/internal/half"
)

// ValueError is a weight that cannot be used. Row counts from the first row that was handed
// in; a caller that converts a tensor in parts adds where its part began.
type ValueError struct {
	Row, Col int
	Value    float32
	Problem  string // continues "the weight 7e4 at row 3, column 5 "
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("the weight %g at row %d, column %d %s", e.Value, e.Row, e.Col, e.Problem)
}

const (
	notFinite = "is not a finite number; the file is damaged or its training failed"
	notInF16  = "is beyond F16's largest number, 65504; keep these weights in BF16 or F32"
	notInBF16 = "is beyond BF16's largest number; keep these weights in F32"
	badScale  = "belongs to a block whose scale is not a finite number; the file is damaged"
	bigGroup  = "belongs to a group whose scale is beyond F16's largest number, 65504; do not quantise these weights"
)

// finite reports whether f is neither NaN nor an infinity.
func finite(f float32) bool { return math.Float32bits(f)&0x7f800000 != 0x7f800000 }

// finiteF16 is finite for a half float's bits.
func finiteF16(h uint16) bool { return h&0x7c00 != 0x7c00 }

// allFinite reports whether every number in src, of the dense type t, is finite. It looks at
// eight bytes at once: an exponent of all ones, plus one, carries into the sign's place.
func allFinite(t Type, src []byte) bool {
	var exp, one, sign uint64
	switch t {
	case F32:
		exp, one, sign = 0x7f800000_7f800000, 0x00800000_00800000, 0x80000000_80000000
	case F16:
		exp, one, sign = 0x7c007c00_7c007c00, 0x04000400_04000400, 0x80008000_80008000
	default: // BF16
		exp, one, sign = 0x7f807f80_7f807f80, 0x00800080_00800080, 0x80008000_80008000
	}
	var bad uint64
	for ; len(src) >= 8; src = src[8:] {
		bad |= binary.LittleEndian.Uint64(src)&exp + one
	}
	var rest [8]byte // zeros are finite
	copy(rest[:], src)
	bad |= binary.LittleEndian.Uint64(rest[:])&exp + one
	return bad&sign == 0
}

// decodeDense widens len(dst) numbers of the dense type t.
func decodeDense(dst []float32, t Type, src []byte) {
	switch t {
	case F32:
		src = src[:4*len(dst)]
		for i := range dst {
			dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(src[4*i:]))
		}
	case F16:
		half.DecodeF16(dst, src)
	default: // BF16
		half.DecodeBF16(dst, src)
	}
}

// encodeDense writes src to a dense layout's plane. col is the first place whose value is
// finite but has no finite form there, or -1.
func encodeDense(dst []byte, k LayoutKind, src []float32) (col int) {
	switch k {
	case LayoutF32:
		for i, f := range src {
			binary.LittleEndian.PutUint32(dst[4*i:], math.Float32bits(f))
		}
		return -1
	case LayoutF16:
		half.EncodeF16(dst, src)
	default: // LayoutBF16
		half.EncodeBF16(dst, src)
	}
	t := F16
	if k == LayoutBF16 {
		t = BF16
	}
	if allFinite(t, dst[:2*len(src)]) {
		return -1
	}
	for i := range src {
		if !allFinite(t, dst[2*i:2*i+2]) {
			return i
		}
	}
	return -1
}

// firstNotFinite returns the first index of w whose value is NaN or infinite, or -1.
func firstNotFinite(w []float32) int {
	for i, f := range w {
		if !finite(f) {
			return i
		}
	}
	return -1
}
