package quant_test

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/quant"
)

// parts are the tensors of a layer as package loader would hand them over.
func parts(l testkit.Quantised, tensors map[string]testkit.Tensor) quant.GroupedParts {
	p := quant.GroupedParts{
		Packing: quant.PackGPTQ, Bits: l.Bits, Rows: l.Rows, Cols: l.Cols, Group: l.Group,
		QWeight: tensors["qweight"].Data, QZeros: tensors["qzeros"].Data,
		Scales: tensors["scales"].Data, ScaleType: quant.F16, GroupIdx: tensors["g_idx"].Data,
		ActOrder: l.ActOrder, Symmetric: l.Symmetric,
	}
	if p.Group == 0 {
		p.Group = l.Cols
	}
	if l.AWQ {
		p.Packing = quant.PackAWQ
	} else if !l.V2 {
		p.ZeroOffset = 1
	}
	return p
}

func grouped(t *testing.T, p quant.GroupedParts) *quant.Grouped {
	t.Helper()
	g, err := quant.NewGrouped(p)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// layers are all forms of layers, with sizes that blocks of 16 rows and 256 columns do not divide.
func layers() []testkit.Quantised {
	var all []testkit.Quantised
	for _, size := range [][2]int{{24, 384}, {40, 1024}, {8, 32}, {56, 288}} {
		for _, group := range []int{0, 32, 64, 128} {
			l := testkit.Quantised{Rows: size[0], Cols: size[1], Group: group}
			if group == 128 && l.Cols == 32 {
				continue
			}
			awq := l
			awq.AWQ, awq.Bits = true, 4
			all = append(all, awq)
			for _, bits := range []int{4, 8} {
				for form := range 8 {
					l.Bits, l.V2, l.Symmetric, l.ActOrder = bits, form&1 > 0, form&2 > 0, form&4 > 0
					all = append(all, l)
				}
			}
		}
	}
	return all
}

// TestGrouped: numbers and planes are what the format's definition says in float64, bit for bit, whatever rows are asked
// for; planes have their columns in the order that Order tells.
func TestGrouped(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, layer := range layers() {
		t.Run(fmt.Sprintf("%+v", layer), func(t *testing.T) {
			tensors, weights := layer.Make(rng)
			g := grouped(t, parts(layer, tensors))
			want := make([]float32, len(weights))
			for i, w := range weights {
				want[i] = float32(w)
				if float64(want[i]) != w {
					t.Fatalf("weight %d, %v, is no float32", i, w)
				}
			}
			l := g.Layout()
			wide := layer.Cols%128 == 0 && (layer.Group == 0 || layer.Group == 128)
			if l.Zero == layer.Symmetric || (l.Kind == quant.LayoutQ4) != (layer.Bits == 4) || (l.Group == 128) != wide {
				t.Errorf("layout %v", l)
			}
			order, err := g.Order()
			if err != nil || (order != nil) != (layer.ActOrder && layer.Group > 0 && layer.Group < layer.Cols) {
				t.Fatalf("%d inputs in order, %v", len(order), err)
			}
			for first, n := 0, 1; first < layer.Rows; first, n = first+n, n%20+5 {
				n = min(n, layer.Rows-first)
				rows := want[first*layer.Cols : (first+n)*layer.Cols]
				got := make([]float32, len(rows))
				if err := g.Values(got, first, n); err != nil {
					t.Fatal(err)
				}
				sameNumbers(t, got, rows)
				planes := newPlanes(l, n, layer.Cols)
				if err := g.Planes(planes, l, first, n); err != nil {
					t.Fatal(err)
				}
				sameNumbers(t, inOrder(unpack(t, l, planes, n, layer.Cols), order, layer.Cols), rows)
			}
		})
	}
}

// inOrder puts columns that planes hold in some order back.
func inOrder(values []float32, order []int32, cols int) []float32 {
	if order == nil {
		return values
	}
	out := make([]float32, len(values))
	for e, v := range values {
		out[e-e%cols+int(order[e%cols])] = v
	}
	return out
}

// sameNumbers fails at the first difference; a zero has no sign here, since (q-z)·s of a negative scale may have one.
func sameNumbers(t *testing.T, got, want []float32) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Fatalf("value %d is %g, want %g", i, got[i], want[i])
		}
	}
}

// TestGroupedOtherLayouts: any layout that is not the layer's own gets its numbers, rounded.
func TestGroupedOtherLayouts(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	layer := testkit.Quantised{Rows: 40, Cols: 256, Bits: 4, Group: 32, ActOrder: true}
	tensors, weights := layer.Make(rng)
	g := grouped(t, parts(layer, tensors))
	order, _ := g.Order()
	var src []byte // the weights in order, as F32
	for e := range weights {
		src = binary.LittleEndian.AppendUint32(src, math.Float32bits(float32(weights[e-e%256+int(order[e%256])])))
	}
	for _, l := range []quant.Layout{
		{Kind: quant.LayoutF32},
		{Kind: quant.LayoutF16},
		{Kind: quant.LayoutBF16},
		{Kind: quant.LayoutQ8, Group: 32},
		{Kind: quant.LayoutQ4, Group: 128, Zero: true},
		{Kind: quant.LayoutQ4, Group: 32},
	} {
		want, got := newPlanes(l, 7, 256), newPlanes(l, 7, 256)
		if err := quant.Convert(want, l, quant.F32, src[11*1024:18*1024], 7, 256); err != nil {
			t.Fatal(err)
		}
		if err := g.Planes(got, l, 11, 7); err != nil {
			t.Fatal(err)
		}
		for p := range want {
			if !slices.Equal(got[p], want[p]) {
				t.Errorf("%v: plane %d differs", l, p)
			}
		}
	}
}

// TestGroupedThreads: rows may be made by many goroutines at once, the first of which reads g_idx.
func TestGroupedThreads(t *testing.T) {
	layer := testkit.Quantised{Rows: 64, Cols: 256, Bits: 8, Group: 64, ActOrder: true}
	tensors, weights := layer.Make(rand.New(rand.NewPCG(5, 6)))
	g := grouped(t, parts(layer, tensors))
	got := make([]float32, len(weights))
	var all sync.WaitGroup
	for first := 0; first < 64; first += 8 {
		all.Go(func() {
			if err := g.Values(got[first*256:(first+8)*256], first, 8); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for i, w := range weights {
		if got[i] != float32(w) {
			t.Fatalf("value %d is %g, want %g", i, got[i], w)
		}
	}
}

// TestGroupedUnsetIndex: a g_idx of zeros, which tools leave behind where groups are in order, is none.
func TestGroupedUnsetIndex(t *testing.T) {
	layer := testkit.Quantised{Rows: 16, Cols: 256, Bits: 4, Group: 128}
	tensors, weights := layer.Make(rand.New(rand.NewPCG(7, 8)))
	clear(tensors["g_idx"].Data)
	g := grouped(t, parts(layer, tensors))
	got := make([]float32, 256)
	if err := g.Values(got, 3, 1); err != nil {
		t.Fatal(err)
	}
	for i, v := range got {
		if v != float32(weights[3*256+i]) {
			t.Fatalf("input %d is %g, want %g", i, v, weights[3*256+i])
		}
	}
	p := parts(layer, tensors)
	p.ActOrder = true
	if _, err := grouped(t, p).Order(); err == nil || !strings.Contains(err.Error(), "256 inputs into group 0") && !strings.Contains(err.Error(), "0 inputs into group 1") {
		t.Errorf("act-order with all inputs in one of two groups: %v", err)
	}
}

// TestGroupedRefuses: parts that do not fit each other, and numbers that cannot be used.
func TestGroupedRefuses(t *testing.T) {
	base := testkit.Quantised{Rows: 16, Cols: 256, Bits: 4, Group: 128, ActOrder: true}
	for _, c := range []struct {
		want   string
		change func(p *quant.GroupedParts)
	}{
		{"holds nothing", func(p *quant.GroupedParts) { p.Rows = 0 }},
		{"holds nothing", func(p *quant.GroupedParts) { p.Group = -1 }},
		{"3 bits", func(p *quant.GroupedParts) { p.Bits = 3 }},
		{"8 bits", func(p *quant.GroupedParts) { p.Packing, p.Bits = quant.PackAWQ, 8 }},
		{"do not fill words", func(p *quant.GroupedParts) { p.Rows = 12 }},
		{"groups of 48", func(p *quant.GroupedParts) { p.Group = 48 }},
		{"groups of 264", func(p *quant.GroupedParts) { p.Cols, p.Group = 264, 1<<40 }},
		{"qweight", func(p *quant.GroupedParts) { p.QWeight = p.QWeight[4:] }},
		{"qzeros", func(p *quant.GroupedParts) { p.QZeros = nil }},
		{"scales", func(p *quant.GroupedParts) { p.Scales = append(p.Scales, 0, 0) }},
		{"scales", func(p *quant.GroupedParts) { p.ScaleType = quant.Q8_0 }},
		{"groups of 255 inputs", func(p *quant.GroupedParts) { p.GroupIdx = p.GroupIdx[4:] }},
	} {
		tensors, _ := base.Make(rand.New(rand.NewPCG(9, 10)))
		p := parts(base, tensors)
		c.change(&p)
		if _, err := quant.NewGrouped(p); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
	for _, c := range []struct {
		want   string
		change func(p *quant.GroupedParts)
	}{
		{"puts input 7 into group 2, there are 2", func(p *quant.GroupedParts) { p.GroupIdx[4*7] = 2 }},
		{"puts input 7 into group -1", func(p *quant.GroupedParts) { copy(p.GroupIdx[4*7:], "\xff\xff\xff\xff") }},
		{"puts 127 inputs into group 0", func(p *quant.GroupedParts) { move(p.GroupIdx) }},
		{"row 5, column 128 belongs to a block whose scale is not a finite", func(p *quant.GroupedParts) { copy(p.Scales[2*(16+5):], "\x00\x7e") }},
		{"zero point of row 6 in group 1 is", func(p *quant.GroupedParts) { p.Symmetric = true; setZeros(p, 8); p.QZeros[8+3] ^= 3 }},
	} {
		tensors, _ := base.Make(rand.New(rand.NewPCG(11, 12)))
		p := parts(base, tensors)
		c.change(&p)
		g := grouped(t, p)
		err := g.Planes(newPlanes(g.Layout(), 16, 256), g.Layout(), 0, 16)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("want %q, got %v", c.want, err)
		}
	}
	tensors, _ := base.Make(rand.New(rand.NewPCG(13, 14)))
	p := parts(base, tensors)
	p.ScaleType, p.Scales = quant.F32, make([]byte, 4*2*16)
	binary.LittleEndian.PutUint32(p.Scales[4*9:], math.Float32bits(70000))
	g := grouped(t, p)
	var v *quant.ValueError
	if err := g.Planes(newPlanes(g.Layout(), 8, 256), g.Layout(), 8, 8); !errors.As(err, &v) || v.Row != 9 || v.Col != 0 {
		t.Errorf("a scale beyond F16: %v", err)
	}
	if err := g.Values(make([]float32, 3), 0, 1); err == nil {
		t.Error("three values are a row of 256")
	}
}

// move takes one input out of group 0.
func move(idx []byte) {
	for i := 0; ; i += 4 {
		if idx[i] == 0 {
			idx[i] = 1
			return
		}
	}
}

// setZeros makes all zero points z, as GPTQ's first version stores them.
func setZeros(p *quant.GroupedParts, z byte) {
	for i := range p.QZeros {
		p.QZeros[i] = (z - 1) * 0x11
	}
}

// TestFP8: values by the definition of e4m3, in tiles that the matrix's edges cut.
func TestFP8(t *testing.T) {
	const rows, cols, tile = 200, 320, 128
	rng := rand.New(rand.NewPCG(15, 16))
	f := &quant.FP8{Rows: rows, Cols: cols, BlockRows: tile, BlockCols: tile, ScaleType: quant.BF16}
	scales := make([]float64, 2*3)
	for i := range scales {
		s := half.F32ToBF16(float32(0.0001 + rng.Float64()*0.01))
		if i == 4 {
			s = 0
		}
		scales[i] = float64(half.BF16ToF32(s))
		f.Scales = binary.LittleEndian.AppendUint16(f.Scales, s)
	}
	var want []float64
	for e := range rows * cols {
		b := byte(rng.Uint32())
		if b&0x7f == 0x7f {
			b = 0
		}
		if e < 256 && e&0x7f != 0x7f {
			b = byte(e)
		}
		f.Data = append(f.Data, b)
		// Sign, exponent with bias 7, fraction; an exponent of zero has no leading one.
		v := math.Pow(2, float64(b>>3&15)-7) * (1 + float64(b&7)/8)
		if b>>3&15 == 0 {
			v = math.Pow(2, -6) * float64(b&7) / 8
		}
		if b>>7 == 1 {
			v = -v
		}
		want = append(want, v*scales[e/cols/tile*3+e%cols/tile])
	}
	if err := f.Check(); err != nil {
		t.Fatal(err)
	}
	l := f.Layout()
	if order, err := f.Order(); l.Kind != quant.LayoutF16 || order != nil || err != nil {
		t.Errorf("layout %v, order %v, %v", l, order, err)
	}
	got := make([]float32, rows*cols)
	if err := f.Values(got, 0, rows); err != nil {
		t.Fatal(err)
	}
	planes := newPlanes(l, 90, cols)
	if err := f.Planes(planes, l, 100, 90); err != nil {
		t.Fatal(err)
	}
	packed := unpack(t, l, planes, 90, cols)
	for e, w := range want {
		if float64(got[e]) != w {
			t.Fatalf("element %d is %g, want %g", e, got[e], w)
		}
		if at := e - 100*cols; at >= 0 && at < len(packed) && !(math.Abs(float64(packed[at])-w) <= max(math.Abs(w)/2048, 1.0/(1<<25))) {
			t.Fatalf("element %d in planes is %g, want %g", e, packed[at], w)
		}
	}
	for _, bad := range []byte{0x7f, 0xff} {
		f.Data[150*cols+7] = bad
		var v *quant.ValueError
		if err := f.Planes(newPlanes(l, 51, cols), l, 149, 51); !errors.As(err, &v) || v.Row != 150 || v.Col != 7 {
			t.Errorf("byte %#x: %v", bad, err)
		}
	}
}

// TestFP8Range: scales that leave F16's range ask for BF16.
func TestFP8Range(t *testing.T) {
	for _, c := range []struct {
		scale float32
		want  quant.LayoutKind
	}{{1, quant.LayoutF16}, {0, quant.LayoutF16}, {146, quant.LayoutF16}, {147, quant.LayoutBF16}, {-147, quant.LayoutBF16}, {1e-7, quant.LayoutBF16}} {
		f := &quant.FP8{Rows: 1, Cols: 32, BlockRows: 1, BlockCols: 32, Data: make([]byte, 32), ScaleType: quant.F32}
		f.Scales = binary.LittleEndian.AppendUint32(nil, math.Float32bits(c.scale))
		f.Data[3] = 0x7e // 448
		if l := f.Layout(); l.Kind != c.want {
			t.Errorf("scale %g: layout %v", c.scale, l)
		}
		l := f.Layout()
		planes := newPlanes(l, 1, 32)
		if err := f.Planes(planes, l, 0, 1); err != nil {
			t.Error(err)
		} else if got, want := float64(unpack(t, l, planes, 1, 32)[3]), 448*float64(c.scale); math.Abs(got-want) > math.Abs(want)/256 {
			t.Errorf("scale %g: the largest weight is %g, want %g", c.scale, got, want)
		}
	}
	for _, f := range []*quant.FP8{
		{Cols: 32, BlockRows: 1, BlockCols: 1},
		{Rows: 2, Cols: 32, BlockRows: 1, BlockCols: 32, Data: make([]byte, 63), ScaleType: quant.F32, Scales: make([]byte, 8)},
		{Rows: 2, Cols: 32, BlockRows: 1, BlockCols: 31, Data: make([]byte, 64), ScaleType: quant.F32, Scales: make([]byte, 8)},
		{Rows: 2, Cols: 32, BlockRows: 1, BlockCols: 32, Data: make([]byte, 64), ScaleType: quant.Q8_0, Scales: make([]byte, 8)},
	} {
		if f.Check() == nil {
			t.Errorf("%+v is accepted", f)
		}
	}
}
