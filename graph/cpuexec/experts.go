package cpuexec

import (
	"fmt"
	"math"
	"sort"

	"github.com/qwenvk/qwenvk/graph"
)

// route: the softmax over all logits of a row, the Used greatest of it, ties by the lower id, and their weights, scaled
// to sum to one if the node says so. A row holds the ids, then the weights.
func route(n *graph.Node, logits *Matrix) *Matrix {
	y := newMatrix(logits.Rows, 2*n.Used)
	for t := range logits.Rows {
		p := append([]float64(nil), logits.Row(t)...)
		order := make([]int, len(p))
		for i := range order {
			order[i] = i
		}
		sort.SliceStable(order, func(i, j int) bool { return p[order[i]] > p[order[j]] })
		softmax(p)
		sum := 1.0
		if n.Renormalise {
			sum = 0
			for _, e := range order[:n.Used] {
				sum += p[e]
			}
		}
		for rank, e := range order[:n.Used] {
			y.Row(t)[rank] = float64(e)
			y.Row(t)[n.Used+rank] = p[e] / sum
		}
	}
	return y
}

// expertMatMul: y[t, rank] = norm?(x[t] or x[t, rank]) · W[expert of that rank]ᵀ, then the epilogue.
func (r *run) expertMatMul(n *graph.Node, x, route *Matrix) (*Matrix, error) {
	if n.Norm != nil {
		var err error
		if x, err = r.rmsNorm(x, n.Norm, n.Eps); err != nil {
			return nil, err
		}
	}
	rows, err := r.packRows(n.Pack)
	if err != nil {
		return nil, err
	}
	in, out := n.Pack.Cols(), n.Pack.ExpertRows()
	y := newMatrix(x.Rows, n.Used*out)
	for t := range x.Rows {
		for rank := range n.Used {
			expert := int(route.Row(t)[rank])
			if expert < 0 || expert >= n.Pack.Experts {
				return nil, fmt.Errorf("row %d is routed to expert %d of %d", t, expert, n.Pack.Experts)
			}
			v := x.Row(t)
			if n.PerRank(r.g) {
				v = v[rank*in : (rank+1)*in]
			}
			for o, w := range rows[expert*out : (expert+1)*out] {
				sum := 0.0
				for i, a := range v {
					sum += a * float64(w[i])
				}
				y.Row(t)[rank*out+o] = sum
			}
		}
	}
	if n.Epilogue == graph.EpilogueSwiGLU {
		y = pairwise(y)
	}
	return y, nil
}

// combine: y[t] = addend?[t] + Σ over ranks of weight[t, rank] · x[t, rank].
func combine(n *graph.Node, x, route *Matrix, addend []*Matrix) *Matrix {
	y := newMatrix(x.Rows, x.Cols/n.Used)
	for t := range x.Rows {
		for c := range y.Cols {
			for rank := range n.Used {
				y.Row(t)[c] += route.Row(t)[n.Used+rank] * x.Row(t)[rank*y.Cols+c]
			}
		}
	}
	return plus(y, addend)
}

// gate: y[t] = addend?[t] + sigmoid(g[t]) · x[t].
func gate(x, g *Matrix, addend []*Matrix) *Matrix {
	y := newMatrix(x.Rows, x.Cols)
	for t := range x.Rows {
		for c, v := range x.Row(t) {
			y.Row(t)[c] = v / (1 + math.Exp(-g.Row(t)[0]))
		}
	}
	return plus(y, addend)
}

// plus adds what the node adds, if anything.
func plus(y *Matrix, addend []*Matrix) *Matrix {
	for _, a := range addend {
		y = zip(y, a, func(a, b float64) float64 { return a + b })
	}
	return y
}

// pairwise combines columns that are gate, up, gate, up, …
func pairwise(y *Matrix) *Matrix {
	h := newMatrix(y.Rows, y.Cols/2)
	for i := range h.Data {
		h.Data[i] = swiGLU(y.Data[2*i], y.Data[2*i+1])
	}
	return h
}
