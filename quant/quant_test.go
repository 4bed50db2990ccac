package quant_test

import (
	"encoding/binary"
	"errors"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/x448/float16"

	"github.com/qwenvk/qwenvk/quant"
)

var inf = float32(math.Inf(1))

// rounded rounds values to a 16-bit layout by independent means: the test oracle for F16, and
// integer arithmetic on float64 for BF16.
func rounded(values []float32, k quant.LayoutKind) []float32 {
	out := slices.Clone(values)
	for i, f := range out {
		switch k {
		case quant.LayoutF16:
			out[i] = float16.Fromfloat32(f).Float32()
		case quant.LayoutBF16:
			if f == 0 {
				continue
			}
			_, exp := math.Frexp(float64(f))
			ulp := math.Ldexp(1, max(exp-8, -133)) // 8 significant bits; 2^-133 is the least subnormal
			out[i] = float32(math.Copysign(math.RoundToEven(math.Abs(float64(f))/ulp)*ulp, float64(f)))
		}
	}
	return out
}

// bytesOf writes values as type t, which must hold them.
func bytesOf(t quant.Type, values []float32) []byte {
	var b []byte
	for _, f := range values {
		switch t {
		case quant.F32:
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(f))
		case quant.F16:
			b = binary.LittleEndian.AppendUint16(b, float16.Fromfloat32(f).Bits())
		case quant.BF16:
			b = binary.LittleEndian.AppendUint16(b, uint16(math.Float32bits(f)>>16))
		}
	}
	return b
}

func TestTypes(t *testing.T) {
	for _, c := range []struct {
		typ       quant.Type
		name      string
		cols, row int
		layout    string
	}{
		{quant.F32, "F32", 96, 384, "f32"},
		{quant.F16, "F16", 96, 192, "f16"},
		{quant.BF16, "BF16", 96, 192, "bf16"},
		{quant.Q8_0, "Q8_0", 96, 102, "q8g32"},
		{quant.Q4_0, "Q4_0", 96, 54, "q4g32"},
		{quant.IQ1_S, "IQ1_S", 512, 100, "iq1s"},
		{quant.IQ1_M, "IQ1_M", 512, 112, "iq1m"},
		{quant.IQ2_XXS, "IQ2_XXS", 512, 132, "iq2xxs"},
		{quant.IQ2_XS, "IQ2_XS", 512, 148, "iq2xs"},
		{quant.IQ2_S, "IQ2_S", 512, 164, "iq2s"},
		{quant.IQ3_XXS, "IQ3_XXS", 512, 196, "iq3xxs"},
		{quant.IQ3_S, "IQ3_S", 512, 220, "iq3s"},
		{quant.TQ1_0, "TQ1_0", 512, 108, "tq1"},
		{quant.TQ2_0, "TQ2_0", 512, 132, "tq2"},
		{quant.Q6_K, "Q6_K", 512, 420, "q6k"},
	} {
		row, err := c.typ.RowBytes(c.cols)
		if err != nil || row != c.row || c.typ.String() != c.name || quant.LayoutOf(c.typ).Name() != c.layout {
			t.Errorf("%v (want %s): row of %d: %d, %v (want %d); layout %v (want %s)", c.typ, c.name, c.cols, row, err, c.row, quant.LayoutOf(c.typ), c.layout)
		}
	}
	for _, c := range []struct {
		typ  quant.Type
		cols int
	}{{0, 32}, {99, 32}, {quant.Q8_0, 33}, {quant.Q6_K, 128}, {quant.F32, 0}, {quant.F32, -4}, {quant.F32, math.MaxInt}} {
		if n, err := c.typ.RowBytes(c.cols); err == nil {
			t.Errorf("%v row of %d elements takes %d bytes, want an error", c.typ, c.cols, n)
		}
	}
}

func TestLayouts(t *testing.T) {
	for _, c := range []struct {
		l      quant.Layout
		name   string
		cols   int
		planes []int // bytes of a row
		bad    int   // a number of columns that does not fit
	}{
		{quant.Layout{Kind: quant.LayoutF32}, "f32", 64, []int{256}, 48},
		{quant.Layout{Kind: quant.LayoutBF16}, "bf16", 64, []int{128}, 1},
		{quant.Layout{Kind: quant.LayoutQ8, Group: 32}, "q8g32", 96, []int{96, 6}, 48},
		{quant.Layout{Kind: quant.LayoutQ8, Group: 128, Zero: true}, "q8g128z", 256, []int{256, 4, 2}, 96},
		{quant.Layout{Kind: quant.LayoutQ4, Group: 32, Zero: true}, "q4g32z", 96, []int{48, 6, 3}, 16},
		{quant.Layout{Kind: quant.LayoutQ4, Group: 128}, "q4g128", 128, []int{64, 2}, 64},
		{quant.LayoutOf(quant.IQ1_M), "iq1m", 512, []int{64, 32, 16}, 128},
		{quant.LayoutOf(quant.IQ3_S), "iq3s", 512, []int{128, 64, 28}, 32},
		{quant.LayoutOf(quant.TQ1_0), "tq1", 512, []int{104, 4}, 128},
		{quant.Layout{Kind: quant.LayoutQ6K, Group: 16}, "q6k", 512, []int{256, 128, 32, 4}, 128},
	} {
		var planes []int
		total := 0
		for p := range c.l.Planes() {
			planes = append(planes, c.l.PlaneRowBytes(p, c.cols))
			total += planes[p]
		}
		if c.l.Name() != c.name || !slices.Equal(planes, c.planes) || c.l.RowBytes(c.cols) != total {
			t.Errorf("%s: name %s, planes %v, row %d; want planes %v", c.name, c.l.Name(), planes, c.l.RowBytes(c.cols), c.planes)
		}
		if err := c.l.CheckCols(c.cols); err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		for _, bad := range []int{c.bad, 0, -256, math.MaxInt &^ 255} {
			if c.l.CheckCols(bad) == nil {
				t.Errorf("%s accepts rows of %d", c.name, bad)
			}
		}
	}
	for _, l := range []quant.Layout{
		{},
		{Kind: 77},
		{Kind: quant.LayoutQ8},
		{Kind: quant.LayoutQ4, Group: 64},
		{Kind: quant.LayoutQ6K, Group: 16, Zero: true},
		{Kind: quant.LayoutF16, Group: 32},
	} {
		if l.CheckCols(256) == nil {
			t.Errorf("layout %+v passes", l)
		}
	}
}

// TestSizesMustAgree: no combination of lengths that lies reaches the loops.
func TestSizesMustAgree(t *testing.T) {
	l := quant.Layout{Kind: quant.LayoutQ4, Group: 32}
	src := make([]byte, 2*36)
	good := func() [][]byte { return newPlanes(l, 2, 64) }
	if err := quant.Repack(good(), l, quant.Q4_0, src, 2, 64); err != nil {
		t.Fatal(err)
	}
	short := good()
	short[1] = short[1][:3]
	for name, err := range map[string]error{
		"short source":     quant.Repack(good(), l, quant.Q4_0, src[:71], 2, 64),
		"too many rows":    quant.Repack(good(), l, quant.Q4_0, src, 3, 64),
		"negative rows":    quant.Repack(good(), l, quant.Q4_0, src, -2, 64),
		"columns":          quant.Repack(good(), l, quant.Q4_0, src, 2, 65),
		"short plane":      quant.Repack(short, l, quant.Q4_0, src, 2, 64),
		"too few planes":   quant.Repack(good()[:1], l, quant.Q4_0, src, 2, 64),
		"another type":     quant.Repack(good(), l, quant.Q8_0, make([]byte, 4*34), 2, 64),
		"a group of 128":   quant.Repack(newPlanes(quant.Layout{Kind: quant.LayoutQ4, Group: 128}, 1, 128), quant.Layout{Kind: quant.LayoutQ4, Group: 128}, quant.Q4_0, src, 1, 128),
		"no type":          quant.Repack(good(), l, 0, src, 2, 64),
		"quantise blocks":  quant.QuantizeRows(good(), l, quant.Q4_0, src, 2, 64),
		"quantise to bf16": quant.QuantizeRows([][]byte{make([]byte, 256)}, quant.LayoutOf(quant.BF16), quant.BF16, make([]byte, 256), 2, 64),
		"quantise short":   quant.QuantizeRows(good(), l, quant.F32, src, 2, 64),
		"unpack short":     quant.Unpack(make([]float32, 127), l, good(), 2, 64),
		"dequantize short": quant.Dequantize(make([]float32, 64), quant.Q4_0, src[:35]),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

// TestRefusesWeights: a weight that would poison every answer is named by row and column.
func TestRefusesWeights(t *testing.T) {
	const rows, cols = 3, 512
	dense := make([]float32, rows*cols)
	for i := range dense {
		dense[i] = float32(i%17) - 8
	}
	with := func(row, col int, f float32) []float32 {
		w := slices.Clone(dense)
		w[row*cols+col] = f
		return w
	}
	f32 := func(k quant.LayoutKind) quant.Layout { return quant.Layout{Kind: k} }
	q4z := quant.Layout{Kind: quant.LayoutQ4, Group: 128, Zero: true}
	for _, c := range []struct {
		name     string
		l        quant.Layout
		t        quant.Type
		src      []byte
		row, col int
		problem  string
	}{
		{"NaN in F32", f32(quant.LayoutF32), quant.F32, bytesOf(quant.F32, with(2, 511, float32(math.NaN()))), 2, 511, "finite"},
		{"Inf in F16", f32(quant.LayoutF16), quant.F16, bytesOf(quant.F16, with(1, 0, inf)), 1, 0, "finite"},
		{"Inf in BF16 as F16", f32(quant.LayoutF16), quant.BF16, bytesOf(quant.BF16, with(1, 3, -inf)), 1, 3, "finite"},
		{"too large for F16", f32(quant.LayoutF16), quant.BF16, bytesOf(quant.BF16, with(0, 300, 1e5)), 0, 300, "65504"},
		{"too large for BF16", f32(quant.LayoutBF16), quant.F32, bytesOf(quant.F32, with(2, 1, math.MaxFloat32)), 2, 1, "BF16"},
		{"NaN to INT4", q4z, quant.BF16, bytesOf(quant.BF16, with(2, 129, float32(math.NaN()))), 2, 129, "finite"},
		{"negative NaN to INT4", q4z, quant.F32, bytesOf(quant.F32, with(0, 5, math.Float32frombits(0xff800001))), 0, 5, "finite"},
		{"negative Inf to INT4", q4z, quant.F16, bytesOf(quant.F16, with(0, 511, -inf)), 0, 511, "finite"},
		{"Inf to INT4", q4z, quant.BF16, bytesOf(quant.BF16, with(0, 0, inf)), 0, 0, "finite"},
		{"scale beyond F16", q4z, quant.F32, bytesOf(quant.F32, with(1, 130, -3e6)), 1, 130, "scale"},
		{"sum overflows", q4z, quant.F32, bytesOf(quant.F32, func() []float32 { w := with(1, 130, -3e38); w[cols+131] = 3e38; return w }()), 1, 131, "scale"},
		{"Q8_0 scale", quant.LayoutOf(quant.Q8_0), quant.Q8_0, spoil(quant.Q8_0, rows, cols, cols/32+1, 0), 1, 32, "scale"},
		{"Q4_0 scale", quant.LayoutOf(quant.Q4_0), quant.Q4_0, spoil(quant.Q4_0, rows, cols, 2*cols/32, 0), 2, 0, "scale"},
		{"Q6_K scale", quant.LayoutOf(quant.Q6_K), quant.Q6_K, spoil(quant.Q6_K, rows, cols, 3, 208), 1, 256, "scale"},
		{"Q8_0 scale to F32", f32(quant.LayoutF32), quant.Q8_0, spoil(quant.Q8_0, rows, cols, 5, 0), 0, 160, "finite"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := quant.Convert(newPlanes(c.l, rows, cols), c.l, c.t, c.src, rows, cols)
			var bad *quant.ValueError
			if !errors.As(err, &bad) {
				t.Fatalf("error %v, want a ValueError", err)
			}
			if bad.Row != c.row || bad.Col != c.col || !strings.Contains(bad.Error(), c.problem) {
				t.Errorf("%v; want row %d, column %d, %q", bad, c.row, c.col, c.problem)
			}
		})
	}
}

// spoil makes blocks of ones, except that one block's scale at byte offset at is Inf.
func spoil(t quant.Type, rows, cols, block, at int) []byte {
	row, err := t.RowBytes(cols)
	if err != nil {
		panic(err)
	}
	src := make([]byte, rows*row)
	for i := range src {
		src[i] = 1
	}
	binary.LittleEndian.PutUint16(src[block*t.BlockBytes()+at:], 0x7c00)
	return src
}

// TestPlaneWords pins the bit places that shaders rely on, element by element: one element
// differs from the rest, and the one field of the one word where it must show does.
func TestPlaneWords(t *testing.T) {
	const cols = 256
	bump := func(f func(e int) []byte, check func(e int, planes [][]byte), l quant.Layout, typ quant.Type) {
		for e := range cols {
			planes := newPlanes(l, 1, cols)
			if err := quant.Repack(planes, l, typ, f(e), 1, cols); err != nil {
				t.Fatal(err)
			}
			check(e, planes)
		}
	}
	word := func(plane []byte, i int) uint32 { return binary.LittleEndian.Uint32(plane[4*i:]) }
	only := func(name string, e int, plane []byte, at int, bits uint32) {
		t.Helper()
		for i := range len(plane) / 4 {
			want := uint32(0)
			if i == at {
				want = bits
			}
			if word(plane, i) != want {
				t.Fatalf("%s: element %d: word %d is %#08x, want %#08x", name, e, i, word(plane, i), want)
			}
		}
	}
	// As the package comment draws a word of 4-bit quants, from e0 up.
	shift4 := [8]int{0, 8, 16, 24, 4, 12, 20, 28}
	bump(func(e int) []byte {
		src := make([]byte, cols/32*18)
		src[e/32*18+2+e%16] = 13 << (4 * (e % 32 / 16))
		return src
	}, func(e int, planes [][]byte) {
		only("Q4_0", e, planes[0], e/8, 13<<shift4[e%8])
	}, quant.LayoutOf(quant.Q4_0), quant.Q4_0)
	bump(func(e int) []byte {
		src := make([]byte, 210)
		half, quarter, i := e/128, e%128/32, e%32
		src[64*half+32*(quarter%2)+i] = 13 << (4 * (quarter / 2))
		src[128+32*half+i] = 2 << (2 * quarter)
		return src
	}, func(e int, planes [][]byte) {
		only("Q6_K low", e, planes[0], e/8, 13<<shift4[e%8])
		only("Q6_K high", e, planes[1], e/16, 2<<(8*(e%4)+2*(e%16/4)))
	}, quant.LayoutOf(quant.Q6_K), quant.Q6_K)
}

// TestRowsAreIndependent: converting parts of the rows gives the bytes of converting all.
func TestRowsAreIndependent(t *testing.T) {
	const rows, cols = 5, 512
	rng := rand.New(rand.NewPCG(5, 6))
	values := make([]float32, rows*cols)
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	for _, l := range groupLayouts {
		src := bytesOf(quant.F32, values)
		whole, parts := newPlanes(l, rows, cols), newPlanes(l, rows, cols)
		if err := quant.QuantizeRows(whole, l, quant.F32, src, rows, cols); err != nil {
			t.Fatal(err)
		}
		for _, part := range [][2]int{{3, 5}, {0, 1}, {1, 3}} {
			var cut [][]byte
			for p := range parts {
				n := l.PlaneRowBytes(p, cols)
				cut = append(cut, parts[p][part[0]*n:part[1]*n])
			}
			if err := quant.QuantizeRows(cut, l, quant.F32, src[part[0]*4*cols:part[1]*4*cols], part[1]-part[0], cols); err != nil {
				t.Fatal(err)
			}
		}
		for p := range whole {
			if !slices.Equal(whole[p], parts[p]) {
				t.Errorf("%v: plane %d differs", l, p)
			}
		}
	}
}

// TestNoAllocation: converting takes no memory, whatever the size.
func TestNoAllocation(t *testing.T) {
	const rows, cols = 8, 512
	l, lz := quant.LayoutOf(quant.Q6_K), quant.Layout{Kind: quant.LayoutQ4, Group: 128, Zero: true}
	q6, planes := make([]byte, rows*420), newPlanes(l, rows, cols)
	f32, planesZ := make([]byte, rows*cols*4), newPlanes(lz, rows, cols)
	dense, planesD := quant.Layout{Kind: quant.LayoutF16}, newPlanes(quant.Layout{Kind: quant.LayoutF16}, rows, cols)
	if n := testing.AllocsPerRun(10, func() {
		if quant.Repack(planes, l, quant.Q6_K, q6, rows, cols) != nil ||
			quant.Repack(planesD, dense, quant.Q6_K, q6, rows, cols) != nil ||
			quant.QuantizeRows(planesZ, lz, quant.F32, f32, rows, cols) != nil {
			t.Fatal("conversion failed")
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
