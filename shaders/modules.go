package shaders

import (
	"embed"
	"encoding/binary"
	"fmt"
	"path"
	"slices"
	"strings"
	"sync"
)

//go:embed spv
var spv embed.FS

// Variant chooses the types that a kernel is compiled for.
type Variant struct {
	Weights string // "f32", "q8", "q4k", ..., named as the kinds of quant.Layout; "" for kernels without weights
	KV      string // "f32", "f16", "q8_0", "q4_0"; "" for kernels without a cache
}

func (v Variant) String() string {
	return v.Weights + v.KV // no kernel has both
}

// Module is the SPIR-V of one variant of a kernel at one tier.
type Module struct {
	Kernel    string
	Variant   Variant
	Tier      int
	Needs     []string // capabilities, each a vk.Capability
	Buffers   int      // storage buffers: bindings 0 to Buffers-1 of set 0
	PushBytes int      // size of the push constants
	Constants []string // names of the specialization constants, by id
	Why       string   // why the kernel is as it is

	File    string   // name of the SPIR-V, as in errors and statistics
	Source  string   // GLSL file in this package's folder
	Defines []string // macros it is compiled with
	Code    []byte   // SPIR-V for Vulkan 1.1
}

// Modules returns every row × variant × tier of the table, in its order.
func Modules() []Module {
	return slices.Clone(modules())
}

var modules = sync.OnceValue(func() []Module {
	var all []Module
	for _, k := range kernels {
		for _, v := range k.variants() {
			if k.lowest == 0 {
				all = append(all, k.module(v, 0, nil))
			}
			for tier := max(1, k.lowest); tier < len(k.gains); tier++ {
				gains := slices.DeleteFunc(slices.Clone(k.gains[tier]), func(g gain) bool {
					return g.types != nil && !slices.Contains(g.types, v.String())
				})
				if len(gains) > 0 {
					all = append(all, k.module(v, tier, gains))
				}
			}
		}
	}
	return all
})

func (k kernel) variants() []Variant {
	var all []Variant
	for _, w := range k.weights {
		all = append(all, Variant{Weights: w})
	}
	for _, c := range k.kv {
		all = append(all, Variant{KV: c})
	}
	if all == nil {
		all = []Variant{{}}
	}
	return all
}

func (k kernel) module(v Variant, tier int, gains []gain) Module {
	m := Module{
		Kernel: k.name, Variant: v, Tier: tier,
		Buffers: k.buffers, PushBytes: binary.Size(k.push), Constants: k.constants, Why: k.why,
		File: k.name, Source: k.source,
	}
	if v != (Variant{}) {
		m.File += "." + v.String()
	}
	m.File += fmt.Sprintf(".t%d.spv", tier)
	for _, g := range gains {
		m.Needs = append(m.Needs, g.capability)
		m.Defines = append(m.Defines, g.define)
	}
	if v.Weights != "" {
		m.Defines = append(m.Defines, "WEIGHTS_"+strings.ToUpper(v.Weights))
	}
	if v.KV != "" {
		m.Defines = append(m.Defines, "KV_"+strings.ToUpper(v.KV))
	}
	// A row that is not compiled yet has no file; that is found by a test, and by Find.
	m.Code, _ = spv.ReadFile(path.Join("spv", m.File))
	return m
}

// Find returns the module of a kernel variant with the highest tier that allowed admits: it is asked whether the device
// meets what a module needs, which is nothing in tier 0. The error names the kernel and the variant: either
// is unknown, or nothing is allowed.
func Find(kernel string, v Variant, allowed func(*Module) bool) (*Module, error) {
	var best *Module
	known := false
	all := modules()
	for i := range all {
		m := &all[i]
		if m.Kernel != kernel || m.Variant != v {
			continue
		}
		known = true
		if (best == nil || m.Tier > best.Tier) && allowed(m) {
			best = m
		}
	}
	switch {
	case !known:
		return nil, fmt.Errorf("shaders: there is no kernel %q for type %q", kernel, v)
	case best == nil:
		return nil, fmt.Errorf("shaders: the device meets no variant of kernel %q for type %q", kernel, v)
	case len(best.Code) == 0:
		return nil, fmt.Errorf("shaders: %s is not compiled: run scripts/compile_shaders.sh", best.File)
	}
	found := *best
	return &found, nil
}

// Specialize orders the values of specialization constants by id, as a pipeline takes them. It is an error to leave one
// out or to name one that the kernel does not have.
func (m *Module) Specialize(values map[string]uint32) ([]uint32, error) {
	ordered := make([]uint32, len(m.Constants))
	for id, name := range m.Constants {
		value, ok := values[name]
		if !ok {
			return nil, fmt.Errorf("shaders: kernel %q: constant %s has no value", m.Kernel, name)
		}
		ordered[id] = value
	}
	for name := range values {
		if !slices.Contains(m.Constants, name) {
			return nil, fmt.Errorf("shaders: kernel %q has no constant %s", m.Kernel, name)
		}
	}
	return ordered, nil
}
