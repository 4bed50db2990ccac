//go:build !linux && !darwin && !windows

package core

// libraries are tried in this order.
var libraries = []string{"libvulkan.so.1", "libvulkan.so"}
