package qwenvk

import "github.com/qwenvk/qwenvk/vk"

// WithFaults injects failures into a device, for tests from outside the package.
func WithFaults(o Options, f *vk.Faults) Options {
	o.faults = f
	return o
}
