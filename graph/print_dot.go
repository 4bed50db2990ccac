package graph

import (
	"bytes"
	"fmt"
	"strings"
)

// printDOT draws nodes as boxes in one frame per layer, values as arrows with their shape, and the way through the
// cache as a dashed arrow.
func (g *Graph) printDOT(b *bytes.Buffer, extra *Annotations) {
	fmt.Fprintf(b, "digraph %s {\n", quoted(g.Name))
	fmt.Fprintln(b, `	rankdir=TB; node [shape=box, fontname="sans-serif", fontsize=10]; edge [fontname="sans-serif", fontsize=9];`)
	fmt.Fprintln(b, `	ids [shape=plaintext, label="token ids"];`)
	frame := ""
	for i, n := range g.Nodes {
		if layer := layerOf(n.Label); layer != frame {
			if frame != "" {
				fmt.Fprintln(b, "\t}")
			}
			if layer != "" {
				fmt.Fprintf(b, "\tsubgraph %s {\n\t\tlabel=%s; color=gray;\n", quoted(fmt.Sprintf("cluster %s at %d", layer, i)), quoted(layer))
			}
			frame = layer
		}
		lines := append([]string{n.kind() + " · " + strings.TrimPrefix(n.Label, frame+".")}, n.details()...)
		if c, ok := extra.counts(i); ok {
			lines = append(lines, c.String())
		}
		indent := "\t"
		if frame != "" {
			indent = "\t\t"
		}
		fmt.Fprintf(b, "%sn%d [label=%s];\n", indent, i, quoted(strings.Join(lines, "\n")))
	}
	if frame != "" {
		fmt.Fprintln(b, "\t}")
	}
	g.printEdges(b)
	if g.Output != None {
		fmt.Fprintln(b, `	logits [shape=plaintext];`)
	}
	fmt.Fprintln(b, "}")
}

func (g *Graph) printEdges(b *bytes.Buffer) {
	writers := map[ID][]int{} // several for a value written in slices
	cache := map[int]int{}    // layer → the node that stores
	edge := func(from int, to string, id ID) {
		t := g.Tensor(id)
		fmt.Fprintf(b, "\tn%d -> %s [label=%s];\n", from, to, quoted(fmt.Sprintf("%%%d [%s %d]", id, t.Rows, t.Cols)))
	}
	for i, n := range g.Nodes {
		for _, in := range n.In {
			for _, from := range writers[in] {
				edge(from, fmt.Sprintf("n%d", i), in)
			}
		}
		switch n.Op {
		case OpEmbed:
			fmt.Fprintf(b, "\tids -> n%d;\n", i)
		case OpStoreKV, OpRoPEKV:
			cache[n.Layer] = i
		case OpAttention:
			if from, ok := cache[n.Layer]; ok {
				fmt.Fprintf(b, "\tn%d -> n%d [style=dashed, label=%s];\n", from, i, quoted(fmt.Sprintf("cache %d", n.Layer)))
			}
		}
		if n.Out != None {
			writers[n.Out] = append(writers[n.Out], i)
		}
	}
	for _, from := range writers[g.Output] {
		edge(from, "logits", g.Output)
	}
}

// layerOf is the layer's part of a label: "blk.3" of "blk.3.attn_q.weight", nothing elsewhere.
func layerOf(label string) string {
	parts := strings.SplitN(label, ".", 3)
	if len(parts) < 3 || parts[1] == "" || strings.Trim(parts[1], "0123456789") != "" {
		return ""
	}
	return parts[0] + "." + parts[1]
}

// quoted writes s as a DOT string; line breaks become centred lines.
func quoted(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`, "\n", `\n`).Replace(s) + `"`
}
