package doctor

import (
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// verdict is what one operation came to.
type verdict struct {
	values int     // compared
	worst  float64 // the largest error, as a share of what is allowed
	wrong  string  // "": nothing
	skip   string  // why nothing was compared
}

// note takes one comparison in.
func (v *verdict) note(got, want, allowed float64, where func() string) {
	v.values++
	err := math.Abs(got - want)
	share := err / (allowed + 1e-30)
	if err <= allowed {
		v.worst = max(v.worst, share)
		return
	}
	if v.wrong == "" || share > v.worst {
		v.wrong = fmt.Sprintf("%s is %g and should be %g, within %.2g", where(), got, want, allowed)
	}
	if !math.IsNaN(share) {
		v.worst = max(v.worst, share)
	}
}

func (v *verdict) fail(format string, args ...any) {
	if v.wrong == "" {
		v.wrong = fmt.Sprintf(format, args...)
	}
}

const (
	sampledRows = 12  // of an output
	sampledCols = 256 // of a product
)

// judge compares an operation with the reference.
func judge(s *cpuexec.Sampler, op *vkexec.Operation) (v verdict, err error) {
	if op.Beside != "" {
		v.fail("it wrote %s", op.Beside)
	}
	if op.Node == nil {
		return judgeTail(op, v), nil
	}
	for _, in := range op.In {
		if !finite(in.Data) {
			v.skip = "its input has values that are not numbers"
			return v, nil
		}
	}
	n := op.Node
	if n.Op == graph.OpRoute {
		return judgeRoute(op, v), nil
	}
	first, width := span(op)
	whole(op, first, width, &v)
	q := question(op)
	q.Rows = sample(op.Out.Len(), sampledRows, n.Label)
	q.Cols = sample(width, columnsOf(n, width), n.Label+" columns")
	a, err := s.Answer(q)
	if err != nil {
		return v, err
	}
	for i, row := range q.Rows {
		for j, col := range q.Cols {
			e := a.Elements[i][j]
			v.note(float64(op.Out.Row(row)[first+col]), e.Want, allowed(n, op.Modules, e, a.Terms), func() string {
				return fmt.Sprintf("row %d, column %d", row, first+col)
			})
		}
	}
	if n.Op == graph.OpRoPEKV {
		err = judgeCache(s, op, q, &v)
	}
	return v, err
}

// span is the part of each row of the output that the node writes.
func span(op *vkexec.Operation) (first, width int) {
	n := op.Node
	if n.Op != graph.OpMatMul {
		return 0, op.Out.Width
	}
	width = n.Pack.Rows()
	if n.Epilogue.Paired() {
		width /= 2
	}
	return n.OutCol, width
}

// whole looks at every element: it must have been written, and be a number.
func whole(op *vkexec.Operation, first, width int, v *verdict) {
	for r := range op.Out.Len() {
		for c, x := range op.Out.Row(r)[first : first+width] {
			switch {
			case math.Float32bits(x) == vkexec.Unwritten:
				v.fail("row %d, column %d was not written", r, first+c)
				return
			case x-x != 0:
				v.fail("row %d, column %d is %v", r, first+c, x)
				return
			}
		}
	}
}

func question(op *vkexec.Operation) cpuexec.Question {
	q := cpuexec.Question{Graph: op.Graph, Node: op.Node, Step: cpuexec.Step{IDs: op.Step.IDs}}
	for _, s := range op.Step.Seqs {
		q.Step.Seqs = append(q.Step.Seqs, cpuexec.Seq{Slot: s.Slot, Rows: s.Rows, Start: s.Start})
	}
	for _, in := range op.In {
		q.In = append(q.In, in.Row)
	}
	type key struct {
		values               bool
		slot, position, head int
	}
	seen := map[key][]float64{}
	q.Cached = func(values bool, slot, position, head int) []float64 {
		k := key{values, slot, position, head}
		if seen[k] == nil {
			seen[k] = op.Cached(values, slot, position, head)
		}
		return seen[k]
	}
	return q
}

// columnsOf is how many columns of a row are compared: of products, which cost a row of weights each, some.
func columnsOf(n *graph.Node, width int) int {
	if n.Pack == nil || n.Op == graph.OpEmbed {
		return width
	}
	return sampledCols
}

// sample takes n of the numbers below total: the first and the last, where tiles end, and others by chance, the same for
// the same name.
func sample(total, n int, name string) []int {
	if total <= n {
		n = total
	}
	edge := max(1, n/8)
	picked := map[int]bool{}
	for i := range min(edge, total) {
		picked[i], picked[total-1-i] = true, true
	}
	h := fnv.New64a()
	_, _ = h.Write([]byte(name)) // never fails
	rng := rand.New(rand.NewPCG(h.Sum64(), 0))
	for len(picked) < n {
		picked[rng.IntN(total)] = true
	}
	all := make([]int, 0, n)
	for i := range picked {
		all = append(all, i)
	}
	slices.Sort(all)
	return all
}

// allowed bounds the error of an element: float32's rounding as the tests of the kernels allow it; where a kernel rounds to
// half precision, seven standard deviations of that; and where the output is bytes, half a step. Products that read bytes are compared
// with those of the very bytes, and so need no more than others.
func allowed(n *graph.Node, modules []string, e cpuexec.Element, terms int) float64 {
	bound := 1e-30 + 0.505*e.Step
	switch n.Op {
	case graph.OpRMSNorm:
		bound += 3e-6 * e.Size
	case graph.OpRoPEKV, graph.OpGate:
		bound += 5e-6 * e.Size
	case graph.OpAttention:
		bound += 1e-5 * e.Size
		if anyModule(modules, "_cm") {
			bound += 2e-3 * e.Size // keys, values and weights in half precision
		}
	case graph.OpMatMul, graph.OpExpertMatMul, graph.OpExpertSum:
		bound += 1e-6 * math.Sqrt(float64(terms)) * e.Size
		if anyModule(modules, "_cm") {
			bound += 7 * e.Half
		}
	default:
		bound += 1e-6 * e.Size
	}
	return bound
}

// anyModule tells whether the kernel of one of the modules ends in the suffix.
func anyModule(modules []string, suffix string) bool {
	return slices.ContainsFunc(modules, func(m string) bool {
		kernel, _, _ := strings.Cut(m, ".")
		return strings.HasSuffix(kernel, suffix)
	})
}

// judgeCache compares what was stored with what should be, before it is rounded: the type's rounding is part of what is allowed.
func judgeCache(s *cpuexec.Sampler, op *vkexec.Operation, q cpuexec.Question, v *verdict) error {
	row := 0
	var slots, positions []int
	for _, seq := range op.Step.Seqs {
		for p := range seq.Rows {
			slots, positions = append(slots, seq.Slot), append(positions, seq.Start+p)
			row++
		}
	}
	d := op.Graph.KV.HeadDim
	for _, t := range sample(row, sampledRows, op.Node.Label) {
		k, values, err := s.Keys(q, t)
		if err != nil {
			return err
		}
		for which, want := range [][]float64{k, values} {
			for h := range op.Graph.KV.Heads {
				got, head := op.Cached(which == 1, slots[t], positions[t], h), want[h*d:][:d]
				for i, w := range head {
					block := head[i/cacheBlock*cacheBlock : min(d, i/cacheBlock*cacheBlock+cacheBlock)]
					v.note(got[i], w, storedWithin(op.KV(), w, block, head), func() string {
						return fmt.Sprintf("the cached %s of row %d, head %d, element %d", [...]string{"key", "value"}[which], t, h, i)
					})
				}
			}
		}
	}
	return nil
}

const cacheBlock = 32 // elements that share a scale in a cache of blocks

// storedWithin bounds what storing changes of an element w of a block of a head: half a step of the type, the rounding of
// its scale to half precision, and float32's rounding, for which an element may fall on the other side of a border.
func storedWithin(kv vkexec.KVType, w float64, block, head []float64) float64 {
	rounding := 5e-6 * largest(head)
	switch kv {
	case "f16":
		return rounding + math.Abs(w)*0x1p-11*1.001 + 0x1p-25
	case "q8_0":
		step := largest(block) / 127
		return rounding + 0.5*step + math.Abs(w)*0x1p-11*1.01 + 127*0x1p-25
	case "q4_0": // the end of the range that has no quant of its own is a whole step away from the last
		step := largest(block) / 8
		return rounding + step*1.001 + math.Abs(w)*0x1p-11*1.01 + 8*0x1p-25
	}
	return rounding
}

func largest(v []float64) float64 {
	most := 0.0
	for _, x := range v {
		most = max(most, math.Abs(x))
	}
	return most
}

func finite(v []float32) bool {
	for _, x := range v {
		if x-x != 0 {
			return false
		}
	}
	return true
}

// judgeRoute compares the choice of experts. Experts whose shares are as good as equal may change places.
func judgeRoute(op *vkexec.Operation, v verdict) verdict {
	n := op.Node
	for t := range op.Out.Len() {
		logits, out := op.In[0].Row(t), op.Out.Row(t)
		shares := make([]float64, len(logits))
		most, sum := math.Inf(-1), 0.0
		for _, x := range logits {
			most = max(most, float64(x))
		}
		for i, x := range logits {
			shares[i] = math.Exp(float64(x) - most)
			sum += shares[i]
		}
		for i := range shares {
			shares[i] /= sum
		}
		order := slices.Clone(shares)
		slices.SortFunc(order, func(a, b float64) int { return -compare(a, b) })
		total := 1.0
		if n.Renormalise {
			total = 0
			for _, s := range order[:n.Used] {
				total += s
			}
		}
		seen := map[int]bool{}
		for rank := range n.Used {
			id := int(math.Float32bits(out[rank]))
			if id >= len(shares) || seen[id] {
				v.fail("row %d chose expert %d of %d, or chose it twice", t, id, len(shares))
				return v
			}
			seen[id] = true
			where := func() string { return fmt.Sprintf("row %d, the weight of rank %d", t, rank) }
			v.note(shares[id], order[rank], 1e-5*order[rank], where)
			v.note(float64(out[n.Used+rank]), order[rank]/total, 1e-5*order[rank]/total, where)
		}
	}
	return v
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
