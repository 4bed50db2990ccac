package vkexec

import (
	"encoding/binary"
	"math"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/shaders"
)

// ropeTables are the rotary tables of a model as "rope_kv" reads them, one behind the other, and behind those the factors
// of queries, if there are any.
type ropeTables struct {
	bytes   []byte
	rows    int // of one table
	factors int // the pair of numbers where the factors begin, one for each position
}

// newRopeTables makes the tables of the first ctx positions. Each has rows of headDim/2 pairs (cos, sin), first the
// RoPELow fine rows (positions 0..RoPELow-1, times the scale), then one coarse row per RoPELow positions. The angles are
// float64 until the last step: at position 100,000 a float32 angle is already off by 0.004.
func newRopeTables(g *graph.Graph, ctx int) ropeTables {
	coarse := (ctx + shaders.RoPELow - 1) / shaders.RoPELow
	t := ropeTables{rows: shaders.RoPELow + coarse}
	row := func(frequencies []float64, position, scale float64) {
		for _, f := range frequencies {
			sin, cos := math.Sincos(position * f)
			t.append(cos * scale)
			t.append(sin * scale)
		}
	}
	for choice := range 1 + len(g.RoPE.Longer) {
		frequencies := g.RoPE.Frequencies(choice)
		for p := range shaders.RoPELow {
			row(frequencies, float64(p), g.RoPE.Scale)
		}
		for c := range coarse {
			row(frequencies, float64(c*shaders.RoPELow), 1)
		}
	}
	for _, n := range g.Nodes {
		if n.LogN > 0 { // the same in all layers
			t.factors = len(t.bytes) / 8
			for p := range (ctx + 1) / 2 * 2 {
				t.append(max(1, math.Log(float64(p+1))/math.Log(float64(n.LogN))))
			}
			break
		}
	}
	return t
}

func (t *ropeTables) append(v float64) {
	t.bytes = binary.LittleEndian.AppendUint32(t.bytes, math.Float32bits(float32(v)))
}
