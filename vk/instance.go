package vk

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"unsafe"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// Options say how to open Vulkan. The zero value opens the system's loader
// without validation.
type Options struct {
	// Validation turns the validation layer on, synchronization checks included;
	// what it says is in Messages.
	Validation bool
	// Log receives what is worth a line; nil discards it.
	Log *slog.Logger
	// Faults are injected into every device that has none of its own.
	Faults *Faults
	// Loader is the path of the Vulkan loader library; "" is the system's.
	Loader string
}

// Instance is an open Vulkan loader with its drivers.
type Instance struct {
	log      *slog.Logger
	faults   *Faults
	handle   vgo.Instance
	core     *core.Instance
	messages *core.Messages // nil without validation
	devices  []*PhysicalDevice
	borrowed bool     // the VkInstance is a host program's
	host     *adopted // its device; nil: devices are made here

	mu     sync.Mutex
	open   int // devices alive
	closed bool
	final  []string // messages, once closed
}

// The binding keeps its entry points in C globals, one set for the process.
// They are those of the loader, the same for every instance, so they are set
// once and guarded here.
var (
	bindingMu     sync.Mutex
	bindingLoader unsafe.Pointer
)

const validationLayer = "VK_LAYER_KHRONOS_validation"

// Open opens the Vulkan loader and lists the devices. Without a loader the
// error is ErrNoLoader, without any driver ErrNoDevice.
func Open(o Options) (*Instance, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	loader, err := core.OpenLoader(o.Loader)
	if err != nil {
		return nil, fmt.Errorf("vk: %w (%w); install the package libvulkan1 and your card's driver", ErrNoLoader, err)
	}
	if v := Version(loader.Version()); v < v11 {
		return nil, fmt.Errorf("vk: the Vulkan loader is of version %s; 1.1 is needed: %w", v, ErrNoLoader)
	}
	in := &Instance{log: log, faults: o.Faults}
	if err := in.create(loader, o.Validation); err != nil {
		return nil, err
	}
	if err := in.list(); err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return in, nil
}

// create makes the VkInstance.
func (in *Instance) create(loader *core.Loader, validation bool) error {
	listed, err := loader.Extensions("")
	if err != nil {
		return fmt.Errorf("vk: listing instance extensions: %w", err)
	}
	var names, layers []string
	var next unsafe.Pointer
	var flags uint32
	if validation {
		present, err := loader.Layers()
		if err != nil {
			return fmt.Errorf("vk: listing layers: %w", err)
		}
		if !slices.Contains(present, validationLayer) {
			return fmt.Errorf("vk: %w; install the package vulkan-validationlayers", ErrNoValidation)
		}
		if in.messages, err = core.NewMessages(); err != nil {
			return fmt.Errorf("vk: validation messages: %w", err)
		}
		layers = append(layers, validationLayer)
		names = append(names, "VK_EXT_debug_utils")
		const layerSettings = "VK_EXT_layer_settings"
		own, err := loader.Extensions(validationLayer)
		if err != nil {
			in.freeMessages()
			return fmt.Errorf("vk: listing the validation layer's extensions: %w", err)
		}
		if slices.Contains(own, layerSettings) {
			names = append(names, layerSettings)
		}
		next = in.messages.Chain(slices.Contains(own, layerSettings))
	}
	// MoltenVK and other layered drivers show themselves only to those who ask.
	if portability := "VK_KHR_portability_enumeration"; slices.Contains(listed, portability) {
		names = append(names, portability)
		flags = 1 // VK_INSTANCE_CREATE_ENUMERATE_PORTABILITY_BIT_KHR
	}
	handle, err := createInstance(loader, flags, layers, names, next)
	if err != nil {
		in.freeMessages()
		return err
	}
	in.handle = handle
	if in.core, err = loader.NewInstance(core.HandleOf(handle)); err != nil {
		vgo.DestroyInstance(handle, nil)
		in.freeMessages()
		return fmt.Errorf("vk: %w: %w", err, ErrNoLoader)
	}
	if in.messages != nil {
		if err := fail(in.core.Listen(in.messages), "vkCreateDebugUtilsMessengerEXT", "listening to validation messages"); err != nil {
			return errors.Join(err, in.Close())
		}
	}
	return nil
}

// createInstance makes the VkInstance and, for the first of the process, gives
// the binding its entry points.
func createInstance(loader *core.Loader, flags uint32, layers, extensions []string, next unsafe.Pointer) (vgo.Instance, error) {
	bindingMu.Lock()
	defer bindingMu.Unlock()
	if bindingLoader != nil && bindingLoader != loader.Identity() {
		return nil, errOtherLoader
	}
	h, r := loader.CreateInstance(uint32(v13), flags, layers, extensions, next)
	if err := fail(r, "vkCreateInstance", "opening the Vulkan drivers"); err != nil {
		if r == core.IncompatibleDriver {
			return nil, fmt.Errorf("%w; install your card's Vulkan driver, or mesa-vulkan-drivers for a software device", err)
		}
		return nil, err
	}
	handle := core.ToBinding[vgo.Instance](h)
	return handle, bindLoader(loader, handle)
}

var errOtherLoader = errors.New("vk: this process already uses another Vulkan loader")

// bindLoader gives the binding its entry points if it has none; the caller holds bindingMu.
func bindLoader(loader *core.Loader, instance vgo.Instance) error {
	if bindingLoader != nil {
		if bindingLoader != loader.Identity() {
			return errOtherLoader
		}
		return nil
	}
	vgo.SetGetInstanceProcAddr(loader.ProcAddr)
	// Init alone would leave NULL where the functions of an instance belong.
	if err := errors.Join(vgo.Init(), vgo.InitInstance(instance)); err != nil {
		return fmt.Errorf("vk: %w", err)
	}
	bindingLoader = loader.Identity()
	return nil
}

// list reads the devices in the loader's order, leaving out what cannot
// compute under Vulkan 1.1.
func (in *Instance) list() error {
	handles, r := in.core.PhysicalDevices()
	if err := fail(r, "vkEnumeratePhysicalDevices", "listing devices"); err != nil {
		return err
	}
	for _, h := range handles {
		p, err := in.read(h, ^Version(0))
		if err != nil {
			in.log.Warn("Vulkan device left out", "reason", err)
			continue
		}
		p.Caps.Index = len(in.devices)
		in.devices = append(in.devices, p)
	}
	return nil
}

// Devices returns the machine's devices, in the loader's order.
func (in *Instance) Devices() []*PhysicalDevice { return slices.Clone(in.devices) }

// Choose returns the device that selector means: an index of Devices, a UUID,
// or a part of exactly one device's name in any case. "" is the default: a
// discrete card before an integrated, virtual and software device, and among
// equals the one with most memory. The error lists what there is and is
// ErrNoDevice.
func (in *Instance) Choose(selector string) (*PhysicalDevice, error) {
	list := make([]*Caps, len(in.devices))
	for i, p := range in.devices {
		list[i] = &p.Caps
	}
	i, err := choose(list, selector)
	if err != nil {
		return nil, err
	}
	return in.devices[i], nil
}

// Messages returns the validation errors and warnings so far, oldest first;
// nil without validation. It may be asked after Close too.
func (in *Instance) Messages() []string {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.messages == nil {
		return slices.Clone(in.final)
	}
	return in.messages.List()
}

// Close releases the instance. While devices are open it does nothing but
// return an error.
func (in *Instance) Close() error {
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil
	}
	if in.open > 0 {
		return fmt.Errorf("vk: closing the instance: %d devices are still open", in.open)
	}
	in.closed = true
	in.core.Unlisten()
	if !in.borrowed {
		vgo.DestroyInstance(in.handle, nil)
		core.Trim()
	}
	in.core.Free()
	in.devices = nil
	in.freeMessages()
	return nil
}

func (in *Instance) freeMessages() {
	if in.messages == nil {
		return
	}
	in.final = in.messages.List()
	in.messages.Free()
	in.messages = nil
}
