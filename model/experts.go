package model

import (
	"fmt"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
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

// expertsOrDense adds the feed-forward of layer l to the residual stream h [tokens, hidden].
func (c *context) expertsOrDense(h graph.Value, l int) graph.Value {
	x := c.norm(h, l, "ffn_norm")
	if c.cfg.MoE.Sparse[l] {
		return c.experts(h, x, l)
	}
	return c.b.Add(h, c.feedForward(x, l, c.cfg.Intermediate))
}

// experts adds the experts of the sparse layer l to the residual stream h; x is h normed, both [tokens, hidden].
//
// A router gives every expert a share of each token, and the token's used experts, those with the greatest shares, are
// summed by them. Qwen2-MoE has one more expert that sees all tokens, behind a gate of its own.
func (c *context) experts(h, x graph.Value, l int) graph.Value {
	b, cfg, moe := c.b, c.cfg, c.cfg.MoE
	logits := b.MatMul(x, c.unchanged(name(l, "ffn_gate_inp.weight"), moe.Experts, cfg.Hidden)) // [tokens, experts]
	// What depends on x alone comes before what depends on the router: it runs beside it.
	var open, inner graph.Value
	if moe.SharedIntermediate > 0 {
		open = b.MatMul(x, c.unchanged(name(l, "ffn_gate_inp_shexp.weight"), 1, cfg.Hidden)) // [tokens, 1]
		gate := c.linear(x, name(l, "ffn_gate_shexp"), moe.SharedIntermediate, cfg.Hidden)
		inner = b.SwiGLU(gate, c.linear(x, name(l, "ffn_up_shexp"), moe.SharedIntermediate, cfg.Hidden))
	}
	route := b.Route(logits, moe.Used, moe.Renormalise)
	if moe.SharedIntermediate > 0 {
		inner = c.linear(inner, name(l, "ffn_down_shexp"), cfg.Hidden, moe.SharedIntermediate) // [tokens, hidden]
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

// each asks for the matrices [rows, cols] of all experts of a layer. Some tools write an all-zero bias beside each; no
// published model has another.
func (c *context) each(l int, part string, rows, cols int) graph.Experts {
	all := make(graph.Experts, c.cfg.MoE.Experts)
	for e := range all {
		expert := fmt.Sprintf("%s.%d", name(l, part), e)
		all[e] = c.weight(expert+".weight", rows, cols)
		if _, ok := c.bias(expert+".bias", rows); ok {
			c.b.Fail(fmt.Errorf("tensor %s.bias: experts with biases are not computed: %w", expert, ErrUnsupported))
		}
		if all[e].Order != nil {
			t, _ := c.checkpoint.Tensor(all[e].Name)
			c.b.Fail(fmt.Errorf("%s: tensor %s: GPTQ's desc_act gives each expert an order of its own for the input that they share, which is not computed; give a model without desc_act: %w", t.File, t.FileName, ErrUnsupported))
		}
		if c.b.Err() != nil {
			return all
		}
	}
	c.alike(all)
	return all
}

// alike makes the matrices of all experts of one layout, which one kernel reads: where a file stores some in another
// plain type than the first, all become F32, which holds every such weight as it is.
func (c *context) alike(all graph.Experts) {
	plain, differ := true, -1
	for e, w := range all {
		plain = plain && w.Layout.Dense()
		if differ < 0 && w.Layout != all[0].Layout {
			differ = e
		}
	}
	switch {
	case differ < 0:
	case plain:
		for e := range all {
			all[e].Layout = quant.LayoutOf(quant.F32)
		}
	default:
		t, _ := c.checkpoint.Tensor(all[differ].Name)
		c.b.Fail(fmt.Errorf("%s: tensor %s is stored as %s and the first expert as %s: quantised experts of one layer must be of one type: %w",
			t.File, t.FileName, all[differ].Layout.Name(), all[0].Layout.Name(), ErrUnsupported))
	}
}

// unchanged asks for a weight that stays as the file stores it: a router's, whose rounding would send tokens to other
// experts.
func (c *context) unchanged(name string, rows, cols int) graph.Weight {
	w := c.table(name, rows, cols)
	if c.checkpoint.Outline() {
		w.Layout = quant.LayoutOf(c.checkpoint.OutlineType())
	}
	if t, ok := c.checkpoint.Tensor(name); ok && c.b.Err() == nil {
		w.Layout = t.Source().Layout()
	}
	return w
}
