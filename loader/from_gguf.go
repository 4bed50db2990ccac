package loader

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"

	"github.com/edsrzf/mmap-go"

	"github.com/qwenvk/qwenvk/loader/gguf"
)

// inspectGGUF makes a checkpoint of a GGUF file's bytes. Where it is the first of several files, and onDisk is set, the
// others are mapped too; the checkpoint keeps their mappings.
func inspectGGUF(path string, data []byte, onDisk bool) (_ *Checkpoint, err error) {
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, ggufError(path, err)
	}
	split, err := readSplit(f)
	if err != nil {
		return nil, corrupt(path, err)
	}
	var paths []string // of each tensor, in a model of several files
	var mapped []mmap.MMap
	defer func() {
		if err != nil {
			for i := range mapped {
				err = errors.Join(err, mapped[i].Unmap())
			}
		}
	}()
	if split.count > 1 && onDisk {
		if paths, mapped, err = joinParts(path, f, split); err != nil {
			return nil, err
		}
	}
	base := filepath.Base(path)
	name := strings.TrimSuffix(base, filepath.Ext(base))
	if stem, _, _, ok := parsePartName(base); ok {
		name = stem
	}
	c := &Checkpoint{
		format:  "gguf",
		path:    path,
		name:    name,
		tensors: make(map[string]Tensor, len(f.Tensors)),
		maps:    mapped,
		text:    texts{gguf: f},
	}
	m := metadata{file: f}
	c.arch = m.text("general.architecture")
	if name, ok := f.Lookup("general.name"); ok {
		if text, err := name.Text(); err == nil && text != "" {
			c.name = text
		}
	}
	if m.err != nil {
		return nil, corrupt(path, m.err)
	}
	if split.count > 1 && !onDisk {
		c.refuse(unsupported(path, fmt.Sprintf("it is one part of a model in %d files", split.count), "join them with \"llama-gguf-split --merge\""))
	}
	if m.optionalText("general.type") == "adapter" {
		return nil, unsupported(path, "it is a LoRA adapter, not a whole model", "give the model that it was made for, and this file as its adapter")
	}
	if len(f.Tensors) == 0 {
		c.refuse(unsupported(path, "it has no tensors, only metadata", "give the file with the weights"))
	}
	config, err := ggufConfig(c.arch, f)
	if err := c.configure(config, inFile(path, err)); err != nil {
		return nil, err
	}
	for i, t := range f.Tensors {
		if paths != nil {
			base = filepath.Base(paths[i])
		}
		rows, cols := matrix(t.Shape)
		if err := c.add(Tensor{
			Name: t.Name, FileName: t.Name, File: base,
			Type: fileTypes[t.Type.String()], TypeName: t.Type.String(),
			Rows: rows, Cols: cols, Shape: t.Shape, Data: t.Data,
		}); err != nil {
			return nil, corrupt(path, err)
		}
	}
	if err := c.splitQKV(); err != nil {
		return nil, err
	}
	if err := c.checkStacks(); err != nil {
		return nil, corrupt(path, err)
	}
	c.text.chatTemplate = m.optionalText("tokenizer.chat_template")
	c.pooling = m.pooling(c.arch)
	if m.err != nil {
		return nil, corrupt(path, m.err)
	}
	return c, nil
}

// configure keeps the configuration. For an architecture that is not known, its absence is no
// damage but a refusal.
func (c *Checkpoint) configure(config Config, err error) error {
	if !knownArchitecture(c.arch) {
		c.refuse(unsupported(c.path, fmt.Sprintf("the architecture %q is not known", c.arch), "give a language model of Qwen, from the first to Qwen3"))
	}
	var e *Error
	switch {
	case err == nil:
		c.config = config
	case errors.As(err, &e) && e.Kind == ErrUnsupportedModel:
		c.config = config
		c.refuse(e)
	case knownArchitecture(c.arch):
		return err
	}
	return nil
}

// metadata reads values and keeps the first error, so that a list of keys can be read as one.
type metadata struct {
	file *gguf.File
	err  error
}

func (m *metadata) fail(key string, err error) {
	if m.err == nil {
		m.err = fmt.Errorf("metadata key %q: %w", key, err)
	}
}

// need returns a value that must be there.
func (m *metadata) need(key string) (gguf.Value, bool) {
	v, ok := m.file.Lookup(key)
	if !ok && m.err == nil {
		m.err = fmt.Errorf("metadata %w", missingKey(key))
	}
	return v, ok
}

func (m *metadata) text(key string) string {
	v, ok := m.need(key)
	if !ok {
		return ""
	}
	s, err := v.Text()
	if err != nil {
		m.fail(key, err)
	}
	return s
}

func (m *metadata) optionalText(key string) string {
	if _, ok := m.file.Lookup(key); !ok {
		return ""
	}
	return m.text(key)
}

// size returns a whole number from 1 that an int32 holds.
func (m *metadata) size(key string) int {
	v, ok := m.need(key)
	if !ok {
		return 0
	}
	n, err := v.Uint()
	if err == nil && (n < 1 || n > math.MaxInt32) {
		err = fmt.Errorf("%d is out of range", n)
	}
	if err != nil {
		m.fail(key, err)
		return 0
	}
	return int(n)
}

// flag returns a truth value that may be absent.
func (m *metadata) flag(key string) bool {
	v, ok := m.file.Lookup(key)
	if !ok {
		return false
	}
	yes, err := v.Bool()
	if err != nil {
		m.fail(key, err)
	}
	return yes
}

func (m *metadata) optional(key string, absent int) int {
	if _, ok := m.file.Lookup(key); !ok {
		return absent
	}
	return m.size(key)
}

func (m *metadata) float(key string) float64 {
	v, ok := m.need(key)
	if !ok {
		return 0
	}
	f, err := v.Float()
	if err != nil {
		m.fail(key, err)
	}
	return f
}

func (m *metadata) optionalFloat(key string, absent float64) float64 {
	if _, ok := m.file.Lookup(key); !ok {
		return absent
	}
	return m.float(key)
}

// advised returns a number that may be absent.
func (m *metadata) advised(key string) *float64 {
	if _, ok := m.file.Lookup(key); !ok {
		return nil
	}
	f := m.float(key)
	return &f
}

// token returns a token's id, -1 if the key is absent or holds the writers' "none".
func (m *metadata) token(key string) int {
	v, ok := m.file.Lookup(key)
	if !ok {
		return -1
	}
	n, err := v.Int()
	switch {
	case err != nil:
		m.fail(key, err)
	case n == -1 || n == math.MaxUint32:
	case n < 0 || n > math.MaxInt32:
		m.fail(key, fmt.Errorf("%d is no token id", n))
	default:
		return int(n)
	}
	return -1
}

// ggufConfig reads the configuration from metadata, whose keys begin with the architecture.
func ggufConfig(arch string, f *gguf.File) (Config, error) {
	m := metadata{file: f}
	key := func(k string) string { return arch + "." + k }
	c := Config{
		Layers:        m.size(key("block_count")),
		Hidden:        m.size(key("embedding_length")),
		Intermediate:  m.size(key("feed_forward_length")),
		Heads:         m.size(key("attention.head_count")),
		ContextLength: m.size(key("context_length")),
		RMSEps:        m.float(key("attention.layer_norm_rms_epsilon")),
		RoPETheta:     m.float(key("rope.freq_base")),
		BOS:           m.token("tokenizer.ggml.bos_token_id"),
		PAD:           m.token("tokenizer.ggml.padding_token_id"),
		Generation: Generation{
			Temperature:       m.advised("general.sampling.temp"),
			TopP:              m.advised("general.sampling.top_p"),
			TopK:              m.advised("general.sampling.top_k"),
			MinP:              m.advised("general.sampling.min_p"),
			RepetitionPenalty: m.advised("general.sampling.penalty_repeat"),
		},
	}
	// The format defines both defaults: as many key-value heads as heads, and heads that
	// divide the hidden size.
	c.KVHeads = m.optional(key("attention.head_count_kv"), c.Heads)
	if c.HeadDim = m.optional(key("attention.key_length"), 0); c.HeadDim == 0 && m.err == nil {
		c.HeadDim, m.err = headDim(c.Hidden, c.Heads)
	}
	if v := m.optional(key("attention.value_length"), c.HeadDim); v != c.HeadDim && m.err == nil {
		return c, unsupported("", fmt.Sprintf("its values have heads of %d, its keys of %d", v, c.HeadDim), "")
	}
	if n := m.optional(key("rope.dimension_count"), c.HeadDim); n != c.HeadDim && m.err == nil {
		return c, unsupported("", fmt.Sprintf("it rotates %d of %d dimensions of a head", n, c.HeadDim), "")
	}
	c.RoPEScaling = m.ropeScaling(key("rope.scaling."), c.ContextLength)
	if arch == "qwen" {
		c.Intermediate /= 2
		c.AttentionBias = true
	}
	m.tensors(&c, arch)
	m.experts(&c, arch)
	c.EOS = m.ends()
	if m.err != nil {
		return c, m.err
	}
	return c, c.check()
}

// ropeScaling reads the keys that begin with prefix, as llama.cpp does: a factor without a type
// stretches evenly, attn_factor and yarn_attn_factor come on top of YaRN's own correction (Hugging
// Face's attention_factor in its place), and yarn_log_multiplier is DeepSeek's mscale_all_dim.
func (m *metadata) ropeScaling(prefix string, context int) RoPEScaling {
	kind := m.optionalText(prefix + "type")
	if _, ok := m.file.Lookup(prefix + "factor"); ok && kind == "" {
		kind = "linear"
	}
	switch {
	case kind == "" || kind == "none":
		return RoPEScaling{}
	case !knownScaling(kind):
		return RoPEScaling{Type: kind}
	}
	s := RoPEScaling{
		Type:            kind,
		Factor:          m.float(prefix + "factor"),
		OriginalContext: m.optional(prefix+"original_context_length", context),
		AttentionFactor: m.optionalFloat(prefix+"attn_factor", 1),
	}
	if kind != "yarn" {
		return s
	}
	s.BetaFast = m.optionalFloat(prefix+"yarn_beta_fast", yarnBetaFast)
	s.BetaSlow = m.optionalFloat(prefix+"yarn_beta_slow", yarnBetaSlow)
	s.AttentionFactor *= m.optionalFloat(prefix+"yarn_attn_factor", 1) * yarnAttention(s.Factor, 1)
	if all := m.optionalFloat(prefix+"yarn_log_multiplier", 0); all != 0 {
		s.AttentionFactor /= yarnAttention(s.Factor, all)
	}
	if ext := m.optionalFloat(prefix+"yarn_ext_factor", 1); ext != 1 && ext >= 0 && m.err == nil {
		m.err = unsupported("", fmt.Sprintf("its rotary scaling mixes with a yarn_ext_factor of %g", ext), "1 is what works")
	}
	return s
}

// tensors reads what only the tensors say.
func (m *metadata) tensors(c *Config, arch string) {
	c.Tied = true
	for _, t := range m.file.Tensors {
		switch t.Name {
		case "token_embd.weight":
			c.Vocab, _ = matrix(t.Shape)
		case "output.weight":
			c.Tied = false
		case "blk.0.attn_q.bias":
			c.AttentionBias = true
		}
	}
	if c.Vocab == 0 { // the embedding is missing: package model will say so, with the shape it has to have
		tokens, _ := m.file.Lookup("tokenizer.ggml.tokens")
		c.Vocab = m.optional(arch+".vocab_size", int(min(tokens.Len, math.MaxInt32)))
	}
	if c.Vocab == 0 && m.err == nil {
		m.err = errors.New("tensor \"token_embd.weight\" is missing")
	}
}

// controlToken is GGUF's type of tokens that are never text.
const controlToken = 3

// ends collects the tokens that end an answer. A GGUF file names one or two of them; Hugging
// Face's generation_config.json, which the file was made from, also lists the end of a document
// and of a turn. They are recognised by their text, as long as they are control tokens.
func (m *metadata) ends() []int {
	var ends []int
	add := func(id int) {
		if id >= 0 && !slices.Contains(ends, id) {
			ends = append(ends, id)
		}
	}
	add(m.token("tokenizer.ggml.eos_token_id"))
	add(m.token("tokenizer.ggml.eot_token_id"))
	var types []int32
	if v, ok := m.file.Lookup("tokenizer.ggml.token_type"); ok {
		types, _ = v.Int32s() // of another type: there are no control tokens
	}
	tokens, _ := m.file.Lookup("tokenizer.ggml.tokens")
	for id, text := range tokens.Each() {
		if id < len(types) && types[id] == controlToken && (string(text) == "<|im_end|>" || string(text) == "<|endoftext|>") {
			add(id)
		}
	}
	return ends
}
