package quant_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
)

// blockTypes are the types of blocks with the bytes of a row of 256 in each plane, and the places of a block's f16
// scales and minima.
var blockTypes = []struct {
	typ    quant.Type
	layout string
	planes []int
	scales []int
}{
	{quant.Q8_0, "q8g32", []int{256, 16}, []int{0}},
	{quant.Q4_0, "q4g32", []int{128, 16}, []int{0}},
	{quant.Q4_1, "q4_1", []int{128, 32}, []int{0, 2}},
	{quant.Q5_0, "q5_0", []int{128, 16, 32}, []int{0}},
	{quant.Q5_1, "q5_1", []int{128, 32, 32}, []int{0, 2}},
	{quant.Q2_K, "q2k", []int{64, 16, 4}, []int{80, 82}},
	{quant.Q3_K, "q3k", []int{64, 32, 16, 2}, []int{108}},
	{quant.Q4_K, "q4k", []int{128, 16, 4}, []int{0, 2}},
	{quant.Q5_K, "q5k", []int{128, 32, 16, 4}, []int{0, 2}},
	{quant.Q6_K, "q6k", []int{128, 64, 16, 2}, []int{208}},
	{quant.IQ4_NL, "iq4nl", []int{128, 16}, []int{0}},
	{quant.IQ4_XS, "iq4xs", []int{128, 8, 2}, []int{0}},
	{quant.MXFP4, "mxfp4", []int{128, 8}, nil},
}

// TestBlockLayouts: on the device a weight takes no more than 4 % over the file's bits. Whole bytes for 6-bit scales are
// what it is more; a plane of them is one load.
func TestBlockLayouts(t *testing.T) {
	const cols = 256
	for _, c := range blockTypes {
		l := quant.LayoutOf(c.typ)
		total := 0
		for p, want := range c.planes {
			if got := l.PlaneRowBytes(p, cols); got != want {
				t.Errorf("%v: plane %d has %d bytes a row, want %d", c.typ, p, got, want)
			}
			total += want
		}
		file, err := c.typ.RowBytes(cols)
		if err != nil || l.Name() != c.layout || l.Planes() != len(c.planes) || l.RowBytes(cols) != total {
			t.Errorf("%v: layout %s of %d planes and %d bytes, %v; want %s, %d, %d", c.typ, l, l.Planes(), l.RowBytes(cols), err, c.layout, len(c.planes), total)
		}
		if 100*total > 104*file {
			t.Errorf("%v: %d bytes become %d on the device", c.typ, file, total)
		}
		if err := l.CheckCols(c.typ.BlockSize()); err != nil {
			t.Errorf("%v: %v", c.typ, err)
		}
		if other := (quant.Layout{Kind: l.Kind, Group: 64}); other.Check() == nil {
			t.Errorf("%v: groups of 64 pass", c.typ)
		}
	}
}

// TestRandomBlocks: any bytes either are refused with the place of a block, or their planes mean what the blocks mean, bit
// for bit.
func TestRandomBlocks(t *testing.T) {
	const rows, cols = 3, 512
	rng := rand.New(rand.NewPCG(8, 9))
	for _, c := range blockTypes {
		l := quant.LayoutOf(c.typ)
		row, err := c.typ.RowBytes(cols)
		if err != nil {
			t.Fatal(err)
		}
		refused, taken := 0, 0
		for range 200 {
			src := make([]byte, rows*row)
			for i := range src {
				src[i] = byte(rng.Uint32())
			}
			if rng.IntN(2) == 0 { // random exponents are rarely all finite
				tame(c.typ, c.scales, src, rng)
			}
			want := make([]float32, rows*cols)
			if err := quant.Dequantize(want, c.typ, src); err != nil {
				t.Fatal(err)
			}
			planes := newPlanes(l, rows, cols)
			err := quant.Repack(planes, l, c.typ, src, rows, cols)
			var bad *quant.ValueError
			switch {
			case err == nil:
				taken++
				sameBits(t, unpack(t, l, planes, rows, cols), want)
				for i, w := range want {
					if math.IsNaN(float64(w)) || math.IsInf(float64(w), 0) {
						t.Fatalf("%v: weight %d is %g and passed", c.typ, i, w)
					}
				}
			case errors.As(err, &bad) && bad.Col%c.typ.BlockSize() == 0 && bad.Row < rows && bad.Col < cols:
				refused++
			default:
				t.Fatalf("%v: %v", c.typ, err)
			}
		}
		if taken < 50 || refused < 5 {
			t.Errorf("%v: %d taken, %d refused: the blocks are not as random as they should be", c.typ, taken, refused)
		}
	}
}

// tame makes the scales of blocks finite.
func tame(typ quant.Type, scales []int, src []byte, rng *rand.Rand) {
	for ; len(src) > 0; src = src[typ.BlockBytes():] {
		for _, at := range scales {
			binary.LittleEndian.PutUint16(src[at:], uint16(rng.Uint32())&0xbbff)
		}
		if typ == quant.MXFP4 {
			src[0] = byte(rng.IntN(253))
		}
	}
}

// TestRefusesBlocks: a scale or minimum that is NaN or infinite is refused by row and column, whichever of a block's it is.
func TestRefusesBlocks(t *testing.T) {
	const rows, cols = 3, 512
	check := func(typ quant.Type, src []byte, row, col int) {
		t.Helper()
		l := quant.LayoutOf(typ)
		err := quant.Repack(newPlanes(l, rows, cols), l, typ, src, rows, cols)
		var bad *quant.ValueError
		if !errors.As(err, &bad) || bad.Row != row || bad.Col != col {
			t.Errorf("%v: %v; want a ValueError at row %d, column %d", typ, err, row, col)
		}
	}
	for _, c := range blockTypes {
		perRow := cols / c.typ.BlockSize()
		for _, at := range c.scales {
			check(c.typ, spoil(c.typ, rows, cols, 2*perRow-1, at), 1, cols-c.typ.BlockSize())
			src := spoil(c.typ, rows, cols, 0, at)
			binary.LittleEndian.PutUint16(src[at:], 0xfe01) // NaN
			check(c.typ, src, 0, 0)
		}
	}
	src := make([]byte, rows*cols/32*17)
	src[17*20] = 253 // 12 times half of 2^126 is beyond float32
	check(quant.MXFP4, src, 1, 128)
	src[17*20] = 252
	l := quant.LayoutOf(quant.MXFP4)
	if err := quant.Repack(newPlanes(l, rows, cols), l, quant.MXFP4, src, rows, cols); err != nil {
		t.Error(err)
	}
}

// TestBitPlanes pins the places of 1-bit and 2-bit planes, element by element.
func TestBitPlanes(t *testing.T) {
	for _, c := range []struct {
		name  string
		typ   quant.Type
		plane int
		set   func(block []byte, e int) // sets a bit of element e alone, in a block of zeros
		bits  int                       // of the plane
	}{
		{"Q5_0", quant.Q5_0, 2, func(b []byte, e int) { b[2+e/8] = 1 << (e % 8) }, 1},
		{"Q5_1", quant.Q5_1, 2, func(b []byte, e int) { b[4+e/8] = 1 << (e % 8) }, 1},
		{"Q3_K third", quant.Q3_K, 1, func(b []byte, e int) { b[e%32] = 1 << (e / 32) }, 1},
		{"Q5_K fifth", quant.Q5_K, 1, func(b []byte, e int) { b[16+e%32] = 1 << (e / 32) }, 1},
		{"Q2_K", quant.Q2_K, 0, func(b []byte, e int) { b[16+32*(e/128)+e%32] = 1 << (2 * (e % 128 / 32)) }, 2},
		{"Q3_K low", quant.Q3_K, 0, func(b []byte, e int) { b[32+32*(e/128)+e%32] = 1 << (2 * (e % 128 / 32)) }, 2},
	} {
		l := quant.LayoutOf(c.typ)
		cols := c.typ.BlockSize()
		for e := range cols {
			src := make([]byte, c.typ.BlockBytes())
			c.set(src, e)
			planes := newPlanes(l, 1, cols)
			if err := quant.Repack(planes, l, c.typ, src, 1, cols); err != nil {
				t.Fatal(err)
			}
			per := 32 / c.bits // elements of a word: 4i+b in byte b at bit bits·i
			place := e % per
			want := uint32(1) << (8*(place%4) + c.bits*(place/4))
			for w := range cols / per {
				got := binary.LittleEndian.Uint32(planes[c.plane][4*w:])
				if w == e/per && got != want || w != e/per && got != 0 {
					t.Fatalf("%s: element %d: word %d is %#08x", c.name, e, w, got)
				}
			}
		}
	}
}

// TestBlocksNoAllocation: converting blocks takes no memory.
func TestBlocksNoAllocation(t *testing.T) {
	const rows, cols = 4, 512
	for _, c := range blockTypes {
		row, _ := c.typ.RowBytes(cols)
		src, l := make([]byte, rows*row), quant.LayoutOf(c.typ)
		dense := quant.Layout{Kind: quant.LayoutF16}
		planes, planesD := newPlanes(l, rows, cols), newPlanes(dense, rows, cols)
		if n := testing.AllocsPerRun(5, func() {
			if quant.Repack(planes, l, c.typ, src, rows, cols) != nil || quant.Repack(planesD, dense, c.typ, src, rows, cols) != nil {
				t.Fatal("conversion failed")
			}
		}); n != 0 {
			t.Errorf("%v: %v allocations", c.typ, n)
		}
	}
}
