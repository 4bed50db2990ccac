package graph_test

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
)

// A cache of two layers with two heads of 32, and a residual stream of 64.
const hidden, vocab, headDim, kvHeads, layers = 64, 50, 32, 2, 2

func newBuilder() *graph.Builder {
	return graph.NewBuilder("test", graph.KVShape{Layers: layers, Heads: kvHeads, HeadDim: headDim}, rope(headDim/2))
}

func rope(pairs int) graph.RoPE { return graph.RoPE{InvFreq: make([]float64, pairs), Scale: 1} }

func f32(name string, rows, cols int) graph.Weight {
	return graph.Weight{Name: name, Rows: rows, Cols: cols, Layout: quant.LayoutOf(quant.F32)}
}

// lineOf keeps the line of its caller in at and passes the value through.
func lineOf(at *int, x graph.Value) graph.Value {
	_, _, *at, _ = runtime.Caller(1)
	return x
}

// TestBuilderErrors: every mistake is told with the place in the model file, the operation and both sizes.
func TestBuilderErrors(t *testing.T) {
	var at int // the line that must be named
	for _, c := range []struct {
		want  string
		wrong func(b *graph.Builder, x graph.Value)
	}{
		{"matmul: inner sizes 64 and 32 differ (weight w)", func(b *graph.Builder, x graph.Value) {
			b.MatMul(lineOf(&at, x), f32("w", 8, 32))
		}},
		{"matmul: weight w: quant: rows of 40 elements do not fit layout f32, which takes multiples of 32", func(b *graph.Builder, x graph.Value) {
			x = b.MatMul(x, f32("narrow", 40, hidden))
			b.MatMul(lineOf(&at, x), f32("w", 8, 40))
		}},
		{"matmul: weight w: quant: no layout has kind 0", func(b *graph.Builder, x graph.Value) {
			b.MatMul(lineOf(&at, x), graph.Weight{Name: "w", Rows: 8, Cols: hidden})
		}},
		{"embed: weight w: quant: rows of 33 elements", func(b *graph.Builder, x graph.Value) {
			lineOf(&at, b.Embed(f32("w", vocab, 33)))
		}},
		{"embed: weight w has its columns in another order, which only products can read", func(b *graph.Builder, x graph.Value) {
			w := f32("w", vocab, hidden)
			w.Order = make([]int32, hidden)
			lineOf(&at, b.Embed(w))
		}},
		{"gather: an order of 63 columns for 64", func(b *graph.Builder, x graph.Value) {
			w := f32("w", 8, hidden)
			w.Order = make([]int32, hidden-1)
			b.MatMul(lineOf(&at, x), w)
		}},
		{"experts: weight w has its columns in an order of its own", func(b *graph.Builder, x graph.Value) {
			w := f32("w", 8, hidden)
			w.Order = make([]int32, hidden)
			b.ExpertMatMul(lineOf(&at, x), b.Route(b.MatMul(x, f32("r", 1, hidden)), 1, false), graph.Experts{w})
		}},
		{"rms_norm: weight w has shape [1 63], rows have 64 columns", func(b *graph.Builder, x graph.Value) {
			b.RMSNorm(lineOf(&at, x), f32("w", 1, 63), 1e-6)
		}},
		{"rms_norm: weight w has shape [2 64], rows have 64 columns", func(b *graph.Builder, x graph.Value) {
			b.RMSNorm(lineOf(&at, x), f32("w", 2, 64), 1e-6)
		}},
		{"rms_norm: weight w has shape [1 64], rows have 32 columns", func(b *graph.Builder, x graph.Value) {
			b.RMSNorm(lineOf(&at, x).Heads(2), f32("w", 1, 64), 1e-6)
		}},
		{"rms_norm: 64 columns are not 3 heads", func(b *graph.Builder, x graph.Value) {
			b.RMSNorm(lineOf(&at, x).Heads(3), f32("w", 1, 21), 1e-6)
		}},
		{"rms_norm: 64 columns are not -1 heads", func(b *graph.Builder, x graph.Value) {
			b.RMSNorm(lineOf(&at, x).Heads(-1), f32("w", 1, 64), 1e-6)
		}},
		{"rope: 64 columns are not 0 heads of 32", func(b *graph.Builder, x graph.Value) {
			b.RoPE(lineOf(&at, x))
		}},
		{"rope: 64 columns are not 3 heads of 32", func(b *graph.Builder, x graph.Value) {
			b.RoPE(lineOf(&at, x).Heads(3))
		}},
		{"rope: got a row per sequence", func(b *graph.Builder, x graph.Value) {
			b.RoPE(lineOf(&at, b.LastRows(x)).Heads(2))
		}},
		{"store_kv: got 32 columns per tokens, the cache holds 64 per token", func(b *graph.Builder, x graph.Value) {
			b.StoreKV(x, b.MatMul(lineOf(&at, x), f32("w", 32, hidden)), 0)
		}},
		{"store_kv: got 64 columns per seqs, the cache holds 64 per token", func(b *graph.Builder, x graph.Value) {
			b.StoreKV(b.LastRows(x), lineOf(&at, x), 0)
		}},
		{"store_kv: layer 2 of 2", func(b *graph.Builder, x graph.Value) {
			b.StoreKV(x, lineOf(&at, x), layers)
		}},
		{"store_kv: layer -1 of 2", func(b *graph.Builder, x graph.Value) {
			b.StoreKV(x, lineOf(&at, x), -1)
		}},
		{"store_kv: layer 1 is stored twice", func(b *graph.Builder, x graph.Value) {
			b.StoreKV(x, x, 1)
			b.StoreKV(x, lineOf(&at, x), 1)
		}},
		{"attention: nothing stored the keys and values of layer 1 yet", func(b *graph.Builder, x graph.Value) {
			b.StoreKV(x, x, 0)
			b.Attention(lineOf(&at, x), 1, 1)
		}},
		{"attention: 96 query columns are not a multiple of 2 key heads of 32", func(b *graph.Builder, x graph.Value) {
			b.StoreKV(x, x, 0)
			b.Attention(lineOf(&at, b.MatMul(x, f32("w", 96, hidden))), 0, 1)
		}},
		{"attention: got a row of queries per sequence", func(b *graph.Builder, x graph.Value) {
			b.StoreKV(x, x, 0)
			b.Attention(lineOf(&at, b.LastRows(x)), 0, 1)
		}},
		{"swiglu: shapes [tokens 64] and [tokens 32] differ", func(b *graph.Builder, x graph.Value) {
			b.SwiGLU(x, lineOf(&at, b.MatMul(x, f32("w", 32, hidden))))
		}},
		{"add: shapes [seqs 64] and [tokens 64] differ", func(b *graph.Builder, x graph.Value) {
			b.Add(b.LastRows(x), lineOf(&at, x))
		}},
		{"last_rows: the value has one row per sequence already", func(b *graph.Builder, x graph.Value) {
			b.LastRows(lineOf(&at, b.LastRows(x)))
		}},
		{"use of a value that this builder did not make", func(b *graph.Builder, x graph.Value) {
			other := newBuilder()
			b.Add(x, lineOf(&at, other.Embed(f32("embd", vocab, hidden))))
		}},
		{"use of a value that this builder did not make", func(b *graph.Builder, x graph.Value) {
			b.Add(lineOf(&at, graph.Value{}), x)
		}},
	} {
		b := newBuilder()
		x := b.Embed(f32("embd", vocab, hidden))
		if err := b.Err(); err != nil {
			t.Fatal(err)
		}
		c.wrong(b, x)
		want := fmt.Sprintf("graph: graph/builder_test.go:%d: %s", at, c.want)
		if err := b.Err(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
		first := b.Err()
		b.Add(x, b.MatMul(x, f32("later", 1, 1))) // no-ops now
		if g, err := b.Build(x); g != nil || !errors.Is(err, first) {
			t.Errorf("%s: Build returned %v, %v; want the first error", c.want, g, err)
		}
	}
}

// TestNewBuilderErrors: a cache or a rotary table that makes no sense is told by Build.
func TestNewBuilderErrors(t *testing.T) {
	for _, c := range []struct {
		kv    graph.KVShape
		pairs int
		want  string
	}{
		{graph.KVShape{Layers: 1, Heads: 1, HeadDim: 32}, 15, "rope: 15 frequencies for head size 32, want one per pair"},
		{graph.KVShape{Layers: 0, Heads: 1, HeadDim: 32}, 16, "cache: 0 layers of 1 heads of 32"},
		{graph.KVShape{Layers: 1, Heads: 0, HeadDim: 32}, 16, "cache: 1 layers of 0 heads of 32"},
		{graph.KVShape{Layers: 1, Heads: 1, HeadDim: 0}, 0, "cache: 1 layers of 1 heads of 0"},
	} {
		b := graph.NewBuilder("test", c.kv, rope(c.pairs))
		_, err := b.Build(b.Embed(f32("embd", vocab, hidden)))
		if err == nil || !strings.Contains(err.Error(), "builder_test.go:") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("got %v, want %q", err, c.want)
		}
	}
}

// TestBuild: the output must be logits, and an error of the model file itself is kept.
func TestBuild(t *testing.T) {
	b := newBuilder()
	x := b.Embed(f32("embd", vocab, hidden))
	if _, err := b.Build(x); err == nil || !strings.Contains(err.Error(), "output: 64 logits for a vocabulary of 50") {
		t.Errorf("got %v", err)
	}

	b = newBuilder()
	missing := errors.New("tensor embd is missing")
	b.Fail(missing)
	b.Fail(errors.New("a later one"))
	x = b.Embed(f32("embd", vocab, hidden))
	b.StoreKV(x, x, 0)
	if _, err := b.Build(b.MatMul(b.Attention(b.RoPE(b.SwiGLU(x, x).Heads(2)), 0, 1), f32("head", vocab, hidden))); !errors.Is(err, missing) {
		t.Errorf("got %v, want %v", err, missing)
	}
}

// TestShapes: what comes out of each operation.
func TestShapes(t *testing.T) {
	b := newBuilder()
	x := b.Embed(f32("embd", vocab, hidden))
	b.Layer("blk.1")
	q := b.MatMul(x, f32("q", 4*headDim, hidden))
	b.StoreKV(x, x, 1)
	a := b.Attention(b.RoPE(b.RMSNorm(q.Heads(4), f32("norm", 1, headDim), 1e-6)), 1, 0.5)
	g, err := b.Build(b.MatMul(b.Add(b.LastRows(x), b.LastRows(b.SwiGLU(b.MatMul(a, f32("o", hidden, 4*headDim)), x))), f32("head", vocab, hidden)))
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range g.Nodes {
		line := n.Op.String() + " " + n.Label
		if n.Out != graph.None {
			v := g.Tensor(n.Out)
			line += fmt.Sprintf(" [%s %d]", v.Rows, v.Cols)
		}
		got = append(got, line)
	}
	want := []string{
		"embed embd [tokens 64]",
		"matmul q [tokens 128]",
		"store_kv blk.1.store_kv",
		"rms_norm norm [tokens 128]",
		"rope blk.1.rope [tokens 128]",
		"attention blk.1.attention [tokens 128]",
		"last_rows last_rows [seqs 64]",
		"matmul o [tokens 64]",
		"swiglu blk.1.swiglu [tokens 64]",
		"last_rows last_rows [seqs 64]",
		"add blk.1.add [seqs 64]",
		"matmul head [seqs 50]",
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	if g.Vocab != vocab || g.Output != g.Nodes[len(g.Nodes)-1].Out {
		t.Errorf("vocabulary %d, output %d", g.Vocab, g.Output)
	}
}

// TestCompileKeepsItsInput: one graph is compiled into many forms.
func TestCompileKeepsItsInput(t *testing.T) {
	b := newBuilder()
	x := b.Embed(f32("embd", vocab, hidden))
	x = b.Add(x, b.MatMul(b.RMSNorm(x, f32("norm", 1, hidden), 1e-6), f32("w", hidden, hidden)))
	g, err := b.Build(b.MatMul(b.LastRows(x), f32("head", vocab, hidden)))
	if err != nil {
		t.Fatal(err)
	}
	var before, after strings.Builder
	if err := g.Print(&before, "json", nil); err != nil {
		t.Fatal(err)
	}
	for _, o := range []graph.Options{{}, {Output: graph.LastLogits, FuseNorm: true}, {Output: graph.AllLogits, OneRowEach: true}} {
		graph.Compile(g, o)
	}
	if err := g.Print(&after, "json", nil); err != nil {
		t.Fatal(err)
	}
	if before.String() != after.String() {
		t.Errorf("Compile changed the graph from\n%s\nto\n%s", &before, &after)
	}
}

// TestPacks: each weight is listed once, however often it is used, as the compiled graph packs it.
func TestPacks(t *testing.T) {
	b := newBuilder()
	embd, norm := f32("embd", vocab, hidden), f32("norm", 1, hidden)
	x := b.Embed(embd)
	h := b.RMSNorm(x, norm, 1e-6)
	f := b.SwiGLU(b.MatMul(h, f32("blk.0.ffn_gate.weight", 96, hidden)), b.MatMul(h, f32("blk.0.ffn_up.weight", 96, hidden)))
	x = b.Add(x, b.MatMul(f, f32("down", hidden, 96)))
	g, err := b.Build(b.MatMul(b.RMSNorm(b.LastRows(x), norm, 1e-6), embd))
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range graph.Compile(g, graph.Options{Output: graph.LastLogits}).Packs() {
		names = append(names, fmt.Sprintf("%s %d×%d", p.Name, p.Rows(), p.Cols()))
	}
	if got, want := strings.Join(names, ", "), "embd 50×64, blk.0.ffn_gate_up 192×64, down 64×96"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	if v := g.Vectors(); len(v) != 1 || v[0].Name != "norm" {
		t.Errorf("%d vectors, want one", len(v))
	}
}
