package model_test

import (
	"bytes"
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

// edited copies a golden case and replaces, in one of its files, every occurrence of a text by one of the same length.
func edited(t *testing.T, name, file, from, to string) *loader.Checkpoint {
	t.Helper()
	dir, source := t.TempDir(), testkit.Path(t, "golden/"+name)
	for _, f := range []string{"config.json", "model.safetensors"} {
		data, err := os.ReadFile(filepath.Join(source, f))
		if err != nil {
			t.Fatal(err)
		}
		if f == file {
			changed := bytes.ReplaceAll(data, []byte(from), []byte(to))
			if bytes.Equal(changed, data) || len(changed) != len(data) {
				t.Fatalf("%q does not replace %q", to, from)
			}
			data = changed
		}
		if err := os.WriteFile(filepath.Join(dir, f), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := loader.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestExpertsRefused: what does not fit is told with the tensor's name.
func TestExpertsRefused(t *testing.T) {
	const name = "qwen3moe-top2"
	for _, c := range []struct {
		file, from, to string
		kind           error
		want           string
	}{
		{"model.safetensors", "experts.5.up_proj", "experts.9.up_proj", model.ErrWeights, "tensor blk.0.ffn_up.5.weight is missing, want shape [64 128]"},
		{"model.safetensors", "mlp.gate.weight", "mlp.gata.weight", model.ErrWeights, "tensor blk.0.ffn_gate_inp.weight is missing, want shape [8 128]"},
		{"config.json", `"moe_intermediate_size": 64`, `"moe_intermediate_size": 32`, model.ErrWeights, "model.layers.0.mlp.experts.0.gate_proj.weight has shape [64 128], want [32 128]"},
		{"config.json", `"moe_intermediate_size": 64`, `"moe_intermediate_size": 60`, model.ErrUnsupported, "expert size 60"},
		{"config.json", `"num_local_experts": 8`, `"num_local_experts": 7`, model.ErrWeights, "model.layers.0.mlp.gate.weight has shape [8 128], want [7 128]"},
	} {
		_, err := model.New(edited(t, name, c.file, c.from, c.to), model.Options{})
		if !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s for %s: %v, want %q", c.to, c.from, err, c.want)
		}
	}
}

// TestExpertsOfSeveralTypes: a layer whose experts a file stores in different plain types is computed in F32, which holds
// all of them; the other layers stay as they are.
func TestExpertsOfSeveralTypes(t *testing.T) {
	const up = `"model.layers.0.mlp.experts.5.up_proj.weight":{"dtype":`
	m, err := model.New(edited(t, "qwen3moe-top2", "model.safetensors", up+`"BF16"`, up+`"F16" `), model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range m.Graph.Packs() {
		want := quant.BF16
		if strings.HasPrefix(p.Name, "blk.0.ffn_up") {
			want = quant.F32
		}
		if p.Experts > 0 && p.Layout() != quant.LayoutOf(want) {
			t.Errorf("%s is stored as %s, want %v", p.Name, p.Layout().Name(), want)
		}
	}
}

// TestActive counts the weights that a token uses, by hand, and keeps the router as it is stored.
func TestActive(t *testing.T) {
	c, err := loader.Open(testkit.Path(t, "golden/qwen3moe-top8-mixed"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := model.New(c, model.Options{Quantise: quant.Scheme{Bits: 4, Group: 32}})
	if err != nil {
		t.Fatal(err)
	}
	const unused, layers = 8, 2 // of 16 experts of 3·32·128 weights
	if want := m.Params - unused*layers*3*32*128; m.Active != want {
		t.Errorf("%d of %d parameters are active, want %d", m.Active, m.Params, want)
	}
	cost, router := m.Graph.Cost(), 0
	for _, p := range m.Graph.Packs() {
		switch {
		case strings.Contains(p.Name, "ffn_gate_inp"):
			router++
			if p.Layout() != quant.LayoutOf(quant.BF16) {
				t.Errorf("%s is stored as %s", p.Name, p.Layout().Name())
			}
		case p.Experts > 0 && p.Layout().Name() != "q4g32":
			t.Errorf("%s is stored as %s", p.Name, p.Layout().Name())
		}
	}
	if router != layers {
		t.Errorf("%d routers, want %d", router, layers)
	}
	// All weights but the embedding are multiplied by once.
	vectors := int64(0)
	for _, w := range m.Graph.Vectors() {
		vectors += int64(w.Cols)
	}
	if want := 2 * (m.Active - vectors - int64(m.Config.Vocab*m.Config.Hidden)); cost.FLOPs != want {
		t.Errorf("%d FLOPs per token, want %d", cost.FLOPs, want)
	}
}
