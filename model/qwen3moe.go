package model

import "github.com/qwenvk/qwenvk/graph"

// qwen3moe declares the Qwen3 mixtures of experts, 30B-A3B, 235B-A22B and Coder: Qwen3's attention, and in sparse layers
// experts in place of the feed-forward, whose weights sum to one (Qwen3 Technical Report, 2025; transformers
// Qwen3MoeForCausalLM).
func qwen3moe(c *context) (*graph.Graph, error) { return qwen3(c) }
