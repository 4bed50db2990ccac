package vkexec

import (
	"encoding/binary"
	"math"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/shaders"
)

// ropeTable is the rotary table of the first ctx positions as "rope_kv" reads it: rows of headDim/2 pairs (cos, sin),
// first the RoPELow fine rows (positions 0..RoPELow-1, times the scale), then one coarse row per RoPELow positions.
// The angles are float64 until the last step: at position 100,000 a float32 angle is already off by 0.004.
func ropeTable(r graph.RoPE, ctx int) []byte {
	coarse := (ctx + shaders.RoPELow - 1) / shaders.RoPELow
	table := make([]byte, 0, (shaders.RoPELow+coarse)*len(r.InvFreq)*8)
	row := func(position, scale float64) {
		for _, f := range r.InvFreq {
			sin, cos := math.Sincos(position * f)
			table = binary.LittleEndian.AppendUint32(table, math.Float32bits(float32(cos*scale)))
			table = binary.LittleEndian.AppendUint32(table, math.Float32bits(float32(sin*scale)))
		}
	}
	for p := range shaders.RoPELow {
		row(float64(p), r.Scale)
	}
	for c := range coarse {
		row(float64(c*shaders.RoPELow), 1)
	}
	return table
}
