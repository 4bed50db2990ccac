package qwenvk

import (
	"fmt"
	"path/filepath"
	"slices"
	"testing"
)

// TestGoldensMatrixUnits runs prompts through cooperative matrices (tier 3), decode as always, on devices that have them. These
// narrow weights and activations to f16, which an f16 run of the reference does as well: its tolerance holds, and that of
// the cache where it is wider.
func TestGoldensMatrixUnits(t *testing.T) {
	tier := 3
	rt := openTest(t, Options{Tier: &tier, Prefer: []string{"mul_mat_cm", "attention_cm"}}, nil)
	if _, ok := rt.device().Caps().MatrixUnit(); !ok {
		t.Skipf("%s has no cooperative matrices", rt.device().Caps().Name)
	}
	cases := []string{"qwen1", "qwen2-dense-tied", "qwen2-sliding", "qwen3-dense-tied", "qwen3-dense-untied", "qwen3-long", "qwen3-yarn"}
	cases = append(cases, moeCases...)
	if testing.Short() { // a driver that emulates matrices compiles for seconds, for each size of heads and groups
		cases = []string{"qwen2-sliding", "qwen3-dense-tied", "qwen3moe-top2"}
	}
	for _, name := range cases {
		g := readGolden(t, name)
		forms := goldenForms(filepath.Base(g.dir))
		if testing.Short() {
			forms = forms[:2]
		}
		for _, form := range forms {
			if slices.Contains(moeCases, name) {
				form.store = ""
			}
			t.Run(fmt.Sprintf("%s/%s/kv-%s", name, form.store, form.kv), func(t *testing.T) {
				runGolden(t, rt, g, form.store, form.kv)
			})
		}
	}
}
