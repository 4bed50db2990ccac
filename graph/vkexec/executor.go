package vkexec

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/internal/tuner"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// Options fix what an executor is built for.
type Options struct {
	Context int    // tokens that one slot can hold
	Slots   int    // sequences that have a cache at the same time; 0: 1
	MaxRows int    // rows of one step at most; 0: chosen for the device
	KV      KVType // "": "f16"

	// FuseNorm folds norms into the products of decode steps: two dispatches and barriers less per layer.
	FuseNorm bool
	// Splits cuts the context of decode attention into so many parts that are computed at the same time; 0: chosen
	// for the device.
	Splits int
	// MergeApart leaves it to a dispatch of its own to put those parts together, where else the last workgroup to arrive does
	// it; the results are the same.
	MergeApart bool

	// MaxSubmit is how long one submission may take, so that a program that renders gets its queue back in time; 0: a step is
	// one submission.
	MaxSubmit time.Duration

	Threads  int                      // host threads that convert weights; 0: 1
	Progress func(done, total uint64) // bytes of weights uploaded; called from one goroutine
	Profile  bool                     // time every dispatch
	// CheckFinite computes each step twice: first operation by operation, looking at every result, so that the first
	// NaN or infinity is reported by operation and layer. Much slower.
	CheckFinite bool
	Int8        Int8Use                          // which products of quantised weights read bytes; "": Int8Auto
	Tuning      Tuning                           // "": TuningAuto
	Warm        Warming                          // "": WarmAuto
	TuneBudget  time.Duration                    // that measuring may take; 0: chosen for a start that nobody waits long for
	Log         func(format string, args ...any) // takes what is worth a line; nil: nobody
	Disable     func(kernel string) bool         // kernels whose variants above tier 0 must not be used; nil: none
	Vetoes      *Vetoes                          // modules that the device computes wrongly; nil: none
	Prefer      func(kernel string) bool         // kernels to use where several compute the same; nil: those that are the fastest
	Tune        map[string]map[string]uint32     // specialization constants by kernel and name, over the table's
}

// Executor runs the steps of one model on one device. It is not safe for concurrent use.
type Executor struct {
	dev     *vk.Device
	model   *graph.Graph // as the model built it
	options Options
	chooser chooser
	units   matrixUnits
	pacer   *pacer // with Options.MaxSubmit
	int8    int8Uses
	graphs  map[graph.Options]*graph.Graph

	weights *weights
	kv      *kvCache
	rope    *vk.Buffer
	ropes   ropeTables
	step    shaders.Step

	stepDevice, stepHost  *vk.Buffer // the step buffer and what the host writes of it
	arena, partial        *vk.Buffer
	arrived               *vk.Buffer // counts of the splits of an attention that are done: zeros between dispatches
	experts               *vk.Buffer // the list of tiles of a routing; nil in a model without experts
	reduce, results       *vk.Buffer // partial and final results of the tails
	counts, penaltyParams *vk.Buffer // histories for penalties; made when first asked for
	maxAll                int        // rows of a step with TailAllLogits

	adapters  map[*Adapters]bool // that are on the device
	current   *Adapters          // of the last step
	pipelines map[string]*vk.Pipeline
	plans     map[planKey]*Plan
	clock     uint64
	stats     Stats
	greedy    Result // of steps with TailGreedy
	times     profile
	past      float64 // tokens in front of the last step, on average over its sequences

	measured *tuner.Table // nil: the constants are those of the table of kernels
	tuned    Tuned
	chunk    int // tokens of a prompt that are computed at a time; 0: MaxRows
}

// Stats counts what an executor did since it was made.
type Stats struct {
	Steps, Submits, Dispatches, Barriers uint64
	WaitNS                               int64 // from submission to the fence, summed
	RecordNS                             int64 // spent on recording plans, pipelines included: once per kind of step
}

// New places the model's weights and caches on the device. g is the graph as the model built it.
//
// The errors are those of the device (vk.ErrOutOfMemory, vk.ErrDeviceLost), of the source, and of weights whose
// shape is not the graph's.
func New(ctx context.Context, dev *vk.Device, g *graph.Graph, source Source, o Options) (*Executor, error) {
	o.Slots = max(o.Slots, 1)
	if o.KV == "" {
		o.KV = "f16"
	}
	if !slices.Contains(KVTypes(), o.KV) {
		return nil, fmt.Errorf("BUG: vkexec: a cache of type %q", o.KV)
	}
	if o.Context <= 0 {
		return nil, fmt.Errorf("vkexec: a context of %d tokens", o.Context)
	}
	e := &Executor{
		dev: dev, model: g, options: o, chooser: chooser{caps: dev.Caps(), find: shaders.Find, disabled: o.Disable},
		graphs: map[graph.Options]*graph.Graph{}, adapters: map[*Adapters]bool{}, pipelines: map[string]*vk.Pipeline{}, plans: map[planKey]*Plan{}, times: profile{},
	}
	if o.MaxSubmit > 0 {
		e.pacer = &pacer{budget: o.MaxSubmit, cost: map[string]float64{}}
	}
	if o.Vetoes != nil {
		e.chooser.vetoed = func(m *shaders.Module) bool {
			_, yes := o.Vetoes.Forbids(m)
			return yes
		}
	}
	if err := e.place(ctx, source); err != nil {
		e.Close()
		return nil, err
	}
	e.readTuning()
	e.chooser.prefer(o.Prefer)
	err := e.measureWeights(ctx, e.options.MaxRows)
	if err == nil {
		err = e.tune(ctx)
	}
	if err == nil {
		err = e.warm(ctx)
	}
	if err != nil {
		e.Close()
		return nil, err
	}
	return e, nil
}

// place allocates everything that lives as long as the executor.
func (e *Executor) place(ctx context.Context, source Source) error {
	o, g := &e.options, e.model
	pagesPerSlot := (o.Context + shaders.PageTokens - 1) / shaders.PageTokens
	plain := graph.Compile(g, graph.Options{Output: graph.AllLogits})

	var err error
	up := &uploader{dev: e.dev, source: source, threads: o.Threads, progress: o.Progress}
	if e.weights, err = up.load(ctx, plain); err != nil {
		return err
	}
	e.int8 = e.chooseInt8()
	if e.kv, err = newKVCache(e.dev, g.KV, o.KV, pagesPerSlot*o.Slots); err != nil {
		return err
	}
	if o.Splits <= 0 {
		o.Splits = defaultSplits(e.dev.Caps(), g.KV, pagesPerSlot)
	}
	if err := e.chooseRows(plain, pagesPerSlot); err != nil {
		return err
	}
	e.step = shaders.Step{Rows: o.MaxRows, Seqs: o.Slots, Slots: o.Slots, MaxBlocks: pagesPerSlot}

	e.ropes = newRopeTables(g, o.Context)
	if n, limit := uint64(len(e.ropes.bytes)), e.dev.Caps().MaxStorageBufferRange; n > limit {
		return fmt.Errorf("vkexec: the rotary tables of a context of %d tokens take %d bytes, this device lets a shader see %d", o.Context, n, limit)
	}
	heads := e.heads(plain)
	allocations := []struct {
		to   **vk.Buffer
		name string
		size uint64
		kind vk.MemoryKind
	}{
		{&e.rope, "rope table", uint64(len(e.ropes.bytes)), vk.DeviceLocal},
		{&e.stepDevice, "step", uint64(e.step.Words()) * 4, vk.DeviceLocal},
		{&e.stepHost, "step (host)", uint64(e.step.Words()) * 4, vk.HostToDevice},
		{&e.arena, "arena", e.arenaBytes(nil), vk.DeviceLocal},
		{&e.partial, "attention parts", e.partialBytes(heads, g.KV.HeadDim), vk.DeviceLocal},
		{&e.arrived, "arrived splits", arrivedBytes(heads), vk.DeviceLocal},
		{&e.reduce, "reduction", uint64(e.mostChoices()) * uint64(reduceGroups(g.Vocab)) * (2 + 2*shaders.TopK) * 4, vk.DeviceLocal},
		{&e.results, "results", uint64(e.mostChoices()) * topKWords * 4, vk.DeviceToHost},
	}
	for _, kind := range []vk.MemoryKind{vk.DeviceLocal, vk.HostToDevice, vk.DeviceToHost} {
		var sizes []uint64
		for _, a := range allocations {
			if a.kind == kind {
				sizes = append(sizes, a.size)
			}
		}
		defer e.dev.Expect(kind, sizes)()
	}
	for _, a := range allocations {
		if *a.to, err = e.dev.NewBuffer(a.name, a.size, a.kind); err != nil {
			return err
		}
	}
	if n := expertListBytes(plain, o.MaxRows); n > 0 {
		if e.experts, err = e.dev.NewBuffer("expert tiles", n, vk.DeviceLocal); err != nil {
			return err
		}
	}
	if err := e.placeMatrixUnits(plain); err != nil {
		return err
	}
	if err := e.dev.UploadBytes(ctx, whole(e.rope), e.ropes.bytes); err != nil {
		return err
	}
	e.ropes.bytes = nil
	if err := e.dev.UploadBytes(ctx, whole(e.arrived), make([]byte, e.arrived.Size())); err != nil {
		return err
	}
	e.dev.FreeStaging()
	return nil
}

// defaultSplits lets decode attention fill a card: about 128 workgroups. A software device has as many workers as
// the host has cores, and the merge would cost it more than the splits gain.
func defaultSplits(caps *vk.Caps, kv graph.KVShape, pages int) int {
	if caps.Type == vk.Software {
		return 1
	}
	return min(pages, max(1, 128/kv.Heads))
}

// chooseRows bounds the rows of one step so that every activation, and the parts of its attention, fit one binding.
func (e *Executor) chooseRows(g *graph.Graph, pages int) error {
	limit := e.dev.Caps().MaxStorageBufferRange
	rows := e.options.MaxRows
	if rows <= 0 {
		rows = 512
	}
	rows = min(rows, pages*shaders.PageTokens)
	for id, t := range g.Values {
		if graph.ID(id) == g.Output {
			continue
		}
		rows = min(rows, int(limit/(uint64(t.Cols)*4)))
	}
	width := uint64(e.heads(g)) * uint64(g.KV.HeadDim) * 4
	if shards := e.kv.shards(); shards > 1 {
		rows = min(rows, int(limit/(width*uint64(shards))))
	}
	most := uint64(shaders.MaxColumns) * width * uint64(e.kv.shards())
	e.options.Splits = max(1, min(e.options.Splits, int(limit/most)))
	all := min(rows, int(min(limit, 64<<20)/(uint64(g.Vocab)*4)))
	if rows < 1 || all < 1 {
		return fmt.Errorf("vkexec: one row of activations does not fit the %d bytes that this device lets a shader see", limit)
	}
	e.options.MaxRows, e.maxAll = rows, all
	return nil
}

// heads is the number of query heads, which is the same in all layers.
func (e *Executor) heads(g *graph.Graph) int {
	for _, n := range g.Nodes {
		if n.Op == graph.OpAttention {
			return n.Heads
		}
	}
	return 1
}

// arenaBytes is what the largest steps need, with the given adapters or without.
func (e *Executor) arenaBytes(set *graph.Adapters) uint64 {
	most := uint64(0)
	size := func(rows int, o graph.Options) {
		o.Adapters = set
		for _, o.Int8 = range e.int8.all() {
			most = max(most, uint64(graph.PlanArena(graph.Compile(e.model, o), rows, e.options.Slots).Bytes))
		}
	}
	size(e.options.MaxRows, graph.Options{Output: graph.LastLogits})
	size(e.maxAll, graph.Options{Output: graph.AllLogits})
	size(e.options.MaxRows, graph.Options{Output: graph.AllHidden})
	size(e.options.MaxRows, graph.Options{Output: graph.CacheOnly})
	return most
}

// splits is how many parts the context is cut into for a step of so many rows.
func (e *Executor) splits(rows int) int {
	if rows <= shaders.MaxColumns {
		return e.options.Splits
	}
	return 1
}

func (e *Executor) partialBytes(heads, headDim int) uint64 {
	row := uint64(heads) * (uint64(headDim) + 2) * 4
	few := row * uint64(min(shaders.MaxColumns, e.options.MaxRows)*e.options.Splits*e.kv.shards())
	many := uint64(0)
	if e.kv.shards() > 1 {
		many = row * uint64(e.options.MaxRows*e.kv.shards())
	}
	return max(few, many) + graph.ArenaAlign
}

// arrivedBytes is the size of the counters of the tiles that the context of a step is split for. A step of MaxColumns tokens in
// s sequences has at most (MaxColumns+1-s)·s rows of tiles.
func arrivedBytes(heads int) uint64 {
	const most = (shaders.MaxColumns + 1) * (shaders.MaxColumns + 1) / 4
	return uint64(heads) * most * 4
}

// partials places the partial results of an attention op: accumulators, then maxima and sums.
func (e *Executor) partials(rows, parts, heads, headDim int) (acc, ml vk.Range) {
	n := uint64(rows * parts * heads)
	acc = vk.Range{Buffer: e.partial, Size: n * uint64(headDim) * 4}
	ml = vk.Range{Buffer: e.partial, Offset: alignUp(acc.Size, graph.ArenaAlign), Size: n * 8}
	return acc, ml
}

func (e *Executor) stepRange() vk.Range { return whole(e.stepDevice) }
func (e *Executor) ropeRange() vk.Range { return whole(e.rope) }

// MaxRows is the number of rows that one step with the given tail may have.
func (e *Executor) MaxRows(t Tail) int {
	switch {
	case t == TailAllLogits:
		return e.maxAll
	case t.perRow():
		return min(shaders.MaxColumns, e.maxAll)
	}
	return e.options.MaxRows
}

// Chunk is the number of tokens of a prompt that are computed the fastest at a time.
func (e *Executor) Chunk() int {
	if e.chunk > 0 {
		return e.chunk
	}
	return e.MaxRows(TailNone)
}

// Tuned tells what measuring found when the executor was made.
func (e *Executor) Tuned() Tuned { return e.tuned }

// BatchRows is how many sequences one decode step should have at most. A card reads the weights once for all. On a CPU, where
// reading them costs little beside multiplying, the product of few columns does more in its time than the tiled one.
func (e *Executor) BatchRows() int {
	if e.dev.Caps().Type == vk.Software {
		return min(shaders.MaxColumns, e.options.MaxRows)
	}
	return e.options.MaxRows
}

// mostChoices bounds the rows that one step chooses from.
func (e *Executor) mostChoices() int { return max(e.options.Slots, shaders.MaxColumns) }

// Hidden is the length of a row of hidden states.
func (e *Executor) Hidden() int {
	g := graph.Compile(e.model, graph.Options{Output: graph.LastHidden})
	return g.Tensor(g.Output).Cols
}

// Vocab is the length of a row of logits.
func (e *Executor) Vocab() int { return e.model.Vocab }

// Pages is the number of KV pages of all slots together.
func (e *Executor) Pages() int { return e.kv.pages }

// Stats returns the counts so far.
func (e *Executor) Stats() Stats { return e.stats }

// Memory is the device memory in bytes that weights (adapters among them), KV cache and scratch take.
func (e *Executor) Memory() (weights, kv, scratch uint64) {
	weights = e.weights.bytes
	for a := range e.adapters {
		weights += a.Bytes()
	}
	kv = KVBytes(e.model.KV, e.kv.kind, e.kv.pages*shaders.PageTokens)
	for _, b := range []*vk.Buffer{e.rope, e.stepDevice, e.stepHost, e.arena, e.partial, e.arrived, e.reduce, e.results} {
		scratch += b.Size()
	}
	for _, b := range []*vk.Buffer{e.experts, e.units.factors} {
		if b != nil {
			scratch += b.Size()
		}
	}
	return weights, kv, scratch
}

// Close gives all device objects back. The executor must be idle.
func (e *Executor) Close() {
	e.dropPlans(func(planKey) bool { return true })
	for a := range e.adapters {
		e.ReleaseAdapters(a)
	}
	for key, p := range e.pipelines {
		p.Close()
		delete(e.pipelines, key)
	}
	if e.weights != nil {
		e.weights.close()
	}
	if e.kv != nil {
		e.kv.close()
	}
	buffers := []**vk.Buffer{
		&e.rope, &e.stepDevice, &e.stepHost, &e.arena, &e.partial, &e.arrived, &e.reduce, &e.results,
		&e.counts, &e.penaltyParams, &e.experts, &e.units.factors,
	}
	for _, b := range buffers {
		if *b != nil {
			(*b).Close()
			*b = nil
		}
	}
}
