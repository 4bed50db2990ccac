package quant

import (
	"fmt"
	"math"
)

// Type is how a model file stores a tensor's numbers. The zero value is no type.
type Type uint8

// The types that qwenvk computes with. Block types are those of GGML, under its names.
const (
	F32     Type = 1 + iota // 4 bytes each
	F16                     // IEEE half
	BF16                    // the upper half of a float32
	Q8_0                    // 32 elements: f16 scale, 32 int8
	Q4_0                    // 32 elements: f16 scale, 32 4-bit quants with bias 8
	Q6_K                    // 256 elements: 4+2-bit quants with bias 32, 16 int8 scales, f16 scale of scales
	Q4_1                    // 32 elements: f16 scale, f16 minimum, 32 4-bit quants
	Q5_0                    // 32 elements: f16 scale, 32 5-bit quants with bias 16
	Q5_1                    // 32 elements: f16 scale, f16 minimum, 32 5-bit quants
	Q2_K                    // 256 elements: 2-bit quants, 16 4-bit scales and minima, f16 scales of both
	Q3_K                    // 256 elements: 3-bit quants, 16 6-bit scales, f16 scale of scales
	Q4_K                    // 256 elements: 4-bit quants, 8 6-bit scales and minima, f16 scales of both
	Q5_K                    // 256 elements: 5-bit quants, 8 6-bit scales and minima, f16 scales of both
	IQ4_NL                  // 32 elements: f16 scale, 4-bit places in a table of 16 values
	IQ4_XS                  // 256 elements: as IQ4_NL, 8 6-bit scales, f16 scale of scales
	IQ1_S                   // 256 elements: groups of 8 from a codebook of 2048, 3-bit scales
	IQ1_M                   // 256 elements: as IQ1_S, finer scales
	IQ2_XXS                 // 256 elements: groups of 8 from a codebook of 256 with signs
	IQ2_XS                  // 256 elements: groups of 8 from a codebook of 512 with signs
	IQ2_S                   // 256 elements: groups of 8 from a codebook of 1024 with signs
	IQ3_XXS                 // 256 elements: groups of 4 from a codebook of 256 with signs
	IQ3_S                   // 256 elements: groups of 4 from a codebook of 512 with signs
	TQ1_0                   // 256 elements: ternary, 5 to a byte, f16 scale
	TQ2_0                   // 256 elements: ternary, 2 bits each, f16 scale
	MXFP4                   // 32 elements: e8m0 scale, 4-bit e2m1 floats
)

// types is the one table of what a Type is. A type with a layout is one that qwenvk computes with.
var types = [...]struct {
	name        string
	block, size int // elements and bytes of a block
	layout      LayoutKind
	scales      []int // offsets of the f16 scales and minima in a block; MXFP4's are bytes
}{
	F32:     {"F32", 1, 4, LayoutF32, nil},
	F16:     {"F16", 1, 2, LayoutF16, nil},
	BF16:    {"BF16", 1, 2, LayoutBF16, nil},
	Q8_0:    {"Q8_0", 32, 34, LayoutQ8, []int{0}},
	Q4_0:    {"Q4_0", 32, 18, LayoutQ4, []int{0}},
	Q6_K:    {"Q6_K", 256, 210, LayoutQ6K, []int{q6kD}},
	Q4_1:    {"Q4_1", 32, 20, LayoutQ4_1, []int{0, 2}},
	Q5_0:    {"Q5_0", 32, 22, LayoutQ5_0, []int{0}},
	Q5_1:    {"Q5_1", 32, 24, LayoutQ5_1, []int{0, 2}},
	Q2_K:    {"Q2_K", 256, 84, LayoutQ2K, []int{q2kD, q2kD + 2}},
	Q3_K:    {"Q3_K", 256, 110, LayoutQ3K, []int{q3kD}},
	Q4_K:    {"Q4_K", 256, 144, LayoutQ4K, []int{0, 2}},
	Q5_K:    {"Q5_K", 256, 176, LayoutQ5K, []int{0, 2}},
	IQ4_NL:  {"IQ4_NL", 32, 18, LayoutIQ4NL, []int{0}},
	IQ4_XS:  {"IQ4_XS", 256, 136, LayoutIQ4XS, []int{0}},
	IQ1_S:   {"IQ1_S", 256, 50, LayoutIQ1S, []int{0}},
	IQ1_M:   {"IQ1_M", 256, 56, LayoutIQ1M, nil},
	IQ2_XXS: {"IQ2_XXS", 256, 66, LayoutIQ2XXS, []int{0}},
	IQ2_XS:  {"IQ2_XS", 256, 74, LayoutIQ2XS, []int{0}},
	IQ2_S:   {"IQ2_S", 256, 82, LayoutIQ2S, []int{0}},
	IQ3_XXS: {"IQ3_XXS", 256, 98, LayoutIQ3XXS, []int{0}},
	IQ3_S:   {"IQ3_S", 256, 110, LayoutIQ3S, []int{0}},
	TQ1_0:   {"TQ1_0", 256, 54, LayoutTQ1, []int{52}},
	TQ2_0:   {"TQ2_0", 256, 66, LayoutTQ2, []int{64}},
	MXFP4:   {"MXFP4", 32, 17, LayoutMXFP4, nil},
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
