package core

// #include <stdlib.h>
import "C"

import "unsafe"

// Arena owns small pieces of C memory for one call: what a structure of the
// binding points to must not be Go memory, since the binding stores the
// pointer in C. The zero value is ready; Free releases everything.
type Arena struct{ blocks []unsafe.Pointer }

// Free releases all pieces.
func (a *Arena) Free() {
	for _, p := range a.blocks {
		C.free(p)
	}
	a.blocks = nil
}

func (a *Arena) alloc(size int) unsafe.Pointer {
	// Go's C.malloc does not return on failure.
	p := C.malloc(C.size_t(max(size, 1)))
	a.blocks = append(a.blocks, p)
	return p
}

// strings returns the strings one behind the other, each with a terminating
// zero.
func (a *Arena) strings(list []string) unsafe.Pointer {
	var all []byte
	for _, s := range list {
		all = append(append(all, s...), 0)
	}
	p := a.alloc(len(all))
	copy(unsafe.Slice((*byte)(p), len(all)), all)
	return p
}

// Slice returns a copy of s in C memory. T must hold no pointer.
func Slice[T any](a *Arena, s []T) []T {
	if len(s) == 0 {
		return nil
	}
	out := unsafe.Slice((*T)(a.alloc(len(s)*int(unsafe.Sizeof(s[0])))), len(s))
	copy(out, s)
	return out
}
