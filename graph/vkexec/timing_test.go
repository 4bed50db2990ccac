package vkexec

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/vk"
)

// Every dispatch of a step is timed once, with the work that the graph asks for: its FLOPs, and its weights at least.
func TestTimeKernels(t *testing.T) {
	for _, name := range []string{"qwen3-dense-tied", "qwen3moe-top2"} {
		if testing.Short() && name != "qwen3moe-top2" {
			continue
		}
		e := tiny(t, name, unmasked, Options{Context: 96})
		const depth = 40
		times, err := e.TimeKernels(context.Background(), 1, depth)
		if err != nil {
			t.Fatal(err)
		}
		cost := graph.Compile(e.model, graph.Options{Output: graph.LastLogits, OneRowEach: true}).Cost()
		var flops, bytes float64
		dispatches, others := 0, 0
		for _, k := range times {
			if !(k.NS > 0) || k.Module == "" || k.Kernel == "" || k.Shape == "" {
				t.Errorf("%s: %+v", name, k)
			}
			if !k.Used {
				others++
				continue
			}
			dispatches += k.Dispatches
			flops += k.FLOPs * float64(k.Dispatches)
			bytes += k.Bytes * float64(k.Dispatches)
		}
		if want := float64(cost.FLOPsAt(depth + 1)); math.Abs(flops/want-1) > 1e-6 {
			t.Errorf("%s: %g FLOPs, the graph has %g", name, flops, want)
		}
		if least := float64(cost.WeightBytes) + (depth+1)*float64(KVTokenBytes(e.model.KV, e.kv.kind)); bytes < least || bytes > 1.5*least {
			t.Errorf("%s: %g bytes, at least %g are read", name, bytes, least)
		}
		p, err := e.plan(context.Background(), e.stepBehind(1, depth))
		if err != nil {
			t.Fatal(err)
		}
		if got := p.segments[0].commands.Counts().Dispatches; got != dispatches {
			t.Errorf("%s: %d dispatches were timed, a step has %d", name, dispatches, got)
		}
		if tier, _ := e.dev.Caps().Tier(); tier > 0 && others == 0 {
			t.Errorf("%s: no form of a lower tier was timed", name)
		}
		if _, err := e.TimeKernels(context.Background(), 24, 8); err != nil {
			t.Errorf("%s: a prompt: %v", name, err)
		}
		if _, err := e.TimeKernels(context.Background(), 1, 96); err == nil {
			t.Errorf("%s: kernels beyond the context were timed", name)
		}
	}
}

// The profile of decode steps has the same work, with attention looking at one token more each time.
func TestProfileWork(t *testing.T) {
	e := tiny(t, "qwen3-dense-tied", vk.Mask{MaxTier: vk.AllTiers}, Options{Context: 64, Profile: true})
	mapPages(e)
	run(t, e, []int32{1, 2, 3, 4, 5}, 0, TailNone)
	e.Profile()
	run(t, e, []int32{6}, 5, TailGreedy)
	for range 3 {
		if _, err := e.Next(context.Background(), 1, NoHistory); err != nil {
			t.Fatal(err)
		}
	}
	cost := graph.Compile(e.model, graph.Options{Output: graph.LastLogits, OneRowEach: true}).Cost()
	want := float64(cost.FLOPsAt(6) + cost.FLOPsAt(7) + cost.FLOPsAt(8) + cost.FLOPsAt(9))
	var flops float64
	times := e.Profile()
	for _, o := range times {
		flops += o.FLOPs
	}
	if math.Abs(flops/want-1) > 1e-6 {
		t.Errorf("%g FLOPs in four steps, the graph has %g", flops, want)
	}
	if !slices.ContainsFunc(times, func(o OpTime) bool { return o.Op == "attention" && o.Moved > 0 && o.FLOPs > 0 }) {
		t.Errorf("no attention in %+v", times)
	}
}
