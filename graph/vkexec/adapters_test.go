package vkexec

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// lora is an adapter that a test makes: rank and storage type for every product whose name contains one of the words.
type lora struct {
	name   string
	rank   int
	factor float64
	typ    quant.Type
	words  []string
}

// adapter is the lora for the products of a graph; the tensors of its matrices are added to a source.
func (l lora) adapter(g *graph.Graph, tensors map[string]quant.Source) *graph.Adapter {
	a := &graph.Adapter{Name: l.name, Deltas: map[string]graph.Delta{}}
	for name, w := range g.Products() {
		if !slices.ContainsFunc(l.words, func(word string) bool { return strings.Contains(name, word) }) {
			continue
		}
		layout := quant.LayoutOf(l.typ)
		a.Deltas[name] = graph.Delta{Rank: l.rank, Factor: l.factor, A: layout, B: layout}
		tensors[a.NameA(name)] = l.random(a.NameA(name), l.rank, w.Cols, 1/math.Sqrt(float64(w.Cols)))
		tensors[a.NameB(name)] = l.random(a.NameB(name), w.Rows, l.rank, 0.2/math.Sqrt(float64(l.rank)))
	}
	return a
}

func (l lora) random(name string, rows, cols int, std float64) quant.Source {
	rng := rand.New(rand.NewPCG(uint64(len(name)), uint64(rows*cols)+uint64(name[len(name)-1])))
	b := quant.Blocks{Type: l.typ, Rows: rows, Cols: cols}
	for range rows * cols {
		bits := math.Float32bits(float32(rng.NormFloat64() * std))
		switch l.typ {
		case quant.F16:
			h := half.F32ToF16(math.Float32frombits(bits))
			b.Data = append(b.Data, byte(h), byte(h>>8))
		case quant.BF16:
			b.Data = append(b.Data, byte(bits>>16), byte(bits>>24))
		default:
			b.Data = append(b.Data, byte(bits), byte(bits>>8), byte(bits>>16), byte(bits>>24))
		}
	}
	return b
}

// adapterBed is a model on the device with adapters, and its oracle.
type adapterBed struct {
	t       *testing.T
	e       *Executor
	m       *model.Model
	source  Source
	tensors map[string]quant.Source
	oracle  *cpuexec.Executor
}

func newAdapterBed(t *testing.T, path string, mo model.Options, mask vk.Mask, o Options) *adapterBed {
	t.Helper()
	c, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	b := &adapterBed{t: t, tensors: map[string]quant.Source{}}
	if b.m, err = model.New(c, mo); err != nil {
		t.Fatal(err)
	}
	b.source = func(name string) (quant.Source, error) {
		if s, ok := b.tensors[name]; ok {
			return s, nil
		}
		w, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("no tensor %s", name)
		}
		return w.Source(), nil
	}
	if b.e, err = New(context.Background(), vktest.Open(t, mask), b.m.Graph, b.source, o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.e.Close)
	b.oracle = cpuexec.New(b.m.Graph, cpuexec.Stored(b.source))
	poison(t, b.e, true)
	mapPages(b.e)
	return b
}

func (b *adapterBed) load(loras ...lora) *Adapters {
	b.t.Helper()
	var list []*graph.Adapter
	for _, l := range loras {
		list = append(list, l.adapter(b.m.Graph, b.tensors))
	}
	a, err := b.e.NewAdapters(context.Background(), graph.NewAdapters(list...), b.source)
	if err != nil {
		b.t.Fatal(err)
	}
	poison(b.t, b.e, true) // the arena may be another
	return a
}

// step runs ids behind start tokens of a slot.
func (b *adapterBed) step(a *Adapters, scales []float64, slot int, ids []int32, start int, tail Tail) *Result {
	b.t.Helper()
	r, err := b.e.Run(context.Background(), Step{
		IDs: ids, Seqs: []Seq{{Slot: slot, Rows: len(ids), Start: start}}, Adapters: a, Scales: scales,
	}, tail, NoHistory)
	if err != nil {
		b.t.Fatal(err)
	}
	return r
}

// compare runs prompts and tokens of 1 to 33 rows through device and oracle, whose form has no fusion at all.
func (b *adapterBed) compare(a *Adapters, scales []float64) {
	b.t.Helper()
	plain := graph.Compile(b.m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: true, Adapters: a.set})
	start := 0
	for _, n := range []int{17, 1, 5, 8, 2} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32((start+i)*37+11) % 256
		}
		want, err := b.oracle.Run(plain, cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: n, Start: start}}, Scales: scales})
		if err != nil {
			b.t.Fatal(err)
		}
		got := make([]float32, n*b.e.Vocab())
		r := b.step(a, scales, 0, ids, start, TailAllLogits)
		if err := b.e.Logits(context.Background(), r, 0, got); err != nil {
			b.t.Fatal(err)
		}
		compareRows(b.t, fmt.Sprintf("%d tokens behind %d", n, start), got, want.Logits, "f32")
		start += n
	}
}

var everything = []string{"attn_", "ffn_"}

// TestAdapters holds products with adapters against the oracle: odd ranks, types, several at once, negative scales;
// over dense and quantised weights, with the norms apart and folded in, in both tiers.
func TestAdapters(t *testing.T) {
	int4 := model.Options{Quantise: quant.Scheme{Bits: 4, Group: 32, Zero: true}}
	for _, c := range []struct {
		name   string
		path   string
		mo     model.Options
		loras  []lora
		scales []float64
	}{
		{"rank8", "golden/qwen3-dense-tied", model.Options{}, []lora{{"a", 8, 2, quant.F32, everything}}, []float64{1}},
		{"rank1", "golden/qwen3-dense-tied", model.Options{}, []lora{{"a", 1, 1, quant.BF16, []string{"attn_q.", "ffn_up", "ffn_down"}}}, []float64{-1}},
		{"rank64", "golden/qwen3-dense-untied", model.Options{}, []lora{{"a", 64, 0.5, quant.F16, []string{"attn_output", "ffn_gate", "output.weight"}}}, []float64{0.5}},
		{"int4", "golden/qwen3-dense-tied", int4, []lora{{"a", 5, 2, quant.F32, everything}}, []float64{1}},
		{"Q6_K", "golden/gguf-quants/Q6_K.gguf", model.Options{}, []lora{{"a", 5, 2, quant.F16, everything}}, []float64{1}},
		{"desc_act", "golden/gptq-awq/gptq-int4-descact-qwen3", model.Options{}, []lora{{"a", 5, 2, quant.BF16, everything}, {"b", 8, 1, quant.F32, []string{"ffn_"}}}, []float64{1, -0.5}},
		{"qwen2", "golden/qwen2-dense-tied", model.Options{}, []lora{{"a", 8, 2, quant.F32, everything}}, []float64{1}},
		{"qwen1", "golden/qwen1", model.Options{}, []lora{{"a", 8, 2, quant.F32, everything}}, []float64{1}},
		{"moe", "golden/qwen3moe-top2", model.Options{}, []lora{{"a", 8, 2, quant.F32, []string{"attn_"}}}, []float64{1}},
		{"three", "golden/qwen3-dense-tied", model.Options{}, []lora{
			{"a", 5, 1, quant.F32, everything}, {"b", 8, 1, quant.BF16, []string{"attn_q.", "attn_v", "ffn_down"}}, {"c", 40, 1, quant.F16, []string{"blk.1.", "token_embd"}},
		}, []float64{0.5, -2, 0.25}},
	} {
		for mask, m := range masks {
			// The kernels have tests of their own in every tier: here one case of each kind of weight is enough for tier 0.
			both := slices.Contains([]string{"rank8", "int4", "three"}, c.name)
			if mask != "tier1" && (mask != "tier0" || !both) || testing.Short() && (mask == "tier0" || !both && c.name != "desc_act") {
				continue
			}
			t.Run(c.name+"/"+mask, func(t *testing.T) {
				b := newAdapterBed(t, testkit.Path(t, c.path), c.mo, m, Options{Context: 64, KV: "f32", FuseNorm: mask == "tier1", Splits: 2})
				a := b.load(c.loras...)
				b.compare(a, c.scales)
				if t.Failed() {
					return
				}
				// The very same plans, other scales.
				plans := len(b.e.plans)
				for i := range c.scales {
					c.scales[i] *= -0.75
				}
				b.compare(a, c.scales)
				if len(b.e.plans) != plans {
					t.Errorf("%d plans, and %d after a change of scale", plans, len(b.e.plans))
				}
			})
		}
	}
}

// TestAdapterScaleZero: with the scale 0 an adapter changes no bit, whatever it holds.
func TestAdapterScaleZero(t *testing.T) {
	for _, fuse := range []bool{false, true} {
		b := newAdapterBed(t, testkit.Path(t, "golden/qwen3-dense-tied"), model.Options{}, unmasked, Options{Context: 64, FuseNorm: fuse, Slots: 2})
		b.e.SetBlocks(0, []uint32{0, 1})
		b.e.SetBlocks(1, []uint32{2, 3})
		a := b.load(lora{"a", 8, 5, quant.F32, everything}, lora{"b", 3, 5, quant.BF16, []string{"attn_q.", "token_embd"}})
		start := 0
		for _, n := range []int{20, 1, 1, 3} {
			ids := make([]int32, n)
			for i := range ids {
				ids[i] = int32(start*7+i*3+2) % 256
			}
			want := logits(t, b.e, b.step(nil, nil, 0, ids, start, TailLogits))
			got := logits(t, b.e, b.step(a, []float64{0, 0}, 1, ids, start, TailLogits))
			sameBits(t, fmt.Sprintf("norms folded %v, %d tokens behind %d", fuse, n, start), got, want)
			start += n
		}
	}
}

// TestAdapterReplay: a greedy answer that goes on from what the device left is that of steps which all begin on the
// host, with adapters as without, and two sequences with different adapters in turn do not touch each other.
func TestAdapterReplay(t *testing.T) {
	o := Options{Context: 64, FuseNorm: true, Slots: 2, Splits: 2}
	b := newAdapterBed(t, testkit.Path(t, "golden/qwen3-dense-tied"), model.Options{}, unmasked, o)
	b.e.SetBlocks(0, []uint32{3, 0})
	b.e.SetBlocks(1, []uint32{1, 2})
	one := b.load(lora{"a", 8, 4, quant.F32, everything})
	both := b.load(lora{"a", 8, 4, quant.F32, everything}, lora{"b", 5, 4, quant.F16, []string{"attn_v", "ffn_up"}})
	prompts := [][]int32{{9, 8, 7, 6, 5, 4, 3, 2, 1, 10, 11}, {21, 22, 23, 24, 25}}
	sets, scales := []*Adapters{one, both}, [][]float64{{1}, {-0.5, 1}}
	const steps = 12
	answers := make([][]int32, 2)
	for slot, ids := range prompts {
		answers[slot] = slices.Clone(b.step(sets[slot], scales[slot], slot, ids, 0, TailGreedy).IDs)
		r := b.step(sets[slot], scales[slot], slot, answers[slot], len(ids), TailGreedy)
		answers[slot] = append(answers[slot], r.IDs[0])
		for range steps - 1 {
			r, err := b.e.Next(context.Background(), 1, NoHistory)
			if err != nil {
				t.Fatal(err)
			}
			answers[slot] = append(answers[slot], r.IDs[0])
		}
	}
	if slices.Equal(answers[0], answers[1]) {
		t.Error("both answers are the same: the test tells nothing")
	}
	poison(t, b.e, true)
	got := make([][]int32, 2)
	for slot, ids := range prompts {
		got[slot] = slices.Clone(b.step(sets[slot], scales[slot], slot, ids, 0, TailGreedy).IDs)
	}
	for i := range steps {
		for slot, ids := range prompts {
			r := b.step(sets[slot], scales[slot], slot, []int32{got[slot][i]}, len(ids)+i, TailGreedy)
			got[slot] = append(got[slot], r.IDs[0])
		}
	}
	for slot := range prompts {
		if !slices.Equal(got[slot], answers[slot]) {
			t.Errorf("slot %d: in turn %v, alone %v", slot, got[slot], answers[slot])
		}
	}
}

// TestAdapterColumns: with adapters too, 2 to 8 tokens in one step give the bits of as many steps of one token.
func TestAdapterColumns(t *testing.T) {
	o := Options{Context: 64, FuseNorm: true, Slots: 2}
	b := newAdapterBed(t, testkit.Path(t, "golden/qwen3-dense-tied"), model.Options{}, unmasked, o)
	b.e.SetBlocks(0, []uint32{0, 1})
	b.e.SetBlocks(1, []uint32{2, 3})
	a := b.load(lora{"a", 5, 4, quant.BF16, everything})
	start := 0
	for _, n := range []int{1, 2, 5, shaders.MaxColumns} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(13*n+7*i) % 300
		}
		r := b.step(a, []float64{1}, 0, ids, start, TailAllLogits)
		rows := make([]float32, n*b.e.Vocab())
		if err := b.e.Logits(context.Background(), r, 0, rows); err != nil {
			t.Fatal(err)
		}
		for i, id := range ids {
			want := logits(t, b.e, b.step(a, []float64{1}, 1, []int32{id}, start+i, TailLogits))
			sameBits(t, fmt.Sprintf("%d columns, column %d", n, i), rows[i*b.e.Vocab():(i+1)*b.e.Vocab()], want)
		}
		start += n
	}
}

// TestAdapterShards: with bindings of 64 KiB the matrices of adapters lie in shards, and steps get shorter.
func TestAdapterShards(t *testing.T) {
	mask := vk.Mask{MaxTier: vk.AllTiers, MaxStorageBufferRange: 64 << 10, ForceStaging: true}
	path := writeModel(t, shape{vocab: 256, hidden: 64, layers: 1, heads: 2, kvHeads: 1, headDim: 32, ffn: 416}, func(rng *rand.Rand, _ string, x []float32) {
		for i := range x {
			x[i] = float32(0.3 + rng.NormFloat64()*0.2)
		}
	})
	b := newAdapterBed(t, path, model.Options{}, mask, Options{Context: 64, KV: "f32"})
	before := b.e.MaxRows(TailNone)
	a := b.load(lora{"a", 96, 0.5, quant.F32, append([]string{"output.weight"}, everything...)})
	if after := b.e.MaxRows(TailNone); after >= before {
		t.Errorf("steps of %d rows before and of %d with adapters, whose gate and up are one value", before, after)
	}
	cut := 0
	for _, m := range a.weights.matrices {
		cut = max(cut, len(m.shards))
	}
	if cut < 2 {
		t.Error("no matrix of the adapter lies in shards")
	}
	b.compare(a, []float64{1})
}

// TestAdapterDispatches keeps the price of adapters: two dispatches for each product that they change, of which one
// runs beside the product and one behind a barrier.
func TestAdapterDispatches(t *testing.T) {
	const layers = 2
	b := newAdapterBed(t, testkit.Path(t, "golden/qwen3-dense-tied"), model.Options{}, unmasked, Options{Context: 64, Splits: 1, FuseNorm: true})
	a := b.load(lora{"a", 8, 1, quant.F32, everything}, lora{"b", 8, 1, quant.F32, everything})
	count := func(a *Adapters, scales []float64) (dispatches, barriers uint64) {
		b.step(a, scales, 0, []int32{1}, 0, TailGreedy)
		before := b.e.Stats()
		if _, err := b.e.Next(context.Background(), 1, NoHistory); err != nil {
			t.Fatal(err)
		}
		after := b.e.Stats()
		return after.Dispatches - before.Dispatches, after.Barriers - before.Barriers
	}
	baseDispatches, baseBarriers := count(nil, nil)
	dispatches, barriers := count(a, []float64{1, 1})
	if want := baseDispatches + layers*4*2; dispatches != want {
		t.Errorf("%d dispatches per token, want %d", dispatches, want)
	}
	if want := baseBarriers + layers*4; barriers != want {
		t.Errorf("%d barriers per token, want %d", barriers, want)
	}
	annotated := Annotate(b.e.compiled(planKey{rows: 1, seqs: 1, widest: 1, tail: TailGreedy, adapters: a}), 64)
	if uint64(annotated.Total.Dispatches) != dispatches || uint64(annotated.Total.Barriers) != barriers {
		t.Errorf("without a device %d dispatches and %d barriers are counted", annotated.Total.Dispatches, annotated.Total.Barriers)
	}
}

// TestReleaseAdapters: memory and plans of adapters go with them, and the model goes on.
func TestReleaseAdapters(t *testing.T) {
	b := newAdapterBed(t, testkit.Path(t, "golden/qwen3-dense-tied"), model.Options{}, unmasked, Options{Context: 64})
	want := logits(t, b.e, b.step(nil, nil, 0, []int32{1, 2, 3}, 0, TailLogits))
	weights, _, _ := b.e.Memory()
	a := b.load(lora{"a", 8, 1, quant.F32, everything})
	if with, _, _ := b.e.Memory(); with != weights+a.Bytes() || a.Bytes() <= AdapterBytes(b.m.Graph, a.set) {
		t.Errorf("%d bytes of weights, %d with adapters of %d bytes (%d of matrices)", weights, with, a.Bytes(), AdapterBytes(b.m.Graph, a.set))
	}
	b.step(a, []float64{1}, 0, []int32{1, 2, 3}, 0, TailLogits)
	b.e.ReleaseAdapters(a)
	for key := range b.e.plans {
		if key.adapters != nil {
			t.Error("a plan with the released adapters is left")
		}
	}
	if left, _, _ := b.e.Memory(); left != weights {
		t.Errorf("%d bytes of weights are left of %d", left, weights)
	}
	sameBits(t, "after the release", logits(t, b.e, b.step(nil, nil, 0, []int32{1, 2, 3}, 0, TailLogits)), want)
}

// TestGoldenAdaptersTogether runs both golden adapters at once, and holds the device to the model whose weights both were
// merged into: W + Σ scale·factor·B·A, in float64 but for the rounding of the sum to float32.
func TestGoldenAdaptersTogether(t *testing.T) {
	b := newAdapterBed(t, testkit.Path(t, "golden/qwen3-dense-tied"), model.Options{}, unmasked, Options{Context: 64, KV: "f32"})
	var list []*graph.Adapter
	for i, name := range []string{"adapter", "adapter-rslora-qv"} {
		file, err := loader.OpenAdapter(testkit.Path(t, "golden/qwen3-lora/"+name))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { file.Close() })
		a, matrices, err := b.m.Adapter(file, fmt.Sprintf("golden%d", i))
		if err != nil {
			t.Fatal(err)
		}
		for name, m := range matrices {
			b.tensors[name] = m
		}
		list = append(list, a)
	}
	a, err := b.e.NewAdapters(context.Background(), graph.NewAdapters(list...), b.source)
	if err != nil {
		t.Fatal(err)
	}
	scales := []float64{1, -0.5}
	values := func(name string, n int) []float32 {
		source, err := b.source(name)
		if err != nil {
			t.Fatal(err)
		}
		x := make([]float32, n)
		rows, _ := source.Shape()
		if err := source.Values(x, 0, rows); err != nil {
			t.Fatal(err)
		}
		return x
	}
	merged := cpuexec.New(b.m.Graph, cpuexec.WeightsFunc(func(w graph.Weight) ([]float32, error) {
		x := values(w.Name, w.Rows*w.Cols)
		for i, adapter := range list {
			d, ok := adapter.Deltas[w.Name]
			if !ok {
				continue
			}
			down, up := values(adapter.NameA(w.Name), d.Rank*w.Cols), values(adapter.NameB(w.Name), w.Rows*d.Rank)
			for r := range w.Rows {
				for c := range w.Cols {
					sum := 0.0
					for k := range d.Rank {
						sum += float64(up[r*d.Rank+k]) * float64(down[k*w.Cols+c])
					}
					x[r*w.Cols+c] = float32(float64(x[r*w.Cols+c]) + scales[i]*d.Factor*sum)
				}
			}
		}
		return x, nil
	}))
	ids := make([]int32, 21)
	for i := range ids {
		ids[i] = int32(i*37+11) % 256
	}
	plain := graph.Compile(b.m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: true})
	want, err := merged.Run(plain, cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: len(ids)}}})
	if err != nil {
		t.Fatal(err)
	}
	got := make([]float32, len(ids)*b.e.Vocab())
	r := b.step(a, scales, 0, ids, 0, TailAllLogits)
	if err := b.e.Logits(context.Background(), r, 0, got); err != nil {
		t.Fatal(err)
	}
	compareRows(t, "both adapters", got, want.Logits, "f32")
}

// TestAdapterCheckFinite: the search for the first value that is no number knows the adapters' operations.
func TestAdapterCheckFinite(t *testing.T) {
	b := newAdapterBed(t, testkit.Path(t, "golden/qwen3-dense-tied"), model.Options{}, unmasked, Options{Context: 64, CheckFinite: true})
	a := b.load(lora{"a", 8, 4, quant.F32, []string{"blk.1.ffn_down"}})
	b.step(a, []float64{1}, 0, []int32{1, 2, 3}, 0, TailGreedy)
	_, err := b.e.Run(context.Background(), Step{IDs: []int32{4}, Seqs: []Seq{{Rows: 1, Start: 3}}, Adapters: a, Scales: []float64{3e38}}, TailGreedy, NoHistory)
	if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "blk.1.ffn_down.lora") {
		t.Errorf("with a scale beyond all numbers: %v", err)
	}
}
