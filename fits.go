package qwenvk

import (
	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// Fit tells how long a context a device with so much free memory can hold beside the weights.
type Fit struct {
	MemoryBytes uint64
	Context     map[string]int // tokens by LoadOptions.KV, at most the model's whole context; 0: the model does not fit
}

// Fits plans the model, with its adapters, for one session on devices with the given bytes of free memory, as a load would.
func (i *Inspection) Fits(memory ...uint64) []Fit {
	d := demand{weights: uint64(i.Info.WeightBytes), adapters: i.Info.Memory.Adapters, shape: i.graph.KV, trained: i.Info.TrainedContext, sessions: 1}
	fits := make([]Fit, len(memory))
	for n, free := range memory {
		fits[n] = Fit{MemoryBytes: free, Context: map[string]int{}}
		for _, kv := range vkexec.KVTypes() {
			fits[n].Context[string(kv)] = d.longest(kv, free)
		}
	}
	return fits
}

// longest is the largest context that fits with a cache of that type, 0 if not even the shortest one does.
func (d demand) longest(kv vkexec.KVType, free uint64) int {
	need := d.bytes(kv, 0)
	if need > free {
		return 0
	}
	page := uint64(d.sessions) * vkexec.KVBytes(d.shape, kv, vkexec.PageTokens)
	tokens := int(min((free-need)/page*vkexec.PageTokens, uint64(d.trained)))
	if tokens < min(minContext, d.trained) {
		return 0
	}
	return tokens
}
