package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/demo"
)

func (p *program) inspectCommand() *cli.Command {
	return &cli.Command{
		Name: "inspect", ArgsUsage: "MODEL", Usage: "tell what a model is and what it needs",
		Description: "Reads the file only: no device is opened. --graph prints the compiled graph of one decode step.",
		Flags: slices.Concat([]cli.Flag{
			onOff(outputFlags, "json", "print one JSON document"),
			text(outputFlags, "graph", "print the compiled graph instead: `text/dot/json`"),
		}, modelFlags(), logFlags()),
		Action: p.inspect,
	}
}

// inspection is what inspect --json prints. Sizes are bytes.
type inspection struct {
	Name           string         `json:"name"`
	Architecture   string         `json:"architecture"`
	Format         string         `json:"format"`
	Type           string         `json:"type"`
	Params         int64          `json:"params"`
	FileBytes      int64          `json:"file_bytes"`
	WeightBytes    int64          `json:"weight_bytes"`
	Layers         int            `json:"layers"`
	Hidden         int            `json:"hidden"`
	Heads          int            `json:"heads"`
	KVHeads        int            `json:"kv_heads"`
	HeadDim        int            `json:"head_dim"`
	Intermediate   int            `json:"intermediate"`
	Vocab          int            `json:"vocab"`
	Experts        *expertsOf     `json:"experts,omitempty"`
	Tied           bool           `json:"tied"`
	TrainedContext int            `json:"trained_context"`
	Tensors        map[string]int `json:"tensors"` // by type
	Context        int            `json:"context"` // that kv_bytes is for
	KVBytes        int64          `json:"kv_bytes"`
	KVType         string         `json:"kv_type"` // that kv_bytes is for

	KVBytesPerToken map[string]int64 `json:"kv_bytes_per_token"` // by type of cache

	FLOPsPerToken int64 `json:"flops_per_token"`
	BytesPerToken int64 `json:"bytes_per_token"`

	AdapterBytes int64               `json:"adapter_bytes,omitempty"` // of all adapters together
	Adapters     []adapterInspection `json:"adapters,omitempty"`
}

// expertsOf describes a mixture of experts.
type expertsOf struct {
	Number             int   `json:"number"` // per sparse layer
	Used               int   `json:"used"`   // per token
	Intermediate       int   `json:"intermediate"`
	SharedIntermediate int   `json:"shared_intermediate"`
	Layers             int   `json:"layers"`
	ActiveParams       int64 `json:"active_params"`
}

// defaultContext is the most that is taken when no context is asked for; see the root package.
const defaultContext = 8192

func (p *program) inspect(c *cli.Context) error {
	if err := firstError(arguments(c, 1, 1), oneOf(c, "graph", "text", "dot", "json")); err != nil {
		return err
	}
	o, err := loadOptions(c)
	if err != nil {
		return err
	}
	if err := checkAdapters(o.Adapters); err != nil {
		return err
	}
	name := c.Args().First()
	path, err := locate(name)
	if err != nil {
		return err
	}
	var i *qwenvk.Inspection
	if name == demo.Name {
		i, err = qwenvk.InspectGGUF(demo.Name, demo.GGUF(), o)
	} else {
		i, err = qwenvk.Inspect(path, o)
	}
	if err != nil {
		return &loadError{err}
	}
	if format := c.String("graph"); format != "" {
		var b bytes.Buffer
		if err := i.WriteGraph(&b, format); err != nil {
			return err
		}
		_, err = b.WriteTo(p.out)
		return err
	}
	d := inspectionOf(i.Info, o)
	d.Adapters = adapterInspections(i.Adapters)
	if c.Bool("json") {
		return writeJSON(p.out, d)
	}
	_, err = fmt.Fprint(p.out, d.text())
	return err
}

func inspectionOf(i qwenvk.Info, o qwenvk.LoadOptions) inspection {
	d := inspection{
		Name: i.Name, Architecture: i.Architecture, Format: i.Format, Type: i.Type, Params: i.Params,
		FileBytes: i.FileBytes, WeightBytes: i.WeightBytes, Layers: i.Layers, Hidden: i.Hidden, Heads: i.Heads,
		KVHeads: i.KVHeads, HeadDim: i.HeadDim, Intermediate: i.Intermediate, Vocab: i.Vocab, Tied: i.Tied,
		TrainedContext: i.TrainedContext, Tensors: i.TensorTypes, Context: o.Context,
		FLOPsPerToken: i.FLOPsPerToken, BytesPerToken: i.BytesPerToken, AdapterBytes: int64(i.Memory.Adapters),
	}
	if i.Experts > 0 {
		d.Experts = &expertsOf{i.Experts, i.ExpertsUsed, i.ExpertIntermediate, i.SharedIntermediate, i.SparseLayers, i.ActiveParams}
	}
	if d.Context == 0 {
		d.Context = min(i.TrainedContext, defaultContext)
	}
	kv := o.KV
	if kv == "" {
		kv = "f16"
	}
	d.KVType, d.KVBytesPerToken = kv, i.KVBytesPerToken
	d.KVBytes = i.KVBytesPerToken[kv] * int64(d.Context)
	return d
}

func (d inspection) text() string {
	var b strings.Builder
	row := func(name, format string, args ...any) {
		fmt.Fprintf(&b, "%-15s "+format+"\n", append([]any{name}, args...)...)
	}
	tied := "with an output head of its own"
	if d.Tied {
		tied = "tied to the output head"
	}
	row("model", "%s (%s, %s)", d.Name, d.Architecture, d.Format)
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
	row("heads", "%d for queries, %d for keys and values, of %d", d.Heads, d.KVHeads, d.HeadDim)
	row("vocabulary", "%d tokens, %s", d.Vocab, tied)
	row("trained context", "%d tokens", d.TrainedContext)
	var types []string
	for name, n := range d.Tensors {
		types = append(types, fmt.Sprintf("%d × %s", n, name))
	}
	slices.Sort(types)
	row("tensors", "%s; %s in the file", strings.Join(types, ", "), size(uint64(d.FileBytes)))
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
	row("per token", "%s FLOPs and %s of weights read, attention not counted", count(d.FLOPsPerToken), size(uint64(d.BytesPerToken)))
	return b.String()
}
