package loader

import (
	"fmt"
	"hash/fnv"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/quant"
)

// shape is what the config.json of a published model says of its sizes.
type shape struct {
	name                        string
	hidden, layers, heads, kv   int
	intermediate, vocab         int
	tied                        bool
	experts, used, expertsWidth int // 0: dense
}

// shapes are those of the published Qwen3 models, and small ones for software devices and tests. All have
// heads of 128, a rotary base of 1e6, an epsilon of 1e-6 and a context of 40960.
var shapes = []shape{
	{"qwen3-0.6b", 1024, 28, 16, 8, 3072, 151936, true, 0, 0, 0},
	{"qwen3-1.7b", 2048, 28, 16, 8, 6144, 151936, true, 0, 0, 0},
	{"qwen3-4b", 2560, 36, 32, 8, 9728, 151936, true, 0, 0, 0},
	{"qwen3-8b", 4096, 36, 32, 8, 12288, 151936, false, 0, 0, 0},
	{"qwen3-14b", 5120, 40, 40, 8, 17408, 151936, false, 0, 0, 0},
	{"qwen3-32b", 5120, 64, 64, 8, 25600, 151936, false, 0, 0, 0},
	{"qwen3-30b-a3b", 2048, 48, 32, 4, 6144, 151936, false, 128, 8, 768},
	{"qwen3-235b-a22b", 4096, 94, 64, 4, 12288, 151936, false, 128, 8, 1536},
	{"qwen3-bench-s", 1024, 8, 16, 8, 3072, 8192, true, 0, 0, 0},
	{"qwen3-bench-moe", 1024, 8, 16, 4, 3072, 8192, true, 32, 4, 512},
	{"qwen3-bench-xs", 256, 2, 4, 2, 512, 1024, true, 0, 0, 0},
	{"qwen3-bench-moe-xs", 256, 2, 4, 2, 512, 1024, true, 8, 2, 256},
}

// RandomShapes names what [Random] can make.
func RandomShapes() []string {
	names := make([]string, len(shapes))
	for i, s := range shapes {
		names[i] = s.name
	}
	return names
}

// TypeChoice tells the type that a tensor of a canonical name has in a file, or the stack of experts that it belongs to
// ("blk.0.ffn_up_exps.weight"). dims is 1 for a vector.
type TypeChoice func(arch string, config Config, name string, dims, cols int) quant.Type

// Random makes a checkpoint in the shape of a published model without a file: random matrices of the types that choose
// tells, norms of ones. The shape's name may lack "qwen3-". There is no tokenizer. It is for measuring speed, memory and
// drivers; its tensors are [quant.Random], which devices make themselves. The error is of kind [ErrNotFound].
func Random(name string, choose TypeChoice) (*Checkpoint, error) {
	i := slices.IndexFunc(shapes, func(s shape) bool {
		return strings.EqualFold(s.name, name) || strings.EqualFold(s.name, "qwen3-"+name)
	})
	if i < 0 {
		return nil, &Error{File: name, Problem: "there is no shape of that name", Advice: "use one of " + strings.Join(RandomShapes(), ", "), Kind: ErrNotFound}
	}
	s := shapes[i]
	c := &Checkpoint{format: "random", path: s.name, name: s.name + " random", arch: "qwen3", tensors: map[string]Tensor{}, config: s.config()}
	if c.config.MoE != nil {
		c.arch = "qwen3moe"
	}
	b := randomBuilder{c: c, choose: choose}
	b.model(s)
	return c, b.err
}

func (s shape) config() Config {
	c := Config{
		Layers: s.layers, Hidden: s.hidden, Intermediate: s.intermediate, Heads: s.heads, KVHeads: s.kv, HeadDim: 128, Vocab: s.vocab,
		ContextLength: 40960, RMSEps: 1e-6, RoPETheta: 1e6, Tied: s.tied, TorchDType: "bfloat16", BOS: -1, PAD: -1,
	}
	if s.experts > 0 {
		c.MoE = &MoE{Experts: s.experts, Used: s.used, Intermediate: s.expertsWidth, Renormalise: true, Sparse: slices.Repeat([]bool{true}, s.layers)}
	}
	return c
}

// randomBuilder adds tensors and keeps the first error.
type randomBuilder struct {
	c      *Checkpoint
	choose TypeChoice
	err    error
}

// model adds all tensors of a Qwen3.
func (b *randomBuilder) model(s shape) {
	cfg := b.c.config
	b.matrix("token_embd.weight", s.vocab, s.hidden)
	b.norm("output_norm.weight", s.hidden)
	if !s.tied {
		b.matrix("output.weight", s.vocab, s.hidden)
	}
	for l := range s.layers {
		at := func(part string) string { return fmt.Sprintf("blk.%d.%s.weight", l, part) }
		b.norm(at("attn_norm"), s.hidden)
		b.matrix(at("attn_q"), s.heads*cfg.HeadDim, s.hidden)
		b.matrix(at("attn_k"), s.kv*cfg.HeadDim, s.hidden)
		b.matrix(at("attn_v"), s.kv*cfg.HeadDim, s.hidden)
		b.norm(at("attn_q_norm"), cfg.HeadDim)
		b.norm(at("attn_k_norm"), cfg.HeadDim)
		b.matrix(at("attn_output"), s.hidden, s.heads*cfg.HeadDim)
		b.norm(at("ffn_norm"), s.hidden)
		if cfg.MoE == nil {
			b.matrix(at("ffn_gate"), s.intermediate, s.hidden)
			b.matrix(at("ffn_up"), s.intermediate, s.hidden)
			b.matrix(at("ffn_down"), s.hidden, s.intermediate)
			continue
		}
		b.matrix(at("ffn_gate_inp"), s.experts, s.hidden)
		b.experts(l, "ffn_gate", s.experts, s.expertsWidth, s.hidden)
		b.experts(l, "ffn_up", s.experts, s.expertsWidth, s.hidden)
		b.experts(l, "ffn_down", s.experts, s.hidden, s.expertsWidth)
	}
}

func (b *randomBuilder) norm(name string, n int) {
	b.add(Tensor{Name: name, TypeName: quant.F32.String(), Rows: 1, Cols: n, Shape: []int{n}, Packed: quant.Ones{Cols: n}, PackedBytes: int64(4 * n)})
}

func (b *randomBuilder) matrix(name string, rows, cols int) {
	b.random(name, b.choose(b.c.arch, b.c.config, name, 2, cols), rows, cols)
}

func (b *randomBuilder) experts(layer int, part string, experts, rows, cols int) {
	t := b.choose(b.c.arch, b.c.config, fmt.Sprintf("blk.%d.%s%s", layer, part, stackSuffix), 3, cols)
	for e := range experts {
		b.random(fmt.Sprintf("blk.%d.%s.%d.weight", layer, part, e), t, rows, cols)
	}
}

func (b *randomBuilder) random(name string, t quant.Type, rows, cols int) {
	row, err := t.RowBytes(cols)
	if err != nil {
		b.fail(fmt.Errorf("tensor %s: %w", name, err))
		return
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(name)) // never fails
	b.add(Tensor{
		Name: name, TypeName: t.String(), Rows: rows, Cols: cols, Shape: []int{rows, cols},
		Packed: quant.Random{Type: t, Rows: rows, Cols: cols, Seed: h.Sum32()}, PackedBytes: int64(rows) * int64(row),
	})
}

func (b *randomBuilder) add(t Tensor) {
	t.FileName, t.File = t.Name, b.c.name
	b.fail(b.c.add(t))
}

func (b *randomBuilder) fail(err error) {
	if b.err == nil && err != nil {
		b.err = unsupported(b.c.name, err.Error(), "choose another type")
	}
}
