package model

import "github.com/qwenvk/qwenvk/graph"

// qwen3 declares the dense Qwen3 models, 0.6B to 32B: pre-norm blocks of grouped-query attention with normed queries
// and keys, and a SwiGLU feed-forward (Qwen3 Technical Report, 2025; transformers Qwen3ForCausalLM).
func qwen3(c *context) (*graph.Graph, error) {
	return c.decoder(func(l int, h graph.Value) graph.Value {
		h = c.b.Add(h, c.qwen3Attention(c.norm(h, l, "attn_norm"), l))
		return c.b.Add(h, c.feedForward(c.norm(h, l, "ffn_norm"), l, c.cfg.Intermediate))
	})
}

// qwen3Attention norms each head of the queries and keys before they are rotated; x: [tokens, hidden].
func (c *context) qwen3Attention(x graph.Value, l int) graph.Value {
	q, k, v := c.queryKeyValue(x, l)
	q = c.headNorm(q, l, "attn_q_norm", c.cfg.Heads)
	k = c.headNorm(k, l, "attn_k_norm", c.cfg.KVHeads)
	return c.attend(q, k, v, l)
}
