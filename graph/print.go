package graph

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// Counts says what a device records for a node or a step.
type Counts struct{ Dispatches, Barriers int }

func (c Counts) String() string {
	return fmt.Sprintf("dispatches: %d, barriers: %d", c.Dispatches, c.Barriers)
}

// Annotations add to a printed graph what the graph itself does not know.
type Annotations struct {
	Context int            // tokens that attention looks at, for the FLOPs of the summary; 0: not given
	Nodes   map[int]Counts // by index in Graph.Nodes
	Total   Counts         // of the step; with what follows the logits, more than the sum of the nodes
	Submits int            // of the step; 0: no device planned it, and Nodes and Total are not printed
}

// counts are those of node i, if a device planned it.
func (a *Annotations) counts(i int) (Counts, bool) {
	c, ok := a.Nodes[i]
	return c, ok && a.Submits > 0
}

// Print writes the graph as "text" for people, as "dot" for Graphviz or as "json", the document below; extra may be
// nil. Nodes stand in the order of execution.
//
// The JSON document is one object. Fields may be added to it; what is here keeps its meaning. Those in brackets are
// left out where they do not apply.
//
//	name            the model
//	vocab           rows of the embedding
//	cache           {layers, heads, head_dim}: shape of the KV cache per token
//	[output]        id of the logits; absent in a graph that only fills the cache
//	values          [{id, name, rows: "tokens"|"seqs", cols, [int8]: bytes with scales}]: the activations, by id
//	nodes           [{op, label, in: [id], [out], [layer], [heads], [scale], [window], [log_n], [eps], [out_col], [used]: experts per row,
//	                  [renormalise],
//	                  [weight: {name, rows, cols, layout, bytes, parts: [name], [interleave], [experts]}],
//	                  [norm], [q_norm], [k_norm], [bias]: names of vectors,
//	                  [epilogue: "add"|"swiglu"|"scale"|"add_swiglu"|"bias"], cost, [dispatches], [barriers]}]
//	cost            {weight_bytes, flops, flops_per_context_token}: per token, as in Cost; nodes have the same
//	[context]       tokens that attention looks at
//	[flops_at_context]  FLOPs per token with that context
//	[recorded]      {dispatches, barriers, submits}: of one step on the device
//	notes           [sentence]: what the passes decided
func (g *Graph) Print(w io.Writer, format string, extra *Annotations) error {
	if extra == nil {
		extra = &Annotations{}
	}
	var b bytes.Buffer
	switch format {
	case "text":
		g.printText(&b, extra)
	case "dot":
		g.printDOT(&b, extra)
	case "json":
		if err := g.printJSON(&b, extra); err != nil {
			return fmt.Errorf("graph: %s as json: %w", g.Name, err)
		}
	default:
		return fmt.Errorf("graph: there is no graph format %q: use text, dot or json", format)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (g *Graph) printText(b *bytes.Buffer, extra *Annotations) {
	fmt.Fprintf(b, "%s: %d nodes, vocabulary %d, cache of %d layers × %d heads × %d\n\n",
		g.Name, len(g.Nodes), g.Vocab, g.KV.Layers, g.KV.Heads, g.KV.HeadDim)
	table := tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
	for i, n := range g.Nodes {
		out := ""
		if n.Out != None {
			t := g.Tensor(n.Out)
			out = fmt.Sprintf("%%%d [%s %d%s]", n.Out, t.Rows, t.Cols, map[bool]string{true: " int8"}[t.Int8])
		}
		details := n.details()
		if c, ok := extra.counts(i); ok {
			details = append([]string{c.String()}, details...)
		}
		cells := []string{fmt.Sprint(i), n.kind(), n.Label, g.inputs(n) + " → " + out, strings.Join(details, ", ")}
		fmt.Fprintln(table, strings.Join(cells, "\t"))
	}
	table.Flush() //nolint:errcheck // a Buffer takes everything
	trimSpaces(b)

	c := g.Cost()
	fmt.Fprintln(b)
	if g.Output != None {
		fmt.Fprintf(b, "output: %%%d\n", g.Output)
	} else {
		fmt.Fprintln(b, "output: none, the graph fills the cache")
	}
	fmt.Fprintf(b, "weights read per token: %s\n", byteSize(c.WeightBytes))
	fmt.Fprintf(b, "FLOPs per token: %s, and %s for each token of context\n", count(c.FLOPs), count(c.FLOPsPerContext))
	if extra.Context > 0 {
		fmt.Fprintf(b, "FLOPs per token at context %d: %s\n", extra.Context, count(c.FLOPsAt(extra.Context)))
	}
	if extra.Submits > 0 {
		fmt.Fprintf(b, "per step: %s, submits: %d\n", extra.Total, extra.Submits)
	}
	for _, note := range g.Notes {
		fmt.Fprintf(b, "note: %s\n", note)
	}
}

// kind is the op with what was fused into it: "norm+matmul+swiglu".
func (n *Node) kind() string {
	kind := n.Op.String()
	if n.Op != OpRMSNorm && n.Norm != nil {
		kind = "norm+" + kind
	}
	return kind + n.Epilogue.String()
}

// inputs lists the values that n reads.
func (g *Graph) inputs(n *Node) string {
	var ids []string
	for _, in := range n.In {
		ids = append(ids, fmt.Sprintf("%%%d", in))
	}
	if n.Op == OpEmbed {
		ids = append(ids, "ids")
	}
	return strings.Join(ids, " ")
}

// details are the parameters of a node.
func (n *Node) details() []string {
	var d []string
	add := func(format string, args ...any) { d = append(d, fmt.Sprintf(format, args...)) }
	if p := n.Pack; p != nil {
		add("%s [%d %d] %s", p.Layout().Name(), p.Rows(), p.Cols(), byteSize(p.Bytes()))
		if len(p.Parts) > 1 {
			order := "stacked"
			if p.Interleave {
				order = "in turn"
			}
			add("%d weights %s", len(p.Parts), order)
		}
	}
	for _, w := range n.vectorUses() {
		if w.weight.Name != n.Label {
			add("%s %s", w.role, w.weight.Name)
		}
	}
	if n.Eps != 0 {
		add("eps %.6g", n.Eps)
	}
	if n.Heads > 0 {
		add("%d heads", n.Heads)
	}
	if e := n.experts(); e != "" {
		add("%s", e)
	}
	if n.OutCol > 0 {
		add("from column %d", n.OutCol)
	}
	if n.Op == OpAttention {
		add("scale %.6g", n.Scale)
	}
	if n.LogN > 0 {
		add("log n behind %d", n.LogN)
	}
	if n.Window > 0 {
		add("window %d", n.Window)
	}
	if n.usesCache() {
		add("cache %d", n.Layer)
	}
	return d
}

// usesCache reports whether the node reads or writes the KV cache of its layer.
func (n *Node) usesCache() bool { return n.Op == OpStoreKV || n.Op == OpAttention || n.Op == OpRoPEKV }

type vectorUse struct {
	role   string
	weight *Weight
}

// vectorUses lists the norm weights and biases that the node reads.
func (n *Node) vectorUses() []vectorUse {
	var uses []vectorUse
	for _, u := range []vectorUse{{"norm", n.Norm}, {"q_norm", n.QNorm}, {"k_norm", n.KNorm}, {"bias", n.Bias}} {
		if u.weight != nil {
			uses = append(uses, u)
		}
	}
	return uses
}

// trimSpaces takes the spaces off the ends of lines that the table's last column left.
func trimSpaces(b *bytes.Buffer) {
	lines := strings.Split(b.String(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	b.Reset()
	b.WriteString(strings.Join(lines, "\n"))
}

// byteSize writes bytes in the largest binary unit that leaves a whole number in front.
func byteSize(n int64) string {
	size, unit := float64(n), 0
	for size >= 1024 && unit < 4 {
		size, unit = size/1024, unit+1
	}
	if unit == 0 {
		return fmt.Sprintf("%d B", n)
	}
	return fmt.Sprintf("%.1f %s", size, [...]string{"", "KiB", "MiB", "GiB", "TiB"}[unit])
}

// count writes a large number with a decimal prefix.
func count(n int64) string {
	size, prefix := float64(n), 0
	for size >= 1000 && prefix < 4 {
		size, prefix = size/1000, prefix+1
	}
	if prefix == 0 {
		return fmt.Sprint(n)
	}
	return fmt.Sprintf("%.3g %s", size, [...]string{"", "k", "M", "G", "T"}[prefix])
}
