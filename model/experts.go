package model

import (
	"fmt"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
)

// checkExperts refuses mixtures of experts that no kernel computes.
func checkExperts(m *loader.MoE) error {
	switch {
	case m.Experts > graph.MaxExperts:
		return fmt.Errorf("%d experts are more than the %d that a router chooses among here: %w", m.Experts, graph.MaxExperts, ErrUnsupported)
	case m.Intermediate%32 != 0 || m.SharedIntermediate%32 != 0:
		return fmt.Errorf("expert size %d or shared expert size %d is not a multiple of 32: %w", m.Intermediate, m.SharedIntermediate, ErrUnsupported)
	}
	return nil
}

// sparse reports whether layer l has experts.
func (c *context) sparse(l int) bool { return c.cfg.MoE != nil && c.cfg.MoE.Sparse[l] }

// experts adds the feed-forward of the sparse layer l to the residual stream h [tokens, hidden].
//
// A router gives every expert a share of each token, and the token's used experts, those with the greatest shares, are
// summed by them. Qwen2-MoE has one more expert that sees all tokens, behind a gate of its own.
func (c *context) experts(l int, h graph.Value) graph.Value {
	b, cfg, moe := c.b, c.cfg, c.cfg.MoE
	name := func(s string) string { return fmt.Sprintf("blk.%d.%s.weight", l, s) }

	x := b.RMSNorm(h, c.vector(name("ffn_norm"), cfg.Hidden), cfg.RMSEps)
	logits := b.MatMul(x, c.unchanged(name("ffn_gate_inp"), moe.Experts, cfg.Hidden)) // [tokens, experts]
	// What depends on x alone comes before what depends on the router: it runs beside it.
	var open, inner graph.Value
	if moe.SharedIntermediate > 0 {
		open = b.MatMul(x, c.unchanged(name("ffn_gate_inp_shexp"), 1, cfg.Hidden)) // [tokens, 1]
		gate := b.MatMul(x, c.weight(name("ffn_gate_shexp"), moe.SharedIntermediate, cfg.Hidden))
		inner = b.SwiGLU(gate, b.MatMul(x, c.weight(name("ffn_up_shexp"), moe.SharedIntermediate, cfg.Hidden)))
	}
	route := b.Route(logits, moe.Used, moe.Renormalise)
	if moe.SharedIntermediate > 0 {
		inner = b.MatMul(inner, c.weight(name("ffn_down_shexp"), cfg.Hidden, moe.SharedIntermediate)) // [tokens, hidden]
	}
	gate := b.ExpertMatMul(x, route, c.each(l, "ffn_gate", moe.Intermediate, cfg.Hidden)) // [tokens, used·intermediate]
	up := b.ExpertMatMul(x, route, c.each(l, "ffn_up", moe.Intermediate, cfg.Hidden))
	gate = b.SwiGLU(gate, up)
	if moe.SharedIntermediate > 0 {
		h = b.Add(h, b.Gate(inner, open))
	}
	down := b.ExpertMatMul(gate, route, c.each(l, "ffn_down", cfg.Hidden, moe.Intermediate)) // [tokens, used·hidden]
	return b.Add(h, b.Combine(down, route))
}

// each asks for the matrices [rows, cols] of all experts of a layer.
func (c *context) each(l int, name string, rows, cols int) graph.Experts {
	all := make(graph.Experts, c.cfg.MoE.Experts)
	for e := range all {
		all[e] = c.weight(fmt.Sprintf("blk.%d.%s.%d.weight", l, name, e), rows, cols)
		if c.b.Err() != nil {
			break
		}
	}
	return all
}

// unchanged asks for a weight that stays as the file stores it: a router's, whose rounding would send tokens to other
// experts.
func (c *context) unchanged(name string, rows, cols int) graph.Weight {
	w := c.table(name, rows, cols)
	if t, ok := c.checkpoint.Tensor(name); ok && c.b.Err() == nil {
		w.Layout = t.Source().Layout()
	}
	return w
}
