package vkexec

import (
	"encoding/binary"
	"math"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/shaders"
)

// TestRoPEPositions turns by the table as "rope_kv" does, in float32, and compares sine and cosine with float64: the
// error must not grow with the position. Both factors are rounded to 2^-25 of at most 1, and the product of two such
// rotations rounds twice more: 4·2^-24 in all. A float32 angle would be off by 0.03 at position 1,000,000.
func TestRoPEPositions(t *testing.T) {
	const last = 1_000_000
	r := graph.RoPE{InvFreq: make([]float64, 64), Scale: 1.1386294361119891}
	for i := range r.InvFreq {
		r.InvFreq[i] = math.Pow(1e6, -float64(i)/64)
	}
	table := newRopeTables(&graph.Graph{RoPE: r}, last+1).bytes
	entry := func(row, i int) (c, s float32) {
		b := table[8*(row*len(r.InvFreq)+i):]
		return math.Float32frombits(binary.LittleEndian.Uint32(b)), math.Float32frombits(binary.LittleEndian.Uint32(b[4:]))
	}
	worst := 0.0
	for _, p := range []int{0, 1, 63, 64, 4095, 32767, 32768, 131071, 131072, 524287, 999_999, last} {
		for i, f := range r.InvFreq {
			fc, fs := entry(p%shaders.RoPELow, i)
			cc, cs := entry(shaders.RoPELow+p/shaders.RoPELow, i)
			c, s := float32(fc*cc)-float32(fs*cs), float32(fc*cs)+float32(fs*cc)
			sin, cos := math.Sincos(float64(p) * f)
			worst = max(worst, math.Abs(float64(c)/r.Scale-cos), math.Abs(float64(s)/r.Scale-sin))
		}
	}
	t.Logf("the worst sine or cosine is off by %.2g", worst)
	if worst > 4*0x1p-24 {
		t.Errorf("a sine or cosine is off by %.3g, accept %.3g", worst, 4*0x1p-24)
	}
}
