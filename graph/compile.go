package graph

// Output says what a compiled graph computes at its end.
type Output uint8

const (
	// CacheOnly fills the KV cache and computes no logits: all chunks of a prompt but the last.
	CacheOnly Output = iota
	// LastLogits computes one row of logits per sequence.
	LastLogits
	// AllLogits computes a row of logits per token.
	AllLogits
	// LastHidden ends at the last norm, one row per sequence: what the output head would read.
	LastHidden
	// AllHidden is the same with a row per token.
	AllHidden
)

// perToken tells outputs with a row for each token.
func (o Output) perToken() bool { return o == AllLogits || o == AllHidden }

// Options choose among the forms of a compiled graph.
type Options struct {
	Output Output
	// NoFuse keeps the nodes as the model wrote them; the oracle runs both forms.
	NoFuse bool
	// FuseNorm folds an RMSNorm into the matrix products that read it. It saves a dispatch and a barrier where
	// latency counts (decode on a card) and costs a second read of the input per workgroup.
	FuseNorm bool
	// SumExperts lets the experts' last product sum its results, see fuseExpertSum.
	SumExperts bool
	// OneRowEach tells that every sequence has exactly one token, in order: LastRows is then the identity.
	OneRowEach bool
	// Int8 says which products read their input as bytes; nil: none.
	Int8 *Int8
	// Adapters are added to the products that they change; nil: none.
	Adapters *Adapters
}

// Compile rewrites the graph a model built into the one that is executed. It does not change g.
//
// The passes only ever replace a pattern by nodes that compute the same values, but for Int8, which rounds some; what one
// did, or why it could not, stands in the result's Notes.
func Compile(g *Graph, o Options) *Graph {
	g = g.clone()
	if !o.NoFuse {
		fuseRoPEKV(g)
		fuseSwiGLU(g)
		fuseExperts(g)
		if o.SumExperts {
			fuseExpertSum(g)
		}
		fuseBias(g)
		fuseResidual(g)
	}
	if o.Adapters != nil {
		addAdapters(g, o.Adapters)
	}
	selectOutput(g, o)
	if (o.Output == LastLogits || o.Output == LastHidden) && !o.OneRowEach {
		sinkLastRows(g)
	}
	dropDead(g)
	if o.Int8 != nil {
		quantiseInputs(g, o.Int8)
	}
	if o.FuseNorm && !o.NoFuse {
		fuseNorm(g)
	}
	return g
}

// replaceUses makes every reader of old read new.
func (g *Graph) replaceUses(old, new ID) {
	for _, n := range g.Nodes {
		for i, in := range n.In {
			if in == old {
				n.In[i] = new
			}
		}
	}
	if g.Output == old {
		g.Output = new
	}
}

// remove deletes the given nodes.
func (g *Graph) remove(dead map[*Node]bool) {
	kept := g.Nodes[:0]
	for _, n := range g.Nodes {
		if !dead[n] {
			kept = append(kept, n)
		}
	}
	g.Nodes = kept
}

// insertBefore puts nodes in front of at.
func (g *Graph) insertBefore(at *Node, nodes ...*Node) {
	for i, n := range g.Nodes {
		if n == at {
			g.Nodes = append(g.Nodes[:i], append(append([]*Node(nil), nodes...), g.Nodes[i:]...)...)
			return
		}
	}
	panic("BUG: graph: insertBefore: node not in graph")
}

// insertAfter puts nodes behind at.
func (g *Graph) insertAfter(at *Node, nodes ...*Node) {
	for i, n := range g.Nodes {
		if n == at {
			g.Nodes = append(g.Nodes[:i+1], append(append([]*Node(nil), nodes...), g.Nodes[i+1:]...)...)
			return
		}
	}
	panic("BUG: graph: insertAfter: node not in graph")
}
