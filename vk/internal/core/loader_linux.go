package core

// #cgo LDFLAGS: -ldl
import "C"

// libraries are tried in this order. The first belongs to the Vulkan loader
// itself, the second to its development package only.
var libraries = []string{"libvulkan.so.1", "libvulkan.so"}
