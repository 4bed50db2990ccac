package vk

import "sort"

// spans divides the bytes [0, size) of one memory allocation among buffers. It
// knows no device: a first-fit-by-size list of holes, merged when freed.
type spans struct {
	size  uint64
	holes []span // by offset, never touching each other, none empty
	used  uint64
}

type span struct{ offset, size uint64 }

func newSpans(size uint64) *spans {
	return &spans{size: size, holes: []span{{0, size}}}
}

// take returns the offset of size bytes at a multiple of align (a power of
// two), from the smallest hole that fits; ok is false if none does.
func (s *spans) take(size, align uint64) (offset uint64, ok bool) {
	best := -1
	for i, h := range s.holes {
		pad := alignUp(h.offset, align) - h.offset
		if pad > h.size || h.size-pad < size {
			continue
		}
		if best < 0 || h.size < s.holes[best].size {
			best = i
		}
	}
	if best < 0 || size == 0 {
		return 0, false
	}
	h := s.holes[best]
	offset = alignUp(h.offset, align)
	var rest []span
	if before := offset - h.offset; before > 0 {
		rest = append(rest, span{h.offset, before})
	}
	if after := h.offset + h.size - offset - size; after > 0 {
		rest = append(rest, span{offset + size, after})
	}
	s.holes = append(s.holes[:best], append(rest, s.holes[best+1:]...)...)
	s.used += size
	return offset, true
}

// give returns what take handed out, with the same size.
func (s *spans) give(offset, size uint64) {
	i := sort.Search(len(s.holes), func(i int) bool { return s.holes[i].offset > offset })
	s.holes = append(s.holes, span{})
	copy(s.holes[i+1:], s.holes[i:])
	s.holes[i] = span{offset, size}
	s.used -= size
	if i+1 < len(s.holes) && offset+size == s.holes[i+1].offset {
		s.holes[i].size += s.holes[i+1].size
		s.holes = append(s.holes[:i+1], s.holes[i+2:]...)
	}
	if i > 0 && s.holes[i-1].offset+s.holes[i-1].size == offset {
		s.holes[i-1].size += s.holes[i].size
		s.holes = append(s.holes[:i], s.holes[i+1:]...)
	}
}
