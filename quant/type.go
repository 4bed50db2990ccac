package quant

import (
	"fmt"
	"math"
)

// Type is how a model file stores a tensor's numbers. The zero value is no type.
type Type uint8

// The types that qwenvk computes with. Block types are those of GGML, under its names.
const (
	F32  Type = 1 + iota // 4 bytes each
	F16                  // IEEE half
	BF16                 // the upper half of a float32
	Q8_0                 // 32 elements: f16 scale, 32 int8
	Q4_0                 // 32 elements: f16 scale, 32 4-bit quants with bias 8
	Q6_K                 // 256 elements: 4+2-bit quants with bias 32, 16 int8 scales, f16 scale of scales
)

// types is the one table of what a Type is.
var types = [...]struct {
	name        string
	block, size int // elements and bytes of a block
}{
	F32:  {"F32", 1, 4},
	F16:  {"F16", 1, 2},
	BF16: {"BF16", 1, 2},
	Q8_0: {"Q8_0", 32, 34},
	Q4_0: {"Q4_0", 32, 18},
	Q6_K: {"Q6_K", 256, 210},
}

// Valid reports whether t is one of the types above.
func (t Type) Valid() bool { return t >= F32 && int(t) < len(types) }

// String returns the type's name in file formats, such as "Q8_0".
func (t Type) String() string {
	if !t.Valid() {
		return fmt.Sprintf("Type(%d)", uint8(t))
	}
	return types[t].name
}

// BlockSize returns how many elements a block has: 1 for plain numbers, 0 for no type.
func (t Type) BlockSize() int {
	if !t.Valid() {
		return 0
	}
	return types[t].block
}

// BlockBytes returns how many bytes a block takes, 0 for no type.
func (t Type) BlockBytes() int {
	if !t.Valid() {
		return 0
	}
	return types[t].size
}

// RowBytes returns how many bytes a row of cols elements takes in a file.
func (t Type) RowBytes(cols int) (int, error) {
	switch {
	case !t.Valid():
		return 0, fmt.Errorf("quant: %v is no type of weights", t)
	case cols <= 0 || cols%t.BlockSize() != 0:
		return 0, fmt.Errorf("quant: a row of %d elements is not a whole number of %v blocks of %d", cols, t, t.BlockSize())
	case cols/t.BlockSize() > math.MaxInt/t.BlockBytes():
		return 0, fmt.Errorf("quant: a %v row of %d elements is too large", t, cols)
	}
	return cols / t.BlockSize() * t.BlockBytes(), nil
}

// Dense reports whether t stores each number on its own: F32, F16, BF16.
func (t Type) Dense() bool { return t >= F32 && t <= BF16 }
