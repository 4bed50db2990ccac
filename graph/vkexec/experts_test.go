package vkexec

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// TestOracleExperts runs the golden mixtures of experts in steps of 33, 1 and 5 rows: tiles over what each expert has,
// and the chosen matrices alone.
func TestOracleExperts(t *testing.T) {
	for _, name := range []string{"qwen3moe-top2", "qwen3moe-top8-mixed", "qwen2moe", "qwen2moe-mixed"} {
		path := testkit.Path(t, "golden/"+name)
		for _, mask := range []string{"tier0", "tier1"} {
			if testing.Short() && mask != "tier1" {
				continue
			}
			t.Run(name+"/"+mask, func(t *testing.T) {
				compareWithOracle(t, path, model.Options{}, masks[mask], Options{Context: 64, KV: "f32", FuseNorm: mask == "tier1"})
			})
		}
	}
}

// TestOracleExpertStores quantises experts on load, and leaves the router as it is.
func TestOracleExpertStores(t *testing.T) {
	if testing.Short() {
		t.Skip("compiles the experts' kernels for several types")
	}
	path := testkit.Path(t, "golden/qwen3moe-top2")
	f16 := quant.F16
	for name, mo := range map[string]model.Options{
		"int4": {Quantise: quant.Scheme{Bits: 4, Group: 32}},
		"int8": {Quantise: quant.Scheme{Bits: 8, Group: 128, Zero: true}}, // 64 columns of ffn_down: groups of 32 there
		"f16":  {Store: &f16},
	} {
		t.Run(name, func(t *testing.T) {
			compareWithOracle(t, path, mo, unmasked, Options{Context: 64, KV: "f32"})
		})
	}
}

// expertShape is the configuration of a mixture of experts that a test writes.
type expertShape struct {
	shape
	experts, used, inner int
}

// TestOracleExpertShapes runs numbers of experts that no published model has. Zeros in the router let all experts tie, so
// that every token goes to the first and the others are empty.
func TestOracleExpertShapes(t *testing.T) {
	base := shape{vocab: 257, hidden: 96, layers: 1, heads: 2, kvHeads: 1, headDim: 32, ffn: 64, tied: true}
	for _, c := range []struct {
		name string
		s    expertShape
		zero bool
	}{
		{"all of 3", expertShape{base, 3, 3, 32}, false},
		{"1 of 37", expertShape{base, 37, 1, 96}, false},
		{"ties", expertShape{base, 6, 2, 32}, true},
	} {
		if testing.Short() && !c.zero {
			continue
		}
		path := writeExperts(t, c.s, func(rng *rand.Rand, name string, x []float32) {
			for i := range x {
				x[i] = float32(rng.NormFloat64() * 0.15)
				if strings.Contains(name, "norm") {
					x[i]++
				}
				if c.zero && strings.HasSuffix(name, "mlp.gate.weight") {
					x[i] = 0
				}
			}
		})
		t.Run(c.name, func(t *testing.T) {
			compareWithOracle(t, path, model.Options{}, unmasked, Options{Context: 64, KV: "f32"})
		})
	}
}

// writeExperts writes a Qwen3-MoE folder in BF16.
func writeExperts(t *testing.T, s expertShape, fill func(rng *rand.Rand, name string, x []float32)) string {
	t.Helper()
	shapes := map[string][]int{"model.embed_tokens.weight": {s.vocab, s.hidden}, "model.norm.weight": {s.hidden}}
	q, kv := s.heads*s.headDim, s.kvHeads*s.headDim
	for l := range s.layers {
		layer := map[string][]int{
			"input_layernorm": {s.hidden}, "post_attention_layernorm": {s.hidden},
			"self_attn.q_norm": {s.headDim}, "self_attn.k_norm": {s.headDim},
			"self_attn.q_proj": {q, s.hidden}, "self_attn.k_proj": {kv, s.hidden}, "self_attn.v_proj": {kv, s.hidden},
			"self_attn.o_proj": {s.hidden, q}, "mlp.gate": {s.experts, s.hidden},
		}
		for e := range s.experts {
			name := fmt.Sprintf("mlp.experts.%d.", e)
			layer[name+"gate_proj"], layer[name+"up_proj"] = []int{s.inner, s.hidden}, []int{s.inner, s.hidden}
			layer[name+"down_proj"] = []int{s.hidden, s.inner}
		}
		for name, sizes := range layer {
			shapes[fmt.Sprintf("model.layers.%d.%s.weight", l, name)] = sizes
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	tensors := map[string]tensorData{}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := 1
		for _, d := range shapes[name] {
			n *= d
		}
		x := make([]float32, n)
		fill(rng, name, x)
		tensors[name] = tensorData{shapes[name], x}
	}
	dir := t.TempDir()
	writeSafetensors(t, filepath.Join(dir, "model.safetensors"), tensors)
	config, err := json.Marshal(map[string]any{
		"architectures": []string{"Qwen3MoeForCausalLM"}, "model_type": "qwen3_moe", "vocab_size": s.vocab, "hidden_size": s.hidden,
		"intermediate_size": s.ffn, "num_hidden_layers": s.layers, "num_attention_heads": s.heads, "num_key_value_heads": s.kvHeads,
		"head_dim": s.headDim, "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
		"tie_word_embeddings": s.tied, "torch_dtype": "bfloat16", "num_experts": s.experts, "num_experts_per_tok": s.used,
		"moe_intermediate_size": s.inner, "norm_topk_prob": true,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestExpertShards forces a binding limit of 64 KiB, so that the experts of a layer lie in several shards.
func TestExpertShards(t *testing.T) {
	o := Options{Context: 128, KV: "f16"}
	plain := tiny(t, "qwen3moe-top2", unmasked, o)
	cut := tiny(t, "qwen3moe-top2", vk.Mask{MaxTier: vk.AllTiers, MaxStorageBufferRange: 64 << 10, ForceStaging: true}, o)
	for name, m := range cut.weights.matrices {
		if m.pack.Experts == 0 {
			continue
		}
		if len(m.shards) < 2 {
			t.Errorf("%s lies in one shard of %d bytes", name, m.bytes)
		}
		for _, s := range m.shards {
			if per := m.pack.ExpertRows(); s.first%per != 0 || s.rows%per != 0 {
				t.Errorf("%s: rows %d to %d cut an expert of %d", name, s.first, s.first+s.rows, per)
			}
		}
	}
	for _, e := range []*Executor{plain, cut} {
		poison(t, e, true)
		mapPages(e)
	}
	start := 0
	for _, n := range []int{1, 30, 2, 9, 1} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(11*start+17*i+5) % 300
		}
		a, b := logits(t, plain, run(t, plain, ids, start, TailLogits)), logits(t, cut, run(t, cut, ids, start, TailLogits))
		for i := range a {
			if d := math.Abs(float64(a[i] - b[i])); d > 5e-4 { // the f32 row of the goldens' tolerances
				t.Fatalf("%d tokens behind %d: logit %d differs by %g", n, start, i, d)
			}
		}
		start += n
	}
}

// TestExpertTooLarge: an expert that no binding holds is refused with a sentence, before anything is allocated.
func TestExpertTooLarge(t *testing.T) {
	e := tiny(t, "qwen3moe-top2", unmasked, Options{Context: 32})
	caps := *e.dev.Caps()
	caps.MaxStorageBufferRange = 8 << 10
	for _, m := range e.weights.matrices {
		if m.pack.Experts == 0 {
			continue
		}
		if _, err := shardRows(m.pack, &caps); err == nil || !strings.Contains(err.Error(), "one expert of "+m.pack.Name) {
			t.Errorf("%s: %v", m.pack.Name, err)
		}
	}
}

// TestExpertColumns: 2 to 8 tokens in one step give the bits of as many steps of one token.
func TestExpertColumns(t *testing.T) {
	o := Options{Splits: 1, FuseNorm: true, Context: 64}
	one, many := tiny(t, "qwen3moe-top2", unmasked, o), tiny(t, "qwen3moe-top2", unmasked, o)
	mapPages(one)
	mapPages(many)
	start := 0
	for _, n := range []int{1, 3, shaders.MaxColumns} {
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
			sameBits(t, fmt.Sprintf("%d columns, column %d", n, i), got, want)
		}
		start += n
	}
}

// TestExpertReplay replays plans over poisoned memory, a prompt's with its indirect dispatches and a decode step's, and
// compares each with one recorded anew.
func TestExpertReplay(t *testing.T) {
	o := Options{Splits: 1, Context: 64}
	replayed, fresh := tiny(t, "qwen3moe-top2", unmasked, o), tiny(t, "qwen3moe-top2", unmasked, o)
	start := 0
	for round := range 3 {
		for _, n := range []int{18, 1, 1} {
			ids := make([]int32, n)
			for i := range ids {
				ids[i] = int32(29*round+7*i+n) % 300
			}
			for _, e := range []*Executor{replayed, fresh} {
				poison(t, e, start == 0)
				mapPages(e)
			}
			a := logits(t, replayed, run(t, replayed, ids, start, TailGreedy))
			for key, p := range fresh.plans {
				p.close()
				delete(fresh.plans, key)
			}
			sameBits(t, fmt.Sprintf("round %d, %d rows", round, n), a, logits(t, fresh, run(t, fresh, ids, start, TailGreedy)))
			start += n
		}
	}
}

// TestExpertDispatchCounts keeps the figures that latency on a card depends on, for layers of experts.
func TestExpertDispatchCounts(t *testing.T) {
	const layers = 2
	for _, c := range []struct {
		model    string
		o        Options
		rows     int
		perLayer int
		rest     int // embedding, last norm, head, two of the arg max
		beside   int // per layer: dispatches that run beside the one before, without a barrier
	}{
		{"qwen3moe-top2", Options{Splits: 1}, 1, 10, 5, 0},
		{"qwen3moe-top2", Options{Splits: 1, FuseNorm: true}, 1, 8, 4, 0},
		// The shared expert adds gate, gate and up, down, and the gated sum, none of which anything waits for.
		{"qwen2moe", Options{Splits: 1}, 1, 14, 5, 4},
		{"qwen2moe", Options{Splits: 1, FuseNorm: true}, 1, 12, 4, 4},
		// The sum is a dispatch of its own, and so are the tiles, which the last layer's one row needs not; two more choose
		// that row.
		{"qwen3moe-top2", Options{Splits: 1}, 24, 12, 5 + 2 - 1, 0},
		{"qwen3moe-top2", Options{Splits: 1}, 12, 11, 5 + 2, 0}, // few enough to do without tiles
	} {
		c.o.Context = 64
		e := tiny(t, c.model, unmasked, c.o)
		mapPages(e)
		run(t, e, make([]int32, c.rows), 0, TailGreedy)
		before := e.Stats()
		if c.rows > 1 {
			run(t, e, make([]int32, c.rows), 0, TailGreedy)
		} else if _, err := e.Next(context.Background(), 1, NoHistory); err != nil {
			t.Fatal(err)
		}
		after := e.Stats()
		want := uint64(c.perLayer*layers + c.rest)
		wantBarriers := want - uint64(c.beside*layers) // one in front of each other but the first, one for the host
		dispatches, barriers := after.Dispatches-before.Dispatches, after.Barriers-before.Barriers
		if dispatches != want {
			t.Errorf("%s, %d rows, fused norms %v: %d dispatches, want %d", c.model, c.rows, c.o.FuseNorm, dispatches, want)
		}
		if barriers != wantBarriers {
			t.Errorf("%s, %d rows, fused norms %v: %d barriers, want %d", c.model, c.rows, c.o.FuseNorm, barriers, wantBarriers)
		}
		if c.rows > 1 {
			continue
		}
		a := Annotate(e.compiled(planKey{rows: 1, seqs: 1, widest: 1, tail: TailGreedy}), 64)
		if uint64(a.Total.Dispatches) != want || uint64(a.Total.Barriers) != wantBarriers {
			t.Errorf("%s: without a device %d dispatches and %d barriers are counted, want %d and %d", c.model, a.Total.Dispatches, a.Total.Barriers, want, wantBarriers)
		}
	}
}

// TestIndirectAfterOtherBarrier: the barrier of a command between the one that writes indirect arguments and the one that
// takes them makes them visible to the latter.
func TestIndirectAfterOtherBarrier(t *testing.T) {
	args, other := &vk.Buffer{}, &vk.Buffer{}
	at := func(b *vk.Buffer) vk.Range { return vk.Range{Buffer: b, Size: 64} }
	written := writes(at(args))
	written.later = vk.IndirectRead
	var tr tracker
	tr.before([]access{access(written), access(writes(at(other)))})
	got := tr.before([]access{access(reads(at(other)))})
	if more := tr.before([]access{{Range: at(args), kind: vk.IndirectRead}}); len(more) > 0 {
		return // a barrier of its own would do as well
	}
	if !slices.ContainsFunc(got, func(b vk.Barrier) bool { return b.Range.Buffer == args && b.Dst&vk.IndirectRead != 0 }) {
		t.Errorf("no barrier makes the arguments visible: %+v", got)
	}
}
