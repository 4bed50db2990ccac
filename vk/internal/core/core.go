package core

// #cgo CFLAGS: -std=c11
// #include <stdlib.h>
// #include "core.h"
import "C"

import (
	"errors"
	"fmt"
	"strings"
	"unsafe"
)

// Handle is any Vulkan handle as an integer.
type Handle uint64

// HandleOf returns the bits of a handle of the binding (any of its pointer
// types), without making a Go pointer of them.
func HandleOf[H any](h H) Handle {
	if unsafe.Sizeof(h) != unsafe.Sizeof(Handle(0)) {
		return 0
	}
	return *(*Handle)(unsafe.Pointer(&h))
}

// ToBinding is the way back: the bits of h as the binding's type H.
func ToBinding[H any](h Handle) H {
	var out H
	if unsafe.Sizeof(out) == unsafe.Sizeof(h) {
		*(*Handle)(unsafe.Pointer(&out)) = h
	}
	return out
}

// Result is a VkResult: 0 success, positive a state, negative an error.
type Result int32

// The results that package vk tells apart.
const (
	Success            Result = C.VC_SUCCESS
	NotReady           Result = C.VC_NOT_READY
	Timeout            Result = C.VC_TIMEOUT
	Incomplete         Result = C.VC_INCOMPLETE
	OutOfHostMemory    Result = C.VC_ERROR_OUT_OF_HOST_MEMORY
	OutOfDeviceMemory  Result = C.VC_ERROR_OUT_OF_DEVICE_MEMORY
	InitFailed         Result = C.VC_ERROR_INITIALIZATION_FAILED
	DeviceLost         Result = C.VC_ERROR_DEVICE_LOST
	MemoryMapFailed    Result = C.VC_ERROR_MEMORY_MAP_FAILED
	LayerNotPresent    Result = C.VC_ERROR_LAYER_NOT_PRESENT
	ExtensionMissing   Result = C.VC_ERROR_EXTENSION_NOT_PRESENT
	FeatureMissing     Result = C.VC_ERROR_FEATURE_NOT_PRESENT
	IncompatibleDriver Result = C.VC_ERROR_INCOMPATIBLE_DRIVER
)

// Loader is an open Vulkan loader. It is never closed: drivers start threads
// and register exit handlers that do not survive an unload.
type Loader struct {
	calls *C.VcLoader
	// ProcAddr is vkGetInstanceProcAddr, for the binding.
	ProcAddr unsafe.Pointer
}

// OpenLoader opens the Vulkan loader at path, or the system's when path is
// empty.
func OpenLoader(path string) (*Loader, error) {
	names := libraries
	if path != "" {
		names = []string{path}
	}
	var reasons []string
	for _, name := range names {
		library, err := openLibrary(name)
		if err != nil {
			reasons = append(reasons, err.Error())
			continue
		}
		symbol := C.CString("vkGetInstanceProcAddr")
		proc := C.vc_symbol(library, symbol)
		C.free(unsafe.Pointer(symbol))
		if proc == nil {
			reasons = append(reasons, name+": not a Vulkan loader: it has no vkGetInstanceProcAddr")
			continue
		}
		return LoaderOf(proc)
	}
	return nil, errors.New(strings.Join(reasons, "; "))
}

// LoaderOf is the loader behind a vkGetInstanceProcAddr.
func LoaderOf(procAddr unsafe.Pointer) (*Loader, error) {
	calls := C.vc_loader_new(procAddr)
	if calls == nil {
		return nil, errors.New("it does not find vkCreateInstance")
	}
	return &Loader{calls: calls, ProcAddr: procAddr}, nil
}

// Identity tells one loader from another, whichever vkGetInstanceProcAddr leads to it: window libraries have their own.
func (l *Loader) Identity() unsafe.Pointer { return C.vc_loader_identity(l.calls) }

func openLibrary(name string) (unsafe.Pointer, error) {
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	var why [256]C.char
	library := C.vc_open_library(cname, &why[0], C.size_t(len(why)))
	if library == nil {
		return nil, errors.New(C.GoString(&why[0]))
	}
	return library, nil
}

// Version returns the loader's instance version (Vulkan's packed form).
func (l *Loader) Version() uint32 { return uint32(C.vc_instance_version(l.calls)) }

// Extensions returns the names of the instance extensions: the loader's and its
// drivers' for "", or those of a layer.
func (l *Loader) Extensions(layer string) ([]string, error) {
	var name *C.char
	if layer != "" {
		name = C.CString(layer)
		defer C.free(unsafe.Pointer(name))
	}
	return extensionNames("vkEnumerateInstanceExtensionProperties", func(n *C.uint32_t, out *C.VcExtensionProperties) C.VcResult {
		return C.vc_instance_extensions(l.calls, name, n, out)
	})
}

// Layers returns the names of the instance layers.
func (l *Loader) Layers() ([]string, error) {
	list, r := enumerate(func(n *C.uint32_t, out *C.VcLayerProperties) C.VcResult {
		return C.vc_layers(l.calls, n, out)
	})
	if r < 0 {
		return nil, fmt.Errorf("vkEnumerateInstanceLayerProperties: result %d", r)
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = text(list[i].layerName[:])
	}
	return names, nil
}

func extensionNames(call string, fill func(*C.uint32_t, *C.VcExtensionProperties) C.VcResult) ([]string, error) {
	list, r := enumerate(fill)
	if r < 0 {
		return nil, fmt.Errorf("%s: result %d", call, r)
	}
	names := make([]string, len(list))
	for i := range list {
		names[i] = text(list[i].extensionName[:])
	}
	return names, nil
}

// enumerate runs Vulkan's two-call idiom until the list is complete: it may
// grow between the two calls.
func enumerate[T any](fill func(count *C.uint32_t, out *T) C.VcResult) ([]T, Result) {
	for {
		var n C.uint32_t
		if r := fill(&n, nil); r < 0 {
			return nil, Result(r)
		}
		if n == 0 {
			return nil, Success
		}
		list := make([]T, n)
		r := fill(&n, &list[0])
		switch {
		case Result(r) == Incomplete:
			continue
		case r < 0:
			return nil, Result(r)
		}
		return list[:n], Success
	}
}

// text reads a C string out of a fixed array, terminated or not.
func text(chars []C.char) string {
	b := make([]byte, 0, len(chars))
	for _, c := range chars {
		if c == 0 {
			break
		}
		b = append(b, byte(c))
	}
	return string(b)
}
