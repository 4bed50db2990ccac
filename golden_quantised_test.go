package qwenvk

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/safetensors"
	"github.com/qwenvk/qwenvk/quant"
)

// quantisedCases are models whose linear layers are stored by GPTQ or AWQ.
var quantisedCases = []string{
	"gptq-int4-descact-qwen3", "gptq-int4-asym-qwen3", "gptq-int8-qwen3", "awq-qwen3", "gptq-int4-qwen2", "awq-qwen2",
}

// needCase skips a case that only the full set has, where that is absent.
func needCase(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Stat(filepath.Join(testkit.Root(t), "testdata", "golden", "gptq-awq", name)); err != nil {
		testkit.Shared(t, "golden/gptq-awq/"+name)
	}
}

// hubTwin is the folder of a case with the config.json of a checkpoint as it is published.
func hubTwin(t *testing.T, dir string) string {
	t.Helper()
	twin := t.TempDir()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		name := e.Name()
		switch name {
		case "config.json":
			continue
		case "config.hub.json":
			name = "config.json"
		}
		if err := os.Symlink(filepath.Join(dir, e.Name()), filepath.Join(twin, name)); err != nil {
			t.Fatal(err)
		}
	}
	return twin
}

// TestGoldensQuantised runs models in GPTQ and AWQ, whose reference is exact for the stored weights: in tier 0 with the
// configuration that transformers writes today, in tier 1 with that of the checkpoints on the hub.
func TestGoldensQuantised(t *testing.T) {
	for tier := range 2 {
		if testing.Short() && tier > 0 {
			continue
		}
		rt := openTest(t, Options{Tier: &tier}, nil)
		for _, name := range quantisedCases {
			t.Run(fmt.Sprintf("tier%d/%s", tier, name), func(t *testing.T) {
				needCase(t, name)
				g := readGolden(t, "gptq-awq/"+name)
				if tier == 1 {
					g.dir = hubTwin(t, g.dir)
				}
				runGolden(t, rt, g, "", "f32")
			})
		}
	}
}

// TestQuantisedValues: the weights that a case's files mean are the reference's, bit for bit.
func TestQuantisedValues(t *testing.T) {
	for _, name := range quantisedCases {
		t.Run(name, func(t *testing.T) { compareValues(t, name) })
	}
}

func compareValues(t *testing.T, name string) {
	needCase(t, name)
	dir := testkit.Path(t, "golden/gptq-awq/"+name)
	f, err := safetensors.Parse(testkit.Read(t, "golden/gptq-awq/"+name+"/expected.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(f.Tensors, func(x safetensors.Tensor) bool {
		return x.Name == "dequant_rows_0_31.model.layers.0.self_attn.k_proj.weight"
	})
	if at < 0 {
		t.Fatalf("%s: no values", name)
	}
	want := make([]float32, len(f.Tensors[at].Data)/4)
	if err := quant.Dequantize(want, quant.F32, f.Tensors[at].Data); err != nil {
		t.Fatal(err)
	}
	c, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	x, ok := c.Tensor("blk.0.attn_k.weight")
	if !ok {
		t.Fatalf("%s: no keys", name)
	}
	got := make([]float32, len(want))
	if err := x.Source().Values(got, 0, len(want)/x.Cols); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%s: other values than the reference", name)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
