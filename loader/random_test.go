package loader_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

func always(t quant.Type) loader.TypeChoice {
	return func(string, loader.Config, string, int, int) quant.Type { return t }
}

// The shapes are those of the published models: their parameters are known.
func TestRandomShapes(t *testing.T) {
	billions := map[string][2]float64{
		"qwen3-0.6b": {0.59, 0.61}, "qwen3-1.7b": {1.71, 1.73}, "qwen3-4b": {4.01, 4.03}, "qwen3-8b": {8.18, 8.20}, "qwen3-14b": {14.7, 14.8},
		"qwen3-32b": {32.7, 32.8}, "qwen3-30b-a3b": {30.5, 30.6}, "qwen3-235b-a22b": {235, 235.2},
	}
	for _, name := range loader.RandomShapes() {
		c, err := loader.Random(name, always(quant.Q8_0))
		if err != nil {
			t.Fatal(err)
		}
		if want, ok := billions[name]; ok {
			if n := float64(c.Parameters()) / 1e9; n < want[0] || n > want[1] {
				t.Errorf("%s has %.3f billion parameters, want %v", name, n, want)
			}
			delete(billions, name)
		}
		if c.Format() != "random" || !strings.Contains(c.Name(), name) {
			t.Errorf("%s: format %s, name %s", name, c.Format(), c.Name())
		}
	}
	if len(billions) > 0 {
		t.Errorf("missing are %v", billions)
	}
}

func TestRandomRefuses(t *testing.T) {
	_, err := loader.Random("7b", always(quant.Q8_0))
	if !errors.Is(err, loader.ErrNotFound) || !strings.Contains(err.Error(), "qwen3-30b-a3b") {
		t.Errorf("got %v", err)
	}
	short, err := loader.Random("0.6B", always(quant.F16)) // in any case, without the family
	if err != nil {
		t.Fatal(err)
	}
	if names := short.Names(); !slices.Contains(names, "blk.27.ffn_down.weight") || slices.Contains(names, "output.weight") {
		t.Errorf("the tensors are %v", names)
	}
}
