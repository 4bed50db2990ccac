package graph

import (
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
)

// Value is a builder's handle of an activation, perhaps seen as heads.
type Value struct {
	g     *Graph
	id    ID
	heads int
}

// Heads sees a [rows, heads*headDim] value as heads rows of headDim each, for RMSNorm and RoPE.
func (v Value) Heads(n int) Value { return Value{v.g, v.id, n} }

// Builder collects the nodes of a graph. It keeps the first error with the line of the model file that caused it;
// after an error every call is a no-op, so that a model file reads without a check after each line.
type Builder struct {
	g   *Graph
	pre string
	err error
}

// NewBuilder starts a graph with the given cache shape and rotary table.
func NewBuilder(name string, kv KVShape, rope RoPE) *Builder {
	b := &Builder{g: &Graph{Name: name, Output: None, KV: kv, RoPE: rope}}
	if kv.Layers < 1 || kv.Heads < 1 || kv.HeadDim < 2 {
		b.fail("cache: %d layers of %d heads of %d hold nothing", kv.Layers, kv.Heads, kv.HeadDim)
	}
	if kv.HeadDim != 2*len(rope.InvFreq) {
		b.fail("rope: %d frequencies for head size %d, want one per pair", len(rope.InvFreq), kv.HeadDim)
	}
	return b
}

// Layer names the nodes that follow: "blk.3".
func (b *Builder) Layer(prefix string) { b.pre = prefix + "." }

// Embed reads the rows of the embedding w [vocab, hidden] that the step's token ids name: [tokens, hidden].
func (b *Builder) Embed(w Weight) Value {
	if err := w.Layout.CheckCols(w.Cols); err != nil {
		return b.fail("embed: weight %s: %w", w.Name, err)
	}
	if w.Order != nil {
		return b.fail("embed: weight %s has its columns in another order, which only products can read", w.Name)
	}
	b.g.Vocab = w.Rows
	return b.add(&Node{Op: OpEmbed, Label: w.Name, Pack: packOf(w)}, Tensor{Name: "embed", Rows: PerToken, Cols: w.Cols}, 0)
}

// RMSNorm computes x·rsqrt(mean(x²)+eps)·w over each row, or over each head of x.Heads(n)
// (Zhang and Sennrich 2019; config key rms_norm_eps).
func (b *Builder) RMSNorm(x Value, w Weight, eps float64) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	width := t.Cols
	if x.heads != 0 {
		if x.heads < 0 || t.Cols%x.heads != 0 {
			return b.fail("rms_norm: %d columns are not %d heads", t.Cols, x.heads)
		}
		width /= x.heads
	}
	if w.Rows != 1 || w.Cols != width {
		return b.fail("rms_norm: weight %s has shape [%d %d], rows have %d columns", w.Name, w.Rows, w.Cols, width)
	}
	return b.add(&Node{Op: OpRMSNorm, Label: w.Name, In: []ID{x.id}, Norm: &w, Eps: eps, Heads: x.heads}, t, x.heads)
}

// MatMul computes x·wᵀ for w [out, in]: [rows, in] → [rows, out]. Where the device keeps w's columns in another order, it
// brings those of x into that order first.
func (b *Builder) MatMul(x Value, w Weight) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	if t.Cols != w.Cols {
		return b.fail("matmul: inner sizes %d and %d differ (weight %s)", t.Cols, w.Cols, w.Name)
	}
	if err := w.Layout.CheckCols(w.Cols); err != nil {
		return b.fail("matmul: weight %s: %w", w.Name, err)
	}
	if w.Order != nil {
		x = b.gather(x, w.Order)
	}
	t.Cols = w.Rows
	return b.add(&Node{Op: OpMatMul, Label: w.Name, In: []ID{x.id}, Pack: packOf(w)}, t, 0)
}

// AddBias adds w to every row of x, as a linear layer with a bias does behind its product.
func (b *Builder) AddBias(x Value, w Weight) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	if w.Rows != 1 || w.Cols != t.Cols {
		return b.fail("add_bias: bias %s has shape [%d %d], rows have %d columns", w.Name, w.Rows, w.Cols, t.Cols)
	}
	return b.add(&Node{Op: OpAddBias, Label: w.Name, In: []ID{x.id}, Bias: &w}, t, x.heads)
}

// RoPE rotates the heads of x by their token's position (Su et al. 2021, in the half-split form that pairs i with
// i+headDim/2).
func (b *Builder) RoPE(x Value) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	if x.heads == 0 || t.Cols != x.heads*b.g.KV.HeadDim {
		return b.fail("rope: %d columns are not %d heads of %d", t.Cols, x.heads, b.g.KV.HeadDim)
	}
	if t.Rows != PerToken {
		return b.fail("rope: got a row per sequence; a position belongs to a token")
	}
	return b.add(&Node{Op: OpRoPE, Label: b.pre + "rope", In: []ID{x.id}, Heads: x.heads}, t, x.heads)
}

// LogN scales the row of position p (from 0) by ln(p+1)/ln(trained), where that is above 1: the entropy of attention over
// a longer context than the model was trained with then stays what it was (config key use_logn_attn of the first Qwen).
func (b *Builder) LogN(x Value, trained int) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	if trained < 2 {
		return b.fail("log_n: a model trained with %d tokens", trained)
	}
	if t.Rows != PerToken {
		return b.fail("log_n: got a row per sequence; a position belongs to a token")
	}
	return b.add(&Node{Op: OpLogN, Label: b.pre + "log_n", In: []ID{x.id}, LogN: trained}, t, x.heads)
}

// StoreKV appends k and v [tokens, kvHeads*headDim] to the layer's cache.
func (b *Builder) StoreKV(k, v Value, layer int) {
	for _, x := range []Value{k, v} {
		t, ok := b.tensor(x)
		if !ok {
			return
		}
		if want := b.g.KV.Heads * b.g.KV.HeadDim; t.Cols != want || t.Rows != PerToken {
			b.fail("store_kv: got %d columns per %s, the cache holds %d per token", t.Cols, t.Rows, want)
			return
		}
	}
	if layer < 0 || layer >= b.g.KV.Layers {
		b.fail("store_kv: layer %d of %d", layer, b.g.KV.Layers)
		return
	}
	if b.stores(layer) {
		b.fail("store_kv: layer %d is stored twice", layer)
		return
	}
	b.g.Nodes = append(b.g.Nodes, &Node{Op: OpStoreKV, Label: b.pre + "store_kv", In: []ID{k.id, v.id}, Out: None, Layer: layer})
}

// Attention is causal grouped-query attention of q [tokens, heads*headDim] over the layer's cache, which already
// holds this step's own keys and values (StoreKV comes first): softmax(scale·q·kᵀ)·v.
func (b *Builder) Attention(q Value, layer int, scale float64) Value {
	return b.SlidingAttention(q, layer, scale, 0)
}

// SlidingAttention is Attention that looks at the last window positions only, that of the query included; 0: at all
// (Beltagy et al. 2020; config keys sliding_window and layer_types).
func (b *Builder) SlidingAttention(q Value, layer int, scale float64, window int) Value {
	t, ok := b.tensor(q)
	if !ok {
		return q
	}
	d, kv := b.g.KV.HeadDim, b.g.KV.Heads
	if t.Cols%d != 0 || (t.Cols/d)%kv != 0 {
		return b.fail("attention: %d query columns are not a multiple of %d key heads of %d", t.Cols, kv, d)
	}
	if t.Rows != PerToken {
		return b.fail("attention: got a row of queries per sequence, want one per token")
	}
	if window < 0 {
		return b.fail("attention: a window of %d positions", window)
	}
	if !b.stores(layer) {
		return b.fail("attention: nothing stored the keys and values of layer %d yet", layer)
	}
	return b.add(&Node{Op: OpAttention, Label: b.pre + "attention", In: []ID{q.id}, Layer: layer, Heads: t.Cols / d, Scale: scale, Window: window}, t, 0)
}

// SwiGLU computes silu(gate)·up (Shazeer 2020).
func (b *Builder) SwiGLU(gate, up Value) Value { return b.pair(OpSwiGLU, gate, up) }

// Add is the residual connection.
func (b *Builder) Add(x, y Value) Value { return b.pair(OpAdd, x, y) }

// LastRows keeps the row of each sequence's last token: [tokens, n] → [seqs, n].
func (b *Builder) LastRows(x Value) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	if t.Rows != PerToken {
		return b.fail("last_rows: the value has one row per sequence already")
	}
	t.Rows = PerSequence
	return b.add(&Node{Op: OpLastRows, Label: "last_rows", In: []ID{x.id}}, t, 0)
}

// Build ends the graph; logits is its output.
func (b *Builder) Build(logits Value) (*Graph, error) {
	if t, ok := b.tensor(logits); ok && t.Cols != b.g.Vocab {
		b.fail("output: %d logits for a vocabulary of %d", t.Cols, b.g.Vocab)
	}
	if b.err != nil {
		return nil, b.err
	}
	b.g.Output = logits.id
	absorbOrders(b.g)
	return b.g, nil
}

// BuildHeadless ends the graph of a model without output head; hidden is its output.
func (b *Builder) BuildHeadless(hidden Value) (*Graph, error) {
	b.tensor(hidden)
	if b.err != nil {
		return nil, b.err
	}
	b.g.Output, b.g.Headless = hidden.id, true
	absorbOrders(b.g)
	return b.g, nil
}

// Fail records an error of the model file itself, such as a missing weight.
func (b *Builder) Fail(err error) {
	if b.err == nil {
		b.err = err
	}
}

// Err is the first error so far.
func (b *Builder) Err() error { return b.err }

// stores reports whether the layer's keys and values are stored already.
func (b *Builder) stores(layer int) bool {
	for _, n := range b.g.Nodes {
		if n.Op == OpStoreKV && n.Layer == layer {
			return true
		}
	}
	return false
}

func (b *Builder) pair(op Op, x, y Value) Value {
	t, ok := b.tensor(x)
	if !ok {
		return x
	}
	u, ok := b.tensor(y)
	if !ok {
		return y
	}
	if t.Cols != u.Cols || t.Rows != u.Rows {
		return b.fail("%s: shapes [%s %d] and [%s %d] differ", op, t.Rows, t.Cols, u.Rows, u.Cols)
	}
	return b.add(&Node{Op: op, Label: b.pre + op.String(), In: []ID{x.id, y.id}}, t, 0)
}

func (b *Builder) tensor(v Value) (Tensor, bool) {
	if b.err != nil {
		return Tensor{}, false
	}
	if v.g != b.g {
		b.fail("use of a value that this builder did not make")
		return Tensor{}, false
	}
	return b.g.Values[v.id], true
}

func (b *Builder) add(n *Node, t Tensor, heads int) Value {
	if b.err != nil {
		return Value{}
	}
	t.Name = n.Label
	n.Out = b.g.newValue(t)
	b.g.Nodes = append(b.g.Nodes, n)
	return Value{b.g, n.Out, heads}
}

// fail keeps the first error, placed at the nearest caller outside this package.
func (b *Builder) fail(format string, args ...any) Value {
	if b.err != nil {
		return Value{}
	}
	_, self, _, _ := runtime.Caller(0)
	place := "?"
	for skip := 1; ; skip++ {
		_, file, line, ok := runtime.Caller(skip)
		if !ok {
			break
		}
		if filepath.Dir(file) != filepath.Dir(self) || strings.HasSuffix(file, "_test.go") {
			place = fmt.Sprintf("%s/%s:%d", filepath.Base(filepath.Dir(file)), filepath.Base(file), line)
			break
		}
	}
	b.err = fmt.Errorf("graph: %s: %w", place, fmt.Errorf(format, args...))
	return Value{}
}

func packOf(w Weight) *Pack { return &Pack{Name: w.Name, Parts: []Weight{w}} }
