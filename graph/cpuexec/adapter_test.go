package cpuexec_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/quant"
)

// adapterOf changes those products of g whose name contains one of the words.
func adapterOf(g *graph.Graph, name string, rank int, factor float64, words ...string) *graph.Adapter {
	a := &graph.Adapter{Name: name, Deltas: map[string]graph.Delta{}}
	for weight := range g.Products() {
		for _, word := range words {
			if strings.Contains(weight, word) {
				a.Deltas[weight] = graph.Delta{Rank: rank, Factor: factor, A: quant.LayoutOf(quant.F32), B: quant.LayoutOf(quant.BF16)}
			}
		}
	}
	return a
}

// merged are the weights that adapters make of random ones: W + Σ scale·factor·B·A.
func merged(set *graph.Adapters, scales []float64) cpuexec.Weights {
	return cpuexec.WeightsFunc(func(w graph.Weight) ([]float32, error) {
		read := w.Name == "embd" // by tokens; adapters change the product alone
		w.Name = strings.TrimSuffix(w.Name, product)
		values, err := randomWeights(w)
		for i, a := range set.List() {
			d, ok := a.Deltas[w.Name]
			if !ok || err != nil || read {
				continue
			}
			down, _ := randomWeights(graph.Weight{Name: a.NameA(w.Name), Rows: d.Rank, Cols: w.Cols})
			up, _ := randomWeights(graph.Weight{Name: a.NameB(w.Name), Rows: w.Rows, Cols: d.Rank})
			for r := range w.Rows {
				for c := range w.Cols {
					sum := 0.0
					for k := range d.Rank {
						sum += float64(up[r*d.Rank+k]) * float64(down[k*w.Cols+c])
					}
					values[r*w.Cols+c] += float32(scales[i] * d.Factor * sum)
				}
			}
		}
		return values, err
	})
}

// TestAdapters: with adapters every form of a graph computes what the plain form computes with weights that the adapters
// were merged into. Merging rounds each weight to float32, which moves the logits by 1e-7.
func TestAdapters(t *testing.T) {
	for i, s := range smalls {
		m := s.build(t)
		plain := graph.Compile(m, graph.Options{Output: graph.AllLogits, NoFuse: true})
		for what, c := range map[string]struct {
			list   []*graph.Adapter
			scales []float64
		}{
			"all":     {[]*graph.Adapter{adapterOf(m, "a", 5, 0.25, "attn_", "ffn_")}, []float64{1}},
			"rank 1":  {[]*graph.Adapter{adapterOf(m, "a", 1, 0.5, "attn_q.", "ffn_up", "ffn_down")}, []float64{-1.5}},
			"rank 64": {[]*graph.Adapter{adapterOf(m, "a", 64, 0.1, "attn_v", "attn_output", "ffn_gate")}, []float64{1}},
			"head":    {[]*graph.Adapter{adapterOf(m, "a", 8, 0.3, "embd")}, []float64{1}},
			"three": {[]*graph.Adapter{
				adapterOf(m, "a", 5, 0.25, "attn_q.", "attn_v", "ffn_"), adapterOf(m, "b", 8, 0.1, "attn_", "ffn_gate"), adapterOf(m, "c", 32, 0.2, "blk.0."),
			}, []float64{0.5, -2, 1}},
		} {
			if i > 1 && what != "three" {
				continue // one set of adapters is enough for what else the models differ in
			}
			set := graph.NewAdapters(c.list...)
			withScales := func(s cpuexec.Step) cpuexec.Step { s.Scales = c.scales; return s }
			oracle := cpuexec.New(m, merged(set, c.scales))
			plain := untied(plain)
			run(t, oracle, plain, history)
			wantChunk, wantNext := run(t, oracle, plain, chunk), run(t, oracle, plain, next)
			var first [][]float64
			for _, o := range forms() {
				o.Adapters = set
				t.Run(fmt.Sprintf("%v/%s/%+v", s, what, o), func(t *testing.T) {
					g := graph.Compile(m, o)
					if !slices.ContainsFunc(g.Notes, func(n string) bool { return strings.Contains(n, "adapters a") }) {
						t.Errorf("no note says what became of the adapters: %q", g.Notes)
					}
					e := cpuexec.New(m, randomWeights)
					fill := graph.Compile(m, graph.Options{Output: graph.AllLogits, Adapters: set})
					run(t, e, fill, withScales(history))
					got, want := run(t, e, g, withScales(chunk)), wantChunk
					if o.OneRowEach {
						e = cpuexec.New(m, randomWeights)
						run(t, e, fill, withScales(history))
						run(t, e, fill, withScales(chunk))
						got, want = run(t, e, g, withScales(next)), wantNext
					}
					if o.Output == graph.CacheOnly {
						got, want = run(t, e, fill, withScales(next)), wantNext // reads the cache that g wrote
						if o.OneRowEach {
							return
						}
					}
					wantRows := want.Logits
					if len(got.Logits) != len(wantRows) {
						wantRows = [][]float64{wantRows[3], wantRows[4], wantRows[6]} // the last of each sequence in chunk
					}
					if _, relative := distance(t, got.Logits, wantRows); relative > 2e-6 {
						t.Errorf("logits are off by %.1e relative rms", relative)
					}
					if o.Output == graph.AllLogits && !o.OneRowEach {
						if first == nil {
							first = got.Logits
						}
						if _, relative := distance(t, got.Logits, first); relative > 1e-12 {
							t.Errorf("logits are off those of another form by %.1e relative rms", relative)
						}
					}
				})
			}
		}
	}
}

// untied gives the product with a tied embedding another name: an adapter changes the product, not the rows that tokens
// read.
func untied(g *graph.Graph) *graph.Graph {
	c := *g
	c.Nodes = slices.Clone(g.Nodes)
	for i, n := range c.Nodes {
		if n.Op == graph.OpMatMul && n.Pack.Parts[0].Name == "embd" {
			head := *n
			part := n.Pack.Parts[0]
			part.Name += product
			head.Pack = &graph.Pack{Name: part.Name, Parts: []graph.Weight{part}}
			c.Nodes[i] = &head
		}
	}
	return &c
}

// product marks the name of an embedding where it is multiplied by.
const product = " as a product"
