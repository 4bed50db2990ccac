package graph

import (
	"fmt"

	"github.com/qwenvk/qwenvk/quant"
)

// ID names a value inside its graph.
type ID int

// None is the ID of no value.
const None ID = -1

// Rows is the symbolic number of rows of a value.
type Rows uint8

// PerToken values have one row per token of the step, PerSequence values one per sequence.
const (
	PerToken Rows = iota
	PerSequence
)

func (r Rows) String() string {
	if r == PerSequence {
		return "seqs"
	}
	return "tokens"
}

// Tensor is what a graph knows of a value: a row-major float32 matrix, or one of bytes.
type Tensor struct {
	Name string
	Rows Rows
	Cols int
	Int8 bool // bytes with scales, as quant.RoundInt8 rounds; see Int8
}

// Bytes is the size of so many rows on the device: of bytes, the quants, and 8 bytes for each block of them.
func (t *Tensor) Bytes(rows int) int64 {
	if t.Int8 {
		return int64(rows) * int64(t.Cols+t.Cols/quant.Int8Block*8)
	}
	return int64(rows) * int64(t.Cols) * 4
}

// Weight is a parameter of the model: its canonical name, its shape and the layout it is stored in on the device.
// Vectors (norm weights) have one row.
type Weight struct {
	Name       string
	Rows, Cols int
	Layout     quant.Layout
	Blocks     []Block // a weight that is not stored as such: it is put together from these, the rest is zero

	// Order is the order in which the device keeps the columns, nil for their own: column j there is column Order[j]. A
	// product reads its input in this order. RowOrder is the same of the rows, and so of the product's columns.
	Order, RowOrder []int32
}

// Pack is a matrix as a device multiplies by it: the rows of its parts, which agree in columns and layout, one part
// after another, or row by row in turn when Interleave is set (gate and up, so that one workgroup has both).
type Pack struct {
	Name       string
	Parts      []Weight
	Interleave bool

	// Experts is the number of experts whose rows the pack holds, one expert after another; 0: it is no expert's. The
	// parts come by expert, and Interleave takes turns among the parts of one.
	Experts int
}

// Rows and Cols are the shape of the whole pack.
func (p *Pack) Rows() int {
	n := 0
	for _, w := range p.Parts {
		n += w.Rows
	}
	return n
}

// Cols is the width of every row, the K of the multiplication.
func (p *Pack) Cols() int { return p.Parts[0].Cols }

// Layout is the device layout that all parts share.
func (p *Pack) Layout() quant.Layout { return p.Parts[0].Layout }

// Op is an operation.
type Op uint8

// The operations. Those below OpRoPEKV are written by models (OpGather in front of products whose weights have an Order),
// the others only by passes.
const (
	OpEmbed        Op = iota // In: none (token ids). Pack: the embedding.
	OpRMSNorm                // In: x. Norm, Eps; with Heads > 0 each head is a row of its own.
	OpMatMul                 // In: x [, addend]. Pack; after fusion: Epilogue, Bias, Norm, OutCol.
	OpRoPE                   // In: x. Heads.
	OpLogN                   // In: x. LogN: the row of position p (from 0) times ln(p+1)/ln(LogN), where that is above 1.
	OpStoreKV                // In: k, v. Layer. No output.
	OpAttention              // In: q. Layer, Heads, Scale, Window.
	OpSwiGLU                 // In: gate, up: silu(gate)·up.
	OpAdd                    // In: a, b.
	OpAddBias                // In: x. Bias: one row, added to each of x.
	OpLastRows               // In: x. One row per sequence: that of its last token.
	OpGather                 // In: x. Order: column j of the output is column Order[j] of x.
	OpRoute                  // In: router logits. Used, Renormalise: the chosen ids and their weights.
	OpExpertMatMul           // In: x, routing. Pack (Experts), Used; after fusion: Epilogue, Norm.
	OpCombine                // In: rows of the chosen experts, routing [, addend]. Used: their weighted sum.
	OpGate                   // In: x, gate [, addend]: sigmoid(gate)·x.
	OpRoPEKV                 // In: q|k|v. Norms (q, k), Eps, LogN, Layer, Heads: norm, rotate, store k and v; out: q.
	OpExpertSum              // In: x of each chosen expert, routing [, addend]. Pack (Experts), Used: product and weighted sum.
	OpQuantise               // In: x. Its rows as bytes.
)

var opNames = [...]string{
	"embed", "rms_norm", "matmul", "rope", "log_n", "store_kv", "attention", "swiglu", "add", "add_bias", "last_rows",
	"gather", "route", "expert_matmul", "combine", "gate", "rope_kv", "expert_sum", "quantise",
}

func (o Op) String() string { return opNames[o] }

// Epilogue is what a fused matrix product does with its result before storing it.
type Epilogue uint8

// EpilogueAdd adds the node's second input, EpilogueSwiGLU combines interleaved gate and up rows. EpilogueScale multiplies
// each column by the factor that the node's Ranks give it, EpilogueAddSwiGLU adds the second input and then combines.
// EpilogueBias adds the node's Bias, the same row for every token.
const (
	EpilogueNone Epilogue = iota
	EpilogueAdd
	EpilogueSwiGLU
	EpilogueScale
	EpilogueAddSwiGLU
	EpilogueBias
)

func (e Epilogue) String() string {
	return [...]string{"", "+add", "+swiglu", "+scale", "+add_swiglu", "+bias"}[e]
}

// Paired reports an epilogue that makes one column of two rows of the weight.
func (e Epilogue) Paired() bool { return e == EpilogueSwiGLU || e == EpilogueAddSwiGLU }

// Node is one operation of a graph. Fields beyond Op, Label, In and Out hold what the operation's row above names.
type Node struct {
	Op    Op
	Label string // place in the model: "blk.3.attn_q"
	In    []ID
	Out   ID // None for OpStoreKV

	Pack     *Pack
	Epilogue Epilogue
	Ranks    []Ranks // EpilogueScale
	OutCol   int     // first column of Out that this node writes; a tensor may be written in slices

	Bias *Weight // OpAddBias, EpilogueBias; as long as the pack has rows

	Norm  *Weight // OpRMSNorm; OpMatMul: x is normed as it is read
	QNorm *Weight // OpRoPEKV; nil: no norm
	KNorm *Weight
	Eps   float64

	Layer int
	Heads int     // query heads (OpAttention, OpRoPEKV), heads of the input (OpRMSNorm, OpRoPE)
	Scale float64 // OpAttention: factor of the scores

	// LogN is the number of tokens that a model was trained with: queries behind them are scaled up. 0: none are.
	LogN int
	// Window is the number of positions that a query sees, its own and those in front of it; 0: all.
	Window int

	Used        int  // experts per token (OpRoute, OpExpertMatMul, OpExpertSum, OpCombine)
	Renormalise bool // OpRoute: the chosen weights sum to one

	Order []int32 // OpGather
}

// KVShape is the shape of one layer's key (or value) cache per token, and the number of layers.
type KVShape struct{ Layers, Heads, HeadDim int }

// RoPE turns pair (i, i+len(InvFreq)) of a head at position p by the angle p·InvFreq[i], and scales it.
type RoPE struct {
	InvFreq []float64 // radians per token, one for each of headDim/2 pairs
	Scale   float64   // factor of sine and cosine; 1 but for YaRN

	// Longer are the frequencies of sequences whose prompt is longer than Trained tokens, in place of InvFreq: the first
	// for prompts of up to twice as many, and so on by doubling. Nil where the length of a prompt changes nothing.
	Longer  [][]float64
	Trained int
}

// Choose is the number of the frequencies that a prompt of n tokens gets: 0 is InvFreq, others count Longer from 1. All
// tokens of a sequence, the answer's too, are turned by those that its prompt got.
func (r *RoPE) Choose(n int) int {
	choice := 0
	for limit := r.Trained; choice < len(r.Longer) && n > limit; limit *= 2 {
		choice++
	}
	return choice
}

// Frequencies are those of a choice.
func (r *RoPE) Frequencies(choice int) []float64 {
	if choice == 0 {
		return r.InvFreq
	}
	return r.Longer[choice-1]
}

// Graph is one step of a model.
type Graph struct {
	Name   string
	Values []Tensor
	Nodes  []*Node
	Output ID // the logits, or the hidden states; None in a graph that only fills the cache
	KV     KVShape
	RoPE   RoPE
	Vocab  int

	Headless bool // the model ends in hidden states

	Notes []string // what the passes decided, for `inspect --graph`
}

// Tensor describes the value id.
func (g *Graph) Tensor(id ID) *Tensor { return &g.Values[id] }

// Packs lists the weight matrices that the graph multiplies by or gathers from, each once, in order of first use.
func (g *Graph) Packs() []*Pack {
	var packs []*Pack
	seen := map[string]bool{}
	for _, n := range g.Nodes {
		if n.Pack != nil && !seen[n.Pack.Name] {
			seen[n.Pack.Name] = true
			packs = append(packs, n.Pack)
		}
	}
	return packs
}

// Vectors lists the norm weights and biases that the graph reads, each once, in order of first use.
func (g *Graph) Vectors() []*Weight {
	var vectors []*Weight
	seen := map[string]bool{}
	for _, n := range g.Nodes {
		for _, w := range n.vectors() {
			if !seen[w.Name] {
				seen[w.Name] = true
				vectors = append(vectors, w)
			}
		}
	}
	return vectors
}

// vectors are the weights of one row that the node reads.
func (n *Node) vectors() []*Weight {
	var vectors []*Weight
	for _, w := range []*Weight{n.Norm, n.QNorm, n.KNorm, n.Bias} {
		if w != nil {
			vectors = append(vectors, w)
		}
	}
	return vectors
}

// clone copies the graph down to its nodes; weights are shared.
func (g *Graph) clone() *Graph {
	c := *g
	c.Values = append([]Tensor(nil), g.Values...)
	c.Notes = append([]string(nil), g.Notes...)
	c.Nodes = make([]*Node, len(g.Nodes))
	for i, n := range g.Nodes {
		m := *n
		m.In = append([]ID(nil), n.In...)
		c.Nodes[i] = &m
	}
	return &c
}

func (g *Graph) newValue(t Tensor) ID {
	g.Values = append(g.Values, t)
	return ID(len(g.Values) - 1)
}

func (g *Graph) note(format string, args ...any) {
	g.Notes = append(g.Notes, fmt.Sprintf(format, args...))
}

// producer maps every value to the node that writes it; for a value written in slices, to the last of them.
func (g *Graph) producer() map[ID]*Node {
	m := make(map[ID]*Node, len(g.Nodes))
	for _, n := range g.Nodes {
		if n.Out != None {
			m[n.Out] = n
		}
	}
	return m
}

// uses counts how often each value is read; the output counts as one reading.
func (g *Graph) uses() map[ID]int {
	m := make(map[ID]int, len(g.Values))
	for _, n := range g.Nodes {
		for _, in := range n.In {
			m[in]++
		}
	}
	if g.Output != None {
		m[g.Output]++
	}
	return m
}
