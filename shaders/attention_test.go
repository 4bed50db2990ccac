package shaders_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
)

// attentionCase is one step of attention.
type attentionCase struct {
	name              string
	kvHeads, gqa, dim int
	sequences         []sequence
	splits            int
	window            int               // 0: none
	shards            int               // buffers that the cache lies in
	sharp             bool              // keys and queries grow from position to position
	tuning            map[string]uint32 // nil: as the table says
}

var attentionCases = []attentionCase{
	{name: "one token", kvHeads: 2, gqa: 2, dim: 128, sequences: []sequence{{0, 1, 0}}},
	{name: "decode", kvHeads: 2, gqa: 2, dim: 128, sequences: []sequence{{1, 1, 200}, {0, 1, 31}, {2, 1, 32}}},
	{name: "prefill", kvHeads: 1, gqa: 4, dim: 64, sequences: []sequence{{0, 33, 0}, {1, 9, 60}}},
	{name: "split", kvHeads: 1, gqa: 2, dim: 128, sequences: []sequence{{0, 1, 170}, {1, 2, 20}}, splits: 4},
	{name: "split among many", kvHeads: 2, gqa: 4, dim: 128, sequences: []sequence{{0, 2, 500}, {1, 1, 7}}, splits: 16},
	{name: "sharded", kvHeads: 2, gqa: 1, dim: 64, sequences: []sequence{{0, 5, 150}, {1, 1, 3}}, splits: 2, shards: 3},
	{name: "small window", kvHeads: 1, gqa: 7, dim: 64, sequences: []sequence{{0, 40, 0}, {1, 9, 60}}, window: 5},
	{name: "window of a page", kvHeads: 1, gqa: 2, dim: 128, sequences: []sequence{{0, 33, 31}, {1, 1, 32}, {2, 1, 31}}, window: 32},
	{name: "window over pages", kvHeads: 2, gqa: 1, dim: 64, sequences: []sequence{{0, 1, 200}, {1, 70, 3}}, window: 40},
	{name: "window beyond the context", kvHeads: 1, gqa: 2, dim: 64, sequences: []sequence{{0, 20, 50}}, window: 500},
	{name: "split window", kvHeads: 1, gqa: 2, dim: 128, sequences: []sequence{{0, 1, 170}, {1, 2, 20}}, splits: 4, window: 50},
	{name: "sharded window", kvHeads: 2, gqa: 1, dim: 64, sequences: []sequence{{0, 5, 150}, {1, 1, 3}}, splits: 2, shards: 3, window: 33},
	{
		name: "odd sizes", kvHeads: 1, gqa: 7, dim: 20, sequences: []sequence{{0, 3, 40}},
		tuning: map[string]uint32{"LOCAL_SIZE": 64, "BR": 3},
	},
	{
		name: "ragged head", kvHeads: 2, gqa: 2, dim: 40, sequences: []sequence{{0, 3, 40}},
		tuning: map[string]uint32{"LOCAL_SIZE": 64, "BR": 3},
	},
	{name: "head of three blocks", kvHeads: 2, gqa: 2, dim: 96, sequences: []sequence{{0, 1, 70}}},
	{
		name: "large head", kvHeads: 1, gqa: 1, dim: 256, sequences: []sequence{{0, 2, 40}},
		tuning: map[string]uint32{"LOCAL_SIZE": 32, "BR": 2},
	},
	{
		name: "wide group", kvHeads: 1, gqa: 2, dim: 64, sequences: []sequence{{0, 20, 40}},
		tuning: map[string]uint32{"LOCAL_SIZE": 256, "BR": 8},
	},
}

func TestAttention(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("attention") {
		for _, c := range attentionCases {
			if k := newCache(m.Variant.KV, 1, 1, 8); k.blocks() && c.dim%8 != 0 {
				continue // no model has such heads, and no word of theirs is whole
			}
			t.Run(m.File+"/"+c.name, func(t *testing.T) {
				b.TB = t
				rng := rand.New(rand.NewPCG(10, 10))
				got, want, _ := c.run(b, m, rng)
				check(t, "attention", got, want, func(int) float64 { return 1e-5 })
			})
		}
	}
}

// run fills a cache, poisoned wherever no row may look, and returns the device's result and the float64 one, and what
// rounding of the factors to f16 may change.
func (c attentionCase) run(b *bed, m shaders.Module, rng *rand.Rand) (got []float32, want, rounding []float64) {
	b.Helper()
	step := newBatch(rng, c.sequences...)
	heads := c.kvHeads * c.gqa
	k, v := newCache(m.Variant.KV, step.pages, c.kvHeads, c.dim), newCache(m.Variant.KV, step.pages, c.kvHeads, c.dim)
	slots := map[[3]int][2][]float64{} // slot, head, position: key and value
	for _, s := range c.sequences {
		for position := c.first(s.start); position < s.start+s.rows; position++ {
			for h := range c.kvHeads {
				page := step.page(s.slot, position)
				key := randoms(rng, c.dim)
				for i := range key {
					if c.sharp {
						key[i] *= float32(position) / 5
					}
				}
				slots[[3]int{s.slot, h, position}] = [2][]float64{
					k.store(page, h, position, key), v.store(page, h, position, randoms(rng, c.dim)),
				}
			}
		}
	}
	q := randoms(rng, step.Rows*heads*c.dim)
	scale := 1 / math.Sqrt(float64(c.dim))
	row := 0
	for _, s := range c.sequences {
		for token := range s.rows {
			for h := range heads {
				var keys [][2][]float64
				for position := c.first(s.start + token); position <= s.start+token; position++ {
					keys = append(keys, slots[[3]int{s.slot, h / c.gqa, position}])
				}
				wide := widen(q[(row*heads+h)*c.dim:][:c.dim])
				want = append(want, attend(wide, keys, float64(float32(scale)))...)
				rounding = append(rounding, attentionRounding(wide, keys, float64(float32(scale)))...)
			}
			row++
		}
	}
	return c.dispatch(b, m, step, q, k, v, float32(scale)), want, rounding
}

// first is the first position that the query at a position sees.
func (c attentionCase) first(position int) int {
	if c.window == 0 {
		return 0
	}
	return max(0, position+1-c.window)
}

// attend is softmax(q·K·scale)·V for one row.
func attend(q []float64, keys [][2][]float64, scale float64) []float64 {
	scores := make([]float64, len(keys))
	for i, kv := range keys {
		for d := range q {
			scores[i] += q[d] * kv[0][d] * scale
		}
	}
	greatest := slices.Max(scores)
	out, sum := make([]float64, len(q)), 0.0
	for i, kv := range keys {
		p := math.Exp(scores[i] - greatest)
		sum += p
		for d := range out {
			out[d] += p * kv[1][d]
		}
	}
	for d := range out {
		out[d] /= sum
	}
	return out
}

// dispatch runs attention over the shards of the cache, and the merge where it is needed. Splits are merged in both ways,
// which must agree to the bit.
func (c attentionCase) dispatch(b *bed, m shaders.Module, step *batch, q []float32, k, v cache, scale float32) (merged []float32) {
	b.Helper()
	heads, splits, shards := c.kvHeads*c.gqa, max(c.splits, 1), max(c.shards, 1)
	maxRows := 0
	for _, s := range c.sequences {
		maxRows = max(maxRows, s.rows*c.gqa)
	}
	tuning := c.tuning
	if unit, ok := b.device.Caps().MatrixUnit(); ok && m.Kernel == "attention_cm" {
		tuning = shaders.TuningMatrix("attention_cm", shaders.MatrixUnit(unit), b.software(), 0, maxRows, c.dim, 0)
	}
	if tuning == nil {
		tuning = shaders.Tuning("attention", m.Variant, b.software(), maxRows, c.dim, 0)
	}
	constants := with(tuning, map[string]uint32{"HEAD_DIM": uint32(c.dim), "GQA": uint32(c.gqa), "PARTIAL": 0})
	parts := splits * shards
	out := output(step.Rows * heads * c.dim * parts)
	ml := output(2 * step.Rows * heads * parts)
	if parts > 1 {
		constants["PARTIAL"] = 1
	}
	shardPages := (step.pages + shards - 1) / shards
	for shard := range shards {
		first := shard * shardPages
		pages := min(shardPages, step.pages-first)
		part := func(c cache) *array {
			words := len(c.words) / step.pages
			return uints(c.words[first*words : (first+pages)*words]...)
		}
		push := shaders.AttentionPush{
			Rows: uint32(step.Rows), Heads: uint32(heads), KVHeads: uint32(c.kvHeads),
			SeqsAt: uint32(step.SeqsAt()), BlocksAt: uint32(step.BlocksAt()), MaxBlocks: uint32(step.MaxBlocks),
			FirstPage: uint32(first), Pages: uint32(pages), Splits: uint32(splits), Part: uint32(shard * splits), Scale: scale, Window: uint32(c.window),
		}
		groups := [3]uint32{ceil(maxRows, int(tuning["BR"])), uint32(c.kvHeads * splits), uint32(step.Seqs)}
		b.run(m, constants, push, groups, floats(q), part(k), part(v), step.array(), out, ml)
		if splits > 1 && shards == 1 {
			defer func() {
				b.Helper()
				acc, ml, together := output(len(out.words)), output(len(ml.words)), output(step.Rows*heads*c.dim)
				arrived := uints(make([]uint32, int(groups[0])*c.kvHeads*step.Seqs)...)
				arrived.written = true
				for range 2 { // the second time finds the counters as the first left them
					b.run(m, with(constants, map[string]uint32{"PARTIAL": 2}), push, groups,
						floats(q), part(k), part(v), step.array(), acc, ml, together, arrived)
				}
				if slices.Max(arrived.words) != 0 {
					b.Errorf("counters of %v are left behind", arrived.words)
				}
				if !slices.Equal(together.floats(), merged) {
					b.Error("the splits that the last workgroup put together differ from those of a dispatch of its own")
				}
			}()
		}
	}
	if parts == 1 {
		return out.floats()
	}
	merge := b.modules("attention_merge")[0]
	mergeConstants := with(shaders.Tuning(merge.Kernel, merge.Variant, b.software(), 0, c.dim, 0),
		map[string]uint32{"HEAD_DIM": uint32(c.dim)})
	whole := output(step.Rows * heads * c.dim)
	out.written, ml.written = false, false
	b.run(merge, mergeConstants, shaders.MergePush{Rows: uint32(step.Rows), Heads: uint32(heads), Parts: uint32(parts)},
		[3]uint32{uint32(heads), uint32(step.Rows), 1}, out, ml, whole)
	return whole.floats()
}

// A row's bits do not depend on the rows beside it: eight tokens at once give what eight steps give.
func TestAttentionRowsAreEqual(t *testing.T) {
	t.Parallel()
	b := newBed(t)
	for _, m := range b.modules("attention") {
		t.Run(m.File, func(t *testing.T) {
			b.TB = t
			const tokens, start, gqa, dim = 8, 57, 2, 64
			rng := rand.New(rand.NewPCG(11, 11))
			step := newBatch(rng, sequence{0, tokens, start})
			k, v := newCache(m.Variant.KV, step.pages, 1, dim), newCache(m.Variant.KV, step.pages, 1, dim)
			fill := func(from, to int) {
				for position := from; position < to; position++ {
					k.store(step.page(0, position), 0, position, randoms(rng, dim))
					v.store(step.page(0, position), 0, position, randoms(rng, dim))
				}
			}
			q := randoms(rng, tokens*gqa*dim)
			var alone []float32
			fill(0, start)
			for token := range tokens {
				fill(start+token, start+token+1) // what comes later is still poison
				one := attentionCase{kvHeads: 1, gqa: gqa, dim: dim, sequences: []sequence{{0, 1, start + token}}}
				single := *step
				single.Rows, single.sequences = 1, one.sequences
				single.words = make([]uint32, single.Words())
				copy(single.words[single.SeqsAt():], []uint32{0, 0, 1, uint32(start + token)})
				copy(single.words[single.BlocksAt():], step.words[step.BlocksAt():])
				alone = append(alone, one.dispatch(b, m, &single, q[token*gqa*dim:][:gqa*dim], k, v, 0.125)...)
			}
			all := attentionCase{kvHeads: 1, gqa: gqa, dim: dim, sequences: []sequence{{0, tokens, start}}}
			if together := all.dispatch(b, m, step, q, k, v, 0.125); !slices.Equal(together, alone) {
				t.Fatal("eight tokens at once differ from one after the other")
			}
		})
	}
}
