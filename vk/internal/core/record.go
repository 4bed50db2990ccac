package core

// #include "core.h"
import "C"

import "unsafe"

// Kinds of Op.
const (
	OpDispatch         = C.VC_OP_DISPATCH
	OpDispatchIndirect = C.VC_OP_DISPATCH_INDIRECT
	OpBarrier          = C.VC_OP_BARRIER
	OpCopy             = C.VC_OP_COPY
	OpFill             = C.VC_OP_FILL
	OpTimestamp        = C.VC_OP_TIMESTAMP
)

// Flags of a dispatch: what has to be bound because it differs from the
// dispatch before.
const (
	BindPipeline = C.VC_BIND_PIPELINE
	BindSet      = C.VC_BIND_SET
)

// Op is one recorded command; which fields count depends on Kind. It mirrors
// VcOp.
type Op struct {
	Kind, Flags           uint32
	Pipeline, Layout, Set Handle
	PushOffset, PushSize  uint32
	X, Y, Z, Count        uint32
	BaseX, BaseY, BaseZ   uint32
	_                     uint32
	First                 uint64
	Buffer                Handle
	Offset                uint64
	Source                Handle
	SourceOffset, Size    uint64
}

// BufferBarrier is one range of a barrier. It mirrors VcBarrier.
type BufferBarrier struct {
	Buffer       Handle
	Offset, Size uint64
	Src, Dst     uint32
}

// BufferInfo is one binding of a set. It mirrors VkDescriptorBufferInfo.
type BufferInfo struct {
	Buffer        Handle
	Offset, Range uint64
}

// Set describes a descriptor set: infos[First:First+Count] at bindings
// 0..Count-1. It mirrors VcSetDesc.
type Set struct {
	Layout       Handle
	First, Count uint32
}

// These do not compile unless the mirrors have the size of what they mirror.
var (
	_ [unsafe.Sizeof(Op{}) - C.sizeof_VcOp]struct{}
	_ [C.sizeof_VcOp - unsafe.Sizeof(Op{})]struct{}
	_ [unsafe.Sizeof(BufferBarrier{}) - C.sizeof_VcBarrier]struct{}
	_ [C.sizeof_VcBarrier - unsafe.Sizeof(BufferBarrier{})]struct{}
	_ [unsafe.Sizeof(BufferInfo{}) - C.sizeof_VcDescriptorBufferInfo]struct{}
	_ [C.sizeof_VcDescriptorBufferInfo - unsafe.Sizeof(BufferInfo{})]struct{}
	_ [unsafe.Sizeof(Set{}) - C.sizeof_VcSetDesc]struct{}
	_ [C.sizeof_VcSetDesc - unsafe.Sizeof(Set{})]struct{}
)

// MakeSets allocates sets from pool and writes their storage buffers, in one
// call.
func (d *Device) MakeSets(pool Handle, sets []Set, infos []BufferInfo) ([]Handle, Result) {
	if len(sets) == 0 {
		return nil, Success
	}
	out := make([]Handle, len(sets))
	r := C.vc_make_sets(d.calls, C.VcHandle(pool),
		(*C.VcSetDesc)(unsafe.Pointer(&sets[0])), C.uint32_t(len(sets)),
		(*C.VcDescriptorBufferInfo)(unsafe.Pointer(unsafe.SliceData(infos))),
		(*C.VcHandle)(unsafe.Pointer(&out[0])))
	return out, Result(r)
}

// Recording is everything one command buffer will hold.
type Recording struct {
	Ops         []Op
	Barriers    []BufferBarrier
	MaxBarriers uint32 // most ranges of one barrier
	Push        []byte
	QueryPool   Handle
	Queries     uint32
}

// Record records r into cmd, in one call, behind a memory barrier against all
// earlier submissions.
func (d *Device) Record(cmd Handle, r *Recording) Result {
	return Result(C.vc_record(d.calls, C.VcCommandBuffer(pointer(cmd)),
		(*C.VcOp)(unsafe.Pointer(unsafe.SliceData(r.Ops))), C.uint64_t(len(r.Ops)),
		(*C.VcBarrier)(unsafe.Pointer(unsafe.SliceData(r.Barriers))), C.uint32_t(r.MaxBarriers),
		(*C.uint8_t)(unsafe.SliceData(r.Push)),
		C.VcHandle(r.QueryPool), C.uint32_t(r.Queries)))
}
