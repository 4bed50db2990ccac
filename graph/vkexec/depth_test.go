package vkexec

import (
	"testing"

	"github.com/qwenvk/qwenvk/quant"
)

// TestDepthBytes: a decode step reads each key and value of the context once, as the cache stores it: all heads of a group
// lie in one tile of rows, so that the grid has one workgroup for each key head and split, and the splits share the pages.
// What a step reads at a depth is then weights + depth·KVTokenBytes, to the byte.
func TestDepthBytes(t *testing.T) {
	for _, kv := range []KVType{"f16", "q8_0", "q4_0"} {
		for _, splits := range []int{1, 4} {
			e := tiny(t, "qwen3-dense-tied", unmasked, Options{Context: 1024, KV: kv, Splits: splits, FuseNorm: true})
			l, err := e.lowerPlan(e.stepOf(1))
			if err != nil {
				t.Fatal(err)
			}
			shape, layers := e.model.KV, 0
			for _, d := range l.dispatches {
				if d.op != "attention" {
					continue
				}
				layers++
				if want := [3]uint32{1, uint32(shape.Heads * splits), 1}; d.groups != want {
					t.Errorf("%s, %d splits: a grid of %v, want %v: keys and values are read more than once", kv, splits, d.groups, want)
				}
			}
			perToken := 2 * uint64(layers) * uint64(shape.Heads) * uint64(quant.CacheRowBytes(string(kv), shape.HeadDim))
			if got := KVTokenBytes(shape, kv); got != perToken || layers != shape.Layers {
				t.Errorf("%s: a token of the context takes %d bytes, its %d layers read %d", kv, got, layers, perToken)
			}
		}
	}
}
