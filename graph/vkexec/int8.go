package vkexec

import (
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// Int8Use says which products of quantised weights read their input as bytes, where the device has kernels for it.
type Int8Use string

// The uses. What a product with bytes computes differs from what one with float32 does, see graph.Int8.
const (
	// Int8Auto takes bytes where they are believed, or were measured, to be faster.
	Int8Auto Int8Use = "auto"
	// Int8Always takes bytes wherever there is a kernel.
	Int8Always Int8Use = "always"
	// Int8Never takes none.
	Int8Never Int8Use = "never"
)

// int8Uses are the products with bytes in the steps of an executor. Steps of one row and of shaders.MaxColumns have the same,
// so that they agree to the bit. Nil: none has.
type int8Uses struct {
	few, many *graph.Int8
	possible  *graph.Int8 // all that there may be, where that is still to be measured
}

// all are those that any step may have, now or when it was measured; nil, none, is always among them.
func (u int8Uses) all() []*graph.Int8 {
	uses := []*graph.Int8{nil}
	for _, use := range []*graph.Int8{u.few, u.many, u.possible} {
		if !slices.Contains(uses, use) {
			uses = append(uses, use)
		}
	}
	return uses
}

// of returns those of a step of so many rows.
func (u int8Uses) of(rows int) *graph.Int8 {
	if rows <= shaders.MaxColumns {
		return u.few
	}
	return u.many
}

// chooseInt8 decides for a model, before anything is measured.
func (e *Executor) chooseInt8() int8Uses {
	possible := e.int8Where(e.hasInt8)
	switch {
	case e.options.Int8 == Int8Never || possible == nil:
		return int8Uses{}
	case e.options.Int8 == Int8Always:
		return int8Uses{few: possible, many: possible}
	}
	asked := func(kernel string) bool { return e.options.Prefer != nil && e.options.Prefer(kernel) }
	few, many := asked("mul_mat_vec_i8"), asked("mul_mat_i8")
	u := int8Uses{
		few:  e.int8Where(func(p *graph.Pack) bool { return e.hasInt8(p) && (few || e.int8Pays(p, false)) }),
		many: e.int8Where(func(p *graph.Pack) bool { return e.hasInt8(p) && (many || e.int8Pays(p, true)) }),
	}
	if e.tunes() && !few && !many {
		u.possible = possible
	}
	return u
}

// int8Where gives those products bytes whose weights are such; nil where no product of the model has such weights.
func (e *Executor) int8Where(such func(p *graph.Pack) bool) *graph.Int8 {
	for _, n := range e.model.Nodes {
		if (n.Op == graph.OpMatMul || n.Op == graph.OpExpertMatMul) && n.Out != e.model.Output && such(n.Pack) {
			return &graph.Int8{Takes: func(n *graph.Node) bool { return such(n.Pack) }}
		}
	}
	return nil
}

// hasInt8 tells whether there are kernels that multiply a pack by bytes. One for a few columns is needed in any step: the
// last rows of a prompt are few.
func (e *Executor) hasInt8(p *graph.Pack) bool {
	v := shaders.Variant{Weights: p.Layout().Kind.String()}
	for _, name := range []string{"mul_mat_vec_i8", "mul_mat_i8"} {
		if _, err := e.chooser.module(kernel{name: name, variant: v}); err != nil {
			return false
		}
	}
	return p.Cols()%quant.Int8Block == 0
}

// int8Pays is the table of docs/performance.md: where products with bytes are believed to be faster than those with float32.
func (e *Executor) int8Pays(p *graph.Pack, many bool) bool {
	caps := e.dev.Caps()
	d := shaders.Int8Device{Software: caps.Type == vk.Software, MatrixUnits: caps.Has(vk.CapCoopMatrix)}
	return shaders.Int8Pays(shaders.Variant{Weights: p.Layout().Kind.String()}, d, p.Cols(), many)
}

// inBytes renames candidates for a product to those that read bytes.
func inBytes(candidates []kernel) []kernel {
	for i := range candidates {
		candidates[i].name += int8Suffix
	}
	return candidates
}

const int8Suffix = "_i8"

// floatName is the name of the kernel that reads float32 where k reads bytes.
func (k kernel) floatName() string { return strings.TrimSuffix(k.name, int8Suffix) }

// inputPush is what a product is pushed for its first input.
func (l *lowering) inputPush(n *graph.Node, push shaders.MatMulPush) any {
	if t := l.g.Tensor(n.In[0]); t.Int8 {
		return push.Int8(l.rows(n.In[0]) * (t.Cols / n.Pack.Cols()))
	}
	return push
}

// quantise lowers to a dispatch that makes bytes of rows.
func (l *lowering) quantise(n *graph.Node) {
	cols, rows := l.g.Tensor(n.Out).Cols, l.rows(n.Out)
	push := shaders.QuantisePush{Blocks: uint32(rows * cols / quant.Int8Block)}
	l.add(n, kernel{name: "quantise", rows: rows, k: cols, n: 1}, push, func(c constants) [3]uint32 {
		return fold(ceilDiv(push.Blocks, c.get("LOCAL_SIZE")))
	}, reads(l.value(n.In[0])), writes(l.value(n.Out)))
}

// rmsNormInt8 lowers a norm that stores bytes.
func (l *lowering) rmsNormInt8(n *graph.Node) {
	cols, rows := l.g.Tensor(n.Out).Cols, l.rows(n.Out)
	push := shaders.RMSNormInt8Push{Rows: uint32(rows), Cols: uint32(cols), Eps: float32(n.Eps)}
	l.add(n, kernel{name: "rms_norm_i8", rows: rows, k: cols, n: 1}, push, func(constants) [3]uint32 { return [3]uint32{push.Rows, 1, 1} },
		reads(l.value(n.In[0])), reads(l.e.weights.vectors[n.Norm.Name]), writes(l.value(n.Out)))
}

// other is the use of bytes that is worth measuring beside own: none, or all that is possible where own is none.
func (u int8Uses) other(own *graph.Int8) *graph.Int8 {
	if own != nil {
		return nil
	}
	return u.possible
}
