package cpuexec_test

import (
	"fmt"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/model"
)

// TestGoldenGPTQ holds the oracle on GPTQ and AWQ layers, with gathers and without, against transformers.
func TestGoldenGPTQ(t *testing.T) {
	for _, name := range []string{"gptq-int4-descact-qwen3", "gptq-int8-qwen3", "gptq-int4-qwen2", "awq-qwen2"} {
		ref := readReference(t, "gptq-awq/"+name)
		m, weights := open(t, ref.dir, model.Options{})
		for _, plain := range []bool{true, false} {
			g := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: plain})
			for p, prompt := range ref.prompts {
				got := prefill(t, cpuexec.New(m.Graph, weights), g, prompt.IDs, 7)
				if most, relative := distance(t, got, rows(ref.tensors[fmt.Sprintf("logits.%d", p)])); most > maxAbs || relative > maxRelative {
					t.Errorf("%s, no fusion %t, prompt %d: logits differ by %.2e at most, %.2e relative rms; want %.0e and %.0e", name, plain, p, most, relative, maxAbs, maxRelative)
				}
			}
		}
	}
}
