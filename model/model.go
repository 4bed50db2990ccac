package model

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

// ErrUnsupported marks checkpoints of an architecture, or with a setting, that no model file here computes.
var ErrUnsupported = errors.New("unsupported model")

// ErrWeights marks checkpoints whose tensors are missing or have another shape than their configuration says.
var ErrWeights = errors.New("wrong weights")

// Options choose how the weights are stored on the device.
type Options struct {
	// Quantise rounds the linear layers of a model stored in 16 or 32 bits to INT8 or INT4 groups; embedding, output
	// head and norms stay as they are.
	Quantise quant.Scheme
	// Store is the layout of weights that stay unquantised: F32, F16 or BF16; nil: as the file has them.
	Store *quant.Type
	// RoPE stretches the context otherwise than the file says.
	RoPE RoPEScaling
	// Layers are the only ones that the graph has, in order; nil: all. They keep their numbers.
	Layers []int
}

// Model is a checkpoint understood.
type Model struct {
	Config       loader.Config
	Architecture string // GGUF's name
	Graph        *graph.Graph
	Params       int64 // elements of all weights the graph uses; a tied embedding counts once
	Active       int64 // of those, how many one token uses: of a sparse layer's experts only the chosen
}

// builders maps the architecture names of config.json and GGUF to the functions that declare them.
var builders = map[string]func(*context) (*graph.Graph, error){
	"qwen":     qwen,
	"qwen2":    qwen2,
	"qwen2moe": qwen2moe,
	"qwen3":    qwen3,
	"qwen3moe": qwen3moe,
}

// New builds the graph of a checkpoint.
func New(c *loader.Checkpoint, o Options) (*Model, error) {
	build, ok := builders[c.Architecture()]
	if !ok {
		return nil, fmt.Errorf("%s: architecture %q is not one this version computes (it knows %s): %w",
			c.Name(), c.Architecture(), strings.Join(slices.Sorted(maps.Keys(builders)), ", "), ErrUnsupported)
	}
	if err := o.Quantise.Check(); err != nil {
		return nil, err
	}
	cfg := c.Config()
	err := stretch(&cfg, o.RoPE)
	if err == nil {
		err = check(cfg)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name(), err)
	}
	g, err := build(&context{checkpoint: c, cfg: cfg, options: o})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name(), err)
	}
	m := &Model{Config: cfg, Architecture: c.Architecture(), Graph: g, Active: g.ActiveElements()}
	for _, p := range g.Packs() {
		m.Params += int64(p.Rows()) * int64(p.Cols())
	}
	for _, v := range g.Vectors() {
		m.Params += int64(v.Cols)
	}
	return m, nil
}

// maxHeadDim is the largest head that the attention kernels hold in registers.
const maxHeadDim = 256

// check refuses configurations that no kernel computes.
func check(c loader.Config) error {
	switch {
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d query heads are not a multiple of %d key heads: %w", c.Heads, c.KVHeads, ErrUnsupported)
	case c.HeadDim%8 != 0 || c.HeadDim > maxHeadDim:
		return fmt.Errorf("head size %d is not a multiple of 8 up to %d: %w", c.HeadDim, maxHeadDim, ErrUnsupported)
	case c.Hidden%32 != 0 || c.Intermediate%32 != 0 || c.Heads*c.HeadDim%32 != 0:
		return fmt.Errorf("hidden size %d, feed-forward size %d or attention width %d is not a multiple of 32: %w",
			c.Hidden, c.Intermediate, c.Heads*c.HeadDim, ErrUnsupported)
	case c.MoE != nil:
		return checkExperts(c.MoE)
	}
	return nil
}

// context is what a model file works with.
type context struct {
	checkpoint *loader.Checkpoint
	cfg        loader.Config
	options    Options
	b          *graph.Builder
}

// weight asks for a linear layer's weight [rows, cols]; such weights may be quantised on load.
func (c *context) weight(name string, rows, cols int) graph.Weight {
	return c.find(name, rows, cols, true)
}

// table asks for the embedding or the output head [rows, cols].
func (c *context) table(name string, rows, cols int) graph.Weight {
	return c.find(name, rows, cols, false)
}

func (c *context) find(name string, rows, cols int, linear bool) graph.Weight {
	w := graph.Weight{Name: name, Rows: rows, Cols: cols}
	t, ok := c.checkpoint.Tensor(name)
	if c.checkpoint.Outline() {
		w.Layout = c.layout(c.checkpoint.OutlineLayout(cols, linear), cols, linear)
		return w
	}
	if !ok {
		c.b.Fail(fmt.Errorf("tensor %s is missing, want shape [%d %d]: %w", name, rows, cols, ErrWeights))
		return w
	}
	if t.Rows != rows || t.Cols != cols {
		c.b.Fail(fmt.Errorf("tensor %s has shape %v, want [%d %d]: %w", t.FileName, t.Shape, rows, cols, ErrWeights))
		return w
	}
	var err error
	if w.Order, err = t.Source().Order(); err != nil {
		c.b.Fail(fmt.Errorf("%s: tensor %s: %w: %w", t.File, t.FileName, err, ErrWeights))
	}
	w.Layout = c.layout(t.Source().Layout(), cols, linear)
	return w
}

// layout is how a weight lies on the device that a file stores as natural. A group that does not divide the row falls
// back to 32.
func (c *context) layout(natural quant.Layout, cols int, linear bool) quant.Layout {
	if !natural.Dense() {
		return natural
	}
	if s := c.options.Quantise; linear && !s.None() {
		if cols%s.Group != 0 {
			s.Group = 32
		}
		return s.Layout()
	}
	if c.options.Store != nil {
		return quant.LayoutOf(*c.options.Store)
	}
	return natural
}

// rope is the rotary table of a session that holds as many tokens as the model can take.
func (c *context) rope() graph.RoPE { return ropeOf(c.cfg, c.cfg.ContextLength) }
