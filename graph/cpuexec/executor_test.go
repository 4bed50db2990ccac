package cpuexec_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/quant"
)

// TestByHand computes one token with numbers small enough to follow on paper.
func TestByHand(t *testing.T) {
	const n = 32 // the narrowest row a layout takes; all but two columns are zero
	f32 := quant.LayoutOf(quant.F32)
	b := graph.NewBuilder("by hand", graph.KVShape{Layers: 1, Heads: 1, HeadDim: 2}, graph.RoPE{InvFreq: []float64{math.Pi / 2}, Scale: 1})
	x := b.Embed(graph.Weight{Name: "embed", Rows: 2, Cols: n, Layout: f32})
	q := b.MatMul(x, graph.Weight{Name: "identity", Rows: 2, Cols: n, Layout: f32})
	rotated := b.RoPE(q.Heads(1))
	b.StoreKV(rotated, q, 0)
	out, err := b.Build(b.LastRows(b.Attention(rotated, 0, 0.5)))
	if err != nil {
		t.Fatal(err)
	}
	e := cpuexec.New(out, cpuexec.WeightsFunc(func(w graph.Weight) ([]float32, error) {
		values := make([]float32, w.Rows*w.Cols)
		values[0], values[1], values[n], values[n+1] = 3, 4, 1, 2
		if w.Name == "identity" {
			values[0], values[1], values[n], values[n+1] = 1, 0, 0, 1
		}
		return values, nil
	}))
	g := graph.Compile(out, graph.Options{Output: graph.AllLogits})
	logits := run(t, e, g, cpuexec.Step{IDs: []int32{0, 1}, Seqs: []cpuexec.Seq{{Rows: 2}}}).Logits

	// Token 0 sees itself alone. Token 1 is turned by a quarter, (1, 2) → (-2, 1): its scores are
	// ½·(-2·3 + 1·4) = -1 and ½·(4 + 1) = 2½.
	w := 1 / (1 + math.Exp(3.5)) // of token 0
	want := [][]float64{{3, 4}, {3*w + 1*(1-w), 4*w + 2*(1-w)}}
	if most, _ := distance(t, logits, want); most > 1e-15 {
		t.Errorf("got %v, want %v", logits, want)
	}
}

// TestRefusals: steps that make no sense are told, not computed.
func TestRefusals(t *testing.T) {
	m := smalls[0].build(t)
	g := graph.Compile(m, graph.Options{Output: graph.LastLogits})
	three := cpuexec.Step{IDs: []int32{1, 2, 3}, Seqs: []cpuexec.Seq{{Slot: 1, Rows: 3}}}
	for _, c := range []struct {
		step cpuexec.Step
		want string
	}{
		{cpuexec.Step{}, "0 token ids"},
		{cpuexec.Step{IDs: []int32{1, 2}, Seqs: []cpuexec.Seq{{Rows: 1}}}, "2 token ids for sequences of 1 rows"},
		{cpuexec.Step{IDs: []int32{smallVocab}, Seqs: []cpuexec.Seq{{Rows: 1}}}, "id 53, the vocabulary has 53"},
		{cpuexec.Step{IDs: []int32{-1}, Seqs: []cpuexec.Seq{{Rows: 1}}}, "id -1"},
		{cpuexec.Step{IDs: []int32{1}, Seqs: []cpuexec.Seq{{Slot: 1, Rows: 1, Start: 4}}}, "slot 1 holds 3 tokens"},
		{cpuexec.Step{IDs: []int32{1}, Seqs: []cpuexec.Seq{{Slot: 0, Rows: 1, Start: 1}}}, "slot 0 holds 0 tokens"},
		{cpuexec.Step{IDs: []int32{1, 1}, Seqs: []cpuexec.Seq{{Rows: 1}, {Rows: 1}}}, "shares its slot"},
		{cpuexec.Step{Seqs: []cpuexec.Seq{{Rows: 0}}}, "no rows"},
		{cpuexec.Step{IDs: []int32{1}, Seqs: []cpuexec.Seq{{Rows: 1, Start: -1}}}, "starts below 0"},
	} {
		e := cpuexec.New(m, randomWeights)
		run(t, e, g, three)
		if _, err := e.Run(g, c.step); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: got error %v, want %q", c.step, err, c.want)
		}
	}

	other := graph.Compile(smalls[1].build(t), graph.Options{})
	other.KV.Heads++
	if _, err := cpuexec.New(m, randomWeights).Run(other, three); err == nil || !strings.Contains(err.Error(), "different models") {
		t.Errorf("a graph of another model: got error %v", err)
	}
}

// TestWeightErrors: an error says which node wanted which weight.
func TestWeightErrors(t *testing.T) {
	m := smalls[0].build(t)
	g := graph.Compile(m, graph.Options{Output: graph.LastLogits})
	step := cpuexec.Step{IDs: []int32{1}, Seqs: []cpuexec.Seq{{Rows: 1}}}
	lost := errors.New("lost")
	e := cpuexec.New(m, cpuexec.WeightsFunc(func(w graph.Weight) ([]float32, error) {
		if w.Name == "blk.1.ffn_down.weight" {
			return nil, lost
		}
		return randomWeights(w)
	}))
	if _, err := e.Run(g, step); !errors.Is(err, lost) || !strings.Contains(err.Error(), "matmul blk.1.ffn_down.weight") {
		t.Errorf("got error %v", err)
	}
	e = cpuexec.New(m, cpuexec.WeightsFunc(func(graph.Weight) ([]float32, error) { return make([]float32, 7), nil }))
	if _, err := e.Run(g, step); err == nil || !strings.Contains(err.Error(), "embd has 7 elements, the graph wants 53×96") {
		t.Errorf("got error %v", err)
	}
	e = cpuexec.New(m, cpuexec.Stored(func(string) (quant.Source, error) {
		return quant.Blocks{Type: quant.BF16, Rows: 53, Cols: 96, Data: make([]byte, 3)}, nil
	}))
	if _, err := e.Run(g, step); err == nil || !strings.Contains(err.Error(), "tensor embd") {
		t.Errorf("got error %v", err)
	}
}
