package model

import (
	"errors"
	"fmt"
	"regexp"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

// ErrAdapter marks adapters that do not fit the model: they were made for another, or change what can't be changed here.
var ErrAdapter = errors.New("the adapter does not fit the model")

// expert matches the weight of a single expert.
var expert = regexp.MustCompile(`^blk\.\d+\.ffn_(gate|up|down)\.\d+\.weight$`)

// joined matches the one matrix of queries, keys and values that the first Qwen's files have.
var joined = regexp.MustCompile(`^(blk\.\d+\.attn_)qkv\.weight$`)

// Adapter holds an adapter's files against the model, and describes it as graphs know it under the given name, with the
// matrices by the names that graph.Adapter gives them. The errors are ErrAdapter and name the tensor.
func (m *Model) Adapter(a *loader.Adapter, name string) (*graph.Adapter, map[string]quant.Source, error) {
	fail := func(format string, args ...any) (*graph.Adapter, map[string]quant.Source, error) {
		return nil, nil, fmt.Errorf("%s: %w: %w", a.Path(), fmt.Errorf(format, args...), ErrAdapter)
	}
	if arch := a.Architecture(); arch != "" && arch != m.Architecture {
		return fail("it was made for the architecture %q, and %s is %q", arch, m.Graph.Name, m.Architecture)
	}
	products := m.Graph.Products()
	g := &graph.Adapter{Name: name, Deltas: map[string]graph.Delta{}}
	sources := map[string]quant.Source{}
	for _, t := range a.Targets() {
		file := t.A.File
		weights := m.products(t.Weight, products)
		rows := 0
		for _, w := range weights {
			rows += w.Rows
		}
		switch {
		case weights == nil && expert.MatchString(t.Weight):
			return fail("%s: tensor %q changes one expert of a mixture, which adapters cannot do in this version", file, t.A.FileName)
		case weights == nil:
			return fail("%s: tensor %q changes %s, by which %s does not multiply", file, t.A.FileName, t.Weight, m.Graph.Name)
		case t.A.Cols != weights[0].Cols:
			return fail("%s: tensor %q has shape %d, want %d columns for %s of shape [%d %d]",
				file, t.A.FileName, t.A.Shape, weights[0].Cols, t.Weight, rows, weights[0].Cols)
		case t.B.Rows != rows:
			return fail("%s: tensor %q has shape %d, want %d rows for %s of shape [%d %d]",
				file, t.B.FileName, t.B.Shape, rows, t.Weight, rows, weights[0].Cols)
		}
		first := 0
		for _, w := range weights {
			if _, twice := g.Deltas[w.Name]; twice {
				return fail("%s: tensor %q changes %s, which another one changes too", file, t.A.FileName, w.Name)
			}
			g.Deltas[w.Name] = graph.Delta{Rank: t.Rank, Factor: t.Factor, A: denseLayout(t.A.Type), B: denseLayout(t.B.Type)}
			sources[g.NameA(w.Name)] = t.A.Source()
			sources[g.NameB(w.Name)] = rowsOf(t.B, first, w.Rows)
			first += w.Rows
		}
	}
	return g, sources, nil
}

// rowsOf are n rows of a matrix.
func rowsOf(t loader.Tensor, first, n int) quant.Source {
	row := len(t.Data) / t.Rows
	return quant.Blocks{Type: t.Type, Rows: n, Cols: t.Cols, Data: t.Data[first*row : (first+n)*row]}
}

// products are the weights of the model that an adapter's target means, nil for none. The output head of a tied model is
// its embedding, of which an adapter changes the product alone; a joint matrix of queries, keys and values is three.
func (m *Model) products(target string, products map[string]graph.Weight) []graph.Weight {
	names := []string{target}
	if _, own := products[target]; !own {
		switch j := joined.FindStringSubmatch(target); {
		case target == outputName && m.Config.Tied:
			names = []string{embeddingName}
		case j != nil:
			names = []string{j[1] + "q.weight", j[1] + "k.weight", j[1] + "v.weight"}
		}
	}
	var weights []graph.Weight
	for _, name := range names {
		w, ok := products[name]
		if !ok {
			return nil
		}
		weights = append(weights, w)
	}
	return weights
}

const (
	embeddingName = "token_embd.weight"
	outputName    = "output.weight"
)

// denseLayout is how A or B stored as t lies on the device. Blocks do not fit odd ranks and are made float32.
func denseLayout(t quant.Type) quant.Layout {
	if t.Dense() {
		return quant.LayoutOf(t)
	}
	return quant.LayoutOf(quant.F32)
}
