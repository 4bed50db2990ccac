package model

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
)

// decoder is the frame of every Qwen model: the residual stream begins with the embedding, goes through the layers,
// and ends, normed, in the output head. block is one layer: what of h the next one reads.
func (c *context) decoder(block func(l int, h graph.Value) graph.Value) (*graph.Graph, error) {
	cfg := c.cfg
	kv := graph.KVShape{Layers: cfg.Layers, Heads: cfg.KVHeads, HeadDim: cfg.HeadDim}
	b := graph.NewBuilder(c.checkpoint.Name(), kv, c.rope())
	c.b = b

	embedding := c.table("token_embd.weight", cfg.Vocab, cfg.Hidden)
	h := b.Embed(embedding) // [tokens, hidden]
	for l := range cfg.Layers {
		if c.options.Layers != nil && !slices.Contains(c.options.Layers, l) {
			continue
		}
		b.Layer(fmt.Sprintf("blk.%d", l))
		h = block(l, h)
		if b.Err() != nil {
			break
		}
	}
	h = b.RMSNorm(b.LastRows(h), c.vector("output_norm.weight", cfg.Hidden), cfg.RMSEps)
	if cfg.Headless {
		return b.BuildHeadless(h) // [seqs, hidden]
	}
	head := embedding
	if !cfg.Tied {
		head = c.table("output.weight", cfg.Vocab, cfg.Hidden)
	}
	return b.Build(b.MatMul(h, head)) // [seqs, vocab]
}

// name is the canonical name of a part of layer l: "blk.3.attn_q".
func name(l int, part string) string { return fmt.Sprintf("blk.%d.%s", l, part) }

// norm is the RMSNorm of that name in layer l over the residual stream.
func (c *context) norm(h graph.Value, l int, part string) graph.Value {
	return c.b.RMSNorm(h, c.vector(name(l, part)+".weight", c.cfg.Hidden), c.cfg.RMSEps)
}

// headNorm is the RMSNorm of that name in layer l over each of n heads.
func (c *context) headNorm(x graph.Value, l int, part string, n int) graph.Value {
	return c.b.RMSNorm(x.Heads(n), c.vector(name(l, part)+".weight", c.cfg.HeadDim), c.cfg.RMSEps)
}

// linear is x·Wᵀ with the weight [rows, cols] of that name, plus the bias if the checkpoint has one. An all-zero bias,
// as some GPTQ tools write beside every weight, is none.
func (c *context) linear(x graph.Value, name string, rows, cols int) graph.Value {
	y := c.b.MatMul(x, c.weight(name+".weight", rows, cols))
	if bias, ok := c.bias(name+".bias", rows); ok {
		y = c.b.AddBias(y, bias)
	}
	return y
}

// bias finds a bias of n elements that changes something.
func (c *context) bias(name string, n int) (graph.Weight, bool) {
	if c.checkpoint.Outline() {
		return c.vector(name, n), c.outlineBias(name)
	}
	t, ok := c.checkpoint.Tensor(name)
	if !ok {
		return graph.Weight{}, false
	}
	w := c.vector(name, n)
	if c.b.Err() != nil {
		return w, false
	}
	values := make([]float32, n)
	if err := t.Source().Values(values, 0, 1); err != nil {
		c.b.Fail(fmt.Errorf("tensor %s: %w", t.FileName, err))
		return w, false
	}
	zero := true
	for i, v := range values {
		if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
			c.b.Fail(fmt.Errorf("tensor %s: element %d is %v: %w", t.FileName, i, v, ErrWeights))
			return w, false
		}
		zero = zero && v == 0
	}
	return w, !zero
}

// outlineBias reports a bias that a checkpoint of the configuration would have: of queries, keys and values, if any.
func (c *context) outlineBias(name string) bool {
	for _, part := range []string{".attn_q.bias", ".attn_k.bias", ".attn_v.bias"} {
		if strings.HasSuffix(name, part) {
			return c.cfg.AttentionBias
		}
	}
	return false
}

// queryKeyValue are the three products in front of attention; x: [tokens, hidden].
func (c *context) queryKeyValue(x graph.Value, l int) (q, k, v graph.Value) {
	cfg := c.cfg
	q = c.linear(x, name(l, "attn_q"), cfg.Heads*cfg.HeadDim, cfg.Hidden)   // [tokens, heads*headDim]
	k = c.linear(x, name(l, "attn_k"), cfg.KVHeads*cfg.HeadDim, cfg.Hidden) // [tokens, kvHeads*headDim]
	v = c.linear(x, name(l, "attn_v"), cfg.KVHeads*cfg.HeadDim, cfg.Hidden)
	if cfg.AttentionBias && !c.checkpoint.Outline() {
		for _, part := range []string{"attn_q", "attn_k", "attn_v"} {
			if _, ok := c.checkpoint.Tensor(name(l, part) + ".bias"); !ok {
				c.b.Fail(fmt.Errorf("tensor %s.bias is missing, which a model with biases has in every layer: %w", name(l, part), ErrWeights))
			}
		}
	}
	return q, k, v
}

// attend rotates queries and keys (and scales queries behind the trained length, where a model does), stores keys and
// values, and is grouped-query attention over the cache with the output product behind it.
func (c *context) attend(q, k, v graph.Value, l int) graph.Value {
	b, cfg := c.b, c.cfg
	q = b.RoPE(q.Heads(cfg.Heads))
	if cfg.LogN {
		q = b.LogN(q, cfg.Trained)
	}
	b.StoreKV(b.RoPE(k.Heads(cfg.KVHeads)), v, l)
	a := b.SlidingAttention(q, l, 1/math.Sqrt(float64(cfg.HeadDim)), c.window(l))
	return c.linear(a, name(l, "attn_output"), cfg.Hidden, cfg.Heads*cfg.HeadDim) // [tokens, hidden]
}

// window is the number of positions that attention in layer l looks at; 0: all.
func (c *context) window(l int) int {
	if c.cfg.SlidingLayers == nil || !c.cfg.SlidingLayers[l] {
		return 0
	}
	return c.cfg.SlidingWindow
}

// feedForward is the SwiGLU feed-forward of layer l with the given inner width; x: [tokens, hidden].
func (c *context) feedForward(x graph.Value, l, width int) graph.Value {
	gate := c.linear(x, name(l, "ffn_gate"), width, c.cfg.Hidden) // [tokens, width]
	up := c.linear(x, name(l, "ffn_up"), width, c.cfg.Hidden)
	return c.linear(c.b.SwiGLU(gate, up), name(l, "ffn_down"), c.cfg.Hidden, width)
}

// vector asks for a norm weight or a bias of n elements.
func (c *context) vector(name string, n int) graph.Weight {
	w := c.find(name, 1, n, false)
	w.Layout = quant.LayoutOf(quant.F32)
	return w
}
