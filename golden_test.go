package qwenvk

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader/safetensors"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// golden is one case of testdata/golden: what transformers computed for the prompts of a tiny model.
type golden struct {
	dir     string
	prompts []goldenPrompt
	logits  []expected
}

type goldenPrompt struct {
	IDs     []int32   `json:"input_ids"`
	Greedy  []int32   `json:"greedy_new_ids"`
	Margins []float64 `json:"greedy_margins"`
}

// expected are reference logits [rows, cols].
type expected struct {
	rows, cols int
	values     []float32
}

func (e expected) row(i int) []float32 { return e.values[i*e.cols : (i+1)*e.cols] }

func readGolden(t *testing.T, name string) golden {
	t.Helper()
	g := golden{dir: testkit.Path(t, filepath.Join("golden", name))}
	var doc struct{ Prompts []goldenPrompt }
	if err := json.Unmarshal(testkit.Read(t, filepath.Join("golden", name, "expected.json")), &doc); err != nil {
		t.Fatal(err)
	}
	g.prompts = doc.Prompts
	g.logits = readLogits(t, filepath.Join("golden", name, "expected.safetensors"), "", len(g.prompts))
	return g
}

// readLogits reads logits.0, logits.1, … behind a prefix.
func readLogits(t *testing.T, path, prefix string, n int) []expected {
	t.Helper()
	f, err := safetensors.Parse(testkit.Read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	var all []expected
	for p := range n {
		name := fmt.Sprintf("%slogits.%d", prefix, p)
		found := false
		for _, x := range f.Tensors {
			if x.Name != name {
				continue
			}
			e := expected{rows: int(x.Shape[0]), cols: int(x.Shape[1])}
			e.values = make([]float32, e.rows*e.cols)
			if err := quant.Dequantize(e.values, quant.F32, x.Data); err != nil {
				t.Fatal(err)
			}
			all, found = append(all, e), true
		}
		if !found {
			t.Fatalf("%s has no %s", path, name)
		}
	}
	return all
}

// tolerance is a row of the table "Tolerances to accept" in testdata/golden/README.md.
type tolerance struct{ maxAbs, relRMS, meanKL, margin float64 }

var (
	toleranceF32   = tolerance{5e-4, 5e-5, 1e-8, 0}
	toleranceF16KV = tolerance{0.03, 0.0015, 3.8e-6, 0.02}
	// For weights that were stored finer than f16: what an f16 run of the reference loses of the one such case,
	// qwen2-sliding, (0.023, 0.002, 8e-6: its measured_error) times 2.5, and twice the maximum as the margin.
	toleranceF16 = tolerance{0.058, 0.005, 2e-5, 0.12}
	// Caches of blocks: one and a half times what their rounding costs in float64 (graph/cpuexec, cacheErrors). The kernels
	// round as the oracle does but for elements on the border of two quants, whose part is below half of the whole
	// (graph/vkexec, compareWithOracle): 1.12 times in quadrature, and the rest for the maximum.
	toleranceQ8KV = tolerance{0.75, 0.039, 0.0035, 1.5}
	toleranceQ4KV = tolerance{9.5, 0.54, 0.51, 19}
	// Activations in bytes: one and a half times what their rounding costs in float64 (graph/cpuexec, int8Errors), for the
	// same reason: what falls to the other side of a border makes 1.4 times of it at most (graph/vkexec, int8Share).
	toleranceInt8 = tolerance{0.53, 0.03, 0.0024, 1.06}
	// For weights that were stored finer than bf16: they lose to it what a bf16 run of the reference loses. The margin
	// is twice the largest difference that our runs of such a case show (0.18), as the README asks.
	toleranceBF16 = tolerance{4.3, 0.083, 0.014, 0.4}
)

// with accepts what either of two accepts.
func (t tolerance) with(u tolerance) tolerance {
	return tolerance{max(t.maxAbs, u.maxAbs), max(t.relRMS, u.relRMS), max(t.meanKL, u.meanKL), max(t.margin, u.margin)}
}

// openTest opens the test device with validation on, and fails the test on any validation message or leak.
func openTest(t *testing.T, o Options, mask *vk.Mask) *Runtime {
	t.Helper()
	o.CacheDir, o.mask = "none", mask
	rt, err := openForTest(t, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		for _, m := range rt.Messages() {
			t.Errorf("validation: %s", m)
		}
		if err := rt.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return rt
}

func loadTest(t *testing.T, rt *Runtime, path string, o LoadOptions) *Model {
	t.Helper()
	m, err := rt.Load(context.Background(), path, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return m
}

// checkLogits compares every row of a prompt's logits with the reference.
func checkLogits(t *testing.T, s *Session, ids []int32, want expected, chunk int, tol tolerance) {
	t.Helper()
	var worst, sum, kl float64
	var mean, square float64
	for _, v := range want.values {
		mean += float64(v)
		square += float64(v) * float64(v)
	}
	n := float64(len(want.values))
	std := math.Sqrt(square/n - mean/n*mean/n)
	rows := 0
	err := s.Logits(context.Background(), ids, LogitsOptions{All: true, Chunk: chunk}, func(row int, got []float32) error {
		if row != rows || len(got) != want.cols {
			return fmt.Errorf("row %d of %d logits, want row %d of %d", row, len(got), rows, want.cols)
		}
		rows++
		for i, v := range want.row(row) {
			d := float64(got[i]) - float64(v)
			if !(math.Abs(d) <= worst) {
				worst = math.Abs(d)
			}
			sum += d * d
		}
		kl += divergence(want.row(row), got)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	rms := math.Sqrt(sum/n) / std
	kl /= float64(want.rows)
	t.Logf("chunk %d, %d rows: max %.2g, rms %.2g, KL %.2g", chunk, rows, worst, rms, kl)
	if rows != want.rows || !(worst <= tol.maxAbs) || !(rms <= tol.relRMS) || !(kl <= tol.meanKL) {
		t.Errorf("chunk %d, %d of %d rows: max %.2g (accept %.2g), rms %.2g (%.2g), KL %.2g (%.2g)",
			chunk, rows, want.rows, worst, tol.maxAbs, rms, tol.relRMS, kl, tol.meanKL)
	}
}

// divergence is KL(reference || got) in nats.
func divergence(ref, got []float32) float64 {
	a, b := logSumExp(ref), logSumExp(got)
	var kl float64
	for i := range ref {
		p := float64(ref[i]) - a
		kl += math.Exp(p) * (p - (float64(got[i]) - b))
	}
	return kl
}

func logSumExp(x []float32) float64 {
	most := math.Inf(-1)
	for _, v := range x {
		most = math.Max(most, float64(v))
	}
	var sum float64
	for _, v := range x {
		sum += math.Exp(float64(v) - most)
	}
	return most + math.Log(sum)
}

// checkGreedy generates and compares ids up to the first step whose margin is below what the tolerance decides.
func checkGreedy(t *testing.T, s *Session, p goldenPrompt, margin float64) {
	t.Helper()
	var got []int32
	o := GenerateOptions{MaxTokens: len(p.Greedy), IgnoreEOS: true}
	for tok, err := range s.Generate(context.Background(), p.IDs, o) {
		if err != nil {
			t.Fatal(err)
		}
		if tok.ID >= 0 {
			got = append(got, tok.ID)
		}
	}
	if len(got) != len(p.Greedy) {
		t.Fatalf("%d tokens, want %d", len(got), len(p.Greedy))
	}
	for i, id := range p.Greedy {
		if p.Margins[i] < margin {
			return
		}
		if got[i] != id {
			t.Errorf("greedy step %d: id %d, want %d (margin %g)", i, got[i], id, p.Margins[i])
			return
		}
	}
}

// TestGoldens runs every dense case in every storage type, cache type and chunk size, three times on a warm device:
// caches of plans and pages break on the second run. All cases of a tier share the device, whose pipelines take longer
// to compile than the cases to run.
func TestGoldens(t *testing.T) {
	var cases []golden
	for _, name := range []string{"qwen1", "qwen2-dense-tied", "qwen2-sliding", "qwen3-dense-tied", "qwen3-dense-untied", "qwen3-long", "qwen3-yarn"} {
		cases = append(cases, readGolden(t, name))
	}
	for tier := range 2 {
		if testing.Short() && tier > 0 {
			continue
		}
		t.Run(fmt.Sprintf("tier%d", tier), func(t *testing.T) {
			rt := openTest(t, Options{Tier: &tier}, nil)
			for _, g := range cases {
				for _, form := range goldenForms(filepath.Base(g.dir)) {
					t.Run(fmt.Sprintf("%s/%s/kv-%s", filepath.Base(g.dir), form.store, form.kv), func(t *testing.T) {
						runGolden(t, rt, g, form.store, form.kv)
					})
				}
			}
		})
	}
}

// goldenForm is a type of weights and a type of cache.
type goldenForm struct{ store, kv string }

// goldenForms lists the forms that a case is run in. Two cases, one stored in bf16 and one in f16, take every one; what an
// architecture adds is shown by exact weights and cache, by the weights as they are with the usual cache, and where layers
// see a window by a cache in blocks.
func goldenForms(name string) []goldenForm {
	forms := []goldenForm{{"f32", "f32"}, {"", "f16"}}
	switch name {
	case "qwen3-dense-tied", "qwen3-long":
		if testing.Short() && name == "qwen3-long" {
			return forms // its 331 tokens, one at a time, are most of the short tests' time on a slow driver
		}
		forms = nil
		for _, store := range []string{"f32", "f16", "bf16"} {
			forms = append(forms, goldenForm{store, "f32"}, goldenForm{store, "f16"})
		}
		forms = append(forms, goldenForm{"f32", "q8_0"}, goldenForm{"f32", "q4_0"})
	case "qwen2-sliding", "qwen3-yarn":
		forms = append(forms, goldenForm{"f32", "q8_0"})
	}
	return forms
}

func runGolden(t *testing.T, rt *Runtime, g golden, store, kv string) {
	m := loadTest(t, rt, g.dir, LoadOptions{KV: kv, Store: store, Context: 512})
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	tol := toleranceF32
	switch kv {
	case "f16":
		tol = toleranceF16KV
	case "q8_0":
		tol = toleranceQ8KV
	case "q4_0":
		tol = toleranceQ4KV
	}
	switch typ := m.Info().Type; {
	case store == "bf16" && typ != "BF16":
		tol = toleranceBF16
	case store == "f16" && typ == "F32":
		tol = toleranceF16
	}
	if len(rt.options.Prefer) > 0 {
		tol = tol.with(toleranceF16)
	}
	for run := range 3 {
		for i, p := range g.prompts {
			for _, chunk := range []int{0, 1, 7, 64} {
				if run > 0 && chunk != 7 {
					continue
				}
				checkLogits(t, s, p.IDs, g.logits[i], chunk, tol)
			}
			checkGreedy(t, s, p, tol.margin)
		}
	}
}
