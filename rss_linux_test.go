package qwenvk

import (
	"encoding/binary"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/vk"
)

// TestLoadMemory loads a model of 688 MiB through the staging ring: the host's anonymous memory may grow by what the
// device's memory takes (on a software device that is host memory) and 256 MiB, never by the size of the file.
func TestLoadMemory(t *testing.T) {
	path, size := sparseModel(t)
	rt := openTest(t, Options{}, &vk.Mask{MaxTier: vk.AllTiers, ForceStaging: true})
	before := testkit.AnonymousBytes(t)
	var peak int64
	steps := 0
	m := loadTest(t, rt, path, LoadOptions{WeightsOnly: true, Context: 64, Quant: "int4", Progress: func(p Progress) {
		peak = max(peak, testkit.AnonymousBytes(t)-before)
		if steps++; p.Done < 0 || p.Done > p.Total {
			t.Errorf("%d of %d bytes are done", p.Done, p.Total)
		}
	}})
	device := int64(rt.device().Memory().Allocated)
	t.Logf("file %d MiB, device memory %d MiB, anonymous memory grew by %d MiB, %d progress calls", size>>20, device>>20, peak>>20, steps)
	if limit := device + 256<<20; peak > limit {
		t.Errorf("anonymous memory grew by %d MiB, accept %d MiB", peak>>20, limit>>20)
	}
	if steps < 10 {
		t.Errorf("progress was reported %d times", steps)
	}
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	for _, v := range logitsBehind(t, s, []int32{1, 2, 3}, LogitsOptions{}) {
		if v != 0 {
			t.Fatalf("a model of zeros computes a logit of %v", v)
		}
	}
}

// sparseModel writes a Qwen3 of zeros in F32: the file has a size and takes no space. As INT4 it is a fraction of that on
// the device, so that a copy of the file in memory would show.
func sparseModel(t *testing.T) (dir string, size int64) {
	t.Helper()
	const vocab, hidden, ffn, layers, heads, headDim = 8192, 2048, 6144, 3, 16, 128
	shapes := map[string][]int{
		"model.embed_tokens.weight": {vocab, hidden},
		"model.norm.weight":         {hidden},
	}
	for l := range layers {
		p := fmt.Sprintf("model.layers.%d.", l)
		for name, shape := range map[string][]int{
			"input_layernorm": {hidden}, "post_attention_layernorm": {hidden},
			"self_attn.q_norm": {headDim}, "self_attn.k_norm": {headDim},
			"self_attn.q_proj": {heads * headDim, hidden}, "self_attn.k_proj": {heads * headDim, hidden},
			"self_attn.v_proj": {heads * headDim, hidden}, "self_attn.o_proj": {hidden, heads * headDim},
			"mlp.gate_proj": {ffn, hidden}, "mlp.up_proj": {ffn, hidden}, "mlp.down_proj": {hidden, ffn},
		} {
			shapes[p+name+".weight"] = shape
		}
	}
	header := map[string]any{}
	for name, shape := range shapes {
		n := int64(4)
		for _, d := range shape {
			n *= int64(d)
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int64{size, size + n}}
		size += n
	}
	head, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	dir = t.TempDir()
	f, err := os.Create(filepath.Join(dir, "model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(head))), head...)); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(8 + int64(len(head)) + size); err != nil {
		t.Fatal(err)
	}
	config := strings.NewReplacer("VOCAB", fmt.Sprint(vocab), "HIDDEN", fmt.Sprint(hidden), "FFN", fmt.Sprint(ffn),
		"LAYERS", fmt.Sprint(layers), "HEADS", fmt.Sprint(heads), "DIM", fmt.Sprint(headDim)).Replace(`{
		"architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3", "vocab_size": VOCAB, "hidden_size": HIDDEN,
		"intermediate_size": FFN, "num_hidden_layers": LAYERS, "num_attention_heads": HEADS, "num_key_value_heads": HEADS,
		"head_dim": DIM, "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
		"tie_word_embeddings": true, "torch_dtype": "float32", "attention_bias": false}`)
	if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir, size
}
