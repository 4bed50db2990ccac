package vkexec

import (
	"testing"

	"github.com/qwenvk/qwenvk/vk"
)

func TestTracker(t *testing.T) {
	a, b := &vk.Buffer{}, &vk.Buffer{}
	in := func(buf *vk.Buffer, off, size uint64, kind vk.Access) access {
		return access{Range: vk.Range{Buffer: buf, Offset: off, Size: size}, kind: kind}
	}
	const r, w = vk.ShaderRead, vk.ShaderWrite
	type step struct {
		accesses []access
		barriers int // buffer barriers in front
	}
	cases := []struct {
		name  string
		steps []step
	}{
		{"read after read", []step{{[]access{in(a, 0, 64, r)}, 0}, {[]access{in(a, 0, 64, r)}, 0}}},
		{"read after write", []step{{[]access{in(a, 0, 64, w)}, 0}, {[]access{in(a, 32, 64, r)}, 1}}},
		{"write after write", []step{{[]access{in(a, 0, 64, w)}, 0}, {[]access{in(a, 63, 1, w)}, 1}}},
		{"write after read", []step{{[]access{in(a, 0, 64, r)}, 0}, {[]access{in(a, 0, 64, w)}, 1}}},
		{"neighbours", []step{{[]access{in(a, 0, 64, w)}, 0}, {[]access{in(a, 64, 64, w)}, 0}}},
		{"other buffer", []step{{[]access{in(a, 0, 64, w)}, 0}, {[]access{in(b, 0, 64, r)}, 0}}},
		{"one barrier covers all before it", []step{
			{[]access{in(a, 0, 64, w)}, 0},
			{[]access{in(b, 0, 64, w)}, 0},
			{[]access{in(a, 0, 64, r)}, 2},
			{[]access{in(b, 0, 64, r)}, 0},
		}},
		{"a later write is seen again", []step{
			{[]access{in(a, 0, 64, w)}, 0},
			{[]access{in(a, 0, 64, r), in(b, 0, 64, w)}, 1},
			{[]access{in(b, 0, 4, r)}, 1},
		}},
		{"own accesses do not conflict", []step{{[]access{in(a, 0, 64, r), in(a, 0, 64, w)}, 0}}},
		{"transfer", []step{{[]access{in(a, 0, 64, vk.TransferWrite)}, 0}, {[]access{in(a, 0, 64, r)}, 1}}},
		{"host", []step{{[]access{in(a, 0, 64, w)}, 0}, {[]access{in(a, 0, 64, vk.HostRead)}, 1}}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			var tr tracker
			for i, s := range c.steps {
				if got := tr.before(s.accesses); len(got) != s.barriers {
					t.Errorf("step %d: %d buffer barriers, want %d", i, len(got), s.barriers)
				}
			}
		})
	}
}
