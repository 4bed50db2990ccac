package vk

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// DeviceOptions say how to open a device. The zero value is usable.
type DeviceOptions struct {
	// Mask narrows the capabilities; nil leaves them.
	Mask *Mask
	// CacheDir is where compiled pipelines are kept from run to run; "" keeps
	// none. CacheKey tells apart the caches of different sets of shaders.
	CacheDir, CacheKey string
	// Log receives what is worth a line; nil means the instance's.
	Log *slog.Logger
	// Faults are injected; nil means the instance's.
	Faults *Faults
	// StagingBytes bounds the memory through which uploads and downloads go
	// where device memory cannot be mapped; 0 means 64 MiB.
	StagingBytes uint64
	// LowPriority asks the driver to let other programs go first.
	LowPriority bool
	// Statistics makes Pipeline.Statistics available, which some drivers pay for
	// with slower compilation.
	Statistics bool
}

// Device is an open device with one queue. All methods may be called from
// several goroutines. Everything made from a device must be closed before it.
type Device struct {
	in     *Instance
	phys   *PhysicalDevice
	caps   Caps
	log    *slog.Logger
	faults *Faults
	count  faultCounters

	handle vgo.Device
	core   *core.Device

	queueLock sync.Locker // vkQueueSubmit wants one caller at a time
	queue     core.Handle
	family    uint32

	lost   atomic.Bool
	closed atomic.Bool
	pause  pause

	memory  memory
	layouts layouts
	cache   pipelineCache
	staging staging

	statistics bool

	liveMu sync.Mutex
	live   map[object]struct{}
}

// object is what Live counts: something with a name that must be closed.
type object interface{ describe() string }

// NewDevice opens p. No fence or command pool is made before the first submit,
// so a device that can compile but not run (a driver without hardware) opens too.
func (in *Instance) NewDevice(p *PhysicalDevice, o DeviceOptions) (*Device, error) {
	if p == nil || p.in != in {
		return nil, fmt.Errorf("vk: NewDevice: the device belongs to another instance: %w", ErrNoDevice)
	}
	in.mu.Lock()
	defer in.mu.Unlock()
	if in.closed {
		return nil, fmt.Errorf("vk: opening %s: the instance: %w", p.Caps.Name, ErrClosed)
	}
	d := &Device{in: in, phys: p, log: o.Log, faults: o.Faults, live: map[object]struct{}{}, queueLock: new(sync.Mutex)}
	if d.log == nil {
		d.log = in.log
	}
	if d.faults == nil {
		d.faults = in.faults
	}
	if d.faults == nil {
		d.faults = &Faults{}
	}
	forceStaging := false
	if o.Mask != nil {
		forceStaging = o.Mask.ForceStaging
		if o.Mask.Vulkan11Only {
			narrow, err := in.read(core.HandleOf(p.handle), v11)
			if err != nil {
				return nil, fmt.Errorf("vk: %w", err)
			}
			narrow.Caps.Index = p.Caps.Index
			d.phys = narrow
		}
	}
	d.caps = d.phys.Caps.clone()
	if o.Mask != nil {
		if err := o.Mask.apply(&d.caps); err != nil {
			return nil, err
		}
	}
	d.family = d.phys.family
	d.statistics = o.Statistics && d.caps.ExecutableStatistics
	low := o.LowPriority && d.caps.GlobalPriority
	err := d.create(low)
	if low && err != nil { // drivers list the extension and refuse the priority, as SwiftShader does
		d.log.Debug("the device has no low priority", "err", err)
		err = d.create(false)
	}
	if err != nil {
		return nil, err
	}
	d.memory.init(d, forceStaging)
	d.staging.init(d, o.StagingBytes)
	d.layouts.init()
	if err := d.openCache(o.CacheDir, o.CacheKey); err != nil {
		d.destroy()
		return nil, err
	}
	in.open++
	return d, nil
}

// create makes the VkDevice with just the features that the caps show.
func (d *Device) create(lowPriority bool) error {
	if h := d.in.host; h != nil {
		return h.take(d)
	}
	p, c := d.phys, &d.caps
	has := chain(p.version, p.listed)
	enable := core.Features{
		Int16: c.Int16, Int64: c.Int64,
		Storage16: c.Storage16, Storage8: c.Storage8,
		Float16: c.Float16, Int8: c.Int8,
		// Kernels use the GLSL memory model; cooperative matrices alone are defined in Vulkan's.
		MemoryModel:  c.VulkanMemoryModel && len(c.CooperativeMatrix) > 0,
		SubgroupSize: c.SubgroupSizeControl, FullSubgroups: c.FullSubgroups,
		DotProduct:      c.DotProduct,
		Maintenance4:    p.features.Maintenance4,
		CoopMat:         len(c.CooperativeMatrix) > 0,
		CoopMat2:        core.CoopMat2(c.CooperativeMatrix2),
		BFloat16:        c.BFloat16,
		BFloat16CoopMat: c.BFloat16 && p.features.BFloat16CoopMat && len(c.CooperativeMatrix) > 0,
		ExecutableInfo:  d.statistics,
	}
	if !enable.CoopMat {
		enable.CoopMat2 = core.CoopMat2{}
	}
	names := p.enabled()
	h, r := d.in.core.CreateDevice(core.HandleOf(p.handle), d.family, lowPriority, names, enable, has)
	if err := fail(r, "vkCreateDevice", "opening %s", c.Name); err != nil {
		return err
	}
	handle := core.ToBinding[vgo.Device](h)
	calls, err := d.in.core.NewDevice(h, d.statistics)
	if err != nil {
		vgo.DestroyDevice(handle, nil)
		return fmt.Errorf("vk: opening %s: %w", c.Name, err)
	}
	d.handle, d.core = handle, calls
	var q vgo.Queue
	vgo.GetDeviceQueue(handle, d.family, 0, &q)
	d.queue = core.HandleOf(q)
	return nil
}

// Caps returns what the device can do, after the mask. The caller must not
// change it.
func (d *Device) Caps() *Caps { return &d.caps }

// Lost reports a device that is gone: nothing but closing is left.
func (d *Device) Lost() bool { return d.lost.Load() }

// check returns why nothing can be done any more: closed or lost.
func (d *Device) check(doing, name string) error {
	if !d.closed.Load() && !d.lost.Load() {
		return nil
	}
	if name != "" {
		doing = fmt.Sprintf("%s %q", doing, name)
	}
	if d.closed.Load() {
		return fmt.Errorf("vk: %s: the device: %w", doing, ErrClosed)
	}
	return fmt.Errorf("vk: %s: %w", doing, ErrDeviceLost)
}

// result is fail, and remembers that the device is lost. The paths of a submit
// call it for errors only: its arguments cost an allocation.
func (d *Device) result(r core.Result, call, doing string, args ...any) error {
	if r == core.DeviceLost {
		d.lost.Store(true)
	}
	return fail(r, call, doing, args...)
}

// injected remembers the loss that an injected error stands for.
func (d *Device) injected(err error, doing string, args ...any) error {
	if errors.Is(err, ErrDeviceLost) {
		d.lost.Store(true)
	}
	return fmt.Errorf("vk: %s: %w", fmt.Sprintf(doing, args...), err)
}

func (d *Device) add(o object) {
	d.liveMu.Lock()
	d.live[o] = struct{}{}
	d.liveMu.Unlock()
}

func (d *Device) remove(o object) {
	d.liveMu.Lock()
	delete(d.live, o)
	d.liveMu.Unlock()
}

// Live returns how many buffers, pipelines and commands that the caller made are
// not closed yet. One that was closed counts while commands still use it.
func (d *Device) Live() int {
	d.liveMu.Lock()
	defer d.liveMu.Unlock()
	return len(d.live)
}

// Close releases the device. While objects are alive it does nothing but return
// an error that names them.
func (d *Device) Close() error {
	if d.closed.Load() {
		return nil
	}
	d.FreeStaging()
	d.liveMu.Lock()
	names := make([]string, 0, len(d.live))
	for o := range maps.Keys(d.live) {
		names = append(names, o.describe())
	}
	d.liveMu.Unlock()
	if n := len(names); n > 0 {
		slices.Sort(names)
		more := ""
		if n > 8 {
			names, more = names[:8], ", ..."
		}
		return fmt.Errorf("vk: closing %s: %d objects are still open: %s%s", d.caps.Name, n, strings.Join(names, ", "), more)
	}
	if !d.closed.CompareAndSwap(false, true) {
		return nil
	}
	// No commands are alive and closing them waited for their work, so the queue
	// is idle.
	d.destroy()
	d.in.mu.Lock()
	d.in.open--
	d.in.mu.Unlock()
	return nil
}

// destroy releases what the device itself owns.
func (d *Device) destroy() {
	d.closeCache()
	d.layouts.destroy(d)
	if d.in.host == nil {
		vgo.DestroyDevice(d.handle, nil)
	}
	d.core.Free()
}
