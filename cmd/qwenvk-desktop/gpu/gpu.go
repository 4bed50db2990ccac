package gpu

// #cgo CFLAGS: -std=c11
// #cgo linux LDFLAGS: -ldl
// #include <stdlib.h>
// #include "gpu.h"
import "C"

import (
	_ "embed"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"time"
	"unsafe"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/canvas"
)

// Errors that programs branch on.
var (
	// ErrNoLoader: the machine has no Vulkan loader, or one of Vulkan 1.0.
	ErrNoLoader = errors.New("no Vulkan loader (libvulkan.so.1, vulkan-1.dll, libMoltenVK) of version 1.1")
	// ErrDeviceLost: the driver gave the device up.
	ErrDeviceLost = errors.New("the driver lost the device")
	// ErrSurfaceLost: the window system took the window's surface away.
	ErrSurfaceLost = errors.New("the window system lost the window's surface")
	// ErrBusy: the device is not ready for a frame yet.
	ErrBusy = errors.New("the device is busy")
	// ErrStale: the window's surface wants pictures of another size; see Screen.Resize.
	ErrStale = errors.New("the surface has changed")
)

// failure makes a Go error of what C noted.
func failure(e *C.GpError) error {
	err := fmt.Errorf("%s gives VkResult %d", C.GoString(e.call), e.result)
	switch e.result {
	case C.VR_ERROR_DEVICE_LOST:
		return fmt.Errorf("%w (%w)", ErrDeviceLost, err)
	case C.VR_ERROR_SURFACE_LOST_KHR:
		return fmt.Errorf("%w (%w)", ErrSurfaceLost, err)
	case C.VR_ERROR_INCOMPATIBLE_DRIVER:
		return fmt.Errorf("no driver that Vulkan 1.1 programs can use (%w)", err)
	case C.VR_ERROR_OUT_OF_HOST_MEMORY, C.VR_ERROR_OUT_OF_DEVICE_MEMORY:
		return fmt.Errorf("no memory is left for drawing (%w)", err)
	case C.VR_ERROR_EXTENSION_NOT_PRESENT:
		return fmt.Errorf("the driver lacks an extension that the window needs (%w)", err)
	}
	return err
}

// Loader opens the machine's Vulkan loader and returns its vkGetInstanceProcAddr, for programs without a window system's own.
func Loader() (unsafe.Pointer, error) {
	if p := C.gp_loader(); p != nil {
		return p, nil
	}
	return nil, ErrNoLoader
}

// Instance is a VkInstance.
type Instance struct {
	c       *C.GpInstance
	Version uint32 // apiVersion that it was made with
}

// Version makes an apiVersion.
func Version(major, minor uint32) uint32 { return major<<22 | minor<<12 }

// NewInstance makes an instance with extensions, by the vkGetInstanceProcAddr of a loader; validate adds the validation
// layer, which then writes to the standard output.
func NewInstance(getInstanceProcAddr unsafe.Pointer, version uint32, extensions []string, validate bool) (*Instance, error) {
	if getInstanceProcAddr == nil {
		return nil, ErrNoLoader
	}
	var layers []string
	if validate {
		layers = []string{"VK_LAYER_KHRONOS_validation"}
	}
	l, freeLayers := cstrings(layers)
	defer freeLayers()
	e, freeExtensions := cstrings(extensions)
	defer freeExtensions()
	var err C.GpError
	in := C.gp_instance_new(getInstanceProcAddr, C.uint32_t(version), l, C.uint32_t(len(layers)), e, C.uint32_t(len(extensions)), &err)
	if in == nil {
		return nil, failure(&err)
	}
	return &Instance{in, version}, nil
}

// cstrings makes a C array of C strings.
func cstrings(words []string) (**C.char, func()) {
	array := (*[1 << 16]*C.char)(C.calloc(C.size_t(len(words)+1), C.size_t(unsafe.Sizeof(uintptr(0)))))
	for i, w := range words {
		array[i] = C.CString(w)
	}
	return &array[0], func() {
		for i := range words {
			C.free(unsafe.Pointer(array[i]))
		}
		C.free(unsafe.Pointer(array))
	}
}

// Handle is the VkInstance.
func (in *Instance) Handle() unsafe.Pointer { return C.gp_instance_handle(in.c) }

// FreeSurface destroys a VkSurfaceKHR.
func (in *Instance) FreeSurface(surface uint64) { C.gp_surface_free(in.c, C.uint64_t(surface)) }

// Close destroys the instance, when all that was made from it is gone.
func (in *Instance) Close() {
	C.gp_instance_free(in.c)
	in.c = nil
}

// Physical is a device of the machine.
type Physical struct {
	Handle   unsafe.Pointer // VkPhysicalDevice
	Name     string
	Kind     Kind
	Version  uint32 // of Vulkan
	Draws    bool   // it has queues that draw and compute
	Presents bool   // and show pictures on the surface that was asked for
	family   uint32
	queues   uint32
}

// Kind is a VkPhysicalDeviceType.
type Kind uint32

// The kinds of devices.
const (
	Integrated Kind = C.VR_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU
	Discrete   Kind = C.VR_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU
	Virtual    Kind = C.VR_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU
	Software   Kind = C.VR_PHYSICAL_DEVICE_TYPE_CPU
)

// Physicals lists the machine's devices in the loader's order. surface 0: none has to present.
func (in *Instance) Physicals(surface uint64) ([]Physical, error) {
	var list [64]C.GpPhysical
	var err C.GpError
	n := int(C.gp_physicals(in.c, C.uint64_t(surface), &list[0], C.uint32_t(len(list)), &err))
	if err.call != nil {
		return nil, failure(&err)
	}
	var out []Physical
	for _, p := range list[:min(n, len(list))] {
		out = append(out, Physical{
			Handle: p.handle, Name: C.GoString(&p.name[0]), Kind: Kind(p._type), Version: uint32(p.api_version),
			Draws: p.draws != 0, Presents: p.family != ^C.uint32_t(0), family: uint32(p.family), queues: uint32(p.queues),
		})
	}
	return out, nil
}

// DeviceOptions say what a device is opened with besides what drawing needs.
type DeviceOptions struct {
	Surface    bool     // it presents
	Extensions []string // of the device
	Features   []string // as the Vulkan structures spell them; see Features
}

// Device is an open device with a queue to draw on and one to compute on, which may be the same.
type Device struct {
	c       *C.GpDevice
	options DeviceOptions
	family  uint32
	single  bool
	lock    sync.Mutex // of the queue for drawing; and of that for computing, where it is the same
}

// NewDevice opens a device.
func (in *Instance) NewDevice(p Physical, o DeviceOptions) (*Device, error) {
	if p.family == ^uint32(0) {
		return nil, fmt.Errorf("%s cannot show pictures in this window", p.Name)
	}
	names := o.Extensions
	if o.Surface {
		names = append([]string{"VK_KHR_swapchain"}, names...)
	}
	chain, err := featureChain(o.Features)
	if err != nil {
		return nil, err
	}
	e, free := cstrings(names)
	defer free()
	var features *C.GpFeatures
	if len(chain) > 0 {
		features = &chain[0]
	}
	queues := min(p.queues, 2)
	var failed C.GpError
	d := C.gp_device_new(in.c, p.Handle, C.uint32_t(p.family), C.uint32_t(queues), e, C.uint32_t(len(names)), features, C.uint32_t(len(chain)), &failed)
	if d == nil {
		return nil, fmt.Errorf("%s cannot be opened: %w", p.Name, failure(&failed))
	}
	o.Extensions = names
	return &Device{c: d, options: o, family: p.family, single: queues == 1}, nil
}

// Handles are what another part of the program needs to compute on the device.
type Handles struct {
	Device, Queue unsafe.Pointer // VkDevice, VkQueue
	Family        uint32
	Lock          sync.Locker // to hold round each vkQueueSubmit; nil where nothing is drawn on Queue
	Extensions    []string    // that are enabled
}

// Handles are what another part of the program needs to compute on the device: a queue of its own where the device has two.
func (d *Device) Handles() Handles {
	h := Handles{
		Device: C.gp_device_handle(d.c), Queue: C.gp_device_queue(d.c, 1),
		Family: d.family, Extensions: d.options.Extensions,
	}
	if d.single {
		h.Lock = &d.lock
	}
	return h
}

// Close destroys the device, when all that was made from it is gone.
func (d *Device) Close() {
	C.gp_device_free(d.c)
	d.c = nil
}

//go:embed ui.vert.spv
var vertexShader []byte

//go:embed ui.frag.spv
var fragmentShader []byte

// Screen draws frames. All its methods are to be called from one goroutine.
type Screen struct {
	d      *Device
	c      *C.GpScreen
	window bool
}

// NewScreen makes what drawing to a surface needs; 0: pictures that are read back. Resize comes before the first frame.
func (d *Device) NewScreen(surface uint64) (*Screen, error) {
	vertex, fragment := C.CBytes(vertexShader), C.CBytes(fragmentShader)
	defer C.free(vertex)
	defer C.free(fragment)
	var err C.GpError
	s := C.gp_screen_new(d.c, C.uint64_t(surface), (*C.uint32_t)(vertex), C.size_t(len(vertexShader)),
		(*C.uint32_t)(fragment), C.size_t(len(fragmentShader)), &err)
	if s == nil {
		return nil, failure(&err)
	}
	return &Screen{d, s, surface != 0}, nil
}

// Close waits for the device and frees what the screen has.
func (s *Screen) Close() {
	s.d.lock.Lock()
	C.gp_screen_free(s.c)
	s.d.lock.Unlock()
	s.c = nil
}

// Resize makes pictures of a size in pixels. A surface may insist on another one, which is what comes back; 0 by 0 says that
// there is nothing to draw to now, because the window is minimised.
func (s *Screen) Resize(width, height int) (int, int, error) {
	var err C.GpError
	s.d.lock.Lock()
	C.gp_screen_resize(s.c, C.uint32_t(width), C.uint32_t(height), &err)
	s.d.lock.Unlock()
	if err.call != nil {
		return 0, 0, failure(&err)
	}
	e := C.gp_screen_extent(s.c)
	return int(e.width), int(e.height), nil
}

// Atlas is the texture of glyph coverage: Size rows of Size bytes. Dirty is the part that changed since the last frame that
// was drawn, as x, y, width and height.
type Atlas struct {
	Pixels []byte
	Size   int
	Dirty  [4]int
}

// Draw draws a frame and shows it. timeout bounds the wait for the device and the window system. Errors: [ErrBusy] (try
// again), [ErrStale] (resize, then draw again), [ErrDeviceLost], [ErrSurfaceLost].
func (s *Screen) Draw(quads []canvas.Quad, atlas Atlas, clear [3]uint8, timeout time.Duration) error {
	var err C.GpError
	if e := s.state(C.gp_screen_begin(s.c, C.uint64_t(timeout.Nanoseconds()), &err), &err); e != nil {
		return e
	}
	if len(atlas.Pixels) < atlas.Size*atlas.Size || atlas.Size == 0 {
		return fmt.Errorf("BUG: an atlas of %d by %d with %d bytes", atlas.Size, atlas.Size, len(atlas.Pixels))
	}
	var first *C.GpQuad
	if len(quads) > 0 {
		first = (*C.GpQuad)(unsafe.Pointer(&quads[0]))
	}
	var pin C.GpAtlas
	pixels := &atlas.Pixels[0]
	var pinner runtime.Pinner
	pinner.Pin(pixels)
	defer pinner.Unpin()
	pin.pixels = (*C.uint8_t)(pixels)
	pin.size = C.uint32_t(atlas.Size)
	pin.x, pin.y, pin.width, pin.height = C.uint32_t(atlas.Dirty[0]), C.uint32_t(atlas.Dirty[1]), C.uint32_t(atlas.Dirty[2]), C.uint32_t(atlas.Dirty[3])
	color := [4]C.float{C.float(clear[0]) / 255, C.float(clear[1]) / 255, C.float(clear[2]) / 255, 1}
	if e := s.state(C.gp_screen_draw(s.c, first, C.uint32_t(len(quads)), &pin, &color[0], &err), &err); e != nil {
		return e
	}
	s.d.lock.Lock()
	state := C.gp_screen_submit(s.c, &err)
	s.d.lock.Unlock()
	return s.state(state, &err)
}

func (s *Screen) state(state C.int, err *C.GpError) error {
	switch state {
	case C.GP_READY:
		return nil
	case C.GP_BUSY:
		return ErrBusy
	case C.GP_STALE:
		return ErrStale
	}
	return failure(err)
}

// Wait waits until all frames are drawn.
func (s *Screen) Wait(timeout time.Duration) error {
	var err C.GpError
	return s.state(C.gp_screen_wait(s.c, C.uint64_t(timeout.Nanoseconds()), &err), &err)
}

// Read waits for the last frame of a screen without a surface and returns it as RGBA, 4 bytes per pixel.
func (s *Screen) Read() (pixels []byte, width, height int, err error) {
	if s.window {
		return nil, 0, 0, errors.New("BUG: a window's picture cannot be read")
	}
	e := C.gp_screen_extent(s.c)
	width, height = int(e.width), int(e.height)
	pixels = make([]byte, width*height*4)
	var failed C.GpError
	if err := s.state(C.gp_screen_read(s.c, (*C.uint8_t)(&pixels[0]), &failed), &failed); err != nil {
		return nil, 0, 0, err
	}
	return pixels, width, height, nil
}
