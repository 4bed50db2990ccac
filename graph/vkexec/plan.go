package vkexec

import (
	"context"
	"fmt"
	"time"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// Tail is what a plan does after the graph's last node.
type Tail uint8

const (
	// TailNone computes no logits: a prompt chunk that only fills the cache.
	TailNone Tail = iota
	// TailGreedy takes the arg max of each sequence's logits and writes it where the next step reads its id.
	TailGreedy
	// TailTopK returns the shaders.TopK best candidates of each sequence with the log-sum-exp over all.
	TailTopK
	// TailGreedyRows takes the arg max of each row's logits: of the rows of a guess, as if it were right.
	TailGreedyRows
	// TailTopKRows returns the candidates of each row.
	TailTopKRows
	// TailLogits leaves one row of logits per sequence to be downloaded.
	TailLogits
	// TailAllLogits leaves a row of logits per token to be downloaded.
	TailAllLogits
	// TailHidden leaves what the output head would read, one row per sequence, to be downloaded.
	TailHidden
	// TailAllHidden leaves such a row per token.
	TailAllHidden
)

// hidden tells tails that end in hidden states.
func (t Tail) hidden() bool { return t == TailHidden || t == TailAllHidden }

// perRow tells tails that end in a choice for each row.
func (t Tail) perRow() bool { return t == TailGreedyRows || t == TailTopKRows }

func (t Tail) output() graph.Output {
	switch t {
	case TailNone:
		return graph.CacheOnly
	case TailAllLogits, TailGreedyRows, TailTopKRows:
		return graph.AllLogits
	case TailHidden:
		return graph.LastHidden
	case TailAllHidden:
		return graph.AllHidden
	}
	return graph.LastLogits
}

// planKey is everything that the recorded commands depend on.
type planKey struct {
	rows, seqs, widest int // widest: rows of the longest sequence
	tail               Tail
	upload             bool // the step buffer comes from the host; else from the step before
	history            History
	adapters           *Adapters // nil: none
}

// History says what a step does with the histories of its slots (see SetHistory).
type History uint8

const (
	// NoHistory leaves the logits as the model computed them.
	NoHistory History = iota
	// Penalise applies the penalties to the logits.
	Penalise
	// CountAndPenalise first counts the step's ids as generated: those of a decode step.
	CountAndPenalise
	// CountListed counts Step.Listed in place of the step's ids, and then applies the penalties: each row of a tail that
	// chooses for all rows has also seen the rows in front of it.
	CountListed
)

// oneRowEach tells decode: every sequence has one row, in order.
func (k planKey) oneRowEach() bool { return k.rows == k.seqs && k.widest == 1 }

// Plan is one kind of step, recorded.
type Plan struct {
	key      planKey
	graph    *graph.Graph
	arena    *graph.Arena
	segments []segment  // one, unless Options.MaxSubmit cuts
	works    []cuttable // by dispatch, with Options.MaxSubmit
	stages   []stage    // by dispatch, for profiles
	used     uint64     // when the plan was last run, for eviction
}

// stage names a dispatch.
type stage struct {
	node  int // in graph.Nodes; -1 for the tail
	op    string
	label string
	bytes uint64 // bound weight bytes
	work  work   // with Options.Profile
}

// dispatch is one lowered command before recording.
type dispatch struct {
	stage
	module    *shaders.Module
	constants []uint32
	bindings  []binding
	push      any
	groups    [3]uint32
	indirect  *vk.Range // where the groups stand instead, when the dispatch runs

	// What the tuner needs to try other constants and kernels.
	kernel kernel
	grid   func(constants) [3]uint32
	others []kernel // that it was chosen among
	gridOf func(kernel string) func(constants) [3]uint32
	pushOf func(kernel string) any
	all    []binding // what any of them reads or writes
}

// binding is a buffer range and what the kernel does with it. A binding that the kernel's specialisation leaves
// unused repeats another one of the same dispatch, so that it adds no hazard.
type binding access

func reads(r vk.Range) binding   { return binding{Range: r, kind: vk.ShaderRead} }
func writes(r vk.Range) binding  { return binding{Range: r, kind: vk.ShaderWrite} }
func updates(r vk.Range) binding { return binding{Range: r, kind: vk.ShaderRead | vk.ShaderWrite} }

// plan returns the recorded plan for the key, recording it if need be.
func (e *Executor) plan(ctx context.Context, key planKey) (*Plan, error) {
	e.clock++
	if p := e.plans[key]; p != nil {
		p.used = e.clock
		return p, nil
	}
	begin := time.Now()
	p, err := e.record(ctx, key)
	e.stats.RecordNS += time.Since(begin).Nanoseconds()
	if err != nil {
		return nil, err
	}
	p.used = e.clock
	if err := e.evict(); err != nil {
		p.close()
		return nil, err
	}
	e.plans[key] = p
	return p, nil
}

// maxPlans bounds the recorded plans: prompts of every length would otherwise each leave one behind.
const maxPlans = 24

func (e *Executor) evict() error {
	if len(e.plans) < maxPlans {
		return nil
	}
	var oldest *Plan
	for _, p := range e.plans {
		if oldest == nil || p.used < oldest.used {
			oldest = p
		}
	}
	delete(e.plans, oldest.key)
	oldest.close()
	return nil
}

func (p *Plan) close() {
	for _, s := range p.segments {
		s.commands.Close()
	}
	p.segments = nil
}

// lowered lowers the graph for one key and brings the pipelines.
func (e *Executor) lowered(ctx context.Context, key planKey) (*lowering, []*vk.Pipeline, error) {
	if err := e.measureWeights(ctx, key.rows); err != nil {
		return nil, nil, err
	}
	l, err := e.lowerPlan(key)
	if err != nil {
		return nil, nil, err
	}
	pipelines, err := e.pipelinesFor(ctx, l.dispatches)
	return l, pipelines, err
}

// lowerPlan lowers the graph for one key.
func (e *Executor) lowerPlan(key planKey) (*lowering, error) {
	g := e.compiled(key)
	arena := graph.PlanArena(g, key.rows, key.seqs)
	if uint64(arena.Bytes) > e.arena.Size() {
		return nil, fmt.Errorf("BUG: vkexec: plan of %d rows needs an arena of %d bytes, there are %d", key.rows, arena.Bytes, e.arena.Size())
	}
	l := &lowering{e: e, key: key, g: g, arena: arena}
	if key.history == CountAndPenalise || key.history == CountListed {
		l.countTokens()
	}
	for i, n := range g.Nodes {
		l.node = i
		l.lower(n)
	}
	l.node = -1
	l.tail()
	return l, l.err
}

// record lowers the graph for one key and records the commands.
func (e *Executor) record(ctx context.Context, key planKey) (*Plan, error) {
	l, pipelines, err := e.lowered(ctx, key)
	if err != nil {
		return nil, err
	}
	p := &Plan{key: key, graph: l.g, arena: l.arena}
	for _, d := range l.dispatches {
		if e.options.Profile {
			d.work = l.work(&d)
		}
		p.stages = append(p.stages, d.stage)
	}
	submissions := [][]part{l.parts()}
	if e.pacer != nil {
		p.works = l.works()
		submissions = e.pacer.cut(p.works)
	}
	r := recording{e: e, l: l, pipelines: pipelines}
	for i, parts := range submissions {
		s, err := r.segment(parts, i == 0, i == len(submissions)-1)
		if err != nil {
			p.close()
			return nil, err
		}
		p.segments = append(p.segments, s)
	}
	return p, nil
}

// parts are all dispatches, whole.
func (l *lowering) parts() []part {
	parts := make([]part, len(l.dispatches))
	for i, d := range l.dispatches {
		parts[i] = part{dispatch: i, groups: d.groups}
	}
	return parts
}

// recording makes the segments of a plan. The tracker goes on from one to the next: a barrier orders what earlier submissions
// did, too.
type recording struct {
	e         *Executor
	l         *lowering
	pipelines []*vk.Pipeline
	tracker   tracker
}

func (r *recording) segment(parts []part, first, last bool) (segment, error) {
	rec := r.e.dev.NewRecorder()
	order := func(accesses []access) {
		if barriers := r.tracker.before(accesses); len(barriers) > 0 {
			rec.Barriers(barriers)
		}
	}
	if first {
		for _, c := range r.e.hostCopies(r.l.key) {
			order([]access{{Range: c[0], kind: vk.TransferWrite}})
			rec.Copy(c[0], c[1])
		}
	}
	timed := r.e.timed()
	for i, s := range parts {
		d := r.l.dispatches[s.dispatch]
		accesses, ranges := d.accesses()
		if s.first == [3]uint32{} { // the parts of a dispatch need nothing of each other
			order(accesses)
		}
		if timed {
			rec.Timestamp(i)
		}
		d.recordPart(rec, r.pipelines[s.dispatch], ranges, s)
	}
	if timed {
		rec.Timestamp(len(parts))
	}
	if result, ok := r.l.hostResult(); ok && last {
		order([]access{{Range: result, kind: vk.HostRead}})
	}
	commands, err := rec.Finish(fmt.Sprintf("%d rows, %d sequences", r.l.key.rows, r.l.key.seqs))
	return segment{commands: commands, parts: parts}, err
}

// timed says that every dispatch is timed.
func (e *Executor) timed() bool {
	return e.options.Profile || e.pacer != nil && e.dev.Caps().TimestampBits > 0
}

// record adds the dispatch to a recording.
func (d dispatch) record(rec *vk.Recorder, p *vk.Pipeline, ranges []vk.Range) {
	d.recordPart(rec, p, ranges, part{groups: d.groups})
}

func (d dispatch) recordPart(rec *vk.Recorder, p *vk.Pipeline, ranges []vk.Range, s part) {
	if d.indirect != nil {
		rec.DispatchIndirect(p, ranges, pushBytes(d.push), *d.indirect)
		return
	}
	rec.DispatchPart(p, ranges, pushBytes(d.push), s.first, s.groups)
}

// accesses splits the bindings into what the tracker and what the recorder wants.
func (d dispatch) accesses() ([]access, []vk.Range) {
	accesses, ranges := make([]access, len(d.bindings)), make([]vk.Range, len(d.bindings))
	for i, b := range d.bindings {
		accesses[i], ranges[i] = access(b), b.Range
	}
	if d.indirect != nil {
		accesses = append(accesses, access{Range: *d.indirect, kind: vk.IndirectRead})
	}
	return accesses, ranges
}

// compiled returns the form of the graph that the key runs.
func (e *Executor) compiled(key planKey) *graph.Graph {
	o := graph.Options{
		Output:     key.tail.output(),
		OneRowEach: key.oneRowEach(),
		FuseNorm:   e.options.FuseNorm && key.rows <= shaders.MaxColumns,
		Int8:       e.int8.of(key.rows),
		SumExperts: key.rows <= shaders.MaxColumns && e.expertsWhole(),
	}
	if key.adapters != nil {
		o.Adapters = key.adapters.set
	}
	if g := e.graphs[o]; g != nil {
		return g
	}
	g := graph.Compile(e.model, o)
	e.graphs[o] = g
	return g
}
