package core

// #include <stdlib.h>
// #include "core.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Device holds the entry points of one VkDevice, fetched from the driver
// itself so that a call takes no detour through the loader.
type Device struct {
	calls    *C.VcDeviceCalls
	instance *Instance
	handle   C.VcDevice
}

// NewDevice fetches the entry points of a device made by the binding.
// executable says that VK_KHR_pipeline_executable_properties is enabled.
func (in *Instance) NewDevice(device Handle, executable bool) (*Device, error) {
	handle := C.VcDevice(pointer(device))
	calls := C.vc_device_new(in.calls, handle, bool32(executable))
	if calls == nil {
		return nil, errors.New("the driver lacks entry points of Vulkan 1.0")
	}
	return &Device{calls, in, handle}, nil
}

// Free releases the table, not the VkDevice.
func (d *Device) Free() { C.vc_device_free(d.calls) }

// Object types for SetName (VkObjectType).
const (
	ObjectBuffer        = 9
	ObjectPipeline      = 19
	ObjectCommandBuffer = 6
	ObjectMemory        = 8
)

// SetName gives an object the name that validation messages use; without a
// messenger it does nothing.
func (d *Device) SetName(objectType uint32, h Handle, name string) {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	C.vc_set_name(d.instance.calls, d.handle, C.uint32_t(objectType), C.uint64_t(h), cname)
}

// SetLayout makes the layout of a set with this many storage buffers.
func (d *Device) SetLayout(buffers int) (Handle, Result) {
	var out C.VcHandle
	r := C.vc_create_set_layout(d.calls, C.uint32_t(buffers), &out)
	return Handle(out), Result(r)
}

// PipelineLayout makes the layout of one set (0: none) and push constants.
func (d *Device) PipelineLayout(set Handle, pushBytes int) (Handle, Result) {
	var out C.VcHandle
	r := C.vc_create_pipeline_layout(d.calls, C.VcHandle(set), C.uint32_t(pushBytes), &out)
	return Handle(out), Result(r)
}

// Pool makes a descriptor pool for so many sets with so many storage buffers in
// all.
func (d *Device) Pool(sets, buffers int) (Handle, Result) {
	var out C.VcHandle
	r := C.vc_create_pool(d.calls, C.uint32_t(sets), C.uint32_t(buffers), &out)
	return Handle(out), Result(r)
}

// PipelineDesc describes one compute pipeline with entry point "main".
type PipelineDesc struct {
	Module, Layout, Cache Handle
	SubgroupSize          uint32 // 0: the driver's choice
	FullSubgroups         bool
	CaptureStatistics     bool
	Parts                 bool     // dispatches may begin at another workgroup than 0
	Constants             []uint32 // specialization constants 0..n-1
}

// CreatePipeline compiles one pipeline.
func (d *Device) CreatePipeline(desc PipelineDesc) (Handle, Result) {
	c := C.VcPipelineDesc{
		module: C.VcHandle(desc.Module), layout: C.VcHandle(desc.Layout), cache: C.VcHandle(desc.Cache),
		subgroup_size:      C.uint32_t(desc.SubgroupSize),
		full_subgroups:     bool32(desc.FullSubgroups),
		capture_statistics: bool32(desc.CaptureStatistics),
		parts:              bool32(desc.Parts),
		constant_count:     C.uint32_t(len(desc.Constants)),
	}
	var out C.VcHandle
	r := C.vc_create_pipeline(d.calls, &c, (*C.uint32_t)(unsafe.SliceData(desc.Constants)), &out)
	return Handle(out), Result(r)
}

// Statistic is one line of a driver's report on a compiled pipeline.
type Statistic struct {
	Name, Description string
	Value             string
}

// Statistics returns the driver's report; empty where it gives none.
func (d *Device) Statistics(pipeline Handle) ([]Statistic, Result) {
	list, r := enumerate(func(n *C.uint32_t, out *C.VcExecutableStatistic) C.VcResult {
		return C.vc_statistics(d.calls, C.VcHandle(pipeline), n, out)
	})
	out := make([]Statistic, len(list))
	for i := range list {
		s := &list[i]
		out[i] = Statistic{text(s.name[:]), text(s.description[:]), statisticValue(s)}
	}
	return out, r
}

func statisticValue(s *C.VcExecutableStatistic) string {
	bits := unsafe.Pointer(&s.value)
	switch s.format {
	case C.VC_EXECUTABLE_STATISTIC_BOOL:
		return fmt.Sprint(*(*uint32)(bits) != 0)
	case C.VC_EXECUTABLE_STATISTIC_INT64:
		return fmt.Sprint(*(*int64)(bits))
	case C.VC_EXECUTABLE_STATISTIC_FLOAT64:
		return fmt.Sprint(*(*float64)(bits))
	default:
		return fmt.Sprint(*(*uint64)(bits))
	}
}

// Submit resets the fence and submits one command buffer that signals it. The
// caller holds the queue.
func (d *Device) Submit(queue, cmd, fence Handle) Result {
	return Result(C.vc_submit(d.calls, C.VcQueue(pointer(queue)), C.VcCommandBuffer(pointer(cmd)), C.VcHandle(fence)))
}

// Wait waits for a fence for at most ns nanoseconds: Success, Timeout or an
// error.
func (d *Device) Wait(fence Handle, ns uint64) Result {
	return Result(C.vc_wait(d.calls, C.VcHandle(fence), C.uint64_t(ns)))
}

// QueryResult reads one timestamp in ticks.
func (d *Device) QueryResult(pool Handle, index int, out *uint64) Result {
	return Result(C.vc_query_result(d.calls, C.VcHandle(pool), C.uint32_t(index), (*C.uint64_t)(out)))
}

// Flush makes host writes to mapped memory visible to the device.
func (d *Device) Flush(memory Handle, offset, size uint64) Result {
	return Result(C.vc_flush(d.calls, C.VcHandle(memory), C.uint64_t(offset), C.uint64_t(size)))
}

// Invalidate makes device writes to mapped memory visible to the host.
func (d *Device) Invalidate(memory Handle, offset, size uint64) Result {
	return Result(C.vc_invalidate(d.calls, C.VcHandle(memory), C.uint64_t(offset), C.uint64_t(size)))
}
