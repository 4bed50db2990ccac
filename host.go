package qwenvk

import (
	"fmt"
	"log/slog"
	"sync"
	"unsafe"

	"github.com/qwenvk/qwenvk/vk"
)

// HostDevice is the Vulkan device of a program that renders, for [OpenWithDevice]: model and window then share one VkDevice, its
// memory and its queue. The handles are those of any binding, as raw pointers: unsafe.Pointer(device) does for the types of
// github.com/vulkan-go/vulkan as for those of C.
//
// They stay the program's. They must live until the [Runtime] is closed, which destroys none of them.
//
// Vulkan cannot be asked what an open device has enabled: what is not declared in EnabledExtensions and EnabledFeatures is not
// used. [Requirements] says what to enable.
type HostDevice struct {
	GetInstanceProcAddr unsafe.Pointer // vkGetInstanceProcAddr, the loader's or a window library's
	APIVersion          uint32         // of the VkApplicationInfo, as Vulkan packs it; at least 1.1

	Instance       unsafe.Pointer // VkInstance
	PhysicalDevice unsafe.Pointer // VkPhysicalDevice
	Device         unsafe.Pointer // VkDevice
	QueueFamily    uint32         // of Queue; it must compute
	Queue          unsafe.Pointer // VkQueue

	// Lock is held round each vkQueueSubmit and round nothing else. The program holds it when it submits to Queue, presents with
	// it or waits for it to be idle. Nil where the program leaves Queue alone.
	Lock sync.Locker

	EnabledExtensions []string       // of the device
	EnabledFeatures   DeviceFeatures // all that is enabled; more than qwenvk knows does no harm
}

// DeviceFeatures are the Vulkan features that kernels can use, named as in the structures that hold them.
type DeviceFeatures = vk.Features

// DeviceNeeds say how to open a device that is to be shared.
type DeviceNeeds struct {
	APIVersion    uint32   // of the VkApplicationInfo, as Vulkan packs it
	QueueFamilies []uint32 // that compute, best first: those that do not draw leave the desktop fluent
	Extensions    []string // of the device
	Features      DeviceFeatures
}

// Requirements tells what a device must have enabled to be shared, and what makes it faster (the required included), before it
// is created: only GetInstanceProcAddr, APIVersion, Instance and PhysicalDevice of h are looked at. Error: [ErrUnsupported].
func Requirements(h HostDevice) (required, useful DeviceNeeds, err error) {
	r, u, err := vk.Requirements(h.forVK())
	if err != nil {
		return required, useful, err
	}
	return deviceNeeds(r), deviceNeeds(u), nil
}

func deviceNeeds(n vk.Needs) DeviceNeeds {
	return DeviceNeeds{APIVersion: uint32(n.APIVersion), QueueFamilies: n.QueueFamilies, Extensions: n.Extensions, Features: n.Features}
}

// OpenWithDevice is [Open] on the device of a program that renders. Options.Device chooses nothing here, and Options.Validate is
// refused: validation is the program's, whose instance it is. A device that declares less than is needed gets an error that names
// it: [ErrUnsupported].
func OpenWithDevice(h HostDevice, o Options) (*Runtime, error) {
	if o.Validate {
		return nil, fmt.Errorf("validation belongs to the program whose device is shared: turn it on in its instance: %w", ErrUnsupported)
	}
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	in, p, err := vk.Adopt(h.forVK(), log)
	if err != nil {
		return nil, err
	}
	r := newRuntime(in, o, log)
	r.host = true
	return r.opened(p)
}

func (h HostDevice) forVK() vk.Host {
	return vk.Host{
		GetInstanceProcAddr: h.GetInstanceProcAddr, APIVersion: vk.Version(h.APIVersion),
		Instance: h.Instance, PhysicalDevice: h.PhysicalDevice, Device: h.Device, Queue: h.Queue, QueueFamily: h.QueueFamily,
		Lock: h.Lock, Extensions: h.EnabledExtensions, Features: h.EnabledFeatures,
	}
}
