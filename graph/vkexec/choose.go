package vkexec

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// chooser decides which kernel computes an operation, and in which of its modules. It looks at nothing but its fields, so
// that it can be asked without a device.
type chooser struct {
	caps *vk.Caps
	find func(kernel string, v shaders.Variant, allowed func(*shaders.Module) bool) (*shaders.Module, error) // in the table
	// disabled tells kernels of which only the group 0 module may be used, if there is one; nil: none.
	disabled func(kernel string) bool
	// vetoed tells modules that are known to compute wrongly on this driver; nil: none.
	vetoed func(m *shaders.Module) bool
	// preferred is the kernel that was the fastest of the candidates when they were measured, "" where none was; nil: none.
	preferred func(candidates []kernel) string
}

// module is the module of the highest tier that may be used.
func (c *chooser) module(k kernel) (*shaders.Module, error) {
	m, err := c.find(k.name, k.variant, c.allowed)
	if err != nil {
		if wrong := c.faulty(k); wrong != nil {
			return nil, wrong
		}
	}
	return m, err
}

func (c *chooser) allowed(m *shaders.Module) bool {
	if len(m.Needs) > 0 && c.disabled != nil && c.disabled(m.Kernel) {
		return false
	}
	lacks := func(need string) bool { return !c.caps.Has(vk.Capability(need)) }
	return !slices.ContainsFunc(m.Needs, lacks) && (c.vetoed == nil || !c.vetoed(m))
}

// usable are those candidates of which a module may be used, in their order.
func (c *chooser) usable(candidates []kernel) []kernel {
	return slices.DeleteFunc(slices.Clone(candidates), func(k kernel) bool {
		_, err := c.module(k)
		return err != nil
	})
}

// choose takes the candidate that was measured to be the fastest, or the first. Candidates stand in the order in which they
// are believed to be fast; the last should be one of group 0, which every device has.
func (c *chooser) choose(candidates []kernel) (kernel, error) {
	usable := c.usable(candidates)
	if len(usable) == 0 {
		for _, k := range candidates {
			if err := c.faulty(k); err != nil {
				return kernel{}, err
			}
		}
		var names []string
		for _, k := range candidates {
			names = append(names, fmt.Sprintf("%s (%s)", k.name, k.variant))
		}
		return kernel{}, fmt.Errorf("vkexec: the device may use none of the kernels %q", names)
	}
	if c.preferred != nil && len(usable) > 1 {
		name := c.preferred(usable)
		if i := slices.IndexFunc(usable, func(k kernel) bool { return k.name == name }); i >= 0 {
			return usable[i], nil
		}
	}
	return usable[0], nil
}

// prefer puts what was asked for above what was measured.
func (c *chooser) prefer(asked func(kernel string) bool) {
	if asked == nil {
		return
	}
	measured := c.preferred
	c.preferred = func(candidates []kernel) string {
		if i := slices.IndexFunc(candidates, func(k kernel) bool { return asked(k.name) }); i >= 0 {
			return candidates[i].name
		}
		if measured != nil {
			return measured(candidates)
		}
		return ""
	}
}

// choose decides between kernels that compute the same; see chooser.choose. Where none may be used, lowering fails.
func (l *lowering) choose(candidates ...kernel) kernel {
	k, err := l.e.chooser.choose(candidates)
	if err != nil {
		l.fail(err)
	}
	return k
}

// products are the kernels that multiply a shard of so many rows of m by so many columns, in the order of their static
// preference. set are the constants that the operation fixes.
//
// One column and eight are multiplied by the same kernels: their results agree to the bit.
func products(m *matrix, rows, columns int, set map[string]uint32) []kernel {
	if columns <= shaders.MaxColumns {
		k := matrixKernel("mul_mat_vec", m, rows, columns)
		k.set["COLS"] = uint32(columns)
		merge(k.set, set)
		return []kernel{k}
	}
	k := matrixKernel("mul_mat", m, rows, columns)
	merge(k.set, set)
	return []kernel{k}
}

// productGroups is the grid of a product by the given kernel.
func productGroups(name string, push shaders.MatMulPush) func(constants) [3]uint32 {
	if strings.HasPrefix(name, "mul_mat_vec") {
		return func(c constants) [3]uint32 { return fold(ceilDiv(push.Rows, c.get("ROWS"))) }
	}
	return func(c constants) [3]uint32 {
		return [3]uint32{ceilDiv(push.Rows, c.get("BM")), ceilDiv(push.N, c.get("BN")), 1}
	}
}

// attentions are the kernels that compute attention over the cache for rows tokens of one sequence at most, in the order of
// their static preference.
func (l *lowering) attentions(headDim, gqa int, set map[string]uint32) []kernel {
	v := shaders.Variant{KV: string(l.e.kv.kind)}
	k := kernel{name: "attention", variant: v, rows: l.key.widest * gqa, k: headDim, n: l.key.rows, set: set}
	// Few tokens must agree with one to the bit.
	if !l.e.units.there || l.key.widest <= shaders.MaxColumns || !l.e.units.shape.AttentionFits(headDim) {
		return []kernel{k}
	}
	return l.e.unitsOr(k, "attention_cm")
}
