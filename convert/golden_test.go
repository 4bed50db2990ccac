package convert_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/convert"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/gguf"
)

// run converts a model and returns the new file's layout and path.
func run(t testing.TB, source, preset string) (*gguf.File, string) {
	t.Helper()
	c, err := loader.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := convert.ParsePreset(preset)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "out.gguf")
	if _, err := convert.Run(context.Background(), c, path, convert.Options{Preset: p}); err != nil {
		t.Fatal(err)
	}
	return parse(t, path), path
}

func parse(t testing.TB, path string) *gguf.File {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f, err := gguf.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestTwins converts each golden model that has a GGUF twin, which gguf-py wrote from the same
// weights and llama.cpp has read: the same tensors, types, shapes and bytes, and whatever the twin's
// metadata says must be said here too. Logits are then those of the twin, which other tests compute.
func TestTwins(t *testing.T) {
	for _, dir := range testkit.Cases(t, "golden/*") {
		twinPath := filepath.Join(dir, "model.bf16.gguf")
		if _, err := os.Stat(twinPath); err != nil {
			continue
		}
		t.Run(filepath.Base(dir), func(t *testing.T) {
			if c, err := loader.Open(dir); errors.Is(err, loader.ErrUnsupportedModel) {
				t.Skipf("it is not loaded: %v", err)
			} else if err == nil {
				_ = c.Close()
			}
			got, _ := run(t, dir, "BF16")
			want := parse(t, twinPath)
			compareTensors(t, got, want)
			for _, key := range want.Keys {
				w, _ := want.Lookup(key)
				g, ok := got.Lookup(key)
				if !ok || g.Type != w.Type || g.Elem != w.Elem || !bytes.Equal(g.Bytes(), w.Bytes()) {
					t.Errorf("metadata key %q is %v, the twin has %v", key, g, w)
				}
			}
		})
	}
}

func compareTensors(t *testing.T, got, want *gguf.File) {
	t.Helper()
	tensors := map[string]gguf.Tensor{}
	for _, tensor := range got.Tensors {
		tensors[tensor.Name] = tensor
	}
	for _, w := range want.Tensors {
		g, ok := tensors[w.Name]
		switch {
		case !ok:
			t.Errorf("tensor %q is missing", w.Name)
		case g.Type != w.Type || !slices.Equal(g.Shape, w.Shape):
			t.Errorf("tensor %q is %v %d, want %v %d", w.Name, g.Type, g.Shape, w.Type, w.Shape)
		case !bytes.Equal(g.Data, w.Data):
			t.Errorf("tensor %q has other bytes", w.Name)
		}
		delete(tensors, w.Name)
	}
	for name := range tensors {
		t.Errorf("tensor %q is too much", name)
	}
}

// A GGUF file converted to its own type is itself: metadata and blocks are carried over as they are.
func TestSameType(t *testing.T) {
	for preset, file := range map[string]string{
		"Q8_0": "demo-model/qwenvk-demo-Q8_0.gguf",
		"Q4_0": "demo-model/qwenvk-demo-Q4_0.gguf",
	} {
		path := testkit.Path(t, file)
		got, _ := run(t, path, preset)
		want := parse(t, path)
		compareTensors(t, got, want)
		if len(got.Keys) != len(want.Keys) {
			t.Errorf("%s: %d keys, want %d", preset, len(got.Keys), len(want.Keys))
		}
		for _, key := range want.Keys {
			g, _ := got.Lookup(key)
			w, _ := want.Lookup(key)
			if !bytes.Equal(g.Bytes(), w.Bytes()) {
				t.Errorf("%s: metadata key %q is %v, want %v", preset, key, g, w)
			}
		}
	}
}

// The demo model's files are llama-quantize's: the same weights must get the same types, and Q8_0,
// where nothing is searched, the same bytes.
func TestDemoFiles(t *testing.T) {
	source := testkit.DemoF16(t)
	for preset, same := range map[string]bool{"Q8_0": true, "Q4_0": false} {
		got, _ := run(t, source, preset)
		want := parse(t, testkit.Path(t, "demo-model/qwenvk-demo-"+preset+".gguf"))
		if same {
			compareTensors(t, got, want)
			continue
		}
		types := map[string]gguf.TensorType{}
		for _, tensor := range want.Tensors {
			types[tensor.Name] = tensor.Type
		}
		for _, tensor := range got.Tensors {
			if tensor.Type != types[tensor.Name] {
				t.Errorf("%s: tensor %q is %v, want %v", preset, tensor.Name, tensor.Type, types[tensor.Name])
			}
		}
	}
}

// A mixture with dense layers in between has no form as GGUF, and is refused before anything is written.
func TestMixedLayers(t *testing.T) {
	c := open(t, testkit.Shared(t, "golden/qwen2moe-mixed"))
	dir := t.TempDir()
	_, err := convert.Run(context.Background(), c, filepath.Join(dir, "out.gguf"), convert.Options{Preset: preset(t, "Q8_0")})
	if !errors.Is(err, loader.ErrUnsupportedModel) || !strings.Contains(err.Error(), "it mixes layers of experts with dense ones") {
		t.Errorf("got %v", err)
	}
	if list := entries(t, dir); len(list) != 0 {
		t.Errorf("the folder has %q", list)
	}
}

// Weights that GPTQ, AWQ or FP8 packed are written as the numbers that they stand for, and the biases of zeros that
// exporters add to every linear layer stay out.
func TestPackedWeights(t *testing.T) {
	for _, dir := range testkit.Cases(t, "golden/gptq-awq/*") {
		t.Run(filepath.Base(dir), func(t *testing.T) {
			got, _ := run(t, dir, "F32")
			c := open(t, dir)
			packed := 0
			for _, tensor := range got.Tensors {
				from, ok := c.Tensor(tensor.Name)
				if !ok {
					t.Fatalf("the model has no tensor %q", tensor.Name)
				}
				if from.Packed != nil {
					packed++
				}
				values := make([]float32, from.Rows*from.Cols)
				if err := from.Source().Values(values, 0, from.Rows); err != nil {
					t.Fatal(err)
				}
				want := make([]byte, 4*len(values))
				for i, v := range values {
					binary.LittleEndian.PutUint32(want[4*i:], math.Float32bits(v))
				}
				if !bytes.Equal(tensor.Data, want) {
					t.Errorf("tensor %q has other numbers", tensor.Name)
				}
				if strings.HasSuffix(tensor.Name, "ffn_up.bias") {
					t.Errorf("tensor %q is there", tensor.Name)
				}
			}
			if packed < 7 {
				t.Errorf("%d tensors were packed", packed)
			}
		})
	}
}
