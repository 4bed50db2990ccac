package cpuexec

import (
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
)

// node computes one node.
func (r *run) node(n *graph.Node) error {
	in := make([]*Matrix, len(n.In))
	for i, id := range n.In {
		if in[i] = r.values[id]; in[i] == nil {
			return fmt.Errorf("input %d, value %d (%s), is read before it is written", i, id, r.g.Tensor(id).Name)
		}
	}
	var out *Matrix
	var err error
	switch n.Op {
	case graph.OpEmbed:
		out, err = r.embed(n)
	case graph.OpRMSNorm:
		out, err = r.rmsNorm(in[0], n.Norm, n.Eps)
	case graph.OpMatMul:
		return r.matMul(n, in)
	case graph.OpRoPE:
		out = r.rotate(in[0])
	case graph.OpLogN:
		out = r.logN(in[0], n.LogN)
	case graph.OpStoreKV:
		return r.store(n.Layer, in[0], in[1])
	case graph.OpAttention:
		out, err = r.attention(n, in[0])
	case graph.OpSwiGLU:
		out = zip(in[0], in[1], swiGLU)
	case graph.OpAdd:
		out = zip(in[0], in[1], func(a, b float64) float64 { return a + b })
	case graph.OpAddBias:
		out, err = r.addBias(in[0], n.Bias)
	case graph.OpLastRows:
		out = newMatrix(len(r.last), in[0].Cols)
		for i, row := range r.last {
			copy(out.Row(i), in[0].Row(row))
		}
	case graph.OpGather:
		out = gather(in[0], n.Order)
	case graph.OpRoPEKV:
		out, err = r.ropeKV(n, in[0])
	case graph.OpRoute:
		out = route(n, in[0])
	case graph.OpExpertMatMul:
		out, err = r.expertMatMul(n, in[0], in[1])
	case graph.OpCombine:
		out = combine(n, in[0], in[1], in[2:])
	case graph.OpGate:
		out = gate(in[0], in[1], in[2:])
	case graph.OpQuantise:
		out = in[0] // rounded below
	case graph.OpExpertSum:
		if out, err = r.expertMatMul(n, in[0], in[1]); err == nil {
			out = combine(n, out, in[1], in[2:])
		}
	default:
		return fmt.Errorf("no such operation")
	}
	if err != nil {
		return err
	}
	if r.g.Tensor(n.Out).Int8 {
		out = inBytes(out)
	}
	r.values[n.Out] = out
	return nil
}

// inBytes rounds blocks of a row to signed bytes with a scale.
func inBytes(x *Matrix) *Matrix {
	y := newMatrix(x.Rows, x.Cols)
	block := make([]float32, quant.Int8Block)
	for at := 0; at < len(x.Data); at += len(block) {
		for i := range block {
			block[i] = float32(x.Data[at+i])
		}
		q, d := quant.RoundInt8(block)
		for i, n := range q {
			y.Data[at+i] = float64(d) * float64(n)
		}
	}
	return y
}

// embed: y[t] = E[id[t]].
func (r *run) embed(n *graph.Node) (*Matrix, error) {
	table, err := r.packRows(n.Pack)
	if err != nil {
		return nil, err
	}
	y := newMatrix(len(r.step.IDs), n.Pack.Cols())
	for t, id := range r.step.IDs {
		for c, v := range table[id] {
			y.Row(t)[c] = float64(v)
		}
	}
	return y, nil
}

// rmsNorm: y = x · rsqrt(mean(x²) + eps) · w, over stretches of each row as wide as w: the whole row, or a head
// (Zhang and Sennrich 2019).
func (r *run) rmsNorm(x *Matrix, w *graph.Weight, eps float64) (*Matrix, error) {
	weight, err := r.weight(w)
	if err != nil {
		return nil, err
	}
	y, width := newMatrix(x.Rows, x.Cols), len(weight)
	for at := 0; at < len(x.Data); at += width {
		sum := 0.0
		for _, v := range x.Data[at : at+width] {
			sum += v * v
		}
		inverse := 1 / math.Sqrt(sum/float64(width)+eps)
		for i := range width {
			y.Data[at+i] = x.Data[at+i] * inverse * float64(weight[i])
		}
	}
	return y, nil
}

// matMul: y = norm?(x) · Wᵀ, then the epilogue, written to the columns of the output from OutCol on.
func (r *run) matMul(n *graph.Node, in []*Matrix) error {
	x := in[0]
	if n.Norm != nil {
		var err error
		if x, err = r.rmsNorm(x, n.Norm, n.Eps); err != nil {
			return err
		}
	}
	rows, err := r.packRows(n.Pack)
	if err != nil {
		return err
	}
	y := newMatrix(x.Rows, len(rows))
	for t := range x.Rows {
		for o, w := range rows {
			sum := 0.0
			for i, v := range x.Row(t) {
				sum += v * float64(w[i])
			}
			y.Row(t)[o] = sum
		}
	}
	switch n.Epilogue {
	case graph.EpilogueScale:
		factors, err := r.factors(n)
		if err != nil {
			return err
		}
		for i := range y.Data {
			y.Data[i] *= factors[i%y.Cols]
		}
	case graph.EpilogueBias:
		if y, err = r.addBias(y, n.Bias); err != nil {
			return err
		}
	case graph.EpilogueAddSwiGLU:
		y = zip(y, in[1], func(a, b float64) float64 { return a + b })
	}
	if n.Epilogue.Paired() {
		y = pairwise(y)
	}
	out := r.values[n.Out]
	if out == nil {
		out = newMatrix(y.Rows, r.g.Tensor(n.Out).Cols)
		r.values[n.Out] = out
	}
	for t := range y.Rows {
		for c, v := range y.Row(t) {
			if n.Epilogue == graph.EpilogueAdd {
				v += in[1].Row(t)[n.OutCol+c]
			}
			out.Row(t)[n.OutCol+c] = v
		}
	}
	return nil
}

// addBias: y = x + b, the same b for every row.
func (r *run) addBias(x *Matrix, bias *graph.Weight) (*Matrix, error) {
	b, err := r.weight(bias)
	if err != nil {
		return nil, err
	}
	y := newMatrix(x.Rows, x.Cols)
	for i := range y.Data {
		y.Data[i] = x.Data[i] + float64(b[i%x.Cols])
	}
	return y, nil
}

// factors are what EpilogueScale multiplies the columns by: nothing of a padding column is left.
func (r *run) factors(n *graph.Node) ([]float64, error) {
	factors := make([]float64, 0, n.Pack.Rows())
	for _, ranks := range n.Ranks {
		if ranks.Adapter >= len(r.step.Scales) {
			return nil, fmt.Errorf("%d scales, but there is an adapter %d", len(r.step.Scales), ranks.Adapter)
		}
		for range ranks.Rank {
			factors = append(factors, r.step.Scales[ranks.Adapter]*ranks.Factor)
		}
	}
	return append(factors, make([]float64, n.Pack.Rows()-len(factors))...), nil
}

// rotate turns the pair (x[i], x[i+d/2]) of each head by the angle p·f[i], p being the position of the row's token
// (Su et al. 2021; half-split pairs as in GPT-NeoX), and scales it (YaRN's attention factor, 1 elsewhere).
func (r *run) rotate(x *Matrix) *Matrix {
	y, half := newMatrix(x.Rows, x.Cols), r.kv.HeadDim/2
	for t := range x.Rows {
		for head := 0; head < x.Cols; head += r.kv.HeadDim {
			for i, f := range r.rope.Frequencies(r.choices[t]) {
				sin, cos := math.Sincos(float64(r.positions[t]) * f)
				a, b := x.Row(t)[head+i], x.Row(t)[head+i+half]
				y.Row(t)[head+i] = r.rope.Scale * (a*cos - b*sin)
				y.Row(t)[head+i+half] = r.rope.Scale * (b*cos + a*sin)
			}
		}
	}
	return y
}

// logN: y[t] = x[t] · max(1, ln(p+1) / ln(trained)), p being the position of the row's token.
func (r *run) logN(x *Matrix, trained int) *Matrix {
	y := newMatrix(x.Rows, x.Cols)
	for t, p := range r.positions {
		factor := max(1, math.Log(float64(p+1))/math.Log(float64(trained)))
		for i, v := range x.Row(t) {
			y.Row(t)[i] = factor * v
		}
	}
	return y
}

// store puts the keys and values of the step's tokens into the layer's caches and forgets later positions.
func (r *run) store(layer int, k, v *Matrix) error {
	for t, p := range r.positions {
		c := r.cache(layer, r.slots[t])
		if p > len(c.k) {
			return fmt.Errorf("position %d of slot %d follows %d stored tokens", p, r.slots[t], len(c.k))
		}
		c.k = append(c.k[:p:p], r.rounded(k.Row(t)))
		c.v = append(c.v[:p:p], r.rounded(v.Row(t)))
	}
	return nil
}

func (e *Executor) rounded(row []float64) []float64 {
	stored := append([]float64(nil), row...)
	if e.KVRound == nil {
		return stored
	}
	for head := 0; head < len(stored); head += e.kv.HeadDim {
		for first := 0; first < e.kv.HeadDim; first += quant.CacheBlock {
			e.KVRound(stored[head+first : head+min(first+quant.CacheBlock, e.kv.HeadDim)])
		}
	}
	return stored
}

// attention: y[t, h] = Σⱼ softmaxⱼ(scale · q[t, h]·k[j, g]) · v[j, g] over the positions j up to that of token t, or the
// last Window of them (Vaswani et al. 2017), where heads/kvHeads query heads h in a row share the key head g (Ainslie et al. 2023).
func (r *run) attention(n *graph.Node, q *Matrix) (*Matrix, error) {
	y, d, share := newMatrix(q.Rows, q.Cols), r.kv.HeadDim, n.Heads/r.kv.Heads
	for t, p := range r.positions {
		c := r.cache(n.Layer, r.slots[t])
		if len(c.k) <= p {
			return nil, fmt.Errorf("position %d of slot %d has no key: the cache holds %d tokens", p, r.slots[t], len(c.k))
		}
		for h := range n.Heads {
			query, g := q.Row(t)[h*d:(h+1)*d], h/share*d
			first := 0
			if n.Window > 0 {
				first = max(0, p+1-n.Window)
			}
			scores := make([]float64, p+1-first)
			for j := range scores {
				for i, v := range query {
					scores[j] += v * c.k[first+j][g+i]
				}
				scores[j] *= n.Scale
			}
			softmax(scores)
			for j, weight := range scores {
				for i := range d {
					y.Row(t)[h*d+i] += weight * c.v[first+j][g+i]
				}
			}
		}
	}
	return y, nil
}

// softmax: y = exp(x) / Σ exp(x), with the maximum taken off first so that nothing overflows.
func softmax(x []float64) {
	most, sum := math.Inf(-1), 0.0
	for _, v := range x {
		most = max(most, v)
	}
	for i, v := range x {
		x[i] = math.Exp(v - most)
		sum += x[i]
	}
	for i := range x {
		x[i] /= sum
	}
}

// ropeKV takes q, k and v side by side: norms q and k if there are weights, rotates both, stores k and v, returns q.
func (r *run) ropeKV(n *graph.Node, qkv *Matrix) (*Matrix, error) {
	qCols, kvCols := n.Heads*r.kv.HeadDim, r.kv.Heads*r.kv.HeadDim
	q, k, v := columns(qkv, 0, qCols), columns(qkv, qCols, kvCols), columns(qkv, qCols+kvCols, kvCols)
	var err error
	if n.QNorm != nil {
		if q, err = r.rmsNorm(q, n.QNorm, n.Eps); err != nil {
			return nil, err
		}
	}
	if n.KNorm != nil {
		if k, err = r.rmsNorm(k, n.KNorm, n.Eps); err != nil {
			return nil, err
		}
	}
	q = r.rotate(q)
	if n.LogN > 0 {
		q = r.logN(q, n.LogN)
	}
	return q, r.store(n.Layer, r.rotate(k), v)
}

// gather: y[t, j] = x[t, order[j]].
func gather(x *Matrix, order []int32) *Matrix {
	y := newMatrix(x.Rows, x.Cols)
	for t := range x.Rows {
		for j, i := range order {
			y.Row(t)[j] = x.Row(t)[i]
		}
	}
	return y
}

// columns copies n columns of x, the first of them first.
func columns(x *Matrix, first, n int) *Matrix {
	y := newMatrix(x.Rows, n)
	for t := range x.Rows {
		copy(y.Row(t), x.Row(t)[first:first+n])
	}
	return y
}

// swiGLU: silu(gate) · up with silu(x) = x · sigmoid(x) (Shazeer 2020).
func swiGLU(gate, up float64) float64 { return gate / (1 + math.Exp(-gate)) * up }

// zip applies f to the elements of two matrices of one shape.
func zip(a, b *Matrix, f func(a, b float64) float64) *Matrix {
	y := newMatrix(a.Rows, a.Cols)
	for i := range y.Data {
		y.Data[i] = f(a.Data[i], b.Data[i])
	}
	return y
}
