package vkexec

import (
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/model"
)

// TestOracleExperts runs the golden mixtures of experts in steps of 33, 1 and 5 rows: tiles over what each expert has,
// and the chosen matrices alone.
func TestOracleExperts(t *testing.T) {
	for _, name := range []string{"qwen3moe-top2", "qwen3moe-top8-mixed"} {
		path := testkit.Path(t, "golden/"+name)
		for mask, m := range masks {
			if mask != "tier0" && mask != "tier1" || testing.Short() && mask != "tier1" {
				continue
			}
			t.Run(name+"/"+mask, func(t *testing.T) {
				compareWithOracle(t, path, model.Options{}, m, Options{Context: 64, KV: "f32", FuseNorm: mask == "tier1"})
			})
		}
	}
}
