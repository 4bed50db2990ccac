package vkexec

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/half"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// masks are the devices that groups 0 and 1 must run on, made of the one at hand.
var masks = map[string]vk.Mask{
	"tier0":       {MaxTier: 0},
	"tier1":       {MaxTier: 1},
	"vulkan11":    {MaxTier: 1, Vulkan11Only: true},
	"noSubgroups": {MaxTier: 1, NoSubgroups: true},
}

// compareWithOracle runs prompts and single tokens through the device and through cpuexec, with the very same weights
// and the cache rounded alike, and compares all logits.
func compareWithOracle(t *testing.T, path string, mo model.Options, mask vk.Mask, o Options) {
	t.Helper()
	compareWithWeights(t, path, mo, mask, o, nil)
}

// compareWithWeights is compareWithOracle with weights that the oracle does not read from the files; nil: it does.
func compareWithWeights(t *testing.T, path string, mo model.Options, mask vk.Mask, o Options, weights cpuexec.Weights) {
	t.Helper()
	c, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := model.New(c, mo)
	if err != nil {
		t.Fatal(err)
	}
	compareModel(t, c, m, mask, o, weights)
}

// compareModel is compareWithWeights for a model that is built already.
func compareModel(t *testing.T, c *loader.Checkpoint, m *model.Model, mask vk.Mask, o Options, weights cpuexec.Weights) {
	t.Helper()
	compareWithin(t, c, m, mask, o, weights, 0)
}

// compareWithin is compareModel with a limit that is least at least.
func compareWithin(t *testing.T, c *loader.Checkpoint, m *model.Model, mask vk.Mask, o Options, weights cpuexec.Weights, least float64) {
	t.Helper()
	tensor := func(name string) (quant.Source, error) {
		w, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("no tensor %s", name)
		}
		return w.Source(), nil
	}
	e, err := New(context.Background(), vktest.Open(t, mask), m.Graph, tensor, o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if weights == nil {
		weights = cpuexec.Stored(tensor)
	}
	oracle := cpuexec.New(m.Graph, weights)
	oracle.KVRound = quant.CacheRounding(string(e.kv.kind))
	unrounded := cpuexec.New(m.Graph, weights)
	poison(t, e, true)
	mapPages(e)
	plain := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: true})
	start := 0
	for _, n := range []int{33, 1, 5} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32((start+i)*37+11) % 256
		}
		want, err := oracle.Run(plain, cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: n, Start: start}}})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, n*e.Vocab())
		r := run(t, e, ids, start, TailAllLogits)
		if err := e.Logits(context.Background(), r, 0, got); err != nil {
			t.Fatal(err)
		}
		what, limit := fmt.Sprintf("%d tokens behind %d", n, start), max(least, cacheLimit(o.KV))
		if o.KV == "q8_0" || o.KV == "q4_0" {
			free, err := unrounded.Run(plain, cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: n, Start: start}}})
			if err != nil {
				t.Fatal(err)
			}
			limit = max(limit, blockShare*rmsOf(widened(free.Logits), want.Logits))
		}
		compareTo(t, what, got, want.Logits, limit)
		start += n
	}
}

// cacheLimit is the f32 row of the goldens' tolerances, or where keys and values are rounded to f16 that row: a value
// that lies on the border between two f16 numbers may fall on either side.
func cacheLimit(kv KVType) float64 {
	if kv == "f32" {
		return 5e-5
	}
	return 1.5e-3
}

// blockShare bounds what a cache of blocks differs from the oracle with the same rounding, as a share of what that rounding
// changes at all. An element off by δ quanta falls to the other side of a border with the probability 2δ, and is then off
// by a whole quantum where rounding itself leaves 0.29 rms: √(2δ)/0.29 of it. In the first layer δ is float32's, some 1e-4
// quanta, which makes 5 %. A second layer sees keys that the first's flips moved: 5 % of 1 % of a value, 0.02 quanta of
// q8_0, or of 10 % of one, 0.01 of q4_0, which makes 50 %; were all rounding of both layers unlike, it would be 140 %.
const blockShare = 0.7

// compareRows holds logits to cacheLimit.
func compareRows(t *testing.T, what string, got []float32, want [][]float64, kv KVType) {
	t.Helper()
	compareTo(t, what, got, want, cacheLimit(kv))
}

func compareTo(t *testing.T, what string, got []float32, want [][]float64, limit float64) {
	t.Helper()
	rms := rmsOf(got, want)
	t.Logf("%s: rms %.2g, accept %.2g", what, rms, limit)
	if !(rms <= limit) {
		t.Errorf("%s: rms difference %.2g of the logits' spread, accept %.2g", what, rms, limit)
	}
}

// rmsOf is the rms of the differences, relative to the spread of want.
func rmsOf(got []float32, want [][]float64) float64 {
	var diff, sum, square float64
	for i, row := range want {
		for j, w := range row {
			d := float64(got[i*len(row)+j]) - w
			diff += d * d
			sum += w
			square += w * w
		}
	}
	n := float64(len(got))
	return math.Sqrt(diff / n / (square/n - sum/n*sum/n))
}

// widened lays rows out one behind another, in the device's type.
func widened(rows [][]float64) []float32 {
	var x []float32
	for _, row := range rows {
		for _, v := range row {
			x = append(x, float32(v))
		}
	}
	return x
}

func TestOracleStores(t *testing.T) {
	path := testkit.Path(t, "golden/qwen3-dense-tied")
	stores := map[string]model.Options{}
	for name, typ := range map[string]quant.Type{"f32": quant.F32, "f16": quant.F16, "bf16": quant.BF16} {
		stores[name] = model.Options{Store: &typ}
	}
	for _, bits := range []int{8, 4} {
		for _, group := range []int{32, 128} {
			for _, zero := range []bool{false, true} {
				s := quant.Scheme{Bits: bits, Group: group, Zero: zero}
				stores[s.Layout().Name()] = model.Options{Quantise: s}
			}
		}
	}
	for name, mo := range stores {
		for mask, m := range masks {
			// Every type runs in both tiers; what the other devices change is the same for all types.
			if mask != "tier0" && mask != "tier1" && name != "bf16" && name != "q4g32" || testing.Short() && mask != "tier1" {
				continue
			}
			t.Run(name+"/"+mask, func(t *testing.T) {
				compareWithOracle(t, path, mo, m, Options{Context: 64, KV: "f32"})
			})
		}
		if testing.Short() {
			continue
		}
		t.Run(name+"/fused", func(t *testing.T) {
			compareWithOracle(t, path, mo, unmasked, Options{Context: 64, KV: "f16", FuseNorm: true, Splits: 2})
		})
	}
}

func TestOracleGGUF(t *testing.T) {
	for _, name := range []string{"Q8_0", "Q4_0", "Q4_1", "Q2_K", "Q4_K_M"} { // a file of each form of scales; Q2_K has Q3_K and Q6_K too
		path := testkit.Path(t, "golden/gguf-quants/"+name+".gguf")
		for mask, m := range masks {
			if mask != "tier0" && mask != "tier1" || testing.Short() && mask != "tier1" {
				continue
			}
			t.Run(name+"/"+mask, func(t *testing.T) {
				compareWithOracle(t, path, model.Options{}, m, Options{Context: 64, KV: "f32", FuseNorm: mask == "tier1"})
			})
		}
	}
}

// TestOracleRealWeights runs a model with what published Qwen weights have and random ones lack: residual channels of
// 1e5, key components of 300, and gate·up products of 1e6, all beyond half precision's comfort.
func TestOracleRealWeights(t *testing.T) {
	path := realisticModel(t)
	for mask, m := range masks {
		for _, kv := range KVTypes() {
			t.Run(fmt.Sprintf("%s/kv-%s", mask, kv), func(t *testing.T) {
				compareWithOracle(t, path, model.Options{}, m, Options{Context: 64, KV: kv})
			})
		}
		t.Run(mask+"/int8", func(t *testing.T) {
			scheme := quant.Scheme{Bits: 8, Group: 32}
			compareWithOracle(t, path, model.Options{Quantise: scheme}, m, Options{Context: 64, KV: "f32", FuseNorm: true})
		})
	}
}

// shape is the configuration of a model that a test writes.
type shape struct {
	vocab, hidden, layers, heads, kvHeads, headDim, ffn int
	tied                                                bool

	arch   string // model_type; "": qwen3
	window int    // positions that all layers but the first see; 0: all of them

	bias string // modules whose name contains it have a bias; "": none has
}

func (s shape) String() string {
	return fmt.Sprintf("%sv%d-h%d-l%d-%dx%dx%d-f%d-tied=%v%s", s.arch, s.vocab, s.hidden, s.layers, s.heads, s.kvHeads, s.headDim, s.ffn, s.tied, s.bias) + map[bool]string{true: fmt.Sprintf("-w%d", s.window)}[s.window > 0]
}

// TestOracleShapes runs shapes that no published model has, and ratios of heads that some have.
func TestOracleShapes(t *testing.T) {
	for _, s := range []shape{
		{vocab: 317, hidden: 64, layers: 1, heads: 5, kvHeads: 1, headDim: 32, ffn: 96, tied: true},
		{vocab: 257, hidden: 96, layers: 2, heads: 4, kvHeads: 4, headDim: 8, ffn: 32},
		{vocab: 1000, hidden: 160, layers: 1, heads: 7, kvHeads: 1, headDim: 96, ffn: 416, tied: true},
		{vocab: 300, hidden: 32, layers: 1, heads: 2, kvHeads: 1, headDim: 256, ffn: 64},
		{vocab: 290, hidden: 128, layers: 2, heads: 16, kvHeads: 2, headDim: 80, ffn: 224},
	} {
		path := writeModel(t, s, func(rng *rand.Rand, name string, x []float32) {
			std := 0.15
			if strings.Contains(name, "norm") {
				std = 0.3
			}
			for i := range x {
				x[i] = float32(rng.NormFloat64() * std)
				if strings.Contains(name, "norm") {
					x[i]++
				}
			}
		})
		for mask, m := range masks {
			if mask != "tier0" && mask != "tier1" || testing.Short() && mask != "tier1" {
				continue
			}
			t.Run(s.String()+"/"+mask, func(t *testing.T) {
				compareWithOracle(t, path, model.Options{}, m, Options{Context: 64, KV: "f32", FuseNorm: mask == "tier1", Splits: 2})
			})
			for _, kv := range []KVType{"q8_0", "q4_0"} { // heads of one block, less than one, and several with a short last one
				t.Run(s.String()+"/"+mask+"/kv-"+string(kv), func(t *testing.T) {
					compareWithOracle(t, path, model.Options{}, m, Options{Context: 64, KV: kv, Splits: 2})
				})
			}
		}
	}
}

// realisticModel writes a small Qwen3 in BF16 whose activations reach the magnitudes that TestOracleRealWeights names.
func realisticModel(t *testing.T) string {
	t.Helper()
	s := shape{vocab: 256, hidden: 128, layers: 2, heads: 4, kvHeads: 2, headDim: 32, ffn: 192}
	outlier := func(channel int) bool { return channel == 5 || channel == 77 }
	return writeModel(t, s, func(rng *rand.Rand, name string, x []float32) {
		std := 0.1
		switch {
		case strings.Contains(name, "embed_tokens"):
			std = 1
		case strings.Contains(name, "gate_proj"), strings.Contains(name, "up_proj"):
			std = 100
		case strings.Contains(name, "down_proj"):
			std = 1e-7
		}
		for i := range x {
			x[i] = float32(rng.NormFloat64() * std)
		}
		switch {
		case strings.Contains(name, "embed_tokens"):
			for i := range x {
				if outlier(i % s.hidden) {
					x[i] *= 1e5
				}
			}
		case strings.Contains(name, "q_norm"), strings.Contains(name, "k_norm"):
			for i := range x {
				x[i]++
			}
			x[3] = 0.01
			if strings.Contains(name, "k_norm") {
				x[3] = 300
			}
		case strings.Contains(name, "norm"):
			// A norm divides by the outliers; the weights of the other channels make up for it.
			for i := range x {
				x[i] = 8000
				if outlier(i) {
					x[i] = 0.05
				}
			}
		}
	})
}

// writeModel writes a Qwen2 or Qwen3 folder in BF16; fill makes each tensor from a random source that is the same every time.
func writeModel(t *testing.T, s shape, fill func(rng *rand.Rand, name string, x []float32)) string {
	t.Helper()
	shapes := map[string][]int{"model.embed_tokens.weight": {s.vocab, s.hidden}, "model.norm.weight": {s.hidden}}
	if !s.tied {
		shapes["lm_head.weight"] = []int{s.vocab, s.hidden}
	}
	q, kv := s.heads*s.headDim, s.kvHeads*s.headDim
	for l := range s.layers {
		for name, sizes := range map[string][]int{
			"input_layernorm": {s.hidden}, "post_attention_layernorm": {s.hidden},
			"self_attn.q_norm": {s.headDim}, "self_attn.k_norm": {s.headDim},
			"self_attn.q_proj": {q, s.hidden}, "self_attn.k_proj": {kv, s.hidden}, "self_attn.v_proj": {kv, s.hidden},
			"self_attn.o_proj": {s.hidden, q},
			"mlp.gate_proj":    {s.ffn, s.hidden}, "mlp.up_proj": {s.ffn, s.hidden}, "mlp.down_proj": {s.hidden, s.ffn},
		} {
			if s.arch == "qwen2" && (strings.HasSuffix(name, "q_norm") || strings.HasSuffix(name, "k_norm")) {
				continue
			}
			shapes[fmt.Sprintf("model.layers.%d.%s.weight", l, name)] = sizes
			if s.bias != "" && strings.Contains(name, s.bias) && len(sizes) == 2 {
				shapes[fmt.Sprintf("model.layers.%d.%s.bias", l, name)] = sizes[:1]
			}
		}
	}
	rng := rand.New(rand.NewPCG(1, 2))
	tensors := map[string]tensorData{}
	for _, name := range slices.Sorted(maps.Keys(shapes)) {
		n := 1
		for _, d := range shapes[name] {
			n *= d
		}
		x := make([]float32, n)
		fill(rng, name, x)
		tensors[name] = tensorData{shapes[name], x}
	}
	dir := t.TempDir()
	writeSafetensors(t, filepath.Join(dir, "model.safetensors"), tensors)
	arch := cmp.Or(s.arch, "qwen3")
	config, err := json.Marshal(map[string]any{
		"architectures": []string{map[string]string{"qwen2": "Qwen2ForCausalLM", "qwen3": "Qwen3ForCausalLM"}[arch]}, "model_type": arch, "vocab_size": s.vocab, "hidden_size": s.hidden,
		"intermediate_size": s.ffn, "num_hidden_layers": s.layers, "num_attention_heads": s.heads, "num_key_value_heads": s.kvHeads,
		"head_dim": s.headDim, "max_position_embeddings": 512, "rms_norm_eps": 1e-6, "rope_theta": 1e6,
		"tie_word_embeddings": s.tied, "torch_dtype": "bfloat16", "attention_bias": s.bias != "" && strings.Contains("self_attn.q_proj", s.bias), "use_sliding_window": s.window > 0, "sliding_window": s.window, "max_window_layers": 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

type tensorData struct {
	shape  []int
	values []float32
}

// writeSafetensors writes tensors in BF16.
func writeSafetensors(t *testing.T, path string, tensors map[string]tensorData) {
	t.Helper()
	header := map[string]any{}
	var data []byte
	for name, x := range tensors {
		begin := len(data)
		for _, v := range x.values {
			data = binary.LittleEndian.AppendUint16(data, half.F32ToBF16(v))
		}
		header[name] = map[string]any{"dtype": "BF16", "shape": x.shape, "data_offsets": []int{begin, len(data)}}
	}
	head, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	file := binary.LittleEndian.AppendUint64(nil, uint64(len(head)))
	if err := os.WriteFile(path, append(append(file, head...), data...), 0o600); err != nil {
		t.Fatal(err)
	}
}
