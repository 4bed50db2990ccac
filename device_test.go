package qwenvk

import (
	"errors"
	"os"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
)

// openForTest opens the device that QWENVK_TEST_DEVICE names, with the validation layer where that is installed.
// Without any device a test fails where one is promised (in CI, or when a device is named) and is skipped elsewhere.
func openForTest(t testing.TB, o Options) (*Runtime, error) {
	t.Helper()
	o.Validate = true
	return openOrSkip(t, o)
}

// openUnchecked opens the test device without the validation layer, which multiplies the time of long runs. What these
// run, shorter tests have run with it.
func openUnchecked(t testing.TB) *Runtime {
	t.Helper()
	return openUncheckedWith(t, Options{})
}

func openUncheckedWith(t testing.TB, o Options) *Runtime {
	t.Helper()
	o.CacheDir = "none"
	rt, err := openOrSkip(t, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return rt
}

func openOrSkip(t testing.TB, o Options) (*Runtime, error) {
	t.Helper()
	o.Device = os.Getenv("QWENVK_TEST_DEVICE")
	rt, err := Open(o)
	if errors.Is(err, vk.ErrNoValidation) && os.Getenv("CI") == "" {
		t.Logf("without the validation layer: %v", err)
		o.Validate = false
		rt, err = Open(o)
	}
	if errors.Is(err, ErrNoLoader) || errors.Is(err, ErrNoDevice) {
		if os.Getenv("CI") != "" || o.Device != "" {
			t.Fatalf("no Vulkan device: %v", err)
		}
		t.Skipf("this test needs a Vulkan device: %v", err)
	}
	return rt, err
}
