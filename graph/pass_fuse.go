package graph

import (
	"slices"
	"strings"
)

// fuseRoPEKV turns the block in front of attention,
//
//	q = log_n(rope(norm(x·Wq))), k = rope(norm(x·Wk)), v = x·Wv, store_kv(k, v), attention(q)
//
// into one product with the stacked rows of Wq, Wk and Wv and one node that norms, rotates and stores. Where the
// three weights differ in layout they stay three products that write slices of the same tensor. Each product may have a
// bias; stacked, the biases lie one behind the other, with zeros where a product has none.
func fuseRoPEKV(g *Graph) {
	for {
		m, ok := findQKV(g)
		if !ok {
			break
		}
		d, kv := g.KV.HeadDim, g.KV.Heads
		label := strings.TrimSuffix(m.q.mul.Label, "attn_q.weight")
		qkv := g.newValue(Tensor{Name: label + "qkv", Rows: PerToken, Cols: (m.attention.Heads + 2*kv) * d})
		muls := stack(g, label+"attn_qkv", qkv, m.q.linear, m.k.linear, m.v)
		q := g.newValue(Tensor{Name: label + "q", Rows: PerToken, Cols: m.attention.Heads * d})
		fused := &Node{
			Op: OpRoPEKV, Label: label + "rope_kv", In: []ID{qkv}, Out: q, Layer: m.store.Layer, Heads: m.attention.Heads,
			QNorm: m.q.weight(), KNorm: m.k.weight(), Eps: m.q.eps(), LogN: m.logN,
		}
		g.insertBefore(m.store, append(muls, fused)...)
		m.attention.In[0] = q
		dead := map[*Node]bool{m.store: true}
		for _, n := range []*Node{m.scaled, m.q.rope, m.q.norm, m.q.bias, m.q.mul, m.k.rope, m.k.norm, m.k.bias, m.k.mul, m.v.bias, m.v.mul} {
			dead[n] = true
		}
		g.remove(dead)
	}
	for _, n := range g.Nodes {
		if n.Op == OpStoreKV {
			g.note("%s: query, key and value are not rotated products of one input: they stay apart", n.Label)
		}
	}
}

// rotated is one branch rope(norm?(linear)).
type rotated struct {
	rope, norm *Node
	linear
}

func (r rotated) weight() *Weight {
	if r.norm == nil {
		return nil
	}
	return r.norm.Norm
}

func (r rotated) eps() float64 {
	if r.norm == nil {
		return 0
	}
	return r.norm.Eps
}

type qkvMatch struct {
	store, attention *Node
	q, k             rotated
	v                linear
	scaled           *Node // OpLogN behind the query's rotation
	logN             int
}

// findQKV finds the first block that fuseRoPEKV can replace.
func findQKV(g *Graph) (qkvMatch, bool) {
	producer, uses := g.producer(), g.uses()
	single := func(id ID, op Op) *Node { // the node that makes id, if it is an op read once
		if n := producer[id]; n != nil && n.Op == op && uses[id] == 1 {
			return n
		}
		return nil
	}
	source := func(mul *Node) ID { return ungathered(producer, mul.In[0]) }
	layer := func(id ID) (l linear) {
		if l.bias = single(id, OpAddBias); l.bias != nil {
			id = l.bias.In[0]
		}
		l.mul = single(id, OpMatMul)
		return l
	}
	branch := func(id ID) (r rotated, ok bool) {
		if r.rope = single(id, OpRoPE); r.rope == nil {
			return r, false
		}
		in := r.rope.In[0]
		if r.norm = single(in, OpRMSNorm); r.norm != nil {
			if r.norm.Heads != r.rope.Heads { // a norm over the whole row is another function
				return r, false
			}
			in = r.norm.In[0]
		}
		r.linear = layer(in)
		return r, r.mul != nil
	}
	for _, n := range g.Nodes {
		if n.Op != OpStoreKV {
			continue
		}
		for _, a := range g.Nodes {
			if a.Op != OpAttention || a.Layer != n.Layer {
				continue
			}
			m := qkvMatch{store: n, attention: a, v: layer(n.In[1])}
			var okQ, okK bool
			query := a.In[0]
			if m.scaled = single(query, OpLogN); m.scaled != nil {
				query, m.logN = m.scaled.In[0], m.scaled.LogN
			}
			m.q, okQ = branch(query)
			m.k, okK = branch(n.In[0])
			if okQ && okK && m.v.mul != nil && source(m.q.mul) == source(m.k.mul) && source(m.q.mul) == source(m.v.mul) &&
				(m.q.norm == nil) == (m.k.norm == nil) && m.q.eps() == m.k.eps() {
				return m, true
			}
		}
	}
	return qkvMatch{}, false
}

// stack returns products that together write out: one, if inputs and layouts of all weights agree, else one each.
func stack(g *Graph, name string, out ID, layers ...linear) []*Node {
	one := &Pack{Name: name}
	for _, l := range layers {
		one.Parts = append(one.Parts, l.mul.Pack.Parts...)
	}
	sameInput := !slices.ContainsFunc(layers, func(l linear) bool { return l.mul.In[0] != layers[0].mul.In[0] })
	switch {
	case sameInput && sameLayout(one.Parts):
		n := &Node{Op: OpMatMul, Label: name, In: layers[0].mul.In, Out: out, Pack: one}
		n.addBias(stackBiases(name+".bias", layers))
		return []*Node{n}
	case sameInput:
		g.note("%s: %s differ in type: one product each", name, partNames(one.Parts))
	default:
		g.note("%s: %s differ in the order of their columns (g_idx): one product each", name, partNames(one.Parts))
	}
	var nodes []*Node
	col := 0
	for _, l := range layers {
		n := &Node{Op: OpMatMul, Label: l.mul.Label, In: l.mul.In, Out: out, OutCol: col, Pack: l.mul.Pack}
		if l.bias != nil {
			n.addBias(l.bias.Bias)
		}
		nodes = append(nodes, n)
		col += n.Pack.Rows()
	}
	return nodes
}

// fuseSwiGLU computes silu(x·Wgateᵀ)·(x·Wupᵀ) in one product with the interleaved rows of both weights.
func fuseSwiGLU(g *Graph) {
	producer, uses := g.producer(), g.uses()
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op != OpSwiGLU {
			continue
		}
		gate, up := producer[n.In[0]], producer[n.In[1]]
		if gate != nil && up != nil && (gate.Op == OpAddBias || up.Op == OpAddBias) {
			g.note("%s: gate or up has a bias, which comes between product and swiglu: they stay apart", n.Label)
			continue
		}
		if gate == nil || up == nil || gate.Op != OpMatMul || up.Op != OpMatMul || uses[gate.Out] != 1 || uses[up.Out] != 1 {
			continue
		}
		if gate.In[0] != up.In[0] {
			if ungathered(producer, gate.In[0]) == ungathered(producer, up.In[0]) {
				g.note("%s: %s and %s differ in the order of their columns (g_idx): swiglu stays apart", n.Label, gate.Label, up.Label)
			}
			continue
		}
		parts := []Weight{gate.Pack.Parts[0], up.Pack.Parts[0]}
		if !sameLayout(parts) {
			g.note("%s: %s differ in type: swiglu stays apart", n.Label, partNames(parts))
			continue
		}
		dead[gate], dead[up] = true, true
		label := gateUpLabel(gate.Label)
		in := gate.In[0]
		*n = Node{
			Op: OpMatMul, Label: label, In: []ID{in}, Out: n.Out, Epilogue: EpilogueSwiGLU,
			Pack: &Pack{Name: label, Parts: parts, Interleave: true},
		}
	}
	g.remove(dead)
}

// gateUpLabel names the joint matrix: "blk.3.ffn_gate_up" for that of "blk.3.ffn_gate.weight" and "blk.3.ffn_up.weight".
func gateUpLabel(gate string) string {
	if prefix, rest, ok := strings.Cut(gate, "ffn_gate"); ok {
		return prefix + "ffn_gate_up" + strings.TrimSuffix(rest, ".weight")
	}
	return gate + "ffn_gate_up"
}

// fuseResidual lets a product, the sum of experts or a gated value add the residual stream as it is stored. A product
// that adds its bias already has no second sum: the residual stream is then added by a node of its own.
func fuseResidual(g *Graph) {
	producer, uses := g.producer(), g.uses()
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op != OpAdd {
			continue
		}
		for i, in := range n.In {
			m := producer[in]
			if m == nil || uses[in] != 1 || slicedOutput(g, in) {
				continue
			}
			residual := n.In[1-i]
			if (m.Op == OpCombine || m.Op == OpExpertSum || m.Op == OpGate) && len(m.In) == 2 {
				dead[m] = true
				sum := *m
				sum.In, sum.Out = append(append([]ID(nil), m.In...), residual), n.Out
				*n = sum
				break
			}
			if m.Epilogue == EpilogueBias {
				g.note("%s: %s adds its bias and takes no other sum", n.Label, m.Label)
			}
			if m.Op != OpMatMul || m.Epilogue != EpilogueNone {
				continue
			}
			dead[m] = true
			*n = Node{
				Op: OpMatMul, Label: m.Label, In: []ID{m.In[0], residual}, Out: n.Out, Epilogue: EpilogueAdd, Pack: m.Pack,
			}
			break
		}
	}
	g.remove(dead)
}

// fuseNorm lets products norm their input as they read it, where only products read the norm.
func fuseNorm(g *Graph) {
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op != OpRMSNorm || n.Heads != 0 || n.Out == g.Output || g.Tensor(n.Out).Int8 {
			continue
		}
		var readers []*Node
		ok := true
		for _, r := range g.Nodes {
			for i, in := range r.In {
				if in != n.Out {
					continue
				}
				if r.Op != OpMatMul && (r.Op != OpExpertMatMul || r.PerRank(g)) || i != 0 || r.Norm != nil {
					ok = false
				}
				readers = append(readers, r)
			}
		}
		if !ok {
			continue
		}
		for _, r := range readers {
			r.In[0], r.Norm, r.Eps = n.In[0], n.Norm, n.Eps
		}
		dead[n] = true
	}
	if len(dead) > 0 {
		g.note("rms_norm: %d folded into the products that read them", len(dead))
	}
	g.remove(dead)
}

func sameLayout(parts []Weight) bool {
	for _, p := range parts[1:] {
		if p.Layout != parts[0].Layout || p.Cols != parts[0].Cols {
			return false
		}
	}
	return true
}

func partNames(parts []Weight) string {
	var names []string
	for _, p := range parts {
		names = append(names, p.Name+" "+p.Layout.Name())
	}
	return strings.Join(names, ", ")
}
