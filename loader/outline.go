package loader

import (
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk/quant"
)

// An outline is a model of which config.json is there and the weights are not, or not all: its shape can be looked at, but
// it cannot be opened. The weights that it would have are those that its architecture asks for.

// Outline reports a checkpoint without weights; only [Inspect] lets one through.
func (c *Checkpoint) Outline() bool { return c.outline }

// asOutline lets a checkpoint through to be looked at; reason is why it cannot be opened, q what its configuration says
// about quantised layers.
func (c *Checkpoint) asOutline(reason error, q *quantization) {
	c.outline, c.outlined = true, q
	c.refuse(reason)
	c.config.Headless = c.headless()
	switch c.arch {
	case "qwen2", "qwen2moe": // their configurations do not say that queries, keys and values have biases
		c.config.AttentionBias = true
	}
}

// plausible bounds what a few words of configuration can make a program hold: the largest published model has
// a tenth of the experts.
func (c *Checkpoint) plausible() bool {
	const most = 131_072
	return c.config.MoE == nil || c.config.Layers*c.config.MoE.Experts <= most
}

// OutlineType is the type that an outline's weights would be stored as, BF16 where the configuration does not say.
func (c *Checkpoint) OutlineType() quant.Type {
	switch c.config.TorchDType {
	case "float32":
		return quant.F32
	case "float16":
		return quant.F16
	}
	return quant.BF16
}

// OutlineLayout is how a device would hold rows of cols elements of an outline's weight, of a linear layer or of another
// part.
func (c *Checkpoint) OutlineLayout(cols int, linear bool) quant.Layout {
	plain := quant.LayoutOf(c.OutlineType())
	q := c.outlined
	if !linear || q == nil || q.method == "fp8" { // 8-bit floats are computed with in 16 bits
		return plain
	}
	l := quant.Layout{Kind: quant.LayoutQ4, Group: 32, Zero: !(q.method == "gptq" && q.sym)}
	if q.bits == 8 {
		l.Kind = quant.LayoutQ8
	}
	if q.group%128 == 0 && cols%128 == 0 {
		l.Group = 128
	}
	return l
}

// OutlineForm says in words what an outline's weights are taken to be stored as: "bf16", "gptq-int4, bf16 beside it".
func (c *Checkpoint) OutlineForm() string {
	plain := strings.ToLower(c.OutlineType().String())
	switch q := c.outlined; {
	case q == nil:
		return plain
	case q.method == "fp8":
		return "fp8, computed with in 16 bits"
	default:
		return fmt.Sprintf("%s-int%d, %s beside it", q.method, q.bits, plain)
	}
}
