package model

import "github.com/qwenvk/qwenvk/graph"

// qwen2moe declares Qwen1.5-MoE-A2.7B and Qwen2-57B-A14B: Qwen2's attention with its biases, and experts beside one that
// all tokens share, in all layers or some. The chosen experts keep the weights that the softmax over all gave them
// (Qwen1.5-MoE, 2024; Qwen2 Technical Report, 2024; transformers Qwen2MoeForCausalLM).
func qwen2moe(c *context) (*graph.Graph, error) {
	return c.decoder(func(l int, h graph.Value) graph.Value {
		return c.expertsOrDense(c.b.Add(h, c.qwen2Attention(c.norm(h, l, "attn_norm"), l)), l)
	})
}
