package cpuexec

import (
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
)

// Sampler computes single elements of single nodes from inputs that somebody else, a device, computed. A model of eight
// billion weights has results that a float64 reference would need minutes for; some hundred of each tell as much about a
// kernel, and read only their rows of the weights.
type Sampler struct {
	Weights WeightRow
	rows    map[rowKey][]float32
}

// WeightRow returns row r of a weight, as the device has it: its columns in their order on the device.
type WeightRow func(w *graph.Weight, r int) ([]float32, error)

type rowKey struct {
	name string
	row  int
}

// Question asks for elements of a node's output: those of all Rows and Cols.
type Question struct {
	Graph *graph.Graph
	Node  *graph.Node
	Step  Step
	In    []func(row int) []float32 // by Node.In: a row; of a routing, the ids are integers in a float's place
	Rows  []int
	Cols  []int // of what this node writes, which begins at Node.OutCol

	// Cached is one key head of a token in the node's layer, its key or its value.
	Cached func(values bool, slot, position, head int) []float64
}

// Answer has the elements of a question, by its rows and columns.
type Answer struct {
	Elements [][]Element
	Terms    int // that a sum has: the K of a product, else 1
}

// Element is one number of an output, and what rounding makes of it.
type Element struct {
	Want float64
	Size float64 // sum of the magnitudes that were added up: float32's rounding is relative to it

	// Half is the standard deviation of what rounding weights and activations to half precision changes; 0 for what is no
	// product.
	Half float64
	// Step is the distance of two neighbours where the output is stored as bytes, which Want is not rounded to; else 0.
	Step float64
}

// StoredRows makes weights as a model file stores them into a WeightRow.
func StoredRows(find func(name string) (quant.Source, error)) WeightRow {
	return func(w *graph.Weight, r int) ([]float32, error) {
		source, err := find(w.Name)
		if err != nil {
			return nil, err
		}
		if w.RowOrder != nil {
			r = int(w.RowOrder[r])
		}
		values := make([]float32, w.Cols)
		if w.Layout.Kind == quant.LayoutF32 && w.Order == nil {
			return values, source.Values(values, r, 1)
		}
		planes := make([][]byte, w.Layout.Planes())
		for i := range planes {
			planes[i] = make([]byte, w.Layout.PlaneRowBytes(i, w.Cols))
		}
		if err := source.Planes(planes, w.Layout, r, 1); err != nil {
			return nil, err
		}
		return values, quant.Unpack(values, w.Layout, planes, 1, w.Cols)
	}
}

// row is row r of a weight, read once.
func (s *Sampler) row(w *graph.Weight, r int) ([]float32, error) {
	key := rowKey{w.Name, r}
	if v, ok := s.rows[key]; ok {
		return v, nil
	}
	v, err := s.read(w, r)
	if err != nil {
		return nil, fmt.Errorf("tensor %s: %w", w.Name, err)
	}
	if s.rows == nil {
		s.rows = map[rowKey][]float32{}
	}
	s.rows[key] = v
	return v, nil
}

// read asks for a row, or puts a vector together from its blocks.
func (s *Sampler) read(w *graph.Weight, r int) ([]float32, error) {
	if w.Blocks == nil {
		return s.Weights(w, r)
	}
	if w.Rows > 1 {
		return nil, fmt.Errorf("no reference computes a matrix that is put together from blocks")
	}
	values := make([]float32, w.Cols)
	for _, b := range w.Blocks {
		part, err := s.row(&graph.Weight{Name: b.Name, Rows: 1, Cols: b.Cols, Layout: quant.LayoutOf(quant.F32)}, 0)
		if err != nil {
			return nil, err
		}
		copy(values[b.Col:], part)
	}
	return values, nil
}

// packRow is row r of a pack, in the order the device has them; see Executor.packRows.
func (s *Sampler) packRow(p *graph.Pack, r int) ([]float32, error) {
	parts := p.Parts
	if p.Interleave {
		per, turn := p.Rows()/max(p.Experts, 1), len(parts)/max(p.Experts, 1)
		parts = parts[r/per*turn:]
		r %= per
		return s.row(&parts[r%turn], r/turn)
	}
	for i := range parts {
		if r < parts[i].Rows {
			return s.row(&parts[i], r)
		}
		r -= parts[i].Rows
	}
	return nil, fmt.Errorf("pack %s has no row %d more", p.Name, r)
}

// answering is the state of one answer.
type answering struct {
	*Sampler
	Question
	positions, slots, choices, last []int // of each token; by sequence, the row of its last token
	kv                              graph.KVShape
}

// Answer computes the elements that q asks for.
func (s *Sampler) Answer(q Question) (*Answer, error) {
	a := answering{Sampler: s, Question: q, kv: q.Graph.KV}
	for _, seq := range q.Step.Seqs {
		for p := range seq.Rows {
			a.positions, a.slots, a.choices = append(a.positions, seq.Start+p), append(a.slots, seq.Slot), append(a.choices, seq.RoPE)
		}
		a.last = append(a.last, len(a.positions)-1)
	}
	out := &Answer{Terms: 1}
	if p := q.Node.Pack; p != nil && q.Node.Op != graph.OpEmbed {
		out.Terms = p.Cols()
		if q.Node.Op == graph.OpExpertSum {
			out.Terms *= q.Node.Used
		}
	}
	for _, t := range q.Rows {
		element, err := a.of(t)
		if err != nil {
			return nil, err
		}
		row := make([]Element, len(q.Cols))
		for i, c := range q.Cols {
			if row[i], err = element(c); err != nil {
				return nil, err
			}
		}
		out.Elements = append(out.Elements, row)
	}
	return out, nil
}

// Keys computes what OpRoPEKV stores for a row of its input: the keys and the values of all heads, not rounded.
func (s *Sampler) Keys(q Question, row int) (k, v []float64, err error) {
	a := answering{Sampler: s, Question: q, kv: q.Graph.KV}
	for _, seq := range q.Step.Seqs {
		for p := range seq.Rows {
			a.positions, a.choices = append(a.positions, seq.Start+p), append(a.choices, seq.RoPE)
		}
	}
	d := a.kv.HeadDim
	x := widen(q.In[0](row))
	x = x[q.Node.Heads*d:]
	k, v = x[:a.kv.Heads*d], x[a.kv.Heads*d:]
	for h := range a.kv.Heads {
		if err := a.turn(k[h*d:][:d], q.Node.KNorm, row); err != nil {
			return nil, nil, err
		}
	}
	return k, v, nil
}

// element computes one column of a row.
type element func(c int) (Element, error)

// whole makes the elements of a row that is computed at once, each rounded relative to size(row).
func whole(row []float64, err error, size func(row []float64) float64) (element, error) {
	if err != nil {
		return nil, err
	}
	n := size(row)
	return func(c int) (Element, error) { return Element{Want: row[c], Size: n}, nil }, nil
}

// sized makes an element of a function that cannot fail.
func sized(f func(c int) (want, size float64)) element {
	return func(c int) (Element, error) {
		want, size := f(c)
		return Element{Want: want, Size: size}, nil
	}
}

// itself is the size of elements that are no sums.
func itself(row []float64) element {
	return sized(func(c int) (float64, float64) { return row[c], math.Abs(row[c]) })
}

// stored is itself, with the step of each block of 32 where the output is stored as bytes.
func (a *answering) stored(row []float64) element {
	if !a.Graph.Tensor(a.Node.Out).Int8 {
		return itself(row)
	}
	return func(c int) (Element, error) {
		first := c / quant.Int8Block * quant.Int8Block
		return Element{Want: row[c], Size: math.Abs(row[c]), Step: largest(row[first:first+quant.Int8Block]) / 127}, nil
	}
}

// largest is the magnitude of the largest element.
func largest(row []float64) float64 {
	most := 0.0
	for _, v := range row {
		most = max(most, math.Abs(v))
	}
	return most
}

// of is how the elements of row t are computed.
func (a *answering) of(t int) (element, error) {
	n := a.Node
	switch n.Op {
	case graph.OpEmbed:
		row, err := a.packRow(n.Pack, int(a.Step.IDs[t]))
		return whole(widen(row), err, largest)
	case graph.OpRMSNorm:
		x := widen(a.In[0](t))
		err := a.norm(x, n.Norm, n.Eps)
		return a.stored(x), err
	case graph.OpQuantise:
		return a.stored(widen(a.In[0](t))), nil
	case graph.OpMatMul:
		return a.matMul(t)
	case graph.OpRoPEKV:
		q, err := a.queries(t)
		return whole(q, err, largest)
	case graph.OpAttention:
		y, size := a.attend(t)
		return whole(y, nil, func([]float64) float64 { return size })
	case graph.OpSwiGLU:
		return a.pair(t, swiGLU, func(g, u float64) float64 { return math.Abs(swiGLU(g, u)) * (4 + math.Abs(g)) }), nil
	case graph.OpAdd:
		return a.pair(t, func(x, y float64) float64 { return x + y }, func(x, y float64) float64 { return math.Abs(x) + math.Abs(y) }), nil
	case graph.OpAddBias:
		bias, err := a.row(n.Bias, 0)
		x := a.In[0](t)
		return sized(func(c int) (float64, float64) {
			v, b := float64(x[c]), float64(bias[c])
			return v + b, math.Abs(v) + math.Abs(b)
		}), err
	case graph.OpLastRows:
		return itself(widen(a.In[0](a.last[t]))), nil
	case graph.OpGather:
		x := a.In[0](t)
		return sized(func(c int) (float64, float64) {
			v := float64(x[n.Order[c]])
			return v, math.Abs(v)
		}), nil
	case graph.OpExpertMatMul, graph.OpExpertSum:
		return a.experts(t)
	case graph.OpCombine:
		return a.combined(t), nil
	case graph.OpGate:
		x, g := a.In[0](t), float64(a.In[1](t)[0])
		return a.added(2, t, func(c int) (float64, float64) {
			v := float64(x[c]) / (1 + math.Exp(-g))
			return v, math.Abs(v) * (4 + math.Abs(g))
		}), nil
	}
	return nil, fmt.Errorf("no reference computes %s", n.Op)
}

func (a *answering) norm(x []float64, w *graph.Weight, eps float64) error {
	weight, err := a.row(w, 0)
	if err != nil {
		return err
	}
	for at := 0; at < len(x); at += len(weight) {
		part, sum := x[at:at+len(weight)], 0.0
		for _, v := range part {
			sum += v * v
		}
		inverse := 1 / math.Sqrt(sum/float64(len(part))+eps)
		for i := range part {
			part[i] *= inverse * float64(weight[i])
		}
	}
	return nil
}

// dot is Σ w·x.
func dot(w []float32, x []float64) (e Element) {
	squares := 0.0
	for i, v := range x {
		p := v * float64(w[i])
		e.Want += p
		e.Size += math.Abs(p)
		squares += p * p
	}
	e.Half = math.Sqrt(squares * 2 / 3 * 0x1p-22) // two roundings, each even from -2^-11 to 2^-11
	return e
}

func (a *answering) matMul(t int) (element, error) {
	n := a.Node
	x := widen(a.In[0](t))
	if n.Norm != nil {
		if err := a.norm(x, n.Norm, n.Eps); err != nil {
			return nil, err
		}
	}
	var add func(r int) float64
	var err error
	switch n.Epilogue {
	case graph.EpilogueNone, graph.EpilogueSwiGLU:
		add = func(int) float64 { return 0 }
	case graph.EpilogueAdd:
		row := a.In[1](t)
		add = func(r int) float64 { return float64(row[n.OutCol+r]) }
	case graph.EpilogueBias:
		var bias []float32
		bias, err = a.row(n.Bias, 0)
		add = func(r int) float64 { return float64(bias[r]) }
	default:
		return nil, fmt.Errorf("no reference computes %s%s", n.Op, n.Epilogue)
	}
	product := func(r int) (Element, error) {
		w, err := a.packRow(n.Pack, r)
		if err != nil {
			return Element{}, err
		}
		e := dot(w, x)
		e.Want += add(r)
		e.Size += math.Abs(add(r))
		return e, nil
	}
	if n.Epilogue.Paired() {
		return gated(product), err
	}
	return product, err
}

// gated combines the products of two neighbouring rows, gate and up.
func gated(product element) element {
	return func(c int) (Element, error) {
		gate, err := product(2 * c)
		if err != nil {
			return gate, err
		}
		up, err := product(2*c + 1)
		g := gate.Want / (1 + math.Exp(-gate.Want))
		byGate, byUp := 1.1*math.Abs(up.Want), math.Abs(g) // |silu'| is at most 1.1
		out := Element{Want: g * up.Want, Half: math.Hypot(byGate*gate.Half, byUp*up.Half)}
		out.Size = byGate*gate.Size + byUp*up.Size + math.Abs(out.Want)*(4+math.Abs(gate.Want)) // exp of a large argument loses bits in proportion
		return out, err
	}
}

// experts are the products with the chosen experts' rows; of OpExpertSum their weighted sum.
func (a *answering) experts(t int) (element, error) {
	n := a.Node
	x, route := widen(a.In[0](t)), a.In[1](t)
	if n.Norm != nil {
		if err := a.norm(x, n.Norm, n.Eps); err != nil {
			return nil, err
		}
	}
	in, per := n.Pack.Cols(), n.Pack.ExpertRows()
	of := func(rank int) element {
		expert, v := int(math.Float32bits(route[rank])), x
		if n.PerRank(a.Graph) {
			v = x[rank*in : (rank+1)*in]
		}
		product := func(r int) (Element, error) {
			if expert < 0 || expert >= n.Pack.Experts {
				return Element{}, fmt.Errorf("row %d is routed to expert %d of %d", t, expert, n.Pack.Experts)
			}
			w, err := a.packRow(n.Pack, expert*per+r)
			if err != nil {
				return Element{}, err
			}
			return dot(w, v), nil
		}
		if n.Epilogue.Paired() {
			return gated(product)
		}
		return product
	}
	if n.Op == graph.OpExpertMatMul {
		width := per
		if n.Epilogue.Paired() {
			width /= 2
		}
		return func(c int) (Element, error) { return of(c / width)(c % width) }, nil
	}
	return func(c int) (sum Element, err error) {
		if len(a.In) == 3 {
			sum.Want = float64(a.In[2](t)[c])
			sum.Size = math.Abs(sum.Want)
		}
		for rank := range n.Used {
			e, err := of(rank)(c)
			if err != nil {
				return sum, err
			}
			weight := float64(route[n.Used+rank])
			sum.Want += weight * e.Want
			sum.Size += math.Abs(weight) * e.Size
			sum.Half = math.Hypot(sum.Half, weight*e.Half)
		}
		return sum, nil
	}, nil
}

func (a *answering) combined(t int) element {
	n := a.Node
	x, route := a.In[0](t), a.In[1](t)
	width := len(x) / n.Used
	return a.added(2, t, func(c int) (sum, size float64) {
		for rank := range n.Used {
			v := float64(route[n.Used+rank]) * float64(x[rank*width+c])
			sum += v
			size += math.Abs(v)
		}
		return sum, size
	})
}

// added adds input i where the node has it.
func (a *answering) added(i, t int, f func(c int) (float64, float64)) element {
	return sized(func(c int) (float64, float64) {
		sum, size := f(c)
		if len(a.In) > i {
			v := float64(a.In[i](t)[c])
			sum, size = sum+v, size+math.Abs(v)
		}
		return sum, size
	})
}

func (a *answering) pair(t int, f, size func(x, y float64) float64) element {
	x, y := a.In[0](t), a.In[1](t)
	return sized(func(c int) (float64, float64) {
		v, w := float64(x[c]), float64(y[c])
		return f(v, w), size(v, w)
	})
}

// turn norms a head, if there is a norm, and rotates it to the position of row t.
func (a *answering) turn(head []float64, norm *graph.Weight, t int) error {
	if norm != nil {
		if err := a.norm(head, norm, a.Node.Eps); err != nil {
			return err
		}
	}
	rope, half := &a.Graph.RoPE, len(head)/2
	for i, f := range rope.Frequencies(a.choices[t]) {
		sin, cos := math.Sincos(float64(a.positions[t]) * f)
		x, y := head[i], head[i+half]
		head[i], head[i+half] = rope.Scale*(x*cos-y*sin), rope.Scale*(y*cos+x*sin)
	}
	return nil
}

// queries are what OpRoPEKV makes of the queries of row t.
func (a *answering) queries(t int) ([]float64, error) {
	n, d := a.Node, a.kv.HeadDim
	q := widen(a.In[0](t)[:n.Heads*d])
	factor := 1.0
	if n.LogN > 0 {
		factor = max(1, math.Log(float64(a.positions[t]+1))/math.Log(float64(n.LogN)))
	}
	for h := range n.Heads {
		if err := a.turn(q[h*d:][:d], n.QNorm, t); err != nil {
			return nil, err
		}
	}
	for i := range q {
		q[i] *= factor
	}
	return q, nil
}

// attend is attention for row t over the cache as it lies on the device. Rounding is relative to the largest value, and
// grows with the scores, whose rounding exp makes a factor of.
func (a *answering) attend(t int) (row []float64, size float64) {
	n, d, p := a.Node, a.kv.HeadDim, a.positions[t]
	q, y := a.In[0](t), make([]float64, n.Heads*a.kv.HeadDim)
	first := 0
	if n.Window > 0 {
		first = max(0, p+1-n.Window)
	}
	share := n.Heads / a.kv.Heads
	most, scored := 0.0, 0.0
	for g := range a.kv.Heads {
		keys, values := make([][]float64, p+1-first), make([][]float64, p+1-first)
		for j := range keys {
			keys[j], values[j] = a.Cached(false, a.slots[t], first+j, g), a.Cached(true, a.slots[t], first+j, g)
			most = max(most, largest(values[j]))
		}
		for h := g * share; h < (g+1)*share; h++ {
			scores := make([]float64, len(keys))
			for j, key := range keys {
				magnitude := 0.0
				for i, k := range key {
					p := float64(q[h*d+i]) * k
					scores[j] += p
					magnitude += math.Abs(p)
				}
				scores[j] *= n.Scale
				scored = max(scored, magnitude*n.Scale)
			}
			softmax(scores)
			for j, weight := range scores {
				for i, v := range values[j] {
					y[h*d+i] += weight * v
				}
			}
		}
	}
	return y, most * (1 + 0.2*scored)
}

func widen(v []float32) []float64 {
	w := make([]float64, len(v))
	for i, x := range v {
		w[i] = float64(x)
	}
	return w
}
