package vkexec

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// constants are the specialization constants of one dispatch, in the order of their ids.
type constants struct {
	names  []string
	values []uint32
}

// get returns the constant of that name; a kernel that lacks it breaks the table's contract.
func (c constants) get(name string) uint32 {
	if i := slices.Index(c.names, name); i >= 0 && c.values[i] > 0 {
		return c.values[i]
	}
	panic("BUG: vkexec: kernel without constant " + name)
}

// KernelNames are the kernels that Options.Disable may be asked for.
func KernelNames() []string {
	var names []string
	for _, m := range shaders.Modules() {
		if !slices.Contains(names, m.Kernel) {
			names = append(names, m.Kernel)
		}
	}
	return names
}

// KernelDigest tells the kernels of this build from those of another: pipelines compiled from others must not be used.
func KernelDigest() string {
	h := sha256.New()
	for _, m := range shaders.Modules() {
		h.Write(m.Code)
	}
	return hex.EncodeToString(h.Sum(nil))
}

// kernel picks the module of the highest tier that the device allows and its specialization constants.
func (e *Executor) kernel(k kernel) (*shaders.Module, constants, error) {
	return e.kernelWith(k, e.tuning(k))
}

// kernelWith is kernel with given constants for its speed.
func (e *Executor) kernelWith(k kernel, tuning map[string]uint32) (*shaders.Module, constants, error) {
	m, err := e.chooser.module(k)
	if err != nil {
		return nil, constants{}, err
	}
	values := map[string]uint32{}
	for _, name := range m.Constants {
		values[name] = 0
	}
	if _, ok := values["GROUP"]; ok {
		values["GROUP"] = 32 // read by no type without scales, but a divisor all the same
	}
	for _, set := range []map[string]uint32{tuning, k.set, e.options.Tune[k.name]} {
		merge(values, set)
	}
	c := constants{names: m.Constants}
	if c.values, err = m.Specialize(values); err != nil {
		return nil, c, fmt.Errorf("BUG: vkexec: %w", err)
	}
	return m, c, nil
}

// matrixKernel names a kernel that reads weights laid out as m.
func matrixKernel(name string, m *matrix, rows, n int) kernel {
	set := map[string]uint32{}
	v := shaders.Variant{Weights: m.layout.Kind.String()}
	if m.layout.Kind.Grouped() {
		set["GROUP"] = uint32(m.layout.Group)
		if m.layout.Zero {
			set["ZERO"] = 1
		}
	}
	return kernel{name: name, variant: v, rows: rows, k: m.cols, n: n, set: set}
}

// pipelinesFor returns the pipeline of each dispatch, creating all that are missing at once.
func (e *Executor) pipelinesFor(ctx context.Context, dispatches []dispatch) ([]*vk.Pipeline, error) {
	keys := make([]string, len(dispatches))
	var missing []vk.PipelineDesc
	var missingKeys []string
	for i, d := range dispatches {
		keys[i] = fmt.Sprint(d.module.File, d.constants)
		if e.pipelines[keys[i]] != nil || slices.Contains(missingKeys, keys[i]) {
			continue
		}
		missingKeys = append(missingKeys, keys[i])
		missing = append(missing, vk.PipelineDesc{
			Name: d.module.File, Code: d.module.Code, Buffers: d.module.Buffers, PushBytes: d.module.PushBytes, Constants: d.constants,
			SubgroupSize: d.subgroup(), FullSubgroups: d.subgroup() != 0,
			Parts: e.pacer != nil,
		})
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if len(missing) > 0 {
		made, err := e.dev.NewPipelines(missing)
		if err != nil {
			return nil, err
		}
		for i, p := range made {
			e.pipelines[missingKeys[i]] = p
		}
	}
	pipelines := make([]*vk.Pipeline, len(dispatches))
	for i, key := range keys {
		pipelines[i] = e.pipelines[key]
	}
	return pipelines, nil
}

// subgroup is the size that a kernel counts on; 0: any will do.
func (d dispatch) subgroup() uint32 {
	if i := slices.Index(d.module.Constants, "SUBGROUP"); i >= 0 {
		return d.constants[i]
	}
	return 0
}

// pushBytes lays a push-constant struct out as the shader reads it.
func pushBytes(push any) []byte {
	var b bytes.Buffer
	if err := binary.Write(&b, binary.LittleEndian, push); err != nil {
		panic("BUG: vkexec: push constants: " + err.Error())
	}
	return b.Bytes()
}
