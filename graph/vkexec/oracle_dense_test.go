package vkexec

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
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
		{arch: "qwen3", bias: "v_proj", vocab: 317, hidden: 192, layers: 1, heads: 6, kvHeads: 2, headDim: 32, ffn: 160, tied: true},
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

// TestOracleBiasSlices: products of unlike types write slices of one tensor, each with its own bias, and a weight that lies
// in shards adds the part of the bias that is the shard's.
func TestOracleBiasSlices(t *testing.T) {
	s := shape{arch: "qwen2", bias: "_proj", vocab: 300, hidden: 192, layers: 1, heads: 6, kvHeads: 2, headDim: 32, ffn: 96}
	path := writeModel(t, s, randomWeights)
	t.Run("shards", func(t *testing.T) {
		mask := vk.Mask{MaxTier: vk.AllTiers, MaxStorageBufferRange: 64 << 10, ForceStaging: true}
		compareWithOracle(t, path, model.Options{}, mask, Options{Context: 64, KV: "f32", Splits: 1})
	})
	t.Run("slices", func(t *testing.T) {
		c, err := loader.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		m, err := model.New(c, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range m.Graph.Nodes {
			if n.Pack != nil && n.Pack.Name == "blk.0.attn_k.weight" {
				n.Pack.Parts[0].Layout = quant.LayoutOf(quant.F32)
			}
		}
		compareModel(t, c, m, unmasked, Options{Context: 64, KV: "f32", FuseNorm: true}, nil)
	})
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

// TestOracleBeyondTrained runs prompts beyond what a first-generation model was trained for, in chunks and with an
// answer behind them: all tokens are turned by what the whole prompt chose, and late queries are scaled.
func TestOracleBeyondTrained(t *testing.T) {
	path := testkit.ShortQwen1(t, 10)
	for mask, m := range masks {
		if mask != "tier0" && mask != "tier1" || testing.Short() && mask != "tier1" {
			continue
		}
		t.Run(mask, func(t *testing.T) {
			c, err := loader.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			mod, err := model.New(c, model.Options{})
			if err != nil {
				t.Fatal(err)
			}
			mod.FixContext(96)
			tensor := func(name string) (quant.Source, error) {
				w, ok := c.Tensor(name)
				if !ok {
					return nil, fmt.Errorf("no tensor %s", name)
				}
				return w.Source(), nil
			}
			e, err := New(context.Background(), vktest.Open(t, m), mod.Graph, tensor, Options{Context: 96, Slots: 2, KV: "f32", Splits: 2})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Close()
			poison(t, e, true)
			e.SetBlocks(0, []uint32{5, 1, 3})
			e.SetBlocks(1, []uint32{0, 4, 2})
			plain := graph.Compile(mod.Graph, graph.Options{Output: graph.AllLogits, NoFuse: true})
			for i, n := range []int{8, 25, 60} { // three prompts, in turn in both slots
				slot, choice := i%2, e.ChooseRoPE(n)
				if want := []int{0, 2, 3}[i]; choice != want {
					t.Errorf("a prompt of %d tokens chooses %d, want %d", n, choice, want)
				}
				e.SetRoPE(slot, choice)
				oracle := cpuexec.New(mod.Graph, cpuexec.Stored(tensor))
				start := 0
				for _, rows := range []int{n - 5, 5, 1, 1} {
					ids := make([]int32, rows)
					for j := range ids {
						ids[j] = int32((start+j)*37+n) % 300
					}
					want, err := oracle.Run(plain, cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: rows, Start: start, RoPE: choice}}})
					if err != nil {
						t.Fatal(err)
					}
					r, err := e.Run(context.Background(), Step{IDs: ids, Seqs: []Seq{{Slot: slot, Rows: rows, Start: start}}}, TailAllLogits, NoHistory)
					if err != nil {
						t.Fatal(err)
					}
					got := make([]float32, rows*e.Vocab())
					if err := e.Logits(context.Background(), r, 0, got); err != nil {
						t.Fatal(err)
					}
					compareRows(t, fmt.Sprintf("prompt of %d: %d tokens behind %d", n, rows, start), got, want.Logits, "f32")
					start += rows
				}
			}
		})
	}
}
