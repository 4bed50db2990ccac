package vk

import "slices"

// expectation is a buffer that will be made soon.
type expectation struct {
	group uint64 // of one call of Expect
	kind  MemoryKind
	size  uint64
}

// Expect tells that buffers of these sizes will be made, in this order, so that the allocations which they share are made
// exactly as large as they need. Without it allocations grow by what is in use, which wastes some of the last one. done forgets what
// was not made.
func (d *Device) Expect(kind MemoryKind, sizes []uint64) (done func()) {
	m := &d.memory
	m.mu.Lock()
	defer m.mu.Unlock()
	m.groups++
	group := m.groups
	for _, size := range sizes {
		m.expected = append(m.expected, expectation{group, kind, size})
	}
	return func() {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.expected = slices.DeleteFunc(m.expected, func(e expectation) bool { return e.group == group })
	}
}

// arrived takes a buffer off the list and returns what a new allocation for it should hold, at most most bytes: the buffer
// itself, which needs room bytes, and those that are expected behind it and share allocations. 0: it was not expected.
func (m *memory) arrived(kind MemoryKind, size, room, align, most uint64) uint64 {
	at := slices.IndexFunc(m.expected, func(e expectation) bool { return e.kind == kind && e.size == size })
	if at < 0 {
		return 0
	}
	group := m.expected[at].group
	m.expected = slices.Delete(m.expected, at, at+1)
	total := room
	for _, e := range m.expected[at:] {
		next := alignUp(e.size, align)
		if e.kind != kind || e.group != group || next > most/2 { // a large one gets its own
			continue
		}
		if alignUp(total, align)+next > most {
			break
		}
		total = alignUp(total, align) + next
	}
	return total
}
