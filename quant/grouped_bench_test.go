package quant_test

import (
	"math/rand/v2"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/quant"
)

// BenchmarkGrouped unpacks layers of 1024 × 4096 on one thread; bytes are those of the planes.
func BenchmarkGrouped(b *testing.B) {
	for name, l := range map[string]testkit.Quantised{
		"gptq4":     {Bits: 4, Group: 128, Symmetric: true},
		"gptq4-act": {Bits: 4, Group: 128, ActOrder: true},
		"gptq8":     {Bits: 8, Group: 128},
		"awq":       {Bits: 4, Group: 128, AWQ: true},
	} {
		l.Rows, l.Cols = 1024, 4096
		tensors, _ := l.Make(rand.New(rand.NewPCG(1, 2)))
		g, err := quant.NewGrouped(parts(l, tensors))
		if err != nil {
			b.Fatal(err)
		}
		planes := newPlanes(g.Layout(), l.Rows, l.Cols)
		b.Run(name+"/rows", func(b *testing.B) { // one at a time, in any order
			b.SetBytes(int64(l.Rows * g.Layout().RowBytes(l.Cols)))
			one := newPlanes(g.Layout(), 1, l.Cols)
			for b.Loop() {
				for r := range l.Rows {
					if err := g.Planes(one, g.Layout(), r*37%l.Rows, 1); err != nil {
						b.Fatal(err)
					}
				}
			}
		})
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(l.Rows * g.Layout().RowBytes(l.Cols)))
			for b.Loop() {
				if err := g.Planes(planes, g.Layout(), 0, l.Rows); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
