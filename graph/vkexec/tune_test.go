package vkexec

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/internal/tuner"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// TestTune tunes a model for real on whatever device there is. The results stay those of an executor that was not tuned, up
// to the order of sums; what was found is kept, and another executor of the device takes it over.
func TestTune(t *testing.T) {
	dev := vktest.OpenWith(t, vk.DeviceOptions{CacheDir: t.TempDir(), CacheKey: "tune"})
	o := Options{Context: 96, Splits: 2, FuseNorm: true, MaxRows: 64}
	plain := tinyOn(t, dev, "qwen3-dense-tied", o)
	o.Tuning, o.TuneBudget = TuningForce, 20*time.Second
	tuned := tinyOn(t, dev, "qwen3-dense-tied", o)
	found := tuned.Tuned()
	if found.Choices == 0 || found.Measured != found.Choices {
		t.Errorf("%+v: the time should have sufficed for all", found)
	}
	for _, row := range strings.Split(strings.TrimSpace(string(tuned.measured.Bytes())), "\n") {
		t.Log(row)
	}
	mapPages(plain)
	mapPages(tuned)
	ids := make([]int32, 40)
	for i := range ids {
		ids[i] = int32(31*i) % 300
	}
	start := 0
	for _, n := range []int{40, 1, 1} {
		a, b := logits(t, plain, run(t, plain, ids[:n], start, TailLogits)), logits(t, tuned, run(t, tuned, ids[:n], start, TailLogits))
		for i := range a {
			if d := a[i] - b[i]; d > 1e-3 || d < -1e-3 { // sums of f32 in another order
				t.Fatalf("%d tokens behind %d: logit %d is %v, untuned %v", n, start, i, b[i], a[i])
			}
		}
		start += n
	}
	sameColumns(t, tuned, start)

	// What was measured is read back and means the same.
	table, err := tuner.ReadTable(dev.Kept(keptTuning))
	if err != nil || table.Len() != found.Choices {
		t.Fatalf("%d rows were kept of %d choices: %v", table.Len(), found.Choices, err)
	}
	o.Tuning = TuningForce
	o.TuneBudget = time.Nanosecond
	again := tinyOn(t, dev, "qwen3-dense-tied", o)
	if got := again.Tuned(); got.Measured != 0 || got.Took > time.Second {
		t.Errorf("with a budget of a nanosecond: %+v", got)
	}
}

// sameColumns compares n tokens in one step with as many steps of one.
func sameColumns(t *testing.T, e *Executor, start int) {
	t.Helper()
	for _, n := range []int{2, 5, shaders.MaxColumns} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(13*n+7*i) % 300
		}
		r := run(t, e, ids, start, TailAllLogits)
		got := make([][]float32, n)
		for i := range got {
			got[i] = make([]float32, e.Vocab())
			if err := e.Logits(context.Background(), r, i, got[i]); err != nil {
				t.Fatal(err)
			}
		}
		for i, id := range ids {
			sameBits(t, fmt.Sprintf("%d columns, column %d", n, i), got[i], logits(t, e, run(t, e, []int32{id}, start+i, TailLogits)))
		}
	}
}

// TestTuned: a row of the table decides kernels and constants, for all numbers of columns of its class and for no other; on
// software devices only where tuning is forced.
func TestTuned(t *testing.T) {
	dev := vktest.OpenWith(t, vk.DeviceOptions{CacheDir: t.TempDir(), CacheKey: "tuned"})
	e := tinyOn(t, dev, "qwen3-dense-tied", Options{Context: 64})
	k := func(n int) kernel {
		return kernel{name: "mul_mat_vec", variant: shaders.Variant{Weights: "q4"}, rows: 1000, k: 500, n: n, set: map[string]uint32{"COLS": uint32(n), "GROUP": 32}}
	}
	all := e.tunings(k(1))
	other := all[len(all)-1]
	if len(all) < 2 {
		t.Fatal("there is nothing to tune")
	}
	put := &tuner.Table{}
	put, _ = tuner.ReadTable(nil)
	v := tuner.Verdict{Choice: tuner.Choice{Key: k(1).class(), Candidates: []string{other.name()}}, Measured: true}
	put.Put([]tuner.Verdict{v})
	if err := dev.Keep(keptTuning, put.Bytes()); err != nil {
		t.Fatal(err)
	}
	rows := func(e *Executor, k kernel) uint32 {
		_, c, err := e.kernel(k)
		if err != nil {
			t.Fatal(err)
		}
		return c.get("ROWS")*1000 + c.get("LANES")
	}
	before := rows(e, k(1))
	e.options.Tuning = TuningOff
	e.readTuning()
	if rows(e, k(1)) != before {
		t.Error("a row of the table counts although tuning is off")
	}
	e.options.Tuning = TuningAuto
	e.readTuning()
	if counts := rows(e, k(1)) != before; counts != (dev.Caps().Type != vk.Software) {
		t.Errorf("a row of the table counts: %v, on a device of type %s", counts, dev.Caps().Type)
	}
	e.options.Tuning = TuningForce
	e.readTuning()
	for n := 1; n <= shaders.MaxColumns; n++ {
		if got, want := rows(e, k(n)), other.constants["ROWS"]*1000+other.constants["LANES"]; got != want {
			t.Errorf("%d columns: %d, want %d", n, got, want)
		}
	}
	larger := k(1)
	larger.rows = 1 << 20
	if rows(e, larger) != before {
		t.Error("a row of the table counts for another shape")
	}
	// A file that is no table is as good as none.
	if err := dev.Keep(keptTuning, []byte("[1, 2")); err != nil {
		t.Fatal(err)
	}
	e.readTuning()
	if rows(e, k(1)) != before {
		t.Error("a bad file changes constants")
	}
}

// TestTuneFaults: what the device refuses while candidates are measured is left out; when it is lost, so is the executor.
func TestTuneFaults(t *testing.T) {
	for _, c := range []struct {
		what   string
		faults vk.Faults
		lost   bool
	}{
		{"a pipeline", vk.Faults{PipelineAt: 2}, false},
		{"a submission", vk.Faults{SubmitAt: 12}, true},
	} {
		t.Run(c.what, func(t *testing.T) {
			dev := vktest.OpenWith(t, vk.DeviceOptions{CacheDir: t.TempDir(), CacheKey: "faults", Faults: &c.faults})
			e, err := tryTiny(t, dev, "qwen3-dense-tied", Options{Context: 64, MaxRows: 64, Tuning: TuningForce, TuneBudget: 20 * time.Second})
			if c.lost != (err != nil) {
				t.Errorf("error %v", err)
			}
			if err == nil {
				defer e.Close()
				mapPages(e)
				logits(t, e, run(t, e, []int32{1, 2, 3}, 0, TailLogits))
			}
		})
	}
}
