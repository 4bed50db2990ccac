package quant

import (
	"fmt"
	"math"
	"sync"
)

// FP8 is the Source of a matrix of 8-bit floats (OCP "e4m3": sign, 4 bits of exponent, 3 of
// fraction, no infinities) with one scale per tile of BlockRows × BlockCols, as the Qwen FP8
// checkpoints have it:
//
//	w[r,c] = e4m3(Data[r,c]) · scale[r/BlockRows, c/BlockCols]
//
// The last tiles of a row or column may be cut off by the matrix's edge.
//
// On a device it takes 16 bits: F16, which keeps every product but for its last bits (an e4m3
// has 4, a bf16 scale 8, F16 holds 11), or BF16 where the scales leave F16's range.
type FP8 struct {
	Rows, Cols           int
	BlockRows, BlockCols int
	Data                 []byte // [Rows, Cols]
	Scales               []byte // [Rows/BlockRows, Cols/BlockCols], both rounded up
	ScaleType            Type   // F32, F16 or BF16

	once   sync.Once
	layout Layout
}

// maxE4M3 is the largest e4m3.
const maxE4M3 = 448

// e4m3 are the values of all bytes (OCP 8-bit Floating Point Specification, 1.0, section 5).
var e4m3 = func() (table [256]float32) {
	for b := range table {
		exp, fraction := b>>3&15, float64(b&7)
		v := math.Ldexp(1+fraction/8, exp-7)
		switch {
		case exp == 0:
			v = math.Ldexp(fraction/8, -6)
		case b&0x7f == 0x7f:
			v = math.NaN()
		}
		if b >= 128 {
			v = -v
		}
		table[b] = float32(v)
	}
	return table
}()

// Check reports parts whose sizes are not those of the matrix.
func (f *FP8) Check() error {
	switch {
	case f.Rows <= 0 || f.Cols <= 0 || f.BlockRows <= 0 || f.BlockCols <= 0:
		return fmt.Errorf("quant: a matrix of %d × %d in tiles of %d × %d holds nothing", f.Rows, f.Cols, f.BlockRows, f.BlockCols)
	case len(f.Data)/f.Rows != f.Cols || len(f.Data)%f.Rows != 0:
		return fmt.Errorf("quant: %d bytes are not %d × %d 8-bit floats", len(f.Data), f.Rows, f.Cols)
	case !f.ScaleType.Dense():
		return fmt.Errorf("quant: scales of type %v", f.ScaleType)
	}
	if want := f.down() * f.across() * f.ScaleType.BlockBytes(); len(f.Scales) != want {
		return fmt.Errorf("quant: the scales of %d × %d 8-bit floats in tiles of %d × %d take %d bytes, not %d", f.Rows, f.Cols, f.BlockRows, f.BlockCols, want, len(f.Scales))
	}
	return nil
}

func (f *FP8) down() int   { return (f.Rows-1)/f.BlockRows + 1 }
func (f *FP8) across() int { return (f.Cols-1)/f.BlockCols + 1 }

// Shape returns Rows and Cols.
func (f *FP8) Shape() (rows, cols int) { return f.Rows, f.Cols }

// Layout is F16 or, where a tile's largest possible weight is beyond F16 or among its subnormal
// numbers, BF16.
func (f *FP8) Layout() Layout {
	f.once.Do(func() {
		f.layout = Layout{Kind: LayoutF16}
		size := f.ScaleType.BlockBytes()
		var s [1]float32
		for at := 0; at < len(f.Scales); at += size {
			decodeDense(s[:], f.ScaleType, f.Scales[at:])
			most := math.Abs(float64(s[0])) * maxE4M3
			if most > 65504 || most > 0 && most < 1.0/(1<<14) {
				f.layout.Kind = LayoutBF16
			}
		}
	})
	return f.layout
}

// Order is nil: columns stay where they are.
func (f *FP8) Order() ([]int32, error) { return nil, nil }

// Planes writes rows in any dense layout, or quantised.
func (f *FP8) Planes(planes [][]byte, l Layout, first, n int) error {
	if err := checkRows(first, n, f.Rows); err != nil {
		return err
	}
	return planesOfValues(planes, l, f, nil, first, n)
}

// Values writes weights as float32, rounded once.
func (f *FP8) Values(dst []float32, first, n int) error {
	if err := checkRows(first, n, f.Rows); err != nil {
		return err
	}
	if len(dst) != n*f.Cols {
		return fmt.Errorf("quant: %d values are not %d rows of %d", len(dst), n, f.Cols)
	}
	size, across := f.ScaleType.BlockBytes(), f.across()
	scales := make([]float32, across)
	for r := range n {
		row := first + r
		decodeDense(scales, f.ScaleType, f.Scales[row/f.BlockRows*across*size:])
		out, src := dst[r*f.Cols:(r+1)*f.Cols], f.Data[row*f.Cols:(row+1)*f.Cols]
		for tile, s := range scales {
			lo := tile * f.BlockCols
			hi := min(lo+f.BlockCols, f.Cols)
			for c := lo; c < hi; c++ {
				out[c] = e4m3[src[c]] * s
			}
		}
	}
	return nil
}
