package vk

import "testing"

// An allocation holds the buffers that are expected behind the first one, as long as there is room, and no others.
func TestExpected(t *testing.T) {
	d := &Device{}
	m := &d.memory
	done := d.Expect(DeviceLocal, []uint64{100, 300, 5000, 700, 900})
	d.Expect(DeviceLocal, []uint64{100}) // of somebody else
	d.Expect(HostToDevice, []uint64{300})
	for _, test := range []struct {
		kind       MemoryKind
		size, want uint64
	}{
		{DeviceLocal, 200, 0},                      // nobody said so
		{DeviceLocal, 100, 256 + 512 + 768 + 1024}, // 5000 has an allocation of its own
		{DeviceLocal, 900, 1024},                   // out of turn: none behind it
		{DeviceLocal, 300, 512 + 768},
		{HostToDevice, 300, 512},
		{HostToDevice, 300, 0},
	} {
		if got := m.arrived(test.kind, test.size, alignUp(test.size, 256), 256, 4096); got != test.want {
			t.Errorf("kind %d, %d bytes: an allocation of %d, want %d", test.kind, test.size, got, test.want)
		}
	}
	if done(); len(m.expected) != 1 || m.expected[0].size != 100 {
		t.Errorf("expected are %v, want the other group's", m.expected)
	}
	if got := m.arrived(DeviceLocal, 100, 256, 256, 300); got != 256 || len(m.expected) != 0 {
		t.Errorf("the last one: %d, %v", got, m.expected)
	}
}
