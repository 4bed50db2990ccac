package model

import (
	"errors"
	"fmt"
	"path/filepath"
	"regexp"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

// ErrAdapter marks adapters that do not fit the model: they were made for another, or change what can't be changed here.
var ErrAdapter = errors.New("the adapter does not fit the model")

// expert matches the weight of a single expert.
var expert = regexp.MustCompile(`^blk\.\d+\.ffn_(gate|up|down)\.\d+\.weight$`)

// Adapter holds an adapter's files against the model, and describes it as graphs know it under the given name. The
// errors are ErrAdapter and name the tensor.
func (m *Model) Adapter(a *loader.Adapter, name string) (*graph.Adapter, error) {
	fail := func(format string, args ...any) (*graph.Adapter, error) {
		return nil, fmt.Errorf("%s: %w: %w", a.Path(), fmt.Errorf(format, args...), ErrAdapter)
	}
	if arch := a.Architecture(); arch != "" && arch != m.Architecture {
		return fail("it was made for the architecture %q, and %s is %q", arch, m.Graph.Name, m.Architecture)
	}
	products := m.Graph.Products()
	g := &graph.Adapter{Name: name, Deltas: map[string]graph.Delta{}}
	for _, t := range a.Targets() {
		weight := m.product(t.Weight, products)
		file := t.A.File
		if a.Format() == "gguf" {
			file = filepath.Base(a.Path())
		}
		w, ok := products[weight]
		switch {
		case !ok && expert.MatchString(weight):
			return fail("%s: tensor %q changes one expert of a mixture, which adapters cannot do in this version", file, t.A.FileName)
		case !ok:
			return fail("%s: tensor %q changes %s, by which %s does not multiply", file, t.A.FileName, t.Weight, m.Graph.Name)
		case t.A.Cols != w.Cols:
			return fail("%s: tensor %q has shape %d, want %d columns for %s of shape [%d %d]", file, t.A.FileName, t.A.Shape, w.Cols, w.Name, w.Rows, w.Cols)
		case t.B.Rows != w.Rows:
			return fail("%s: tensor %q has shape %d, want %d rows for %s of shape [%d %d]", file, t.B.FileName, t.B.Shape, w.Rows, w.Name, w.Rows, w.Cols)
		}
		g.Deltas[weight] = graph.Delta{Rank: t.Rank, Factor: t.Factor, A: denseLayout(t.A.Type), B: denseLayout(t.B.Type)}
	}
	return g, nil
}

const (
	embeddingName = "token_embd.weight"
	outputName    = "output.weight"
)

// product is the weight of the model that an adapter's target means: the output head of a tied model is its embedding,
// of which an adapter changes the product alone.
func (m *Model) product(target string, products map[string]graph.Weight) string {
	if _, own := products[target]; !own && target == outputName && m.Config.Tied {
		return embeddingName
	}
	return target
}

// denseLayout is how A or B stored as t lies on the device. Blocks do not fit odd ranks and are made float32.
func denseLayout(t quant.Type) quant.Layout {
	if t.Dense() {
		return quant.LayoutOf(t)
	}
	return quant.LayoutOf(quant.F32)
}
