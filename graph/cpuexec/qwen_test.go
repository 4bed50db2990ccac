package cpuexec_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
)

// TestBeyondTrained holds prompts that are longer than a first-generation model was trained for against the forward pass
// below, which is written from the published formulas alone: no reference results exist for them.
func TestBeyondTrained(t *testing.T) {
	const trained = 10
	path := testkit.ShortQwen1(t, trained)
	c, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := model.New(c, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits})
	// 10 tokens are not beyond, 11 and 20 get α = 3, 21 and 40 get 7, 41 gets 15.
	for _, n := range []int{10, 11, 20, 21, 40, 41} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32(17*i+n) % 300
		}
		want := firstQwen(t, c, ids, trained)
		e := cpuexec.New(m.Graph, weightsOf(c))
		step := cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: n, RoPE: m.Graph.RoPE.Choose(n)}}}
		if _, relative := distance(t, run(t, e, g, step).Logits, want); relative > 1e-12 {
			t.Errorf("%d tokens: logits are off by %.2e relative rms", n, relative)
		}
		if n <= trained {
			continue
		}
		step.Seqs[0].RoPE = 0
		if _, relative := distance(t, run(t, e, g, step).Logits, want); relative < 1e-3 {
			t.Errorf("%d tokens: the choice of frequencies changes the logits by %.2e only", n, relative)
		}
	}
}

// firstQwen is the forward pass of modeling_qwen.py over a whole prompt, in float64 and in the checkpoint's own words.
func firstQwen(t *testing.T, c *loader.Checkpoint, ids []int32, trained int) [][]float64 {
	t.Helper()
	cfg := c.Config()
	get := func(name string) [][]float64 {
		x, ok := c.Tensor(name)
		if !ok {
			t.Fatalf("no tensor %s", name)
		}
		flat := make([]float32, x.Rows*x.Cols)
		if err := x.Source().Values(flat, 0, x.Rows); err != nil {
			t.Fatal(err)
		}
		w := make([][]float64, x.Rows)
		for r := range w {
			for _, v := range flat[r*x.Cols : (r+1)*x.Cols] {
				w[r] = append(w[r], float64(v))
			}
		}
		return w
	}
	times := func(w [][]float64, x []float64) []float64 {
		y := make([]float64, len(w))
		for r := range w {
			for i := range x {
				y[r] += w[r][i] * x[i]
			}
		}
		return y
	}
	norm := func(x []float64, w []float64) []float64 {
		squares := 0.0
		for _, v := range x {
			squares += v * v
		}
		y := make([]float64, len(x))
		for i := range x {
			y[i] = x[i] / math.Sqrt(squares/float64(len(x))+cfg.RMSEps) * w[i]
		}
		return y
	}
	// get_ntk_alpha and the inverse frequencies of RotaryEmbedding.
	n, d := float64(len(ids)), cfg.HeadDim
	alpha := math.Max(math.Pow(2, math.Ceil(math.Log2(n/float64(trained))+1))-1, 1)
	base := cfg.RoPETheta * math.Pow(alpha, float64(d)/float64(d-2))
	turn := func(x []float64, position int) []float64 {
		y := make([]float64, d)
		for i := range d {
			angle := float64(position) / math.Pow(base, float64(2*(i%(d/2)))/float64(d))
			other := -x[(i+d/2)%d]
			if i >= d/2 {
				other = -other
			}
			y[i] = x[i]*math.Cos(angle) + other*math.Sin(angle)
		}
		return y
	}

	embedding := get("token_embd.weight")
	h := make([][]float64, len(ids))
	for p, id := range ids {
		h[p] = append([]float64(nil), embedding[id]...)
	}
	for l := range cfg.Layers {
		part := func(s string) [][]float64 { return get(fmt.Sprintf("blk.%d.%s", l, s)) }
		var q, k, v [][]float64
		for p := range h {
			x := norm(h[p], part("attn_norm.weight")[0])
			for _, to := range []struct {
				name string
				list *[][]float64
			}{{"attn_q", &q}, {"attn_k", &k}, {"attn_v", &v}} {
				y := times(part(to.name+".weight"), x)
				for i, b := range part(to.name + ".bias")[0] {
					y[i] += b
				}
				*to.list = append(*to.list, y)
			}
			q[p], k[p] = turn(q[p], p), turn(k[p], p)
			if i := p + 1; i > trained { // logn_tensor
				for j := range q[p] {
					q[p][j] *= math.Log(float64(i)) / math.Log(float64(trained))
				}
			}
		}
		for p := range h {
			weights, sum := make([]float64, p+1), 0.0
			for j := range weights {
				for i := range d {
					weights[j] += q[p][i] * k[j][i] / math.Sqrt(float64(d))
				}
				weights[j] = math.Exp(weights[j])
				sum += weights[j]
			}
			a := make([]float64, d)
			for j, w := range weights {
				for i := range d {
					a[i] += w / sum * v[j][i]
				}
			}
			for i, y := range times(part("attn_output.weight"), a) {
				h[p][i] += y
			}
			x := norm(h[p], part("ffn_norm.weight")[0])
			w1, w2 := times(part("ffn_up.weight"), x), times(part("ffn_gate.weight"), x)
			for i := range w1 {
				w1[i] *= w2[i] / (1 + math.Exp(-w2[i]))
			}
			for i, y := range times(part("ffn_down.weight"), w1) {
				h[p][i] += y
			}
		}
	}
	logits := make([][]float64, len(h))
	for p := range h {
		logits[p] = times(get("output.weight"), norm(h[p], get("output_norm.weight")[0]))
	}
	return logits
}

// TestLogNNotes: the scaled query is part of the fused form.
func TestLogNNotes(t *testing.T) {
	m, _ := open(t, testkit.ShortQwen1(t, 10), model.Options{})
	g := graph.Compile(m.Graph, graph.Options{Output: graph.LastLogits})
	for _, n := range g.Nodes {
		if n.Op == graph.OpLogN || n.Op == graph.OpStoreKV || n.Op == graph.OpRoPEKV && n.LogN != 10 {
			t.Errorf("%s %s with log n %d: %s", n.Op, n.Label, n.LogN, strings.Join(g.Notes, "; "))
		}
	}
}
