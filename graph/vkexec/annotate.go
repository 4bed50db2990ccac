package vkexec

import (
	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/vk"
)

// Annotate counts the dispatches and barriers of a greedy decode step that runs the compiled graph g, without a device:
// one dispatch per node, as on a device that cuts neither weights nor context into parts, and the two of the arg max.
// context is the number of tokens that the summary's FLOPs assume.
func Annotate(g *graph.Graph, context int) *graph.Annotations {
	arenaBuffer, cache, rest := &vk.Buffer{}, &vk.Buffer{}, &vk.Buffer{}
	arena := graph.PlanArena(g, 1, 1)
	value := func(id graph.ID) vk.Range {
		return vk.Range{Buffer: arenaBuffer, Offset: uint64(arena.Offset[id]), Size: uint64(arena.Size[id])}
	}
	layer := func(l int) vk.Range { return vk.Range{Buffer: cache, Offset: uint64(l), Size: 1} }
	step, partial, result := vk.Range{Buffer: rest, Size: 1}, vk.Range{Buffer: rest, Offset: 1, Size: 1}, vk.Range{Buffer: rest, Offset: 2, Size: 1}

	a := &graph.Annotations{Context: context, Nodes: map[int]graph.Counts{}, Submits: 1}
	var t tracker
	count := func(accesses []access) graph.Counts {
		c := graph.Counts{Dispatches: 1}
		if len(t.before(accesses)) > 0 {
			c.Barriers = 1
		}
		a.Total.Dispatches += c.Dispatches
		a.Total.Barriers += c.Barriers
		return c
	}
	for i, n := range g.Nodes {
		var accesses []access
		for _, in := range n.In {
			accesses = append(accesses, access{Range: value(in), kind: vk.ShaderRead})
		}
		if n.Out != graph.None {
			out := value(n.Out)
			if n.Op == graph.OpMatMul && !n.Epilogue.Paired() {
				out.Offset, out.Size = out.Offset+uint64(n.OutCol)*4, uint64(n.Pack.Rows())*4
			}
			accesses = append(accesses, access{Range: out, kind: vk.ShaderWrite})
		}
		switch n.Op {
		case graph.OpRoPEKV, graph.OpStoreKV:
			accesses = append(accesses, access{Range: layer(n.Layer), kind: vk.ShaderWrite}, access{Range: step, kind: vk.ShaderRead})
		case graph.OpAttention:
			accesses = append(accesses, access{Range: layer(n.Layer), kind: vk.ShaderRead}, access{Range: step, kind: vk.ShaderRead})
		case graph.OpEmbed, graph.OpLastRows:
			accesses = append(accesses, access{Range: step, kind: vk.ShaderRead})
		}
		a.Nodes[i] = count(accesses)
	}
	if g.Output == graph.None {
		return a
	}
	count([]access{{Range: value(g.Output), kind: vk.ShaderRead}, {Range: partial, kind: vk.ShaderWrite}})
	count([]access{{Range: partial, kind: vk.ShaderRead}, {Range: step, kind: vk.ShaderRead | vk.ShaderWrite}, {Range: result, kind: vk.ShaderWrite}})
	if len(t.before([]access{{Range: result, kind: vk.HostRead}})) > 0 {
		a.Total.Barriers++
	}
	return a
}
