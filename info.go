package qwenvk

import (
	"errors"
	"io"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
)

// Info describes a model.
type Info struct {
	Name, Architecture, Format string
	Type                       string // what most of its weights are stored as: "Q4_0"
	Params                     int64  // weights; a tied embedding counts once
	ActiveParams               int64  // of those, how many one token uses: all but the experts that are not chosen
	WeightBytes                int64  // of the weights on the device
	FileBytes                  int64  // of the tensors in the file
	Layers, Hidden, Heads      int
	KVHeads, HeadDim           int
	Intermediate, Vocab        int
	Experts, ExpertsUsed       int  // per sparse layer, and of them per token; 0 in a dense model
	ExpertIntermediate         int  // width of an expert
	SharedIntermediate         int  // width of the expert that all tokens use; 0: there is none
	SparseLayers               int  // layers with experts
	Tied                       bool // the output head is the embedding
	Headless                   bool // there is no output head: the model gives hidden states, and no text
	TrainedContext             int
	Context                    int              // of this load; 0 for Inspect
	TensorTypes                map[string]int   // tensors by type
	TensorBytes                map[string]int64 // bytes in the file by type of tensor
	Memory                     Memory
	FLOPsPerToken              int64            // multiply-adds of the weights, times two; attention comes on top
	AttentionFLOPs             int64            // of one token, for each token that it looks at
	BytesPerToken              int64            // of weights that one decode step reads
	KVBytesPerToken            map[string]int64 // of cache that one token adds, by LoadOptions.KV

	// Pooling is how a model that was made for embeddings makes one vector of a text: "last", of the last token's hidden
	// state. "" for other models, of which Model.Embed takes the last token too. See loader.Checkpoint.Pooling.
	Pooling string

	// Outline is what the weights are taken to be stored as where config.json is all that is there: "bf16". The files'
	// figures are then missing. "" for a model that has its weights.
	Outline string
}

// Memory is what a loaded model takes on the device, in bytes.
// Adapters counts those of the load, with what they add to the scratch left to Scratch.
type Memory struct{ Weights, Adapters, KV, Scratch uint64 }

func (m Memory) total() uint64 { return m.Weights + m.Adapters + m.KV + m.Scratch }

func describeModel(c *loader.Checkpoint, m *model.Model) Info {
	cfg := m.Config
	info := Info{
		Name: c.Name(), Architecture: c.Architecture(), Format: c.Format(), Params: m.Params, ActiveParams: m.Active,
		WeightBytes: int64(vkexec.WeightBytes(m.Graph)), FileBytes: c.TotalBytes(),
		Layers: cfg.Layers, Hidden: cfg.Hidden, Heads: cfg.Heads, KVHeads: cfg.KVHeads, HeadDim: cfg.HeadDim,
		Intermediate: cfg.Intermediate, Vocab: cfg.Vocab, Tied: cfg.Tied, Headless: cfg.Headless, TrainedContext: cfg.ContextLength,
		TensorTypes:     map[string]int{},
		TensorBytes:     map[string]int64{},
		KVBytesPerToken: map[string]int64{},
	}
	for _, kv := range vkexec.KVTypes() {
		info.KVBytesPerToken[string(kv)] = int64(vkexec.KVTokenBytes(m.Graph.KV, kv))
	}
	if moe := cfg.MoE; moe != nil {
		info.Experts, info.ExpertsUsed = moe.Experts, moe.Used
		info.ExpertIntermediate, info.SharedIntermediate = moe.Intermediate, moe.SharedIntermediate
		for _, sparse := range moe.Sparse {
			if sparse {
				info.SparseLayers++
			}
		}
	}
	var most int64
	for _, t := range c.TypeCounts() {
		info.TensorTypes[t.Type], info.TensorBytes[t.Type] = t.Tensors, t.Bytes
		if t.Bytes > most {
			most, info.Type = t.Bytes, t.Type
		}
	}
	info.Pooling = c.Pooling()
	if c.Outline() {
		info.Outline, info.Type = c.OutlineForm(), c.OutlineType().String()
	}
	cost := graph.Compile(m.Graph, graph.Options{Output: graph.LastLogits, OneRowEach: true}).Cost()
	info.FLOPsPerToken, info.AttentionFLOPs, info.BytesPerToken = cost.FLOPs, cost.FLOPsPerContext, cost.WeightBytes
	return info
}

// Inspection is a model file read without a device.
type Inspection struct {
	Info     Info
	Adapters []AdapterInfo // of LoadOptions.Adapters, in their order
	graph    *graph.Graph
	set      *graph.Adapters // nil: none
}

// Inspect reads what a model file says of itself. It needs no Vulkan device; of the options it looks at those
// that say how the model is stored and how its context is stretched. A folder that has a config.json and no weights is
// described too: see Info.Outline.
func Inspect(path string, o LoadOptions) (*Inspection, error) {
	c, err := loader.Inspect(path)
	if err != nil {
		return nil, err
	}
	if err := c.Refusal(); err != nil && !c.Outline() {
		return nil, errors.Join(err, c.Close())
	}
	return inspect(c, o)
}

// InspectGGUF is Inspect for a GGUF file in memory.
func InspectGGUF(name string, data []byte, o LoadOptions) (*Inspection, error) {
	c, err := loader.OpenGGUF(name, data)
	if err != nil {
		return nil, err
	}
	return inspect(c, o)
}

func inspect(c *loader.Checkpoint, o LoadOptions) (i *Inspection, err error) {
	defer func() { err = errors.Join(err, c.Close()) }()
	mo, _, err := o.storage()
	if err != nil {
		return nil, err
	}
	m, err := model.New(c, mo)
	if err != nil {
		return nil, err
	}
	i = &Inspection{Info: describeModel(c, m), graph: m.Graph}
	if err := i.addAdapters(m, o.Adapters); err != nil {
		return nil, err
	}
	return i, nil
}

// addAdapters reads the adapters, and adds what they read to the figures per token.
func (i *Inspection) addAdapters(m *model.Model, files []AdapterFile) error {
	var list []*graph.Adapter
	for n, f := range files {
		file, g, _, err := openAdapter(m, f.Path, n)
		if err != nil {
			return err
		}
		i.Adapters = append(i.Adapters, describeAdapter(m, file, g, f.Scale))
		if err := file.Close(); err != nil {
			return err
		}
		list = append(list, g)
	}
	if len(list) == 0 {
		return nil
	}
	i.set = graph.NewAdapters(list...)
	cost := graph.Compile(m.Graph, graph.Options{Output: graph.LastLogits, OneRowEach: true, Adapters: i.set}).Cost()
	i.Info.FLOPsPerToken, i.Info.BytesPerToken = cost.FLOPs, cost.WeightBytes
	i.Info.Memory.Adapters = vkexec.AdapterBytes(m.Graph, i.set)
	return nil
}

// WriteGraph writes the compiled graph of a decode step as "text", "dot" (Graphviz) or "json", with the dispatches and
// barriers that a card takes for it; software devices keep the norms apart.
func (i *Inspection) WriteGraph(w io.Writer, format string) error {
	g := graph.Compile(i.graph, graph.Options{Output: graph.LastLogits, OneRowEach: true, FuseNorm: true, SumExperts: true, Adapters: i.set})
	return g.Print(w, format, vkexec.Annotate(g, min(i.Info.TrainedContext, defaultContext)))
}
