package core

// #include <stdlib.h>
// #include "core.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// Messages collects validation messages in C memory, where any thread of a
// driver may add one.
type Messages struct{ m *C.VcMessages }

// NewMessages returns an empty collection.
func NewMessages() (*Messages, error) {
	m := C.vc_messages_new()
	if m == nil {
		return nil, errors.New("out of memory")
	}
	return &Messages{m}, nil
}

// Free releases the collection; no instance may use it any more.
func (m *Messages) Free() { C.vc_messages_free(m.m) }

// Chain returns what VkInstanceCreateInfo.pNext needs for messages to arrive
// from vkCreateInstance on, with synchronization validation. settings says that
// the layer has VK_EXT_layer_settings.
func (m *Messages) Chain(settings bool) unsafe.Pointer {
	return C.vc_messages_chain(m.m, bool32(settings))
}

// List returns the messages so far, oldest first; a last line counts those
// beyond the collection's bound.
func (m *Messages) List() []string {
	n := uint32(C.vc_messages_count(m.m))
	var out []string
	for i := range min(n, C.VC_MESSAGES) {
		if s := C.vc_messages_text(m.m, C.uint32_t(i)); s != nil {
			out = append(out, C.GoString(s))
		}
	}
	if n > C.VC_MESSAGES {
		out = append(out, fmt.Sprintf("and %d more", n-C.VC_MESSAGES))
	}
	return out
}

// Instance holds the entry points of one VkInstance.
type Instance struct{ calls *C.VcInstanceCalls }

// CreateInstance makes a VkInstance; next is a chain in C memory or nil.
func (l *Loader) CreateInstance(apiVersion, flags uint32, layers, extensions []string, next unsafe.Pointer) (Handle, Result) {
	var arena Arena
	defer arena.Free()
	var out Handle
	r := C.vc_create_instance(l.calls, C.uint32_t(apiVersion), C.uint32_t(flags),
		(*C.char)(arena.strings(layers)), C.uint32_t(len(layers)),
		(*C.char)(arena.strings(extensions)), C.uint32_t(len(extensions)),
		next, (*C.VcInstance)(unsafe.Pointer(&out)))
	return out, Result(r)
}

// NewInstance fetches the entry points of an instance made by the binding.
func (l *Loader) NewInstance(instance Handle) (*Instance, error) {
	calls := C.vc_instance_new(l.calls, C.VcInstance(pointer(instance)))
	if calls == nil {
		return nil, errors.New("the Vulkan loader lacks the entry points of Vulkan 1.1")
	}
	return &Instance{calls}, nil
}

// Free releases the table, not the VkInstance.
func (in *Instance) Free() { C.vc_instance_free(in.calls) }

// Trim has the C library give back to the system what drivers freed: their threads leave it scattered over arenas of their
// own, from where it does not go back by itself (a third of a process's memory after a hundred devices).
func Trim() { C.vc_trim() }

// Listen creates the messenger that feeds m until Unlisten.
func (in *Instance) Listen(m *Messages) Result {
	return Result(C.vc_messenger_create(in.calls, m.m))
}

// Unlisten destroys the messenger.
func (in *Instance) Unlisten() { C.vc_messenger_destroy(in.calls) }

// PhysicalDevices returns the devices in the loader's order.
func (in *Instance) PhysicalDevices() ([]Handle, Result) {
	list, r := enumerate(func(n *C.uint32_t, out *Handle) C.VcResult {
		return C.vc_physical_devices(in.calls, n, (*C.VcPhysicalDevice)(unsafe.Pointer(out)))
	})
	return list, r
}

// DeviceExtensions returns the names of a device's extensions.
func (in *Instance) DeviceExtensions(p Handle) ([]string, error) {
	return extensionNames("vkEnumerateDeviceExtensionProperties", func(n *C.uint32_t, out *C.VcExtensionProperties) C.VcResult {
		return C.vc_device_extensions(in.calls, physical(p), n, out)
	})
}

// QueueFamily is VkQueueFamilyProperties.
type QueueFamily struct {
	Flags, Count, TimestampBits uint32
}

// QueueFamilies returns a device's queue families.
func (in *Instance) QueueFamilies(p Handle) []QueueFamily {
	list, _ := enumerate(func(n *C.uint32_t, out *C.VcQueueFamilyProperties) C.VcResult {
		C.vc_queue_families(in.calls, physical(p), n, out)
		return C.VC_SUCCESS
	})
	out := make([]QueueFamily, len(list))
	for i, f := range list {
		out[i] = QueueFamily{uint32(f.queueFlags), uint32(f.queueCount), uint32(f.timestampValidBits)}
	}
	return out
}

// MatrixShape is VkCooperativeMatrixPropertiesKHR, types and scope as numbers.
type MatrixShape struct {
	M, N, K    uint32
	A, B, C, R uint32
	Saturating bool
	Scope      uint32
}

// MatrixShapes returns the cooperative matrix shapes of a device that lists
// VK_KHR_cooperative_matrix; the entry point may be there for others too and
// must not be called for them.
func (in *Instance) MatrixShapes(p Handle) ([]MatrixShape, Result) {
	list, r := enumerate(func(n *C.uint32_t, out *C.VcCoopMatProperties) C.VcResult {
		return C.vc_coopmat_shapes(in.calls, physical(p), n, out)
	})
	out := make([]MatrixShape, len(list))
	for i, s := range list {
		out[i] = MatrixShape{
			M: uint32(s.MSize), N: uint32(s.NSize), K: uint32(s.KSize),
			A: uint32(s.AType), B: uint32(s.BType), C: uint32(s.CType), R: uint32(s.ResultType),
			Saturating: s.saturatingAccumulation != 0, Scope: uint32(s.scope),
		}
	}
	return out, r
}

// Budget returns bytes that this process may use and does use, per heap. The
// device must list VK_EXT_memory_budget.
func (in *Instance) Budget(p Handle) (budget, usage [16]uint64) {
	var b C.VcMemoryBudget
	C.vc_memory_budget(in.calls, physical(p), &b)
	for i := range budget {
		budget[i], usage[i] = uint64(b.heapBudget[i]), uint64(b.heapUsage[i])
	}
	return budget, usage
}

func bool32(b bool) C.VcBool32 {
	if b {
		return 1
	}
	return 0
}

// pointer turns a dispatchable handle, which is a pointer to C memory, back
// into one.
func pointer(h Handle) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&h)) }

func physical(h Handle) C.VcPhysicalDevice { return C.VcPhysicalDevice(pointer(h)) }
