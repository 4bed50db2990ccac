package cpuexec_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
)

// TestSampler: element by element, from the inputs of a node as a device would have them, the sampler computes what the
// executor does.
func TestSampler(t *testing.T) {
	for _, s := range smalls {
		for _, o := range []graph.Options{{Output: graph.AllLogits}, {Output: graph.LastLogits, FuseNorm: true, SumExperts: true}} {
			t.Run(fmt.Sprintf("%v/%+v", s, o), func(t *testing.T) {
				m := s.build(t)
				c := sampling{t: t, g: graph.Compile(m, o), sampler: &cpuexec.Sampler{Weights: deviceRows()}, cache: map[[4]int][]float64{}}
				e := cpuexec.New(m, randomWeights)
				for _, step := range []cpuexec.Step{history, chunk} {
					c.compare(step, run(t, e, c.g, step))
				}
				if c.compared == 0 {
					t.Error("nothing was compared")
				}
			})
		}
	}
}

// deviceRows are randomWeights in the order in which a device has them.
func deviceRows() cpuexec.WeightRow {
	made := map[string][]float32{}
	return func(w *graph.Weight, r int) ([]float32, error) {
		if made[w.Name] == nil {
			values, err := randomWeights(*w)
			if err != nil {
				return nil, err
			}
			made[w.Name] = values
		}
		if w.RowOrder != nil {
			r = int(w.RowOrder[r])
		}
		values := made[w.Name][r*w.Cols : (r+1)*w.Cols]
		row := slices.Clone(values)
		for c, i := range w.Order {
			row[c] = values[i]
		}
		return row, nil
	}
}

type sampling struct {
	t        *testing.T
	g        *graph.Graph
	sampler  *cpuexec.Sampler
	cache    map[[4]int][]float64 // layer, 0 for keys and 1 for values, slot, position
	compared int
}

func (c *sampling) compare(step cpuexec.Step, got *cpuexec.Result) {
	c.t.Helper()
	d := c.g.KV.HeadDim
	for _, n := range c.g.Nodes {
		q := cpuexec.Question{Graph: c.g, Node: n, Step: step}
		for _, id := range n.In {
			routing := c.isRouting(id)
			q.In = append(q.In, func(row int) []float32 { return narrow(got.Values[id].Row(row), routing, n.Used) })
		}
		q.Cached = func(values bool, slot, position, head int) []float64 {
			which := 0
			if values {
				which = 1
			}
			return c.cache[[4]int{n.Layer, which, slot, position}][head*d:][:d]
		}
		if n.Op == graph.OpRoute {
			continue // all or nothing, and compared elsewhere
		}
		out, width := got.Values[n.Out], c.g.Tensor(n.Out).Cols
		if n.Op == graph.OpMatMul {
			width = n.Pack.Rows()
			if n.Epilogue.Paired() {
				width /= 2
			}
		}
		for r := range out.Rows {
			q.Rows = append(q.Rows, r)
		}
		for i := range width {
			q.Cols = append(q.Cols, i)
		}
		a, err := c.sampler.Answer(q)
		if err != nil {
			c.t.Fatalf("%s (%s): %v", n.Label, n.Op, err)
		}
		for r := range out.Rows {
			for i := range width {
				want, e := out.Row(r)[n.OutCol+i], a.Elements[r][i]
				if math.Abs(e.Want-want) > 1e-5*(e.Size+1e-3) || math.Abs(want) > e.Size*(1+1e-5)+1e-6 && n.Op != graph.OpAttention {
					c.t.Fatalf("%s (%s), row %d, column %d: %g of size %g, want %g", n.Label, n.Op, r, i, e.Want, e.Size, want)
				}
				c.compared++
			}
		}
		if n.Op == graph.OpRoPEKV {
			c.store(q)
		}
	}
}

// store keeps what a node stores.
func (c *sampling) store(q cpuexec.Question) {
	row := 0
	for _, seq := range q.Step.Seqs {
		for p := range seq.Rows {
			k, v, err := c.sampler.Keys(q, row)
			if err != nil {
				c.t.Fatal(err)
			}
			at := [4]int{q.Node.Layer, 0, seq.Slot, seq.Start + p}
			c.cache[at] = k
			at[1] = 1
			c.cache[at] = v
			row++
		}
	}
}

func (c *sampling) isRouting(id graph.ID) bool {
	for _, n := range c.g.Nodes {
		if n.Op == graph.OpRoute && n.Out == id {
			return true
		}
	}
	return false
}

// narrow is a row as a device has it; of a routing, the ids are integers.
func narrow(row []float64, routing bool, used int) []float32 {
	v := make([]float32, len(row))
	for i, x := range row {
		v[i] = float32(x)
		if routing && i < used {
			v[i] = math.Float32frombits(uint32(x))
		}
	}
	return v
}
