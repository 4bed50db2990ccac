package vktest

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"unsafe"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// Lock counts how often the queue of a [Program] was locked.
type Lock struct {
	mu    sync.Mutex
	Times atomic.Int64
}

// Lock locks.
func (l *Lock) Lock() { l.mu.Lock(); l.Times.Add(1) }

// Unlock unlocks.
func (l *Lock) Unlock() { l.mu.Unlock() }

// Program opens the device of the tests as a program would that draws with it: with a VkInstance and a VkDevice of its own, which
// it destroys when the test ends. enable chooses from what is required and what is useful. Validation is on where the layer is
// installed; a message fails the test.
func Program(t testing.TB, version vk.Version, enable func(required, useful vk.Needs) vk.Needs) vk.Host {
	t.Helper()
	_, chosen := Physical(t)
	loader, err := core.OpenLoader("")
	if err != nil {
		unavailable(t, err)
	}
	const layer = "VK_LAYER_KHRONOS_validation"
	var layers, names []string
	var messages *core.Messages
	var next unsafe.Pointer
	if present, err := loader.Layers(); err == nil && slices.Contains(present, layer) {
		if messages, err = core.NewMessages(); err != nil {
			t.Fatal(err)
		}
		own, err := loader.Extensions(layer)
		if err != nil {
			t.Fatal(err)
		}
		settings := slices.Contains(own, "VK_EXT_layer_settings")
		layers, names, next = []string{layer}, []string{"VK_EXT_debug_utils"}, messages.Chain(settings)
		if settings {
			names = append(names, "VK_EXT_layer_settings")
		}
	}
	instance, r := loader.CreateInstance(uint32(version), 0, layers, names, next)
	if r != core.Success {
		t.Fatalf("vkCreateInstance: %d", r)
	}
	calls, err := loader.NewInstance(instance)
	if err != nil {
		t.Fatal(err)
	}
	if messages != nil {
		if r := calls.Listen(messages); r != core.Success {
			t.Fatalf("listening to messages: %d", r)
		}
	}
	t.Cleanup(func() {
		calls.Unlisten()
		vgo.DestroyInstance(core.ToBinding[vgo.Instance](instance), nil)
		calls.Free()
		if messages != nil {
			for _, m := range messages.List() {
				t.Errorf("validation: %s", m)
			}
			messages.Free()
		}
	})
	physical, r := calls.PhysicalDevices()
	if r != core.Success || chosen.Caps.Index >= len(physical) {
		t.Fatalf("%d devices: %d", len(physical), r)
	}
	h := vk.Host{
		GetInstanceProcAddr: loader.ProcAddr, APIVersion: version, Instance: raw(instance),
		PhysicalDevice: raw(physical[chosen.Caps.Index]), Lock: &Lock{},
	}
	required, useful, err := vk.Requirements(h)
	if err != nil {
		t.Fatal(err)
	}
	needs := enable(required, useful)
	h.QueueFamily, h.Extensions, h.Features = needs.QueueFamilies[0], needs.Extensions, needs.Features
	var features core.Features
	for _, row := range features.Rows() {
		*row.On = slices.Contains(needs.Features.Names(), row.Name)
	}
	device, r := calls.CreateDevice(physical[chosen.Caps.Index], h.QueueFamily, false, h.Extensions, features, features.Chain())
	if r != core.Success {
		t.Fatalf("vkCreateDevice: %d", r)
	}
	t.Cleanup(func() { vgo.DestroyDevice(core.ToBinding[vgo.Device](device), nil) })
	h.Device = raw(device)
	var queue vgo.Queue
	vgo.GetDeviceQueue(core.ToBinding[vgo.Device](device), h.QueueFamily, 0, &queue)
	h.Queue = raw(core.HandleOf(queue))
	return h
}

// raw is a dispatchable handle, which is a pointer to C memory, as one.
func raw(h core.Handle) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&h)) }
