package vk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

func TestNoLoader(t *testing.T) {
	for _, path := range []string{filepath.Join(t.TempDir(), "libvulkan.so.1"), "libm.so.6"} {
		in, err := vk.Open(vk.Options{Loader: path})
		if !errors.Is(err, vk.ErrNoLoader) || in != nil {
			t.Errorf("%s: %v, want ErrNoLoader", path, err)
		}
	}
}

func TestNoDriver(t *testing.T) {
	vktest.Instance(t) // skips without a loader
	for _, name := range []string{"VK_DRIVER_FILES", "VK_ICD_FILENAMES", "VK_ADD_DRIVER_FILES"} {
		t.Setenv(name, filepath.Join(t.TempDir(), "none.json"))
	}
	in, err := vk.Open(vk.Options{})
	if err == nil { // some loaders open without a driver
		defer in.Close()
		_, err = in.Choose("")
	}
	if !errors.Is(err, vk.ErrNoDevice) {
		t.Errorf("%v, want ErrNoDevice", err)
	}
}

func TestChooseReal(t *testing.T) {
	in, p := vktest.Physical(t)
	for _, selector := range []string{fmt.Sprint(p.Caps.Index), p.Caps.UUID.String()} {
		if got, err := in.Choose(selector); err != nil || got.Caps.UUID != p.Caps.UUID {
			t.Errorf("Choose(%q) = %v, %v", selector, got, err)
		}
	}
	if _, err := in.Choose("no such device"); !errors.Is(err, vk.ErrNoDevice) || !strings.Contains(err.Error(), p.Caps.Name) {
		t.Errorf("wrong name: %v", err)
	}
}

// TestPortableLimits: what every kernel counts on must be there.
func TestPortableLimits(t *testing.T) {
	_, p := vktest.Physical(t)
	c := p.Caps
	if c.MaxPushBytes < vk.MaxPushBytes || c.MaxStorageBuffers < vk.MaxStorageBuffers || c.MaxBoundSets < 2 ||
		c.StorageAlign > vk.OffsetAlign || c.MaxSharedBytes < vk.Tier0Shared || c.MaxInvocations < 128 ||
		min(c.MaxGroups[0], c.MaxGroups[1], c.MaxGroups[2]) < vk.MaxGroups {
		t.Errorf("%s is below the portable limits: %+v", c.Name, c)
	}
	if c.APIVersion < vk.MakeVersion(1, 1, 0) || c.DeviceBytes == 0 || c.MaxAllocationSize < 1<<30 || len(c.Types) == 0 {
		t.Errorf("%s: %+v", c.Name, c)
	}
}

// collector is a testing.TB that keeps what it is told.
type collector struct {
	testing.TB
	errors   []string
	cleanups []func()
}

func (c *collector) Helper()           {}
func (c *collector) Error(args ...any) { c.errors = append(c.errors, fmt.Sprint(args...)) }

func (c *collector) Errorf(format string, args ...any) {
	c.errors = append(c.errors, fmt.Sprintf(format, args...))
}
func (c *collector) Cleanup(f func()) { c.cleanups = append(c.cleanups, f) }
func (c *collector) end() {
	for i := len(c.cleanups) - 1; i >= 0; i-- {
		c.cleanups[i]()
	}
}

// TestMessagesFail makes the mistakes that vktest must report: a missing
// barrier, found by synchronization validation, and objects left open.
func TestMessagesFail(t *testing.T) {
	if in, err := vk.Open(vk.Options{Validation: true}); err != nil {
		t.Skipf("no validation here: %v", err)
	} else if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	chain := func(t testing.TB, barrier bool) {
		d := vktest.Open(t)
		p, err := d.NewPipeline(vk.PipelineDesc{Name: "scale", Code: code(t, "scale"), Buffers: 2, PushBytes: 8, Constants: []uint32{groupSize, 2}})
		if err != nil {
			t.Error(err)
			return
		}
		defer p.Close()
		b, err := d.NewBuffer("b", 3*256, vk.DeviceLocal)
		if err != nil {
			t.Error(err)
			return
		}
		defer b.Close()
		r := d.NewRecorder()
		r.Dispatch(p, []vk.Range{b.Range(0, 256), b.Range(256, 256)}, push(64, 0), [3]uint32{1, 1, 1})
		if barrier {
			r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.ShaderRead, Range: b.Range(256, 256)}})
		}
		r.Dispatch(p, []vk.Range{b.Range(256, 256), b.Range(512, 256)}, push(64, 0), [3]uint32{1, 1, 1})
		if c, err := r.Finish("chain"); err != nil {
			t.Error(err)
		} else {
			c.Close()
		}
	}
	for _, test := range []struct {
		why  string
		run  func(testing.TB)
		want string // in one of the errors; "" for no error
	}{
		{"nothing wrong", func(t testing.TB) { chain(t, true) }, ""},
		{"missing barrier", func(t testing.TB) { chain(t, false) }, "SYNC-HAZARD-READ-AFTER-WRITE"},
		{"object left open", func(t testing.TB) {
			d := vktest.Open(t)
			b := must(d.NewBuffer("forgotten", 256, vk.DeviceLocal))(t)
			t.(*collector).TB.Cleanup(func() {
				b.Close()
				_ = d.Close()
			})
		}, `buffer "forgotten"`},
	} {
		c := &collector{TB: t}
		test.run(c)
		c.end()
		all := strings.ToLower(strings.Join(c.errors, "\n"))
		if test.want == "" && all != "" || !strings.Contains(all, strings.ToLower(test.want)) {
			t.Errorf("%s: errors %q, want %q among them", test.why, c.errors, test.want)
		}
	}
}

func TestCloseOrder(t *testing.T) {
	in, p := vktest.Physical(t)
	d := must(in.NewDevice(p, vk.DeviceOptions{}))(t)
	b := must(d.NewBuffer("weights", 1<<20, vk.DeviceLocal))(t)
	if err := in.Close(); err == nil {
		t.Error("the instance closed under an open device")
	}
	if err := d.Close(); err == nil || !strings.Contains(err.Error(), `buffer "weights"`) {
		t.Errorf("closing with a live buffer: %v", err)
	}
	b.Close()
	b.Close()
	if err := d.Close(); err != nil {
		t.Error(err)
	}
	if err := d.Close(); err != nil {
		t.Errorf("second close: %v", err)
	}
	if _, err := d.NewBuffer("late", 16, vk.DeviceLocal); !errors.Is(err, vk.ErrClosed) {
		t.Errorf("buffer of a closed device: %v, want ErrClosed", err)
	}
}

func TestBuffers(t *testing.T) {
	d := vktest.Open(t, vk.Mask{MaxTier: vk.AllTiers, MaxAllocationSize: 1 << 20})
	if _, err := d.NewBuffer("empty", 0, vk.DeviceLocal); !errors.Is(err, vk.ErrLimit) {
		t.Errorf("empty buffer: %v, want ErrLimit", err)
	}
	if _, err := d.NewBuffer("large", 1<<20+1, vk.DeviceLocal); !errors.Is(err, vk.ErrLimit) {
		t.Errorf("buffer beyond the allocation limit: %v, want ErrLimit", err)
	}
	// Many small buffers share few allocations, and none shares bytes.
	var list []*vk.Buffer
	for i := range 200 {
		b := must(d.NewBuffer(fmt.Sprint("small ", i), uint64(1+i*37), vk.HostToDevice))(t)
		for j := range b.Bytes() {
			b.Bytes()[j] = byte(i)
		}
		list = append(list, b)
	}
	use := d.Memory()
	if use.Allocations > 4 || use.Buffers != 200 || use.Used > use.Allocated || use.Peak < use.Allocated {
		t.Errorf("memory %+v", use)
	}
	for i, b := range list {
		if len(bytes.Trim(b.Bytes(), string([]byte{byte(i)}))) != 0 {
			t.Errorf("buffer %d was overwritten", i)
		}
		b.Close()
	}
	if use := d.Memory(); use.Allocated != 0 || use.Used != 0 || use.Buffers != 0 {
		t.Errorf("after closing: %+v", use)
	}
	if free, _ := d.Budget(); free == 0 {
		t.Error("no budget")
	}
}

func TestOutOfMemory(t *testing.T) {
	d := vktest.Open(t)
	c := d.Caps()
	if c.MaxAllocationSize <= c.DeviceBytes {
		// Several of the largest allocations together exceed the device.
		t.Skipf("%s allows no allocation larger than its memory", c.Name)
	}
	_, err := d.NewBuffer("huge", c.DeviceBytes+1, vk.DeviceLocal)
	if !errors.Is(err, vk.ErrOutOfMemory) && !errors.Is(err, vk.ErrLimit) {
		t.Errorf("%v", err)
	}
}

func TestPipelineRefuses(t *testing.T) {
	d := vktest.Open(t)
	good := vk.PipelineDesc{Name: "scale", Code: code(t, "scale"), Buffers: 2, PushBytes: 8, Constants: []uint32{64, 1}}
	for why, change := range map[string]func(*vk.PipelineDesc){
		"no code":              func(p *vk.PipelineDesc) { p.Code = nil },
		"odd length":           func(p *vk.PipelineDesc) { p.Code = p.Code[:len(p.Code)-1] },
		"not SPIR-V":           func(p *vk.PipelineDesc) { p.Code = bytes.Repeat([]byte{1}, 400) },
		"push constants":       func(p *vk.PipelineDesc) { p.PushBytes = 132 },
		"odd push constants":   func(p *vk.PipelineDesc) { p.PushBytes = 6 },
		"buffers":              func(p *vk.PipelineDesc) { p.Buffers = 9 },
		"negative buffers":     func(p *vk.PipelineDesc) { p.Buffers = -1 },
		"subgroup size":        func(p *vk.PipelineDesc) { p.SubgroupSize = 4096 },
		"subgroup size no 2^n": func(p *vk.PipelineDesc) { p.SubgroupSize = 7 },
	} {
		desc := good
		change(&desc)
		if p, err := d.NewPipeline(desc); err == nil {
			p.Close()
			t.Errorf("%s: no error", why)
		}
		if _, err := d.NewPipelines([]vk.PipelineDesc{good, desc, good}); err == nil {
			t.Errorf("%s among good ones: no error", why)
		}
	}
	masked := vktest.Open(t, vk.Mask{MaxTier: 0})
	_, err := masked.NewPipeline(vk.PipelineDesc{Name: "half", Code: code(t, "half"), Buffers: 1})
	if !errors.Is(err, vk.ErrUnsupported) || !strings.Contains(err.Error(), "16Bit") && !strings.Contains(err.Error(), "Float16") {
		t.Errorf("a kernel that needs a masked feature: %v, want ErrUnsupported", err)
	}
	sized := good
	sized.SubgroupSize = d.Caps().SubgroupSize
	list := must(d.NewPipelines([]vk.PipelineDesc{good, sized, good}))(t)
	for _, p := range list {
		if _, err := p.Statistics(); err != nil {
			t.Error(err)
		}
		p.Close()
	}
}

func TestFaults(t *testing.T) {
	boom := errors.New("boom")
	d := vktest.OpenWith(t, vk.DeviceOptions{Faults: &vk.Faults{SubmitAt: 2, SubmitErr: boom, AllocAt: 3, PipelineAt: 2, WaitAt: 4, WaitErr: boom}})
	for i := 1; i <= 4; i++ {
		b, err := d.NewBuffer("b", 256, vk.DeviceLocal)
		if (i == 3) != errors.Is(err, vk.ErrOutOfMemory) || (i == 3) != (err != nil) {
			t.Errorf("buffer %d: %v", i, err)
		}
		b.Close()
	}
	for i := 1; i <= 3; i++ {
		p, err := d.NewPipeline(vk.PipelineDesc{Name: "scale", Code: code(t, "scale"), Buffers: 2, PushBytes: 8, Constants: []uint32{64, 1}})
		if (i == 2) != errors.Is(err, vk.ErrOutOfMemory) {
			t.Errorf("pipeline %d: %v", i, err)
		}
		p.Close()
	}
	c := must(d.NewRecorder().Finish("empty"))(t)
	defer c.Close()
	for i := 1; i <= 6; i++ {
		err := d.Run(context.Background(), c)
		if (i == 2 || i == 5) != errors.Is(err, boom) {
			t.Errorf("run %d: %v", i, err)
		}
	}
}

func TestDeviceLost(t *testing.T) {
	d := vktest.OpenWith(t, vk.DeviceOptions{Faults: &vk.Faults{SubmitAt: 2, SubmitErr: vk.ErrDeviceLost}})
	b := buffer(t, d, "b", 256, vk.DeviceLocal)
	p := scaler(t, d, 1)
	c := must(d.NewRecorder().Finish("first"))(t)
	defer c.Close()
	ticket := must(d.Submit(c))(t)
	if err := ticket.Wait(background); err != nil {
		t.Fatal(err)
	}
	r := d.NewRecorder()
	r.Fill(b.Whole(), 0)
	late := must(r.Finish("late"))(t)
	defer late.Close()
	if err := d.Run(background, late); !errors.Is(err, vk.ErrDeviceLost) {
		t.Fatalf("the lost submit: %v", err)
	}
	check := func(what string, err error) {
		t.Helper()
		if !errors.Is(err, vk.ErrDeviceLost) {
			t.Errorf("%s after the loss: %v, want ErrDeviceLost", what, err)
		}
	}
	_, err := d.Submit(c)
	check("Submit", err)
	check("Run", d.Run(background, c))
	_, err = d.NewBuffer("x", 16, vk.DeviceLocal)
	check("NewBuffer", err)
	_, err = d.NewPipeline(vk.PipelineDesc{Name: p.Name(), Code: code(t, "scale"), Buffers: 2, PushBytes: 8})
	check("NewPipeline", err)
	_, err = d.NewRecorder().Finish("x")
	check("Finish", err)
	check("UploadBytes", d.UploadBytes(background, b.Whole(), make([]byte, 256)))
	check("Download", d.Download(background, make([]byte, 256), b.Whole()))
	check("SaveCache", d.SaveCache())
}

func TestPipelineCache(t *testing.T) {
	dir := t.TempDir()
	var log bytes.Buffer
	open := func(o vk.DeviceOptions) {
		t.Helper()
		log.Reset()
		o.Log = slog.New(slog.NewTextHandler(&log, nil))
		t.Run("", func(t *testing.T) {
			d := vktest.OpenWith(t, o)
			scaler(t, d, 2)
			for range 2 {
				if err := d.SaveCache(); err != nil {
					t.Error(err)
				}
			}
		})
	}
	files := func(dir string) []string {
		list, _ := filepath.Glob(filepath.Join(dir, "*"))
		hidden, _ := filepath.Glob(filepath.Join(dir, ".*"))
		return append(list, hidden...)
	}
	open(vk.DeviceOptions{})
	if got := files(dir); len(got) != 0 {
		t.Errorf("without CacheDir: %v", got)
	}
	open(vk.DeviceOptions{CacheDir: dir, Faults: &vk.Faults{CacheWrite: errors.New("no space left on device")}})
	if got := files(dir); len(got) != 0 {
		t.Errorf("a failed write left %v", got)
	}
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("a failed write logged %d warnings, want 1: %s", n, log.String())
	}
	open(vk.DeviceOptions{CacheDir: dir})
	list := files(dir)
	if len(list) != 1 || log.Len() != 0 {
		t.Fatalf("after a good run: files %v, log %q", list, log.String())
	}
	good, err := os.ReadFile(list[0])
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{
		"good": good, "empty": {}, "cut": good[:len(good)-1], "damaged": append(bytes.Clone(good[:len(good)-1]), good[len(good)-1]^1),
		"foreign": []byte("another program's file"),
	} {
		if err := os.WriteFile(list[0], data, 0o600); err != nil {
			t.Fatal(err)
		}
		open(vk.DeviceOptions{CacheDir: dir})
		// 51 bytes are the magic and the identity; drivers need not be deterministic.
		if got, err := os.ReadFile(list[0]); err != nil || !bytes.Equal(got[:51], good[:51]) || log.Len() != 0 {
			t.Errorf("%s: afterwards %d bytes, %v, log %q", name, len(got), err, log.String())
		}
	}
	open(vk.DeviceOptions{CacheDir: dir, CacheKey: "other shaders"})
	if got := files(dir); len(got) != 2 {
		t.Errorf("two sets of shaders: files %v", got)
	}
	// A folder that cannot be made, whoever runs the test.
	blocked := filepath.Join(list[0], "below a file")
	open(vk.DeviceOptions{CacheDir: blocked})
	if n := strings.Count(log.String(), "level=WARN"); n != 1 {
		t.Errorf("an impossible folder logged %d warnings, want 1: %s", n, log.String())
	}
}

func TestVulkan11(t *testing.T) {
	full := vktest.Open(t)
	d := vktest.Open(t, vk.Mask{MaxTier: vk.AllTiers, Vulkan11Only: true})
	if v := d.Caps().APIVersion; v >= vk.MakeVersion(1, 2, 0) {
		t.Errorf("version %s", v)
	}
	if d.Caps().Has(vk.CapStorage16) != full.Caps().Has(vk.CapStorage16) {
		t.Error("16-bit storage is a feature of Vulkan 1.1 and must stay")
	}
	if err := scaleOnce(d, code(t, "scale"), 3, 4); err != nil {
		t.Error(err)
	}
	if err := scaleOnce(vktest.Open(t, vk.Mask{NoSubgroups: true}), code(t, "scale"), 3, 4); err != nil {
		t.Error(err)
	}
}
