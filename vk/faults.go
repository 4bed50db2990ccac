package vk

import "sync/atomic"

// Faults are failures to inject, for tests of what stands above this package.
// Those with a number are counted per device and happen exactly once, at the n-th
// call from 1; zero never. The zero value, and nil, inject nothing.
type Faults struct {
	SubmitAt  int   // this Submit or Run fails
	SubmitErr error // with this; nil means ErrDeviceLost

	AllocAt  int   // this NewBuffer fails
	AllocErr error // with this; nil means ErrOutOfMemory

	PipelineAt  int   // this NewPipeline fails
	PipelineErr error // with this; nil means ErrOutOfMemory

	WaitAt  int   // this Wait fails once the work is done
	WaitErr error // with this; nil means ErrDeviceLost

	// Code replaces the SPIR-V of pipelines by name, as a driver that compiles it wrongly would; nil for those it leaves.
	Code func(name string, code []byte) []byte

	CacheWrite error // every write of the pipeline cache fails half-way, as on a full disk
}

// faultCounters says where one device stands in its Faults.
type faultCounters struct {
	submits, allocs, pipelines, waits atomic.Int64
}

// due reports whether this call is the n-th, and with what error it fails.
func due(counter *atomic.Int64, at int, err, otherwise error) error {
	if at <= 0 || counter.Add(1) != int64(at) {
		return nil
	}
	if err == nil {
		return otherwise
	}
	return err
}
