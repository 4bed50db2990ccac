package vkexec

import (
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
)

// randomWeights fills a tensor with normal numbers of a size that keeps attention and logits lively; biases are as
// large as the products that they are added to.
func randomWeights(rng *rand.Rand, name string, x []float32) {
	std, mean := 0.15, 0.0
	switch {
	case strings.Contains(name, "norm"):
		std, mean = 0.3, 1
	case strings.HasSuffix(name, ".bias"):
		std = 0.5
	}
	for i := range x {
		x[i] = float32(mean + std*rng.NormFloat64())
	}
}

// TestOracleBias runs layers with biases in every place, alone and in company: in the product's epilogue, stacked,
// stacked with zeros, beside a residual, and where SwiGLU or a difference of types forbids the fusion.
func TestOracleBias(t *testing.T) {
	for _, s := range []shape{
		{arch: "qwen2", bias: "_proj", vocab: 300, hidden: 448, layers: 1, heads: 7, kvHeads: 1, headDim: 64, ffn: 96},
		{arch: "qwen2", bias: "v_proj", vocab: 317, hidden: 192, layers: 1, heads: 6, kvHeads: 2, headDim: 32, ffn: 160, tied: true},
		{arch: "qwen3", bias: "self_attn", vocab: 290, hidden: 96, layers: 1, heads: 4, kvHeads: 2, headDim: 128, ffn: 96},
	} {
		path := writeModel(t, s, randomWeights)
		for mask, m := range masks {
			if mask != "tier0" && mask != "tier1" || testing.Short() && mask != "tier1" {
				continue
			}
			t.Run(s.String()+"/"+mask, func(t *testing.T) {
				compareWithOracle(t, path, model.Options{}, m, Options{Context: 64, KV: "f32", FuseNorm: mask == "tier1", Splits: 2})
			})
			if s.bias != "_proj" || testing.Short() {
				continue
			}
			t.Run(s.String()+"/"+mask+"/int4", func(t *testing.T) {
				scheme := quant.Scheme{Bits: 4, Group: 32, Zero: true}
				compareWithOracle(t, path, model.Options{Quantise: scheme}, m, Options{Context: 64, KV: "f32", FuseNorm: mask == "tier0"})
			})
		}
	}
}

// TestOracleWindow runs sliding layers beside full ones: windows below, at and above a page of the cache and across its
// borders, whole prompts and single tokens.
func TestOracleWindow(t *testing.T) {
	for _, s := range []shape{
		{arch: "qwen2", window: 7, bias: "self_attn", vocab: 300, hidden: 896, layers: 2, heads: 14, kvHeads: 2, headDim: 64, ffn: 96, tied: true},
		{arch: "qwen3", window: 32, vocab: 290, hidden: 96, layers: 3, heads: 7, kvHeads: 1, headDim: 128, ffn: 96},
		{arch: "qwen3", window: 35, vocab: 280, hidden: 64, layers: 2, heads: 2, kvHeads: 1, headDim: 64, ffn: 64},
	} {
		path := writeModel(t, s, randomWeights)
		for mask, m := range masks {
			if mask != "tier0" && mask != "tier1" || testing.Short() && mask != "tier1" {
				continue
			}
			t.Run(s.String()+"/"+mask, func(t *testing.T) {
				compareWithOracle(t, path, model.Options{}, m, Options{Context: 96, KV: "f32", FuseNorm: mask == "tier1", Splits: 2})
			})
		}
	}
}
