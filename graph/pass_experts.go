package graph

// fuseExperts is fuseSwiGLU for experts: gate and up of each expert become one matrix of rows in turn.
func fuseExperts(g *Graph) {
	producer, uses := g.producer(), g.uses()
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op != OpSwiGLU {
			continue
		}
		gate, up := producer[n.In[0]], producer[n.In[1]]
		if gate == nil || up == nil || gate.Op != OpExpertMatMul || up.Op != OpExpertMatMul || gate.In[0] != up.In[0] ||
			gate.In[1] != up.In[1] || gate.Pack.Experts != up.Pack.Experts || uses[gate.Out] != 1 || uses[up.Out] != 1 {
			continue
		}
		if parts := []Weight{gate.Pack.Parts[0], up.Pack.Parts[0]}; !sameLayout(parts) {
			g.note("%s: %s differ in type: swiglu stays apart", n.Label, partNames(parts))
			continue
		}
		dead[gate], dead[up] = true, true
		label := gateUpLabel(gate.Label)
		pack := &Pack{Name: label, Experts: gate.Pack.Experts, Interleave: true}
		for e := range gate.Pack.Parts {
			pack.Parts = append(pack.Parts, gate.Pack.Parts[e], up.Pack.Parts[e])
		}
		*n = Node{
			Op: OpExpertMatMul, Label: label, In: gate.In, Out: n.Out, Epilogue: EpilogueSwiGLU, Pack: pack, Used: gate.Used,
		}
	}
	g.remove(dead)
}

// fuseExpertSum lets the last product of the experts weight and sum its own results, where nothing else reads them: one
// dispatch and one barrier less, and no row per expert in memory. It serves steps of a few rows on experts that lie in
// one piece; a tiled product has the rows of one expert together, not those of one token.
func fuseExpertSum(g *Graph) {
	producer, uses := g.producer(), g.uses()
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op != OpCombine {
			continue
		}
		m := producer[n.In[0]]
		if m == nil || m.Op != OpExpertMatMul || m.Epilogue != EpilogueNone || m.In[1] != n.In[1] || !m.PerRank(g) || uses[m.Out] != 1 {
			continue
		}
		dead[m] = true
		n.Op, n.Label, n.Pack = OpExpertSum, m.Label, m.Pack
		n.In[0] = m.In[0]
	}
	g.remove(dead)
}
