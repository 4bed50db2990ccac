package vk

import (
	"errors"
	"fmt"
	"sync"
	"unsafe"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// MemoryKind says who reads and writes a buffer.
type MemoryKind int

const (
	// DeviceLocal is for the device alone. Where the whole of the device's memory
	// can be mapped (integrated and software devices, large BARs), so is this.
	DeviceLocal MemoryKind = iota
	// HostToDevice is written by the host and read by the device: mapped, in device
	// memory where that can be, to be written in order and never read.
	HostToDevice
	// DeviceToHost is written by the device and read by the host: mapped and cached.
	DeviceToHost
	// hostStaging is HostToDevice in the machine's own memory.
	hostStaging
)

// candidates returns the memory types for a kind, best first. allowed has a
// bit per type.
func (k MemoryKind) candidates(c *Caps, allowed uint32) []int {
	var out []int
	add := func(fits func(MemoryType) bool) {
		for i, t := range c.Types {
			if allowed>>i&1 == 0 || t.Special || !fits(t) {
				continue
			}
			seen := false
			for _, j := range out {
				seen = seen || i == j
			}
			if !seen {
				out = append(out, i)
			}
		}
	}
	whole := func(t MemoryType) bool { return c.Heaps[t.Heap].Size >= c.DeviceBytes }
	visible := func(t MemoryType) bool { return t.HostVisible }
	switch k {
	case DeviceLocal:
		add(func(t MemoryType) bool { return t.DeviceLocal && t.HostVisible && t.HostCoherent && whole(t) })
		add(func(t MemoryType) bool { return t.DeviceLocal && !t.HostVisible })
		add(func(t MemoryType) bool { return t.DeviceLocal })
	case HostToDevice:
		add(func(t MemoryType) bool { return t.HostVisible && t.DeviceLocal && t.HostCoherent })
		add(func(t MemoryType) bool { return t.HostVisible && t.HostCoherent && !t.HostCached })
		add(func(t MemoryType) bool { return t.HostVisible && t.HostCoherent })
		add(visible)
	case hostStaging:
		add(func(t MemoryType) bool { return t.HostVisible && t.HostCoherent && !t.DeviceLocal })
		add(func(t MemoryType) bool { return t.HostVisible && t.HostCoherent })
		add(visible)
	case DeviceToHost:
		add(func(t MemoryType) bool { return t.HostVisible && t.HostCached && t.HostCoherent })
		add(func(t MemoryType) bool { return t.HostVisible && t.HostCached })
		add(func(t MemoryType) bool { return t.HostVisible && t.HostCoherent })
		add(visible)
	}
	return out
}

const (
	firstSlab = 1 << 20  // bytes; a slab for buffers that nobody expected is a 64th of what is in use
	largeSlab = 64 << 20 // beyond half of it a buffer gets its own allocation
)

// memory hands out parts of large allocations (slabs), as drivers allow few
// thousand allocations and each costs much.
type memory struct {
	d            *Device
	forceStaging bool

	mu    sync.Mutex
	slabs map[int][]*slab // by memory type
	use   MemoryUse

	expected []expectation
	groups   uint64 // of expectations so far
}

// slab is one VkDeviceMemory.
type slab struct {
	handle vgo.DeviceMemory
	typ    int
	mapped unsafe.Pointer // C memory, nil unless mapped
	spans  *spans
}

// MemoryUse counts bytes of device memory.
type MemoryUse struct {
	Allocated   uint64 // taken from the driver
	Used        uint64 // of it, by live buffers (rounded to their alignment)
	Peak        uint64 // largest Allocated so far
	Allocations int    // vkAllocateMemory calls not freed yet
	Buffers     int    // live
}

func (m *memory) init(d *Device, forceStaging bool) {
	m.d, m.forceStaging = d, forceStaging
	m.slabs = map[int][]*slab{}
}

// Memory returns what the device's buffers take.
func (d *Device) Memory() MemoryUse {
	d.memory.mu.Lock()
	defer d.memory.mu.Unlock()
	return d.memory.use
}

// Budget returns how many bytes of device memory this process may still take,
// as the driver estimates it; ok is false where the driver does not tell, and
// free is then what the heap has beyond our own allocations.
func (d *Device) Budget() (free uint64, ok bool) {
	c := &d.caps
	if !c.MemoryBudget {
		used := d.Memory().Allocated
		return c.DeviceBytes - min(used, c.DeviceBytes), false
	}
	budget, usage := d.in.core.Budget(core.HandleOf(d.phys.handle))
	for i, h := range c.Heaps {
		if !h.DeviceLocal || h.Size != c.DeviceBytes {
			continue
		}
		if usage[i] < budget[i] {
			return budget[i] - usage[i], true
		}
		return 0, true
	}
	return 0, false
}

// place finds room for a buffer of size bytes with these requirements.
func (m *memory) place(kind MemoryKind, size, room, align uint64, allowed uint32) (*slab, uint64, error) {
	list := kind.candidates(&m.d.caps, allowed)
	if len(list) == 0 {
		return nil, 0, fmt.Errorf("no memory type fits: %w", ErrUnsupported)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	together := m.arrived(kind, size, room, align, min(uint64(largeSlab), m.d.caps.MaxAllocationSize))
	var first error
	for _, typ := range list {
		s, offset, err := m.placeIn(typ, room, align, together)
		if err == nil {
			m.use.Used += room
			m.use.Buffers++
			return s, offset, nil
		}
		if first == nil {
			first = err
		}
		if !errors.Is(err, ErrOutOfMemory) {
			break
		}
	}
	return nil, 0, first
}

// placeIn finds room in memory of one type; together is what a new slab should hold, 0 where that is not known.
func (m *memory) placeIn(typ int, size, align, together uint64) (*slab, uint64, error) {
	c := &m.d.caps
	heap := c.Heaps[c.Types[typ].Heap]
	if size > heap.Size {
		return nil, 0, fmt.Errorf("the memory has %s in all: %w", Bytes(heap.Size), ErrOutOfMemory)
	}
	most := min(uint64(largeSlab), c.MaxAllocationSize, heap.Size/4)
	if size <= most/2 {
		total := uint64(0)
		for _, s := range m.slabs[typ] {
			total += s.spans.size
			if s.spans.size > most { // a buffer's own
				continue
			}
			if offset, ok := s.spans.take(size, align); ok {
				return s, offset, nil
			}
		}
		slabSize := min(most, max(firstSlab, total/64))
		if together > 0 {
			slabSize = min(most, together)
		}
		if s, err := m.allocate(typ, max(slabSize, size)); err == nil {
			offset, _ := s.spans.take(size, align)
			return s, offset, nil
		} else if !errors.Is(err, ErrOutOfMemory) {
			return nil, 0, err
		}
		// What is left may do for this buffer alone.
	}
	s, err := m.allocate(typ, size)
	if err != nil {
		return nil, 0, err
	}
	offset, _ := s.spans.take(size, align)
	return s, offset, nil
}

// allocate takes memory from the driver and maps it where the host can.
func (m *memory) allocate(typ int, size uint64) (*slab, error) {
	d := m.d
	if m.use.Allocations >= int(min(d.caps.MaxAllocations, 1<<30)) {
		return nil, fmt.Errorf("the driver allows %d allocations: %w", d.caps.MaxAllocations, ErrOutOfMemory)
	}
	info := vgo.MemoryAllocateInfo{
		SType:           vgo.StructureTypeMemoryAllocateInfo,
		AllocationSize:  vgo.DeviceSize(size),
		MemoryTypeIndex: uint32(typ),
	}
	var handle vgo.DeviceMemory
	r := vgo.AllocateMemory(d.handle, &info, nil, &handle)
	info.Free()
	if err := d.result(core.Result(r), "vkAllocateMemory", "allocating %s", Bytes(size)); err != nil {
		return nil, err
	}
	s := &slab{handle: handle, typ: typ, spans: newSpans(size)}
	if d.caps.Types[typ].HostVisible {
		var mapped unsafe.Pointer
		r := vgo.MapMemory(d.handle, handle, 0, vgo.DeviceSize(vgo.WholeSize), 0, &mapped)
		if err := d.result(core.Result(r), "vkMapMemory", "mapping %s", Bytes(size)); err != nil {
			vgo.FreeMemory(d.handle, handle, nil)
			return nil, err
		}
		s.mapped = mapped
	}
	m.slabs[typ] = append(m.slabs[typ], s)
	m.use.Allocated += size
	m.use.Allocations++
	m.use.Peak = max(m.use.Peak, m.use.Allocated)
	return s, nil
}

// release gives a buffer's room back, and a slab that became empty to the
// driver.
func (m *memory) release(s *slab, offset, size uint64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	s.spans.give(offset, size)
	m.use.Used -= size
	m.use.Buffers--
	if s.spans.used > 0 {
		return
	}
	list := m.slabs[s.typ]
	for i := range list {
		if list[i] == s {
			m.slabs[s.typ] = append(list[:i], list[i+1:]...)
			break
		}
	}
	m.use.Allocated -= s.spans.size
	m.use.Allocations--
	vgo.FreeMemory(m.d.handle, s.handle, nil) // unmaps
}

// Bytes is a size that prints itself in binary units.
type Bytes uint64

func (b Bytes) String() string {
	units := []string{"KiB", "MiB", "GiB", "TiB"}
	if b < 1<<10 {
		return fmt.Sprintf("%d B", uint64(b))
	}
	v, i := float64(b)/1024, 0
	for v >= 1024 && i < len(units)-1 {
		v, i = v/1024, i+1
	}
	return fmt.Sprintf("%.1f %s", v, units[i])
}
