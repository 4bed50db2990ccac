package model

import "github.com/qwenvk/qwenvk/graph"

// qwen3moe declares the Qwen3 mixtures of experts, 30B-A3B, 235B-A22B and Coder: Qwen3's attention, and experts whose
// weights sum to one in place of the feed-forward, in all layers or some (Qwen3 Technical Report, 2025; transformers
// Qwen3MoeForCausalLM).
func qwen3moe(c *context) (*graph.Graph, error) {
	return c.decoder(func(l int, h graph.Value) graph.Value {
		return c.expertsOrDense(c.b.Add(h, c.qwen3Attention(c.norm(h, l, "attn_norm"), l)), l)
	})
}
