package loader

import "github.com/qwenvk/qwenvk/quant"

// An outline is a model of which config.json is there and the weights are not, or not all: its shape can be looked at, but
// it cannot be opened. The weights that it would have are those that its architecture asks for.

// Outline reports a checkpoint without weights; only [Inspect] lets one through.
func (c *Checkpoint) Outline() bool { return c.outline }

// asOutline lets a checkpoint through to be looked at; reason is why it cannot be opened.
func (c *Checkpoint) asOutline(reason error) {
	c.outline = true
	c.refuse(reason)
	switch c.arch {
	case "qwen2", "qwen2moe": // their configurations do not say that queries, keys and values have biases
		c.config.AttentionBias = true
	}
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
