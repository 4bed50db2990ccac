package vkexec

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// KernelTime is what one form of a kernel takes for one operation of a step, timed by itself.
type KernelTime struct {
	Module     string // the compiled form: "mul_mat_vec.q4.t1"
	Kernel     string // "mul_mat_vec"
	For        string // what the step uses it for, layer numbers aside: "attn_qkv"
	Shape      string // of the operation: "4096 x 12288, 1 column"
	Used       bool   // the step has this form; others are candidates that it could have
	Dispatches int    // of this kind in the step
	NS         float64
	Bytes      float64 // that one dispatch has to move at least
	FLOPs      float64 // of one dispatch
}

// timingRuns are the timed runs of one kernel, of which the median counts.
const timingRuns = 5

// timingClass is one kind of dispatch in a step.
type timingClass struct {
	times   KernelTime
	subject subject
}

// TimeKernels times each kind of dispatch of a step of so many tokens of one sequence, behind depth tokens in the cache: the
// form that the step has, the forms of lower tiers, and the kernels that could take its place. What the cache and the
// step's state hold is lost: no sequence may be under way. ctx ends it between two kernels.
func (e *Executor) TimeKernels(ctx context.Context, rows, depth int) ([]KernelTime, error) {
	if most := e.MaxRows(TailNone); rows < 1 || rows > most || depth < 0 || depth+rows > e.step.MaxBlocks*shaders.PageTokens {
		return nil, fmt.Errorf("kernels of %d tokens behind %d cannot be timed: at most %d tokens in a step, %d in the context", rows, depth, most, e.step.MaxBlocks*shaders.PageTokens)
	}
	e.prepareStep()
	key := e.stepBehind(rows, depth)
	if rows > shaders.MaxColumns {
		key.tail = TailNone
	}
	// A whole step first: what a router chose must lie where the experts' products look for it.
	p, err := e.plan(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := e.submit(ctx, p); err != nil {
		return nil, err
	}
	if err := e.uploadStep(key); err != nil { // the step has advanced it
		return nil, err
	}
	l, _, err := e.lowered(ctx, key)
	if err != nil {
		return nil, err
	}
	var times []KernelTime
	for _, c := range e.timingClasses(l, depth) {
		forms, err := e.timeClass(ctx, c)
		if err != nil {
			return times, err
		}
		times = append(times, forms...)
	}
	return times, nil
}

// timingClasses gathers the dispatches of each kind, in the order of the step. Several of a kind have their own weights each,
// so that caches hold no more than in earnest.
func (e *Executor) timingClasses(l *lowering, depth int) []*timingClass {
	var classes []*timingClass
	place, bytes := map[string]*timingClass{}, map[*timingClass]uint64{}
	most := 64
	if e.dev.Caps().Type == vk.Software { // whose caches are small, and which is slow
		most = 2
	}
	for i := range l.dispatches {
		d := &l.dispatches[i]
		shape := shapeOf(d)
		name := fmt.Sprint(d.module.File, d.constants, shape, trimLayer(d.label), d.groups)
		c := place[name]
		if c == nil {
			moved, flops := l.work(d).at(float64(depth))
			c = &timingClass{times: KernelTime{For: trimLayer(d.label), Shape: shape, Bytes: moved, FLOPs: flops}}
			place[name], classes = c, append(classes, c)
		}
		c.times.Dispatches++
		if len(c.subject.dispatches) < most && (bytes[c] <= subjectBytes || len(c.subject.dispatches) == 0) {
			c.subject.dispatches = append(c.subject.dispatches, *d)
			bytes[c] += d.bytes
		}
	}
	return classes
}

// shapeOf says the size of a dispatch in words.
func shapeOf(d *dispatch) string {
	k := d.kernel
	columns := "columns"
	if k.n == 1 {
		columns = "column"
	}
	switch {
	case d.bytes > 0: // a product
		return fmt.Sprintf("%d x %d, %d %s", k.rows, k.k, k.n, columns)
	case k.n > 1:
		return fmt.Sprintf("%d x %d, %d", k.rows, k.k, k.n)
	}
	return fmt.Sprintf("%d x %d", k.rows, k.k)
}

// timeClass times all forms of a kind of dispatch, the one in use first.
func (e *Executor) timeClass(ctx context.Context, c *timingClass) ([]KernelTime, error) {
	type form struct {
		dispatches []dispatch
		used       bool
	}
	own := c.subject.dispatches
	forms := []form{{own, true}}
	for _, m := range e.lowerForms(own[0].module) {
		lower := slices.Clone(own)
		for i := range lower {
			lower[i].module = m
		}
		forms = append(forms, form{lower, false})
	}
	for _, k := range e.chooser.usable(own[0].others) {
		if k.name == own[0].kernel.name || own[0].pushOf == nil || own[0].indirect != nil {
			continue
		}
		if changed, err := e.withCandidate(&c.subject, e.tunings(k)[0]); err == nil {
			forms = append(forms, form{changed, false})
		}
	}
	var times []KernelTime
	for _, f := range forms {
		if err := ctx.Err(); err != nil {
			return times, err
		}
		t := c.times
		m := f.dispatches[0].module
		t.Module, t.Kernel, t.Used = moduleName(m), m.Kernel, f.used
		ns, err := e.timeDispatches(ctx, f.dispatches)
		if err != nil {
			return times, fmt.Errorf("timing %s: %w", m.File, err)
		}
		t.NS = ns
		times = append(times, t)
	}
	return times, nil
}

// lowerForms are the modules of the same kernel below a tier that the device may use.
func (e *Executor) lowerForms(m *shaders.Module) []*shaders.Module {
	var lower []*shaders.Module
	all := shaders.Modules()
	for i := range all {
		o := &all[i]
		if o.Kernel == m.Kernel && o.Variant == m.Variant && o.Tier < m.Tier && len(o.Code) > 0 && e.chooser.allowed(o) {
			lower = append(lower, o)
		}
	}
	slices.Reverse(lower)
	return lower
}

// moduleName is a module's file without its ending.
func moduleName(m *shaders.Module) string { return m.File[:len(m.File)-len(".spv")] }

// timeDispatches returns the nanoseconds of one of the dispatches, which run one behind the other.
func (e *Executor) timeDispatches(ctx context.Context, dispatches []dispatch) (float64, error) {
	c, err := e.recordTimed(ctx, dispatches)
	if err != nil {
		return 0, err
	}
	defer c.Close()
	var runs []time.Duration
	begin := time.Now()
	for i := range 1 + timingRuns { // the first warms up
		took, err := e.time(ctx, c)
		if err != nil {
			return 0, err
		}
		if i > 0 {
			runs = append(runs, took)
		}
		if i > 0 && time.Since(begin) > time.Second { // a slow device has shown enough
			break
		}
	}
	slices.Sort(runs)
	return float64(runs[len(runs)/2].Nanoseconds()) / float64(len(dispatches)), nil
}
