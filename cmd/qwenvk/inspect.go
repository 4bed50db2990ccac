package main

import (
	"bytes"
	"fmt"
	"slices"

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
	Name           string           `json:"name"`
	Architecture   string           `json:"architecture"`
	Format         string           `json:"format"`
	Type           string           `json:"type"`
	Outline        string           `json:"outline,omitempty"` // config.json is all there is; the type that weights are taken to have
	Pooling        string           `json:"pooling,omitempty"` // of an embedding model
	Params         int64            `json:"params"`
	ActiveParams   int64            `json:"active_params"` // that one token uses
	FileBytes      int64            `json:"file_bytes"`
	WeightBytes    int64            `json:"weight_bytes"`
	Layers         int              `json:"layers"`
	Hidden         int              `json:"hidden"`
	Heads          int              `json:"heads"`
	KVHeads        int              `json:"kv_heads"`
	HeadDim        int              `json:"head_dim"`
	Intermediate   int              `json:"intermediate"`
	Vocab          int              `json:"vocab"`
	Experts        *expertsOf       `json:"experts,omitempty"`
	Tied           bool             `json:"tied"`
	Headless       bool             `json:"headless,omitempty"` // there is no output head
	TrainedContext int              `json:"trained_context"`
	Tensors        map[string]int   `json:"tensors"`      // by type
	TensorBytes    map[string]int64 `json:"tensor_bytes"` // in the file, by type
	Context        int              `json:"context"`      // that kv_bytes is for
	KVBytes        int64            `json:"kv_bytes"`
	KVType         string           `json:"kv_type"` // that kv_bytes is for

	KVBytesPerToken map[string]int64 `json:"kv_bytes_per_token"` // by type of cache

	FLOPsPerToken  int64 `json:"flops_per_token"`
	AttentionFLOPs int64 `json:"flops_per_context_token"` // on top, for each token of context
	BytesPerToken  int64 `json:"bytes_per_token"`

	Fits []fitOf `json:"fits"`

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

// fitOf tells the longest contexts that fit a device with so many bytes free.
type fitOf struct {
	MemoryBytes uint64         `json:"memory_bytes"`
	Context     map[string]int `json:"context"` // tokens by type of cache; 0: the model does not fit
}

// memorySizes are those of usual cards, in GiB.
var memorySizes = []uint64{4, 6, 8, 12, 16, 24, 32, 48, 80, 96, 141}

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
	var memory []uint64
	for _, n := range memorySizes {
		memory = append(memory, n<<30)
	}
	for _, f := range i.Fits(memory...) {
		d.Fits = append(d.Fits, fitOf(f))
	}
	if c.Bool("json") {
		return writeJSON(p.out, d)
	}
	_, err = fmt.Fprint(p.out, d.text())
	return err
}

func inspectionOf(i qwenvk.Info, o qwenvk.LoadOptions) inspection {
	d := inspection{
		Name: i.Name, Architecture: i.Architecture, Format: i.Format, Type: i.Type, Outline: i.Outline, Pooling: i.Pooling,
		Params: i.Params, ActiveParams: i.ActiveParams,
		FileBytes: i.FileBytes, WeightBytes: i.WeightBytes, Layers: i.Layers, Hidden: i.Hidden, Heads: i.Heads,
		KVHeads: i.KVHeads, HeadDim: i.HeadDim, Intermediate: i.Intermediate, Vocab: i.Vocab, Tied: i.Tied, Headless: i.Headless,
		TrainedContext: i.TrainedContext, Tensors: i.TensorTypes, TensorBytes: i.TensorBytes, Context: o.Context,
		FLOPsPerToken: i.FLOPsPerToken, AttentionFLOPs: i.AttentionFLOPs, BytesPerToken: i.BytesPerToken, AdapterBytes: int64(i.Memory.Adapters),
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
