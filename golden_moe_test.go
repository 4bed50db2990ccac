package qwenvk

import (
	"fmt"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
)

// moeCases are the golden mixtures of experts.
var moeCases = []string{"qwen3moe-top2", "qwen3moe-top8-mixed", "qwen2moe", "qwen2moe-mixed"}

// TestGoldensExperts is TestGoldens for mixtures of experts, as they are stored. An error as large as the smallest gap
// between a chosen and the next expert, 9e-5 here, may send a token elsewhere; rounding the cache to f16 does not in
// these prompts, so the tolerances are those of dense models.
func TestGoldensExperts(t *testing.T) {
	for tier := range 2 {
		if testing.Short() && tier > 0 {
			continue
		}
		t.Run(fmt.Sprintf("tier%d", tier), func(t *testing.T) {
			rt := openTest(t, Options{Tier: &tier}, nil)
			for _, name := range moeCases {
				for _, kv := range []string{"f32", "f16"} {
					t.Run(fmt.Sprintf("%s/kv-%s", name, kv), func(t *testing.T) {
						runGolden(t, rt, readGolden(t, name), "", kv)
					})
				}
			}
		})
	}
}

// TestGoldensExpertsGGUF runs the twins in GGUF, whose experts of a layer lie in one tensor.
func TestGoldensExpertsGGUF(t *testing.T) {
	shared := testkit.Shared(t, "golden")
	rt := openTest(t, Options{}, nil)
	for _, name := range moeCases {
		path := filepath.Join(shared, name, "model.bf16.gguf")
		if m, _ := filepath.Glob(path); m == nil {
			continue // GGUF has no mixed ones
		}
		t.Run(name, func(t *testing.T) {
			g := readGolden(t, name)
			g.dir = path
			runGolden(t, rt, g, "", "f32")
		})
	}
}
