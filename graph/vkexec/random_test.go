package vkexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

func always(t quant.Type) loader.TypeChoice {
	return func(string, loader.Config, string, int, int) quant.Type { return t }
}

// hosted hides that a source is random, so that its rows are made on the host and uploaded.
type hosted struct{ quant.Source }

// The device makes the very bytes that quant.Random describes, in every layout, for parts that follow each other, take
// turns and belong to experts, whole and cut into shards.
func TestFill(t *testing.T) {
	for limit, dev := range map[uint64]*vk.Device{
		0: vktest.Open(t, unmasked), 96 << 10: vktest.Open(t, vk.Mask{MaxTier: vk.AllTiers, MaxStorageBufferRange: 96 << 10}),
	} {
		for kind := quant.F32; kind.Valid(); kind++ {
			for _, shape := range []string{"qwen3-bench-xs", "qwen3-bench-moe-xs"} {
				if limit > 0 && kind != quant.Q6_K && kind != quant.Q4_0 {
					continue
				}
				if err := sameFill(dev, shape, kind); err != nil {
					t.Errorf("%s, %v, bindings of %d bytes: %v", shape, kind, limit, err)
				}
			}
		}
	}
}

// sameFill loads a random model twice: made by the device, and uploaded from the host.
func sameFill(dev *vk.Device, shape string, kind quant.Type) error {
	c, err := loader.Random(shape, always(kind))
	if err != nil {
		return err
	}
	m, err := model.New(c, model.Options{})
	if err != nil {
		return err
	}
	load := func(hide bool) (*weights, error) {
		up := &uploader{dev: dev, threads: 2, source: func(name string) (quant.Source, error) {
			tensor, ok := c.Tensor(name)
			if !ok {
				return nil, errors.New("no tensor " + name)
			}
			if hide {
				return hosted{tensor.Source()}, nil
			}
			return tensor.Source(), nil
		}}
		return up.load(context.Background(), graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits}))
	}
	made, err := load(false)
	if err != nil {
		return err
	}
	defer made.close()
	uploaded, err := load(true)
	if err != nil {
		return err
	}
	defer uploaded.close()
	for name, m := range made.matrices {
		if err := sameShards(dev, m, uploaded.matrices[name]); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	return nil
}

// The logits of a random model are those of the oracle on the same weights.
func TestRandomOracle(t *testing.T) {
	for shape, kind := range map[string]quant.Type{"qwen3-bench-xs": quant.Q4_0, "qwen3-bench-moe-xs": quant.Q6_K} {
		if testing.Short() && kind != quant.Q4_0 {
			continue
		}
		c, err := loader.Random(shape, always(kind))
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.New(c, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		compareModel(t, c, m, unmasked, Options{Context: 64, KV: "f32"}, nil)
	}
}

func sameShards(dev *vk.Device, a, b *matrix) error {
	for i, s := range a.shards {
		for p, plane := range s.planes {
			got, want := make([]byte, plane.Size), make([]byte, plane.Size)
			if err := errors.Join(dev.Download(context.Background(), got, plane), dev.Download(context.Background(), want, b.shards[i].planes[p])); err != nil {
				return err
			}
			if !bytes.Equal(got, want) {
				at := 0
				for got[at] == want[at] {
					at++
				}
				return fmt.Errorf("plane %d of %s differs from byte %d of %d on", p, a.layout, at, len(got))
			}
		}
	}
	return nil
}
