package graph

import (
	"fmt"
	"strings"
)

// MaxExperts is the largest number of experts that a router chooses among, what the routing kernel's shared memory
// holds. Qwen's largest has 512, those here 128.
const MaxExperts = 512

// Experts is how one weight of a mixture of experts is given: the same matrix [rows, cols] of every expert, by id.
type Experts []Weight

// Route chooses experts for each row of router logits [rows, experts]: softmax over all experts, then the used greatest,
// ties by the lower id (Shazeer et al. 2017; config keys num_experts and num_experts_per_tok). With renormalise the
// chosen weights are scaled to sum to one (norm_topk_prob).
//
// The value is [rows, 2·used]: first the chosen ids, as 32-bit integers, the greatest weight first, then the weights.
// Only expert products and Combine read it.
func (b *Builder) Route(logits Value, used int, renormalise bool) Value {
	t, ok := b.tensor(logits)
	if !ok {
		return logits
	}
	if used < 1 || used > t.Cols || t.Cols > MaxExperts {
		return b.fail("route: %d of %d experts are used; a router knows 1 to %d", used, t.Cols, MaxExperts)
	}
	t.Cols = 2 * used
	return b.add(&Node{Op: OpRoute, Label: b.pre + "route", In: []ID{logits.id}, Used: used, Renormalise: renormalise}, t, 0)
}

// ExpertMatMul multiplies each row by the matrices of the experts that route chose for it: x is either one row for all
// of them, [rows, in], or a row for each, side by side in the order of route, [rows, used·in]. The result is
// [rows, used·out].
func (b *Builder) ExpertMatMul(x, route Value, w Experts) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	r, ok := b.routing(route, t.Rows)
	if !ok {
		return route
	}
	if len(w) == 0 || len(w) > MaxExperts {
		return b.fail("experts: %d matrices; want 1 to %d", len(w), MaxExperts)
	}
	if logits := b.g.Values[r.In[0]].Cols; logits != len(w) {
		return b.fail("experts: %d matrices from %s, the router knows %d", len(w), w[0].Name, logits)
	}
	for _, m := range w {
		if m.Rows != w[0].Rows || m.Cols != w[0].Cols || m.Layout != w[0].Layout {
			return b.fail("experts: %s [%d %d] %s and %s [%d %d] %s differ",
				m.Name, m.Rows, m.Cols, m.Layout.Name(), w[0].Name, w[0].Rows, w[0].Cols, w[0].Layout.Name())
		}
	}
	for _, m := range w {
		if m.Order != nil {
			return b.fail("experts: weight %s has its columns in an order of its own (g_idx of GPTQ's desc_act), in which the experts' common input does not come", m.Name)
		}
	}
	if t.Cols != w[0].Cols && t.Cols != r.Used*w[0].Cols {
		return b.fail("experts: %d columns are neither one row nor %d rows of %d (weight %s)", t.Cols, r.Used, w[0].Cols, w[0].Name)
	}
	if err := w[0].Layout.CheckCols(w[0].Cols); err != nil {
		return b.fail("experts: weight %s: %w", w[0].Name, err)
	}
	t.Cols = r.Used * w[0].Rows
	name := strings.Replace(w[0].Name, ".0.weight", "_exps.weight", 1) // as GGUF calls the matrices of all experts
	pack := &Pack{Name: name, Parts: w, Experts: len(w)}
	return b.add(&Node{Op: OpExpertMatMul, Label: name, In: []ID{x.id, route.id}, Pack: pack, Used: r.Used}, t, 0)
}

// Combine sums the rows that a token's experts computed, y [rows, used·n], weighted as route says and in its order:
// [rows, n].
func (b *Builder) Combine(y, route Value) Value {
	t, ok := b.tensor(y)
	if !ok {
		return y
	}
	r, ok := b.routing(route, t.Rows)
	if !ok {
		return route
	}
	if t.Cols%r.Used != 0 {
		return b.fail("combine: %d columns are not %d rows", t.Cols, r.Used)
	}
	t.Cols /= r.Used
	return b.add(&Node{Op: OpCombine, Label: b.pre + "combine", In: []ID{y.id, route.id}, Used: r.Used}, t, 0)
}

// Gate scales each row of x by the sigmoid of its number in gate [rows, 1].
func (b *Builder) Gate(x, gate Value) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	u, ok := b.tensor(gate)
	if !ok {
		return gate
	}
	if u.Cols != 1 || u.Rows != t.Rows {
		return b.fail("gate: shape [%s %d], want one number for each row of [%s %d]", u.Rows, u.Cols, t.Rows, t.Cols)
	}
	return b.add(&Node{Op: OpGate, Label: b.pre + "gate", In: []ID{x.id, gate.id}}, t, 0)
}

// routing returns the node that made a routing for values of so many rows.
func (b *Builder) routing(v Value, rows Rows) (*Node, bool) {
	t, ok := b.tensor(v)
	if !ok {
		return nil, false
	}
	r := b.g.producer()[v.id]
	if r == nil || r.Op != OpRoute || t.Rows != rows {
		b.fail("experts: the routing must come from Route and have the rows of x")
		return nil, false
	}
	return r, true
}

// PerRank reports whether an expert product reads a row of its own for each chosen expert, not one for all.
func (n *Node) PerRank(g *Graph) bool {
	return n.Op == OpExpertSum || g.Tensor(n.In[0]).Cols != n.Pack.Cols()
}

// ExpertRows is the number of rows that one expert has of the pack; all rows where the pack holds no experts.
func (p *Pack) ExpertRows() int { return p.Rows() / max(p.Experts, 1) }

// ActiveElements is the number of elements of the packs' and norms' weights that one token is multiplied by: of experts
// only the used. The embedding counts whole, as in the figures that models are published with.
func (g *Graph) ActiveElements() int64 {
	var sum int64
	seen := map[string]bool{}
	for _, n := range g.Nodes {
		if n.Pack == nil || seen[n.Pack.Name] {
			continue
		}
		seen[n.Pack.Name] = true
		elements := int64(n.Pack.Rows()) * int64(n.Pack.Cols())
		if n.Pack.Experts > 0 {
			elements = elements / int64(n.Pack.Experts) * int64(n.Used)
		}
		sum += elements
	}
	for _, w := range g.Vectors() {
		sum += int64(w.Cols)
	}
	return sum
}

// experts tells the choice of a node for people: "4 of 60 experts".
func (n *Node) experts() string {
	switch {
	case n.Pack != nil && n.Pack.Experts > 0:
		return fmt.Sprintf("%d of %d experts", n.Used, n.Pack.Experts)
	case n.Op == OpRoute && n.Renormalise:
		return fmt.Sprintf("%d used, weights sum to 1", n.Used)
	case n.Used > 0:
		return fmt.Sprintf("%d used", n.Used)
	}
	return ""
}
