package cpuexec_test

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
)

// The reference ran in float32 with an error of at most 3e-5 against float64 (testdata/README.md); the limits leave
// room for that error and no more.
const (
	maxAbs      = 1e-4
	maxRelative = 5e-6
)

var cases = []string{"qwen1", "qwen2-dense-tied", "qwen2-sliding", "qwen3-dense-tied", "qwen3-dense-untied", "qwen3-long", "qwen3-yarn", "qwen3moe-top2", "qwen3moe-top8-mixed", "qwen2moe", "qwen2moe-mixed"}

// TestGoldenLogits holds logits of every position against transformers, however the prompt is cut, in both forms.
func TestGoldenLogits(t *testing.T) {
	for _, name := range cases {
		ref := readReference(t, name)
		m, weights := open(t, ref.dir, model.Options{})
		for _, plain := range []bool{true, false} {
			g := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: plain})
			for p, prompt := range ref.prompts {
				want := rows(ref.tensors[fmt.Sprintf("logits.%d", p)])
				for _, chunk := range []int{len(prompt.IDs), 7, 1} {
					t.Run(fmt.Sprintf("%s/plain=%t/prompt%d/chunk%d", name, plain, p, chunk), func(t *testing.T) {
						e := cpuexec.New(m.Graph, weights)
						got := prefill(t, e, g, prompt.IDs, chunk)
						most, relative := distance(t, got, want)
						t.Logf("max %.1e, relative rms %.1e", most, relative)
						if most > maxAbs || relative > maxRelative {
							t.Errorf("logits differ by %.2e at most, %.2e relative rms; want %.0e and %.0e", most, relative, maxAbs, maxRelative)
						}
					})
				}
			}
		}
	}
}

// prefill runs ids through slot 0 in chunks and returns the rows of logits of all runs.
func prefill(t testing.TB, e *cpuexec.Executor, g *graph.Graph, ids []int32, chunk int) [][]float64 {
	t.Helper()
	var logits [][]float64
	for at := 0; at < len(ids); at += chunk {
		n := min(chunk, len(ids)-at)
		logits = append(logits, run(t, e, g, cpuexec.Step{IDs: ids[at : at+n], Seqs: []cpuexec.Seq{{Rows: n, Start: at}}}).Logits...)
	}
	return logits
}

func run(t testing.TB, e *cpuexec.Executor, g *graph.Graph, s cpuexec.Step) *cpuexec.Result {
	t.Helper()
	r, err := e.Run(g, s)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestGoldenHidden holds the residual stream after every layer and each attention output against transformers: a
// wrong layer is named, not only seen in the logits.
func TestGoldenHidden(t *testing.T) {
	for _, name := range cases {
		ref := readReference(t, name)
		m, weights := open(t, ref.dir, model.Options{})
		g := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: true})
		ids := ref.prompts[0].IDs
		values := run(t, cpuexec.New(g, weights), g, cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: len(ids)}}}).Values

		got := map[string]*cpuexec.Matrix{}
		for _, n := range g.Nodes {
			var layer int
			var what string
			if n.Out == graph.None {
				continue
			}
			if _, err := fmt.Sscanf(n.Label, "blk.%d.%s", &layer, &what); err != nil {
				what = n.Label
			}
			switch {
			case n.Op == graph.OpEmbed:
				got["hidden.0.embed"] = values[n.Out]
			case n.Op == graph.OpAdd: // the second of a layer stays
				got[fmt.Sprintf("hidden.0.layer.%d", layer)] = values[n.Out]
			case what == "attn_output.weight":
				got[fmt.Sprintf("hidden.0.attn_out.%d", layer)] = values[n.Out]
			case what == "ffn_gate_inp.weight":
				got[fmt.Sprintf("hidden.0.router_logits.%d", layer)] = values[n.Out]
			case what == "output_norm.weight":
				got["hidden.0.final_norm"] = values[n.Out]
			}
		}
		for tensor, want := range ref.tensors {
			if !strings.HasPrefix(tensor, "hidden.") {
				continue
			}
			if got[tensor] == nil {
				t.Errorf("%s: nothing computed is %s", name, tensor)
				continue
			}
			if _, relative := distance(t, rows(got[tensor]), rows(want)); relative > maxRelative {
				t.Errorf("%s: %s is off by %.2e relative rms", name, tensor, relative)
			}
		}
	}
}

// TestGoldenGreedy decodes 32 tokens token by token: the last chunk of the prompt and every step in their own forms.
func TestGoldenGreedy(t *testing.T) {
	for _, name := range cases {
		ref := readReference(t, name)
		m, weights := open(t, ref.dir, model.Options{})
		fill := graph.Compile(m.Graph, graph.Options{Output: graph.CacheOnly})
		last := graph.Compile(m.Graph, graph.Options{Output: graph.LastLogits})
		decode := graph.Compile(m.Graph, graph.Options{Output: graph.LastLogits, OneRowEach: true, FuseNorm: true, SumExperts: true})
		e := cpuexec.New(m.Graph, weights) // one for all prompts: a new prompt starts over in slot 0
		for p, prompt := range ref.prompts {
			cut := len(prompt.IDs) / 2
			if logits := prefill(t, e, fill, prompt.IDs[:cut], 5); logits != nil {
				t.Fatalf("%s: a graph that only fills the cache computed logits", name)
			}
			next := cpuexec.Step{IDs: prompt.IDs[cut:], Seqs: []cpuexec.Seq{{Rows: len(prompt.IDs) - cut, Start: cut}}}
			logits := run(t, e, last, next).Logits
			for i, want := range prompt.Greedy {
				if len(logits) != 1 {
					t.Fatalf("%s: %d rows of logits for one sequence", name, len(logits))
				}
				id, margin := best(logits[0])
				if id != want {
					t.Fatalf("%s: prompt %d, token %d is %d, want %d", name, p, i, id, want)
				}
				if math.Abs(margin-prompt.Margins[i]) > 2*maxAbs {
					t.Errorf("%s: prompt %d, token %d: margin %v, want %v", name, p, i, margin, prompt.Margins[i])
				}
				step := cpuexec.Step{IDs: []int32{id}, Seqs: []cpuexec.Seq{{Rows: 1, Start: len(prompt.IDs) + i}}}
				logits = run(t, e, decode, step).Logits
			}
		}
	}
}

// best is the index of the largest element and its distance to the second largest.
func best(x []float64) (id int32, margin float64) {
	first, second := math.Inf(-1), math.Inf(-1)
	for i, v := range x {
		switch {
		case v > first:
			id, first, second = int32(i), v, first
		case v > second:
			second = v
		}
	}
	return id, first - second
}

// TestGoldenQuantised holds the dequantised products against transformers on the same quantised files.
func TestGoldenQuantised(t *testing.T) {
	ids := readReference(t, "qwen3-dense-untied").prompts[0].IDs
	expected := readTensors(t, "golden/gguf-quants/expected.safetensors")
	for _, typ := range testkit.GGUFQuants {
		m, weights := open(t, testkit.Path(t, "golden/gguf-quants/"+typ+".gguf"), model.Options{})
		g := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits})
		got := prefill(t, cpuexec.New(g, weights), g, ids, len(ids))
		most, relative := distance(t, got, rows(expected[typ+".logits.0"]))
		t.Logf("%s: max %.1e, relative rms %.1e", typ, most, relative)
		if most > maxAbs || relative > maxRelative {
			t.Errorf("%s: logits differ by %.2e at most, %.2e relative rms", typ, most, relative)
		}
	}
}

// cacheErrors are what rounded keys and values cost at most over the cases: maximum, rms relative to the spread of
// the logits, mean KL in nats, as the README of the goldens measures them. The rows of f16 are torch's; those of the block
// types, which torch does not have, are this package's in float64, and what the devices' tolerances come from.
var cacheErrors = map[string][3]float64{
	"f16":  {0.015, 7.5e-4, 2e-6},
	"q8_0": {0.5, 0.026, 0.0023},
	"q4_0": {6.3, 0.36, 0.34},
}

// TestGoldenCaches: with rounded keys and values the logits are off by what cacheErrors says, and by no less than a tenth
// of it: the tolerances would else be too wide.
func TestGoldenCaches(t *testing.T) {
	for kind, want := range cacheErrors {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			var worst [3]float64
			for _, name := range cases {
				ref := readReference(t, name)
				m, weights := open(t, ref.dir, model.Options{})
				g := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits})
				e := cpuexec.New(g, weights)
				e.KVRound = quant.CacheRounding(kind)
				for p, prompt := range ref.prompts {
					if testing.Short() && p == 0 {
						continue // the longer one
					}
					got := errorsOf(prefill(t, e, g, prompt.IDs, len(prompt.IDs)), rows(ref.tensors[fmt.Sprintf("logits.%d", p)]))
					t.Logf("%s, prompt %d: max %.2g, rms %.2g, KL %.2g", name, p, got[0], got[1], got[2])
					for i := range worst {
						worst[i] = max(worst[i], got[i])
					}
				}
			}
			for i := range worst {
				if worst[i] > want[i] || worst[i] < want[i]/10 {
					t.Errorf("max, rms, KL are %.3g, want at most %.3g and a tenth of it at least", worst, want)
				}
			}
		})
	}
}

// errorsOf is the largest difference, the rms of the differences relative to the spread of want, and the mean divergence.
func errorsOf(got, want [][]float64) [3]float64 {
	var most, diff, sum, square, kl float64
	for i, row := range want {
		a, b := logSumExp(row), logSumExp(got[i])
		for j, w := range row {
			d := got[i][j] - w
			most = max(most, math.Abs(d))
			diff += d * d
			sum += w
			square += w * w
			kl += math.Exp(w-a) * ((w - a) - (got[i][j] - b))
		}
	}
	n := float64(len(want) * len(want[0]))
	return [3]float64{most, math.Sqrt(diff / n / (square/n - sum/n*sum/n)), kl / float64(len(want))}
}

func logSumExp(x []float64) float64 {
	most, sum := math.Inf(-1), 0.0
	for _, v := range x {
		most = max(most, v)
	}
	for _, v := range x {
		sum += math.Exp(v - most)
	}
	return most + math.Log(sum)
}
