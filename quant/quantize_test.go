package quant_test

import (
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/x448/float16"

	"github.com/qwenvk/qwenvk/quant"
)

var groupLayouts = []quant.Layout{
	{Kind: quant.LayoutQ8, Group: 32},
	{Kind: quant.LayoutQ8, Group: 128},
	{Kind: quant.LayoutQ8, Group: 32, Zero: true},
	{Kind: quant.LayoutQ8, Group: 128, Zero: true},
	{Kind: quant.LayoutQ4, Group: 32},
	{Kind: quant.LayoutQ4, Group: 128},
	{Kind: quant.LayoutQ4, Group: 32, Zero: true},
	{Kind: quant.LayoutQ4, Group: 128, Zero: true},
}

// reference is the demo model's README, "Round-to-nearest INT8 and INT4", word for word: the
// values w' of one group. Nothing of it is shared with the package.
func reference(w []float32, bits int, asymmetric bool) []float32 {
	f16 := func(f float32) float32 { return float16.Fromfloat32(f).Float32() }
	round := func(f float32) float32 { return float32(math.RoundToEven(float64(f))) }
	clamp := func(f, lo, hi float32) float32 {
		return float32(math.Min(math.Max(float64(f), float64(lo)), float64(hi)))
	}
	divide := func(a, b float32) float32 {
		if b == 0 {
			b = 1 // 0/0 counts as 0; a group this small is zeros whatever is divided
		}
		return a / b
	}
	var least, most float32
	for _, f := range w {
		least, most = float32(math.Min(float64(least), float64(f))), float32(math.Max(float64(most), float64(f)))
	}
	out := make([]float32, len(w))
	if !asymmetric {
		m := float32(math.Pow(2, float64(bits-1)) - 1)
		s := f16(float32(math.Max(float64(most), -float64(least))) / m)
		for i, f := range w {
			out[i] = clamp(round(divide(f, s)), -m, m) * s
		}
		return out
	}
	m := float32(math.Pow(2, float64(bits)) - 1)
	s := f16((most - least) / m)
	z := clamp(round(divide(-least, s)), 0, m)
	for i, f := range w {
		out[i] = (clamp(round(divide(f, s))+z, 0, m) - z) * s
	}
	return out
}

// awkward returns groups of n weights: each a way to go wrong.
func awkward(n int) map[string][]float32 {
	rng := rand.New(rand.NewPCG(7, uint64(n)))
	fill := func(f func(i int) float32) []float32 {
		w := make([]float32, n)
		for i := range w {
			w[i] = f(i)
		}
		return w
	}
	negativeZero := float32(math.Copysign(0, -1))
	return map[string][]float32{
		"zeros":               fill(func(int) float32 { return 0 }),
		"negative zeros":      fill(func(int) float32 { return negativeZero }),
		"zeros of both signs": fill(func(i int) float32 { return []float32{0, negativeZero}[i%2] }),
		"normal":              fill(func(int) float32 { return float32(rng.NormFloat64()) * 0.02 }),
		"positive":            fill(func(int) float32 { return 1 + rng.Float32() }),
		"negative":            fill(func(int) float32 { return -1 - rng.Float32() }),
		"maximum first":       fill(func(i int) float32 { return 7 - float32(i%3) - min(float32(i), 4) }),
		"minimum last":        fill(func(i int) float32 { return 1 - float32(i/(n-1))*9 }),
		"one spike":           fill(func(i int) float32 { return float32(i/(n-1)) * -1e4 }),
		"huge":                fill(func(int) float32 { return float32(rng.NormFloat64()) * 1e5 }),
		"largest scale":       fill(func(i int) float32 { return []float32{65504 * 7, -65504 * 7, 1}[i%3] }),
		"scale subnormal":     fill(func(int) float32 { return float32(rng.NormFloat64()) * 1e-6 }),
		"scale of one bit":    fill(func(i int) float32 { return float32(i%5-2) * 0x1p-24 }),
		"scale rounds to 0":   fill(func(i int) float32 { return float32(i%5-2) * 0x1p-27 }),
		"float32 subnormals":  fill(func(i int) float32 { return math.Float32frombits(uint32(i)) }),
		"ties":                fill(func(i int) float32 { return float32(i%16-7)*0.5 - 0.25*float32(i%2) }),
		"exact halves":        fill(func(i int) float32 { return (float32(i%15) - 7) / 2 }),
		"multiples":           fill(func(i int) float32 { return float32(i%256-128) * 0.125 }),
	}
}

// TestQuantizeRows: planes hold exactly the values of the README's formulas, for awkward
// groups at every place in a row, from every source type.
func TestQuantizeRows(t *testing.T) {
	for _, l := range groupLayouts {
		bits := 8
		if l.Kind == quant.LayoutQ4 {
			bits = 4
		}
		groups := awkward(l.Group)
		for _, typ := range []quant.Type{quant.F32, quant.F16, quant.BF16} {
			t.Run(fmt.Sprintf("%v/%v", l, typ), func(t *testing.T) {
				const rows = 2
				var names []string
				var values, want []float32
				for range rows {
					for _, name := range slices.Sorted(maps.Keys(groups)) {
						w := groups[name]
						if typ == quant.F16 && (name == "huge" || name == "largest scale") || // beyond F16
							typ == quant.BF16 && name == "largest scale" { // BF16 rounds it up, beyond F16's scales
							continue
						}
						held := make([]float32, len(w)) // w as the source type holds it
						if err := quant.Dequantize(held, typ, bytesOf(typ, w)); err != nil {
							t.Fatal(err)
						}
						names = append(names, name)
						values = append(values, held...)
						want = append(want, reference(held, bits, l.Zero)...)
					}
				}
				cols := len(values) / rows
				planes := newPlanes(l, rows, cols)
				if err := quant.QuantizeRows(planes, l, typ, bytesOf(typ, values), rows, cols); err != nil {
					t.Fatal(err)
				}
				got := unpack(t, l, planes, rows, cols)
				for i := range got {
					if got[i] != want[i] { // the sign of a zero is not a value that quants can hold
						t.Fatalf("group %q: weight %g becomes %g, want %g", names[i/l.Group], values[i], got[i], want[i])
					}
				}
			})
		}
	}
}

// TestQuantizeRandom compares many more groups, of random spread and offset.
func TestQuantizeRandom(t *testing.T) {
	rng := rand.New(rand.NewPCG(9, 10))
	const rows, cols = 64, 1024
	values := make([]float32, rows*cols)
	for g := range len(values) / 32 {
		spread, offset := math.Exp2(rng.Float64()*30-24), rng.NormFloat64()*float64(rng.IntN(2))
		for i := range 32 {
			values[32*g+i] = float32(spread * (rng.NormFloat64() + offset))
		}
	}
	for _, l := range groupLayouts {
		bits := 8
		if l.Kind == quant.LayoutQ4 {
			bits = 4
		}
		planes := newPlanes(l, rows, cols)
		if err := quant.QuantizeRows(planes, l, quant.F32, bytesOf(quant.F32, values), rows, cols); err != nil {
			t.Fatal(err)
		}
		got := unpack(t, l, planes, rows, cols)
		for g := range len(values) / l.Group {
			want := reference(values[g*l.Group:][:l.Group], bits, l.Zero)
			for i, f := range want {
				if e := g*l.Group + i; got[e] != f {
					t.Fatalf("%v: weight %g becomes %g, want %g", l, values[e], got[e], f)
				}
			}
		}
	}
}

func TestScheme(t *testing.T) {
	for _, c := range []struct {
		s     quant.Scheme
		ok    bool
		name  string
		plane string
	}{
		{quant.Scheme{}, true, "none", "layout(0)"},
		{quant.Scheme{Bits: 8, Group: 32}, true, "int8 in groups of 32", "q8g32"},
		{quant.Scheme{Bits: 4, Group: 128, Zero: true}, true, "int4 in groups of 128 with zero points", "q4g128z"},
		{quant.Scheme{Bits: 4, Group: 64}, false, "int4 in groups of 64", "q4g64"},
		{quant.Scheme{Bits: 3, Group: 32}, false, "int3 in groups of 32", "layout(0)"},
		{quant.Scheme{Group: 32}, false, "int0 in groups of 32", "layout(0)"},
	} {
		if (c.s.Check() == nil) != c.ok || c.s.String() != c.name || c.s.Layout().Name() != c.plane {
			t.Errorf("%+v: check %v, name %q, layout %v", c.s, c.s.Check(), c.s, c.s.Layout())
		}
	}
}

func BenchmarkRepack(b *testing.B) {
	const rows, cols = 64, 4096
	for _, typ := range goldenTypes {
		b.Run(fmt.Sprintf("%v/%dx%d", typ, rows, cols), func(b *testing.B) {
			row, _ := typ.RowBytes(cols)
			src, l := make([]byte, rows*row), quant.LayoutOf(typ)
			planes := newPlanes(l, rows, cols)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if err := quant.Repack(planes, l, typ, src, rows, cols); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkQuantizeRows(b *testing.B) {
	const rows, cols = 64, 4096
	values := make([]float32, rows*cols)
	rng := rand.New(rand.NewPCG(11, 12))
	for i := range values {
		values[i] = float32(rng.NormFloat64())
	}
	src := bytesOf(quant.BF16, values)
	for _, l := range groupLayouts {
		b.Run(fmt.Sprintf("%v/%dx%d", l, rows, cols), func(b *testing.B) {
			planes := newPlanes(l, rows, cols)
			b.SetBytes(int64(len(src)))
			for b.Loop() {
				if err := quant.QuantizeRows(planes, l, quant.BF16, src, rows, cols); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
