package vkexec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// unmasked is the device as it is.
var unmasked = vk.Mask{MaxTier: vk.AllTiers}

// tiny opens a golden model and makes an executor for it.
func tiny(t *testing.T, name string, mask vk.Mask, o Options) *Executor {
	t.Helper()
	return tinyOn(t, vktest.Open(t, mask), name, o)
}

func tinyOn(t *testing.T, dev *vk.Device, name string, o Options) *Executor {
	t.Helper()
	e, err := tryTiny(t, dev, name, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(e.Close)
	return e
}

func tryTiny(t *testing.T, dev *vk.Device, name string, o Options) (*Executor, error) {
	t.Helper()
	c, err := loader.Open(testkit.Path(t, filepath.Join("golden", name)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	m, err := model.New(c, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return New(context.Background(), dev, m.Graph, func(name string) (quant.Source, error) {
		w, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("no tensor %s", name)
		}
		return w.Source(), nil
	}, o)
}

// poison fills everything that a step must not read before writing it with NaN.
func poison(t *testing.T, e *Executor, kv bool) {
	t.Helper()
	const nan = 0x7fff7fff // NaN as one float32 and as two float16
	rec := e.dev.NewRecorder()
	buffers := []*vk.Buffer{e.arena, e.partial, e.reduce}
	if kv {
		for _, shards := range e.kv.layers {
			for _, s := range shards {
				buffers = append(buffers, s.buffer)
			}
		}
	}
	for _, b := range buffers {
		rec.Fill(whole(b), nan)
	}
	c, err := rec.Finish("poison")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if err := e.dev.Run(context.Background(), c); err != nil {
		t.Fatal(err)
	}
}

// mapPages gives slot 0 its pages in an order that no arithmetic on page numbers survives.
func mapPages(e *Executor) {
	pages := make([]uint32, e.step.MaxBlocks)
	for i := range pages {
		pages[i] = uint32((i*5 + 3) % len(pages))
	}
	seen := slices.Clone(pages)
	slices.Sort(seen)
	if len(slices.Compact(seen)) != len(pages) {
		for i := range pages {
			pages[i] = uint32(len(pages) - 1 - i)
		}
	}
	e.SetBlocks(0, pages)
}

func run(t *testing.T, e *Executor, ids []int32, start int, tail Tail) *Result {
	t.Helper()
	r, err := e.Run(context.Background(), Step{IDs: ids, Seqs: []Seq{{Rows: len(ids), Start: start}}}, tail, NoHistory)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func logits(t *testing.T, e *Executor, r *Result) []float32 {
	t.Helper()
	x := make([]float32, e.Vocab())
	if err := e.Logits(context.Background(), r, 0, x); err != nil {
		t.Fatal(err)
	}
	for i, v := range x {
		if v != v || math.IsInf(float64(v), 0) {
			t.Fatalf("logit %d is %v", i, v)
		}
	}
	return x
}

func sameBits(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Fatalf("%s: logit %d is %v, want %v bit for bit", what, i, got[i], want[i])
		}
	}
}

// TestReplay replays one decode plan from length 1 to the full context over poisoned memory, and compares every step
// with a plan that was recorded just for it.
func TestReplay(t *testing.T) {
	for _, c := range []struct {
		name string
		kv   KVType
		o    Options
	}{
		{"qwen3-dense-tied", "f32", Options{Splits: 1}},
		{"qwen3-dense-tied", "f32", Options{Splits: 3, FuseNorm: true}},
		{"qwen3-dense-tied", "f16", Options{Splits: 1}},
		{"qwen3-dense-tied", "f16", Options{Splits: 3, FuseNorm: true}},
		{"qwen3-dense-tied", "q8_0", Options{Splits: 1}},
		{"qwen3-dense-tied", "q8_0", Options{Splits: 3, FuseNorm: true}},
		{"qwen3-dense-tied", "q4_0", Options{Splits: 3, FuseNorm: true}},
		{"qwen2-sliding", "f16", Options{Splits: 2, FuseNorm: true}},
		{"qwen2-sliding", "q8_0", Options{Splits: 2, FuseNorm: true}},
	} {
		name, kv, o := c.name, c.kv, c.o
		t.Run(fmt.Sprintf("%s/kv-%s/splits%d", name, kv, o.Splits), func(t *testing.T) {
			const context96 = 96
			o.Context, o.KV = context96, kv
			replayed, fresh := tiny(t, name, unmasked, o), tiny(t, name, unmasked, o)
			for _, e := range []*Executor{replayed, fresh} {
				poison(t, e, true)
				mapPages(e)
			}
			id := int32(7)
			for length := range context96 {
				poison(t, replayed, false)
				poison(t, fresh, false)
				var a *Result
				if length == 0 {
					a = run(t, replayed, []int32{id}, 0, TailGreedy)
				} else {
					var err error
					if a, err = replayed.Next(context.Background(), 1, NoHistory); err != nil {
						t.Fatal(err)
					}
				}
				for key, p := range fresh.plans {
					p.close()
					delete(fresh.plans, key)
				}
				b := run(t, fresh, []int32{id}, length, TailGreedy)
				sameBits(t, fmt.Sprintf("length %d", length+1), logits(t, replayed, a), logits(t, fresh, b))
				if a.IDs[0] != b.IDs[0] {
					t.Fatalf("length %d: id %d, want %d", length+1, a.IDs[0], b.IDs[0])
				}
				id = b.IDs[0]
			}
			if n := len(replayed.plans); n != 2 {
				t.Errorf("%d plans were recorded, want one for the first step and one for all others", n)
			}
		})
	}
}

// TestColumns: 2 to 8 tokens in one step give the bits of as many steps of one token.
func TestColumns(t *testing.T) {
	for _, o := range []Options{
		{Splits: 1}, {Splits: 2, FuseNorm: true}, {Splits: 2, FuseNorm: true, MergeApart: true}, {Splits: 1, KV: "q8_0"}, {Splits: 2, FuseNorm: true, KV: "q8_0"}, {Splits: 2, FuseNorm: true, KV: "q4_0"},
	} {
		o.Context = 64
		one, many := tiny(t, "qwen3-dense-tied", unmasked, o), tiny(t, "qwen3-dense-tied", unmasked, o)
		mapPages(one)
		mapPages(many)
		start := 0
		for n := 1; n <= shaders.MaxColumns; n++ {
			ids := make([]int32, n)
			for i := range ids {
				ids[i] = int32(13*n+7*i) % 300
			}
			r := run(t, many, ids, start, TailAllLogits)
			for i, id := range ids {
				want := logits(t, one, run(t, one, []int32{id}, start+i, TailLogits))
				got := make([]float32, many.Vocab())
				if err := many.Logits(context.Background(), r, i, got); err != nil {
					t.Fatal(err)
				}
				sameBits(t, fmt.Sprintf("%s, splits %d, %d columns, column %d", o.KV, o.Splits, n, i), got, want)
			}
			start += n
		}
	}
}

// TestShards forces a binding limit of 64 KiB, so that embedding, head, dense weights and cache lie in shards.
func TestShards(t *testing.T) {
	for _, kv := range []KVType{"f16", "q8_0", "q4_0"} {
		tokens := 320
		if kv != "f16" {
			tokens = 1344 // 42 pages: more than 64 KiB of blocks, too
		}
		t.Run(string(kv), func(t *testing.T) { compareShards(t, Options{Context: tokens, KV: kv}) })
	}
}

func compareShards(t *testing.T, o Options) {
	t.Helper()
	plain := tiny(t, "qwen3-dense-tied", unmasked, o)
	cut := tiny(t, "qwen3-dense-tied", vk.Mask{MaxTier: vk.AllTiers, MaxStorageBufferRange: 64 << 10, ForceStaging: true}, o)
	for name, m := range cut.weights.matrices {
		if len(m.shards) < 2 && m.bytes > 64<<10 {
			t.Errorf("%s lies in one shard of %d bytes", name, m.bytes)
		}
	}
	if cut.kv.shards() < 2 {
		t.Errorf("the cache lies in %d shard", cut.kv.shards())
	}
	for _, e := range []*Executor{plain, cut} {
		poison(t, e, true)
		mapPages(e)
	}
	limit := map[KVType]float64{"f16": 5e-4, "q8_0": 0.05, "q4_0": 0.5}[o.KV]
	start := 0
	most := cut.MaxRows(TailLogits)
	if most <= shaders.MaxColumns {
		t.Fatalf("steps of %d rows leave the tiled product out", most)
	}
	for _, n := range []int{1, most, 1, 9, 1, most, most, 2, most, most, most, most, most, most, most, most, most, most, most, most, 1} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(11*start+17*i+5) % 300
		}
		a, b := logits(t, plain, run(t, plain, ids, start, TailLogits)), logits(t, cut, run(t, cut, ids, start, TailLogits))
		for i := range a {
			// Only the order of f32 sums over the context differs: the f32 row of the goldens' tolerances. Both round
			// keys and values alike, but for one in 10^4 of a cache of blocks, which lies on the border of two quants.
			if d := math.Abs(float64(a[i] - b[i])); d > limit {
				t.Fatalf("%d tokens behind %d: logit %d differs by %g", n, start, i, d)
			}
		}
		start += n
	}
}

// TestTails compares the device's choices with its own logits.
func TestTails(t *testing.T) {
	e := tiny(t, "qwen3-dense-untied", unmasked, Options{Context: 64})
	mapPages(e)
	ids := []int32{5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}
	want := logits(t, e, run(t, e, ids, 0, TailLogits))
	order := make([]int32, len(want))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortFunc(order, func(a, b int32) int {
		switch {
		case want[a] > want[b]:
			return -1
		case want[a] < want[b]:
			return 1
		}
		return int(a - b)
	})
	if got := run(t, e, ids, 0, TailGreedy).IDs[0]; got != order[0] {
		t.Errorf("arg max %d, want %d", got, order[0])
	}
	c := run(t, e, ids, 0, TailTopK).Candidates[0]
	if len(c.IDs) != shaders.TopK {
		t.Fatalf("%d candidates, want %d", len(c.IDs), shaders.TopK)
	}
	for i, id := range c.IDs {
		if id != order[i] || c.Logits[i] != want[id] {
			t.Errorf("candidate %d is id %d with %v, want %d with %v", i, id, c.Logits[i], order[i], want[order[i]])
		}
	}
	var sum float64
	for _, v := range want {
		sum += math.Exp(float64(v) - float64(want[order[0]]))
	}
	if lse := float64(want[order[0]]) + math.Log(sum); math.Abs(lse-float64(c.LogSumExp)) > 1e-5*math.Abs(lse) {
		t.Errorf("log-sum-exp %v, want %v", c.LogSumExp, lse)
	}
}

// TestDispatchCounts keeps the figures that latency on a card depends on.
func TestDispatchCounts(t *testing.T) {
	const layers = 2
	for _, c := range []struct {
		o        Options
		perLayer int
		rest     int // embedding, last norm, head, two of the arg max
	}{
		{Options{Splits: 1}, 8, 5},
		{Options{Splits: 1, FuseNorm: true}, 6, 4},
		{Options{Splits: 2, FuseNorm: true}, 6, 4},
		{Options{Splits: 2, FuseNorm: true, MergeApart: true}, 7, 4},
	} {
		c.o.Context = 64
		e := tiny(t, "qwen3-dense-tied", unmasked, c.o)
		mapPages(e)
		run(t, e, []int32{1}, 0, TailGreedy)
		before := e.Stats()
		if _, err := e.Next(context.Background(), 1, NoHistory); err != nil {
			t.Fatal(err)
		}
		after := e.Stats()
		want := uint64(c.perLayer*layers + c.rest)
		if got := after.Dispatches - before.Dispatches; got != want {
			t.Errorf("splits %d, fused norms %v: %d dispatches per token, want %d", c.o.Splits, c.o.FuseNorm, got, want)
		}
		if got := after.Barriers - before.Barriers; got != want { // one in front of each but the first, one for the host
			t.Errorf("splits %d, fused norms %v: %d barriers per token, want %d", c.o.Splits, c.o.FuseNorm, got, want)
		}
		if c.o.Splits == 1 {
			a := Annotate(e.compiled(planKey{rows: 1, seqs: 1, widest: 1, tail: TailGreedy}), 64)
			if uint64(a.Total.Dispatches) != want || uint64(a.Total.Barriers) != want {
				t.Errorf("without a device %d dispatches and %d barriers are counted, want %d of each", a.Total.Dispatches, a.Total.Barriers, want)
			}
		}
		if got := after.Submits - before.Submits; got != 1 {
			t.Errorf("%d submits per token, want 1", got)
		}
	}
}

// TestBatch computes two sequences in one step, each in its own slot, and compares them with each alone: as prompts of
// different lengths, and as decode steps that follow on the device.
func TestBatch(t *testing.T) {
	o := Options{Context: 64, Slots: 2, KV: "f32", Splits: 2}
	both, alone := tiny(t, "qwen3-dense-tied", unmasked, o), tiny(t, "qwen3-dense-tied", unmasked, o)
	poison(t, both, true)
	poison(t, alone, true)
	for _, e := range []*Executor{both, alone} {
		e.SetBlocks(0, []uint32{3, 0})
		e.SetBlocks(1, []uint32{1, 2})
	}
	prompts := [][]int32{{9, 8, 7, 6, 5, 4, 3, 2, 1, 10, 11}, {21, 22, 23, 24, 25}}
	ctx := context.Background()
	batch, err := both.Run(ctx, Step{
		IDs:  append(slices.Clone(prompts[0]), prompts[1]...),
		Seqs: []Seq{{Slot: 0, Rows: len(prompts[0])}, {Slot: 1, Rows: len(prompts[1])}},
	}, TailGreedy, NoHistory)
	if err != nil {
		t.Fatal(err)
	}
	next := make([][]int32, 2) // ids of each sequence alone
	for slot, ids := range prompts {
		r, err := alone.Run(ctx, Step{IDs: ids, Seqs: []Seq{{Slot: slot, Rows: len(ids)}}}, TailGreedy, NoHistory)
		if err != nil {
			t.Fatal(err)
		}
		next[slot] = slices.Clone(r.IDs)
		if batch.IDs[slot] != r.IDs[0] {
			t.Errorf("slot %d: id %d in the batch, %d alone", slot, batch.IDs[slot], r.IDs[0])
		}
	}
	for slot, ids := range prompts {
		for step := range 12 {
			r, err := alone.Run(ctx, Step{IDs: []int32{next[slot][step]}, Seqs: []Seq{{Slot: slot, Rows: 1, Start: len(ids) + step}}}, TailGreedy, NoHistory)
			if err != nil {
				t.Fatal(err)
			}
			next[slot] = append(next[slot], r.IDs[0])
		}
	}
	step := Step{IDs: batch.IDs, Seqs: []Seq{{Slot: 0, Rows: 1, Start: len(prompts[0])}, {Slot: 1, Rows: 1, Start: len(prompts[1])}}}
	if batch, err = both.Run(ctx, step, TailGreedy, NoHistory); err != nil {
		t.Fatal(err)
	}
	for i := 1; ; i++ {
		for slot := range prompts {
			if batch.IDs[slot] != next[slot][i] {
				t.Fatalf("slot %d, step %d: id %d in the batch, %d alone", slot, i, batch.IDs[slot], next[slot][i])
			}
		}
		if i == 12 {
			break
		}
		if batch, err = both.Next(ctx, 2, NoHistory); err != nil {
			t.Fatal(err)
		}
	}
}

// TestCheckFinite poisons a norm weight of the second layer and wants the operation that meets it named.
func TestCheckFinite(t *testing.T) {
	e := tiny(t, "qwen3-dense-tied", unmasked, Options{Context: 64, CheckFinite: true})
	mapPages(e)
	run(t, e, []int32{1, 2, 3}, 0, TailGreedy)
	rec := e.dev.NewRecorder()
	rec.Fill(e.weights.vectors["blk.1.ffn_norm.weight"], 0x7fc00000)
	if err := e.runOnce(context.Background(), rec); err != nil {
		t.Fatal(err)
	}
	_, err := e.Run(context.Background(), Step{IDs: []int32{4}, Seqs: []Seq{{Rows: 1, Start: 3}}}, TailGreedy, NoHistory)
	if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "blk.1.ffn_norm") {
		t.Errorf("a NaN in blk.1.ffn_norm: %v", err)
	}
	e.options.CheckFinite = false
	_, err = e.Run(context.Background(), Step{IDs: []int32{4}, Seqs: []Seq{{Rows: 1, Start: 3}}}, TailGreedy, NoHistory)
	if !errors.Is(err, ErrNotFinite) {
		t.Errorf("without looking: %v", err)
	}
}
