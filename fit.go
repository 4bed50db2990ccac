package qwenvk

import (
	"fmt"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/vk"
)

// defaultContext bounds the context that is chosen when none is asked for: a cache for all of a long trained context
// would take memory that most chats never use.
const defaultContext = 8192

// scratchBytes is what a load needs beside weights and cache, roughly: activations of one prompt chunk, pipelines.
const scratchBytes = 256 << 20

// minContext is the shortest context that is worth loading a model for.
const minContext = 256

// plan is what a model takes on a device.
type plan struct {
	context     int
	weights, kv uint64
	adapters    uint64
}

// fit chooses the context and refuses what cannot fit, before anything is allocated. It asks the driver's budget
// where there is one.
func (r *Runtime) fit(m *model.Model, kv vkexec.KVType, o LoadOptions, adapters uint64) (plan, error) {
	trained := m.Config.ContextLength
	p := plan{context: o.Context, weights: vkexec.WeightBytes(m.Graph), adapters: adapters}
	if o.Context < 0 || o.Context > MaxContext {
		return p, fmt.Errorf("a context of %d tokens is not possible: use 1 to %d", o.Context, MaxContext)
	}
	if o.Context == 0 {
		p.context = min(trained, defaultContext)
	}
	sessions := uint64(max(o.Sessions, 1))
	free, known := r.device.Budget()
	if !known {
		free = r.device.Caps().DeviceBytes
	}
	need := func(context int) uint64 {
		return p.weights + p.adapters + sessions*vkexec.KVBytes(m.Graph.KV, kv, context) + scratchBytes
	}
	if o.Context == 0 {
		for p.context > minContext && need(p.context) > free {
			p.context /= 2
		}
	}
	p.kv = sessions * vkexec.KVBytes(m.Graph.KV, kv, p.context)
	if need(p.context) <= free {
		return p, nil
	}
	advice := "use a smaller model or a smaller type (--quant int4)"
	for context := p.context; context > minContext; {
		if context /= 2; need(context) <= free {
			advice = fmt.Sprintf("it fits at a context of %d (--ctx %d)", context, context)
			break
		}
	}
	weights := bytesText(p.weights)
	if p.adapters > 0 {
		weights += ", adapters " + bytesText(p.adapters)
	}
	return p, fmt.Errorf("needs %s: weights %s, KV cache %s at %d tokens, scratch about %s; the device has %s free; %s: %w",
		bytesText(need(p.context)), weights, bytesText(p.kv), p.context, bytesText(scratchBytes), bytesText(free), advice, vk.ErrOutOfMemory)
}

// MaxContext is the largest context that can be asked for: where positions stop being exact in the attention kernels' arithmetic and no model goes.
const MaxContext = 1 << 24

// MaxRoPEFactor is the largest factor by which a context can be stretched.
const MaxRoPEFactor = loader.MaxRoPEFactor

// bytesText writes a size for people.
func bytesText(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.0f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d KiB", (n+1023)/1024)
}
