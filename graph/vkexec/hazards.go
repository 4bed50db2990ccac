package vkexec

import "github.com/qwenvk/qwenvk/vk"

// tracker derives barriers from the byte ranges that commands read and write.
//
// It keeps every access since the last barrier. A command that reads what one of them wrote, or writes what one of
// them read or wrote, gets one barrier in front that makes all writes since then available: a pipeline barrier
// orders everything before it against everything after it, so the list starts empty again.
type tracker struct {
	reads, writes []access
}

type access struct {
	vk.Range
	kind vk.Access
	// later is how a command reads the range some time after a write, beside as a shader does: the barrier that makes
	// the write available may be that of a command between the two, which knows nothing of it.
	later vk.Access
}

// before returns the barrier that must precede a command with the given accesses (nil: none) and notes them.
func (t *tracker) before(accesses []access) []vk.Barrier {
	var barriers []vk.Barrier
	if t.conflicts(accesses) {
		barriers = t.flush(accesses)
	}
	for _, a := range accesses {
		if a.kind&writeAccess != 0 {
			t.writes = append(t.writes, a)
		} else {
			t.reads = append(t.reads, a)
		}
	}
	return barriers
}

const writeAccess = vk.ShaderWrite | vk.TransferWrite | vk.HostWrite

func (t *tracker) conflicts(accesses []access) bool {
	for _, a := range accesses {
		for _, w := range t.writes {
			if overlap(a.Range, w.Range) { // read after write, write after write
				return true
			}
		}
		if a.kind&writeAccess == 0 {
			continue
		}
		for _, r := range t.reads {
			if overlap(a.Range, r.Range) { // write after read
				return true
			}
		}
	}
	return false
}

// flush makes one barrier of all pending accesses towards the given kinds of access.
func (t *tracker) flush(next []access) []vk.Barrier {
	var dst vk.Access
	for _, a := range next {
		dst |= a.kind
	}
	// Later commands rely on this barrier too, and they are dispatches.
	dst |= vk.ShaderRead | vk.ShaderWrite
	var barriers []vk.Barrier
	for _, w := range t.writes {
		barriers = append(barriers, vk.Barrier{Src: w.kind, Dst: dst | w.later, Range: w.Range})
	}
	if len(barriers) == 0 { // write after read alone: an execution dependency, carried by one of the read ranges
		for _, r := range t.reads {
			barriers = append(barriers, vk.Barrier{Src: r.kind, Dst: dst, Range: r.Range})
			break
		}
	}
	t.reads, t.writes = t.reads[:0], t.writes[:0]
	return barriers
}

func overlap(a, b vk.Range) bool {
	return a.Buffer == b.Buffer && a.Offset < b.Offset+b.Size && b.Offset < a.Offset+a.Size
}
