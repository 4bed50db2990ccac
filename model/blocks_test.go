package model_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
)

// patched copies the golden Qwen2 with the BF16 numbers of one tensor set to word, or with the tensor renamed.
func patched(t *testing.T, tensor string, word uint16, rename string) string {
	t.Helper()
	file := append([]byte(nil), testkit.Read(t, "golden/qwen2-dense-tied/model.safetensors")...)
	end := 8 + binary.LittleEndian.Uint64(file)
	var header map[string]struct {
		Offsets []uint64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(file[8:end], &header); err != nil {
		t.Fatal(err)
	}
	at := header[tensor].Offsets
	if len(at) != 2 {
		t.Fatalf("no tensor %s", tensor)
	}
	if rename != "" {
		if len(rename) != len(tensor) {
			t.Fatalf("%q and %q differ in length", rename, tensor)
		}
		copy(file[8:end], strings.Replace(string(file[8:end]), tensor, rename, 1))
	} else {
		for i := end + at[0]; i < end+at[1]; i += 2 {
			binary.LittleEndian.PutUint16(file[i:], word)
		}
	}
	dir := t.TempDir()
	for name, data := range map[string][]byte{"config.json": testkit.Read(t, "golden/qwen2-dense-tied/config.json"), "model.safetensors": file} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func build(t *testing.T, dir string) (*model.Model, error) {
	t.Helper()
	c, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return model.New(c, model.Options{})
}

// TestBiases: a bias of zeros is none, one that is no number is refused, and so is a layer that lacks its own.
func TestBiases(t *testing.T) {
	const key = "model.layers.1.self_attn.k_proj.bias"
	biases := func(dir string) (names []string) {
		m, err := build(t, dir)
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range m.Graph.Nodes {
			if n.Op == graph.OpAddBias {
				names = append(names, n.Bias.Name)
			}
		}
		return names
	}
	if got := biases(testkit.Path(t, "golden/qwen2-dense-tied")); len(got) != 6 {
		t.Errorf("two layers have the biases %q, want three each", got)
	}
	zero := strings.Join(biases(patched(t, key, 0, "")), " ")
	if strings.Contains(zero, "blk.1.attn_k.bias") || !strings.Contains(zero, "blk.1.attn_v.bias") {
		t.Errorf("with zeros for blk.1.attn_k.bias the biases are %s", zero)
	}
	negative := strings.Join(biases(patched(t, key, 0x8000, "")), " ")
	if strings.Contains(negative, "blk.1.attn_k.bias") {
		t.Errorf("with -0 for blk.1.attn_k.bias the biases are %s", negative)
	}
	for _, c := range []struct {
		dir  string
		want []string
	}{
		{patched(t, key, 0x7fc0, ""), []string{key, "element 0", "NaN"}},
		{patched(t, key, 0x7f80, ""), []string{key, "+Inf"}},
		{patched(t, key, 0, "model.layers.1.self_attn.x_proj.bias"), []string{"blk.1.attn_k.bias", "missing"}},
	} {
		_, err := build(t, c.dir)
		if !errors.Is(err, model.ErrWeights) {
			t.Errorf("%v is not about wrong weights", err)
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%q does not say %q", err, want)
			}
		}
	}
}
