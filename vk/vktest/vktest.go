// Package vktest opens the Vulkan device that tests run on.
//
// The environment variable QWENVK_TEST_DEVICE picks it as Instance.Choose
// does. A machine without a device skips the tests, unless the variable or CI
// is set: then they fail.
package vktest

import (
	"errors"
	"os"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
)

// Selector names the environment variable that picks the device.
const Selector = "QWENVK_TEST_DEVICE"

// Instance opens Vulkan with validation where the layer is installed, except
// for benchmarks. When the test ends, any message fails it.
func Instance(t testing.TB) *vk.Instance {
	t.Helper()
	_, benchmark := t.(*testing.B)
	in, err := vk.Open(vk.Options{Validation: !benchmark})
	if errors.Is(err, vk.ErrNoValidation) {
		in, err = vk.Open(vk.Options{})
	}
	if err != nil {
		unavailable(t, err)
	}
	t.Cleanup(func() {
		if err := in.Close(); err != nil {
			t.Error(err)
		}
		for _, m := range in.Messages() {
			t.Errorf("validation: %s", m)
		}
	})
	return in
}

// Physical returns the device of the tests, not opened.
func Physical(t testing.TB) (*vk.Instance, *vk.PhysicalDevice) {
	t.Helper()
	in := Instance(t)
	p, err := in.Choose(os.Getenv(Selector))
	if err != nil {
		unavailable(t, err)
	}
	return in, p
}

// Open opens the device of the tests, narrowed by at most one mask. Bindings
// must keep the portable alignment. When the test ends, a validation message or
// an object that was not closed fails it.
func Open(t testing.TB, mask ...vk.Mask) *vk.Device {
	t.Helper()
	o := vk.DeviceOptions{}
	if len(mask) > 0 {
		o.Mask = &mask[0]
	}
	return OpenWith(t, o)
}

// OpenWith is Open with all options.
func OpenWith(t testing.TB, o vk.DeviceOptions) *vk.Device {
	t.Helper()
	in, p := Physical(t)
	mask := vk.Mask{MaxTier: vk.AllTiers}
	if o.Mask != nil {
		mask = *o.Mask
	}
	if mask.StorageAlign == 0 {
		mask.StorageAlign = vk.OffsetAlign
	}
	o.Mask = &mask
	d, err := in.NewDevice(p, o)
	if errors.Is(err, vk.ErrUnsupported) {
		t.Skipf("%s cannot be masked so: %v", p.Caps.Name, err)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		d.FreeStaging() // an upload that was cancelled may still hold its buffer
		if n := d.Live(); n != 0 {
			t.Errorf("%d objects were not closed", n)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func unavailable(t testing.TB, err error) {
	t.Helper()
	if os.Getenv("CI") != "" || os.Getenv(Selector) != "" {
		t.Fatalf("no Vulkan device to test on: %v", err)
	}
	t.Skipf("no Vulkan device to test on: %v", err)
}
