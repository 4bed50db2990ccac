package cpuexec

import (
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/graph"
)

// Matrix is a row-major matrix.
type Matrix struct {
	Rows, Cols int
	Data       []float64
}

func newMatrix(rows, cols int) *Matrix {
	return &Matrix{Rows: rows, Cols: cols, Data: make([]float64, rows*cols)}
}

// Row is row i; writing to it writes to the matrix.
func (m *Matrix) Row(i int) []float64 { return m.Data[i*m.Cols : (i+1)*m.Cols] }

// Seq is the part of one sequence in a step: Rows tokens at the positions from Start on. Slot names its cache, which
// must hold at least Start tokens; what it holds beyond is forgotten. RoPE is the choice of graph.RoPE's frequencies.
type Seq struct{ Slot, Rows, Start, RoPE int }

// Step is the input of one run: the token ids of all sequences, one sequence after another.
type Step struct {
	IDs    []int32
	Seqs   []Seq
	Scales []float64 // of the graph's adapters, in their order
}

// Result is what one run computed.
type Result struct {
	Values map[graph.ID]*Matrix // every value of the graph that a node wrote
	Logits [][]float64          // the rows of the graph's output; nil if it has none
}

// Executor runs the compiled forms of one model and keeps its KV cache.
type Executor struct {
	// KVRound, if set, rounds keys and values in place as they are stored, such as to f16 and back: the blocks of up to
	// quant.CacheBlock neighbouring elements that a head is made of, one after another.
	KVRound func(block []float64)

	kv      graph.KVShape
	rope    graph.RoPE
	weights Weights
	loaded  map[string][]float32
	caches  map[cacheKey]*cache
}

type cacheKey struct{ layer, slot int }

// cache holds one row of kvHeads·headDim numbers per token.
type cache struct{ k, v [][]float64 }

// New makes an executor with an empty cache for the model that g is a form of.
func New(g *graph.Graph, w Weights) *Executor {
	return &Executor{kv: g.KV, rope: g.RoPE, weights: w, loaded: map[string][]float32{}, caches: map[cacheKey]*cache{}}
}

// run is the state of one Run.
type run struct {
	*Executor
	g         *graph.Graph
	step      Step
	positions []int // by row
	slots     []int // by row
	choices   []int // by row: of rotary frequencies
	last      []int // by sequence: the row of its last token
	values    map[graph.ID]*Matrix
}

// Run computes g, any compiled form of the executor's model, for one step. The error names the node, and the cache is
// then not to be relied on.
func (e *Executor) Run(g *graph.Graph, s Step) (*Result, error) {
	r := &run{Executor: e, g: g, step: s, values: map[graph.ID]*Matrix{}}
	if err := r.check(); err != nil {
		return nil, fmt.Errorf("cpuexec: %w", err)
	}
	for _, n := range g.Nodes {
		if err := r.node(n); err != nil {
			return nil, fmt.Errorf("cpuexec: %s %s: %w", n.Op, n.Label, err)
		}
	}
	result := &Result{Values: r.values}
	if g.Output != graph.None {
		logits := r.values[g.Output]
		for i := range logits.Rows {
			result.Logits = append(result.Logits, logits.Row(i))
		}
	}
	return result, nil
}

// check holds the step against graph and cache, and lays out positions and slots by row.
func (r *run) check() error {
	if r.g.KV != r.kv {
		return fmt.Errorf("the graph's cache is %+v, the executor's %+v: they are of different models", r.g.KV, r.kv)
	}
	for i, id := range r.step.IDs {
		if id < 0 || int(id) >= r.g.Vocab {
			return fmt.Errorf("token %d has id %d, the vocabulary has %d", i, id, r.g.Vocab)
		}
	}
	seen := map[int]bool{}
	for i, seq := range r.step.Seqs {
		if seq.Rows < 1 || seq.Start < 0 || seen[seq.Slot] {
			return fmt.Errorf("sequence %d (%+v) has no rows, starts below 0 or shares its slot", i, seq)
		}
		seen[seq.Slot] = true
		if held := r.held(seq.Slot); seq.Start > held {
			return fmt.Errorf("sequence %d starts at position %d, its slot %d holds %d tokens", i, seq.Start, seq.Slot, held)
		}
		for p := range seq.Rows {
			r.positions = append(r.positions, seq.Start+p)
			r.slots = append(r.slots, seq.Slot)
			r.choices = append(r.choices, seq.RoPE)
		}
		r.last = append(r.last, len(r.positions)-1)
	}
	if len(r.positions) != len(r.step.IDs) || len(r.positions) == 0 {
		return fmt.Errorf("%d token ids for sequences of %d rows", len(r.step.IDs), len(r.positions))
	}
	return nil
}

// held is the number of tokens of the slot that every layer's cache has.
func (r *run) held(slot int) int {
	held := math.MaxInt
	for _, n := range r.g.Nodes {
		if n.Op == graph.OpStoreKV || n.Op == graph.OpRoPEKV {
			held = min(held, len(r.cache(n.Layer, slot).k))
		}
	}
	return held
}

func (e *Executor) cache(layer, slot int) *cache {
	key := cacheKey{layer, slot}
	if e.caches[key] == nil {
		e.caches[key] = &cache{}
	}
	return e.caches[key]
}
