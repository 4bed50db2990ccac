package qwenvk

import (
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk/graph"
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

func (p plan) total() uint64 { return p.weights + p.adapters + p.kv + scratchBytes }

// fit chooses the context and refuses what cannot fit, before anything is allocated. It asks the driver's budget
// where there is one.
func (r *Runtime) fit(m *model.Model, kv vkexec.KVType, o LoadOptions, adapters uint64) (plan, error) {
	free, known := r.device().Budget()
	if !known {
		free = r.device().Caps().DeviceBytes
	}
	if o.MemoryLimit > 0 {
		free = min(free, o.MemoryLimit)
	}
	r.mu.Lock() // of two loads at the same time the second one sees what the first one will take
	defer r.mu.Unlock()
	if r.options.MemoryLimit > 0 {
		free = min(free, r.options.MemoryLimit-min(r.options.MemoryLimit, r.loaded()+r.planned))
	}
	p, err := demand{
		weights: vkexec.WeightBytes(m.Graph), adapters: adapters, shape: m.Graph.KV, trained: m.Config.ContextLength,
		sessions: max(o.Sessions, 1), kv: kv,
	}.fit(o.Context, free)
	if err == nil {
		r.planned += p.total()
	}
	return p, err
}

// settle ends what fit planned: the load is over.
func (r *Runtime) settle(p plan) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.planned -= p.total()
}

// taken is the device memory of all loaded models.
func (r *Runtime) taken() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.loaded()
}

// loaded is taken with the lock held.
func (r *Runtime) loaded() (sum uint64) {
	for m := range r.models {
		if !m.away.Load() {
			sum += m.info.Memory.total()
		}
	}
	return sum
}

// withinLimit holds what a model took against the limits: scratch is known only now.
func (r *Runtime) withinLimit(taken Memory, o LoadOptions) error {
	for _, limit := range []struct{ bytes, others uint64 }{{o.MemoryLimit, 0}, {r.options.MemoryLimit, r.taken()}} {
		if limit.bytes > 0 && taken.total()+limit.others > limit.bytes {
			return fmt.Errorf("takes %s, scratch %s of them, beside %s of other models, and the limit is %s; use a smaller context or chunk: %w",
				bytesText(taken.total()), bytesText(taken.Scratch), bytesText(limit.others), bytesText(limit.bytes), ErrOutOfMemory)
		}
	}
	return nil
}

// demand is what a load asks for.
type demand struct {
	weights  uint64
	adapters uint64
	shape    graph.KVShape
	trained  int // context that the model can take
	sessions int
	kv       vkexec.KVType
}

// bytes is what the load takes with a cache of the given type and context.
func (d demand) bytes(kv vkexec.KVType, context int) uint64 {
	return d.weights + d.adapters + uint64(d.sessions)*vkexec.KVBytes(d.shape, kv, context) + scratchBytes
}

// fit plans for a device with so many bytes free; context 0 leaves the choice to it.
func (d demand) fit(context int, free uint64) (plan, error) {
	if context < 0 || context > MaxContext {
		return plan{}, fmt.Errorf("a context of %d tokens is not possible: use 1 to %d", context, MaxContext)
	}
	if context == 0 {
		context = min(d.trained, defaultContext)
		for context > minContext && d.bytes(d.kv, context) > free {
			context /= 2
		}
	}
	need := d.bytes(d.kv, context)
	p := plan{context: context, weights: d.weights, adapters: d.adapters, kv: need - d.weights - d.adapters - scratchBytes}
	if need <= free {
		return p, nil
	}
	weights := bytesText(p.weights)
	if p.adapters > 0 {
		weights += ", adapters " + bytesText(p.adapters)
	}
	return p, fmt.Errorf("needs %s: weights %s, KV cache %s at %d tokens, scratch about %s; the device has %s free; %s: %w",
		bytesText(need), weights, bytesText(p.kv), context, bytesText(scratchBytes), bytesText(free),
		d.advice(context, free), vk.ErrOutOfMemory)
}

// advice names what would fit: the whole context in a smaller cache, or half of it and half again in this one.
func (d demand) advice(context int, free uint64) string {
	var ways []string
	for _, kv := range []vkexec.KVType{"q8_0", "q4_0"} {
		if vkexec.KVTokenBytes(d.shape, kv) < vkexec.KVTokenBytes(d.shape, d.kv) && d.bytes(kv, context) <= free {
			ways = append(ways, fmt.Sprintf("with a smaller cache (--kv %s)", kv))
			break
		}
	}
	for context > minContext {
		if context /= 2; d.bytes(d.kv, context) <= free {
			ways = append(ways, fmt.Sprintf("at a context of %d (--ctx %d)", context, context))
			break
		}
	}
	if ways == nil {
		return "use a smaller model or a smaller type (--quant int4)"
	}
	return "it fits " + strings.Join(ways, ", or ")
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
