package vk_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

var (
	version11 = vk.MakeVersion(1, 1, 0)
	version13 = vk.MakeVersion(1, 3, 0)
)

func everything(_, useful vk.Needs) vk.Needs { return useful }

// bare enables what is required.
func bare(required, _ vk.Needs) vk.Needs { return required }

// TestShared computes on a program's device, which must be as usable afterwards as before.
func TestShared(t *testing.T) {
	for _, test := range []struct {
		name    string
		version vk.Version
		enable  func(required, useful vk.Needs) vk.Needs
	}{
		{"all", version13, everything},
		{"1.1", version11, bare},
		{"1.1 with all", version11, everything},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := vktest.Program(t, test.version, test.enable)
			for round := range 2 { // given back, it can be taken again
				in, p, err := vk.Adopt(h, nil)
				if err != nil {
					t.Fatal(err)
				}
				d, err := in.NewDevice(p, vk.DeviceOptions{})
				if err != nil {
					t.Fatal(err)
				}
				caps := d.Caps()
				if got, want := caps.Storage16, h.Features.StorageBuffer16BitAccess; got != want {
					t.Errorf("16-bit storage is %v, declared %v", got, want)
				}
				if caps.APIVersion > test.version+0xfff {
					t.Errorf("version %s beyond the declared one", caps.APIVersion)
				}
				submits := h.Lock.(*vktest.Lock).Times.Load()
				scale(t, d)
				if n := h.Lock.(*vktest.Lock).Times.Load() - submits; n != 1 {
					t.Errorf("round %d: the queue was locked %d times for one submit", round, n)
				}
				if err := d.Close(); err != nil {
					t.Error(err)
				}
				if err := in.Close(); err != nil {
					t.Error(err)
				}
			}
		})
	}
}

// scale multiplies four numbers on d.
func scale(t *testing.T, d *vk.Device) {
	t.Helper()
	ctx := context.Background()
	x := must(d.NewBuffer("x", 4096, vk.HostToDevice))(t)
	y := must(d.NewBuffer("y", 4096, vk.DeviceToHost))(t)
	k := scaler(t, d, 3)
	copy(words(x.Bytes()), []uint32{1, 2, 3, 4})
	x.Flush(0, x.Size())
	r := d.NewRecorder()
	r.Dispatch(k, []vk.Range{x.Whole(), y.Whole()}, push(4, 1), [3]uint32{1, 1, 1})
	r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.HostRead, Range: y.Whole()}})
	c := must(r.Finish("scale"))(t)
	if err := d.Run(ctx, c); err != nil {
		t.Fatal(err)
	}
	if got := words(y.Bytes())[:4]; !slices.Equal(got, []uint32{4, 7, 10, 13}) {
		t.Errorf("3·x + 1 = %v", got)
	}
	c.Close()
	for _, b := range []*vk.Buffer{x, y} {
		b.Close()
	}
	k.Close()
}

// TestSharedRefuses: what is declared must be enough, and true.
func TestSharedRefuses(t *testing.T) {
	h := vktest.Program(t, version13, everything)
	for _, test := range []struct {
		name   string
		change func(*vk.Host)
		want   string
	}{
		{"version", func(h *vk.Host) { h.APIVersion = vk.MakeVersion(1, 0, 0) }, "1.1 is needed"},
		{"no entry point", func(h *vk.Host) { h.GetInstanceProcAddr = nil }, "null"},
		{"no device", func(h *vk.Host) { h.Device = nil }, "Device is null"},
		{"no queue", func(h *vk.Host) { h.Queue = nil }, "Queue is null"},
		{"family", func(h *vk.Host) { h.QueueFamily = 99 }, "number 99"},
		{"extension", func(h *vk.Host) { h.Extensions = []string{"VK_KHR_no_such"} }, "VK_KHR_no_such"},
		{"extension of a feature", func(h *vk.Host) {
			h.APIVersion, h.Extensions = version11, nil
			h.Features = vk.Features{SubgroupSizeControl: true}
		}, "VK_EXT_subgroup_size_control"},
	} {
		t.Run(test.name, func(t *testing.T) {
			wrong := h
			test.change(&wrong)
			in, _, err := vk.Adopt(wrong, nil)
			if err == nil {
				in.Close()
			}
			if !errors.Is(err, vk.ErrUnsupported) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, want ErrUnsupported with %q", err, test.want)
			}
		})
	}
	if _, _, err := vk.Requirements(vk.Host{GetInstanceProcAddr: h.GetInstanceProcAddr, APIVersion: version13}); !errors.Is(err, vk.ErrUnsupported) {
		t.Errorf("requirements of no device: %v", err)
	}
}

// TestSharedFeature: a feature that is not declared is not used, and one that the device lacks cannot be declared.
func TestSharedFeature(t *testing.T) {
	h := vktest.Program(t, version13, everything)
	_, useful, err := vk.Requirements(h)
	if err != nil {
		t.Fatal(err)
	}
	names := useful.Features.Names()
	if !slices.Contains(names, "subgroupSizeControl") && !slices.Contains(names, "storageBuffer16BitAccess") {
		t.Skip("a device without features")
	}
	h.Features.StorageBuffer16BitAccess, h.Features.ShaderFloat16 = false, false
	in, p, err := vk.Adopt(h, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	if p.Caps.Storage16 || p.Caps.Float16 {
		t.Error("a feature that is not declared is offered to kernels")
	}
	if tier, why := p.Caps.Tier(); tier == 1 || why == "" {
		t.Errorf("tier %d (%s)", tier, why)
	}
	for _, name := range []string{"cooperativeMatrixBlockLoads", "cooperativeMatrix", "storageBuffer16BitAccess"} {
		if slices.Contains(names, name) {
			continue
		}
		wrong := h
		switch name {
		case "cooperativeMatrixBlockLoads":
			wrong.Features.CooperativeMatrixBlockLoads = true
		case "cooperativeMatrix":
			wrong.Features.CooperativeMatrix = true
		default:
			wrong.Features.StorageBuffer16BitAccess = true
		}
		if _, _, err := vk.Adopt(wrong, nil); !errors.Is(err, vk.ErrUnsupported) || !strings.Contains(err.Error(), name) {
			t.Errorf("%v, want ErrUnsupported that names %s", err, name)
		}
	}
}

// TestFeatureNames: the fields are found by their Vulkan names.
func TestFeatureNames(t *testing.T) {
	all := vk.Features{}
	size := unsafe.Sizeof(all)
	fields := unsafe.Slice((*bool)(unsafe.Pointer(&all)), size)
	for i := range fields {
		fields[i] = true
	}
	if n := len(all.Names()); n != int(size) {
		t.Errorf("%d of %d features have a name", n, size)
	}
}
