package cpuexec_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/model"
)

// allInt8 lets every product but the head read bytes.
var allInt8 = &graph.Int8{Takes: func(*graph.Node) bool { return true }}

// int8Errors are what activations in bytes cost at most over the types of golden/gguf-quants: maximum, rms relative to the
// spread of the logits, mean KL in nats. The tolerance of devices comes from them.
var int8Errors = [3]float64{0.35, 0.02, 0.0016}

// TestGoldenInt8: with activations rounded to bytes the logits are off by what int8Errors says, and by no less than a tenth
// of it.
func TestGoldenInt8(t *testing.T) {
	ref := readReference(t, "gguf-quants")
	var worst [3]float64
	for _, typ := range testkit.GGUFQuants {
		if testing.Short() && typ != "Q8_0" && typ != "Q2_K" {
			continue
		}
		m, weights := open(t, testkit.Path(t, "golden/gguf-quants/"+typ+".gguf"), model.Options{})
		g := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits, Int8: allInt8})
		for p, prompt := range ref.prompts {
			got := errorsOf(prefill(t, cpuexec.New(g, weights), g, prompt.IDs, len(prompt.IDs)), rows(ref.tensors[fmt.Sprintf("%s.logits.%d", typ, p)]))
			t.Logf("%s, prompt %d: max %.2g, rms %.2g, KL %.2g", typ, p, got[0], got[1], got[2])
			for i := range worst {
				worst[i] = max(worst[i], got[i])
			}
		}
	}
	for i := range worst {
		if worst[i] > int8Errors[i] || worst[i] < int8Errors[i]/10 {
			t.Errorf("max, rms, KL are %.3g, want at most %.3g and a tenth of it at least", worst, int8Errors)
		}
	}
}

// TestInt8Forms: with and without fusion, with experts and without, the same activations are rounded. Sums in another order
// may send one to the other side of a border, which the sizes here are too small for.
func TestInt8Forms(t *testing.T) {
	for i, s := range smalls {
		t.Run(fmt.Sprint(s), func(t *testing.T) {
			m := s.build(t)
			var want [][]float64
			for _, o := range []graph.Options{{NoFuse: true}, {}, {SumExperts: true}, {FuseNorm: true}} {
				o.Output, o.Int8 = graph.AllLogits, allInt8
				g := graph.Compile(m, o)
				got := run(t, cpuexec.New(m, randomWeights), g, history).Logits
				if want == nil {
					want = got
				}
				if _, relative := distance(t, got, want); relative > 1e-9 {
					t.Errorf("%+v: logits are off those of the plain form by %.1e relative rms", o, relative)
				}
			}
			plain := graph.Compile(m, graph.Options{Output: graph.AllLogits})
			_, relative := distance(t, want, run(t, cpuexec.New(m, randomWeights), plain, history).Logits)
			if relative < 1e-4 || relative > 0.07 || math.IsNaN(relative) {
				t.Errorf("model %d: rounding moves the logits by %.1e relative rms", i, relative)
			}
		})
	}
}
