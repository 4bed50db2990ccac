package vkexec

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
)

// TestShardsOfLargeTensors plans tensors of more bytes than 32 bits count, on devices with the limits of software, of cards
// and of none: nothing is allocated.
func TestShardsOfLargeTensors(t *testing.T) {
	weight := func(rows, cols int, l quant.Layout) graph.Weight {
		return graph.Weight{Name: "w", Rows: rows, Cols: cols, Layout: l}
	}
	experts := func(n, turns, rows, cols int, l quant.Layout) *graph.Pack {
		p := &graph.Pack{Name: "experts", Experts: n, Interleave: turns > 1}
		for range n * turns {
			p.Parts = append(p.Parts, weight(rows, cols, l))
		}
		return p
	}
	f32, bf16 := quant.LayoutOf(quant.F32), quant.LayoutOf(quant.BF16)
	packs := []*graph.Pack{
		{Name: "embedding f32", Parts: []graph.Weight{weight(152064, 8192, f32)}},
		{Name: "head bf16", Parts: []graph.Weight{weight(600_001, 8192, bf16)}}, // odd
		{Name: "gate and up", Interleave: true, Parts: []graph.Weight{weight(262144, 16384, bf16), weight(262144, 16384, bf16)}},
		{Name: "joint", Parts: []graph.Weight{weight(524288, 8192, quant.Layout{Kind: quant.LayoutQ8, Group: 32}), weight(65536, 8192, quant.Layout{Kind: quant.LayoutQ8, Group: 32})}},
		{Name: "q6k", Parts: []graph.Weight{weight(1<<20, 8192, quant.LayoutOf(quant.Q6_K))}},
		experts(128, 2, 1536, 4096, f32),
		experts(160, 1, 6144, 2560, bf16),
	}
	for _, caps := range []vk.Caps{
		{MaxStorageBufferRange: 128 << 20, MaxBufferSize: 1 << 31, MaxAllocationSize: 1 << 31},
		{MaxStorageBufferRange: 1 << 30, MaxBufferSize: 1 << 30, MaxAllocationSize: 1 << 30},
		{MaxStorageBufferRange: 1<<32 - 1, MaxBufferSize: 1 << 40, MaxAllocationSize: 4292870144},
		{MaxStorageBufferRange: 1<<32 - 1, MaxBufferSize: 1<<64 - 1, MaxAllocationSize: 1<<64 - 1},
	} {
		for _, p := range packs {
			if matrixBytes(p) <= 1<<32 {
				t.Errorf("%s has %d bytes: the test wants more than 4 GiB", p.Name, matrixBytes(p))
			}
			if err := checkShards(p, &caps); err != nil {
				t.Errorf("bindings of %d, buffers of %d bytes: %s: %v", caps.MaxStorageBufferRange, min(caps.MaxBufferSize, caps.MaxAllocationSize), p.Name, err)
			}
		}
	}
}

// checkShards holds the shards of a pack against the device's limits and against the pack.
func checkShards(p *graph.Pack, caps *vk.Caps) error {
	shards, sizes, err := shardsOf(p, caps)
	if err != nil {
		return err
	}
	next, sum := 0, uint64(0)
	for n, s := range shards {
		if s.first != next || s.rows < 1 {
			return fmt.Errorf("shard %d has rows %d to %d, the one in front ends at %d", n, s.first, s.first+s.rows, next)
		}
		next += s.rows
		if p.Experts > 0 && s.first%p.ExpertRows() != 0 {
			return fmt.Errorf("shard %d begins inside an expert, at row %d of %d", n, s.first, p.ExpertRows())
		}
		if p.Interleave && s.first%2 != 0 {
			return fmt.Errorf("shard %d begins at row %d, between gate and up", n, s.first)
		}
		if sizes[n] > min(caps.MaxBufferSize, caps.MaxAllocationSize) {
			return fmt.Errorf("shard %d takes %d bytes", n, sizes[n])
		}
		end := uint64(0)
		for i, plane := range s.planes {
			want := uint64(s.rows) * uint64(p.Layout().PlaneRowBytes(i, p.Cols()))
			if plane.Offset < end || plane.Offset%graph.ArenaAlign != 0 || plane.Size < want || plane.Size > caps.MaxStorageBufferRange || plane.Offset+plane.Size > sizes[n] {
				return fmt.Errorf("shard %d: plane %d of %d bytes lies at %d to %d of %d, behind one that ends at %d", n, i, want, plane.Offset, plane.Offset+plane.Size, sizes[n], end)
			}
			end = plane.Offset + plane.Size
			sum += want
		}
	}
	if next != p.Rows() || sum != matrixBytes(p) {
		return fmt.Errorf("the shards hold %d rows of %d bytes, the tensor %d of %d", next, sum, p.Rows(), matrixBytes(p))
	}
	return nil
}

// TestShardsOfLargestModels plans all weights of models that no single card holds, stored in 32 bits.
func TestShardsOfLargestModels(t *testing.T) {
	for name, config := range map[string]string{
		"Qwen3-235B-A22B":       `"num_hidden_layers": 94, "hidden_size": 4096, "num_attention_heads": 64, "num_key_value_heads": 4, "num_experts": 128, "moe_intermediate_size": 1536`,
		"Qwen3-Coder-480B-A35B": `"num_hidden_layers": 62, "hidden_size": 6144, "num_attention_heads": 96, "num_key_value_heads": 8, "num_experts": 160, "moe_intermediate_size": 2560`,
	} {
		dir := t.TempDir()
		config = `{"model_type": "qwen3_moe", "dtype": "float32", "head_dim": 128, "intermediate_size": 12288, "num_experts_per_tok": 8, "vocab_size": 151936,
			"max_position_embeddings": 262144, "rms_norm_eps": 1e-6, "rope_theta": 1e7, ` + config + "}"
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(config), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := loader.Inspect(dir)
		if err != nil {
			t.Fatal(err)
		}
		m, err := model.New(c, model.Options{})
		if err != nil {
			t.Fatal(err)
		}
		g := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits})
		for _, limit := range []uint64{128 << 20, 1<<32 - 1} {
			large := 0
			for _, p := range g.Packs() {
				if matrixBytes(p) > 1<<32 {
					large++
				}
				if err := checkShards(p, &vk.Caps{MaxStorageBufferRange: limit, MaxBufferSize: 1 << 32, MaxAllocationSize: 1 << 32}); err != nil {
					t.Errorf("%s: bindings of %d bytes: %s: %v", name, limit, p.Name, err)
				}
			}
			if large < m.Config.Layers {
				t.Errorf("%s: %d matrices of more than 4 GiB: the test wants some in each of %d layers", name, large, m.Config.Layers)
			}
		}
	}
}
