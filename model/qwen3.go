package model

import (
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/graph"
)

// qwen3 declares the dense Qwen3 models, 0.6B to 32B: pre-norm blocks of grouped-query attention with normed queries
// and keys, and a SwiGLU feed-forward (Qwen3 Technical Report, 2025; transformers Qwen3ForCausalLM).
func qwen3(c *context) (*graph.Graph, error) {
	cfg := c.cfg
	if cfg.AttentionBias {
		return nil, fmt.Errorf("attention_bias is not part of this version: %w", ErrUnsupported)
	}
	if cfg.SlidingWindow > 0 {
		return nil, fmt.Errorf("sliding-window attention is not part of this version: %w", ErrUnsupported)
	}
	kv := graph.KVShape{Layers: cfg.Layers, Heads: cfg.KVHeads, HeadDim: cfg.HeadDim}
	b := graph.NewBuilder(c.checkpoint.Name(), kv, c.rope())
	c.b = b

	embedding := c.table("token_embd.weight", cfg.Vocab, cfg.Hidden)
	h := b.Embed(embedding) // [tokens, hidden], the residual stream
	for l := range cfg.Layers {
		b.Layer(fmt.Sprintf("blk.%d", l))
		h = b.Add(h, qwen3Attention(c, l, h))
		if c.sparse(l) {
			h = c.experts(l, h)
		} else {
			h = b.Add(h, qwen3FeedForward(c, l, h))
		}
		if b.Err() != nil {
			break
		}
	}
	h = b.RMSNorm(b.LastRows(h), c.vector("output_norm.weight", cfg.Hidden), cfg.RMSEps)
	head := embedding
	if !cfg.Tied {
		head = c.table("output.weight", cfg.Vocab, cfg.Hidden)
	}
	return b.Build(b.MatMul(h, head)) // [seqs, vocab]
}

// qwen3Attention is the attention block of layer l without its residual.
func qwen3Attention(c *context, l int, h graph.Value) graph.Value {
	b, cfg := c.b, c.cfg
	q, kv := cfg.Heads*cfg.HeadDim, cfg.KVHeads*cfg.HeadDim
	name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", l, s) }

	x := b.RMSNorm(h, c.vector(name("attn_norm"), cfg.Hidden), cfg.RMSEps)
	query := b.MatMul(x, c.weight(name("attn_q"), q, cfg.Hidden)) // [tokens, heads*headDim]
	key := b.MatMul(x, c.weight(name("attn_k"), kv, cfg.Hidden))  // [tokens, kvHeads*headDim]
	value := b.MatMul(x, c.weight(name("attn_v"), kv, cfg.Hidden))
	query = b.RoPE(b.RMSNorm(query.Heads(cfg.Heads), c.vector(name("attn_q_norm"), cfg.HeadDim), cfg.RMSEps))
	key = b.RoPE(b.RMSNorm(key.Heads(cfg.KVHeads), c.vector(name("attn_k_norm"), cfg.HeadDim), cfg.RMSEps))
	b.StoreKV(key, value, l)
	a := b.Attention(query, l, 1/math.Sqrt(float64(cfg.HeadDim)))
	return b.MatMul(a, c.weight(name("attn_output"), cfg.Hidden, q))
}

// qwen3FeedForward is the feed-forward block of layer l without its residual.
func qwen3FeedForward(c *context, l int, h graph.Value) graph.Value {
	b, cfg := c.b, c.cfg
	name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", l, s) }

	x := b.RMSNorm(h, c.vector(name("ffn_norm"), cfg.Hidden), cfg.RMSEps)
	gate := b.MatMul(x, c.weight(name("ffn_gate"), cfg.Intermediate, cfg.Hidden)) // [tokens, intermediate]
	up := b.MatMul(x, c.weight(name("ffn_up"), cfg.Intermediate, cfg.Hidden))
	return b.MatMul(b.SwiGLU(gate, up), c.weight(name("ffn_down"), cfg.Hidden, cfg.Intermediate))
}
