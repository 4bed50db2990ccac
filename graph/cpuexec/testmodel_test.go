package cpuexec_test

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/safetensors"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
)

// reference is a golden case: a model and what transformers computed with it.
type reference struct {
	dir     string
	prompts []prompt
	tensors map[string]*cpuexec.Matrix
}

type prompt struct {
	IDs     []int32   `json:"input_ids"`
	Greedy  []int32   `json:"greedy_new_ids"`
	Margins []float64 `json:"greedy_margins"`
}

// readReference reads the case in testdata/golden/<name>.
func readReference(t testing.TB, name string) *reference {
	t.Helper()
	r := &reference{dir: testkit.Path(t, "golden/"+name), tensors: map[string]*cpuexec.Matrix{}}
	var expected struct {
		Prompts []prompt `json:"prompts"`
	}
	if err := json.Unmarshal(testkit.Read(t, "golden/"+name+"/expected.json"), &expected); err != nil {
		t.Fatal(err)
	}
	r.prompts = expected.Prompts
	r.tensors = readTensors(t, "golden/"+name+"/expected.safetensors")
	return r
}

// readTensors reads a safetensors file of float32 matrices.
func readTensors(t testing.TB, name string) map[string]*cpuexec.Matrix {
	t.Helper()
	f, err := safetensors.Parse(testkit.Read(t, name))
	if err != nil {
		t.Fatal(err)
	}
	tensors := map[string]*cpuexec.Matrix{}
	for _, tensor := range f.Tensors {
		values := make([]float32, len(tensor.Data)/4)
		if err := quant.Dequantize(values, quant.F32, tensor.Data); err != nil {
			t.Fatal(err)
		}
		cols := tensor.Shape[len(tensor.Shape)-1]
		m := &cpuexec.Matrix{Rows: len(values) / cols, Cols: cols}
		for _, v := range values {
			m.Data = append(m.Data, float64(v))
		}
		tensors[tensor.Name] = m
	}
	return tensors
}

// open opens a checkpoint and declares its model.
func open(t testing.TB, path string, o model.Options) (*model.Model, cpuexec.Weights) {
	t.Helper()
	c, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	m, err := model.New(c, o)
	if err != nil {
		t.Fatal(err)
	}
	return m, weightsOf(c)
}

// weightsOf reads the weights of a checkpoint.
func weightsOf(c *loader.Checkpoint) cpuexec.Weights {
	return cpuexec.Stored(func(name string) (quant.Source, error) {
		tensor, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("%s has no tensor %s", filepath.Base(c.Path()), name)
		}
		return tensor.Source(), nil
	})
}

// failer is a test, or a run of a property.
type failer interface {
	Helper()
	Errorf(format string, args ...any)
	Fatalf(format string, args ...any)
	Error(args ...any)
}

// distance is how far got is from want: the largest difference, and the rms of the differences relative to the rms of
// want.
func distance(t failer, got, want [][]float64) (most, relative float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%d rows, want %d", len(got), len(want))
	}
	var diff, norm float64
	for i := range want {
		if len(got[i]) != len(want[i]) {
			t.Fatalf("row %d has %d columns, want %d", i, len(got[i]), len(want[i]))
		}
		for j, w := range want[i] {
			d := got[i][j] - w
			if math.IsNaN(d) {
				t.Fatalf("row %d, column %d: got %v, want %v", i, j, got[i][j], w)
			}
			most = max(most, math.Abs(d))
			diff += d * d
			norm += w * w
		}
	}
	if diff == 0 {
		return most, 0
	}
	return most, math.Sqrt(diff / norm)
}

// rows cuts a matrix into its rows.
func rows(m *cpuexec.Matrix) [][]float64 {
	var r [][]float64
	for i := range m.Rows {
		r = append(r, m.Row(i))
	}
	return r
}
