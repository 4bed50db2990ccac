package model

import (
	"math"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
)

// qwen declares the first generation, Qwen-1.8B to Qwen-72B: pre-norm blocks of attention in which every query head has
// keys of its own and queries, keys and values have biases, and a SwiGLU feed-forward (Qwen Technical Report, 2023;
// modeling_qwen.py of the published checkpoints, QWenLMHeadModel).
func qwen(c *context) (*graph.Graph, error) {
	return c.decoder(func(l int, h graph.Value) graph.Value {
		h = c.b.Add(h, c.qwen2Attention(c.norm(h, l, "attn_norm"), l))
		return c.b.Add(h, c.feedForward(c.norm(h, l, "ffn_norm"), l, c.cfg.Intermediate))
	})
}

// dynamicNTK adds the frequencies that prompts longer than the model was trained for get, up to context tokens. A prompt
// of n tokens raises the rotary base θ to
//
//	θ·α^(d/(d-2)),  α = max(2^⌈log2(n/trained)+1⌉ - 1, 1)
//
// which is the same for all n between trained·2^(k-1) and trained·2^k: α = 2^(k+1)-1 (get_ntk_alpha of modeling_qwen.py).
func dynamicNTK(r *graph.RoPE, c loader.Config, context int) {
	r.Longer, r.Trained = nil, c.Trained
	d := float64(c.HeadDim)
	alpha := 1.0
	for limit := c.Trained; limit < context; limit *= 2 {
		alpha = 2*alpha + 1
		base := c.RoPETheta * math.Pow(alpha, d/(d-2))
		frequencies := make([]float64, len(r.InvFreq))
		for i := range frequencies {
			frequencies[i] = math.Pow(base, -2*float64(i)/d)
		}
		r.Longer = append(r.Longer, frequencies)
	}
}
