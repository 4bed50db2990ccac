package convert

import (
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/gguf"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// quantizationVersion is GGML's number for the block types as they are since 2023.
const quantizationVersion = 2

// metadata collects the keys of the new file in order.
type metadata []gguf.KeyValue

func (m *metadata) add(key string, v gguf.Value) { *m = append(*m, gguf.KeyValue{Key: key, Value: v}) }

func (m *metadata) count(key string, n int) { m.add(key, gguf.NewUint32(uint32(n))) }

func (m *metadata) real(key string, f float64) { m.add(key, gguf.NewFloat32(float32(f))) }

func (m *metadata) advised(key string, f *float64) {
	if f != nil {
		m.real(key, *f)
	}
}

// metadataOf makes the metadata of the new file. That of a GGUF file is carried over but for what
// the conversion changes: type, alignment, place in a split model, traces of another quantisation.
func metadataOf(c *loader.Checkpoint, p Preset) (metadata, error) {
	var m metadata
	from := c.GGUF()
	if from == nil {
		return folderMetadata(c, p)
	}
	for _, key := range from.Keys {
		switch {
		case key == "general.file_type", key == "general.quantization_version", key == "general.alignment":
		case strings.HasPrefix(key, "split."), strings.HasPrefix(key, "quantize."):
		default:
			v, _ := from.Lookup(key)
			m.add(key, v)
		}
	}
	m.fileType(p)
	return m, nil
}

func (m *metadata) fileType(p Preset) {
	m.add("general.file_type", gguf.NewUint32(p.FileType))
	m.count("general.quantization_version", quantizationVersion)
}

// folderMetadata describes a model in Hugging Face layout with the keys that llama.cpp and package
// loader read.
func folderMetadata(c *loader.Checkpoint, p Preset) (metadata, error) {
	var m metadata
	arch, config := c.Architecture(), c.Config()
	m.add("general.architecture", gguf.NewText(arch))
	m.add("general.type", gguf.NewText("model"))
	m.add("general.name", gguf.NewText(c.Name()))
	m.sampling(config.Generation)
	key := func(k string) string { return arch + "." + k }
	m.count(key("block_count"), config.Layers)
	m.count(key("context_length"), config.ContextLength)
	m.count(key("embedding_length"), config.Hidden)
	if arch == "qwen" { // whose files count the gate as well
		m.count(key("feed_forward_length"), 2*config.Intermediate)
		m.count(key("rope.dimension_count"), config.HeadDim)
	} else {
		m.count(key("feed_forward_length"), config.Intermediate)
	}
	m.count(key("attention.head_count"), config.Heads)
	m.count(key("attention.head_count_kv"), config.KVHeads)
	m.real(key("attention.layer_norm_rms_epsilon"), config.RMSEps)
	m.real(key("rope.freq_base"), config.RoPETheta)
	if config.HeadDim*config.Heads != config.Hidden || strings.HasPrefix(arch, "qwen3") {
		m.count(key("attention.key_length"), config.HeadDim)
		m.count(key("attention.value_length"), config.HeadDim)
	}
	m.ropeScaling(key("rope.scaling."), config.RoPEScaling)
	if e := config.MoE; e != nil {
		m.count(key("expert_count"), e.Experts)
		m.count(key("expert_used_count"), e.Used)
		m.count(key("expert_feed_forward_length"), e.Intermediate)
		if e.SharedIntermediate > 0 {
			m.count(key("expert_shared_feed_forward_length"), e.SharedIntermediate)
		}
		if e.Renormalise != (arch == "qwen3moe") {
			return nil, refuse(c, fmt.Sprintf("its norm_topk_prob is %t, which a GGUF file of %s cannot say", e.Renormalise, arch))
		}
	}
	if c.Pooling() == loader.PoolLast {
		m.add(key("pooling_type"), gguf.NewUint32(ggufPoolLast))
	}
	m.fileType(p)
	return m, m.tokenizer(c, config)
}

// sampling writes what the makers recommend (generation_config.json).
func (m *metadata) sampling(g loader.Generation) {
	const key = "general.sampling."
	if g.TopK != nil && *g.TopK >= 0 && *g.TopK < 1<<31 {
		m.add(key+"top_k", gguf.NewInt32(int32(*g.TopK)))
	}
	m.advised(key+"top_p", g.TopP)
	m.advised(key+"min_p", g.MinP)
	m.advised(key+"temp", g.Temperature)
	m.advised(key+"penalty_repeat", g.RepetitionPenalty)
}

// ropeScaling writes a stretched context. GGUF's attention factor comes on top of YaRN's own,
// Hugging Face's in its place. Nothing is written for dynamic scaling, whose name llama.cpp
// refuses: see notes.
func (m *metadata) ropeScaling(key string, s loader.RoPEScaling) {
	if s.Type != "yarn" && s.Type != "linear" {
		return
	}
	m.add(key+"type", gguf.NewText(s.Type))
	m.real(key+"factor", s.Factor)
	m.count(key+"original_context_length", s.OriginalContext)
	if s.Type != "yarn" {
		return
	}
	usual := loader.NewYaRN(s.Factor, s.OriginalContext)
	if s.AttentionFactor != usual.AttentionFactor {
		m.real(key+"attn_factor", s.AttentionFactor/usual.AttentionFactor)
	}
	if s.BetaFast != usual.BetaFast || s.BetaSlow != usual.BetaSlow {
		m.real(key+"yarn_beta_fast", s.BetaFast)
		m.real(key+"yarn_beta_slow", s.BetaSlow)
	}
}

// tokenizer writes the vocabulary, padded to the rows of the embedding, the tokens' parts and the
// chat template. A part that the tokenizer's files don't name is taken from config.json.
func (m *metadata) tokenizer(c *loader.Checkpoint, config loader.Config) error {
	t, err := tokenizer.FromDir(c.Path())
	if err != nil {
		return &loader.Error{File: c.Path(), Problem: "its tokenizer cannot be read", Err: err, Kind: loader.ErrCorrupt}
	}
	g, err := t.GGUF(config.Vocab)
	if err != nil {
		return &loader.Error{File: c.Path(), Problem: "its tokenizer has no form as GGUF", Err: err, Kind: loader.ErrUnsupportedModel}
	}
	const key = "tokenizer.ggml."
	m.add(key+"model", gguf.NewText(g.Model))
	m.add(key+"pre", gguf.NewText(g.Pre))
	m.add(key+"tokens", gguf.NewTexts(g.Tokens))
	m.add(key+"token_type", gguf.NewInt32s(g.Types))
	m.add(key+"merges", gguf.NewTexts(g.Merges))
	end := -1
	if len(config.EOS) > 0 {
		end = config.EOS[0]
	}
	if ends, ok := ending(c, t); ok {
		if turn, ok := g.SpecialIDs["eos"]; ok && turn != ends {
			m.count(key+"eot_token_id", int(turn))
		}
		g.SpecialIDs["eos"] = ends
		m.add(key+"add_eos_token", gguf.NewBool(true))
	}
	for _, part := range []struct {
		name   string
		config int
	}{{"bos", config.BOS}, {"eos", end}, {"padding", config.PAD}} {
		id, ok := g.SpecialIDs[part.name]
		if !ok {
			id = int32(part.config)
		}
		if part.name == "bos" && id < 0 && c.Architecture() == "qwen" { // whose files name none; converters write this
			if end, ok := t.TokenID("<|endoftext|>"); ok {
				id = end
			}
		}
		if id >= 0 {
			m.count(key+part.name+"_token_id", int(id))
		}
	}
	m.add(key+"add_bos_token", gguf.NewBool(false))
	if text := c.ChatTemplate(); text != "" {
		m.add("tokenizer.chat_template", gguf.NewText(text))
	}
	return nil
}

// ggufPoolLast is GGUF's number for last-token pooling.
const ggufPoolLast = 3

// ending is the token that the texts of an embedding model end with. GGUF calls it eos; the end of a turn, which has that
// name in the tokenizer's files, is then called eot.
func ending(c *loader.Checkpoint, t *tokenizer.Tokenizer) (int32, bool) {
	if _, after := t.Frame(); len(after) == 1 {
		return after[0], true
	}
	if c.Pooling() != loader.PoolLast {
		return 0, false
	}
	return t.TokenID("<|endoftext|>")
}

// notes says what a reader of the new file will not find in it.
func notes(c *loader.Checkpoint, outputs []*output) []string {
	list := []string{} // not nil, which JSON calls null
	config := c.Config()
	if c.GGUF() == nil {
		if config.SlidingWindow > 0 {
			list = append(list, fmt.Sprintf("GGUF files of %s have no sliding window: beyond %d tokens all layers of the new file see everything", c.Architecture(), config.SlidingWindow))
		}
		if config.Trained > 0 {
			list = append(list, fmt.Sprintf("GGUF files of %s have neither dynamic NTK scaling nor logn attention: the new file is the model only up to %d tokens", c.Architecture(), config.Trained))
		}
		if config.RoPEScaling.Type == "dynamic" {
			list = append(list, "GGUF has no dynamic RoPE scaling: give --rope-scaling when you run the new file")
		}
	}
	if n := roundedTwice(outputs); n > 0 {
		list = append(list, fmt.Sprintf("%d tensors of the source are quantised already and are rounded once more; a 16-bit source makes a better file", n))
	}
	return list
}

// roundedTwice counts the tensors that go from blocks to other blocks.
func roundedTwice(outputs []*output) int {
	n := 0
	for _, o := range outputs {
		from := o.parts[0]
		if !o.t.Dense() && !from.Type.Dense() && from.Type != o.t {
			n++
		}
	}
	return n
}
