package vkexec

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/internal/tuner"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// Tuning says whether an executor measures which constants, kernels and plans are the fastest on its device.
type Tuning string

// The ways to tune. What was measured is kept beside the compiled pipelines, for the device with this driver and these kernels.
const (
	// TuningAuto takes what was kept and, on hardware, measures what is missing. Software devices take the table's rows.
	TuningAuto Tuning = "auto"
	// TuningOff takes the table's rows.
	TuningOff Tuning = "off"
	// TuningForce measures everything again, on software devices too.
	TuningForce Tuning = "force"
)

// tuneBudget is the time that measuring may take when a model is loaded; pipelines are compiled within it.
const tuneBudget = 2200 * time.Millisecond

// tunes tells whether measurements count at all.
func (e *Executor) tunes() bool {
	switch e.options.Tuning {
	case TuningForce:
		return true
	case TuningAuto, "":
		return e.dev.Caps().Type != vk.Software
	}
	return false
}

// keptTuning is the name under which the device keeps the table.
const keptTuning = "tuning"

// readTuning reads what was measured in earlier runs. It must be called before anything is lowered.
func (e *Executor) readTuning() {
	if !e.tunes() {
		return
	}
	// What cannot be read is measured again.
	e.measured, _ = tuner.ReadTable(e.dev.Kept(keptTuning))
	e.chooser.preferred = func(candidates []kernel) string {
		name, _, _ := strings.Cut(e.measured.Best(candidates[0].class()), " ")
		return name
	}
}

// class names the shapes for which one decision is made. One column and eight belong together, whatever their number, and so
// do rows and lengths up to the same power of two.
func (k kernel) class() string {
	columns := fmt.Sprint("up to ", bucket(k.n))
	if k.n <= shaders.MaxColumns {
		columns = "few"
	}
	if strings.HasPrefix(k.name, "attention") {
		return fmt.Sprintf("attention %s, heads of %d in groups of %d, columns %s", k.variant, k.k, k.set["GQA"], columns)
	}
	bytes := ""
	if k.floatName() != k.name {
		bytes = " and bytes"
	}
	return fmt.Sprintf("product %s by %d%s (zeros %d, experts %d), %d x %d, columns %s",
		k.variant, k.set["GROUP"], bytes, k.set["ZERO"], k.set["EXPERTS"], bucket(k.rows), bucket(k.k), columns)
}

// bucket is the least power of two that is not below n.
func bucket(n int) int {
	b := 1
	for b < n {
		b *= 2
	}
	return b
}

// tuned is a kernel with a choice of constants.
type tuned struct {
	kernel    kernel
	constants map[string]uint32
}

// name tells choices of one class apart. Constants that follow from the number of columns are no part of it.
func (t tuned) name() string {
	words := []string{t.kernel.name}
	for _, constant := range slices.Sorted(maps.Keys(t.constants)) {
		if constant != "COLS" && constant != "STRIP" && constant != "BR" {
			words = append(words, fmt.Sprintf("%s=%d", constant, t.constants[constant]))
		}
	}
	return strings.Join(words, " ")
}

// tunings are the choices that are worth measuring for a kernel, the table's first.
func (e *Executor) tunings(k kernel) []tuned {
	var all []tuned
	software := e.dev.Caps().Type == vk.Software
	list := shaders.Tunings
	if strings.HasSuffix(k.name, "_cm") {
		list = func(kernel string, v shaders.Variant, software bool, rows, length, n int) []map[string]uint32 {
			return shaders.TuningsMatrix(kernel, e.units.shape, software, 0, rows, length, n)
		}
	}
	for _, constants := range list(k.name, k.variant, software, k.rows, k.k, k.n) {
		all = append(all, tuned{k, constants})
	}
	return all
}

// tuning returns the constants for a kernel: those that were measured to be the fastest, else the table's.
func (e *Executor) tuning(k kernel) map[string]uint32 {
	all := e.tunings(k)
	if e.measured != nil && len(all) > 1 {
		best := e.measured.Best(k.class())
		if i := slices.IndexFunc(all, func(t tuned) bool { return t.name() == best }); i >= 0 {
			return all[i].constants
		}
	}
	return all[0].constants
}

// subject is what one choice is measured with.
type subject struct {
	dispatches []dispatch // of that class in a plan: with their own weights, so that caches hold no more than in earnest
	candidates []tuned
	plan       func(candidate int) (*vk.Commands, error) // records a whole plan instead
	share      func(candidate int) int                   // how often the plan is needed for the same work; nil: once
	commands   []*vk.Commands                            // of the candidates, while they are measured
}

// measuring is a stage: choices that are measured in one go, by key what with, and what becomes of the verdicts at once.
type measuring struct {
	choices  []tuner.Choice
	subjects map[string]*subject
	apply    func()
}

func (s *subject) close() {
	for i, c := range s.commands {
		c.Close()
		s.commands[i] = nil
	}
}

// Tuned tells what measuring found.
type Tuned struct {
	Choices  int           // that there were to measure
	Measured int           // that the budget sufficed for
	Took     time.Duration // all in all
}

// tune measures what the table does not know yet and keeps it. What fails while it is measured is left out; the error is that
// of a device which is of no use any more.
func (e *Executor) tune(ctx context.Context) error {
	if !e.tunes() {
		return nil
	}
	begin := time.Now()
	if e.options.Tuning == TuningForce {
		e.measured.Forget()
	}
	budget := e.options.TuneBudget
	if budget <= 0 {
		budget = tuneBudget
	}
	end := begin.Add(budget)
	e.prepareStep()
	for _, stage := range []func() (*measuring, error){
		func() (*measuring, error) { return e.kernelChoices(1) },
		e.planChoices,
		func() (*measuring, error) { return e.kernelChoices(e.options.MaxRows) },
		e.chunkChoices,
	} {
		m, err := stage()
		if err == nil {
			err = e.decide(ctx, m, time.Until(end))
		}
		if err != nil {
			return err
		}
		if m.apply != nil {
			m.apply()
		}
	}
	e.tuned.Took = time.Since(begin)
	e.dropPlans(func(planKey) bool { return true })
	return nil
}

// decide measures those choices that the table does not know.
func (e *Executor) decide(ctx context.Context, m *measuring, budget time.Duration) error {
	choices := slices.DeleteFunc(slices.Clone(m.choices), func(c tuner.Choice) bool {
		return len(c.Candidates) < 2 || slices.Contains(c.Candidates, e.measured.Best(c.Key))
	})
	var last *subject
	end := time.Now().Add(budget)
	t := tuner.Tuner{
		Now: time.Now, Budget: budget,
		Prepare: func(c tuner.Choice) []error {
			if last != nil {
				last.close()
			}
			last = m.subjects[c.Key]
			return e.prepare(ctx, last, len(c.Candidates), end)
		},
		Measure: func(c tuner.Choice, i int) (time.Duration, error) {
			s := m.subjects[c.Key]
			took, err := e.time(ctx, s.commands[i])
			if s.share != nil {
				took *= time.Duration(s.share(i))
			}
			return took, err
		},
	}
	verdicts, err := t.Decide(choices)
	if last != nil {
		last.close()
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	e.measured.Put(verdicts)
	e.tuned.Choices += len(choices)
	for _, v := range verdicts {
		if v.Measured {
			e.tuned.Measured++
		}
	}
	if len(choices) > 0 {
		// Kept at once: if a candidate takes the device along, the next start knows to leave it out.
		if err := e.dev.Keep(keptTuning, e.measured.Bytes()); err != nil && e.options.Log != nil {
			e.options.Log("measurements could not be kept; the next start measures again: %v", err)
		}
	}
	return err
}

// prepare records the commands of all candidates and runs them once: some drivers compile, and all allocate, with the first
// run. It leaves candidates alone for which the time has run out: they are not measured either.
func (e *Executor) prepare(ctx context.Context, s *subject, n int, end time.Time) []error {
	errs := make([]error, n)
	s.commands = make([]*vk.Commands, n)
	if s.plan == nil {
		e.compileCandidates(ctx, s)
	}
	for i := range n {
		if !time.Now().Before(end) {
			break
		}
		if s.plan != nil {
			s.commands[i], errs[i] = s.plan(i)
		} else {
			s.commands[i], errs[i] = e.recordCandidate(ctx, s, s.candidates[i])
		}
		if errs[i] == nil {
			errs[i] = e.dev.Run(ctx, s.commands[i])
		}
		errs[i] = fatal(ctx, errs[i])
	}
	return errs
}

// compileCandidates compiles for all candidates at the same time. One that fails is met again, alone, when it is recorded.
func (e *Executor) compileCandidates(ctx context.Context, s *subject) {
	var all []dispatch
	for _, t := range s.candidates {
		if changed, err := e.withCandidate(s, t); err == nil {
			all = append(all, changed...)
		}
	}
	_, _ = e.pipelinesFor(ctx, all)
}

// fatal marks errors behind which nothing can be measured.
func fatal(ctx context.Context, err error) error {
	if err != nil && (ctx.Err() != nil || errors.Is(err, vk.ErrDeviceLost)) {
		return fmt.Errorf("%w: %w", tuner.ErrFatal, err)
	}
	return err
}

// time runs commands and returns what they took between their first and their last timestamp.
func (e *Executor) time(ctx context.Context, c *vk.Commands) (time.Duration, error) {
	begin := time.Now()
	if err := e.dev.Run(ctx, c); err != nil {
		return 0, fatal(ctx, err)
	}
	took := time.Since(begin)
	if e.dev.Caps().TimestampBits == 0 {
		return took, nil
	}
	ns, err := c.Timestamps()
	if err != nil || len(ns) == 0 {
		return 0, fmt.Errorf("vkexec: no timestamps: %w", err)
	}
	return time.Duration(ns[len(ns)-1] - ns[0]), nil
}

// stamp notes a timestamp where the device has them.
func (e *Executor) stamp(rec *vk.Recorder, i int) {
	if e.dev.Caps().TimestampBits > 0 {
		rec.Timestamp(i)
	}
}

// withCandidate is the subject's dispatches with a candidate's kernel and constants.
func (e *Executor) withCandidate(s *subject, t tuned) ([]dispatch, error) {
	var changed []dispatch
	for _, d := range s.dispatches {
		k := t.kernel
		if k.name == d.kernel.name {
			k.set = d.kernel.set
		}
		m, c, err := e.kernelWith(k, t.constants)
		if err != nil {
			return nil, err
		}
		grid := d.grid
		if k.name != d.kernel.name {
			grid = d.gridOf(k.name)
			d.push, d.bindings = d.pushOf(k.name), d.all[:m.Buffers]
		}
		d.module, d.constants, d.groups = m, c.values, grid(c)
		changed = append(changed, d)
	}
	return changed, nil
}

func (e *Executor) recordCandidate(ctx context.Context, s *subject, t tuned) (*vk.Commands, error) {
	changed, err := e.withCandidate(s, t)
	if err != nil {
		return nil, err
	}
	return e.recordTimed(ctx, changed)
}

// recordTimed records dispatches with timestamps round them.
func (e *Executor) recordTimed(ctx context.Context, dispatches []dispatch) (*vk.Commands, error) {
	pipelines, err := e.pipelinesFor(ctx, dispatches)
	if err != nil {
		return nil, err
	}
	rec := e.dev.NewRecorder()
	var t tracker
	e.stamp(rec, 0)
	for i, d := range dispatches {
		accesses, ranges := d.accesses()
		if barriers := t.before(accesses); len(barriers) > 0 {
			rec.Barriers(barriers)
		}
		d.record(rec, pipelines[i], ranges)
	}
	e.stamp(rec, 1)
	return rec.Finish("measurement")
}

// tuneDepth is how many tokens are in the cache where attention is measured.
const tuneDepth = 512

// prepareStep fills the step buffer with one sequence whose tokens lie in pages of the cache, whatever these hold: how long a
// dispatch takes does not depend on it.
func (e *Executor) prepareStep() {
	pages := make([]uint32, e.step.MaxBlocks)
	for i := range pages {
		pages[i] = uint32(i)
	}
	e.SetBlocks(0, pages)
	e.SetRoPE(0, 0)
}

// stepOf describes a step of so many tokens of one sequence behind a cache of tuneDepth tokens, if it holds as many.
func (e *Executor) stepOf(rows int) planKey {
	return e.stepBehind(rows, max(0, min(tuneDepth, e.step.MaxBlocks*shaders.PageTokens-rows)))
}

// stepBehind describes a step of so many tokens of one sequence behind start tokens in the cache.
func (e *Executor) stepBehind(rows, start int) planKey {
	for i, v := range []int{0, 0, rows, start} {
		e.putStep(e.step.SeqsAt()+i, uint32(v))
	}
	for r := range rows {
		e.putStep(e.step.RowsAt()+2*r, uint32(start+r))
		e.putStep(e.step.RowsAt()+2*r+1, 0)
		e.putStep(e.step.IDsAt()+r, 0)
	}
	e.stepHost.Flush(0, e.stepHost.Size())
	key := planKey{rows: rows, seqs: 1, widest: rows, tail: TailGreedy, upload: true}
	if e.model.Headless {
		key.tail = TailHidden
	}
	return key
}

// subjectBytes bounds the weights that the dispatches of one choice read: what no cache of a card holds, and a few
// milliseconds of its bandwidth.
const subjectBytes = 512 << 20

// kernelChoices are the classes of products and attention in a step of so many tokens.
func (e *Executor) kernelChoices(rows int) (*measuring, error) {
	key := e.stepOf(rows)
	few := rows <= shaders.MaxColumns
	if !few {
		key.tail = TailNone
	}
	if err := e.uploadStep(key); err != nil {
		return nil, err
	}
	l, err := e.lowerPlan(key)
	if err != nil {
		return nil, err
	}
	var choices []tuner.Choice
	subjects, place, bytes := map[string]*subject{}, map[string]int{}, map[string]uint64{}
	for _, d := range l.dispatches {
		if !d.kernel.tunable() || d.indirect != nil {
			continue
		}
		class := d.kernel.class()
		s := subjects[class]
		if s == nil {
			s = &subject{candidates: e.candidates(d)}
			subjects[class], place[class] = s, len(choices)
			choice := tuner.Choice{Key: class}
			for _, t := range s.candidates {
				choice.Candidates = append(choice.Candidates, t.name())
			}
			choices = append(choices, choice)
		}
		choices[place[class]].Weight += float64(d.bytes)
		bytes[class] += d.bytes
		// Decode is bound by memory, so that weights which a cache holds would tell nothing.
		many := few && e.dev.Caps().Type != vk.Software && len(s.dispatches) < 64 && bytes[class] <= subjectBytes
		if len(s.dispatches) == 0 || many {
			s.dispatches = append(s.dispatches, d)
		}
	}
	return &measuring{choices: choices, subjects: subjects}, nil
}

// tunable tells products and attention, which take all of the time of a step.
func (k kernel) tunable() bool {
	return strings.HasPrefix(k.name, "mul_mat") || strings.HasPrefix(k.name, "attention") && k.name != "attention_merge"
}

// planVariant is a way to compute decode steps.
type planVariant struct {
	fuseNorm, mergeApart bool
	splits               int
	int8                 *graph.Int8
}

func (v planVariant) String() string {
	return fmt.Sprintf("norms folded %v, merge apart %v, splits %d%s", v.fuseNorm, v.mergeApart, v.splits, int8Words(v.int8))
}

// int8Words names a use of bytes in a choice.
func int8Words(use *graph.Int8) string {
	if use == nil {
		return ""
	}
	return ", bytes"
}

// planVariants are those that fit the memory that the executor has, its own first.
func (e *Executor) planVariants() []planVariant {
	own := planVariant{e.options.FuseNorm, e.options.MergeApart, e.options.Splits, e.int8.few}
	all := []planVariant{own}
	if own.splits > 1 {
		all = append(all, planVariant{own.fuseNorm, !own.mergeApart, own.splits, own.int8})
	}
	for _, by := range []int{2, 4, 8} {
		if splits := own.splits / by; splits >= 1 {
			all = append(all, planVariant{own.fuseNorm, own.mergeApart, splits, own.int8})
		}
	}
	all = append(all, planVariant{!own.fuseNorm, own.mergeApart, own.splits, own.int8})
	if other := e.int8.other(own.int8); other != own.int8 {
		all = append(all, planVariant{own.fuseNorm, own.mergeApart, own.splits, other})
	}
	return all
}

// planChoices is the choice of how decode steps are computed, measured by whole steps. It takes effect at once where it was
// decided before.
func (e *Executor) planChoices() (*measuring, error) {
	variants := e.planVariants()
	choice := tuner.Choice{Key: fmt.Sprintf("decode of %d layers, cache %s, context %d, %s", e.model.KV.Layers, e.kv.kind, e.options.Context, e.shape()), Weight: 1}
	for _, v := range variants {
		choice.Candidates = append(choice.Candidates, v.String())
	}
	use := func(i int) {
		v := variants[i]
		e.options.FuseNorm, e.options.MergeApart, e.options.Splits, e.int8.few = v.fuseNorm, v.mergeApart, v.splits, v.int8
	}
	s := &subject{plan: func(i int) (*vk.Commands, error) {
		defer use(0)
		use(i)
		return e.recordPlan(e.stepOf(1))
	}}
	return &measuring{[]tuner.Choice{choice}, map[string]*subject{choice.Key: s}, func() {
		if i := slices.Index(choice.Candidates, e.measured.Best(choice.Key)); i >= 0 {
			use(i)
		}
	}}, nil
}

// shape tells models with as many layers apart.
func (e *Executor) shape() string {
	return fmt.Sprintf("rows of %d, vocabulary %d, weights %d MiB", e.Hidden(), e.model.Vocab, e.weights.bytes>>20)
}

// chunkChoices is the choice of how many tokens of a prompt are computed at a time, and whether products read bytes, by the
// time for each token.
func (e *Executor) chunkChoices() (*measuring, error) {
	most := e.options.MaxRows
	choice := tuner.Choice{Key: fmt.Sprintf("chunk of up to %d, %d layers, cache %s, %s", most, e.model.KV.Layers, e.kv.kind, e.shape())}
	var rows []int
	var bytes []*graph.Int8
	add := func(n int, use *graph.Int8) {
		rows, bytes = append(rows, n), append(bytes, use)
		choice.Candidates = append(choice.Candidates, fmt.Sprint(n, int8Words(use)))
	}
	own := e.int8.many
	for n := most; n >= max(64, most/4) && most%n == 0; n /= 2 {
		add(n, own)
	}
	if other := e.int8.other(own); other != own {
		add(most, other)
	}
	s := &subject{
		plan: func(i int) (*vk.Commands, error) {
			defer func() { e.int8.many = own }()
			e.int8.many = bytes[i]
			key := e.stepOf(rows[i])
			key.tail = TailNone
			return e.recordPlan(key)
		},
		share: func(i int) int { return most / rows[i] },
	}
	return &measuring{[]tuner.Choice{choice}, map[string]*subject{choice.Key: s}, func() {
		if i := slices.Index(choice.Candidates, e.measured.Best(choice.Key)); i >= 0 {
			e.chunk, e.int8.many = rows[i], bytes[i]
		}
	}}, nil
}

// recordPlan records a whole step with timestamps round it.
func (e *Executor) recordPlan(key planKey) (*vk.Commands, error) {
	if err := e.uploadStep(key); err != nil {
		return nil, err
	}
	l, err := e.lowerPlan(key)
	if err != nil {
		return nil, err
	}
	return e.recordTimed(context.Background(), l.dispatches)
}

// candidates are the kernels and constants that may take a dispatch's place: those that it was chosen among.
func (e *Executor) candidates(d dispatch) []tuned {
	all := e.tunings(d.kernel)
	for _, k := range e.chooser.usable(d.others) {
		if k.name != d.kernel.name && d.pushOf != nil {
			all = append(all, e.tunings(k)...)
		}
	}
	return all
}

// uploadStep brings what the step buffer's host side holds to the device.
func (e *Executor) uploadStep(key planKey) error {
	rec := e.dev.NewRecorder()
	for _, c := range e.hostCopies(key) {
		rec.Copy(c[0], c[1])
	}
	return e.runOnce(context.Background(), rec)
}
