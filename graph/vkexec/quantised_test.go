package vkexec

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/safetensors"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
)

// quantisedModel is a Qwen3 of one layer that a test writes: its folder, and what its files mean by the definitions of
// their formats.
type quantisedModel struct {
	dir     string
	tensors map[string]testkit.Tensor
	weights map[string][]float32 // by canonical name
}

// newQuantisedModel makes a model. make returns the tensors of a linear layer [rows, cols] by the endings of their names,
// and its weights.
func newQuantisedModel(t *testing.T, config map[string]any, rng *rand.Rand, make func(name string, rows, cols int) (map[string]testkit.Tensor, []float64)) *quantisedModel {
	t.Helper()
	const vocab, hidden, heads, kvHeads, headDim, ffn = 296, 256, 2, 1, 64, 384
	m := &quantisedModel{dir: t.TempDir(), tensors: map[string]testkit.Tensor{}, weights: map[string][]float32{}}
	plain := func(file, name string, rows, cols int, mean float64) {
		x := testkit.Tensor{DType: "F32", Shape: []int{rows, cols}}
		if rows == 1 {
			x.Shape = []int{cols}
		}
		for range rows * cols {
			v := float32(mean + 0.15*rng.NormFloat64())
			x.Data = binary.LittleEndian.AppendUint32(x.Data, math.Float32bits(v))
			m.weights[name] = append(m.weights[name], v)
		}
		m.tensors[file+".weight"] = x
	}
	plain("model.embed_tokens", "token_embd.weight", vocab, hidden, 0)
	plain("model.norm", "output_norm.weight", 1, hidden, 1)
	plain("lm_head", "output.weight", vocab, hidden, 0)
	const layer = "model.layers.0."
	plain(layer+"input_layernorm", "blk.0.attn_norm.weight", 1, hidden, 1)
	plain(layer+"post_attention_layernorm", "blk.0.ffn_norm.weight", 1, hidden, 1)
	plain(layer+"self_attn.q_norm", "blk.0.attn_q_norm.weight", 1, headDim, 1)
	plain(layer+"self_attn.k_norm", "blk.0.attn_k_norm.weight", 1, headDim, 1)
	for _, w := range []struct {
		file, name string
		rows, cols int
	}{
		{"self_attn.q_proj", "attn_q", heads * headDim, hidden},
		{"self_attn.k_proj", "attn_k", kvHeads * headDim, hidden},
		{"self_attn.v_proj", "attn_v", kvHeads * headDim, hidden},
		{"self_attn.o_proj", "attn_output", hidden, heads * headDim},
		{"mlp.gate_proj", "ffn_gate", ffn, hidden},
		{"mlp.up_proj", "ffn_up", ffn, hidden},
		{"mlp.down_proj", "ffn_down", hidden, ffn},
	} {
		name := "blk.0." + w.name + ".weight"
		parts, weights := make(w.name, w.rows, w.cols)
		if parts == nil {
			plain(layer+w.file, name, w.rows, w.cols, 0)
			continue
		}
		for part, x := range parts {
			m.tensors[layer+w.file+"."+part] = x
		}
		for _, v := range weights {
			m.weights[name] = append(m.weights[name], float32(v))
		}
	}
	testkit.WriteSafetensors(t, filepath.Join(m.dir, "model.safetensors"), m.tensors)
	text, err := json.Marshal(map[string]any{
		"model_type": "qwen3", "vocab_size": vocab, "hidden_size": hidden, "intermediate_size": ffn, "num_hidden_layers": 1,
		"num_attention_heads": heads, "num_key_value_heads": kvHeads, "head_dim": headDim, "max_position_embeddings": 512,
		"rms_norm_eps": 1e-6, "rope_theta": 1e6, "tie_word_embeddings": false, "attention_bias": false, "quantization_config": config,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(m.dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return m
}

// Values lets the oracle compute with what the files mean.
func (m *quantisedModel) Values(w graph.Weight) ([]float32, error) {
	if values, ok := m.weights[w.Name]; ok {
		return values, nil
	}
	return nil, fmt.Errorf("no weight %s", w.Name)
}

// check compares the model on a device with the oracle, whose weights package quant has not touched.
func (m *quantisedModel) check(t *testing.T, mask string, mo model.Options, weights cpuexec.Weights) {
	t.Helper()
	compareWithWeights(t, m.dir, mo, masks[mask], Options{Context: 64, KV: "f32", FuseNorm: mask == "tier1", Threads: 3}, weights)
}

// TestGPTQAndAWQ runs layers in every form of both formats against a float64 reading of their definitions.
func TestGPTQAndAWQ(t *testing.T) {
	// Layers of one input share its order, as a quantiser that looks at the inputs makes it; or each has its own.
	input := strings.NewReplacer("attn_k", "attn_q", "attn_v", "attn_q", "ffn_up", "ffn_gate")
	for _, c := range []struct {
		what   string
		layer  testkit.Quantised
		shared bool   // orders
		plain  string // layers that are not quantised
		mask   string
	}{
		{what: "4 bits, act-order, plain layers", layer: testkit.Quantised{Bits: 4, Group: 128, ActOrder: true, Symmetric: true}, shared: true, plain: "attn_k ffn_gate", mask: "tier0"},
		{what: "8 bits, own act-orders, groups of 64", layer: testkit.Quantised{Bits: 8, Group: 64, ActOrder: true}, mask: "tier1"},
		{what: "4 bits per column, second version", layer: testkit.Quantised{Bits: 4, V2: true}, mask: "tier0"},
		{what: "AWQ, groups of 64", layer: testkit.Quantised{Bits: 4, Group: 64, AWQ: true}, plain: "attn_output", mask: "tier0"},
	} {
		t.Run(c.what, func(t *testing.T) {
			config := map[string]any{"quant_method": "gptq", "bits": c.layer.Bits, "group_size": c.layer.Group, "sym": c.layer.Symmetric, "desc_act": c.layer.ActOrder}
			if c.layer.Group == 0 {
				config["group_size"] = -1
			}
			if c.layer.V2 {
				config["checkpoint_format"] = "gptq_v2"
			}
			if c.layer.AWQ {
				config = map[string]any{"quant_method": "awq", "bits": 4, "group_size": c.layer.Group, "version": "GEMM", "zero_point": true}
			}
			m := newQuantisedModel(t, config, rand.New(rand.NewPCG(1, 2)), func(name string, rows, cols int) (map[string]testkit.Tensor, []float64) {
				if strings.Contains(c.plain, name) {
					return nil, nil
				}
				seed := uint64(0)
				order := name
				if c.shared {
					order = input.Replace(name)
				}
				for _, b := range []byte(order) {
					seed = seed*31 + uint64(b)
				}
				l := c.layer
				l.Rows, l.Cols = rows, cols
				return l.Make(rand.New(rand.NewPCG(seed, 3))) // g_idx is what it draws first
			})
			m.check(t, c.mask, model.Options{}, m)
		})
	}
}

// TestAdaptersOwnOrders: adapters change layers that each have an order of their own, which nothing can be joined for.
func TestAdaptersOwnOrders(t *testing.T) {
	config := map[string]any{"quant_method": "gptq", "bits": 8, "group_size": 64, "sym": true, "desc_act": true}
	rng := rand.New(rand.NewPCG(7, 8))
	m := newQuantisedModel(t, config, rng, func(name string, rows, cols int) (map[string]testkit.Tensor, []float64) {
		return testkit.Quantised{Rows: rows, Cols: cols, Bits: 8, Group: 64, Symmetric: true, ActOrder: true}.Make(rng)
	})
	b := newAdapterBed(t, m.dir, model.Options{}, masks["tier1"], Options{Context: 64, KV: "f32", FuseNorm: true})
	b.compare(b.load(lora{"a", 5, 2, quant.F32, everything}), []float64{1})
}

// TestFP8 runs layers of 8-bit floats in tiles that do not divide them, as they are and quantised anew.
func TestFP8(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	const down, across = 96, 160
	config := map[string]any{"quant_method": "fp8", "activation_scheme": "dynamic", "fmt": "e4m3", "weight_block_size": []int{down, across}}
	m := newQuantisedModel(t, config, rng, func(name string, rows, cols int) (map[string]testkit.Tensor, []float64) {
		if name == "attn_v" {
			return nil, nil
		}
		r, c := (rows+down-1)/down, (cols+across-1)/across
		weight, scale := testkit.Tensor{DType: "F8_E4M3", Shape: []int{rows, cols}}, testkit.Tensor{DType: "BF16", Shape: []int{r, c}}
		scales := make([]float64, r*c)
		for i := range scales {
			s := half.F32ToBF16(float32(0.0005 * (1 + rng.Float64())))
			scale.Data = binary.LittleEndian.AppendUint16(scale.Data, s)
			scales[i] = float64(half.BF16ToF32(s))
		}
		var weights []float64
		for e := range rows * cols {
			b := byte(rng.IntN(0x7f)) | byte(rng.IntN(2))<<7
			v := math.Ldexp(1+float64(b&7)/8, int(b>>3&15)-7)
			if b>>3&15 == 0 {
				v = math.Ldexp(float64(b&7)/8, -6)
			}
			if b >= 0x80 {
				v = -v
			}
			weight.Data = append(weight.Data, b)
			// What the device has is F16; see quant.FP8 for what that loses.
			w := float32(v * scales[e/cols/down*c+e%cols/across])
			weights = append(weights, float64(half.F16ToF32(half.F32ToF16(w))))
		}
		return map[string]testkit.Tensor{"weight": weight, "weight_scale_inv": scale}, weights
	})
	t.Run("as it is", func(t *testing.T) { m.check(t, "tier1", model.Options{}, m) })
	t.Run("int8", func(t *testing.T) {
		m.check(t, "tier0", model.Options{Quantise: quant.Scheme{Bits: 8, Group: 32}}, nil)
	})
}

// TestGPTQExperts runs a mixture whose experts are GPTQ layers, thousands of which a large model has, and whose router
// and attention are not.
func TestGPTQExperts(t *testing.T) {
	compareWithOracle(t, gptqExperts(t, false), model.Options{}, masks["tier0"], Options{Context: 64, KV: "f32", Threads: 3})
	c, err := loader.Open(gptqExperts(t, true))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_, err = model.New(c, model.Options{})
	if !errors.Is(err, model.ErrUnsupported) || !strings.Contains(err.Error(), "model.safetensors: tensor model.layers.0.mlp.experts.0.gate_proj.qweight: GPTQ's desc_act") {
		t.Errorf("experts with act-order: %v", err)
	}
}

// gptqExperts writes a mixture of experts with its experts as GPTQ layers.
func gptqExperts(t *testing.T, actOrder bool) string {
	t.Helper()
	from, err := safetensors.Parse(testkit.Read(t, "golden/qwen3moe-top2/model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(9, 10))
	tensors := map[string]testkit.Tensor{}
	experts := 0
	for _, x := range from.Tensors {
		if !strings.Contains(x.Name, ".mlp.experts.") {
			tensors[x.Name] = testkit.Tensor{DType: x.DType, Shape: x.Shape, Data: x.Data}
			continue
		}
		l := testkit.Quantised{Rows: x.Shape[0], Cols: x.Shape[1], Bits: 4, Group: 32, ActOrder: actOrder, Std: 0.05}
		parts, _ := l.Make(rng)
		for part, y := range parts {
			tensors[strings.TrimSuffix(x.Name, "weight")+part] = y
		}
		experts++
	}
	if experts == 0 {
		t.Fatal("the model has no experts")
	}
	dir := t.TempDir()
	testkit.WriteSafetensors(t, filepath.Join(dir, "model.safetensors"), tensors)
	var config map[string]any
	if err := json.Unmarshal(testkit.Read(t, "golden/qwen3moe-top2/config.json"), &config); err != nil {
		t.Fatal(err)
	}
	config["quantization_config"] = map[string]any{"quant_method": "gptq", "bits": 4, "group_size": 32, "sym": false, "desc_act": actOrder}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}
