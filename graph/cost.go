package graph

// Cost is what a node or a graph costs for one token of one sequence, device and cache type aside.
type Cost struct {
	WeightBytes int64 // weights read: whole matrices of products, one row of the embedding, norm weights and biases as float32
	FLOPs       int64 // of matrix products; a multiply-add counts as two
	// FLOPsPerContext is added for each token that attention looks at: scores and weighted sum.
	FLOPsPerContext int64
}

// FLOPsAt is the number of FLOPs per token where attention looks at context tokens.
func (c Cost) FLOPsAt(context int) int64 { return c.FLOPs + int64(context)*c.FLOPsPerContext }

// Cost sums up the nodes.
func (g *Graph) Cost() Cost {
	var sum Cost
	for _, n := range g.Nodes {
		c := g.nodeCost(n)
		sum.WeightBytes += c.WeightBytes
		sum.FLOPs += c.FLOPs
		sum.FLOPsPerContext += c.FLOPsPerContext
	}
	return sum
}

func (g *Graph) nodeCost(n *Node) (c Cost) {
	for _, w := range n.vectors() {
		c.WeightBytes += 4 * int64(w.Cols)
	}
	switch n.Op {
	case OpEmbed:
		c.WeightBytes += int64(n.Pack.Layout().RowBytes(n.Pack.Cols()))
	case OpGather:
		c.WeightBytes += 4 * int64(len(n.Order))
	case OpMatMul:
		c.WeightBytes += n.Pack.Bytes()
		c.FLOPs = 2 * int64(n.Pack.Rows()) * int64(n.Pack.Cols())
	case OpExpertMatMul, OpExpertSum: // the chosen experts alone
		c.WeightBytes += n.Pack.Bytes() / int64(n.Pack.Experts) * int64(n.Used)
		c.FLOPs = 2 * int64(n.Pack.ExpertRows()) * int64(n.Pack.Cols()) * int64(n.Used)
	case OpAttention:
		c.FLOPsPerContext = 4 * int64(n.Heads) * int64(g.KV.HeadDim)
	}
	return c
}

// Bytes is the size of the pack's planes on the device, padding aside.
func (p *Pack) Bytes() int64 { return int64(p.Rows()) * int64(p.Layout().RowBytes(p.Cols())) }
