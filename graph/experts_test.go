package graph_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
)

// TestExpertShapes: what does not fit is told with the line of the model file and the weight.
func TestExpertShapes(t *testing.T) {
	weight := func(name string, rows, cols int, typ quant.Type) graph.Weight {
		return graph.Weight{Name: name, Rows: rows, Cols: cols, Layout: quant.LayoutOf(typ)}
	}
	each := func(n, rows, cols int) (all graph.Experts) {
		for e := range n {
			all = append(all, weight(fmt.Sprintf("w.%d.weight", e), rows, cols, quant.F32))
		}
		return all
	}
	type value = graph.Value
	for _, c := range []struct {
		want string
		make func(b *graph.Builder, x, logits value) value // x: [tokens 64], logits: [tokens 4]
	}{
		{"", func(b *graph.Builder, x, logits value) value {
			return b.ExpertMatMul(x, b.Route(logits, 2, true), each(4, 32, 64))
		}},
		{"", func(b *graph.Builder, x, logits value) value {
			return b.ExpertMatMul(x, b.Route(logits, 2, true), each(4, 96, 32))
		}}, // a row per rank
		{"0 of 4 experts are used", func(b *graph.Builder, x, logits value) value { return b.Route(logits, 0, true) }},
		{"5 of 4 experts are used", func(b *graph.Builder, x, logits value) value { return b.Route(logits, 5, true) }},
		{"3 matrices from w.0.weight, the router knows 4", func(b *graph.Builder, x, logits value) value {
			return b.ExpertMatMul(x, b.Route(logits, 2, true), each(3, 32, 64))
		}},
		{"0 matrices", func(b *graph.Builder, x, logits value) value { return b.ExpertMatMul(x, b.Route(logits, 2, true), nil) }},
		{"64 columns are neither one row nor 2 rows of 96", func(b *graph.Builder, x, logits value) value {
			return b.ExpertMatMul(x, b.Route(logits, 2, true), each(4, 32, 96))
		}},
		{"w.2.weight [32 64] bf16 and w.0.weight [32 64] f32 differ", func(b *graph.Builder, x, logits value) value {
			w := each(4, 32, 64)
			w[2].Layout = quant.LayoutOf(quant.BF16)
			return b.ExpertMatMul(x, b.Route(logits, 2, true), w)
		}},
		{"the routing must come from Route", func(b *graph.Builder, x, logits value) value { return b.ExpertMatMul(x, x, each(4, 32, 64)) }},
		{"have the rows of x", func(b *graph.Builder, x, logits value) value {
			return b.ExpertMatMul(b.LastRows(x), b.Route(logits, 2, true), each(4, 32, 64))
		}},
		{"64 columns are not 3 rows", func(b *graph.Builder, x, logits value) value { return b.Combine(x, b.Route(logits, 3, true)) }},
		{"one number for each row", func(b *graph.Builder, x, logits value) value { return b.Gate(x, logits) }},
	} {
		b := graph.NewBuilder("experts", graph.KVShape{Layers: 1, Heads: 1, HeadDim: 2}, graph.RoPE{InvFreq: []float64{1}, Scale: 1})
		x := b.Embed(weight("embd", 40, 64, quant.F32))
		c.make(b, x, b.MatMul(x, weight("router", 4, 64, quant.F32)))
		switch err := b.Err(); {
		case c.want == "" && err != nil:
			t.Errorf("%v", err)
		case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "experts_test.go:")):
			t.Errorf("%v, want %q and the line", err, c.want)
		}
	}
}

// TestExpertCost: a token reads and multiplies by the chosen experts alone.
func TestExpertCost(t *testing.T) {
	f32 := func(name string, rows, cols int) graph.Weight {
		return graph.Weight{Name: name, Rows: rows, Cols: cols, Layout: quant.LayoutOf(quant.F32)}
	}
	b := graph.NewBuilder("experts", graph.KVShape{Layers: 1, Heads: 1, HeadDim: 2}, graph.RoPE{InvFreq: []float64{1}, Scale: 1})
	x := b.Embed(f32("embd", 40, 64))
	var w graph.Experts
	for e := range 8 {
		w = append(w, f32(fmt.Sprintf("w.%d.weight", e), 64, 64))
	}
	route := b.Route(b.MatMul(x, f32("router", 8, 64)), 3, true)
	g, err := b.Build(b.MatMul(b.LastRows(b.Combine(b.ExpertMatMul(x, route, w), route)), f32("head", 40, 64)))
	if err != nil {
		t.Fatal(err)
	}
	const router, experts, head = 8 * 64, 3 * 64 * 64, 40 * 64
	c := g.Cost()
	if want := int64(2 * (router + experts + head)); c.FLOPs != want {
		t.Errorf("%d FLOPs, want %d", c.FLOPs, want)
	}
	if want := int64(4 * (64 + router + experts + head)); c.WeightBytes != want {
		t.Errorf("%d bytes of weights, want %d", c.WeightBytes, want)
	}
	if want := int64(head + router + experts + head); g.ActiveElements() != want {
		t.Errorf("%d active weights, want %d", g.ActiveElements(), want)
	}
}
