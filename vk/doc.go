// Package vk is the device layer: it opens Vulkan, chooses a device, reads what
// it can do, hands out its memory, compiles kernels, records them and runs them.
// It knows bytes, buffers and dispatches, and no tensor.
//
//	in, err := vk.Open(vk.Options{})
//	p, err := in.Choose("")                     // a card before an integrated device
//	d, err := in.NewDevice(p, vk.DeviceOptions{})
//	x, err := d.NewBuffer("x", 4096, vk.DeviceLocal)
//	k, err := d.NewPipeline(vk.PipelineDesc{Name: "scale", Code: spirv, Buffers: 1, PushBytes: 8})
//
//	r := d.NewRecorder()
//	r.Dispatch(k, []vk.Range{x.Whole()}, push, [3]uint32{16, 1, 1})
//	c, err := r.Finish("plan")                  // one call into the driver
//	err = d.Run(ctx, c)                         // as often as wanted
//
// # Three nouns
//
// A [Device] is an open device with one queue. Its [Caps] decide which kernels
// run; names of vendors never do. A [Mask] narrows them, so that a strong device
// can be tested as a weak one; what is hidden is not enabled either.
//
// A [Buffer] is a part of a large allocation. Its [MemoryKind] says who touches
// it. A kernel binds a [Range] of it.
//
// [Commands] are a recorded command buffer: recorded once by a [Recorder],
// submitted any number of times, once at a time. A submit and a wait are one C
// call each and allocate nothing.
//
// A program that renders lends its device as a [Host]: [Adopt] then stands in for
// [Open]. What the program does not declare as enabled is not used, its lock is
// held round each submit, and its handles survive.
//
// # Order
//
// Submits of a device run in order and see what earlier ones wrote, since every
// command buffer begins with a barrier against them. Inside a recording the
// order is that of barriers alone:
//
//	dispatch A   writes x
//	barrier      x: ShaderWrite → ShaderRead      B must see A
//	dispatch B   reads x, writes y
//	barrier      y: ShaderWrite → HostRead        the host will look at y
//
// A fence is not enough for the host: what it reads needs that last barrier.
// [Ticket.Wait] then does whatever else the memory needs.
//
// # Memory
//
// Small buffers share allocations (slabs) of up to 64 MiB; one larger than half
// a slab gets its own. No buffer exceeds what the device allows in an allocation,
// no binding Caps.MaxStorageBufferRange: whoever has a larger tensor splits it.
// Where all of the device's memory can be mapped, DeviceLocal buffers are mapped
// too and uploads write into them; elsewhere they go through a bounded ring,
// which FreeStaging gives back.
//
// # Errors
//
// Callers test with errors.Is: [ErrNoLoader], [ErrNoDevice], [ErrOutOfMemory],
// [ErrDeviceLost], [ErrLimit], [ErrUnsupported], [ErrPending], [ErrClosed]. An
// [Error] keeps the Vulkan call and its result. After a loss every call answers
// ErrDeviceLost; close everything, open a new device and load again. [Faults]
// injects such failures at the n-th call.
//
// # Lifetime
//
// What is made must be closed, children first, and Close says what was
// forgotten; there are no finalizers. Commands keep the buffers and pipelines
// that they use alive, so those may be closed in any order.
//
// # Why a C core beside the binding
//
// The binding, github.com/vulkan-go/vulkan, knows Vulkan 1.0 and may free an
// array of structures while the driver reads it. Package vk uses it for handles,
// constants and calls with one flat structure; the rest is in vk/internal/core,
// which needs no Vulkan headers to build and opens the loader by itself.
//
// # What it must not do
//
// Decide by vendor, know a kernel's meaning, retry in silence, or keep state
// outside its values. The one exception is the binding's table of entry points,
// which is the process's and is set by the first Open.
package vk
