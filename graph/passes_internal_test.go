package graph

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// archive is a txtar file: a comment, then named files.
type archive struct{ comment, before, after string }

func (a archive) String() string {
	return fmt.Sprintf("%s\n\n-- before --\n%s-- after --\n%s", a.comment, a.before, a.after)
}

// TestPasses prints a graph before and after each pass and holds both against testdata/plan; -update writes the files
// anew, to be read in the diff.
func TestPasses(t *testing.T) {
	mixed := func(name string) qwen {
		s := tiny
		s.mixed = name
		return s
	}
	normed := func(kind string) qwen {
		s := tiny
		s.norm = kind
		return s
	}
	sparseMixed := sparse
	sparseMixed.mixed = "ffn_up"
	ordered := func(orders string) qwen {
		s := tiny
		s.orders = orders
		return s
	}
	biased := func(name, other string) qwen {
		s := tiny
		s.norm, s.bias, s.mixed = "", name, other
		return s
	}
	sel := func(o Options) func(*Graph) { return func(g *Graph) { selectOutput(g, o) } }
	compile := func(o Options) func(*Graph) { return func(g *Graph) { *g = *Compile(g, o) } }
	for _, c := range []struct {
		name, why string
		graph     *Graph
		pass      func(*Graph)
	}{
		{"fuse_rope_kv", "One product of stacked weights, one node that norms, rotates and stores.", tiny.build(t), fuseRoPEKV},
		{"fuse_rope_kv_plain", "Without norms of queries and keys, as in Qwen2.", normed("").build(t), fuseRoPEKV},
		{"fuse_rope_kv_mixed", "attn_v is of another type: three products write slices of one tensor.", mixed("attn_v").build(t), fuseRoPEKV},
		{"fuse_rope_kv_row_norm", "Norms over all heads at once are another function: nothing may be fused.", normed("row").build(t), fuseRoPEKV},
		{"fuse_rope_kv_log_n", "Queries that are scaled behind the trained length, and see a window, as the first Qwen and Qwen2 have it.", func() *Graph {
			s := tiny
			s.norm, s.trained, s.window = "", 2048, 512
			return s.build(t)
		}(), fuseRoPEKV},
		{"fuse_rope_kv_bias", "The biases are stacked like the weights, as in Qwen2.", biased("attn", "").build(t), fuseRoPEKV},
		{"fuse_rope_kv_bias_some", "Only the values have a bias: it is stacked with zeros.", biased("attn_v", "").build(t), fuseRoPEKV},
		{"fuse_rope_kv_bias_mixed", "Three products, each with a bias of its own.", biased("attn", "attn_k").build(t), fuseRoPEKV},
		{"fuse_swiglu", "One product of gate and up rows in turn.", tiny.build(t), fuseSwiGLU},
		{"fuse_swiglu_mixed", "ffn_up is of another type: swiglu stays apart.", mixed("ffn_up").build(t), fuseSwiGLU},
		{"fuse_swiglu_shared", "The gate is read elsewhere: nothing may be fused.", fragment(t, func(b *Builder, x Value) Value {
			gate := square(b, x, "gate")
			return head(b, b.Add(gate, b.SwiGLU(gate, square(b, x, "up"))))
		}), fuseSwiGLU},
		{"fuse_swiglu_bias", "A bias comes between product and swiglu: they stay apart.", biased("ffn_up", "").build(t), fuseSwiGLU},
		{"fuse_bias", "Products add their biases.", biased("a", "").build(t), fuseBias},
		{"fuse_bias_shared", "The product is read without its bias too: they stay apart.", fragment(t, func(b *Builder, x Value) Value {
			y := square(b, x, "y")
			return head(b, b.Add(b.AddBias(y, tiny.weight("y.bias", 1, tiny.hidden)), y))
		}), fuseBias},
		{"fuse_residual_bias", "A product has one addend: its bias, not the residual stream.", biased("attn_output", "").build(t), func(g *Graph) { fuseBias(g); fuseResidual(g) }},
		{"fuse_experts", "Gate and up of each expert become one product; the shared expert stays for fuseSwiGLU.", sparse.build(t), fuseExperts},
		{"fuse_experts_mixed", "ffn_up is of another type: swiglu stays apart.", sparseMixed.build(t), fuseExperts},
		{"fuse_expert_sum", "The last product of the experts sums what it computes.", sparse.build(t), fuseExpertSum},
		{"compile_experts", "A decode step: sums and gates take the residual.", sparse.build(t), compile(Options{Output: LastLogits, OneRowEach: true, FuseNorm: true, SumExperts: true})},
		{"compile_experts_last", "The last chunk of a prompt: routing and experts run for the last row.", sparse.build(t), compile(Options{Output: LastLogits})},
		{"fuse_residual", "Products add what the residual stream holds.", tiny.build(t), fuseResidual},
		{"fuse_residual_shared", "A product that is read elsewhere keeps its own value, one without a product its addition.", fragment(t, func(b *Builder, x Value) Value {
			y := square(b, x, "y")
			z := b.Add(b.RMSNorm(y, tiny.weight("n", 1, tiny.hidden), 1e-6), y)
			return head(b, b.Add(z, x))
		}), fuseResidual},
		{"fuse_residual_both", "Of two products the first adds the second.", fragment(t, func(b *Builder, x Value) Value {
			return head(b, b.Add(square(b, x, "a"), square(b, x, "b")))
		}), fuseResidual},
		{"gather_input", "Weights keep their columns in an order, one for each input: one gather for each, and none in front of ffn_down.", ordered("input").build(t), func(g *Graph) {
			fuseRoPEKV(g)
			fuseSwiGLU(g)
		}},
		{"gather_weight", "Each weight has an order of its own: nothing can be joined.", ordered("weight").build(t), func(g *Graph) {
			fuseRoPEKV(g)
			fuseSwiGLU(g)
		}},
		{"select_cache_only", "No output: dropDead has the rest to do.", tiny.build(t), sel(Options{Output: CacheOnly})},
		{"select_all_logits", "LastRows goes, and every value has a row per token.", tiny.build(t), sel(Options{Output: AllLogits})},
		{"select_one_row_each", "LastRows is the identity where each sequence has one token.", tiny.build(t), sel(Options{Output: LastLogits, OneRowEach: true})},
		{"sink_last_rows", "The choice of the last rows moves up to the attention.", fused(tiny.build(t)), sinkLastRows},
		{"sink_last_rows_plain", "The same on the form without fusion.", tiny.build(t), sinkLastRows},
		{"sink_last_rows_shared", "y is read for all tokens too, by attention: the choice stays behind it.", fragment(t, func(b *Builder, x Value) Value {
			y := square(b, x, "y")
			kv := b.MatMul(y, tiny.weight("kv", tiny.kvHeads*tiny.headDim, tiny.hidden))
			b.StoreKV(b.RoPE(kv.Heads(tiny.kvHeads)), kv, 0)
			return head(b, b.LastRows(y))
		}), sinkLastRows},
		{"drop_dead", "What only leads to removed logits goes, the last layer's cache stays.", withoutOutput(tiny.build(t)), dropDead},
		{"fuse_norm", "Products norm what they read.", tiny.build(t), fuseNorm},
		{"fuse_norm_shared", "An addition reads the normed value too: it is kept.", fragment(t, func(b *Builder, x Value) Value {
			n := b.RMSNorm(x, tiny.weight("n", 1, tiny.hidden), 1e-6)
			return head(b, b.Add(n, square(b, n, "y")))
		}), fuseNorm},
		{"compile_prefill", "All but the last chunk of a prompt.", tiny.build(t), compile(Options{Output: CacheOnly})},
		{"compile_last", "The last chunk of a prompt.", tiny.build(t), compile(Options{Output: LastLogits})},
		{"compile_decode", "One token of each sequence.", tiny.build(t), compile(Options{Output: LastLogits, OneRowEach: true, FuseNorm: true})},
		{"compile_decode_bias", "All linear layers have a bias.", biased("_", "").build(t), compile(Options{Output: LastLogits, OneRowEach: true, FuseNorm: true})},
		{"compile_last_bias", "The choice of the last rows moves in front of biased products.", biased("_", "").build(t), compile(Options{Output: LastLogits})},
		{"adapters_bias", "A biased product keeps its bias beside the adapters' products.", fused(biased("attn", "").build(t)), adapted},
		{"adapters_plain", "Two adapters, of which both change the values: their A's are stacked, their B's lie side by side.", tiny.build(t), adapted},
		{"adapters_fused", "Fused products stay fused; swiglu follows the adapters' sum.", fused(tiny.build(t)), adapted},
		{"adapters_mixed", "Three products write slices of one tensor: one pair of small products serves them.", fused(mixed("attn_v").build(t)), adapted},
		{"adapters_decode", "One token of each sequence, the adapters read what they are trained on: normed inputs.", tiny.build(t), compile(Options{Output: LastLogits, OneRowEach: true, FuseNorm: true, Adapters: someAdapters()})},
		{"adapters_last", "The choice of the last rows moves in front of the adapters' products too.", tiny.build(t), compile(Options{Output: LastLogits, Adapters: someAdapters()})},
	} {
		t.Run(c.name, func(t *testing.T) {
			got := archive{comment: c.why, before: text(t, c.graph)}
			c.pass(c.graph)
			got.after = text(t, c.graph)
			if err := wellFormed(c.graph); err != nil {
				t.Error(err)
			}
			golden(t, filepath.Join("testdata", "plan", c.name+".txtar"), got.String())
		})
	}
}

// TestNearMisses: patterns that differ from what a pass replaces in one point stay as they are.
func TestNearMisses(t *testing.T) {
	w := func(name string, cols int) Weight { return tiny.weight(name, 1, cols) }
	other := func(b *Builder, x Value) Value { return b.RMSNorm(x, w("other", tiny.hidden), 1e-6) }
	// block is attention's; each branch reads its own input and is normed with its own eps, or not at all for 0.
	block := func(b *Builder, q, k, v Value, qEps, kEps float64) Value {
		rotated := func(name string, x Value, heads int, eps float64) Value {
			y := b.MatMul(x, tiny.weight(name, heads*tiny.headDim, tiny.hidden)).Heads(heads)
			if eps > 0 {
				y = b.RMSNorm(y, w(name+"_norm", tiny.headDim), eps)
			}
			return b.RoPE(y)
		}
		query, key := rotated("q", q, tiny.heads, qEps), rotated("k", k, tiny.kvHeads, kEps)
		b.StoreKV(key, b.MatMul(v, tiny.weight("v", tiny.kvHeads*tiny.headDim, tiny.hidden)), 0)
		return b.MatMul(b.Attention(query, 0, 1), tiny.weight("o", tiny.hidden, tiny.heads*tiny.headDim))
	}
	for name, c := range map[string]struct {
		pass func(*Graph)
		make func(b *Builder, x Value) Value
	}{
		"the value comes from another input":  {fuseRoPEKV, func(b *Builder, x Value) Value { return block(b, x, x, other(b, x), 1e-6, 1e-6) }},
		"the query comes from another input":  {fuseRoPEKV, func(b *Builder, x Value) Value { return block(b, other(b, x), x, x, 1e-6, 1e-6) }},
		"only the query is normed":            {fuseRoPEKV, func(b *Builder, x Value) Value { return block(b, x, x, x, 1e-6, 0) }},
		"query and key are normed unlike":     {fuseRoPEKV, func(b *Builder, x Value) Value { return block(b, x, x, x, 1e-6, 1e-5) }},
		"gate and up come from unlike inputs": {fuseSwiGLU, func(b *Builder, x Value) Value { return b.SwiGLU(square(b, x, "gate"), square(b, other(b, x), "up")) }},
		"up is read elsewhere": {fuseSwiGLU, func(b *Builder, x Value) Value {
			up := square(b, x, "up")
			return b.Add(b.SwiGLU(square(b, x, "gate"), up), up)
		}},
		"the gate is no product":                 {fuseSwiGLU, func(b *Builder, x Value) Value { return b.SwiGLU(other(b, x), square(b, x, "up")) }},
		"a product is added to itself":           {fuseResidual, func(b *Builder, x Value) Value { y := square(b, x, "y"); return b.Add(y, y) }},
		"the norm is by head":                    {fuseNorm, func(b *Builder, x Value) Value { return b.RMSNorm(x.Heads(2), w("n", tiny.headDim), 1e-6) }},
		"the last rows are those of the tokens":  {sinkLastRows, func(b *Builder, x Value) Value { return b.LastRows(x) }},
		"attention needs the rows of all tokens": {sinkLastRows, func(b *Builder, x Value) Value { b.StoreKV(x, x, 0); return b.LastRows(b.Attention(x, 0, 1)) }},
	} {
		g := fragment(t, func(b *Builder, x Value) Value { return head(b, c.make(b, x)) })
		before := g.clone()
		c.pass(g)
		if !reflect.DeepEqual(before.Nodes, g.Nodes) {
			g.Notes = nil
			t.Errorf("%s: the pass changed\n%s\ninto\n%s", name, text(t, before), text(t, g))
		}
	}
}

// someAdapters are two: one of queries, values and the whole feed-forward, one of values and the output.
func someAdapters() *Adapters {
	f32, bf16 := quant.LayoutOf(quant.F32), quant.LayoutOf(quant.BF16)
	one := &Adapter{Name: "one", Deltas: map[string]Delta{}}
	for _, name := range []string{"attn_q", "attn_v", "ffn_gate", "ffn_up", "ffn_down"} {
		one.Deltas["blk.0."+name+".weight"] = Delta{Rank: 5, Factor: 2, A: bf16, B: bf16}
	}
	two := &Adapter{Name: "two", Deltas: map[string]Delta{}}
	for _, name := range []string{"attn_v", "attn_output"} {
		two.Deltas["blk.0."+name+".weight"] = Delta{Rank: 40, Factor: 0.5, A: f32, B: f32}
	}
	return NewAdapters(one, two)
}

func adapted(g *Graph) { addAdapters(g, someAdapters()) }

// fused runs the passes that come before sinkLastRows.
func fused(g *Graph) *Graph {
	fuseRoPEKV(g)
	fuseSwiGLU(g)
	fuseBias(g)
	fuseResidual(g)
	return g
}

func withoutOutput(g *Graph) *Graph {
	g.Output = None
	return g
}

func text(t *testing.T, g *Graph) string {
	t.Helper()
	var b bytes.Buffer
	if err := g.Print(&b, "text", nil); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// golden compares got with a file.
func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if got == string(want) {
		return
	}
	g, w := strings.Split(got, "\n"), strings.Split(string(want), "\n")
	for i := range max(len(g), len(w)) {
		a, b := "(end)", "(end)"
		if i < len(g) {
			a = g[i]
		}
		if i < len(w) {
			b = w[i]
		}
		if a != b {
			t.Fatalf("%s, line %d:\n got %s\nwant %s", path, i+1, a, b)
		}
	}
}
