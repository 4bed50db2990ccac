package loader

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/quant"
)

// The first generation of Qwen (QWenLMHeadModel) has names and keys of its own, and one matrix for queries, keys and
// values. Its feed-forward is twice as wide in the files' words as it is.

// Names of the weights: Hugging Face's, without "transformer." in front, to GGUF's. w1 is multiplied by silu of w2.
var (
	firstGlobalNames = map[string]string{"wte": "token_embd", "ln_f": "output_norm"}
	firstLayerNames  = map[string]string{
		"ln_1":        "attn_norm",
		"attn.c_attn": "attn_qkv",
		"attn.c_proj": "attn_output",
		"ln_2":        "ffn_norm",
		"mlp.w1":      "ffn_up",
		"mlp.w2":      "ffn_gate",
		"mlp.c_proj":  "ffn_down",
	}
	firstLayerName = regexp.MustCompile(`^h\.(0|[1-9][0-9]{0,4})\.(.+)$`)
	joinedName     = regexp.MustCompile(`^(blk\.[0-9]+\.attn_)qkv(\.weight|\.bias)$`)
)

// firstName is canonical for the names of the first generation, of which rest is what follows "transformer.".
func firstName(name, rest string) string {
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 || rest[dot:] != ".weight" && rest[dot:] != ".bias" {
		return name
	}
	module, kind := rest[:dot], rest[dot:]
	if gguf, ok := firstGlobalNames[module]; ok {
		return gguf + kind
	}
	if m := firstLayerName.FindStringSubmatch(module); m != nil {
		if gguf, ok := firstLayerNames[m[2]]; ok {
			return "blk." + m[1] + "." + gguf + kind
		}
	}
	return name
}

// firstConfig reads the config.json of the first generation.
func firstConfig(config, generation *object) (Config, error) {
	c := Config{
		Layers:        config.size("num_hidden_layers"),
		Hidden:        config.size("hidden_size"),
		Intermediate:  config.size("intermediate_size") / 2,
		Heads:         config.size("num_attention_heads"),
		Vocab:         config.size("vocab_size"),
		ContextLength: config.size("max_position_embeddings", "seq_length"),
		RMSEps:        config.float("layer_norm_epsilon"),
		RoPETheta:     config.optionalFloat("rotary_emb_base", 10000),
		Tied:          config.bool("tie_word_embeddings"),
		AttentionBias: true,
		TorchDType:    config.text("torch_dtype"),
		Trained:       config.optional("seq_length", 0),
		DynamicNTK:    config.bool("use_dynamic_ntk"),
		LogN:          config.bool("use_logn_attn"),
		BOS:           config.token("bos_token_id"),
		PAD:           config.token("pad_token_id"),
		EOS:           config.tokens("eos_token_id"),
	}
	c.KVHeads = c.Heads
	if c.HeadDim = config.optional("kv_channels", 0); c.HeadDim == 0 && config.err == nil {
		c.HeadDim, config.err = headDim(c.Hidden, c.Heads)
	}
	turned := config.optionalFloat("rotary_pct", 1)
	unscaled := config.has("scale_attn_weights") && !config.bool("scale_attn_weights")
	if config.err != nil {
		return c, config.err
	}
	c.readGeneration(generation)
	if generation.err != nil {
		return c, fmt.Errorf("%s: %w", generationConfigFile, generation.err)
	}
	switch {
	case !c.DynamicNTK && !c.LogN:
		c.Trained = 0
	case c.Trained < 2:
		return c, errors.New("key \"seq_length\" is missing or below 2, which use_dynamic_ntk and use_logn_attn count from")
	}
	if err := c.check(); err != nil {
		return c, err
	}
	switch {
	case turned != 1:
		return c, unsupported("", fmt.Sprintf("it rotates a share of %g of each head's dimensions (rotary_pct)", turned), "1 is what works")
	case unscaled:
		return c, unsupported("", "its attention scores are not scaled (scale_attn_weights)", "true is what works")
	}
	return c, nil
}

// splitQKV puts views of queries, keys and values in place of the joint tensors of the first generation.
func (c *Checkpoint) splitQKV() error {
	if c.arch != "qwen" || c.config.Heads == 0 { // the latter where only the tensors' list can be shown
		return nil
	}
	for _, name := range slices.Clone(c.names) {
		m := joinedName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		joined := c.tensors[name]
		delete(c.tensors, name)
		c.names = slices.DeleteFunc(c.names, func(n string) bool { return n == name })
		first := 0
		for _, part := range []struct {
			name  string
			heads int
		}{{"q", c.config.Heads}, {"k", c.config.KVHeads}, {"v", c.config.KVHeads}} {
			n := part.heads * c.config.HeadDim
			t, err := joined.slice(first, n, m[2] == ".bias")
			if err != nil {
				return corrupt(c.path, err)
			}
			t.Name = m[1] + part.name + m[2]
			if err := c.add(t); err != nil {
				return corrupt(c.path, err)
			}
			first += n
		}
		whole := joined.Rows
		if m[2] == ".bias" {
			whole = joined.Cols
		}
		if first != whole {
			return corrupt(c.path, fmt.Errorf("tensor %q has shape %v, but queries, keys and values of its heads are %d", joined.FileName, joined.Shape, first))
		}
	}
	return nil
}

// slice is a view of n rows, or, of a vector, of n elements.
func (t Tensor) slice(first, n int, vector bool) (Tensor, error) {
	fail := func() (Tensor, error) {
		return t, fmt.Errorf("tensor %q has shape %v, which holds no rows %d to %d", t.FileName, t.Shape, first, first+n)
	}
	if vector {
		if t.Rows != 1 || t.Packed != nil || !quant.LayoutOf(t.Type).Dense() || first+n > t.Cols {
			return fail()
		}
		size := len(t.Data) / t.Cols // of a number: only such types fill a vector of any length
		t.Cols, t.Shape, t.Data = n, []int{n}, t.Data[first*size:(first+n)*size]
		return t, nil
	}
	if len(t.Shape) != 2 || first+n > t.Rows {
		return fail()
	}
	whole := t.Rows
	t.Rows, t.Shape = n, []int{n, t.Cols}
	if t.Packed != nil {
		t.Packed = rowsOf{t.Packed, first, n}
		t.PackedBytes = t.PackedBytes * int64(n) / int64(whole)
		return t, nil
	}
	row := len(t.Data) / whole // also of a type that is only listed
	t.Data = t.Data[first*row : (first+n)*row]
	return t, nil
}

// rowsOf is the Source of n rows of another.
type rowsOf struct {
	quant.Source
	first, n int
}

func (r rowsOf) Shape() (rows, cols int) {
	_, cols = r.Source.Shape()
	return r.n, cols
}

func (r rowsOf) Planes(planes [][]byte, l quant.Layout, first, n int) error {
	if err := r.check(first, n); err != nil {
		return err
	}
	return r.Source.Planes(planes, l, r.first+first, n)
}

func (r rowsOf) Values(dst []float32, first, n int) error {
	if err := r.check(first, n); err != nil {
		return err
	}
	return r.Source.Values(dst, r.first+first, n)
}

func (r rowsOf) check(first, n int) error {
	if first < 0 || n < 0 || first > r.n || n > r.n-first {
		return fmt.Errorf("rows %d to %d are not in a matrix of %d rows", first, first+n, r.n)
	}
	return nil
}
