package bench

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/demo"
)

func TestOptions(t *testing.T) {
	for _, test := range []struct {
		o       Options
		context int
		ok      bool
	}{
		{Options{Prompt: []int{512}, Gen: []int{128}, Reps: 5}, 513, true},
		{Options{Prompt: []int{16}, Gen: []int{128, 64}, Depth: []int{0, 100}, Reps: 1}, 229, true},
		{Options{Gen: []int{1}, Reps: 1}, 2, true},
		{Options{Prompt: []int{0}, Gen: []int{0}, Reps: 1}, 1, false},
		{Options{Prompt: []int{8}}, 9, false},
		{Options{Prompt: []int{-8}, Reps: 1}, 1, false},
		{Options{Prompt: []int{8}, Depth: []int{-1}, Reps: 1}, 9, false},
	} {
		if got := test.o.Context(); got != test.context {
			t.Errorf("%+v: context %d, want %d", test.o, got, test.context)
		}
		if err := test.o.check(); (err == nil) != test.ok {
			t.Errorf("%+v: %v", test.o, err)
		}
	}
}

func TestMeanAndSpread(t *testing.T) {
	for _, test := range []struct {
		values    []float64
		mean, std float64
	}{
		{[]float64{3}, 3, 0},
		{[]float64{2, 4, 4, 4, 5, 5, 7, 9}, 5, 2.138089935299395}, // R: sd(c(2,4,4,4,5,5,7,9))
	} {
		mean, std := meanAndSpread(test.values)
		if math.Abs(mean-test.mean) > 1e-12 || math.Abs(std-test.std) > 1e-12 {
			t.Errorf("%v: mean %g ± %g, want %g ± %g", test.values, mean, std, test.mean, test.std)
		}
	}
}

// The keys that programs read, in their order, and null for what is not known.
func TestRowJSON(t *testing.T) {
	text, err := json.Marshal(Row{Test: "pp8", TPS: []float64{1}})
	if err != nil {
		t.Fatal(err)
	}
	const want = `{"test":"pp8","n_prompt":0,"n_gen":0,"depth":0,"batch":0,"reps":0,"tps_mean":0,"tps_std":0,"tps":[1],` +
		`"model":"","layers":0,"params":0,"bytes":0,"type":"","device":"","driver":"","tier":0,` +
		`"dispatches_per_token":null,"barriers_per_token":null,"submits_per_token":null,"host_us_per_token":null,` +
		`"weight_bytes_per_token":0,"bandwidth_gbps":null,"bandwidth_share":null,"measured_copy_gbps":null,"vram_bytes":0,"qwenvk":"",` +
		`"arch":"","tps_median":0,"tps_drift":null,"limits":{"copy_gbps":null,"read_gbps":null,"fp32_gflops":null,"fp16_gflops":null,"int8_gops":null,"matrix_gflops":null}}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}

func TestMarkdown(t *testing.T) {
	share := 0.625
	got := Markdown([]Row{
		{Model: "tiny", Type: "Q8_0", Arch: "qwen3", Bytes: 3 << 20, Params: 1500000, Test: "pp512", TPSMean: 1000, TPSStd: 2.5},
		{Model: "tiny", Type: "Q8_0", Arch: "qwen3", Bytes: 3 << 20, Params: 1500000, Test: "tg128", TPSMean: 50, TPSStd: 0.25, BandwidthShare: &share},
	})
	const want = `| model           |     size | params | backend |  test |            t/s | % bw |
| --------------- | -------: | -----: | ------- | ----: | -------------: | ---: |
| qwen3 tiny Q8_0 | 3.00 MiB | 1.50 M | Vulkan  | pp512 | 1000.00 ± 2.50 |      |
| qwen3 tiny Q8_0 | 3.00 MiB | 1.50 M | Vulkan  | tg128 |   50.00 ± 0.25 | 62.5 |
`
	if got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// uniform predicts every one of n tokens alike, but the token behind an even id is twice as likely to be 0.
type uniform struct {
	n     int
	calls [][]int32
}

func (u *uniform) Logits(_ context.Context, ids []int32, o qwenvk.LogitsOptions, emit func(int, []float32) error) error {
	if !o.All {
		return errors.New("all rows are needed")
	}
	u.calls = append(u.calls, slices.Clone(ids))
	row := make([]float32, u.n)
	for i, id := range ids {
		clear(row)
		if id%2 == 0 {
			row[0] = float32(math.Ln2)
		}
		if err := emit(i, row); err != nil {
			return err
		}
	}
	return nil
}

func TestPerplexity(t *testing.T) {
	ids := []int32{1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}
	for _, test := range []struct {
		ids                    []int32
		window, stride         int
		windows, tokens        int
		perplexity, stderrWant float64
	}{
		// Eleven tokens in windows of four: the last three are dropped, the first of each window is not scored.
		{ids, 4, 0, 2, 6, 8, 0},
		{ids, 4, 4, 2, 6, 8, 0},
		// A stride of two: windows at 0, 2, 4, 6; the last two of each are scored.
		{ids, 4, 2, 4, 8, 8, 0},
		{ids, 4, 1, 8, 8, 8, 0},
		// A stride of three scores tokens 2 to 4, all that have a prediction.
		{ids, 4, 3, 3, 9, 8, 0},
		// Behind 2: 0 with 2/9, else 1/9. Losses ln 4.5 and ln 9 in turn (perplexity sqrt(4.5·9)); the standard error of
		// their mean is (ln 2)/2 · sqrt(4/3) / 2.
		{[]int32{2, 0, 2, 0, 2}, 5, 0, 1, 4, math.Sqrt(4.5 * 9), math.Sqrt(4.5*9) * math.Ln2 / 2 * math.Sqrt(4.0/3) / 2},
	} {
		u := &uniform{n: 8}
		var seen int
		got, err := Perplexity(context.Background(), u, test.ids, PerplexityOptions{
			Window: test.window, Stride: test.stride, Progress: func(done, total int) {
				if seen++; done != seen || total != test.windows {
					t.Errorf("progress %d of %d", done, total)
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if got.Windows != test.windows || got.Tokens != test.tokens || len(u.calls) != test.windows || seen != test.windows ||
			math.Abs(got.Perplexity-test.perplexity) > 1e-6 || math.Abs(got.StdErr-test.stderrWant) > 1e-6 {
			t.Errorf("window %d, stride %d: got %+v (%d calls), want %+v", test.window, test.stride, got, len(u.calls), test)
		}
		for i, call := range u.calls {
			step := test.stride
			if step == 0 {
				step = test.window
			}
			if !slices.Equal(call, test.ids[i*step:][:test.window]) {
				t.Errorf("window %d is %v", i, call)
			}
		}
	}
}

func TestPerplexityRefuses(t *testing.T) {
	for _, test := range []struct {
		o    PerplexityOptions
		want string
	}{
		{PerplexityOptions{Window: 1}, "not possible"},
		{PerplexityOptions{Window: 4, Stride: 5}, "not possible"},
		{PerplexityOptions{Window: 4, Stride: -1}, "not possible"},
		{PerplexityOptions{Window: 4}, "the text has 3 tokens"},
	} {
		_, err := Perplexity(context.Background(), &uniform{n: 2}, make([]int32, 3), test.o)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: got %v, want %q", test.o, err, test.want)
		}
	}
}

// openDemo loads the demo model on the test device.
func openDemo(t *testing.T, o qwenvk.LoadOptions) (*qwenvk.Runtime, *qwenvk.Model) {
	t.Helper()
	rt, err := qwenvk.Open(qwenvk.Options{Device: os.Getenv("QWENVK_TEST_DEVICE"), CacheDir: t.TempDir()})
	if errors.Is(err, qwenvk.ErrNoLoader) || errors.Is(err, qwenvk.ErrNoDevice) {
		if os.Getenv("CI") != "" || os.Getenv("QWENVK_TEST_DEVICE") != "" {
			t.Fatalf("no Vulkan device: %v", err)
		}
		t.Skipf("this test needs a Vulkan device: %v", err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := m.Close(); err != nil {
			t.Error(err)
		}
	})
	return rt, m
}

func TestRun(t *testing.T) {
	o := Options{Prompt: []int{24, 0}, Gen: []int{3}, Depth: []int{0, 10}, Reps: 2, Limits: qwenvk.Limits{CopyBytes: 10e9}, Version: "test"}
	rt, m := openDemo(t, qwenvk.LoadOptions{Context: o.Context()})
	var told []string
	o.Progress = func(r Row) { told = append(told, r.Test) }
	rows, err := Run(context.Background(), rt, m, o)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"pp24", "tg3", "pp24 @ d10", "tg3 @ d10"}
	if !slices.Equal(told, want) || len(rows) != len(want) {
		t.Fatalf("tests %q, %d rows, want %q", told, len(rows), want)
	}
	for i, r := range rows {
		if r.Test != want[i] || len(r.TPS) != 2 || !(r.TPSMean > 0) || r.Batch != 1 || r.Reps != 2 || r.Program != "test" ||
			r.Model != "qwenvk-demo" || r.Type != "Q8_0" || r.Layers != 4 || r.VRAMBytes < uint64(r.Bytes) {
			t.Errorf("row %+v", r)
		}
		if decode := r.Gen > 0; decode != (r.Dispatches != nil) || decode != (r.BandwidthShare != nil) {
			t.Errorf("%s: figures of decode steps: %v", r.Test, r.Dispatches)
		}
		if r.Gen > 0 && (*r.Submits != 1 || *r.Dispatches < 20 || math.Abs(*r.BandwidthShare-*r.BandwidthGBPS/10) > 1e-9) {
			t.Errorf("%s: %g submits, %g dispatches, share %g", r.Test, *r.Submits, *r.Dispatches, *r.BandwidthShare)
		}
	}
}

// What does not fit, or is interrupted, is an error and no figure.
func TestRunRefuses(t *testing.T) {
	rt, m := openDemo(t, qwenvk.LoadOptions{Context: 16})
	o := Options{Prompt: []int{16}, Reps: 1}
	if _, err := Run(context.Background(), rt, m, o); !errors.Is(err, qwenvk.ErrContextFull) {
		t.Errorf("a test beyond the context: %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	o.Prompt = []int{8}
	if rows, err := Run(ctx, rt, m, o); !errors.Is(err, context.Canceled) || len(rows) != 0 {
		t.Errorf("an interrupted test: %d rows, %v", len(rows), err)
	}
}
