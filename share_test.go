package qwenvk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// shared is a program's device as OpenWithDevice takes it.
func shared(h vk.Host) HostDevice {
	return HostDevice{
		GetInstanceProcAddr: h.GetInstanceProcAddr, APIVersion: uint32(h.APIVersion),
		Instance: h.Instance, PhysicalDevice: h.PhysicalDevice, Device: h.Device, Queue: h.Queue, QueueFamily: h.QueueFamily,
		Lock: h.Lock, EnabledExtensions: h.Extensions, EnabledFeatures: h.Features,
	}
}

// TestOpenWithDevice answers on a program's device, with all that is useful enabled and with nothing but Vulkan 1.1, and gives it
// back; validation of the program's instance stays silent.
func TestOpenWithDevice(t *testing.T) {
	var want string
	for _, test := range []struct {
		name    string
		version vk.Version
		all     bool
	}{
		{"all", vk.MakeVersion(1, 3, 0), true},
		{"1.1", vk.MakeVersion(1, 1, 0), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := vktest.Program(t, test.version, func(required, useful vk.Needs) vk.Needs {
				if test.all {
					return useful
				}
				return required
			})
			rt, err := OpenWithDevice(shared(h), Options{CacheDir: "none"})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := rt.Close(); err != nil {
					t.Error(err)
				}
			})
			if d := rt.Device(); !test.all && d.Tier != 0 || len(rt.Devices()) != 1 {
				t.Errorf("tier %d (%s) of %d devices", d.Tier, d.TierReason, len(rt.Devices()))
			}
			m, s := openDemo(t, rt, LoadOptions{Context: 128, KV: "f32"})
			before := h.Lock.(*vktest.Lock).Times.Load()
			text, _ := generate(context.Background(), t, s, encode(t, m, "one two three"), GenerateOptions{MaxTokens: 8, IgnoreEOS: true})
			if n := h.Lock.(*vktest.Lock).Times.Load() - before; n < 8 || n > 16 {
				t.Errorf("the queue was locked %d times for 8 tokens", n)
			}
			if want == "" {
				want = text
			}
			if text != want {
				t.Errorf("%q, with everything enabled %q", text, want)
			}
		})
	}
}

func TestRequirements(t *testing.T) {
	h := shared(vktest.Program(t, vk.MakeVersion(1, 3, 0), func(_, useful vk.Needs) vk.Needs { return useful }))
	h.Device, h.Queue = nil, nil // not there yet
	required, useful, err := Requirements(h)
	if err != nil {
		t.Fatal(err)
	}
	if len(required.Features.Names()) != 0 || len(required.QueueFamilies) == 0 || required.APIVersion != uint32(vk.MakeVersion(1, 1, 0)) {
		t.Errorf("required: %+v", required)
	}
	for _, name := range required.Extensions {
		if !slices.Contains(useful.Extensions, name) {
			t.Errorf("%s is required and not useful", name)
		}
	}
}

func TestOpenWithDeviceRefuses(t *testing.T) {
	h := shared(vktest.Program(t, vk.MakeVersion(1, 3, 0), func(required, _ vk.Needs) vk.Needs { return required }))
	for _, test := range []struct {
		change func(*HostDevice, *Options)
		want   string
	}{
		{func(h *HostDevice, _ *Options) { h.Queue = nil }, "Queue"},
		{func(h *HostDevice, _ *Options) { h.APIVersion = 1 << 22 }, "1.1"},
		{func(h *HostDevice, _ *Options) { h.EnabledExtensions = []string{"VK_KHR_no_such"} }, "VK_KHR_no_such"},
		{func(_ *HostDevice, o *Options) { o.Validate = true }, "validation"},
	} {
		h, o := h, Options{CacheDir: "none"}
		test.change(&h, &o)
		if rt, err := OpenWithDevice(h, o); !errors.Is(err, ErrUnsupported) || !strings.Contains(err.Error(), test.want) {
			if rt != nil {
				rt.Close()
			}
			t.Errorf("%v, want ErrUnsupported with %q", err, test.want)
		}
	}
}
