package vk

import (
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"sync/atomic"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// PipelineDesc describes a compute pipeline: a SPIR-V module with entry point
// "main" whose storage buffers are at set 0, bindings 0 to Buffers-1.
type PipelineDesc struct {
	Name      string
	Code      []byte   // SPIR-V
	Buffers   int      // at most MaxStorageBuffers
	PushBytes int      // multiple of 4, at most MaxPushBytes
	Constants []uint32 // specialization constants 0 to n-1
	// SubgroupSize is the size the kernel counts on; 0 means any.
	SubgroupSize uint32
	// FullSubgroups asks that no subgroup has idle lanes at its end; the
	// workgroup size in x must be a multiple of the subgroup size.
	FullSubgroups bool
	// Parts lets the pipeline be dispatched in parts: Recorder.DispatchPart.
	Parts bool
}

// Pipeline is a compiled kernel.
type Pipeline struct {
	d      *Device
	name   string
	desc   PipelineDesc // without Code
	handle core.Handle
	layout layout

	refs   atomic.Int32
	closed atomic.Bool
}

// Statistic is one line of a driver's report on a compiled pipeline, such as
// its registers, spills or occupancy. Names and units are the driver's.
type Statistic struct{ Name, Description, Value string }

// NewPipeline compiles a pipeline, or takes it from the cache. It may be slow
// (seconds) and may be called from several goroutines.
func (d *Device) NewPipeline(desc PipelineDesc) (*Pipeline, error) {
	if err := d.check("pipeline", desc.Name); err != nil {
		return nil, err
	}
	if d.faults.Code != nil {
		if code := d.faults.Code(desc.Name, desc.Code); code != nil {
			desc.Code = code
		}
	}
	if err := desc.check(&d.caps); err != nil {
		return nil, fmt.Errorf("vk: pipeline %q: %w", desc.Name, err)
	}
	if err := due(&d.count.pipelines, d.faults.PipelineAt, d.faults.PipelineErr, ErrOutOfMemory); err != nil {
		return nil, d.injected(err, "pipeline %q", desc.Name)
	}
	l, err := d.layouts.get(d, desc.Buffers, desc.PushBytes)
	if err != nil {
		return nil, err
	}
	module, err := d.module(desc)
	if err != nil {
		return nil, err
	}
	defer vgo.DestroyShaderModule(d.handle, module, nil)
	p := &Pipeline{d: d, name: desc.Name, desc: desc, layout: l}
	p.desc.Code = nil
	required := desc.SubgroupSize
	if !d.caps.SubgroupSizeControl {
		required = 0 // check has made sure that there is one size only
	}
	var r core.Result
	p.handle, r = d.core.CreatePipeline(core.PipelineDesc{
		Module: core.HandleOf(module), Layout: l.pipeline, Cache: d.cache.handle,
		SubgroupSize: required, FullSubgroups: desc.FullSubgroups,
		CaptureStatistics: d.statistics, Parts: desc.Parts,
		Constants: desc.Constants,
	})
	if err := d.result(r, "vkCreateComputePipelines", "pipeline %q", desc.Name); err != nil {
		return nil, err
	}
	if r > 0 { // VK_PIPELINE_COMPILE_REQUIRED and the like: no pipeline was made
		return nil, fmt.Errorf("vk: pipeline %q: vkCreateComputePipelines: result %d", desc.Name, r)
	}
	p.refs.Store(1)
	d.core.SetName(core.ObjectPipeline, p.handle, desc.Name)
	d.add(p)
	return p, nil
}

// NewPipelines compiles several pipelines at once, in the order given. On an
// error none is left open.
func (d *Device) NewPipelines(descs []PipelineDesc) ([]*Pipeline, error) {
	out := make([]*Pipeline, len(descs))
	errs := make([]error, len(descs))
	var next atomic.Int64
	var wg sync.WaitGroup
	for range min(len(descs), runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for {
				i := int(next.Add(1)) - 1
				if i >= len(descs) {
					return
				}
				out[i], errs[i] = d.NewPipeline(descs[i])
			}
		})
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		for _, p := range out {
			p.Close()
		}
		return nil, err
	}
	return out, nil
}

func (desc *PipelineDesc) check(c *Caps) error {
	if err := checkSPIRV(desc.Code, c); err != nil {
		return err
	}
	switch {
	case desc.Buffers < 0 || desc.Buffers > min(MaxStorageBuffers, int(c.MaxStorageBuffers)):
		return fmt.Errorf("%d storage buffers; at most %d are portable: %w", desc.Buffers, MaxStorageBuffers, ErrLimit)
	case desc.PushBytes < 0 || desc.PushBytes%4 != 0 || desc.PushBytes > min(MaxPushBytes, int(c.MaxPushBytes)):
		return fmt.Errorf("%d bytes of push constants; multiples of 4 up to %d are portable: %w", desc.PushBytes, MaxPushBytes, ErrLimit)
	case desc.FullSubgroups && !c.FullSubgroups:
		return fmt.Errorf("full subgroups: %w", ErrUnsupported)
	}
	if n := desc.SubgroupSize; n != 0 {
		only := c.MinSubgroupSize == c.MaxSubgroupSize && n == c.SubgroupSize
		able := c.SubgroupSizeControl && n&(n-1) == 0 && n >= c.MinSubgroupSize && n <= c.MaxSubgroupSize
		if !only && !able {
			return fmt.Errorf("subgroups of %d; the device runs %d to %d: %w", n, c.MinSubgroupSize, c.MaxSubgroupSize, ErrUnsupported)
		}
	}
	return nil
}

func (d *Device) module(desc PipelineDesc) (vgo.ShaderModule, error) {
	words := make([]uint32, len(desc.Code)/4)
	for i := range words {
		words[i] = binary.LittleEndian.Uint32(desc.Code[4*i:])
	}
	var arena core.Arena
	defer arena.Free()
	info := vgo.ShaderModuleCreateInfo{
		SType:    vgo.StructureTypeShaderModuleCreateInfo,
		CodeSize: uint(len(desc.Code)),
		PCode:    core.Slice(&arena, words),
	}
	var module vgo.ShaderModule
	r := vgo.CreateShaderModule(d.handle, &info, nil, &module)
	info.Free()
	return module, d.result(core.Result(r), "vkCreateShaderModule", "pipeline %q", desc.Name)
}

// Name returns the name given to NewPipeline.
func (p *Pipeline) Name() string { return p.name }

// Statistics returns the driver's report, nil where DeviceOptions.Statistics
// was not set or the driver gives none.
func (p *Pipeline) Statistics() ([]Statistic, error) {
	if !p.d.statistics {
		return nil, nil
	}
	list, r := p.d.core.Statistics(p.handle)
	if err := p.d.result(r, "vkGetPipelineExecutableStatisticsKHR", "pipeline %q", p.name); err != nil {
		return nil, err
	}
	out := make([]Statistic, len(list))
	for i, s := range list {
		out[i] = Statistic(s)
	}
	return out, nil
}

func (p *Pipeline) describe() string { return fmt.Sprintf("pipeline %q", p.name) }

// Close releases the pipeline, once no commands use it any more.
func (p *Pipeline) Close() {
	if p != nil && p.closed.CompareAndSwap(false, true) {
		p.release()
	}
}

func (p *Pipeline) retain() bool {
	if p.closed.Load() {
		return false
	}
	p.refs.Add(1)
	return true
}

func (p *Pipeline) release() {
	if p.refs.Add(-1) > 0 {
		return
	}
	vgo.DestroyPipeline(p.d.handle, core.ToBinding[vgo.Pipeline](p.handle), nil)
	p.d.remove(p)
}
