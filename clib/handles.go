package main

import (
	"fmt"
	"sync"
)

// kind says what a handle names.
type kind uint8

const (
	kindRuntime kind = iota + 1
	kindModel
	kindChat
	kindJob
)

func (k kind) String() string {
	return [...]string{"", "a runtime", "a model", "a chat", "a job"}[k]
}

// handles is the table of what C programs hold. A handle has, from the top: 8 bits of kind, 24 of generation, 32 of place; a
// place is given out again with the next generation, and never after its last.
type handles struct {
	mu    sync.Mutex
	slots []slot
	free  []uint32
}

type slot struct {
	kind       kind
	generation uint32
	value      any // nil: closed
}

const lastGeneration = 1<<24 - 1

var table handles

// add gives out a handle for v.
func (h *handles) add(k kind, v any) uint64 {
	h.mu.Lock()
	defer h.mu.Unlock()
	var at uint32
	if n := len(h.free); n > 0 {
		at, h.free = h.free[n-1], h.free[:n-1]
	} else {
		at = uint32(len(h.slots))
		h.slots = append(h.slots, slot{})
	}
	s := &h.slots[at]
	s.kind, s.value = k, v
	return uint64(k)<<56 | uint64(s.generation)<<32 | uint64(at)
}

// find returns the slot of a handle. The lock is held.
func (h *handles) find(handle uint64, k kind) (*slot, error) {
	if handle == 0 {
		return nil, fmt.Errorf("%w: 0 names nothing; %s is wanted", errHandle, k)
	}
	at := uint64(uint32(handle))
	if at >= uint64(len(h.slots)) || kind(handle>>56) < kindRuntime || kind(handle>>56) > kindJob {
		return nil, fmt.Errorf("%w: %#x is no handle", errHandle, handle)
	}
	if got := kind(handle >> 56); got != k {
		return nil, fmt.Errorf("%w: %#x is %s; %s is wanted", errHandle, handle, got, k)
	}
	s := &h.slots[at]
	if s.value == nil || s.kind != k || s.generation != uint32(handle>>32)&lastGeneration {
		return nil, fmt.Errorf("%w: %s with this handle is closed already", errHandle, k)
	}
	return s, nil
}

// take removes a handle and returns what it named.
func (h *handles) take(handle uint64, k kind) (any, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, err := h.find(handle, k)
	if err != nil {
		return nil, err
	}
	v := s.value
	s.value = nil
	if s.generation < lastGeneration {
		s.generation++
		h.free = append(h.free, uint32(handle))
	}
	return v, nil
}

// jobs are those under way.
func (h *handles) jobs() (jobs []*job) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range h.slots {
		if j, ok := h.slots[i].value.(*job); ok {
			jobs = append(jobs, j)
		}
	}
	return jobs
}

// named returns what a handle names.
func named[T any](handle uint64, k kind) (v T, err error) {
	table.mu.Lock()
	defer table.mu.Unlock()
	s, err := table.find(handle, k)
	if err != nil {
		return v, err
	}
	return s.value.(T), nil
}
