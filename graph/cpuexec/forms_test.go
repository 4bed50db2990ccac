package cpuexec_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/quant"
)

// small is a model of the Qwen3 family with sizes that differ from each other.
type small struct {
	layers, heads, kvHeads int
	qkNorm                 bool
	trained, window        int    // queries behind trained tokens are scaled, and see a window of positions; 0: not
	bias                   string // linear layers whose name contains it have a bias; "": none has
	mixed                  string // weights whose name contains it are stored in another layout than the rest
	experts                int    // of each layer's feed-forward, of which 3 are used beside one for all tokens; 0: dense
	orders                 string // linear weights have their columns in an order: "input": one for each input; "weight": one for each weight
}

const (
	smallHidden, smallHeadDim, smallInner, smallVocab = 96, 32, 160, 53
)

func (s small) String() string {
	return fmt.Sprintf("%d layers, %d/%d heads, norm %t, bias %q, mixed %q, %d experts, orders %q",
		s.layers, s.heads, s.kvHeads, s.qkNorm, s.bias, s.mixed, s.experts, s.orders)
}

func (s small) weight(name string, rows, cols int) graph.Weight {
	w := graph.Weight{Name: name, Rows: rows, Cols: cols, Layout: quant.LayoutOf(quant.F32)}
	if s.mixed != "" && strings.Contains(name, s.mixed) {
		w.Layout = quant.LayoutOf(quant.BF16)
	}
	if s.orders != "" && rows > 1 && name != "embd" {
		seed := name
		if s.orders == "input" {
			seed = strings.NewReplacer("attn_k", "attn_q", "attn_v", "attn_q", "ffn_up", "ffn_gate").Replace(name)
		}
		for _, i := range random(seed).Perm(cols) {
			w.Order = append(w.Order, int32(i))
		}
	}
	return w
}

func (s small) build(t testing.TB) *graph.Graph {
	t.Helper()
	rope := graph.RoPE{InvFreq: make([]float64, smallHeadDim/2), Scale: 1.25}
	for i := range rope.InvFreq {
		rope.InvFreq[i] = math.Pow(100, -float64(i)/float64(len(rope.InvFreq)))
	}
	const eps = 1e-6
	b := graph.NewBuilder("small", graph.KVShape{Layers: s.layers, Heads: s.kvHeads, HeadDim: smallHeadDim}, rope)
	embedding := s.weight("embd", smallVocab, smallHidden)
	h := b.Embed(embedding)
	for l := range s.layers {
		pre := fmt.Sprintf("blk.%d.", l)
		w := func(name string, rows, cols int) graph.Weight { return s.weight(pre+name+".weight", rows, cols) }
		linear := func(x graph.Value, name string, rows, cols int) graph.Value {
			y := b.MatMul(x, w(name, rows, cols))
			if s.bias == "" || !strings.Contains(name, s.bias) {
				return y
			}
			return b.AddBias(y, s.weight(pre+name+".bias", 1, rows))
		}
		head := func(x graph.Value, n int, norm string) graph.Value {
			x = x.Heads(n)
			if s.qkNorm {
				x = b.RMSNorm(x, w(norm, 1, smallHeadDim), eps)
			}
			return b.RoPE(x)
		}
		b.Layer(fmt.Sprintf("blk.%d", l))
		x := b.RMSNorm(h, w("attn_norm", 1, smallHidden), eps)
		q := head(linear(x, "attn_q", s.heads*smallHeadDim, smallHidden), s.heads, "attn_q_norm")
		k := head(linear(x, "attn_k", s.kvHeads*smallHeadDim, smallHidden), s.kvHeads, "attn_k_norm")
		b.StoreKV(k, linear(x, "attn_v", s.kvHeads*smallHeadDim, smallHidden), l)
		if s.trained > 0 {
			q = b.LogN(q, s.trained)
		}
		a := b.SlidingAttention(q, l, 1/math.Sqrt(smallHeadDim), s.window)
		h = b.Add(h, linear(a, "attn_output", smallHidden, s.heads*smallHeadDim))
		x = b.RMSNorm(h, w("ffn_norm", 1, smallHidden), eps)
		if s.experts > 0 {
			h = s.sparse(b, h, x, w)
			continue
		}
		f := b.SwiGLU(linear(x, "ffn_gate", smallInner, smallHidden), linear(x, "ffn_up", smallInner, smallHidden))
		h = b.Add(h, linear(f, "ffn_down", smallHidden, smallInner))
	}
	h = b.RMSNorm(b.LastRows(h), s.weight("output_norm", 1, smallHidden), eps)
	g, err := b.Build(b.MatMul(h, embedding))
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// sparse adds a feed-forward of experts to h; x is h normed.
func (s small) sparse(b *graph.Builder, h, x graph.Value, w func(name string, rows, cols int) graph.Weight) graph.Value {
	of := func(name string, rows, cols int) (all graph.Experts) {
		for e := range s.experts {
			all = append(all, w(fmt.Sprintf("%s.%d", name, e), rows, cols))
		}
		return all
	}
	route := b.Route(b.MatMul(x, w("ffn_gate_inp", s.experts, smallHidden)), 3, s.qkNorm)
	z := b.SwiGLU(b.MatMul(x, w("ffn_gate_shexp", smallInner, smallHidden)), b.MatMul(x, w("ffn_up_shexp", smallInner, smallHidden)))
	z = b.MatMul(z, w("ffn_down_shexp", smallHidden, smallInner))
	h = b.Add(b.Gate(z, b.MatMul(x, w("ffn_gate_inp_shexp", 1, smallHidden))), h)
	y := b.SwiGLU(b.ExpertMatMul(x, route, of("ffn_gate", smallInner, smallHidden)), b.ExpertMatMul(x, route, of("ffn_up", smallInner, smallHidden)))
	return b.Add(h, b.Combine(b.ExpertMatMul(y, route, of("ffn_down", smallHidden, smallInner)), route))
}

// randomWeights gives every weight numbers that depend on its name alone.
var randomWeights = cpuexec.WeightsFunc(func(w graph.Weight) ([]float32, error) {
	r := random(w.Name)
	values := make([]float32, w.Rows*w.Cols)
	for i := range values {
		values[i] = float32(r.NormFloat64() / math.Sqrt(float64(w.Cols)))
		if w.Rows == 1 {
			values[i] = 1 + values[i]
		}
	}
	return values, nil
})

// random is a source of numbers that depend on a name alone.
func random(name string) *rand.Rand {
	seed := fnv.New64a()
	seed.Write([]byte(name))
	return rand.New(rand.NewPCG(seed.Sum64(), 1))
}

var smalls = []small{
	{layers: 2, heads: 6, kvHeads: 2, qkNorm: true},
	{layers: 2, heads: 2, kvHeads: 2, qkNorm: false},
	{layers: 1, heads: 3, kvHeads: 1, qkNorm: true, mixed: "attn_v"}, // q, k and v cannot be stacked
	{layers: 2, heads: 4, kvHeads: 1, qkNorm: false, mixed: "blk.1.attn_q."},
	{layers: 2, heads: 4, kvHeads: 2, qkNorm: true, mixed: "ffn_up"}, // gate and up cannot be interleaved
	{layers: 2, heads: 2, kvHeads: 1, qkNorm: true, experts: 7},
	{layers: 1, heads: 2, kvHeads: 1, experts: 3, mixed: "ffn_up"}, // all experts are used, none can be interleaved
	{layers: 2, heads: 4, kvHeads: 2, qkNorm: true, orders: "input"},
	{layers: 2, heads: 2, kvHeads: 1, qkNorm: true, orders: "weight"}, // neither can be joined
	{layers: 2, heads: 6, kvHeads: 2, bias: "attn"},
	{layers: 2, heads: 2, kvHeads: 2, trained: 2, window: 3},
	{layers: 1, heads: 3, kvHeads: 1, bias: "attn_v", mixed: "attn_q"}, // three products, one biased
	{layers: 1, heads: 2, kvHeads: 1, qkNorm: true, bias: "_"},         // all are biased
	{layers: 1, heads: 2, kvHeads: 1, bias: "ffn_up"},                  // no fusion with swiglu
}

// forms lists every combination of Options.
func forms() []graph.Options {
	var all []graph.Options
	for _, output := range []graph.Output{graph.CacheOnly, graph.LastLogits, graph.AllLogits} {
		for bits := range 8 {
			all = append(all, graph.Options{
				Output: output, NoFuse: bits&1 != 0, FuseNorm: bits&2 != 0, OneRowEach: bits&4 != 0, SumExperts: bits&2 != 0,
			})
		}
	}
	return all
}

// The steps of TestForms: three sequences, of which the middle one has tokens already.
var (
	history = cpuexec.Step{IDs: []int32{9, 8, 7}, Seqs: []cpuexec.Seq{{Slot: 4, Rows: 3}}}
	chunk   = cpuexec.Step{IDs: []int32{1, 2, 3, 4, 5, 6, 0}, Seqs: []cpuexec.Seq{{Slot: 0, Rows: 4}, {Slot: 4, Rows: 1, Start: 3}, {Slot: 2, Rows: 2}}}
	next    = cpuexec.Step{IDs: []int32{50, 51, 52}, Seqs: []cpuexec.Seq{{Slot: 0, Rows: 1, Start: 4}, {Slot: 4, Rows: 1, Start: 4}, {Slot: 2, Rows: 1, Start: 2}}}
)

// TestForms: whatever the passes did to a graph, each value that is left and the cache are as the plain form has them.
func TestForms(t *testing.T) {
	for _, s := range smalls {
		m := s.build(t)
		plain := graph.Compile(m, graph.Options{Output: graph.AllLogits, NoFuse: true})
		oracle := cpuexec.New(m, randomWeights)
		run(t, oracle, plain, history)
		wantChunk := run(t, oracle, plain, chunk)
		wantNext := run(t, oracle, plain, next)
		for _, o := range forms() {
			t.Run(fmt.Sprintf("%v/%+v", s, o), func(t *testing.T) {
				g := graph.Compile(m, o)
				e := cpuexec.New(m, randomWeights)
				run(t, e, plain, history)
				if o.OneRowEach { // the form is for decoding
					run(t, e, plain, chunk)
					compare(t, g, o, run(t, e, g, next), wantNext, next)
					return
				}
				compare(t, g, o, run(t, e, g, chunk), wantChunk, chunk)
				compare(t, plain, graph.Options{Output: graph.AllLogits}, run(t, e, plain, next), wantNext, next) // reads the cache that g wrote
			})
		}
	}
}

// compare holds the logits and all values that both runs have against each other.
func compare(t failer, g *graph.Graph, o graph.Options, got, want *cpuexec.Result, s cpuexec.Step) {
	t.Helper()
	const tolerance = 1e-12
	var last []int
	for i, row := 0, -1; i < len(s.Seqs); i++ {
		row += s.Seqs[i].Rows
		last = append(last, row)
	}
	pick := func(all [][]float64, n int) [][]float64 { // all rows, or the last of each sequence
		if n == len(all) {
			return all
		}
		var some [][]float64
		for _, row := range last {
			some = append(some, all[row])
		}
		return some
	}
	if wantRows := map[graph.Output]int{graph.LastLogits: len(last), graph.AllLogits: len(s.IDs)}[o.Output]; len(got.Logits) != wantRows {
		t.Fatalf("%d rows of logits, want %d", len(got.Logits), wantRows)
	}
	if got.Logits != nil {
		if _, relative := distance(t, got.Logits, pick(want.Logits, len(got.Logits))); relative > tolerance {
			t.Errorf("logits are off by %.1e relative rms", relative)
		}
	}
	shared := 0
	for id, value := range got.Values {
		if want.Values[id] == nil {
			continue // made by a pass
		}
		shared++
		if _, relative := distance(t, rows(value), pick(rows(want.Values[id]), value.Rows)); relative > tolerance {
			t.Errorf("value %d (%s) is off by %.1e relative rms", id, g.Tensor(id).Name, relative)
		}
	}
	if shared == 0 && len(g.Nodes) > 0 {
		t.Error("no value was compared")
	}
}

// TestOrders: the order in which weights keep their columns changes no logit, but for the order of sums.
func TestOrders(t *testing.T) {
	for _, s := range smalls {
		if s.orders == "" {
			continue
		}
		logits := func(s small, o graph.Options) [][]float64 {
			m := s.build(t)
			return run(t, cpuexec.New(m, randomWeights), graph.Compile(m, o), history).Logits
		}
		same := s
		same.orders = ""
		want := logits(same, graph.Options{Output: graph.AllLogits, NoFuse: true})
		for _, noFuse := range []bool{false, true} {
			if _, relative := distance(t, logits(s, graph.Options{Output: graph.AllLogits, NoFuse: noFuse}), want); relative > 1e-12 {
				t.Errorf("%v, no fusion %t: logits are off by %.1e relative rms", s, noFuse, relative)
			}
		}
	}
}

// TestChunks: a prompt gives the same logits however it is cut, and beside other sequences as alone.
func TestChunks(t *testing.T) {
	m := smalls[0].build(t)
	g := graph.Compile(m, graph.Options{Output: graph.AllLogits})
	ids := []int32{3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5, 8, 9, 7}
	whole := prefill(t, cpuexec.New(m, randomWeights), g, ids, len(ids))
	for _, n := range []int{1, 3, 7} {
		if _, relative := distance(t, prefill(t, cpuexec.New(m, randomWeights), g, ids, n), whole); relative > 1e-12 {
			t.Errorf("chunks of %d: logits are off by %.1e relative rms", n, relative)
		}
	}
	e := cpuexec.New(m, randomWeights)
	prefill(t, e, g, []int32{7, 7, 7, 7, 7, 7}, 6) // slot 0 is used again from its start
	both := cpuexec.Step{IDs: append([]int32{8, 8}, ids...), Seqs: []cpuexec.Seq{{Slot: 1, Rows: 2}, {Slot: 0, Rows: len(ids)}}}
	if _, relative := distance(t, run(t, e, g, both).Logits[2:], whole); relative > 1e-12 {
		t.Errorf("beside another sequence: logits are off by %.1e relative rms", relative)
	}
}

// TestCausal: a token changes nothing before it, and everything after it.
func TestCausal(t *testing.T) {
	m := smalls[0].build(t)
	g := graph.Compile(m, graph.Options{Output: graph.AllLogits})
	ids := []int32{3, 1, 4, 1, 5, 9}
	a := prefill(t, cpuexec.New(m, randomWeights), g, ids, len(ids))
	ids[3] = 40
	b := prefill(t, cpuexec.New(m, randomWeights), g, ids, len(ids))
	for i := range a {
		if most, _ := distance(t, b[i:i+1], a[i:i+1]); (most == 0) != (i < 3) {
			t.Errorf("position %d: logits changed by %g when token 3 did", i, most)
		}
	}
}
