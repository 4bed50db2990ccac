package vkexec

import (
	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// work is what a dispatch has to do, whatever kernel does it: bytes that must move between memory and the cores at least
// once, and operations. Attention's part grows with the tokens in front of the step.
type work struct {
	bytes, flops         float64
	bytesPast, flopsPast float64 // for each token in the cache before the step
	window               int     // tokens that count, 0: all
}

// at is the work of a step behind so many tokens.
func (w work) at(past float64) (bytes, flops float64) {
	if w.window > 0 {
		past = min(past, float64(w.window))
	}
	return w.bytes + past*w.bytesPast, w.flops + past*w.flopsPast
}

// work counts the weights of a product, the rows of the embedding and the cache that are read, and all activations that go in
// and out.
func (l *lowering) work(d *dispatch) work {
	w := work{bytes: float64(d.bytes) + l.activationBytes(d)}
	if d.node < 0 {
		return w
	}
	n, rows := l.g.Nodes[d.node], float64(l.key.rows)
	if n.Out != graph.None {
		rows = float64(l.rows(n.Out))
	}
	switch n.Op {
	case graph.OpEmbed:
		m := l.e.weights.matrices[n.Pack.Name]
		w.bytes += rows * float64(m.layout.RowBytes(m.cols)) / float64(len(m.shards))
	case graph.OpMatMul:
		w.flops = 2 * float64(d.kernel.rows) * float64(d.kernel.k) * rows
	case graph.OpExpertMatMul, graph.OpExpertSum:
		shards := len(l.e.weights.matrices[n.Pack.Name].shards)
		w.flops = 2 * float64(n.Pack.ExpertRows()) * float64(n.Pack.Cols()) * float64(n.Used) * rows / float64(shards)
	case graph.OpRoPEKV:
		w.bytes += rows * l.layerTokenBytes() / float64(len(l.e.kv.layers[n.Layer]))
	case graph.OpAttention:
		if d.op == "attention_merge" {
			break
		}
		each := 4 * float64(n.Heads) * float64(l.g.KV.HeadDim) / float64(len(l.e.kv.layers[n.Layer])) // for a query and a key
		token := l.layerTokenBytes() / float64(len(l.e.kv.layers[n.Layer]))
		own := rows / float64(l.key.seqs) // each query sees those in front of it and itself
		w.flops, w.flopsPast = each*rows*(own+1)/2, each*rows
		w.bytes, w.bytesPast = w.bytes+token*rows, token*float64(l.key.seqs)
		w.window = n.Window
	}
	return w
}

// layerTokenBytes is what one token takes in the cache of one layer.
func (l *lowering) layerTokenBytes() float64 {
	return 2 * float64(l.g.KV.Heads) * float64(quant.CacheRowBytes(string(l.e.kv.kind), l.g.KV.HeadDim))
}

// activationBytes are those of activations, partial results, norms and biases that the dispatch binds, each once.
func (l *lowering) activationBytes(d *dispatch) float64 {
	var bytes uint64
	seen := map[vk.Range]bool{}
	for _, b := range d.bindings {
		if seen[b.Range] {
			continue
		}
		seen[b.Range] = true
		switch b.Buffer {
		case l.e.arena, l.e.partial, l.e.reduce, l.e.weights.buffer:
			bytes += b.Size
		}
	}
	return float64(bytes)
}
