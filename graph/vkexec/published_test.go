package vkexec

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// TestPublishedShapes holds one layer of every published model against the oracle: true widths, heads and types. A prompt
// of ten tokens takes the tiled products where the layer is small enough for the oracle's patience; two tokens and one more
// take the others.
func TestPublishedShapes(t *testing.T) {
	if testing.Short() {
		t.Skip("the short tests leave the shapes of published models out")
	}
	var done []published
	for _, s := range publishedShapes(t) {
		if slices.ContainsFunc(done, s.same) {
			continue
		}
		done = append(done, s)
		t.Run(strings.ReplaceAll(s.name, "/", "-"), func(t *testing.T) { comparePublished(t, s) })
	}
}

func comparePublished(t *testing.T, s published) {
	c, err := loader.Open(s.layerFile(t))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := model.New(c, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := m.Config; got.Heads != s.heads || got.KVHeads != s.kvHeads || got.HeadDim != s.dim || got.Hidden != s.hidden || got.Tied != s.tied {
		t.Fatalf("the model has %d/%d heads of %d, hidden size %d, tied %t", got.Heads, got.KVHeads, got.HeadDim, got.Hidden, got.Tied)
	}
	source := func(name string) (quant.Source, error) {
		w, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("no tensor %s", name)
		}
		return w.Source(), nil
	}
	e, err := New(context.Background(), vktest.Open(t, vk.Mask{MaxTier: vk.AllTiers}), m.Graph, source, Options{Context: 32, KV: "f32", Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	// The values of blocks, which the planes hold to the bit (package quant's tests): unpacking so many planes takes minutes.
	oracle := cpuexec.New(m.Graph, cpuexec.WeightsFunc(func(w graph.Weight) ([]float32, error) {
		src, err := source(w.Name)
		if err != nil {
			return nil, err
		}
		values := make([]float32, w.Rows*w.Cols)
		return values, src.Values(values, 0, w.Rows)
	}))
	poison(t, e, true)
	mapPages(e)
	plain := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: true})
	steps := []int{2, 1}
	if m.Params < 250e6 {
		steps = []int{10, 1}
	}
	start := 0
	for _, n := range steps {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32((start+i)*37+11) % layerVocab
		}
		want, err := oracle.Run(plain, cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: n, Start: start}}})
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, n*e.Vocab())
		if err := e.Logits(context.Background(), run(t, e, ids, start, TailAllLogits), 0, got); err != nil {
			t.Fatal(err)
		}
		compareRows(t, fmt.Sprintf("%d tokens behind %d", n, start), got, want.Logits, "f32")
		start += n
	}
}
