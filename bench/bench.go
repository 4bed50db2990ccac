package bench

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/qwenvk/qwenvk"
)

// Options say which tests to run: one "pp" test for every prompt length and one "tg" test for every answer length and batch,
// each at every depth. Lengths of 0 are skipped.
type Options struct {
	Prompt []int // tokens of a prompt to read
	Gen    []int // tokens of an answer to write
	Depth  []int // tokens in the cache beforehand; nil: 0
	Batch  []int // sequences that write an answer at a time; nil: 1
	Reps   int   // timed repetitions of each test

	// Kernels adds a row "kernels" for each depth: what the kernels of a decode step, and of a prompt of Prompt[0] tokens,
	// take by themselves. Profile adds to each test what its dispatches took; the runtime must have been opened for it.
	Kernels, Profile bool

	Limits   qwenvk.Limits // of the device, for shares of them; zero: unknown
	Version  string        // of the program, for Row.Program
	Progress func(Row)     // called with each finished row; may be nil
}

// Context is the context length that the tests need.
func (o Options) Context() int {
	longest := 0
	for _, n := range slices.Concat(o.Prompt, o.Gen) {
		longest = max(longest, n)
	}
	deepest := 0
	for _, d := range o.Depth {
		deepest = max(deepest, d)
	}
	return deepest + longest + 1
}

// Sessions is how many sequences the tests need at a time.
func (o Options) Sessions() int { return max(1, slices.Max(append([]int{1}, o.Batch...))) }

// check refuses options that measure nothing.
func (o Options) check() error {
	for _, n := range slices.Concat(o.Prompt, o.Gen, o.Depth) {
		if n < 0 {
			return fmt.Errorf("a test of %d tokens is not possible", n)
		}
	}
	for _, n := range o.Batch {
		if n < 1 {
			return fmt.Errorf("%d sequences at a time are not possible: use at least 1", n)
		}
	}
	if o.Reps < 1 {
		return fmt.Errorf("%d repetitions are not possible: use at least 1", o.Reps)
	}
	if o.Context() == 1 {
		return errors.New("there is nothing to measure: give a prompt or an answer length")
	}
	return nil
}

// Row is the result of one test. Its JSON is an element of what `qwenvk bench -o json` prints. Figures of decode steps
// are null in the row of a prompt.
type Row struct {
	Test       string    `json:"test"` // "pp512", "tg128", "tg128 @ d1000", "tg128 b4" for four sequences at a time
	Prompt     int       `json:"n_prompt"`
	Gen        int       `json:"n_gen"`
	Depth      int       `json:"depth"`
	Batch      int       `json:"batch"`
	Reps       int       `json:"reps"`
	TPSMean    float64   `json:"tps_mean"` // tokens per second, of all sequences together
	TPSStd     float64   `json:"tps_std"`  // standard deviation over the repetitions
	TPS        []float64 `json:"tps"`
	Model      string    `json:"model"`
	Layers     int       `json:"layers"`
	Params     int64     `json:"params"`
	Bytes      int64     `json:"bytes"` // of the weights on the device
	Type       string    `json:"type"`
	Device     string    `json:"device"`
	Driver     string    `json:"driver"`
	Tier       int       `json:"tier"`
	Dispatches *float64  `json:"dispatches_per_token"`
	Barriers   *float64  `json:"barriers_per_token"`
	Submits    *float64  `json:"submits_per_token"`
	HostMicros *float64  `json:"host_us_per_token"` // outside the wait for the device
	// WeightBytes are read by one decode step.
	WeightBytes    int64    `json:"weight_bytes_per_token"`
	BandwidthGBPS  *float64 `json:"bandwidth_gbps"`  // 1e9 bytes of weights per second
	BandwidthShare *float64 `json:"bandwidth_share"` // of CopyGBPS
	CopyGBPS       *float64 `json:"measured_copy_gbps"`
	VRAMBytes      uint64   `json:"vram_bytes"` // weights, cache and scratch
	Program        string   `json:"qwenvk"`

	Arch   string   `json:"arch"`
	TPSMid float64  `json:"tps_median"`
	Drift  *float64 `json:"tps_drift"` // by how much the second half of the runs was faster than the first; null below 4 runs
	Limits Limits   `json:"limits"`

	Kernels []Kernel `json:"kernels,omitempty"` // of the test "kernels", which has no runs
	Profile []Kernel `json:"profile,omitempty"` // of the test's dispatches
}

// Run measures a model with one session of its own; with Kernels nobody else may have one. What is finished when an error
// comes is returned with it.
func Run(ctx context.Context, rt *qwenvk.Runtime, m *qwenvk.Model, o Options) (rows []Row, err error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	if len(o.Depth) == 0 {
		o.Depth = []int{0}
	}
	if len(o.Batch) == 0 {
		o.Batch = []int{1}
	}
	if rows, err = runTests(ctx, rt, m, o); err != nil || !o.Kernels {
		return rows, err
	}
	for _, depth := range o.Depth {
		r := describe(rt, m, o)
		r.Test, r.Depth, r.TPS = atDepth("kernels", depth), depth, []float64{}
		if r.Kernels, err = timeKernels(ctx, m, o, depth, r.Limits); err != nil {
			return rows, err
		}
		rows = append(rows, r)
	}
	return rows, nil
}

// atDepth names a test.
func atDepth(test string, depth int) string {
	if depth > 0 {
		test += fmt.Sprintf(" @ d%d", depth)
	}
	return test
}

// runTests runs the tests with a session.
func runTests(ctx context.Context, rt *qwenvk.Runtime, m *qwenvk.Model, o Options) (rows []Row, err error) {
	s, err := m.NewSession()
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	if need := o.Context(); need > s.Context() {
		return nil, fmt.Errorf("the tests need a context of %d tokens and the model was loaded with %d: %w", need, s.Context(), qwenvk.ErrContextFull)
	}
	b := &bencher{model: m, session: s, options: o, base: describe(rt, m, o), ids: randomIDs(o.Context()+o.Sessions(), m.Info().Vocab)}
	defer func() { err = errors.Join(err, b.closeSessions()) }()
	for _, depth := range o.Depth {
		for _, n := range o.Prompt {
			if err := b.test(ctx, "pp", n, depth, 1); err != nil {
				return b.rows, err
			}
		}
		for _, n := range o.Gen {
			for _, batch := range o.Batch {
				if err := b.test(ctx, "tg", n, depth, batch); err != nil {
					return b.rows, err
				}
			}
		}
	}
	return b.rows, nil
}

// describe is what all rows have in common.
func describe(rt *qwenvk.Runtime, m *qwenvk.Model, o Options) Row {
	i, d := m.Info(), rt.Device()
	r := Row{
		Batch: 1, Reps: o.Reps, Model: i.Name, Layers: i.Layers, Params: i.Params, Bytes: i.WeightBytes, Type: i.Type,
		Device: d.Name, Driver: d.Driver + " " + d.DriverVersion, Tier: d.Tier, WeightBytes: i.BytesPerToken,
		VRAMBytes: i.Memory.Weights + i.Memory.Adapters + i.Memory.KV + i.Memory.Scratch, Program: o.Version, Arch: i.Architecture,
	}
	r.Limits = LimitsOf(o.Limits)
	r.CopyGBPS = r.Limits.CopyGBPS
	return r
}

// randomIDs are the same for every run.
func randomIDs(n, vocab int) []int32 {
	random := rand.New(rand.NewPCG(1, 2))
	ids := make([]int32, n)
	for i := range ids {
		ids[i] = int32(random.IntN(vocab))
	}
	return ids
}

// bencher runs the tests of one model.
type bencher struct {
	model    *qwenvk.Model
	session  *qwenvk.Session
	sessions []*qwenvk.Session // of batches
	options  Options
	base     Row
	ids      []int32
	rows     []Row
}

// test runs a test once to warm up and then as often as it is timed.
func (b *bencher) test(ctx context.Context, kind string, n, depth, batch int) error {
	if n == 0 {
		return nil
	}
	r := b.base
	name := fmt.Sprintf("%s%d", kind, n)
	if batch > 1 {
		name += fmt.Sprintf(" b%d", batch)
	}
	r.Test, r.Depth, r.Batch = atDepth(name, depth), depth, batch
	run := b.prompt
	if r.Prompt = n; kind == "tg" {
		r.Prompt, r.Gen, run = 0, n, b.answer
	}
	if batch > 1 {
		run = func(ctx context.Context, n, depth int) (float64, qwenvk.Result, error) {
			return b.together(ctx, batch, n, depth)
		}
	}
	each := 1 / float64(batch) // of a step's figures is a token's
	var host float64
	for rep := range 1 + b.options.Reps {
		tps, result, err := run(ctx, n, depth)
		if err != nil {
			return fmt.Errorf("%s: %w", r.Test, err)
		}
		if rep == 0 {
			continue
		}
		r.TPS = append(r.TPS, tps)
		host += each * result.Timings.HostMicrosPerToken / float64(b.options.Reps)
		if kind == "tg" {
			dispatches, barriers, submits := each*float64(result.Counts.Dispatches), each*float64(result.Counts.Barriers), each*result.Counts.Submits
			r.Dispatches, r.Barriers, r.Submits = &dispatches, &barriers, &submits
		}
	}
	if b.options.Profile {
		r.Profile = profileOf(b.session.Profile(), r.Test, r.Limits)
	}
	r.TPSMean, r.TPSStd = meanAndSpread(r.TPS)
	r.TPSMid = median(r.TPS)
	if change, _, ok := drift(r.TPS); ok {
		r.Drift = &change
	}
	if kind == "tg" {
		rate := each * r.TPSMean * float64(r.WeightBytes) / 1e9 // of a mixture of experts a batch reads more
		r.BandwidthGBPS, r.HostMicros = &rate, &host
		if r.CopyGBPS != nil {
			share := rate / *r.CopyGBPS
			r.BandwidthShare = &share
		}
	}
	b.rows = append(b.rows, r)
	if b.options.Progress != nil {
		b.options.Progress(r)
	}
	return nil
}

// prompt times the reading of n tokens behind depth cached ones, and the choice of the token behind them.
func (b *bencher) prompt(ctx context.Context, n, depth int) (tps float64, result qwenvk.Result, err error) {
	b.session.Reset()
	if depth > 0 {
		if _, err := b.generate(ctx, depth, 1); err != nil {
			return 0, result, err
		}
	}
	b.session.Profile() // of the depth, which is not what is measured
	if result, err = b.generate(ctx, depth+n, 1); err != nil {
		return 0, result, err
	}
	if cached := result.Usage.CachedTokens; cached != depth {
		return 0, result, fmt.Errorf("%d tokens were cached, not %d", cached, depth)
	}
	return result.Timings.PrefillTPS, result, nil
}

// answer times n decode steps behind depth tokens. The first token comes from the prompt and is not counted.
func (b *bencher) answer(ctx context.Context, n, depth int) (tps float64, result qwenvk.Result, err error) {
	b.session.Profile()
	if result, err = b.generate(ctx, max(depth, 1), n+1); err != nil {
		return 0, result, err
	}
	if got := result.Usage.CompletionTokens; got != n+1 {
		return 0, result, fmt.Errorf("%d tokens were written, not %d", got, n+1)
	}
	return result.Timings.DecodeTPS, result, nil
}

// generate continues the first prompt ids greedily. An interrupted test is an error: half a test is no measurement.
func (b *bencher) generate(ctx context.Context, prompt, tokens int) (qwenvk.Result, error) {
	o := qwenvk.GenerateOptions{MaxTokens: tokens, IgnoreEOS: true}
	for _, err := range b.session.Generate(ctx, b.ids[:prompt], o) {
		if err != nil {
			return qwenvk.Result{}, err
		}
	}
	return b.session.Result(), ctx.Err()
}
