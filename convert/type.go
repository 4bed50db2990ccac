package convert

import (
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

// ParseType finds a preset, or makes one of any other type that is computed with: tensors that presets give more bits
// to get them there too.
func ParseType(name string) (Preset, error) {
	p, err := ParsePreset(name)
	if err == nil {
		return p, nil
	}
	for t := quant.F32; t.Valid(); t++ {
		if strings.EqualFold(t.String(), name) && quant.LayoutOf(t) != (quant.Layout{}) {
			return Preset{Name: t.String(), Main: t}, nil
		}
	}
	var more []string
	for t := quant.F32; t.Valid(); t++ {
		if _, err := ParsePreset(t.String()); err != nil {
			more = append(more, t.String())
		}
	}
	return Preset{}, fmt.Errorf("%w; of random weights also %s", err, strings.Join(more, ", "))
}

// TypeOf chooses the type that a tensor has in a file of the preset, by its canonical name, or that of the stack that an
// expert belongs to; dims is 1 for a vector. It is a [loader.TypeChoice].
func (p Preset) TypeOf(arch string, c loader.Config, name string, dims, cols int) quant.Type {
	f := facts{arch: arch, layers: c.Layers, sharing: c.Heads / c.KVHeads, tied: c.Tied}
	if c.MoE != nil {
		f.experts = c.MoE.Experts
	}
	return p.typeOf(name, dims, cols, f)
}
