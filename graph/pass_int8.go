package graph

// Int8 lets products read their input as signed bytes with a scale for each 32 of them (quant.RoundInt8), which rounds it.
type Int8 struct {
	// Takes tells whether a product, a MatMul, an ExpertMatMul or an ExpertSum, reads bytes.
	Takes func(n *Node) bool
}

// quantiseInputs gives products bytes to read. A norm that only such products read stores bytes itself; other inputs get a
// node that makes bytes of them, once for all products that read them.
func quantiseInputs(g *Graph, by *Int8) {
	producer, uses, takers := g.producer(), g.uses(), int8Takers(g, by)
	norms, others, products := 0, 0, 0
	for id := range ID(len(g.Values)) {
		readers := takers[id]
		if len(readers) == 0 {
			continue
		}
		products += len(readers)
		p := producer[id]
		if p.Op == OpRMSNorm && p.Heads == 0 && len(readers) == uses[id] {
			g.Tensor(id).Int8 = true
			norms++
			continue
		}
		t := *g.Tensor(id)
		t.Name, t.Int8 = t.Name+".int8", true
		bytes := g.newValue(t)
		g.insertAfter(p, &Node{Op: OpQuantise, Label: "quantise", In: []ID{id}, Out: bytes})
		for _, n := range readers {
			n.In[0] = bytes
		}
		others++
	}
	if products > 0 {
		g.note("int8: %d products read bytes, which %d norms and %d nodes of their own make", products, norms, others)
	}
}

// int8Takers are, by their input, the products that are to read bytes. The head's input stays as it is, since what is rounded
// there moves each logit, and so does a router's, whose choice is all or nothing.
func int8Takers(g *Graph, by *Int8) map[ID][]*Node {
	routed := map[ID]bool{}
	for _, n := range g.Nodes {
		if n.Op == OpRoute {
			routed[n.In[0]] = true
		}
	}
	takers := map[ID][]*Node{}
	for _, n := range g.Nodes {
		product := n.Op == OpMatMul || n.Op == OpExpertMatMul || n.Op == OpExpertSum
		if product && n.Norm == nil && n.Out != g.Output && !routed[n.Out] && by.Takes(n) {
			takers[n.In[0]] = append(takers[n.In[0]], n)
		}
	}
	return takers
}
