package vk

import (
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// Access says how commands or the host touch memory; a bit set. The stages
// follow from it.
type Access uint32

// The values are Vulkan's own access flags.
const (
	IndirectRead  Access = 0x1 // arguments of DispatchIndirect
	ShaderRead    Access = 0x20
	ShaderWrite   Access = 0x40
	TransferRead  Access = 0x800
	TransferWrite Access = 0x1000
	HostRead      Access = 0x2000
	HostWrite     Access = 0x4000

	allAccess = IndirectRead | ShaderRead | ShaderWrite | TransferRead | TransferWrite | HostRead | HostWrite
)

// stages returns the pipeline stages in which these accesses happen.
func (a Access) stages() (out uint32) {
	const indirect, compute, transfer, host = 0x2, 0x800, 0x1000, 0x4000
	if a&IndirectRead != 0 {
		out |= indirect
	}
	if a&(ShaderRead|ShaderWrite) != 0 {
		out |= compute
	}
	if a&(TransferRead|TransferWrite) != 0 {
		out |= transfer
	}
	if a&(HostRead|HostWrite) != 0 {
		out |= host
	}
	return out
}

// Barrier orders accesses to one range: what comes after in Dst sees and does
// not overtake what came before in Src.
type Barrier struct {
	Src, Dst Access
	Range    Range
}

// Recorder collects commands for one command buffer. Its methods keep the first
// error, which Finish returns. A Recorder is for one goroutine and one Finish.
//
// Commands run in the order recorded only as far as barriers say. Each command
// buffer starts with a barrier against all earlier submits, so barriers are
// needed within a recording only, and to HostRead at the end of what the host
// will read.
type Recorder struct {
	d        *Device
	err      error
	finished bool

	ops         []core.Op
	barriers    []core.BufferBarrier
	maxBarriers int
	push        []byte
	counts      Counts

	sets    []core.Set
	infos   []core.BufferInfo
	setOf   map[string]int // by layout and bindings
	key     []byte
	opSet   []int // index into sets per op, -1 for none
	queries int
	order   []int // timestamp indices as recorded
	timed   map[int]bool

	buffers   map[*Buffer]struct{}
	pipelines map[*Pipeline]struct{}
	hostReads []Range // of memory that Wait must invalidate

	bound     *Pipeline // what the last dispatch left bound
	boundSet  int
	boundPush []byte
}

// Counts says what a command buffer holds.
type Counts struct {
	Dispatches     int
	Barriers       int // barrier commands, without the opening one
	BufferBarriers int // ranges in them
	Copies         int // copies and fills
}

// NewRecorder starts an empty recording.
func (d *Device) NewRecorder() *Recorder {
	return &Recorder{
		d: d, setOf: map[string]int{}, timed: map[int]bool{}, boundSet: -1,
		buffers: map[*Buffer]struct{}{}, pipelines: map[*Pipeline]struct{}{},
	}
}

// fail keeps the first error.
func (r *Recorder) fail(err error) {
	if r.err == nil && err != nil {
		r.err = err
	}
}

// use checks a range and notes its buffer.
func (r *Recorder) use(g Range) error {
	if err := g.check(); err != nil {
		return err
	}
	if g.Buffer.d != r.d {
		return fmt.Errorf("buffer %q belongs to another device", g.Buffer.name)
	}
	r.buffers[g.Buffer] = struct{}{}
	return nil
}

func (r *Recorder) add(op core.Op, set int) {
	r.ops = append(r.ops, op)
	r.opSet = append(r.opSet, set)
}

// Dispatch runs p on groups workgroups. bindings are p's storage buffers in
// order, each at a multiple of Caps.StorageAlign; push has exactly
// PipelineDesc.PushBytes bytes.
func (r *Recorder) Dispatch(p *Pipeline, bindings []Range, push []byte, groups [3]uint32) {
	r.DispatchPart(p, bindings, push, [3]uint32{}, groups)
}

// DispatchPart is Dispatch for the workgroups from first on: gl_WorkGroupID
// counts from there, and gl_NumWorkGroups is groups. p has PipelineDesc.Parts,
// unless first is zero.
func (r *Recorder) DispatchPart(p *Pipeline, bindings []Range, push []byte, first, groups [3]uint32) {
	op, set, err := r.dispatch(p, bindings, push)
	if err == nil {
		for i, n := range groups {
			if n == 0 || uint64(first[i])+uint64(n) > uint64(r.d.caps.MaxGroups[i]) {
				err = fmt.Errorf("pipeline %q: %v workgroups from %v on; the device runs 1 to %v: %w", p.name, groups, first, r.d.caps.MaxGroups, ErrLimit)
			}
		}
		if first != [3]uint32{} && !p.desc.Parts {
			err = fmt.Errorf("pipeline %q was not made to be dispatched in parts: %w", p.name, ErrUnsupported)
		}
	}
	if err != nil {
		r.fail(err)
		return
	}
	op.Kind = core.OpDispatch
	op.X, op.Y, op.Z = groups[0], groups[1], groups[2]
	op.BaseX, op.BaseY, op.BaseZ = first[0], first[1], first[2]
	r.add(op, set)
}

// DispatchIndirect runs p on as many workgroups as args says when it runs:
// three 32-bit counts, at a multiple of 4 bytes. Writes to args need a barrier
// to IndirectRead. The counts must be within Caps.MaxGroups; zero runs nothing.
func (r *Recorder) DispatchIndirect(p *Pipeline, bindings []Range, push []byte, args Range) {
	op, set, err := r.dispatch(p, bindings, push)
	if err == nil {
		err = r.use(args)
	}
	if err == nil && (args.Size < 12 || args.Offset%4 != 0) {
		err = fmt.Errorf("pipeline %q: indirect arguments need 12 bytes at a multiple of 4; got %d at %d", p.name, args.Size, args.Offset)
	}
	if err != nil {
		r.fail(err)
		return
	}
	op.Kind = core.OpDispatchIndirect
	op.Buffer, op.Offset = args.Buffer.handle, args.Offset
	r.add(op, set)
}

// dispatch checks and prepares what both kinds of dispatch share.
func (r *Recorder) dispatch(p *Pipeline, bindings []Range, push []byte) (core.Op, int, error) {
	var op core.Op
	switch {
	case r.err != nil:
		return op, 0, r.err
	case p == nil:
		return op, 0, errors.New("dispatch without a pipeline")
	case p.d != r.d:
		return op, 0, fmt.Errorf("pipeline %q belongs to another device", p.name)
	case len(bindings) != p.desc.Buffers:
		return op, 0, fmt.Errorf("pipeline %q has %d buffers; %d were bound", p.name, p.desc.Buffers, len(bindings))
	case len(push) != p.desc.PushBytes:
		return op, 0, fmt.Errorf("pipeline %q has %d bytes of push constants; got %d", p.name, p.desc.PushBytes, len(push))
	}
	set, err := r.set(p, bindings)
	if err != nil {
		return op, 0, err
	}
	r.pipelines[p] = struct{}{}
	op.Pipeline, op.Layout = p.handle, p.layout.pipeline
	same := r.bound != nil && r.bound.layout == p.layout
	if r.bound != p {
		op.Flags |= core.BindPipeline
	}
	if set >= 0 && !(same && set == r.boundSet) {
		op.Flags |= core.BindSet
	}
	if len(push) > 0 && !(same && string(push) == string(r.boundPush)) {
		op.PushOffset, op.PushSize = uint32(len(r.push)), uint32(len(push))
		r.push = append(r.push, push...)
		r.boundPush = r.push[len(r.push)-len(push):]
	}
	r.bound, r.boundSet = p, set
	r.counts.Dispatches++
	return op, set, nil
}

// set returns the index of the descriptor set with these bindings, one for all
// dispatches that bind the same; -1 without bindings.
func (r *Recorder) set(p *Pipeline, bindings []Range) (int, error) {
	if len(bindings) == 0 {
		return -1, nil
	}
	c := &r.d.caps
	r.key = binary.LittleEndian.AppendUint64(r.key[:0], uint64(p.layout.set))
	for i, g := range bindings {
		if err := r.use(g); err != nil {
			return 0, fmt.Errorf("pipeline %q, binding %d: %w", p.name, i, err)
		}
		if g.Offset%c.StorageAlign != 0 {
			return 0, fmt.Errorf("pipeline %q, binding %d: buffer %q at %d, no multiple of %d: %w", p.name, i, g.Buffer.name, g.Offset, c.StorageAlign, ErrLimit)
		}
		if g.Size > c.MaxStorageBufferRange {
			return 0, fmt.Errorf("pipeline %q, binding %d: %d bytes of buffer %q; the device binds %d at most: %w", p.name, i, g.Size, g.Buffer.name, c.MaxStorageBufferRange, ErrLimit)
		}
		r.key = binary.LittleEndian.AppendUint64(r.key, uint64(g.Buffer.handle))
		r.key = binary.LittleEndian.AppendUint64(r.key, g.Offset)
		r.key = binary.LittleEndian.AppendUint64(r.key, g.Size)
	}
	if i, ok := r.setOf[string(r.key)]; ok {
		return i, nil
	}
	i := len(r.sets)
	r.setOf[string(r.key)] = i
	r.sets = append(r.sets, core.Set{Layout: p.layout.set, First: uint32(len(r.infos)), Count: uint32(len(bindings))})
	for _, g := range bindings {
		r.infos = append(r.infos, core.BufferInfo{Buffer: g.Buffer.handle, Offset: g.Offset, Range: g.Size})
	}
	return i, nil
}

// Barriers orders accesses to several ranges with one command.
func (r *Recorder) Barriers(list []Barrier) {
	if r.err != nil || len(list) == 0 {
		return
	}
	op := core.Op{Kind: core.OpBarrier, First: uint64(len(r.barriers)), Count: uint32(len(list))}
	for _, b := range list {
		if err := r.use(b.Range); err != nil {
			r.fail(fmt.Errorf("barrier: %w", err))
			return
		}
		if b.Src == 0 || b.Dst == 0 || (b.Src|b.Dst)&^allAccess != 0 {
			r.fail(fmt.Errorf("barrier on buffer %q: accesses %#x to %#x", b.Range.Buffer.name, uint32(b.Src), uint32(b.Dst)))
			return
		}
		op.X |= b.Src.stages()
		op.Y |= b.Dst.stages()
		r.barriers = append(r.barriers, core.BufferBarrier{
			Buffer: b.Range.Buffer.handle, Offset: b.Range.Offset, Size: b.Range.Size,
			Src: uint32(b.Src), Dst: uint32(b.Dst),
		})
		if b.Dst&HostRead != 0 && b.Range.Buffer.bytes != nil && !b.Range.Buffer.coherent() {
			r.hostReads = append(r.hostReads, b.Range)
		}
	}
	r.maxBarriers = max(r.maxBarriers, len(list))
	r.counts.Barriers++
	r.counts.BufferBarriers += len(list)
	r.add(op, -1)
}

// Copy copies src to dst, of equal size and not overlapping.
func (r *Recorder) Copy(dst, src Range) {
	if r.err != nil {
		return
	}
	if err := errors.Join(r.use(dst), r.use(src)); err != nil {
		r.fail(fmt.Errorf("copy: %w", err))
		return
	}
	overlap := dst.Buffer == src.Buffer && dst.Offset < src.Offset+src.Size && src.Offset < dst.Offset+dst.Size
	if dst.Size != src.Size || overlap {
		r.fail(fmt.Errorf("copy of %d bytes from %d of buffer %q to %d bytes at %d of buffer %q: sizes differ or ranges overlap",
			src.Size, src.Offset, src.Buffer.name, dst.Size, dst.Offset, dst.Buffer.name))
		return
	}
	r.counts.Copies++
	r.add(core.Op{
		Kind: core.OpCopy, Buffer: dst.Buffer.handle, Offset: dst.Offset,
		Source: src.Buffer.handle, SourceOffset: src.Offset, Size: dst.Size,
	}, -1)
}

// Fill writes value to every 32-bit word of dst, whose offset and size are
// multiples of 4.
func (r *Recorder) Fill(dst Range, value uint32) {
	if r.err != nil {
		return
	}
	if err := r.use(dst); err != nil {
		r.fail(fmt.Errorf("fill: %w", err))
		return
	}
	if dst.Offset%4 != 0 || dst.Size%4 != 0 {
		r.fail(fmt.Errorf("fill of %d bytes from %d of buffer %q: no multiples of 4", dst.Size, dst.Offset, dst.Buffer.name))
		return
	}
	r.counts.Copies++
	r.add(core.Op{Kind: core.OpFill, Buffer: dst.Buffer.handle, Offset: dst.Offset, Size: dst.Size, X: value}, -1)
}

// maxTimestamps bounds the query pool of one command buffer.
const maxTimestamps = 1 << 16

// Timestamp notes, as Commands.Timestamps()[index], when all commands before it
// are done. Each index is used once in a recording.
func (r *Recorder) Timestamp(index int) {
	if r.err != nil {
		return
	}
	switch {
	case r.d.caps.TimestampBits == 0:
		r.fail(fmt.Errorf("timestamps: %w", ErrUnsupported))
		return
	case index < 0 || index >= maxTimestamps:
		r.fail(fmt.Errorf("timestamp %d: indices are 0 to %d: %w", index, maxTimestamps-1, ErrLimit))
		return
	}
	if r.timed[index] {
		r.fail(fmt.Errorf("timestamp %d is recorded twice", index))
		return
	}
	r.timed[index] = true
	r.order = append(r.order, index)
	r.queries = max(r.queries, index+1)
	r.add(core.Op{Kind: core.OpTimestamp, X: uint32(index)}, -1)
}
