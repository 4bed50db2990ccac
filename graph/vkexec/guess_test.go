package vkexec

import (
	"context"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// TestRowsOfAGuess: the choices behind the rows of one step are those of as many steps of one row, with penalties that see
// the rows in front, and with activations in bytes.
func TestRowsOfAGuess(t *testing.T) {
	for _, c := range []struct {
		name, model string
		mask        vk.Mask
		o           Options
	}{
		{"plain", "qwen3-dense-tied", unmasked, Options{Splits: 1}},
		{"splits and folded norms", "qwen3-dense-tied", unmasked, Options{Splits: 2, FuseNorm: true, KV: "q8_0"}},
		{"quantised", "gguf-quants/Q4_0.gguf", unmasked, Options{Splits: 1}},
		{"activations in bytes", "gguf-quants/Q4_0.gguf", dots, Options{Splits: 1, Int8: Int8Always}},
		{"tier 0", "gguf-quants/Q4_0.gguf", vk.Mask{MaxTier: 0}, Options{Splits: 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			sizes := []int{1, 2, 4, 7, shaders.MaxColumns}
			if c.model != "qwen3-dense-tied" { // each size is a set of pipelines
				sizes = []int{2, shaders.MaxColumns}
				if testing.Short() && c.o.Int8 == "" {
					t.Skip("the kernels of further tiers are left to the full tests")
				}
			}
			c.o.Context = 64
			one, many := tiny(t, c.model, c.mask, c.o), tiny(t, c.model, c.mask, c.o)
			if c.o.Int8 != "" && one.int8.few == nil {
				t.Skip("the driver has no integer dot products")
			}
			ctx, prompt := context.Background(), []int32{5, 9, 5}
			for _, e := range []*Executor{one, many} {
				mapPages(e)
				if err := e.SetHistory(ctx, 0, prompt, nil, Penalties{Repetition: 1.3, Presence: 0.5, Frequency: 0.2}); err != nil {
					t.Fatal(err)
				}
				run(t, e, prompt, 0, TailNone)
			}
			at, listed := len(prompt), []int32(nil)
			step := func(e *Executor, ids []int32, start int, tail Tail, h History, listed []int32) *Result {
				r, err := e.Run(ctx, Step{IDs: ids, Seqs: []Seq{{Rows: len(ids), Start: start}}, Listed: listed}, tail, h)
				if err != nil {
					t.Fatal(err)
				}
				return r
			}
			for _, rows := range sizes {
				ids := make([]int32, rows)
				for i := range ids {
					ids[i] = int32(11*rows+5*(i/2)) % 300 // some twice
				}
				// The first row is counted with what was counted of the guess before; the others are seen by the rows behind.
				counted := append(slices.Clone(listed), ids[0])
				for _, tail := range []Tail{TailGreedyRows, TailTopKRows} {
					if tail == TailTopKRows { // the same again, counted already
						counted = nil
					}
					r := step(many, ids, at, tail, CountListed, counted)
					if tail == TailGreedyRows {
						for i, id := range ids {
							if want := step(one, []int32{id}, at+i, TailGreedy, CountAndPenalise, nil).IDs[0]; r.IDs[i] != want {
								t.Errorf("%d rows: row %d chooses %d, a step of its own %d", rows, i, r.IDs[i], want)
							}
						}
						continue
					}
					want := step(one, ids[rows-1:], at+rows-1, TailTopK, Penalise, nil).Candidates[0]
					got := r.Candidates[rows-1]
					if !slices.Equal(got.IDs, want.IDs) || !slices.Equal(got.Logits, want.Logits) || got.LogSumExp != want.LogSumExp {
						t.Errorf("%d rows: candidates of the last row are %v, of a step of its own %v", rows, got, want)
					}
				}
				at, listed = at+rows, ids[1:]
			}
		})
	}
}
