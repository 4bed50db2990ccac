//go:build desktop

package main

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
	"unsafe"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/gpu"
)

// maxSubmit is how long the engine may keep a queue that is drawn with, too: it leaves most of a frame.
const maxSubmit = 4 * time.Millisecond

// apiVersion is what the instance is made for: kernels of the higher tiers need 1.3's queries. Loaders since 1.1 take any.
var apiVersion = gpu.Version(1, 3)

// choose returns the device that a word names, or the best of those that can show pictures in the window.
func choose(list []gpu.Physical, word string) (int, error) {
	if len(list) == 0 {
		return 0, fmt.Errorf("%w: no Vulkan device is there: install a driver, or Mesa's software device (mesa-vulkan-drivers)", errNoWindow)
	}
	best := -1
	rank := func(p gpu.Physical) int {
		return slices.Index([]gpu.Kind{gpu.Software, gpu.Virtual, gpu.Integrated, gpu.Discrete}, p.Kind)
	}
	for i, p := range list {
		if word != "" && word != strconv.Itoa(i) && !strings.Contains(strings.ToLower(p.Name), strings.ToLower(word)) {
			continue
		}
		if word != "" && !p.Presents {
			return 0, fmt.Errorf("%w: %s cannot show pictures in this window: name another device, or none", errNoWindow, p.Name)
		}
		if p.Presents && (best < 0 || cmp.Compare(rank(p), rank(list[best])) > 0) {
			best = i
		}
	}
	switch {
	case best >= 0:
		return best, nil
	case word != "":
		return 0, fmt.Errorf("no device is called %q: there are %s: %w", word, strings.Join(names(list), ", "), qwenvk.ErrNoDevice)
	}
	return 0, fmt.Errorf("%w: no device can present to it (%s)", errNoWindow, strings.Join(names(list), ", "))
}

func names(list []gpu.Physical) (words []string) {
	for i, p := range list {
		words = append(words, fmt.Sprintf("%d %s", i, p.Name))
	}
	return words
}

func kindOf(p gpu.Physical) string {
	switch p.Kind {
	case gpu.Discrete:
		return "graphics card"
	case gpu.Integrated:
		return "in the processor"
	case gpu.Virtual:
		return "virtual"
	case gpu.Software:
		return "software, computes on the processor"
	}
	return "other"
}

// openDevice opens a device for both: with what drawing needs, and with all that makes kernels faster.
func openDevice(in *gpu.Instance, get unsafe.Pointer, p gpu.Physical) (*gpu.Device, qwenvk.HostDevice, error) {
	host := qwenvk.HostDevice{GetInstanceProcAddr: get, APIVersion: in.Version, Instance: in.Handle(), PhysicalDevice: p.Handle}
	_, useful, err := qwenvk.Requirements(host)
	if err != nil {
		return nil, host, fmt.Errorf("%s: %w", p.Name, err)
	}
	useful.Extensions = slices.DeleteFunc(slices.Clone(useful.Extensions), func(name string) bool { return name == "VK_KHR_swapchain" })
	d, err := in.NewDevice(p, gpu.DeviceOptions{Surface: true, Extensions: useful.Extensions, Features: useful.Features.Names()})
	if err != nil {
		return nil, host, err
	}
	h := d.Handles()
	host.Device, host.Queue, host.QueueFamily, host.Lock = h.Device, h.Queue, h.Family, h.Lock
	host.EnabledExtensions, host.EnabledFeatures = h.Extensions, useful.Features
	return d, host, nil
}

// openRuntime opens the engine on the window's device.
func openRuntime(host qwenvk.HostDevice) (*qwenvk.Runtime, error) {
	r, err := qwenvk.OpenWithDevice(host, qwenvk.Options{MaxSubmit: maxSubmit})
	if err != nil {
		return nil, fmt.Errorf("this device cannot compute: %w", err)
	}
	return r, nil
}

// lost reports errors after which a device must be opened anew.
func lost(err error) bool {
	return errors.Is(err, gpu.ErrDeviceLost) || errors.Is(err, gpu.ErrSurfaceLost) || errors.Is(err, qwenvk.ErrDeviceLost)
}
