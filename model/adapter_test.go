package model_test

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
)

// onesAdapter writes a PEFT folder of rank 2 for one module [out, in], all ones.
func onesAdapter(t *testing.T, module string, out, in int) *loader.Adapter {
	t.Helper()
	header := map[string]any{}
	at := 0
	for name, shape := range map[string][2]int{"lora_A": {2, in}, "lora_B": {out, 2}} {
		n := 2 * shape[0] * shape[1]
		header["base_model.model."+module+"."+name+".weight"] = map[string]any{"dtype": "BF16", "shape": shape, "data_offsets": [2]int{at, at + n}}
		at += n
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	file := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	for range at / 2 {
		file = append(file, 0x80, 0x3f)
	}
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "adapter_config.json"), []byte(`{"peft_type":"LORA","r":2,"lora_alpha":3}`), 0o600),
		os.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), file, 0o600)); err != nil {
		t.Fatal(err)
	}
	a, err := loader.OpenAdapter(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { a.Close() })
	return a
}

func openModel(t *testing.T, name string) *model.Model {
	t.Helper()
	c, err := loader.Open(testkit.Path(t, "golden/"+name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	m, err := model.New(c, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// TestAdapter: what an adapter's module is called in each family, and what is no weight that it may change.
func TestAdapter(t *testing.T) {
	for _, c := range []struct {
		model, module string
		out, in       int
		want          string // weight that is changed, or what the error says
		refused       bool
	}{
		{"qwen3-dense-tied", "model.layers.1.self_attn.q_proj", 512, 128, "blk.1.attn_q.weight", false},
		{"qwen3-dense-tied", "model.layers.1.mlp.down_proj", 128, 256, "blk.1.ffn_down.weight", false},
		{"qwen3-dense-tied", "lm_head", 320, 128, "token_embd.weight", false}, // the product with it, not its rows
		{"qwen3-dense-untied", "lm_head", 320, 256, "output.weight", false},
		{"qwen2-dense-tied", "model.layers.0.self_attn.v_proj", 64, 448, "blk.0.attn_v.weight", false},
		{"qwen3moe-top2", "model.layers.0.self_attn.o_proj", 128, 256, "blk.0.attn_output.weight", false},
		{"qwen2moe", "model.layers.0.mlp.shared_expert.up_proj", 0, 0, "blk.0.ffn_up_shexp.weight", false},
		{"qwen3moe-top2", "model.layers.0.mlp.gate", 8, 128, "blk.0.ffn_gate_inp.weight", false},

		{"qwen3moe-top2", "model.layers.0.mlp.experts.3.gate_proj", 64, 128, "changes one expert of a mixture", true},
		{"qwen3-dense-tied", "model.layers.2.self_attn.q_proj", 512, 128, "changes blk.2.attn_q.weight, by which qwen3-dense-tied does not multiply", true},
		{"qwen3-dense-tied", "model.layers.0.self_attn.qkv_proj", 512, 128, "changes model.layers.0.self_attn.qkv_proj.weight", true},
		{"qwen3-dense-tied", "model.layers.0.self_attn.q_proj", 256, 128, "lora_B.weight\" has shape [256 2], want 512 rows for blk.0.attn_q.weight of shape [512 128]", true},
		{"qwen3-dense-tied", "model.layers.0.self_attn.q_proj", 512, 64, "lora_A.weight\" has shape [2 64], want 128 columns for blk.0.attn_q.weight of shape [512 128]", true},
	} {
		m := openModel(t, c.model)
		if c.out == 0 {
			w := m.Graph.Products()[c.want]
			c.out, c.in = w.Rows, w.Cols
		}
		g, _, err := m.Adapter(onesAdapter(t, c.module, c.out, c.in), "a")
		switch {
		case c.refused:
			if !errors.Is(err, model.ErrAdapter) || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "adapter_model.safetensors") {
				t.Errorf("%s in %s: %v, want %q", c.module, c.model, err, c.want)
			}
		case err != nil:
			t.Errorf("%s in %s: %v", c.module, c.model, err)
		default:
			if d, ok := g.Deltas[c.want]; !ok || len(g.Deltas) != 1 || d.Rank != 2 || d.Factor != 1.5 {
				t.Errorf("%s in %s: %+v, want a change of %s", c.module, c.model, g.Deltas, c.want)
			}
		}
	}
}

// TestAdapterFirst: what the first Qwen calls its matrices.
func TestAdapterFirst(t *testing.T) {
	m := openModel(t, "qwen1") // one head of 128
	for module, want := range map[string]string{"attn.c_attn": "blk.0.attn_k.weight", "attn.c_proj": "blk.0.attn_output.weight", "mlp.w2": "blk.0.ffn_gate.weight", "mlp.c_proj": "blk.0.ffn_down.weight"} {
		w := m.Graph.Products()[want]
		rows := w.Rows
		if module == "attn.c_attn" {
			rows *= 3
		}
		g, _, err := m.Adapter(onesAdapter(t, "transformer.h.0."+module, rows, w.Cols), "a")
		if err != nil {
			t.Errorf("%s: %v", module, err)
		} else if _, ok := g.Deltas[want]; !ok {
			t.Errorf("%s changes %+v, want %s", module, g.Deltas, want)
		}
	}
}

// TestAdapterJoined: a change of the joint matrix of queries, keys and values is three changes, which share A.
func TestAdapterJoined(t *testing.T) {
	m := openModel(t, "qwen2-dense-tied") // 7 and 1 heads of 64
	file := onesAdapter(t, "blk.1.attn_qkv", 576, 448)
	g, matrices, err := m.Adapter(file, "a")
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Deltas) != 3 || len(matrices) != 6 {
		t.Fatalf("%d changes, %d matrices", len(g.Deltas), len(matrices))
	}
	b := file.Targets()[0].B.Data
	for name, first := range map[string]int{"q": 0, "k": 448, "v": 512} {
		want := 64
		if name == "q" {
			want = 448
		}
		weight := "blk.1.attn_" + name + ".weight"
		if rows := matrices[g.NameB(weight)].(quant.Blocks).Data; &rows[0] != &b[first*2*2] {
			t.Errorf("B of %s does not begin with row %d", weight, first)
		}
		if rows, cols := matrices[g.NameB(weight)].Shape(); rows != want || cols != 2 || g.Deltas[weight].Rank != 2 {
			t.Errorf("B of %s has shape [%d %d]", weight, rows, cols)
		}
		if rows, cols := matrices[g.NameA(weight)].Shape(); rows != 2 || cols != 448 {
			t.Errorf("A of %s has shape [%d %d]", weight, rows, cols)
		}
	}
	if _, _, err := m.Adapter(onesAdapter(t, "blk.1.attn_qkv", 575, 448), "a"); !errors.Is(err, model.ErrAdapter) || !strings.Contains(err.Error(), "want 576 rows") {
		t.Errorf("a row less: %v", err)
	}
}
