package vk

import (
	"errors"
	"fmt"
	"sync/atomic"
	"unsafe"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// Buffer is a range of device memory that shaders bind and copies move. Its
// contents are undefined at first.
type Buffer struct {
	d      *Device
	name   string
	size   uint64
	kind   MemoryKind
	handle core.Handle
	slab   *slab
	offset uint64 // in the slab
	room   uint64 // taken there
	bytes  []byte // the mapping, nil if there is none to show

	refs   atomic.Int32 // the owner and every Commands that uses it
	closed atomic.Bool
}

// NewBuffer makes a buffer of size bytes. It can be bound, copied from and to,
// filled, and read for indirect dispatches. The name appears in errors.
//
// The error is ErrLimit beyond the device's limits and ErrOutOfMemory, with
// what is needed and what is free, when there is no room.
func (d *Device) NewBuffer(name string, size uint64, kind MemoryKind) (*Buffer, error) {
	b, err := d.newBuffer(name, size, kind)
	if err != nil {
		return nil, err
	}
	d.add(b)
	return b, nil
}

// newBuffer is NewBuffer for the device's own use: Live does not count it.
func (d *Device) newBuffer(name string, size uint64, kind MemoryKind) (*Buffer, error) {
	if err := d.check("buffer", name); err != nil {
		return nil, err
	}
	c := &d.caps
	if most := min(c.MaxBufferSize, c.MaxAllocationSize); size == 0 || size > most {
		return nil, fmt.Errorf("vk: buffer %q: %d bytes; %s allows 1 to %d in one buffer: %w", name, size, c.Name, most, ErrLimit)
	}
	if err := due(&d.count.allocs, d.faults.AllocAt, d.faults.AllocErr, ErrOutOfMemory); err != nil {
		return nil, d.injected(err, "buffer %q: needs %s", name, Bytes(size))
	}
	info := vgo.BufferCreateInfo{
		SType: vgo.StructureTypeBufferCreateInfo,
		Size:  vgo.DeviceSize(size),
		Usage: vgo.BufferUsageFlags(vgo.BufferUsageStorageBufferBit | vgo.BufferUsageTransferSrcBit |
			vgo.BufferUsageTransferDstBit | vgo.BufferUsageIndirectBufferBit),
		SharingMode: vgo.SharingModeExclusive,
	}
	var handle vgo.Buffer
	r := vgo.CreateBuffer(d.handle, &info, nil, &handle)
	info.Free()
	if err := d.result(core.Result(r), "vkCreateBuffer", "buffer %q of %s", name, Bytes(size)); err != nil {
		return nil, err
	}
	b := &Buffer{d: d, name: name, size: size, kind: kind, handle: core.HandleOf(handle)}
	if err := b.bind(handle); err != nil {
		vgo.DestroyBuffer(d.handle, handle, nil)
		return nil, err
	}
	b.refs.Store(1)
	d.core.SetName(core.ObjectBuffer, b.handle, name)
	return b, nil
}

// bind gives the buffer its memory.
func (b *Buffer) bind(handle vgo.Buffer) error {
	d := b.d
	var need vgo.MemoryRequirements
	vgo.GetBufferMemoryRequirements(d.handle, handle, &need)
	need.Deref()
	size, align, allowed := uint64(need.Size), uint64(need.Alignment), need.MemoryTypeBits
	need.Free()
	// Neighbours must not share what a flush or an invalidate touches.
	atom := d.caps.NonCoherentAtom
	align = max(align, OffsetAlign, atom)
	b.room = alignUp(size, max(atom, OffsetAlign))
	if b.room > d.caps.MaxAllocationSize {
		b.room = size
	}
	s, offset, err := d.memory.place(b.kind, b.size, b.room, align, allowed)
	if err != nil {
		if errors.Is(err, ErrOutOfMemory) {
			free, _ := d.Budget()
			return fmt.Errorf("vk: buffer %q: needs %s; %s of %s are free on %s: %w",
				b.name, Bytes(b.size), Bytes(free), Bytes(d.caps.DeviceBytes), d.caps.Name, err)
		}
		return fmt.Errorf("vk: buffer %q: %w", b.name, err)
	}
	r := vgo.BindBufferMemory(d.handle, handle, s.handle, vgo.DeviceSize(offset))
	if err := d.result(core.Result(r), "vkBindBufferMemory", "buffer %q", b.name); err != nil {
		d.memory.release(s, offset, b.room)
		return err
	}
	b.slab, b.offset = s, offset
	hidden := b.kind == DeviceLocal && d.memory.forceStaging
	if s.mapped != nil && !hidden {
		b.bytes = unsafe.Slice((*byte)(unsafe.Add(s.mapped, offset)), b.size)
	}
	return nil
}

// Name returns the name given to NewBuffer.
func (b *Buffer) Name() string { return b.name }

// Size returns the size in bytes given to NewBuffer.
func (b *Buffer) Size() uint64 { return b.size }

// Whole returns the range of the whole buffer.
func (b *Buffer) Whole() Range { return Range{b, 0, b.size} }

// Range returns size bytes from offset; the checks come where it is used.
func (b *Buffer) Range(offset, size uint64) Range { return Range{b, offset, size} }

// Bytes returns the buffer's memory as the host sees it, or nil where the host
// does not. It is valid until Close and must not be touched while commands that
// use it run. Reads see what commands wrote after a barrier to HostRead and a
// Wait.
func (b *Buffer) Bytes() []byte { return b.bytes }

func (b *Buffer) describe() string { return fmt.Sprintf("buffer %q", b.name) }

// Flush makes what the host wrote to n bytes from off visible to later
// submits. It does nothing on coherent memory.
func (b *Buffer) Flush(off, n uint64) error {
	return b.sync(off, n, "vkFlushMappedMemoryRanges", b.d.core.Flush)
}

// Invalidate makes what finished commands wrote to n bytes from off visible to
// the host. Wait does it for ranges with a barrier to HostRead. It does nothing
// on coherent memory.
func (b *Buffer) Invalidate(off, n uint64) error {
	return b.sync(off, n, "vkInvalidateMappedMemoryRanges", b.d.core.Invalidate)
}

func (b *Buffer) sync(off, n uint64, call string, do func(memory core.Handle, offset, size uint64) core.Result) error {
	if err := (Range{b, off, n}).check(); err != nil {
		return fmt.Errorf("vk: %w", err)
	}
	if b.slab.mapped == nil || b.coherent() {
		return nil
	}
	atom := b.d.caps.NonCoherentAtom
	from := (b.offset + off) &^ (atom - 1)
	to := min(alignUp(b.offset+off+n, atom), b.slab.spans.size)
	return b.d.result(do(core.HandleOf(b.slab.handle), from, to-from), call, "buffer %q", b.name)
}

func (b *Buffer) coherent() bool { return b.d.caps.Types[b.slab.typ].HostCoherent }

// Close gives the memory back, once no commands use the buffer any more.
// Commands that use it may be closed later and can run until then.
func (b *Buffer) Close() {
	if b != nil && b.closed.CompareAndSwap(false, true) {
		b.release()
	}
}

// retain adds a user; false if the buffer is already closed.
func (b *Buffer) retain() bool {
	if b.closed.Load() {
		return false
	}
	b.refs.Add(1)
	return true
}

func (b *Buffer) release() {
	if b.refs.Add(-1) > 0 {
		return
	}
	vgo.DestroyBuffer(b.d.handle, core.ToBinding[vgo.Buffer](b.handle), nil)
	b.bytes = nil
	b.d.memory.release(b.slab, b.offset, b.room)
	b.d.remove(b)
}

// Range is a part of a buffer: Size bytes from Offset.
type Range struct {
	Buffer       *Buffer
	Offset, Size uint64
}

// check returns an error unless the range is a non-empty part of its buffer.
func (r Range) check() error {
	if r.Buffer == nil {
		return errors.New("a range without a buffer")
	}
	if r.Size == 0 || r.Offset > r.Buffer.size || r.Size > r.Buffer.size-r.Offset {
		return fmt.Errorf("buffer %q has %d bytes; %d from %d were asked for", r.Buffer.name, r.Buffer.size, r.Size, r.Offset)
	}
	return nil
}
