package graph

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/quant"
)

// qwen is a model of the Qwen3 family for tests: sizes, and which weights are stored in another layout than the rest.
type qwen struct {
	layers, hidden, inner, vocab, heads, kvHeads, headDim int

	experts, used, shared int // of each layer's feed-forward; 0: dense. inner is the width of an expert

	norm            string // "head": queries and keys are normed by head, as in Qwen3; "row": over all heads; "": not
	trained, window int    // queries behind trained tokens are scaled, and see a window of positions; 0: not

	bias  string // linear layers whose name contains it have a bias; "": none has
	mixed string // weights whose name contains it are BF16, the others Q4

	orders string // linear weights have their columns in an order: "input": one for each input; "weight": one for each weight
}

// tiny is a model that fits a page when it is printed.
var tiny = qwen{layers: 1, hidden: 64, inner: 96, vocab: 40, heads: 4, kvHeads: 2, headDim: 32, norm: "head"}

// sparse has experts, and one that all tokens share.
var sparse = qwen{
	layers: 1, hidden: 64, inner: 32, vocab: 40, heads: 4, kvHeads: 2, headDim: 32, norm: "head",
	experts: 4, used: 2, shared: 96,
}

func (s qwen) weight(name string, rows, cols int) Weight {
	w := Weight{Name: name, Rows: rows, Cols: cols, Layout: quant.Layout{Kind: quant.LayoutQ4, Group: 32}}
	switch {
	case rows == 1:
		w.Layout = quant.LayoutOf(quant.F32)
	case s.mixed != "" && strings.Contains(name, s.mixed):
		w.Layout = quant.LayoutOf(quant.BF16)
	}
	if s.orders != "" && strings.HasPrefix(name, "blk.") && rows > 1 {
		shift := 7
		if s.orders == "weight" {
			shift = int(name[len(name)-len(".weight")-1]) // the last letter tells them apart
		}
		for i := range cols {
			w.Order = append(w.Order, int32((i+shift)%cols))
		}
	}
	return w
}

func (s qwen) builder() *Builder {
	rope := RoPE{InvFreq: make([]float64, s.headDim/2), Scale: 1}
	for i := range rope.InvFreq {
		rope.InvFreq[i] = math.Pow(1e4, -float64(i)/float64(len(rope.InvFreq)))
	}
	return NewBuilder("tiny", KVShape{Layers: s.layers, Heads: s.kvHeads, HeadDim: s.headDim}, rope)
}

func (s qwen) build(t testing.TB) *Graph {
	t.Helper()
	b := s.builder()
	embedding := s.weight("token_embd.weight", s.vocab, s.hidden)
	h := b.Embed(embedding)
	for l := range s.layers {
		b.Layer(fmt.Sprintf("blk.%d", l))
		h = b.Add(h, s.attention(b, l, h))
		h = b.Add(h, s.feedForward(b, l, h))
	}
	h = b.RMSNorm(b.LastRows(h), s.weight("output_norm.weight", 1, s.hidden), 1e-6)
	return built(t, b, b.MatMul(h, embedding))
}

func (s qwen) layerWeight(l int, name string, rows, cols int) Weight {
	return s.weight(fmt.Sprintf("blk.%d.%s.weight", l, name), rows, cols)
}

// linear is a product with the bias that s gives it.
func (s qwen) linear(b *Builder, x Value, l int, name string, rows, cols int) Value {
	y := b.MatMul(x, s.layerWeight(l, name, rows, cols))
	if s.bias == "" || !strings.Contains(name, s.bias) {
		return y
	}
	return b.AddBias(y, s.weight(fmt.Sprintf("blk.%d.%s.bias", l, name), 1, rows))
}

func (s qwen) attention(b *Builder, l int, h Value) Value {
	x := b.RMSNorm(h, s.layerWeight(l, "attn_norm", 1, s.hidden), 1e-6)
	rotated := func(name string, heads int) Value {
		y := s.linear(b, x, l, name, heads*s.headDim, s.hidden)
		switch s.norm {
		case "head":
			y = b.RMSNorm(y.Heads(heads), s.layerWeight(l, name+"_norm", 1, s.headDim), 1e-6)
		case "row":
			y = b.RMSNorm(y, s.layerWeight(l, name+"_norm", 1, heads*s.headDim), 1e-6)
		}
		return b.RoPE(y.Heads(heads))
	}
	q, k := rotated("attn_q", s.heads), rotated("attn_k", s.kvHeads)
	b.StoreKV(k, s.linear(b, x, l, "attn_v", s.kvHeads*s.headDim, s.hidden), l)
	if s.trained > 0 {
		q = b.LogN(q, s.trained)
	}
	a := b.SlidingAttention(q, l, 1/math.Sqrt(float64(s.headDim)), s.window)
	return s.linear(b, a, l, "attn_output", s.hidden, s.heads*s.headDim)
}

func (s qwen) feedForward(b *Builder, l int, h Value) Value {
	x := b.RMSNorm(h, s.layerWeight(l, "ffn_norm", 1, s.hidden), 1e-6)
	if s.experts > 0 {
		return s.sparse(b, l, x)
	}
	gate := s.linear(b, x, l, "ffn_gate", s.inner, s.hidden)
	up := s.linear(b, x, l, "ffn_up", s.inner, s.hidden)
	return s.linear(b, b.SwiGLU(gate, up), l, "ffn_down", s.hidden, s.inner)
}

// sparse is a feed-forward of experts, with one that all tokens share where shared is its width.
func (s qwen) sparse(b *Builder, l int, x Value) Value {
	of := func(name string, rows, cols int) (all Experts) {
		for e := range s.experts {
			all = append(all, s.layerWeight(l, fmt.Sprintf("%s.%d", name, e), rows, cols))
		}
		return all
	}
	route := b.Route(b.MatMul(x, s.layerWeight(l, "ffn_gate_inp", s.experts, s.hidden)), s.used, true)
	gate := b.ExpertMatMul(x, route, of("ffn_gate", s.inner, s.hidden))
	up := b.ExpertMatMul(x, route, of("ffn_up", s.inner, s.hidden))
	y := b.Combine(b.ExpertMatMul(b.SwiGLU(gate, up), route, of("ffn_down", s.hidden, s.inner)), route)
	if s.shared == 0 {
		return y
	}
	gate = b.MatMul(x, s.layerWeight(l, "ffn_gate_shexp", s.shared, s.hidden))
	up = b.MatMul(x, s.layerWeight(l, "ffn_up_shexp", s.shared, s.hidden))
	z := b.MatMul(b.SwiGLU(gate, up), s.layerWeight(l, "ffn_down_shexp", s.hidden, s.shared))
	return b.Add(y, b.Gate(z, b.MatMul(x, s.layerWeight(l, "ffn_gate_inp_shexp", 1, s.hidden))))
}

// expertInput is the number of columns that the i-th input of a node must have.
func expertInput(g *Graph, n *Node, i int) int {
	out := g.Tensor(n.Out).Cols
	switch {
	case i == 2:
		return out // the addend
	case n.Op == OpRoute:
		return g.Tensor(n.In[0]).Cols // as many as there are experts
	case n.Op == OpGate:
		return []int{out, 1}[i]
	case i == 1:
		return 2 * n.Used
	case n.Op == OpCombine:
		return n.Used * out
	case n.PerRank(g):
		return n.Used * n.Pack.Cols()
	}
	return n.Pack.Cols()
}

// fragment builds a graph that is no whole model: f returns its output.
func fragment(t testing.TB, f func(b *Builder, x Value) Value) *Graph {
	t.Helper()
	b := tiny.builder()
	return built(t, b, f(b, b.Embed(tiny.weight("embd", tiny.vocab, tiny.hidden))))
}

// square is a product that keeps the width of the residual stream.
func square(b *Builder, x Value, name string) Value {
	return b.MatMul(x, tiny.weight(name, tiny.hidden, tiny.hidden))
}

// head ends a fragment with logits.
func head(b *Builder, x Value) Value {
	return b.MatMul(x, tiny.weight("head", tiny.vocab, tiny.hidden))
}

func built(t testing.TB, b *Builder, logits Value) *Graph {
	t.Helper()
	g, err := b.Build(logits)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// wellFormed reports a graph that no executor could run: a value read before it is written or written twice, rows or
// columns that do not fit, a cache read before it is stored.
func wellFormed(g *Graph) error {
	written := map[ID]map[int]bool{} // columns
	stored := map[int]bool{}
	for i, n := range g.Nodes {
		at := fmt.Sprintf("node %d, %s %s", i, n.kind(), n.Label)
		for _, in := range n.In {
			if len(written[in]) != g.Tensor(in).Cols {
				return fmt.Errorf("%s reads %%%d, of which %d columns are written", at, in, len(written[in]))
			}
		}
		if err := fits(g, n); err != nil {
			return fmt.Errorf("%s: %w", at, err)
		}
		switch {
		case n.Op == OpStoreKV, n.Op == OpRoPEKV:
			stored[n.Layer] = true
		case n.Op == OpAttention && !stored[n.Layer]:
			return fmt.Errorf("%s reads cache %d, which nothing stored", at, n.Layer)
		}
		if n.Out == None {
			continue
		}
		if written[n.Out] == nil {
			written[n.Out] = map[int]bool{}
		}
		for c := range n.width(g) {
			if written[n.Out][n.OutCol+c] {
				return fmt.Errorf("%s writes column %d of %%%d again", at, n.OutCol+c, n.Out)
			}
			written[n.Out][n.OutCol+c] = true
		}
	}
	if g.Output != None && len(written[g.Output]) != g.Vocab {
		return fmt.Errorf("the output has %d columns written, the vocabulary is %d", len(written[g.Output]), g.Vocab)
	}
	return nil
}

// width is the number of columns that n writes.
func (n *Node) width(g *Graph) int {
	if n.Op != OpMatMul { // experts write all columns: those of a token's ranks
		return g.Tensor(n.Out).Cols
	}
	if n.Epilogue.Paired() {
		return n.Pack.Rows() / 2
	}
	return n.Pack.Rows()
}

// fits checks the shapes around one node.
func fits(g *Graph, n *Node) error {
	for i, in := range n.In {
		got, rows, cols := g.Tensor(in), PerToken, g.Tensor(in).Cols
		switch n.Op {
		case OpMatMul:
			rows, cols = g.Tensor(n.Out).Rows, n.Pack.Cols()
			if i == 1 {
				cols = g.Tensor(n.Out).Cols
				if n.Epilogue.Paired() {
					cols = n.Pack.Rows()
				}
			}
		case OpRMSNorm, OpAdd, OpAddBias, OpSwiGLU, OpGather:
			rows, cols = g.Tensor(n.Out).Rows, g.Tensor(n.Out).Cols
		case OpRoPEKV:
			cols = (n.Heads + 2*g.KV.Heads) * g.KV.HeadDim
		case OpAttention:
			cols = n.Heads * g.KV.HeadDim
		case OpRoute, OpExpertMatMul, OpExpertSum, OpCombine, OpGate:
			rows, cols = g.Tensor(n.Out).Rows, expertInput(g, n, i)
		}
		if got.Rows != rows || got.Cols != cols {
			return fmt.Errorf("input %%%d is [%s %d], want [%s %d]", in, got.Rows, got.Cols, rows, cols)
		}
	}
	if n.Op == OpMatMul && (len(n.In) == 2) != (n.Epilogue == EpilogueAdd || n.Epilogue == EpilogueAddSwiGLU) {
		return fmt.Errorf("%d inputs", len(n.In))
	}
	if biased := n.Op == OpAddBias || n.Op == OpMatMul && n.Epilogue == EpilogueBias; biased != (n.Bias != nil) || biased && n.Bias.Cols != n.width(g) {
		return fmt.Errorf("bias %+v for %d columns", n.Bias, n.width(g))
	}
	return nil
}
