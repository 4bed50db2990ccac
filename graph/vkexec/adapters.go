package vkexec

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"strings"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// Adapters are adapters that act together, on the device: for each product that they change the stacked A's and the B's
// side by side. Their scales lie in a small buffer that each step from the host brings along, so that plans serve any.
type Adapters struct {
	set     *graph.Adapters
	weights *weights
	factors []factors
	device  *vk.Buffer // factors as the kernels read them
	host    *vk.Buffer // factors of the next step from the host
}

// factors are what EpilogueScale multiplies the n columns of a product by. Products with the same ranks share them.
type factors struct {
	ranks []graph.Ranks
	n     int
	at    vk.Range // in the device's buffer
}

// key tells lists of factors apart.
func (f factors) key() string { return fmt.Sprint(f.n, f.ranks) }

// NewAdapters uploads adapters. source finds A and B by the names that graph.Adapter gives them.
//
// The activations of the changed products may need more memory than the executor has, or smaller steps: it then takes
// the one, and MaxRows tells the other. ReleaseAdapters gives the memory of the matrices back.
func (e *Executor) NewAdapters(ctx context.Context, set *graph.Adapters, source Source) (a *Adapters, err error) {
	g := graph.Compile(e.model, graph.Options{Output: graph.AllLogits, Adapters: set})
	a = &Adapters{set: set}
	defer func() {
		if err != nil {
			e.ReleaseAdapters(a)
			a = nil
		}
	}()
	up := &uploader{dev: e.dev, source: source, threads: e.options.Threads}
	if a.weights, err = up.load(ctx, assembledPacks(g)); err != nil {
		return a, err
	}
	if err := a.placeFactors(e.dev, g); err != nil {
		return a, err
	}
	if err := e.makeRoom(g, set); err != nil {
		return a, err
	}
	e.dev.FreeStaging()
	e.adapters[a] = true
	return a, nil
}

// AdapterSource finds the matrices of several adapters: each by the source of the adapter that its name begins with.
func AdapterSource(sources map[string]Source) Source {
	return func(name string) (quant.Source, error) {
		adapter, _, _ := strings.Cut(name, "/")
		if find := sources[adapter]; find != nil {
			return find(name)
		}
		return nil, fmt.Errorf("BUG: vkexec: no adapter has %s", name)
	}
}

// AdapterBytes is the device memory that the matrices of adapters take, padding of buffers aside.
func AdapterBytes(g *graph.Graph, set *graph.Adapters) uint64 {
	return WeightBytes(assembledPacks(graph.Compile(g, graph.Options{Output: graph.AllLogits, Adapters: set})))
}

// assembledPacks is a graph that has only those products of g whose matrices are put together.
func assembledPacks(g *graph.Graph) *graph.Graph {
	small := &graph.Graph{Name: g.Name, Output: graph.None, KV: g.KV}
	for _, n := range g.Nodes {
		if n.Pack != nil && n.Pack.Parts[0].Blocks != nil {
			small.Nodes = append(small.Nodes, &graph.Node{Op: n.Op, Pack: n.Pack, Out: graph.None})
		}
	}
	return small
}

// placeFactors makes the buffers of the factors.
func (a *Adapters) placeFactors(dev *vk.Device, g *graph.Graph) (err error) {
	size, seen := uint64(0), map[string]bool{}
	for _, n := range g.Nodes {
		if n.Epilogue != graph.EpilogueScale {
			continue
		}
		f := factors{ranks: n.Ranks, n: n.Pack.Rows()}
		if seen[f.key()] {
			continue
		}
		seen[f.key()] = true
		f.at = vk.Range{Offset: size, Size: uint64(f.n) * 4}
		size = alignUp(size+f.at.Size, graph.ArenaAlign)
		a.factors = append(a.factors, f)
	}
	if size == 0 {
		return fmt.Errorf("BUG: vkexec: adapters that change nothing")
	}
	if a.device, err = dev.NewBuffer("adapter factors", size, vk.DeviceLocal); err != nil {
		return err
	}
	if a.host, err = dev.NewBuffer("adapter factors (host)", size, vk.HostToDevice); err != nil {
		return err
	}
	for i := range a.factors {
		a.factors[i].at.Buffer = a.device
	}
	return nil
}

// makeRoom fits the executor's steps and arena to graphs with adapters. Plans refer to the arena: if it moves, they are
// recorded again.
func (e *Executor) makeRoom(g *graph.Graph, set *graph.Adapters) error {
	limit := e.dev.Caps().MaxStorageBufferRange
	rows, all := e.options.MaxRows, e.maxAll
	for id, t := range g.Values {
		fit := int(limit / (uint64(t.Cols) * 4))
		if t.Cols == g.Vocab {
			all = min(all, fit) // logits, and what an adapter adds to
		} else if graph.ID(id) != g.Output {
			rows = min(rows, fit)
		}
	}
	if all = min(all, rows); all < 1 {
		return fmt.Errorf("vkexec: one row of activations with adapters does not fit the %d bytes that this device lets a shader see", limit)
	}
	e.options.MaxRows, e.maxAll = rows, all
	need := e.arenaBytes(set)
	if need <= e.arena.Size() {
		return nil
	}
	larger, err := e.dev.NewBuffer("arena", need, vk.DeviceLocal)
	if err != nil {
		return err
	}
	e.dropPlans(func(planKey) bool { return true })
	e.arena.Close()
	e.arena = larger
	return nil
}

// ReleaseAdapters gives the adapters' memory back. No step with them may be under way.
func (e *Executor) ReleaseAdapters(a *Adapters) {
	e.dropPlans(func(k planKey) bool { return k.adapters == a })
	for o := range e.graphs {
		if o.Adapters == a.set {
			delete(e.graphs, o)
		}
	}
	delete(e.adapters, a)
	if e.current == a {
		e.current = nil
	}
	if a.weights != nil {
		a.weights.close()
		a.weights = nil
	}
	for _, b := range []**vk.Buffer{&a.device, &a.host} {
		if *b != nil {
			(*b).Close()
			*b = nil
		}
	}
}

// dropPlans forgets the recorded plans that match.
func (e *Executor) dropPlans(match func(planKey) bool) {
	for key, p := range e.plans {
		if match(key) {
			p.close()
			delete(e.plans, key)
		}
	}
}

// Bytes is the device memory that the adapters take.
func (a *Adapters) Bytes() uint64 { return a.weights.bytes + a.device.Size() + a.host.Size() }

// setScales writes the factors that the next step from the host takes along.
func (a *Adapters) setScales(scales []float64) {
	for _, f := range a.factors {
		to := a.host.Bytes()[f.at.Offset:]
		for i, v := range graph.Scales(f.ranks, scales, f.n) {
			binary.LittleEndian.PutUint32(to[4*i:], math.Float32bits(v))
		}
	}
	a.host.Flush(0, a.host.Size())
}

// of is where the factors of a product lie.
func (a *Adapters) of(n *graph.Node) vk.Range {
	want := factors{ranks: n.Ranks, n: n.Pack.Rows()}.key()
	for _, f := range a.factors {
		if f.key() == want {
			return f.at
		}
	}
	panic("BUG: vkexec: no factors for " + n.Label)
}

// matrix finds the matrix of a pack: the model's, or one of the plan's adapters.
func (l *lowering) matrix(p *graph.Pack) *matrix {
	if l.key.adapters != nil {
		if m := l.key.adapters.weights.matrices[p.Name]; m != nil {
			return m
		}
	}
	return l.e.weights.matrices[p.Name]
}

// hostCopies are what a step from the host brings along: pairs of device and host ranges.
func (e *Executor) hostCopies(key planKey) [][2]vk.Range {
	if !key.upload {
		return nil
	}
	copies := [][2]vk.Range{{e.stepRange(), whole(e.stepHost)}}
	if a := key.adapters; a != nil {
		copies = append(copies, [2]vk.Range{whole(a.device), whole(a.host)})
	}
	return copies
}

// assembled is the source of a weight that is put together from blocks of stored matrices.
type assembled struct {
	weight graph.Weight
	blocks []quant.Source
}

func (u *uploader) assemble(w graph.Weight) (quant.Source, error) {
	a := assembled{weight: w}
	for _, b := range w.Blocks {
		source, err := u.source(b.Name)
		if err != nil {
			return nil, err
		}
		if rows, cols := source.Shape(); rows != b.Rows || cols != b.Cols {
			return nil, fmt.Errorf("tensor %s has shape [%d %d], the model needs [%d %d]", b.Name, rows, cols, b.Rows, b.Cols)
		}
		a.blocks = append(a.blocks, source)
	}
	return a, nil
}

// Shape returns the weight's rows and columns.
func (a assembled) Shape() (rows, cols int) { return a.weight.Rows, a.weight.Cols }

// Layout returns the weight's.
func (a assembled) Layout() quant.Layout { return a.weight.Layout }

// Order is nil: the columns stay as they are.
func (a assembled) Order() ([]int32, error) { return nil, nil }

// Planes writes rows as planes of a dense layout.
func (a assembled) Planes(planes [][]byte, l quant.Layout, first, n int) error {
	values := make([]float32, n*a.weight.Cols)
	if err := a.Values(values, first, n); err != nil {
		return err
	}
	rows := make([]byte, 0, 4*len(values))
	for _, v := range values {
		rows = binary.LittleEndian.AppendUint32(rows, math.Float32bits(v))
	}
	return quant.Convert(planes, l, quant.F32, rows, n, a.weight.Cols)
}

// Values writes rows as numbers.
func (a assembled) Values(dst []float32, first, n int) error {
	clear(dst)
	for i, b := range a.weight.Blocks {
		lo := max(0, first-b.Row+b.RowStep-1) / b.RowStep
		hi := min(b.Rows, max(0, first+n-b.Row+b.RowStep-1)/b.RowStep)
		if lo >= hi {
			continue
		}
		block := make([]float32, (hi-lo)*b.Cols)
		if err := blockRows(block, a.blocks[i], b, lo, hi); err != nil {
			return fmt.Errorf("tensor %s: %w", b.Name, err)
		}
		for r := lo; r < hi; r++ {
			from, to := block[(r-lo)*b.Cols:(r-lo+1)*b.Cols], dst[(b.Row+r*b.RowStep-first)*a.weight.Cols+b.Col:]
			if b.Order == nil {
				copy(to, from)
			}
			for c, column := range b.Order {
				to[c] = from[column]
			}
		}
	}
	return nil
}

// blockRows writes rows [lo, hi) of a block as its RowOrder has them, columns as they are stored.
func blockRows(dst []float32, source quant.Source, b graph.Block, lo, hi int) error {
	if b.RowOrder == nil {
		return source.Values(dst, lo, hi-lo)
	}
	for i, row := range b.RowOrder[lo:hi] {
		if err := source.Values(dst[i*b.Cols:(i+1)*b.Cols], int(row), 1); err != nil {
			return err
		}
	}
	return nil
}
