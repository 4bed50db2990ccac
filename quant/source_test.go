package quant_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/quant"
)

// TestBlocks: rows made one range at a time are those of the whole, as planes and as numbers.
func TestBlocks(t *testing.T) {
	for _, typ := range goldenTypes {
		src, want := blocks(t, typ)
		cols := max(32, typ.BlockSize())
		b := quant.Blocks{Type: typ, Rows: len(want) / cols, Cols: cols, Data: src}
		l := b.Layout()
		if rows, c := b.Shape(); rows != b.Rows || c != cols || l != quant.LayoutOf(typ) {
			t.Errorf("%v: shape [%d %d], layout %v", typ, rows, c, l)
		}
		var values, unpacked []float32
		for first, n := 0, 1; first < b.Rows; first, n = first+n, n%3+1 {
			n = min(n, b.Rows-first)
			part := make([]float32, n*cols)
			if err := b.Values(part, first, n); err != nil {
				t.Fatal(err)
			}
			values = append(values, part...)
			planes := newPlanes(l, n, cols)
			if err := b.Planes(planes, l, first, n); err != nil {
				t.Fatal(err)
			}
			unpacked = append(unpacked, unpack(t, l, planes, n, cols)...)
		}
		sameBits(t, values, want)
		sameBits(t, unpacked, want)
	}
}

// TestBlocksRefuses: rows that are not there, and the place of a weight that cannot be used.
func TestBlocksRefuses(t *testing.T) {
	data := make([]byte, 2*4*32)
	copy(data[2*(3*32+5):], []byte{0, 0x7c}) // an infinity in row 3, column 5
	b := quant.Blocks{Type: quant.F16, Rows: 4, Cols: 32, Data: data}
	if half.F16ToF32(0x7c00) != float32(math.Inf(1)) {
		t.Fatal("0x7c00 is not infinity")
	}
	err := b.Planes(newPlanes(b.Layout(), 2, 32), b.Layout(), 2, 2)
	var v *quant.ValueError
	if !errors.As(err, &v) || v.Row != 3 || v.Col != 5 {
		t.Errorf("got %v, want a complaint about row 3, column 5", err)
	}
	for _, r := range [][2]int{{-1, 1}, {0, 5}, {4, 1}, {2, -1}, {math.MaxInt, 2}, {1, math.MaxInt}} {
		if err := b.Values(nil, r[0], r[1]); err == nil || !strings.Contains(err.Error(), "not in a matrix of 4 rows") {
			t.Errorf("rows %v: %v", r, err)
		}
	}
	short := quant.Blocks{Type: quant.F16, Rows: 5, Cols: 32, Data: data}
	if err := short.Values(make([]float32, 32), 4, 1); err == nil || !strings.Contains(err.Error(), "fewer than 5 rows") {
		t.Errorf("a matrix without its last row: %v", err)
	}
	if err := (quant.Blocks{Rows: 1, Cols: 1}).Planes(nil, b.Layout(), 0, 1); err == nil {
		t.Error("no type has blocks")
	}
}
