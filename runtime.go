package qwenvk

import (
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/vk"
)

// Options choose and configure the device. The zero value opens the best device of the machine.
type Options struct {
	Device   string       // index, UUID or part of the name; "": discrete before integrated before software
	Tier     *int         // use no capability group above this one (0..4); nil: all that the device has
	Disable  []string     // names of kernels or capabilities that must not be used, such as "float16" or "mul_mat_vec"
	Prefer   []string     // names of kernels to use, in place of what is the fastest, where several compute the same: "mul_mat_cm"
	Validate bool         // validation layer with synchronization checks; see Runtime.Messages
	CacheDir string       // of compiled pipelines; "": the user's cache folder, "none": no cache
	Profile  bool         // time every dispatch; see Session.Profile
	FindNaN  bool         // look at every operation's result and name the first that is no number; much slower
	Tuning   Tuning       // whether loads measure what is the fastest; "": TuningAuto
	Log      *slog.Logger // of what is worth a line; nil: nothing is logged

	// MemoryLimit bounds the bytes of device memory that the runtime's models take together; 0: what the device has free. A
	// load that asks for no context gets one that fits; one that cannot fit fails with ErrOutOfMemory and says what would.
	MemoryLimit uint64

	// LowPriority asks the driver to let other programs go first, where it knows how: a desktop stays fluent.
	LowPriority bool
	// MaxSubmit is how long one submission to the device may take, for a program that renders with the same queue: work is cut
	// at the borders of dispatches, and long ones within, by times that are measured. 4 ms leave most of a frame to the program;
	// 0: a token is one submission. Each cut costs some tens of microseconds.
	MaxSubmit time.Duration

	faults *vk.Faults // injected by tests
	mask   *vk.Mask   // further limits, set by tests
}

// Device describes a Vulkan device of the machine.
type Device struct {
	Index         int
	Name          string
	Type          string // "discrete", "integrated", "virtual", "software"
	Driver        string
	DriverVersion string
	APIVersion    string
	UUID          string
	VendorID      uint32
	MemoryBytes   uint64
	FreeBytes     uint64        // as the driver estimates it
	Tier          int           // highest kernel group that the device can run
	TierReason    string        // what decides it
	Default       bool          // chosen when no device is named
	SwitchedOff   []SwitchedOff // kernels that its driver computes wrongly
}

// Software reports a device that computes on the CPU.
func (d Device) Software() bool { return d.Type == vk.Software.String() }

// Runtime is an open device. It is safe for concurrent use, and may be closed at any time: see [Runtime.Close].
type Runtime struct {
	life    *lifetime
	mu      sync.Mutex
	models  map[*Model]struct{} // loaded, not closed
	planned uint64              // bytes that loads under way will take

	instance *vk.Instance
	physical *vk.PhysicalDevice
	opening  sync.Mutex                // held while the device changes, and while models go to it or leave it
	current  atomic.Pointer[vk.Device] // see device
	host     bool                      // the device is another program's
	vetoes   *vkexec.Vetoes
	info     Device
	options  Options
	log      *slog.Logger
}

// Open finds the machine's Vulkan devices and opens one. Errors: [ErrNoLoader], [ErrNoDevice], and those of the
// options.
func Open(o Options) (*Runtime, error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	in, err := vk.Open(vk.Options{Validation: o.Validate, Log: log, Faults: o.faults})
	if err != nil {
		return nil, err
	}
	p, err := in.Choose(o.Device)
	if err != nil {
		return nil, errors.Join(err, in.Close())
	}
	return newRuntime(in, o, log).opened(p)
}

func newRuntime(in *vk.Instance, o Options, log *slog.Logger) *Runtime {
	o.Disable = slices.Clone(o.Disable)
	if o.Tier != nil {
		tier := *o.Tier
		o.Tier = &tier
	}
	return &Runtime{life: newLifetime("runtime"), models: map[*Model]struct{}{}, instance: in, options: o, log: log}
}

// opened opens a device for the runtime, or closes the runtime.
func (r *Runtime) opened(p *vk.PhysicalDevice) (*Runtime, error) {
	r.physical = p
	if err := r.openDevice(r.options.faults); err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return r, nil
}

func (r *Runtime) openDevice(faults *vk.Faults) error {
	if err := checkTuning(r.options.Tuning); err != nil {
		return err
	}
	mask, err := r.capsMask()
	if err != nil {
		return err
	}
	d, err := r.instance.NewDevice(r.physical, vk.DeviceOptions{
		Mask: mask, CacheDir: cacheDir(r.options.CacheDir, r.log), CacheKey: vkexec.KernelDigest(), Log: r.log, Faults: faults,
		LowPriority: r.options.LowPriority,
	})
	if err != nil {
		return err
	}
	r.current.Store(d)
	if again := r.vetoes != nil; again {
		return nil
	}
	r.vetoes = vkexec.OpenVetoes(cacheDir(r.options.CacheDir, r.log), d.Caps())
	r.info = r.describe(r.physical)
	if n := len(r.info.SwitchedOff); n > 0 {
		r.log.Info("kernels that this driver computes wrongly are switched off; qwenvk doctor names them", "kernels", n)
	}
	return nil
}

// capsMask hides what the options forbid.
func (r *Runtime) capsMask() (*vk.Mask, error) {
	mask := vk.Mask{MaxTier: vk.AllTiers}
	if r.options.mask != nil {
		mask = *r.options.mask
	}
	if t := r.options.Tier; t != nil {
		if *t < 0 || *t > 4 {
			return nil, fmt.Errorf("tier %d does not exist: use 0 to 4", *t)
		}
		mask.MaxTier = *t
		mask.EmulatedDot = *t == 2 // asked for by name, it may be slow
	}
	kernels := vkexec.KernelNames()
	for _, name := range r.options.Disable {
		if name = strings.TrimSpace(name); !slices.Contains(kernels, name) {
			mask.Hide = append(mask.Hide, vk.Capability(name))
		}
	}
	return &mask, nil
}

// disabled reports kernels that must run in their group 0 form.
func (r *Runtime) disabled(kernel string) bool {
	return slices.ContainsFunc(r.options.Disable, func(name string) bool { return strings.TrimSpace(name) == kernel })
}

// preferred reports kernels that are used where several compute the same; nil: none are.
func (r *Runtime) preferred() func(kernel string) bool {
	if len(r.options.Prefer) == 0 {
		return nil
	}
	return func(kernel string) bool {
		return slices.ContainsFunc(r.options.Prefer, func(name string) bool { return strings.TrimSpace(name) == kernel })
	}
}

// cacheDir is where compiled pipelines are kept; "" for nowhere.
func cacheDir(option string, log *slog.Logger) string {
	switch option {
	case "none":
		return ""
	case "":
		dir, err := os.UserCacheDir()
		if err != nil {
			log.Debug("no pipeline cache", "err", err)
			return ""
		}
		return filepath.Join(dir, "qwenvk")
	}
	return option
}

// Devices lists the machine's devices.
func (r *Runtime) Devices() []Device {
	return describeAll(r.instance, cacheDir(r.options.CacheDir, r.log))
}

// ListDevices lists the machine's devices without opening one.
func ListDevices(o Options) (devices []Device, err error) {
	log := o.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	in, err := vk.Open(vk.Options{Log: log})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	return describeAll(in, cacheDir(o.CacheDir, log)), nil
}

func describeAll(in *vk.Instance, cacheDir string) []Device {
	best, _ := in.Choose("") // no device: nothing is marked
	var devices []Device
	for _, p := range in.Devices() {
		d := describe(p)
		d.Default = p == best
		d.SwitchedOff = switchedOff(vkexec.OpenVetoes(cacheDir, &p.Caps))
		devices = append(devices, d)
	}
	return devices
}

func (r *Runtime) describe(p *vk.PhysicalDevice) Device {
	d := describe(p)
	d.Tier, d.TierReason = r.device().Caps().Tier()
	d.SwitchedOff = switchedOff(r.vetoes)
	if best, err := r.instance.Choose(""); err == nil {
		d.Default = p == best
	}
	return d
}

func describe(p *vk.PhysicalDevice) Device {
	c := &p.Caps
	d := Device{
		Index: c.Index, Name: c.Name, Type: c.Type.String(), Driver: c.DriverName, DriverVersion: c.DriverInfo,
		APIVersion: c.APIVersion.String(), UUID: c.UUID.String(), VendorID: c.VendorID,
		MemoryBytes: c.DeviceBytes, FreeBytes: c.FreeBytes,
	}
	d.Tier, d.TierReason = c.Tier()
	return d
}

// Device is the device that the runtime opened.
func (r *Runtime) Device() Device { return r.info }

// Messages are the validation layer's messages so far; a correct program has none. Nil without Options.Validate.
func (r *Runtime) Messages() []string { return r.instance.Messages() }

// Close closes the runtime's models with their sessions, saves the pipeline cache and gives the device back. Everything may
// be closed in any order, twice, and while others use it: a load under way is cancelled, a step under way is waited for,
// and what is called later, or goes on, gets [ErrClosed]. It must not be called from a callback of the runtime
// (LoadOptions.Progress, the function that Session.Logits calls), which it would wait for.
func (r *Runtime) Close() error { return r.life.close(r.release) }

func (r *Runtime) release() error {
	r.mu.Lock()
	models := slices.Collect(maps.Keys(r.models))
	r.mu.Unlock()
	if r.device() != nil {
		r.device().Resume() // who waits in a pause finds everything closed
	}
	r.opening.Lock()
	defer r.opening.Unlock()
	var errs []error
	for _, m := range models {
		errs = append(errs, m.Close())
	}
	if r.device() != nil {
		if err := r.device().SaveCache(); err != nil {
			r.log.Warn("the pipeline cache could not be written; the next start compiles again", "err", err)
		}
		errs = append(errs, r.device().Close())
	}
	return errors.Join(append(errs, r.instance.Close())...)
}
