package cpuexec

import (
	"fmt"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
)

// Weights finds parameters by name. Values returns the Rows×Cols elements of w, row after row, exactly as a device
// that stores them in w.Layout computes with them, but in the matrix's own order of rows and columns. The executor asks
// once for each name and does not write to the result.
type Weights interface {
	Values(w graph.Weight) ([]float32, error)
}

// WeightsFunc lets a function be Weights.
type WeightsFunc func(w graph.Weight) ([]float32, error)

// Values calls f.
func (f WeightsFunc) Values(w graph.Weight) ([]float32, error) { return f(w) }

// Stored turns weights as a model file stores them into Weights: what find returns for a name is written as planes of
// the weight's layout, as an upload to a device does, and unpacked.
func Stored(find func(name string) (quant.Source, error)) Weights {
	return WeightsFunc(func(w graph.Weight) ([]float32, error) {
		source, err := find(w.Name)
		if err != nil {
			return nil, err
		}
		values := make([]float32, w.Rows*w.Cols)
		if err := stored(values, w, source); err != nil {
			return nil, fmt.Errorf("tensor %s: %w", w.Name, err)
		}
		return values, nil
	})
}

func stored(values []float32, w graph.Weight, source quant.Source) error {
	if w.Layout.Kind == quant.LayoutF32 { // norm weights too, whose length need not fit a kernel's stride
		return source.Values(values, 0, w.Rows)
	}
	planes := make([][]byte, w.Layout.Planes())
	for i := range planes {
		planes[i] = make([]byte, w.Rows*w.Layout.PlaneRowBytes(i, w.Cols))
	}
	if err := source.Planes(planes, w.Layout, 0, w.Rows); err != nil {
		return err
	}
	if err := quant.Unpack(values, w.Layout, planes, w.Rows, w.Cols); err != nil {
		return err
	}
	order, err := source.Order()
	if order == nil {
		return err
	}
	row := make([]float32, w.Cols)
	for at := 0; at < len(values); at += w.Cols {
		copy(row, values[at:])
		for j, i := range order {
			values[at+int(i)] = row[j]
		}
	}
	return nil
}

// ordered returns values as w's Order and RowOrder have them.
func ordered(values []float32, w *graph.Weight) []float32 {
	if w.Order == nil && w.RowOrder == nil {
		return values
	}
	at := func(order []int32, i int) int {
		if order == nil {
			return i
		}
		return int(order[i])
	}
	moved := make([]float32, len(values))
	for r := range w.Rows {
		from := values[at(w.RowOrder, r)*w.Cols:]
		for c := range w.Cols {
			moved[r*w.Cols+c] = from[at(w.Order, c)]
		}
	}
	return moved
}

// weight returns the elements of w, asking for them at first use.
func (e *Executor) weight(w *graph.Weight) ([]float32, error) {
	if values, ok := e.loaded[w.Name]; ok {
		return values, nil
	}
	values, err := e.values(w)
	if err == nil && len(values) != w.Rows*w.Cols {
		err = fmt.Errorf("weight %s has %d elements, the graph wants %d×%d", w.Name, len(values), w.Rows, w.Cols)
	}
	if err != nil {
		return nil, err
	}
	values = ordered(values, w)
	e.loaded[w.Name] = values
	return values, nil
}

// values asks for a weight, or puts it together from its blocks.
func (e *Executor) values(w *graph.Weight) ([]float32, error) {
	if w.Blocks == nil {
		return e.weights.Values(*w)
	}
	values := make([]float32, w.Rows*w.Cols)
	for _, b := range w.Blocks {
		block, err := e.weight(&graph.Weight{Name: b.Name, Rows: b.Rows, Cols: b.Cols, Layout: quant.LayoutOf(quant.F32)})
		if err != nil {
			return nil, err
		}
		block = ordered(block, &graph.Weight{Rows: b.Rows, Cols: b.Cols, Order: b.Order, RowOrder: b.RowOrder})
		for i := range b.Rows {
			copy(values[(b.Row+i*b.RowStep)*w.Cols+b.Col:], block[i*b.Cols:(i+1)*b.Cols])
		}
	}
	return values, nil
}

// packRows returns the rows of a pack in the order the device has them: part after part, or in turn.
func (e *Executor) packRows(p *graph.Pack) ([][]float32, error) {
	rows := make([][]float32, 0, p.Rows())
	parts := make([][][]float32, len(p.Parts)) // part, row, column
	for i := range p.Parts {
		w := &p.Parts[i]
		values, err := e.weight(w)
		if err != nil {
			return nil, err
		}
		for r := range w.Rows {
			parts[i] = append(parts[i], values[r*w.Cols:(r+1)*w.Cols])
		}
		if !p.Interleave {
			rows = append(rows, parts[i]...)
		}
	}
	if p.Interleave { // among the parts of an expert, or of all
		turn := len(parts) / max(p.Experts, 1)
		for ; len(parts) > 0; parts = parts[turn:] {
			for r := range parts[0] {
				for _, part := range parts[:turn] {
					rows = append(rows, part[r])
				}
			}
		}
	}
	return rows, nil
}
