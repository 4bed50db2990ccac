package doctor

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/internal/inside"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/vk"
)

// Options say what is examined.
type Options struct {
	// Model is opened, some of its layers are examined, and it is closed. Load says how it lies on the device.
	Model func() (*loader.Checkpoint, error)
	Load  qwenvk.LoadOptions
	// Standard adds the standard set: a small model for each type of weights and of cache, and one with experts.
	Standard bool
	// Columns are the numbers of columns that are examined; nil: all that there are.
	Columns []int
	// Only chooses among the examinees by their names; nil: all.
	Only func(name string) bool

	Version  string // of the program, for the report
	Progress func(Progress)
	Now      func() time.Time // when vetoes were found; nil: time.Now
}

// Progress tells how far an examination is.
type Progress struct {
	Done, Total int
	What        string
}

// Run examines the device of a runtime. What it finds wrong is in the report and no error; kernels that compute wrongly
// are switched off from then on, in this runtime and in later ones with the same cache folder.
//
// Errors are those of opening the model, of the device where it fails altogether, and of a context that ended.
func Run(ctx context.Context, rt *qwenvk.Runtime, o Options) (*Report, error) {
	if o.Now == nil {
		o.Now = time.Now
	}
	in := inside.Open(rt)
	r := &Report{Version: o.Version, Device: describe(rt.Device(), in.Device.Caps()), Host: examineHost(in)}
	x := &examination{Options: o, in: in, report: r, rows: map[string]*Check{}}
	all, closing, err := x.examinees()
	if err != nil {
		return nil, err
	}
	if o.Only != nil {
		all = slices.DeleteFunc(all, func(e examinee) bool { return !o.Only(e.name) })
	}
	for i := range all {
		if o.Columns != nil {
			all[i].steps = slices.DeleteFunc(all[i].steps, func(s step) bool { return !slices.Contains(o.Columns, s.rows) })
		}
		x.total += len(all[i].steps)
	}
	for i := range all {
		if err = x.examinee(ctx, &all[i]); err != nil {
			break
		}
	}
	if err = errors.Join(err, closing()); err != nil {
		return nil, err
	}
	if r.Speed, err = measure(ctx, rt, in.Device); err != nil {
		return nil, err
	}
	for _, v := range in.Vetoes.List() {
		r.SwitchedOff = append(r.SwitchedOff, SwitchedOff(v))
	}
	r.judge()
	return r, nil
}

// Forget switches the kernels on again that were found wrong on a runtime's device, and says how many there were.
func Forget(rt *qwenvk.Runtime) (int, error) { return inside.Open(rt).Vetoes.Forget() }

// examination is the state of one Run.
type examination struct {
	Options
	in          inside.Runtime
	report      *Report
	rows        map[string]*Check // of the report
	done, total int
}

// examinees lists all; closing gives the model's files back.
func (x *examination) examinees() (all []examinee, closing func() error, err error) {
	closing = func() error { return nil }
	if x.Model != nil {
		c, err := x.Model()
		if err != nil {
			return nil, nil, err
		}
		closing = c.Close
		mo, kv, err := inside.Storage(x.Load)
		if err == nil {
			all, err = ofModel(c, mo, kv, x.in.Device.Caps())
		}
		if err != nil {
			return nil, nil, errors.Join(err, c.Close())
		}
		x.report.Model = c.Name()
	}
	if caps := x.in.Device.Caps(); caps.Type == vk.Software {
		for i := range all {
			if all[i].shorten() {
				x.report.Skipped = append(x.report.Skipped, fmt.Sprintf("%s at %d columns, which would take minutes on the CPU: %d in their place", all[i].name, manyColumns, fewerColumns))
			}
		}
	}
	if x.Standard {
		set, err := standardSet()
		if err != nil {
			return nil, nil, errors.Join(err, closing())
		}
		all = append(all, set...)
	}
	return all, closing, nil
}

// examinee runs all steps of one.
func (x *examination) examinee(ctx context.Context, e *examinee) error {
	caps := x.in.Device.Caps()
	tuning := vkexec.TuningOff
	if e.tuned {
		tuning = x.in.Tuning
	}
	int8s := x.in.Int8
	if e.int8 != "" {
		int8s = e.int8
	}
	disabled := func(kernel string) bool { return x.in.Disabled(kernel) || slices.Contains(e.off, kernel) }
	exec, err := vkexec.New(ctx, x.in.Device, e.graph, e.source, vkexec.Options{
		Context: e.context(), MaxRows: 513, KV: e.kv, Threads: max(1, x.Load.Threads), FuseNorm: caps.Type != vk.Software,
		Disable: disabled, Prefer: x.in.Prefer, Vetoes: x.in.Vetoes, Tuning: tuning, Int8: int8s,
	})
	if err != nil {
		return x.cannot(e, err)
	}
	defer exec.Close()
	pages := make([]uint32, exec.Pages())
	for i := range pages {
		pages[i] = uint32(len(pages) - 1 - i) // no arithmetic on page numbers survives
	}
	exec.SetBlocks(0, pages)
	exec.SetRoPE(0, 0)
	sampler := &cpuexec.Sampler{Weights: cpuexec.StoredRows(e.source)}
	start := 0
	for _, s := range e.steps {
		s.rows = min(s.rows, exec.MaxRows(s.tail))
		if x.Progress != nil {
			x.Progress(Progress{x.done, x.total, fmt.Sprintf("%s, cache %s, %d columns", e.name, e.kv, s.rows)})
		}
		if err := x.step(ctx, e, exec, sampler, s, start); err != nil {
			if fatal := x.cannot(e, err); fatal != nil {
				return fatal
			}
			return nil
		}
		start += s.rows
		x.done++
	}
	return nil
}

// cannot notes an examinee that the device cannot run; nil where the examination can go on.
func (x *examination) cannot(e *examinee, err error) error {
	switch {
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded), errors.Is(err, vk.ErrDeviceLost):
		return err
	case errors.Is(err, vkexec.ErrFaulty):
		x.report.Unusable = append(x.report.Unusable, fmt.Sprintf("%s: %v", e.name, err))
	default:
		x.report.Skipped = append(x.report.Skipped, fmt.Sprintf("%s: %v", e.name, err))
	}
	return nil
}

// suspicion is an operation that came out wrong in a step.
type suspicion struct {
	modules []string
	op      string
	wrong   string
}

// step examines one step, again and again while kernels have to be taken away.
func (x *examination) step(ctx context.Context, e *examinee, exec *vkexec.Executor, s *cpuexec.Sampler, st step, start int) error {
	for {
		found, err := x.once(ctx, e, exec, s, st, start, nil)
		if err != nil || found == nil {
			return err
		}
		cured, err := x.cure(ctx, e, exec, s, st, start, found)
		if err != nil || !cured {
			return err
		}
	}
}

// once runs the step and notes what comes out. With a suspicion it notes nothing and tells whether that is still so.
func (x *examination) once(ctx context.Context, e *examinee, exec *vkexec.Executor, s *cpuexec.Sampler, st step, start int, suspected *suspicion) (found *suspicion, err error) {
	if st.history != vkexec.NoHistory {
		if err := exec.SetHistory(ctx, 0, prompt, generated, penalties); err != nil {
			return nil, err
		}
	}
	ids := make([]int32, st.rows)
	for i := range ids {
		ids[i] = int32((start + i) * 7919 % min(exec.Vocab(), 1<<16))
	}
	run := vkexec.Step{IDs: ids, Seqs: []vkexec.Seq{{Rows: st.rows, Start: start}}}
	err = exec.Examine(ctx, run, st.tail, st.history, func(op *vkexec.Operation) error {
		if op.Node != nil && e.only != nil && !slices.Contains(e.only, op.Node.Op) {
			return nil
		}
		if op.Node == nil && (e.only != nil || st.tail == vkexec.TailAllLogits || st.tail == vkexec.TailAllHidden) {
			return nil
		}
		name := operation(op)
		if suspected != nil && name != suspected.op {
			return nil
		}
		v, err := judge(s, op)
		if err != nil {
			v.skip = err.Error()
		}
		if v.wrong != "" && found == nil {
			found = &suspicion{op.Modules, name, fmt.Sprintf("%s at %d columns: %s", name, st.rows, v.wrong)}
		}
		if suspected == nil && (v.wrong == "" || found.op == name) {
			x.note(e, op, st.rows, v)
		}
		return nil
	})
	return found, err
}

// cure finds the kernel that makes an operation wrong, and takes it away for good; it reports whether one was found
// whose place another takes. Of several suspects the one of the highest tier goes first.
func (x *examination) cure(ctx context.Context, e *examinee, exec *vkexec.Executor, s *cpuexec.Sampler, st step, start int, found *suspicion) (bool, error) {
	suspects := slices.Clone(found.modules)
	slices.SortStableFunc(suspects, func(a, b string) int { return tierOf(b) - tierOf(a) })
	when := x.Now().UTC().Format(time.RFC3339)
	for _, m := range suspects {
		x.in.Vetoes.Add(m, found.wrong, when)
		still, err := x.once(ctx, e, exec, s, st, start, found)
		switch {
		case errors.Is(err, vkexec.ErrFaulty) && len(suspects) > 1:
		case errors.Is(err, vkexec.ErrFaulty): // there is no other, and this is the one
			x.report.Unusable = append(x.report.Unusable, fmt.Sprintf("%s: %s computes %s", e.name, m, found.wrong))
			return false, x.save()
		case err != nil:
			return false, err
		case still == nil || !slices.Equal(still.modules, found.modules) && len(suspects) == 1:
			x.report.Found = append(x.report.Found, m)
			return true, x.save()
		}
		x.in.Vetoes.Drop(m)
	}
	// It is not known which, so none of them may be trusted.
	for _, m := range suspects {
		x.in.Vetoes.Add(m, found.wrong, when)
	}
	x.report.Unusable = append(x.report.Unusable, fmt.Sprintf("%s: one of %s computes %s", e.name, strings.Join(suspects, ", "), found.wrong))
	return false, x.save()
}

// save keeps the vetoes; a folder that cannot be written to is no reason to stop.
func (x *examination) save() error {
	if err := x.in.Vetoes.Save(); err != nil {
		x.report.Host.NotKept = err.Error()
	}
	return nil
}

// tierOf is the tier in the name of a module.
func tierOf(module string) int {
	var tier int
	if i := strings.LastIndex(module, ".t"); i >= 0 {
		_, _ = fmt.Sscanf(module[i:], ".t%d.spv", &tier)
	}
	return tier
}

// operation names what a node does, without the number of its layer.
func operation(op *vkexec.Operation) string {
	n := op.Node
	if n == nil {
		return map[vkexec.Tail]string{vkexec.TailGreedy: "arg max", vkexec.TailTopK: "penalties and candidates"}[op.Tail]
	}
	label := n.Label
	if rest, ok := strings.CutPrefix(label, "blk."); ok {
		if _, part, ok := strings.Cut(rest, "."); ok {
			label = part
		}
	}
	return fmt.Sprintf("%s%s (%s)", n.Op, n.Epilogue, label)
}

// note adds a verdict to the row of its operation.
func (x *examination) note(e *examinee, op *vkexec.Operation, columns int, v verdict) {
	c := Check{Examinee: e.name, Kernels: op.Modules, Operation: operation(op), Shape: shape(op), Cache: string(e.kv)}
	key := fmt.Sprint(c.Examinee, c.Kernels, c.Operation, c.Shape, c.Cache)
	row := x.rows[key]
	if row == nil {
		x.report.Checks = append(x.report.Checks, &c)
		row = &c
		x.rows[key] = row
	}
	if !slices.Contains(row.Columns, columns) {
		row.Columns = append(row.Columns, columns)
		slices.Sort(row.Columns)
	}
	row.Values += v.values
	row.Worst = max(row.Worst, v.worst)
	if v.wrong != "" && row.Wrong == "" {
		row.Wrong = v.wrong
	}
	if v.skip != "" && row.Skipped == "" {
		row.Skipped = v.skip
	}
	row.OK = row.Wrong == "" && row.Skipped == ""
}

// shape is the size of an operation in words: of a product, its matrix.
func shape(op *vkexec.Operation) string {
	n := op.Node
	switch {
	case n == nil:
		return fmt.Sprint(op.Graph.Vocab)
	case n.Pack != nil && n.Pack.Experts > 0:
		return fmt.Sprintf("%d of %d × %d×%d %s", n.Used, n.Pack.Experts, n.Pack.ExpertRows(), n.Pack.Cols(), n.Pack.Layout().Name())
	case n.Pack != nil:
		return fmt.Sprintf("%d×%d %s", n.Pack.Rows(), n.Pack.Cols(), n.Pack.Layout().Name())
	case n.Op == graph.OpAttention || n.Op == graph.OpRoPEKV:
		return fmt.Sprintf("%d/%d heads of %d", n.Heads, op.Graph.KV.Heads, op.Graph.KV.HeadDim)
	}
	return fmt.Sprint(op.Graph.Tensor(n.Out).Cols)
}
