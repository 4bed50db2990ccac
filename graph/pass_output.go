package graph

// selectOutput keeps what the wanted output needs: no logits at all, what the head reads, or all rows instead of the last
// ones.
func selectOutput(g *Graph, o Options) {
	switch o.Output {
	case CacheOnly:
		g.Output = None
	case LastHidden, AllHidden:
		if !g.Headless {
			producer := g.producer()
			g.Output = ungathered(producer, producer[g.Output].In[0])
		}
	}
	if !o.Output.perToken() && !o.OneRowEach {
		return
	}
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op == OpLastRows {
			g.replaceUses(n.Out, n.In[0])
			dead[n] = true
		}
	}
	g.remove(dead)
	for i := range g.Values {
		g.Values[i].Rows = PerToken // also where the two row counts are the same number
	}
}

// rowWise reports whether each row of the node's output depends on the same row of its inputs alone.
func rowWise(n *Node) bool {
	switch n.Op {
	case OpRMSNorm, OpMatMul, OpSwiGLU, OpAdd, OpAddBias, OpGather, OpRoute, OpExpertMatMul, OpExpertSum, OpCombine, OpGate:
		return true
	}
	return false
}

// sinkLastRows moves the choice of the last rows up in front of row-wise operations that nothing else reads, so that
// the last layer's output projection and feed-forward run for one row per sequence instead of for the whole prompt.
func sinkLastRows(g *Graph) {
	moved := 0
	for {
		producer, uses := g.producer(), g.uses()
		last := map[ID]ID{} // value → its last rows
		for _, n := range g.Nodes {
			if n.Op == OpLastRows {
				last[n.In[0]] = n.Out
			}
		}
		lastUses := func(id ID) int { // readers of id other than LastRows
			if _, ok := last[id]; ok {
				return uses[id] - 1
			}
			return uses[id]
		}
		var at, op *Node
		for _, n := range g.Nodes {
			if n.Op != OpLastRows {
				continue
			}
			if p := producer[n.In[0]]; p != nil && rowWise(p) && lastUses(n.In[0]) == 0 && !slicedOutput(g, n.In[0]) {
				at, op = n, p
				break
			}
		}
		if at == nil {
			break
		}
		for i, in := range op.In {
			id, ok := last[in]
			if !ok {
				t := *g.Tensor(in)
				t.Rows, t.Name = PerSequence, t.Name+".last"
				id = g.newValue(t)
				g.insertBefore(op, &Node{Op: OpLastRows, Label: "last_rows", In: []ID{in}, Out: id})
				last[in] = id
			}
			op.In[i] = id
		}
		g.Tensor(op.Out).Rows = PerSequence
		g.replaceUses(at.Out, op.Out)
		g.remove(map[*Node]bool{at: true})
		moved++
	}
	hoistLastRows(g)
	if moved > 0 {
		g.note("last_rows: moved in front of %d row-wise operations", moved)
	}
}

// hoistLastRows puts each LastRows directly behind the node that writes its input: sinking may have left a reader of
// shared last rows in front of the node that makes them.
func hoistLastRows(g *Graph) {
	var gathers []*Node
	dead := map[*Node]bool{}
	for _, n := range g.Nodes {
		if n.Op == OpLastRows {
			gathers, dead[n] = append(gathers, n), true
		}
	}
	g.remove(dead)
	producer := g.producer()
	for _, n := range gathers {
		p := producer[n.In[0]]
		for i, m := range g.Nodes {
			if m == p {
				g.Nodes = append(g.Nodes[:i+1], append([]*Node{n}, g.Nodes[i+1:]...)...)
				break
			}
		}
	}
}

func slicedOutput(g *Graph, id ID) bool {
	writers := 0
	for _, n := range g.Nodes {
		if n.Out == id {
			writers++
		}
	}
	return writers > 1
}

// dropDead removes nodes whose results nobody reads. Writing the cache is a result.
func dropDead(g *Graph) {
	for {
		uses := g.uses()
		dead := map[*Node]bool{}
		for _, n := range g.Nodes {
			if n.Op != OpStoreKV && n.Op != OpRoPEKV && uses[n.Out] == 0 {
				dead[n] = true
			}
		}
		if len(dead) == 0 {
			return
		}
		g.remove(dead)
	}
}
