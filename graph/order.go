package graph

import "slices"

// gather brings the columns of x into an order: y[:, j] = x[:, order[j]]. Products that need one input in one order share
// it. This is for weights that a device keeps with their columns sorted (Weight.Order); a model file doesn't ask for it.
func (b *Builder) gather(x Value, order []int32) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	if len(order) != t.Cols {
		return b.fail("gather: an order of %d columns for %d", len(order), t.Cols)
	}
	for i := len(b.g.Nodes) - 1; i >= 0 && b.g.Nodes[i].Out != x.id; i-- {
		if n := b.g.Nodes[i]; n.Op == OpGather && n.In[0] == x.id && slices.Equal(n.Order, order) {
			return Value{b.g, n.Out, 0}
		}
	}
	return b.add(&Node{Op: OpGather, Label: b.pre + "gather", In: []ID{x.id}, Order: order}, t, 0)
}

// absorbOrders spares gathers of what SwiGLU computed from two products that nothing else reads: the rows of both
// weights are stored in that order instead. It runs once, when a model is built, so that all forms of the graph agree
// on how weights are stored.
func absorbOrders(g *Graph) {
	producer, uses := g.producer(), g.uses()
	product := func(id ID) *Node {
		if n := producer[id]; n != nil && n.Op == OpMatMul && uses[id] == 1 && n.Pack.Parts[0].RowOrder == nil {
			return n
		}
		return nil
	}
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op != OpGather {
			continue
		}
		swiglu := producer[n.In[0]]
		if swiglu == nil || swiglu.Op != OpSwiGLU || uses[swiglu.Out] != 1 {
			continue
		}
		gate, up := product(swiglu.In[0]), product(swiglu.In[1])
		if gate == nil || up == nil || g.packUsers(gate.Pack.Name) > 1 || g.packUsers(up.Pack.Name) > 1 {
			continue
		}
		gate.Pack.Parts[0].RowOrder, up.Pack.Parts[0].RowOrder = n.Order, n.Order
		g.replaceUses(n.Out, swiglu.Out)
		dead[n] = true
	}
	if len(dead) > 0 {
		g.note("gather: %d spared by storing the rows of the weights in front in order", len(dead))
	}
	g.remove(dead)
}

// packUsers counts the nodes that use a weight.
func (g *Graph) packUsers(name string) int {
	users := 0
	for _, n := range g.Nodes {
		if n.Pack != nil && n.Pack.Name == name {
			users++
		}
	}
	return users
}

// ungathered is the value that id is a gather of, or id itself.
func ungathered(producer map[ID]*Node, id ID) ID {
	if n := producer[id]; n != nil && n.Op == OpGather {
		return n.In[0]
	}
	return id
}

// Orders lists the orders that the graph gathers by, each once, in order of first use.
func (g *Graph) Orders() [][]int32 {
	var orders [][]int32
	seen := map[*int32]bool{}
	for _, n := range g.Nodes {
		if n.Op == OpGather && !seen[&n.Order[0]] {
			seen[&n.Order[0]] = true
			orders = append(orders, n.Order)
		}
	}
	return orders
}
