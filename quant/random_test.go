package quant_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
)

// randomLayouts are all layouts that weights can have.
func randomLayouts() []quant.Layout {
	var all []quant.Layout
	for t := quant.F32; t.Valid(); t++ {
		all = append(all, quant.LayoutOf(t))
	}
	for _, kind := range []quant.LayoutKind{quant.LayoutQ4, quant.LayoutQ8} {
		for _, group := range []int{32, 128} {
			all = append(all, quant.Layout{Kind: kind, Group: group, Zero: true}, quant.Layout{Kind: kind, Group: group})
		}
	}
	return all
}

// Random weights of every layout are finite, around zero, and as large as trained ones.
func TestRandomValues(t *testing.T) {
	const rows, cols = 64, 512
	for _, l := range randomLayouts() {
		planes := make([][]byte, l.Planes())
		for p := range planes {
			planes[p] = make([]byte, rows*l.PlaneRowBytes(p, cols))
		}
		source := quant.Random{Type: quant.F32, Rows: rows, Cols: cols, Seed: 7}
		if err := source.Planes(planes, l, 0, rows); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		w := make([]float32, rows*cols)
		if err := quant.Unpack(w, l, planes, rows, cols); err != nil {
			t.Fatalf("%s: %v", l, err)
		}
		var sum, squares, most float64
		distinct := map[float32]bool{}
		for _, v := range w {
			f := float64(v)
			sum, squares, most = sum+f, squares+f*f, max(most, math.Abs(f))
			distinct[v] = true
		}
		n := float64(len(w))
		rms := math.Sqrt(squares / n)
		if !(rms > 0.012 && rms < 0.045) || !(math.Abs(sum/n) < 0.3*rms) || !(most < 1) || len(distinct) < 3 {
			t.Errorf("%s: mean %g, root mean square %g, largest %g, %d values", l, sum/n, rms, most, len(distinct))
		}
	}
}

// Rows are the same whether they are made one by one or together, in all layouts, and differ from each other and by seed.
func TestRandomRows(t *testing.T) {
	const rows, cols = 5, 768 // rows that do not end with a word
	for _, l := range randomLayouts() {
		read := func(seed uint32, first, n int) [][]byte {
			planes := make([][]byte, l.Planes())
			for p := range planes {
				planes[p] = make([]byte, n*l.PlaneRowBytes(p, cols))
			}
			if err := (quant.Random{Type: quant.F16, Rows: rows, Cols: cols, Seed: seed}).Planes(planes, l, first, n); err != nil {
				t.Fatalf("%s: %v", l, err)
			}
			return planes
		}
		whole, other := read(1, 0, rows), read(2, 0, rows)
		if bytes.Equal(whole[0], other[0]) {
			t.Errorf("%s: two seeds give the same bytes", l)
		}
		for p := range whole {
			var parts []byte
			for r := range rows {
				parts = append(parts, read(1, r, 1)[p]...)
			}
			if !bytes.Equal(parts, whole[p]) {
				t.Errorf("%s: plane %d differs row by row", l, p)
			}
		}
		n := l.PlaneRowBytes(0, cols)
		if bytes.Equal(whole[0][:n], whole[0][n:2*n]) {
			t.Errorf("%s: two rows are the same", l)
		}
	}
}

// Values are those of the source's own planes.
func TestRandomSource(t *testing.T) {
	source := quant.Random{Type: quant.Q4_K, Rows: 3, Cols: 256, Seed: 9}
	if rows, cols := source.Shape(); rows != 3 || cols != 256 {
		t.Errorf("shape %d, %d", rows, cols)
	}
	all, last := make([]float32, 3*256), make([]float32, 256)
	if err := source.Values(all, 0, 3); err != nil {
		t.Fatal(err)
	}
	if err := source.Values(last, 2, 1); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(all[512:], last) {
		t.Error("the last row differs")
	}
	if err := source.Values(last, 3, 1); err == nil {
		t.Error("a fourth row was read")
	}
	ones := make([]float32, 64)
	if err := (quant.Ones{Cols: 64}).Values(ones, 0, 1); err != nil || ones[0] != 1 || ones[63] != 1 {
		t.Errorf("ones are %v, %v", ones[0], err)
	}
	plane := make([]byte, 256)
	if err := (quant.Ones{Cols: 64}).Planes([][]byte{plane}, quant.LayoutOf(quant.F32), 0, 1); err != nil || plane[255] != 0x3f {
		t.Errorf("the plane ends in %x, %v", plane[255], err)
	}
}
