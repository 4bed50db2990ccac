package graph

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/quant"
)

// Adapter is a low-rank change of some of a model's weights (LoRA, Hu et al. 2021): x·Wᵀ becomes
// x·Wᵀ + scale·Factor·(x·Aᵀ)·Bᵀ. The scale is chosen while the model runs, 1 being what the adapter was trained with.
type Adapter struct {
	Name   string           // unlike that of any other adapter of the model; the names of A and B begin with it
	Deltas map[string]Delta // by the name of the weight W [out, in]
}

// Delta is an adapter's change of one weight: A [Rank, in] and B [out, Rank].
type Delta struct {
	Rank   int
	Factor float64      // α/rank, or α/√rank
	A, B   quant.Layout // how the two are stored: F32, F16 or BF16
}

// NameA and NameB are the names of the two matrices, as a source of tensors is asked for them.
func (a *Adapter) NameA(weight string) string { return a.Name + "/" + weight + ".lora_a" }

// NameB is that of B; see NameA.
func (a *Adapter) NameB(weight string) string { return a.Name + "/" + weight + ".lora_b" }

// Adapters are those that act together, in a fixed order. Compiled graphs are told apart by the pointer.
type Adapters struct{ list []*Adapter }

// NewAdapters makes a set of adapters; each may be in it once.
func NewAdapters(list ...*Adapter) *Adapters { return &Adapters{slices.Clone(list)} }

// List returns the adapters, in the order that scales are given in. It must not be changed.
func (s *Adapters) List() []*Adapter { return s.list }

func (s *Adapters) name() string {
	names := make([]string, len(s.list))
	for i, a := range s.list {
		names[i] = a.Name
	}
	return strings.Join(names, "+")
}

// Block is a part of a weight that is put together: the stored matrix Name [Rows, Cols], of which row i becomes row
// Row + i·RowStep of the weight, from column Col on. Order and RowOrder bring its columns and rows into the order of the
// weight that it changes, see Weight: row i is then row RowOrder[i] of the stored matrix.
type Block struct {
	Name              string
	Rows, Cols        int
	Row, RowStep, Col int
	Order, RowOrder   []int32
}

// Ranks are neighbouring columns of an adapters' inner product that share a factor: the adapter's scale times Factor.
type Ranks struct {
	Adapter int // in the set
	Rank    int
	Factor  float64
}

// Scales returns the n factors that EpilogueScale multiplies by, for the given scales of the set's adapters. Columns
// behind the last rank are padding and get 0.
func Scales(ranks []Ranks, scales []float64, n int) []float32 {
	factors := make([]float32, 0, n)
	for _, r := range ranks {
		for range r.Rank {
			factors = append(factors, float32(scales[r.Adapter]*r.Factor))
		}
	}
	return append(factors, make([]float32, n-len(factors))...)
}

// Products are the weights that the graph multiplies by as matrices of their own, by name: what an adapter may change.
func (g *Graph) Products() map[string]Weight {
	products := map[string]Weight{}
	for _, n := range g.Nodes {
		if n.Op == OpMatMul {
			for _, w := range n.Pack.Parts {
				products[w.Name] = w
			}
		}
	}
	return products
}

// addAdapters gives each product with a changed weight two small products beside it:
//
//	y0 = x·Wᵀ            as before
//	t  = s·(x·Aᵀ)        the rows of all adapters' A one after another, each with its factor s
//	y  = y0 + t·Bᵀ       their B side by side, so that the sum over the columns is the sum over the adapters
//
// It runs behind the fusion passes. A product of stacked or interleaved weights stays one: its A's share t, and B has
// zeros where a row's weight does not read a column. y0 and t do not depend on each other. What the product added to its
// result (a residual, a bias) it still adds; SwiGLU, which is not linear, moves behind the sum.
func addAdapters(g *Graph, set *Adapters) {
	changed, moved, producer := 0, 0, g.producer()
	done := map[*Node]bool{}
	for _, n := range slices.Clone(g.Nodes) {
		if n.Op != OpMatMul || done[n] {
			continue
		}
		p := product{set: set, producer: producer}
		for _, w := range g.Nodes {
			if w.Op == OpMatMul && w.Out == n.Out {
				done[w] = true
				p.add(w)
			}
		}
		if len(p.ranks) == 0 {
			continue
		}
		if p.writers[0].Epilogue == EpilogueSwiGLU {
			moved++
		}
		p.rewrite(g)
		changed++
	}
	g.note("adapters %s: products with two small ones beside them: %d; of these, with swiglu behind the sum instead of in the product: %d",
		set.name(), changed, moved)
}

// product collects what one value's products get: those of several weights that write slices of it count as one.
type product struct {
	set     *Adapters
	writers []*Node
	x       ID  // what they read, gathers aside
	rows    int // of W, all writers together
	a, b    []Block
	ranks   []Ranks
	cols    int // of t, without padding
	layoutA []quant.Layout
	layoutB []quant.Layout

	producer map[ID]*Node
}

// add notes the changes to the weights of one node.
func (p *product) add(n *Node) {
	x := ungathered(p.producer, n.In[0])
	if len(p.writers) > 0 && x != p.x {
		panic("BUG: graph: adapters: " + n.Label + " reads another value than the product beside it")
	}
	p.writers, p.x = append(p.writers, n), x
	row, step := n.OutCol, 1
	if n.Pack.Interleave {
		step = len(n.Pack.Parts)
	}
	for i, w := range n.Pack.Parts {
		if n.Pack.Interleave {
			row = i
		}
		for at, adapter := range p.set.list {
			d, ok := adapter.Deltas[w.Name]
			if !ok {
				continue
			}
			a := Block{Name: adapter.NameA(w.Name), Rows: d.Rank, Cols: w.Cols, Row: p.cols, RowStep: 1}
			if x == n.In[0] { // no gather in front: what w reads comes in w's order
				a.Order = w.Order
			}
			b := Block{Name: adapter.NameB(w.Name), Rows: w.Rows, Cols: d.Rank, Row: row, RowStep: step, Col: p.cols, RowOrder: w.RowOrder}
			p.a, p.b = append(p.a, a), append(p.b, b)
			p.ranks = append(p.ranks, Ranks{at, d.Rank, d.Factor})
			p.layoutA, p.layoutB = append(p.layoutA, d.A), append(p.layoutB, d.B)
			p.cols += d.Rank
		}
		row += w.Rows
	}
	p.rows = max(p.rows, n.OutCol+n.Pack.Rows())
}

// rewrite puts the two products beside the writers. The value that the writers wrote is now written by the second.
func (p *product) rewrite(g *Graph) {
	first, last := p.writers[0], p.writers[len(p.writers)-1]
	x, y := p.x, first.Out
	a, b := commonLayout(p.layoutA), commonLayout(p.layoutB)
	label := strings.TrimSuffix(first.Label, ".weight")
	if len(p.writers) > 1 {
		label = strings.TrimSuffix(g.Tensor(y).Name, ".weight")
	}
	inner := int(align(int64(p.cols), int64(b.Step())))
	name := func(half string) string { return fmt.Sprintf("%s.%s(%s)", label, half, p.set.name()) }

	base := *g.Tensor(y)
	base.Name, base.Cols = label+".base", p.rows
	y0 := g.newValue(base)
	t := g.newValue(Tensor{Name: label + ".lora", Rows: base.Rows, Cols: inner})
	down := &Node{
		Op: OpMatMul, Label: label + ".lora_a", In: []ID{x}, Out: t, Epilogue: EpilogueScale, Ranks: p.ranks,
		Pack: packOf(Weight{Name: name("lora_a"), Rows: inner, Cols: first.Pack.Cols(), Layout: a, Blocks: p.a}),
	}
	up := &Node{
		Op: OpMatMul, Label: label + ".lora_b", In: []ID{t, y0}, Out: y, Epilogue: EpilogueAdd,
		Pack: packOf(Weight{Name: name("lora_b"), Rows: p.rows, Cols: inner, Layout: b, Blocks: p.b}),
	}
	if first.Epilogue == EpilogueSwiGLU {
		first.Epilogue, up.Epilogue = EpilogueNone, EpilogueAddSwiGLU
	}
	for _, n := range p.writers {
		n.Out = y0
	}
	g.insertBefore(first, down)
	g.insertAfter(last, up)
}

// commonLayout is the layout that all share, else F32, which holds the values of each.
func commonLayout(layouts []quant.Layout) quant.Layout {
	for _, l := range layouts {
		if l != layouts[0] {
			return quant.LayoutOf(quant.F32)
		}
	}
	return layouts[0]
}
