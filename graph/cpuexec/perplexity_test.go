package cpuexec_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"math"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/tokenizer"
)

var allSchemes = flag.Bool("all-schemes", false, "TestQuantisedPerplexity: all eight ways to quantise on load, not two")

// TestQuantisedPerplexity quantises the demo model on load and holds its perplexity against the reference's, to every
// digit that the reference has: what the kernels are measured by means what it says.
func TestQuantisedPerplexity(t *testing.T) {
	if testing.Short() {
		t.Skip("half a minute of float64 on two cores")
	}
	var reference struct {
		Results []struct {
			Bits, Group int
			Asymmetric  bool
			Perplexity  float64 `json:"ppl_all"`
		}
	}
	if err := json.Unmarshal(testkit.Read(t, "demo-model/rtn.json"), &reference); err != nil {
		t.Fatal(err)
	}
	dir := testkit.Path(t, "demo-model/qwenvk-demo")
	tok, err := tokenizer.FromDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	ids, err := tok.Encode(string(testkit.Read(t, "demo-model/ppl.txt")), tokenizer.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range reference.Results {
		if few := r.Bits == 8 && r.Group == 32 && !r.Asymmetric || r.Bits == 4 && r.Group == 128 && r.Asymmetric; !few && !*allSchemes {
			continue
		}
		scheme := quant.Scheme{Bits: r.Bits, Group: r.Group, Zero: r.Asymmetric}
		t.Run(fmt.Sprint(scheme), func(t *testing.T) {
			t.Parallel()
			m, weights := open(t, dir, model.Options{Quantise: scheme})
			if got := perplexity(t, m.Graph, weights, ids); math.Abs(got-r.Perplexity) > 1e-4 {
				t.Errorf("got %.4f, want %.4f", got, r.Perplexity)
			}
		})
	}
}

// perplexity scores tokens 2 to 512 of each whole window of 512.
func perplexity(t *testing.T, m *graph.Graph, weights cpuexec.Weights, ids []int32) float64 {
	const window = 512
	g := graph.Compile(m, graph.Options{Output: graph.AllLogits})
	e := cpuexec.New(m, weights)
	loss, scored := 0.0, 0
	for at := 0; at+window <= len(ids); at += window {
		w := ids[at : at+window]
		logits := run(t, e, g, cpuexec.Step{IDs: w, Seqs: []cpuexec.Seq{{Rows: window}}}).Logits
		for i, row := range logits[:window-1] {
			most, sum := math.Inf(-1), 0.0
			for _, v := range row {
				most = max(most, v)
			}
			for _, v := range row {
				sum += math.Exp(v - most)
			}
			loss += most + math.Log(sum) - row[w[i+1]]
			scored++
		}
	}
	t.Logf("%d tokens scored, perplexity %.5f", scored, math.Exp(loss/float64(scored)))
	return math.Exp(loss / float64(scored))
}
