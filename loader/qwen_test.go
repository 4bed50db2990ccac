package loader_test

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
)

// TestFirstGeneration: folder and GGUF of a first-generation model are the same weights under the same names, with
// queries, keys and values apart.
func TestFirstGeneration(t *testing.T) {
	folder := open(t, testkit.Path(t, "golden/qwen1"))
	file := open(t, testkit.Path(t, "golden/qwen1/model.bf16.gguf"))
	c := folder.Config()
	if c.Intermediate != 192 || c.HeadDim != 128 || c.KVHeads != 1 || !c.DynamicNTK || !c.LogN || c.Trained != 8192 || c.RMSEps != 1e-6 || c.Tied {
		t.Errorf("config %+v", c)
	}
	if g := file.Config(); g.Intermediate != 192 || g.DynamicNTK || g.LogN || !g.AttentionBias {
		t.Errorf("GGUF's config %+v", g)
	}
	for _, name := range folder.Names() {
		a, _ := folder.Tensor(name)
		b, ok := file.Tensor(name)
		if !ok || a.Rows != b.Rows || a.Cols != b.Cols {
			t.Errorf("%s is [%d %d] in the folder, [%d %d] in GGUF", name, a.Rows, a.Cols, b.Rows, b.Cols)
			continue
		}
		x, y := make([]float32, a.Rows*a.Cols), make([]float32, a.Rows*a.Cols)
		if err := a.Source().Values(x, 0, a.Rows); err != nil {
			t.Fatal(err)
		}
		if err := b.Source().Values(y, 0, b.Rows); err != nil {
			t.Fatal(err)
		}
		for i := range x {
			if x[i] != y[i] {
				t.Errorf("%s: element %d is %v in the folder, %v in GGUF", name, i, x[i], y[i])
				break
			}
		}
	}
	v, ok := folder.Tensor("blk.1.attn_v.weight")
	if !ok || v.FileName != "transformer.h.1.attn.c_attn.weight" || v.Rows != 128 {
		t.Errorf("blk.1.attn_v.weight: %+v", v)
	}
}

// TestFirstGenerationHostile: each change of a sound config.json is a sentence of its own.
func TestFirstGenerationHostile(t *testing.T) {
	text := testkit.Read(t, "golden/qwen1/config.json")
	weights := testkit.Read(t, "golden/qwen1/model.safetensors")
	for _, c := range []struct {
		key   string
		value any
		kind  error
		want  string
	}{
		{"seq_length", nil, loader.ErrCorrupt, "seq_length"},
		{"seq_length", 1, loader.ErrCorrupt, "seq_length"},
		{"rotary_pct", 0.5, loader.ErrUnsupportedModel, "rotary_pct"},
		{"scale_attn_weights", false, loader.ErrUnsupportedModel, "scale_attn_weights"},
		{"kv_channels", 64, loader.ErrCorrupt, "c_attn"},
		{"num_attention_heads", 1 << 30, loader.ErrCorrupt, "c_attn"},
		{"layer_norm_epsilon", nil, loader.ErrCorrupt, "layer_norm_epsilon"},
		{"use_dynamic_ntk", "yes", loader.ErrCorrupt, "use_dynamic_ntk"},
	} {
		var config map[string]any
		if err := json.NewDecoder(bytes.NewReader(text)).Decode(&config); err != nil {
			t.Fatal(err)
		}
		config[c.key] = c.value
		changed, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, data := range map[string][]byte{"config.json": changed, "model.safetensors": weights} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		t.Run(strings.ReplaceAll(c.key, "_", "-"), func(t *testing.T) { refused(t, dir, c.kind, c.want) })
	}
}

// TestSlidingForms: the keys of transformers 4 and 5 say the same, a window that is switched off is none, and what
// contradicts itself is refused.
func TestSlidingForms(t *testing.T) {
	weights := testkit.Read(t, "golden/qwen2-sliding/model.safetensors")
	write := func(file string, change map[string]any) string {
		var config map[string]any
		if err := json.Unmarshal(testkit.Read(t, "golden/qwen2-sliding/"+file), &config); err != nil {
			t.Fatal(err)
		}
		for key, value := range change {
			config[key] = value
		}
		text, err := json.Marshal(config)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		for name, data := range map[string][]byte{"config.json": text, "model.safetensors": weights} {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return dir
	}
	full := []string{"full_attention", "full_attention", "full_attention"}
	for _, c := range []struct {
		file   string
		change map[string]any
		window int
		layers string // s: slides
	}{
		{"config.json", nil, 16, ".ss"},
		{"config.hub.json", nil, 16, ".ss"},
		{"config.hub.json", map[string]any{"max_window_layers": 0}, 16, "sss"},
		{"config.hub.json", map[string]any{"max_window_layers": 3}, 0, ""},
		{"config.hub.json", map[string]any{"use_sliding_window": false, "sliding_window": 32768}, 0, ""},
		{"config.json", map[string]any{"use_sliding_window": false, "sliding_window": nil, "layer_types": full}, 0, ""},
		{"config.json", map[string]any{"use_sliding_window": false, "sliding_window": 0, "layer_types": full}, 0, ""},
	} {
		config := open(t, write(c.file, c.change)).Config()
		layers := ""
		for _, s := range config.SlidingLayers {
			layers += map[bool]string{true: "s", false: "."}[s]
		}
		if config.SlidingWindow != c.window || layers != c.layers {
			t.Errorf("%s with %v: window %d of layers %q, want %d of %q", c.file, c.change, config.SlidingWindow, layers, c.window, c.layers)
		}
	}
	for _, change := range []map[string]any{
		{"max_window_layers": -1},
		{"sliding_window": 0},
		{"sliding_window": "wide"},
		{"layer_types": []string{"sliding_attention"}},
	} {
		key := ""
		for key = range change {
		}
		refused(t, write("config.hub.json", change), loader.ErrCorrupt, key)
	}
}
