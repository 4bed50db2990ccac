package loader_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/loader"
)

const outlineConfig = `{"model_type": "qwen3", "num_hidden_layers": 2, "hidden_size": 256, "intermediate_size": 512, "vocab_size": 320,
	"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 64, "max_position_embeddings": 4096, "rms_norm_eps": 1e-6, "rope_theta": 1e6`

// TestOutline: a configuration alone can be looked at, and not be opened.
func TestOutline(t *testing.T) {
	sparse := strings.Replace(outlineConfig, "qwen3", "qwen3_moe", 1) + `, "num_experts_per_tok": 8, "moe_intermediate_size": 64`
	for _, c := range []struct {
		name, config string
		form         string // "": it is not looked at either
		linear       string // layout of a row of 256
		narrow       string // layout of a row of 96
		extra        string // a file beside config.json
	}{
		{name: "plain", config: outlineConfig, form: "bf16", linear: "bf16", narrow: "bf16"},
		{name: "float32", config: outlineConfig + `, "torch_dtype": "float32"`, form: "f32", linear: "f32", narrow: "f32"},
		{name: "float16", config: outlineConfig + `, "dtype": "float16"`, form: "f16", linear: "f16", narrow: "f16"},
		{name: "gptq", config: outlineConfig + `, "quantization_config": {"quant_method": "gptq", "bits": 8, "group_size": 128, "sym": true}`, form: "gptq-int8, bf16 beside it", linear: "q8g128", narrow: "q8g32"},
		{name: "awq", config: outlineConfig + `, "torch_dtype": "float16", "quantization_config": {"quant_method": "awq", "bits": 4, "group_size": 64}`, form: "awq-int4, f16 beside it", linear: "q4g32z", narrow: "q4g32z"},
		{name: "fp8", config: outlineConfig + `, "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]}`, form: "fp8, computed with in 16 bits", linear: "bf16", narrow: "bf16"},
		{name: "experts", config: sparse + `, "num_experts": 128`, form: "bf16", linear: "bf16", narrow: "bf16"},
		{name: "a bomb", config: strings.Replace(sparse, `"num_hidden_layers": 2`, `"num_hidden_layers": 9999`, 1) + `, "num_experts": 512`},
		{name: "pickles", config: outlineConfig, extra: "pytorch_model.bin"},
		{name: "unknown method", config: outlineConfig + `, "quantization_config": {"quant_method": "hqq"}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("config.json", c.config+"}")
			if c.extra != "" {
				write(c.extra, "x")
			}
			if o, err := loader.Open(dir); err == nil {
				t.Fatalf("%v was opened", o)
			} else if c.form != "" && !errors.Is(err, loader.ErrNotFound) {
				t.Errorf("Open: %v", err)
			}
			o, err := loader.Inspect(dir)
			if err != nil {
				if c.form != "" {
					t.Fatal(err)
				}
				return
			}
			defer o.Close()
			if o.Outline() != (c.form != "") {
				t.Fatalf("it is an outline: %t, %v", o.Outline(), o.Refusal())
			}
			if c.form == "" {
				return
			}
			if o.OutlineForm() != c.form || o.OutlineLayout(256, true).Name() != c.linear || o.OutlineLayout(96, true).Name() != c.narrow {
				t.Errorf("form %q, layouts %v and %v", o.OutlineForm(), o.OutlineLayout(256, true), o.OutlineLayout(96, true))
			}
			if l := o.OutlineLayout(256, false); !l.Dense() {
				t.Errorf("a table lies in %v", l)
			}
		})
	}
}
