package vk

import (
	"errors"
	"fmt"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// What a caller can test for with errors.Is.
var (
	// ErrNoLoader: the machine has no Vulkan loader library.
	ErrNoLoader = errors.New("no Vulkan loader")
	// ErrNoDevice: no driver, no device, or none that was asked for.
	ErrNoDevice = errors.New("no Vulkan device")
	// ErrNoValidation: the validation layer was asked for and is not installed.
	ErrNoValidation = errors.New("no Vulkan validation layer")
	// ErrOutOfMemory: the driver, or the device's memory, has no more.
	ErrOutOfMemory = errors.New("out of device memory")
	// ErrDeviceLost: the device is gone; open a new one and load again.
	ErrDeviceLost = errors.New("device lost")
	// ErrLimit: the request is beyond a limit of the device or beyond the
	// portable limits that every kernel keeps.
	ErrLimit = errors.New("beyond a limit")
	// ErrUnsupported: the device lacks the capability, or it is masked.
	ErrUnsupported = errors.New("not supported by the device")
	// ErrPending: the commands are still running.
	ErrPending = errors.New("still running")
	// ErrClosed: the object, or its device, was closed.
	ErrClosed = errors.New("closed")
)

// kind gives a whole sentence the kind of a sentinel, whose own words would
// only trail behind it.
type kind struct {
	text string
	is   error
}

func (k kind) Error() string        { return k.text }
func (k kind) Is(target error) bool { return target == k.is }

// Error is a Vulkan call that failed. errors.Is maps its result to the
// sentinels above.
type Error struct {
	Call   string // as in the specification: "vkQueueSubmit"
	Result int32  // VkResult, negative
	Doing  string // what for, in words: `submitting "decode"`
}

func (e *Error) Error() string {
	return fmt.Sprintf("vk: %s: %s: %s", e.Doing, e.Call, resultText(e.Result))
}

// Is reports whether e is of the kind that target names.
func (e *Error) Is(target error) bool {
	switch core.Result(e.Result) {
	case core.DeviceLost:
		return target == ErrDeviceLost
	case core.OutOfHostMemory, core.OutOfDeviceMemory, core.MemoryMapFailed:
		return target == ErrOutOfMemory
	case core.IncompatibleDriver:
		return target == ErrNoDevice
	case core.LayerNotPresent:
		return target == ErrNoValidation
	}
	return false
}

// resultText names the results that happen; the binding has no text for
// results younger than 2018.
func resultText(r int32) string {
	names := map[core.Result]string{
		core.OutOfHostMemory:    "out of host memory",
		core.OutOfDeviceMemory:  "out of device memory",
		core.InitFailed:         "initialization failed",
		core.DeviceLost:         "device lost",
		core.MemoryMapFailed:    "memory map failed",
		core.LayerNotPresent:    "layer not present",
		core.ExtensionMissing:   "extension not present",
		core.FeatureMissing:     "feature not present",
		core.IncompatibleDriver: "incompatible driver",
		-10:                     "too many objects",
		-12:                     "fragmented pool",
		-13:                     "unknown error",
		-1000069000:             "out of pool memory",
		-1000174001:             "not permitted",
	}
	if name, ok := names[core.Result(r)]; ok {
		return fmt.Sprintf("%s (%d)", name, r)
	}
	return fmt.Sprintf("result %d", r)
}

// fail returns nil for a result that is no error.
func fail(r core.Result, call, format string, args ...any) error {
	if r >= 0 {
		return nil
	}
	return &Error{Call: call, Result: int32(r), Doing: fmt.Sprintf(format, args...)}
}
