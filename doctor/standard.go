package doctor

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"strings"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/quant"
)

// standardTypes are the types of weights of the standard set: those that most files have, at all numbers of columns, and the
// others at few.
var standardTypes = []struct {
	store  quant.Type   // the type of the random weights
	layout quant.Layout // as they lie on the device; zero: the type's own
	whole  bool
}{
	{quant.Q4_0, quant.Layout{}, true},
	{quant.Q8_0, quant.Layout{}, true},
	{quant.Q4_K, quant.Layout{}, true},
	{quant.Q6_K, quant.Layout{}, true},
	{quant.F16, quant.Layout{}, true},
	{quant.BF16, quant.Layout{}, false},
	{quant.F32, quant.Layout{}, false},
	{quant.F32, quant.Layout{Kind: quant.LayoutQ4, Group: 128, Zero: true}, false},
	{quant.F32, quant.Layout{Kind: quant.LayoutQ8, Group: 128, Zero: true}, false},
	{quant.Q4_1, quant.Layout{}, false},
	{quant.Q5_0, quant.Layout{}, false},
	{quant.Q5_1, quant.Layout{}, false},
	{quant.Q2_K, quant.Layout{}, false},
	{quant.Q3_K, quant.Layout{}, false},
	{quant.Q5_K, quant.Layout{}, false},
	{quant.IQ4_NL, quant.Layout{}, false},
	{quant.IQ4_XS, quant.Layout{}, false},
	{quant.MXFP4, quant.Layout{}, false},
	{quant.IQ1_S, quant.Layout{}, false},
	{quant.IQ1_M, quant.Layout{}, false},
	{quant.IQ2_XXS, quant.Layout{}, false},
	{quant.IQ2_XS, quant.Layout{}, false},
	{quant.IQ2_S, quant.Layout{}, false},
	{quant.IQ3_XXS, quant.Layout{}, false},
	{quant.IQ3_S, quant.Layout{}, false},
	{quant.TQ1_0, quant.Layout{}, false},
	{quant.TQ2_0, quant.Layout{}, false},
}

// standardSet are models of one layer with a type of weights each. Their widths are no multiples of what kernels read at a
// time, where the type allows it.
func standardSet() ([]examinee, error) {
	var all []examinee
	for _, t := range standardTypes {
		layout := t.layout
		if layout == (quant.Layout{}) {
			layout = quant.LayoutOf(t.store)
		}
		s := awkward(layout)
		g, err := s.build(layout)
		if err != nil {
			return nil, fmt.Errorf("doctor: the standard set: %w", err)
		}
		x := examinee{name: "standard " + layout.Name(), graph: g, source: s.source(t.store), kv: "f16", steps: fewSteps()}
		if t.whole {
			x.steps = wholeSteps(false)
		}
		all = append(all, x)
	}
	for _, kv := range vkexec.KVTypes() {
		s := awkward(quant.LayoutOf(quant.Q8_0))
		g, err := s.build(quant.LayoutOf(quant.Q8_0))
		if err != nil {
			return nil, err
		}
		all = append(all, examinee{name: "standard cache", graph: g, source: s.source(quant.Q8_0), kv: kv, steps: cacheSteps(), only: cacheOps})
	}
	s := awkward(quant.LayoutOf(quant.Q8_0))
	s.experts, s.used = 9, 3
	g, err := s.build(quant.LayoutOf(quant.Q8_0))
	if err != nil {
		return nil, err
	}
	return append(all, examinee{name: "standard experts", graph: g, source: s.source(quant.Q8_0), kv: "f16", steps: wholeSteps(false)}), nil
}

// sizes are those of a model of the standard set.
type sizes struct {
	hidden, inner, heads, kvHeads, headDim, vocab int
	experts, used                                 int // 0: dense
}

// awkward are sizes that rows of the layout may have, multiples of what a block needs and of nothing larger.
func awkward(l quant.Layout) sizes {
	s := sizes{hidden: 17 * 32, inner: 33 * 32, heads: 6, kvHeads: 2, headDim: 80, vocab: 3001}
	switch {
	case l.CheckCols(s.hidden) == nil:
	case l.CheckCols(384) == nil:
		s = sizes{hidden: 3 * 128, inner: 5 * 128, heads: 4, kvHeads: 2, headDim: 96, vocab: 3001}
	default:
		s = sizes{hidden: 3 * 256, inner: 5 * 256, heads: 8, kvHeads: 2, headDim: 96, vocab: 3001}
	}
	return s
}

func (s sizes) build(layout quant.Layout) (*graph.Graph, error) {
	const eps = 1e-6
	rope := graph.RoPE{InvFreq: make([]float64, s.headDim/2), Scale: 1}
	for i := range rope.InvFreq {
		rope.InvFreq[i] = math.Pow(1e6, -float64(i)/float64(len(rope.InvFreq)))
	}
	b := graph.NewBuilder("standard", graph.KVShape{Layers: 1, Heads: s.kvHeads, HeadDim: s.headDim}, rope)
	full := func(name string) string { return "blk.0." + name + ".weight" }
	w := func(name string, rows, cols int) graph.Weight {
		return graph.Weight{Name: full(name), Rows: rows, Cols: cols, Layout: layout}
	}
	vector := func(name string, n int) graph.Weight {
		return graph.Weight{Name: full(name), Rows: 1, Cols: n, Layout: quant.LayoutOf(quant.F32)}
	}
	head := func(x graph.Value, n int, norm string) graph.Value {
		return b.RoPE(b.RMSNorm(x.Heads(n), vector(norm, s.headDim), eps).Heads(n))
	}
	h := b.Embed(w("token_embd", s.vocab, s.hidden))
	b.Layer("blk.0")
	x := b.RMSNorm(h, vector("attn_norm", s.hidden), eps)
	q := b.MatMul(x, w("attn_q", s.heads*s.headDim, s.hidden))
	k := b.MatMul(x, w("attn_k", s.kvHeads*s.headDim, s.hidden))
	v := b.AddBias(b.MatMul(x, w("attn_v", s.kvHeads*s.headDim, s.hidden)), vector("attn_v.bias", s.kvHeads*s.headDim))
	q = head(q, s.heads, "attn_q_norm")
	b.StoreKV(head(k, s.kvHeads, "attn_k_norm"), v, 0)
	a := b.Attention(q, 0, 1/math.Sqrt(float64(s.headDim)))
	h = b.Add(h, b.MatMul(a, w("attn_output", s.hidden, s.heads*s.headDim)))
	h = s.feedForward(b, h, b.RMSNorm(h, vector("ffn_norm", s.hidden), eps), w)
	return b.Build(b.MatMul(b.RMSNorm(b.LastRows(h), vector("output_norm", s.hidden), eps), w("output", s.vocab, s.hidden)))
}

func (s sizes) feedForward(b *graph.Builder, h, x graph.Value, w func(string, int, int) graph.Weight) graph.Value {
	if s.experts == 0 {
		gate := b.MatMul(x, w("ffn_gate", s.inner, s.hidden))
		up := b.MatMul(x, w("ffn_up", s.inner, s.hidden))
		return b.Add(h, b.MatMul(b.SwiGLU(gate, up), w("ffn_down", s.hidden, s.inner)))
	}
	each := func(name string, rows, cols int) graph.Experts {
		all := make(graph.Experts, s.experts)
		for i := range all {
			all[i] = w(fmt.Sprintf("%s.%d", name, i), rows, cols)
		}
		return all
	}
	router := graph.Weight{Name: "blk.0.router.weight", Rows: s.experts, Cols: s.hidden, Layout: quant.LayoutOf(quant.F32)}
	route := b.Route(b.MatMul(x, router), s.used, true)
	gate := b.ExpertMatMul(x, route, each("ffn_gate", s.inner, s.hidden))
	up := b.ExpertMatMul(x, route, each("ffn_up", s.inner, s.hidden))
	return b.Add(h, b.Combine(b.ExpertMatMul(b.SwiGLU(gate, up), route, each("ffn_down", s.hidden, s.inner)), route))
}

// source are random weights of the type. Norms are random too: ones would hide a norm that forgets them.
func (s sizes) source(t quant.Type) vkexec.Source {
	return func(name string) (quant.Source, error) {
		h := fnv.New32a()
		_, _ = h.Write([]byte(name)) // never fails
		name = strings.TrimSuffix(strings.TrimPrefix(name, "blk.0."), ".weight")
		rows, cols := s.shape(name)
		switch {
		case rows == 1:
			return vector(cols, h.Sum32()), nil
		case name == "router":
			return quant.Random{Type: quant.F32, Rows: rows, Cols: cols, Seed: h.Sum32()}, nil
		}
		return quant.Random{Type: t, Rows: rows, Cols: cols, Seed: h.Sum32()}, nil
	}
}

// vector is a norm's weight, or a bias: numbers of either sign, near 1 or below.
func vector(n int, seed uint32) quant.Source {
	rng := rand.New(rand.NewPCG(uint64(seed), 1))
	var data []byte
	for range n {
		data = binary.LittleEndian.AppendUint32(data, math.Float32bits(float32(1+0.3*rng.NormFloat64())))
	}
	return quant.Blocks{Type: quant.F32, Rows: 1, Cols: n, Data: data}
}

// shape is that of the weight of a name.
func (s sizes) shape(name string) (rows, cols int) {
	part := name[:max(0, strings.LastIndexByte(name, '.'))] // of an expert's
	shapes := map[string][2]int{
		"token_embd": {s.vocab, s.hidden}, "output": {s.vocab, s.hidden}, "router": {s.experts, s.hidden},
		"attn_q": {s.heads * s.headDim, s.hidden}, "attn_k": {s.kvHeads * s.headDim, s.hidden}, "attn_v": {s.kvHeads * s.headDim, s.hidden},
		"attn_output": {s.hidden, s.heads * s.headDim}, "ffn_gate": {s.inner, s.hidden}, "ffn_up": {s.inner, s.hidden}, "ffn_down": {s.hidden, s.inner},
		"attn_q_norm": {1, s.headDim}, "attn_k_norm": {1, s.headDim}, "attn_v.bias": {1, s.kvHeads * s.headDim},
	}
	for _, n := range []string{name, part} {
		if shape, ok := shapes[n]; ok {
			return shape[0], shape[1]
		}
	}
	return 1, s.hidden
}
