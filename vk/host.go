package vk

import (
	"errors"
	"fmt"
	"log/slog"
	"reflect"
	"slices"
	"strings"
	"sync"
	"unsafe"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// Host is the device of a program that shares it. Its handles stay the program's: they must live until the instance made by
// [Adopt] is closed, and nothing here destroys them.
//
// Vulkan cannot be asked what an open device has enabled. What is not declared here is not used.
type Host struct {
	// GetInstanceProcAddr is the program's vkGetInstanceProcAddr.
	GetInstanceProcAddr unsafe.Pointer
	// APIVersion is the apiVersion of the program's VkApplicationInfo, at least 1.1.
	APIVersion Version
	// VkInstance, VkPhysicalDevice, VkDevice and VkQueue.
	Instance, PhysicalDevice, Device, Queue unsafe.Pointer
	// QueueFamily is the family of Queue. It must compute.
	QueueFamily uint32
	// Lock is held round each vkQueueSubmit, and round nothing else; nil where nobody else submits to Queue.
	Lock sync.Locker
	// Extensions are the names of the device extensions that are enabled.
	Extensions []string
	// Features are the features that are enabled.
	Features Features
}

// Features are the device features that kernels can use, named as in the Vulkan structures that hold them.
type Features struct {
	ShaderInt16, ShaderInt64              bool // VkPhysicalDeviceFeatures
	StorageBuffer16BitAccess              bool // VkPhysicalDevice16BitStorageFeatures
	StorageBuffer8BitAccess               bool // VkPhysicalDevice8BitStorageFeatures
	ShaderFloat16, ShaderInt8             bool // VkPhysicalDeviceShaderFloat16Int8Features
	VulkanMemoryModel                     bool // VkPhysicalDeviceVulkanMemoryModelFeatures
	SubgroupSizeControl                   bool // VkPhysicalDeviceSubgroupSizeControlFeatures
	ComputeFullSubgroups                  bool // VkPhysicalDeviceSubgroupSizeControlFeatures
	ShaderIntegerDotProduct               bool // VkPhysicalDeviceShaderIntegerDotProductFeatures
	Maintenance4                          bool // VkPhysicalDeviceMaintenance4Features
	CooperativeMatrix                     bool // VkPhysicalDeviceCooperativeMatrixFeaturesKHR
	ShaderBFloat16Type                    bool // VkPhysicalDeviceShaderBfloat16FeaturesKHR
	ShaderBFloat16CooperativeMatrix       bool // VkPhysicalDeviceShaderBfloat16FeaturesKHR
	CooperativeMatrixWorkgroupScope       bool // VkPhysicalDeviceCooperativeMatrix2FeaturesNV, and those below
	CooperativeMatrixFlexibleDimensions   bool
	CooperativeMatrixReductions           bool
	CooperativeMatrixConversions          bool
	CooperativeMatrixPerElementOperations bool
	CooperativeMatrixTensorAddressing     bool
	CooperativeMatrixBlockLoads           bool
	PipelineExecutableInfo                bool // VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR; for statistics alone
}

// field is the field of the feature that Vulkan calls name.
func (f *Features) field(name string) *bool {
	return reflect.ValueOf(f).Elem().FieldByName(strings.ToUpper(name[:1]) + name[1:]).Addr().Interface().(*bool)
}

// Names lists the features that are set, as Vulkan spells them.
func (f Features) Names() []string {
	var names []string
	for _, known := range new(core.Features).Rows() {
		if *f.field(known.Name) {
			names = append(names, known.Name)
		}
	}
	return names
}

// Needs say how a program must open a device so that it can be shared.
type Needs struct {
	APIVersion    Version  // of VkApplicationInfo, at least
	QueueFamilies []uint32 // that can compute, best first
	Extensions    []string
	Features      Features
}

// Requirements tells how to open a device that is to be shared: what it must have, and all that makes it faster (which includes
// what it must have). Only GetInstanceProcAddr, APIVersion, Instance and PhysicalDevice of h are looked at.
func Requirements(h Host) (required, useful Needs, err error) {
	in, err := adoptInstance(h, nil)
	if err != nil {
		return required, useful, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	p, err := in.read(core.HandleOf(h.PhysicalDevice), h.APIVersion)
	if err != nil {
		return required, useful, fmt.Errorf("vk: %w", err)
	}
	required = Needs{APIVersion: v11, QueueFamilies: computeFamilies(in.core.QueueFamilies(core.HandleOf(h.PhysicalDevice)))}
	if slices.Contains(p.listed, extPortability) {
		required.Extensions = []string{extPortability}
	}
	useful = Needs{APIVersion: min(Version(h.APIVersion), v13), QueueFamilies: required.QueueFamilies, Extensions: p.enabled()}
	for _, has := range p.features.Rows() {
		*useful.Features.field(has.Name) = *has.On
	}
	return required, useful, nil
}

// adopted is what an Instance keeps of a Host.
type adopted struct {
	Host
	physical *PhysicalDevice
}

// Adopt takes a program's device. Devices made from the instance share the program's VkDevice and its queue; closing them and the
// instance gives back all that was made and leaves the program's handles as they were. A host that declares less than group 0
// needs, or what cannot be, gets an error that names it: [ErrUnsupported].
func Adopt(h Host, log *slog.Logger) (*Instance, *PhysicalDevice, error) {
	for _, handle := range []struct {
		name  string
		value unsafe.Pointer
	}{{"Device", h.Device}, {"Queue", h.Queue}} {
		if handle.value == nil {
			return nil, nil, fmt.Errorf("vk: the host's %s is null: %w", handle.name, ErrUnsupported)
		}
	}
	in, err := adoptInstance(h, log)
	if err != nil {
		return nil, nil, err
	}
	in.host = &adopted{Host: h}
	in.host.Extensions = slices.Clone(h.Extensions)
	p, err := in.read(core.HandleOf(h.PhysicalDevice), h.APIVersion)
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("vk: the host's device: %w", err), in.Close())
	}
	in.host.physical, in.devices = p, []*PhysicalDevice{p}
	return in, p, nil
}

// adoptInstance makes an Instance over a VkInstance that is somebody else's.
func adoptInstance(h Host, log *slog.Logger) (*Instance, error) {
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if h.GetInstanceProcAddr == nil || h.Instance == nil || h.PhysicalDevice == nil {
		return nil, fmt.Errorf("vk: the host's GetInstanceProcAddr, Instance or PhysicalDevice is null: %w", ErrUnsupported)
	}
	if h.APIVersion < v11 {
		return nil, fmt.Errorf("vk: the host's instance is of Vulkan %s; 1.1 is needed (apiVersion of VkApplicationInfo): %w", h.APIVersion, ErrUnsupported)
	}
	loader, err := core.LoaderOf(h.GetInstanceProcAddr)
	if err != nil {
		return nil, fmt.Errorf("vk: the host's GetInstanceProcAddr: %w: %w", err, ErrNoLoader)
	}
	bindingMu.Lock()
	err = bindLoader(loader, core.ToBinding[vgo.Instance](core.HandleOf(h.Instance)))
	bindingMu.Unlock()
	if err != nil {
		return nil, err
	}
	in := &Instance{log: log, borrowed: true}
	if in.core, err = loader.NewInstance(core.HandleOf(h.Instance)); err != nil {
		return nil, fmt.Errorf("vk: %w: %w", err, ErrNoLoader)
	}
	return in, nil
}

// declared narrows what p can do to what its host has enabled.
func (h *adopted) declared(p *PhysicalDevice) error {
	for _, name := range h.Extensions {
		if !slices.Contains(p.listed, name) {
			return fmt.Errorf("%s has no extension %s, which is declared as enabled: %w", p.Caps.Name, name, ErrUnsupported)
		}
	}
	if slices.Contains(p.listed, extPortability) && !slices.Contains(h.Extensions, extPortability) {
		return fmt.Errorf("%s needs the extension %s, which is not declared as enabled: %w", p.Caps.Name, extPortability, ErrUnsupported)
	}
	p.listed = slices.Clone(h.Extensions)
	known := chain(p.version, p.listed)
	var enabled core.Features
	on := enabled.Rows()
	for i, has := range p.features.Rows() {
		if !*h.Features.field(has.Name) {
			continue
		}
		if !*has.On {
			return fmt.Errorf("%s has no feature %s, which is declared as enabled: %w", p.Caps.Name, has.Name, ErrUnsupported)
		}
		*on[i].On = true
	}
	p.features = enabled
	for _, e := range extensions {
		if e.features == "" || known&e.has != 0 {
			continue
		}
		for _, name := range h.Features.Names() {
			if slices.Contains(strings.Fields(e.features), name) {
				return fmt.Errorf("the feature %s is declared as enabled and neither the extension %s nor a Vulkan version that has it is: %w", name, e.name, ErrUnsupported)
			}
		}
	}
	return nil
}

// family checks the host's queue family.
func (h *adopted) family(families []core.QueueFamily, c *Caps) (uint32, error) {
	if int(h.QueueFamily) >= len(families) {
		return 0, fmt.Errorf("there are %d queue families, and the host's queue is declared to be of number %d: %w", len(families), h.QueueFamily, ErrUnsupported)
	}
	f := families[h.QueueFamily]
	if f.Flags&uint32(vgo.QueueComputeBit) == 0 {
		return 0, fmt.Errorf("the host's queue is of family %d, which cannot compute: %w", h.QueueFamily, ErrUnsupported)
	}
	c.TimestampBits = f.TimestampBits
	return h.QueueFamily, nil
}

// take makes d of the host's device.
func (h *adopted) take(d *Device) error {
	handle := core.HandleOf(h.Device)
	calls, err := d.in.core.NewDevice(handle, d.statistics)
	if err != nil {
		return fmt.Errorf("vk: taking %s: %w", d.caps.Name, err)
	}
	d.handle, d.core, d.queue = core.ToBinding[vgo.Device](handle), calls, core.HandleOf(h.Queue)
	if h.Lock != nil {
		d.queueLock = h.Lock
	}
	return nil
}
