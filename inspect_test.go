package qwenvk_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/loader/gguf"
	"github.com/qwenvk/qwenvk/quant"
)

// plannedShape is a published model of which no weights are needed to plan it. The sums below are written out from the
// papers' layers, not taken from package model.
type plannedShape struct {
	name, modelType             string
	layers, hidden              int64
	heads, kvHeads, dim         int64
	feedForward                 int64 // of dense layers
	experts, used, expert, both int64 // both: width of the expert that all tokens use
	vocab                       int64
	tied                        bool
	context                     int64
	params                      int64 // as the model's page on the hub counts them, a tied embedding once; 0: it does not say
}

func plannedShapes() []plannedShape {
	const qwen3, qwen2 = "qwen3", "qwen2"
	return []plannedShape{
		{"Qwen3-0.6B", qwen3, 28, 1024, 16, 8, 128, 3072, 0, 0, 0, 0, 151936, true, 40960, 596_049_920},
		{"Qwen3-1.7B", qwen3, 28, 2048, 16, 8, 128, 6144, 0, 0, 0, 0, 151936, true, 40960, 1_720_574_976},
		{"Qwen3-4B", qwen3, 36, 2560, 32, 8, 128, 9728, 0, 0, 0, 0, 151936, true, 40960, 4_022_468_096},
		{"Qwen3-8B", qwen3, 36, 4096, 32, 8, 128, 12288, 0, 0, 0, 0, 151936, false, 40960, 8_190_735_360},
		{"Qwen3-14B", qwen3, 40, 5120, 40, 8, 128, 17408, 0, 0, 0, 0, 151936, false, 40960, 14_768_307_200},
		{"Qwen3-32B", qwen3, 64, 5120, 64, 8, 128, 25600, 0, 0, 0, 0, 151936, false, 40960, 32_762_123_264},
		{"Qwen3-30B-A3B", "qwen3_moe", 48, 2048, 32, 4, 128, 6144, 128, 8, 768, 0, 151936, false, 40960, 30_532_122_624},
		{"Qwen3-235B-A22B", "qwen3_moe", 94, 4096, 64, 4, 128, 12288, 128, 8, 1536, 0, 151936, false, 40960, 235_093_634_560},
		{"Qwen2.5-72B", qwen2, 80, 8192, 64, 8, 128, 29568, 0, 0, 0, 0, 152064, false, 131072, 72_706_203_648},
		{"Qwen2-57B-A14B", "qwen2_moe", 28, 3584, 28, 4, 128, 18944, 64, 8, 2560, 20480, 151936, false, 131072, 0},
	}
}

func (s plannedShape) sparse() bool { return s.experts > 0 }

// linear is the number of weights of linear layers of which so many experts count.
func (s plannedShape) linear(experts int64) int64 {
	attention := s.heads*s.dim*s.hidden*2 + 2*s.kvHeads*s.dim*s.hidden // q and output, k and v
	ffn := 3 * s.hidden * s.feedForward
	if s.sparse() {
		ffn = experts*3*s.hidden*s.expert + 3*s.hidden*s.both
	}
	return s.layers * (attention + ffn)
}

// routers is the number of weights that choose experts and open the shared one; they stay as they are stored.
func (s plannedShape) routers() int64 {
	if !s.sparse() {
		return 0
	}
	n := s.layers * s.experts * s.hidden
	if s.both > 0 {
		n += s.layers * s.hidden
	}
	return n
}

// vectors is the number of norm weights and biases.
func (s plannedShape) vectors() int64 {
	n := 2 * s.hidden // in front of attention and feed-forward
	if s.modelType == "qwen2" || s.modelType == "qwen2_moe" {
		n += (s.heads + 2*s.kvHeads) * s.dim
	} else {
		n += 2 * s.dim // of a query's and a key's head
	}
	return s.layers*n + s.hidden
}

// tables is the number of weights of embedding and output head.
func (s plannedShape) tables() int64 {
	if s.tied {
		return s.vocab * s.hidden
	}
	return 2 * s.vocab * s.hidden
}

// outline writes the folder of a model that has a config.json and nothing else.
func (s plannedShape) outline(t *testing.T) string {
	t.Helper()
	config := map[string]any{
		"model_type": s.modelType, "hidden_act": "silu", "torch_dtype": "bfloat16", "rms_norm_eps": 1e-6, "rope_theta": 1e6,
		"num_hidden_layers": s.layers, "hidden_size": s.hidden, "intermediate_size": s.feedForward, "vocab_size": s.vocab,
		"num_attention_heads": s.heads, "num_key_value_heads": s.kvHeads, "max_position_embeddings": s.context,
		"tie_word_embeddings": s.tied, "bos_token_id": 151643, "eos_token_id": 151645,
	}
	if s.modelType == "qwen3" || s.modelType == "qwen3_moe" {
		config["head_dim"] = s.dim
	}
	if s.sparse() {
		config["num_experts"], config["num_experts_per_tok"], config["moe_intermediate_size"] = s.experts, s.used, s.expert
		config["decoder_sparse_step"], config["shared_expert_intermediate_size"] = 1, s.both
	}
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestInspectPublished plans published models from their configurations alone and compares with arithmetic.
func TestInspectPublished(t *testing.T) {
	for _, s := range plannedShapes() {
		t.Run(s.name, func(t *testing.T) {
			dir := s.outline(t)
			params := s.tables() + s.linear(s.experts) + s.routers() + s.vectors()
			if s.params != 0 && params != s.params {
				t.Fatalf("the test's own sum is %d parameters, the hub says %d", params, s.params)
			}
			active := params - s.linear(s.experts) + s.linear(s.used)
			head := s.vocab * s.hidden
			for _, q := range []struct {
				quant                string
				blockBytes, elements int64 // of linear layers
			}{{"", 2, 1}, {"int8", 34, 32}, {"int4", 18, 32}} {
				i, err := qwenvk.Inspect(dir, qwenvk.LoadOptions{Quant: q.quant})
				if err != nil {
					t.Fatal(err)
				}
				got := i.Info
				if got.Outline != "bf16" || got.Params != params || got.ActiveParams != active {
					t.Errorf("%q: %d parameters, %d active, want %d and %d (%s)", q.quant, got.Params, got.ActiveParams, params, active, got.Outline)
				}
				weights := 2*(s.tables()+s.routers()) + 4*s.vectors() + s.linear(s.experts)/q.elements*q.blockBytes
				if got.WeightBytes != weights {
					t.Errorf("%q: %d bytes of weights, want %d", q.quant, got.WeightBytes, weights)
				}
				// A token reads one row of the embedding, and everything else that is active.
				read := 2*(s.hidden+head+s.routers()) + 4*s.vectors() + s.linear(s.used)/q.elements*q.blockBytes
				if got.BytesPerToken != read {
					t.Errorf("%q: %d bytes per token, want %d", q.quant, got.BytesPerToken, read)
				}
				if flops := 2 * (head + s.routers() + s.linear(s.used)); got.FLOPsPerToken != flops {
					t.Errorf("%q: %d FLOPs per token, want %d", q.quant, got.FLOPsPerToken, flops)
				}
				if flops := 4 * s.layers * s.heads * s.dim; got.AttentionFLOPs != flops {
					t.Errorf("%q: %d FLOPs per token of context, want %d", q.quant, got.AttentionFLOPs, flops)
				}
				s.checkFits(t, i, weights)
			}
		})
	}
}

// checkFits compares the longest contexts: what weights and 256 MiB of scratch leave, in pages of 32 tokens.
func (s plannedShape) checkFits(t *testing.T, i *qwenvk.Inspection, weights int64) {
	t.Helper()
	elements := 2 * s.layers * s.kvHeads * s.dim
	for kv, perToken := range map[string]int64{"f32": 4 * elements, "f16": 2 * elements, "q8_0": elements * 34 / 32, "q4_0": elements * 18 / 32} {
		if got := i.Info.KVBytesPerToken[kv]; got != perToken {
			t.Errorf("%d bytes of %s cache per token, want %d", got, kv, perToken)
		}
		for _, gib := range []uint64{4, 6, 8, 12, 16, 24, 32, 48, 80, 96, 141} {
			want := (int64(gib<<30) - weights - 256<<20) / (32 * perToken) * 32
			if want < 256 {
				want = 0
			}
			want = min(want, s.context)
			if got := i.Fits(gib << 30)[0]; int64(got.Context[kv]) != want || got.MemoryBytes != gib<<30 {
				t.Errorf("%d GiB: %d tokens with a cache of %s, want %d", gib, got.Context[kv], kv, want)
			}
		}
	}
}

// TestInspectStretched: contexts that fit go up to the stretched one.
func TestInspectStretched(t *testing.T) {
	s := plannedShapes()[0]
	i, err := qwenvk.Inspect(s.outline(t), qwenvk.LoadOptions{RoPEScaling: "yarn", RoPEFactor: 4})
	if err != nil {
		t.Fatal(err)
	}
	if got := i.Fits(141 << 30)[0].Context["f16"]; got != int(4*s.context) || i.Info.TrainedContext != got {
		t.Errorf("%d tokens fit, %d are trained, want %d", got, i.Info.TrainedContext, 4*s.context)
	}
	adapters, err := qwenvk.Inspect(s.outline(t), qwenvk.LoadOptions{Adapters: []qwenvk.AdapterFile{{Path: "nowhere"}}})
	if err == nil {
		t.Errorf("an adapter that is not there was read: %v", adapters.Adapters)
	}
}

// TestInspectSparseFile reads a GGUF file of Qwen3-8B's true shape, of 5 GB that are never written.
func TestInspectSparseFile(t *testing.T) {
	s := plannedShapes()[3]
	var tensors []gguf.TensorInfo
	bytes, counts, device := map[string]int64{}, map[string]int{}, int64(0)
	add := func(name string, typ quant.Type, shape ...int) {
		number, ok := gguf.TypeNamed(typ.String())
		if !ok {
			t.Fatalf("there is no type %v", typ)
		}
		tensors = append(tensors, gguf.TensorInfo{Name: name, Type: number, Shape: shape})
		rows, cols := 1, shape[len(shape)-1]
		if len(shape) > 1 {
			rows = shape[0]
		}
		bytes[typ.String()] += int64(rows) * int64(cols) / int64(typ.BlockSize()) * int64(typ.BlockBytes())
		counts[typ.String()]++
		device += int64(rows) * int64(quant.LayoutOf(typ).RowBytes(cols))
	}
	h, q, kv, ffn := int(s.hidden), int(s.heads*s.dim), int(s.kvHeads*s.dim), int(s.feedForward)
	add("token_embd.weight", quant.Q4_K, int(s.vocab), h)
	add("output.weight", quant.Q6_K, int(s.vocab), h)
	add("output_norm.weight", quant.F32, h)
	for l := range int(s.layers) {
		layer := func(part string, typ quant.Type, shape ...int) {
			add(testLayerName(l, part), typ, shape...)
		}
		layer("attn_norm", quant.F32, h)
		layer("ffn_norm", quant.F32, h)
		layer("attn_q_norm", quant.F32, int(s.dim))
		layer("attn_k_norm", quant.F32, int(s.dim))
		layer("attn_q", quant.Q4_K, q, h)
		layer("attn_k", quant.Q4_K, kv, h)
		layer("attn_v", quant.Q6_K, kv, h)
		layer("attn_output", quant.Q4_K, h, q)
		layer("ffn_gate", quant.Q4_K, ffn, h)
		layer("ffn_up", quant.Q4_K, ffn, h)
		layer("ffn_down", quant.Q6_K, h, ffn)
	}
	i, err := qwenvk.Inspect(writeSparse(t, s, tensors), qwenvk.LoadOptions{})
	if err != nil {
		t.Fatal(err)
	}
	got := i.Info
	if got.Params != s.params || got.ActiveParams != s.params || got.WeightBytes != device || got.Type != "Q4_K" || got.Outline != "" {
		t.Errorf("%d parameters, %d active, %d bytes on the device, mostly %s %s; want %d, all, %d, Q4_K", got.Params, got.ActiveParams, got.WeightBytes, got.Type, got.Outline, s.params, device)
	}
	var all int64
	for typ, n := range bytes {
		all += n
		if got.TensorBytes[typ] != n || got.TensorTypes[typ] != counts[typ] {
			t.Errorf("%s: %d tensors of %d bytes, want %d of %d", typ, got.TensorTypes[typ], got.TensorBytes[typ], counts[typ], n)
		}
	}
	if got.FileBytes != all || len(got.TensorTypes) != 3 {
		t.Errorf("%d bytes in %d types, want %d in 3", got.FileBytes, len(got.TensorTypes), all)
	}
	s.checkFits(t, i, device)
}

func testLayerName(l int, part string) string { return fmt.Sprintf("blk.%d.%s.weight", l, part) }

// writeSparse writes a GGUF file whose tensors are holes.
func writeSparse(t *testing.T, s plannedShape, tensors []gguf.TensorInfo) string {
	t.Helper()
	meta := []gguf.KeyValue{
		{Key: "general.architecture", Value: gguf.NewText("qwen3")},
		{Key: "qwen3.attention.layer_norm_rms_epsilon", Value: gguf.NewFloat32(1e-6)},
		{Key: "qwen3.rope.freq_base", Value: gguf.NewFloat32(1e6)},
	}
	for _, c := range []struct {
		key string
		n   int64
	}{
		{"block_count", s.layers},
		{"context_length", s.context},
		{"embedding_length", s.hidden},
		{"feed_forward_length", s.feedForward},
		{"attention.head_count", s.heads},
		{"attention.head_count_kv", s.kvHeads},
		{"attention.key_length", s.dim},
		{"attention.value_length", s.dim},
	} {
		meta = append(meta, gguf.KeyValue{Key: "qwen3." + c.key, Value: gguf.NewUint32(uint32(c.n))})
	}
	layout, err := gguf.NewLayout(meta, tensors)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "sparse.gguf")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.Write(layout.Header); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(layout.Size); err != nil {
		t.Fatal(err)
	}
	return path
}
