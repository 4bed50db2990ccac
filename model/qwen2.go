package model

import "github.com/qwenvk/qwenvk/graph"

// qwen2 declares the dense Qwen1.5, Qwen2 and Qwen2.5 models, 0.5B to 110B: pre-norm blocks of grouped-query attention,
// whose queries, keys and values have biases, and a SwiGLU feed-forward (Qwen2 Technical Report, 2024; transformers
// Qwen2ForCausalLM).
func qwen2(c *context) (*graph.Graph, error) {
	return c.decoder(func(l int, h graph.Value) graph.Value {
		h = c.b.Add(h, c.qwen2Attention(c.norm(h, l, "attn_norm"), l))
		return c.b.Add(h, c.feedForward(c.norm(h, l, "ffn_norm"), l, c.cfg.Intermediate))
	})
}

// qwen2Attention rotates queries and keys as the biased products leave them; x: [tokens, hidden].
func (c *context) qwen2Attention(x graph.Value, l int) graph.Value {
	q, k, v := c.queryKeyValue(x, l)
	return c.attend(q, k, v, l)
}
