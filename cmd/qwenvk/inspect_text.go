package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// text is what inspect prints without --json.
func (d inspection) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-15s "+format+"\n", append([]any{name}, args...)...)
	}
	tied := "with an output head of its own"
	switch {
	case d.Tied:
		tied = "tied to the output head"
	case d.Headless:
		tied = "without an output head"
	}
	if d.Outline == "" {
		row("model", "%s (%s, %s)", d.Name, d.Architecture, d.Format)
	} else {
		row("model", "%s (%s)", d.Name, d.Architecture)
		row("outline", "config.json alone; weights assumed as %s", d.Outline)
	}
	row("parameters", "%s (%d)", count(d.Params), d.Params)
	row("layers", "%d of hidden size %d, feed-forward %d", d.Layers, d.Hidden, d.Intermediate)
	if e := d.Experts; e != nil {
		shared := ""
		if e.SharedIntermediate > 0 {
			shared = fmt.Sprintf(", beside one of %d for all tokens", e.SharedIntermediate)
		}
		row("experts", "%d of %d for each token, of %d%s, in %d layers", e.Used, e.Number, e.Intermediate, shared, e.Layers)
		row("active", "%s (%d) of the parameters for each token", count(e.ActiveParams), e.ActiveParams)
	}
	if d.Pooling != "" {
		row("embeddings", "of width %d, pooling %s", d.Hidden, d.Pooling)
	}
	row("heads", "%d for queries, %d for keys and values, of %d", d.Heads, d.KVHeads, d.HeadDim)
	row("vocabulary", "%d tokens, %s", d.Vocab, tied)
	row("trained context", "%d tokens", d.TrainedContext)
	if d.Outline == "" {
		row("tensors", "%s; %s in the file", d.types(), size(uint64(d.FileBytes)))
	}
	for _, a := range d.Adapters {
		row("adapter", "%s", a.text())
	}
	weights := size(uint64(d.WeightBytes))
	if d.AdapterBytes > 0 {
		weights += ", adapters " + size(uint64(d.AdapterBytes))
	}
	row("memory", "%s: weights %s, KV cache %s in %s at a context of %d tokens", size(uint64(d.WeightBytes+d.AdapterBytes+d.KVBytes)),
		weights, size(uint64(d.KVBytes)), d.KVType, d.Context)
	var caches []string
	for _, kv := range []string{"f32", "f16", "q8_0", "q4_0"} {
		caches = append(caches, fmt.Sprintf("%d in %s", d.KVBytesPerToken[kv], kv))
	}
	row("KV cache", "bytes per token: %s", strings.Join(caches, ", "))
	row("per token", "%s FLOPs and %s of weights read; %s FLOPs and %d bytes of cache more for each token of context",
		count(d.FLOPsPerToken), size(uint64(d.BytesPerToken)), count(d.AttentionFLOPs), d.KVBytesPerToken[d.KVType])
	b.WriteString(d.fits())
	return b.String()
}

// types lists the types of the tensors, those with the most bytes first.
func (d inspection) types() string {
	names := slices.SortedFunc(maps.Keys(d.Tensors), func(a, b string) int {
		return cmp.Or(cmp.Compare(d.TensorBytes[b], d.TensorBytes[a]), cmp.Compare(a, b))
	})
	for i, name := range names {
		names[i] = fmt.Sprintf("%d × %s (%s)", d.Tensors[name], name, size(uint64(d.TensorBytes[name])))
	}
	return strings.Join(names, ", ")
}

// fits is a table: a line for each size of memory, a column for each type of cache.
func (d inspection) fits() string {
	var b strings.Builder
	fmt.Fprintf(&b, "\nlongest context in tokens, for what a device has free and by type of KV cache (--kv):\n")
	fmt.Fprintf(&b, "%9s %9s %9s %9s\n", "", "f16", "q8_0", "q4_0")
	for _, f := range d.Fits {
		fmt.Fprintf(&b, "%5d GiB", f.MemoryBytes>>30)
		if f.Context["q4_0"] == 0 { // the smallest cache
			fmt.Fprintf(&b, " %9s\n", "does not fit")
			continue
		}
		for _, kv := range []string{"f16", "q8_0", "q4_0"} {
			if n := f.Context[kv]; n > 0 {
				fmt.Fprintf(&b, " %9d", n)
			} else {
				fmt.Fprintf(&b, " %9s", "-")
			}
		}
		b.WriteString("\n")
	}
	return b.String()
}
