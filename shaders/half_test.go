package shaders_test

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/shaders"
)

// Every f16 is widened exactly, by the integer code of tier 0.
func TestWidenEveryHalf(t *testing.T) {
	b := newBed(t)
	for _, m := range b.modules("embed") {
		if m.Variant.Weights != "f16" {
			continue
		}
		const side = 256
		var plane []byte
		ids := make([]uint32, side)
		for h := range 1 << 16 {
			plane = binary.LittleEndian.AppendUint16(plane, uint16(h))
		}
		for i := range ids {
			ids[i] = uint32(i)
		}
		y := output(side * side)
		constants := with(shaders.Tuning(m.Kernel, m.Variant, b.software(), 0, side, 0), map[string]uint32{"GROUP": 32, "ZERO": 0})
		push := shaders.EmbedPush{Rows: side, Cols: side, IDs: side, Stride: side}
		b.run(m, constants, push, [3]uint32{ceil(side, 8*int(constants["LOCAL_SIZE"])), side, 1},
			packed(plane), nil, nil, nil, uints(ids...), y)
		for h := range 1 << 16 {
			want := half.F16ToF32(uint16(h))
			if got := y.float(h); got != want && !(isNaN(got) && isNaN(want)) || math.Signbit(float64(got)) != math.Signbit(float64(want)) && !isNaN(want) {
				t.Fatalf("%s: f16 %#04x becomes %g, want %g", m.File, h, got, want)
			}
		}
	}
}

// Every f16, every tie between two of them, and the floats beside the ties are narrowed to nearest even, in every tier.
func TestNarrowToHalf(t *testing.T) {
	b := newBed(t)
	var values []float32
	for h := range 1 << 16 {
		bits := math.Float32bits(half.F16ToF32(uint16(h)))
		next := math.Float32bits(half.F16ToF32(uint16(h + 1)))
		tie := bits + (next-bits)/2
		values = append(values, math.Float32frombits(bits), math.Float32frombits(tie-1), math.Float32frombits(tie),
			math.Float32frombits(tie+1))
	}
	const dim = 256
	for _, m := range b.modules("rope_kv") {
		if m.Variant.KV != "f16" {
			continue
		}
		// Values travel as the v of rows with one key head and no query head.
		rows := len(values) / dim
		step := newBatch(rand.New(rand.NewPCG(12, 12)), sequence{0, rows, 0})
		qkv := make([]float32, 0, 2*len(values))
		for row := range rows {
			qkv = append(qkv, make([]float32, dim)...)
			qkv = append(qkv, values[row*dim:][:dim]...)
		}
		k, v := newCache("f16", step.pages, 1, dim), newCache("f16", step.pages, 1, dim)
		constants := with(shaders.Tuning(m.Kernel, m.Variant, b.software(), 0, dim, 0), map[string]uint32{"HEAD_DIM": dim, "QK_NORM": 0})
		push := shaders.RoPEKVPush{
			Rows: uint32(rows), KVHeads: 1, RowsAt: uint32(step.RowsAt()), BlocksAt: uint32(step.BlocksAt()),
			MaxBlocks: uint32(step.MaxBlocks), Pages: uint32(step.pages),
		}
		b.run(m, constants, push, [3]uint32{2, uint32(rows), 1}, floats(qkv), nil, nil,
			ropeTable(make([]float64, dim/2), rows), step.array(), nil, k.array, v.array)
		for i, value := range values {
			words, _ := v.row(step.page(0, i/dim), 0, i/dim)
			got, want := uint16(words[i%dim/2]>>(16*(i%2))), half.F32ToF16(value)
			if got != want && !(isNaN(half.F16ToF32(got)) && isNaN(value)) {
				t.Fatalf("%s: %g (%#08x) becomes %#04x, want %#04x", m.File, value, math.Float32bits(value), got, want)
			}
		}
	}
}
