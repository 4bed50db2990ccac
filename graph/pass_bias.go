package graph

import "github.com/qwenvk/qwenvk/quant"

// linear is a product and, perhaps, the bias behind it.
type linear struct{ bias, mul *Node }

// fuseBias lets a product add its bias as it stores its result.
func fuseBias(g *Graph) {
	producer, uses := g.producer(), g.uses()
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op != OpAddBias {
			continue
		}
		m := producer[n.In[0]]
		if m == nil || m.Op != OpMatMul || m.Epilogue != EpilogueNone || uses[n.In[0]] != 1 || slicedOutput(g, n.In[0]) {
			continue
		}
		dead[m] = true
		bias := n.Bias
		*n = Node{Op: OpMatMul, Label: m.Label, In: m.In, Out: n.Out, Pack: m.Pack}
		n.addBias(bias)
	}
	g.remove(dead)
}

// stackBiases is the bias of stacked products, nil if none has one.
func stackBiases(name string, layers []linear) *Weight {
	one := &Weight{Name: name, Rows: 1, Layout: quant.LayoutOf(quant.F32)}
	for _, l := range layers {
		if l.bias != nil {
			w := l.bias.Bias
			one.Blocks = append(one.Blocks, Block{Name: w.Name, Rows: 1, Cols: w.Cols, RowStep: 1, Col: one.Cols})
		}
		one.Cols += l.mul.Pack.Rows()
	}
	if one.Blocks == nil {
		return nil
	}
	return one
}

// addBias lets a product that has no epilogue yet add a bias; nil changes nothing.
func (n *Node) addBias(bias *Weight) {
	if bias != nil {
		n.Epilogue, n.Bias = EpilogueBias, bias
	}
}
