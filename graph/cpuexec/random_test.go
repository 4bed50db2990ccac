package cpuexec_test

import (
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/quant"
)

// TestRandomGraphs compiles graphs that no model would have, so that passes meet patterns that nearly match.
func TestRandomGraphs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := drawGraph(t)
		plain := graph.Compile(m, graph.Options{Output: graph.AllLogits, NoFuse: true})
		step := cpuexec.Step{IDs: []int32{3, 1, 4, 1}, Seqs: []cpuexec.Seq{{Slot: 0, Rows: 3}, {Slot: 1, Rows: 1}}}
		ones := cpuexec.Step{IDs: []int32{2, 5}, Seqs: []cpuexec.Seq{{Slot: 0, Rows: 1, Start: 3}, {Slot: 1, Rows: 1, Start: 1}}}
		oracle := cpuexec.New(m, randomWeights)
		want, wantOnes := mustRun(t, oracle, plain, step), mustRun(t, oracle, plain, ones)
		for _, o := range forms() {
			g := graph.Compile(m, o)
			e := cpuexec.New(m, randomWeights)
			if o.OneRowEach {
				mustRun(t, e, plain, step)
				compare(t, g, o, mustRun(t, e, g, ones), wantOnes, ones)
				continue
			}
			compare(t, g, o, mustRun(t, e, g, step), want, step)
			compare(t, plain, graph.Options{Output: graph.AllLogits}, mustRun(t, e, plain, ones), wantOnes, ones)
		}
	})
}

func mustRun(t *rapid.T, e *cpuexec.Executor, g *graph.Graph, s cpuexec.Step) *cpuexec.Result {
	r, err := e.Run(g, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// drawGraph strings random operations together: any of the values so far may be read again.
func drawGraph(t *rapid.T) *graph.Graph {
	const width, headDim, layers = 64, 32, 2
	b := graph.NewBuilder("random", graph.KVShape{Layers: layers, Heads: 1, HeadDim: headDim}, graph.RoPE{InvFreq: make([]float64, headDim/2), Scale: 1})
	names := 0
	weight := func(rows, cols int) graph.Weight {
		names++
		layouts := []quant.Layout{quant.LayoutOf(quant.F32), quant.LayoutOf(quant.F32), quant.LayoutOf(quant.BF16)}
		return graph.Weight{Name: fmt.Sprintf("w%d", names), Rows: rows, Cols: cols, Layout: rapid.SampledFrom(layouts).Draw(t, "layout")}
	}
	values := []graph.Value{b.Embed(weight(smallVocab, width))}
	pick := func() graph.Value {
		return values[rapid.IntRange(max(0, len(values)-4), len(values)-1).Draw(t, "value")]
	}
	oneIn := func(n int, label string) bool { return rapid.IntRange(1, n).Draw(t, label) == n }
	norm := func(x graph.Value, cols int) graph.Value {
		eps := 1e-3
		if oneIn(6, "other eps") {
			eps = 0.5
		}
		return b.RMSNorm(x, weight(1, cols), eps)
	}
	product := func(x graph.Value, rows int) graph.Value {
		if oneIn(6, "other input") {
			x = pick()
		}
		x = b.MatMul(x, weight(rows, width))
		if oneIn(3, "bias") {
			if rows == width && oneIn(4, "keep unbiased") {
				values = append(values, x)
			}
			x = b.AddBias(x, weight(1, rows))
		}
		return x
	}
	rotated := func(x graph.Value, heads int, normed bool) graph.Value {
		x = product(x, heads*headDim)
		if oneIn(6, "row norm") {
			x = norm(x, heads*headDim)
		} else if normed != oneIn(6, "unlike the other") {
			x = norm(x.Heads(heads), headDim)
		}
		return b.RoPE(x.Heads(heads))
	}
	layer := 0
	for range rapid.IntRange(1, 12).Draw(t, "operations") {
		x := pick()
		switch rapid.SampledFrom([]string{"norm", "head norm", "product", "add", "swiglu", "gated", "attention", "attention"}).Draw(t, "op") {
		case "norm":
			x = norm(x, width)
		case "head norm":
			x = norm(x.Heads(2), headDim).Heads(0)
		case "product":
			x = product(x, width)
		case "add":
			x = b.Add(x, pick())
		case "swiglu":
			x = b.SwiGLU(x, pick())
		case "gated":
			gate, up := product(x, width), product(x, width)
			if oneIn(3, "keep gate") {
				values = append(values, gate)
			}
			x = b.SwiGLU(gate, up)
		case "attention":
			if layer == layers {
				continue
			}
			normed := rapid.Bool().Draw(t, "normed")
			q, k := rotated(x, 2, normed), rotated(x, 1, normed)
			b.StoreKV(k, product(x, headDim), layer)
			if oneIn(3, "keep query") {
				values = append(values, q.Heads(0))
			}
			x = b.Attention(q, layer, 0.2)
			layer++
		}
		values = append(values, x)
	}
	x := b.LastRows(pick())
	if rapid.Bool().Draw(t, "late add") {
		x = b.Add(x, b.MatMul(x, weight(width, width)))
	}
	g, err := b.Build(b.MatMul(norm(x, width), weight(smallVocab, width)))
	if err != nil {
		t.Fatal(err)
	}
	return g
}
