package vk_test

import (
	"context"
	"embed"
	"encoding/binary"
	"testing"
	"unsafe"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// The kernels of the tests; any compiler will do, they are plain.
//
//go:generate glslangValidator -V --target-env vulkan1.1 testdata/scale.comp -o testdata/scale.spv
//go:generate glslangValidator -V --target-env vulkan1.1 testdata/groups.comp -o testdata/groups.spv
//go:generate glslangValidator -V --target-env vulkan1.1 testdata/half.comp -o testdata/half.spv

//go:embed testdata/*.spv
var spirv embed.FS

func code(t testing.TB, name string) []byte {
	t.Helper()
	b, err := spirv.ReadFile("testdata/" + name + ".spv")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// words views mapped memory as 32-bit words.
func words(b []byte) []uint32 {
	return unsafe.Slice((*uint32)(unsafe.Pointer(&b[0])), len(b)/4)
}

func push(values ...uint32) []byte {
	var out []byte
	for _, v := range values {
		out = binary.LittleEndian.AppendUint32(out, v)
	}
	return out
}

// must unwraps a constructor's result.
func must[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

const groupSize = 64

// scaler compiles y = factor·x + add.
func scaler(t testing.TB, d *vk.Device, factor uint32) *vk.Pipeline {
	t.Helper()
	p := must(d.NewPipeline(vk.PipelineDesc{
		Name: "scale", Code: code(t, "scale"), Buffers: 2, PushBytes: 8, Constants: []uint32{groupSize, factor},
	}))(t)
	t.Cleanup(p.Close)
	return p
}

func buffer(t testing.TB, d *vk.Device, name string, n uint64, kind vk.MemoryKind) *vk.Buffer {
	t.Helper()
	b := must(d.NewBuffer(name, n, kind))(t)
	t.Cleanup(b.Close)
	return b
}

func TestDependentDispatches(t *testing.T) {
	d := vktest.Open(t)
	const n = 1000
	twice, thrice := scaler(t, d, 2), scaler(t, d, 3)
	x := buffer(t, d, "x", 4*n, vk.HostToDevice)
	y := buffer(t, d, "y", 4*n, vk.DeviceLocal)
	z := buffer(t, d, "z", 4*n, vk.DeviceToHost)
	for i := range words(x.Bytes()) {
		words(x.Bytes())[i] = uint32(i)
	}
	r := d.NewRecorder()
	groups := [3]uint32{(n + groupSize - 1) / groupSize, 1, 1}
	r.Timestamp(0)
	r.Dispatch(twice, []vk.Range{x.Whole(), y.Whole()}, push(n, 1), groups)
	r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.ShaderRead, Range: y.Whole()}})
	r.Dispatch(thrice, []vk.Range{y.Whole(), z.Whole()}, push(n, 5), groups)
	r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.HostRead, Range: z.Whole()}})
	r.Timestamp(1)
	c := must(r.Finish("chain"))(t)
	defer c.Close()
	for range 3 { // warm runs find what first runs hide
		clear(words(z.Bytes()))
		if err := d.Run(context.Background(), c); err != nil {
			t.Fatal(err)
		}
		for i, got := range words(z.Bytes()) {
			if want := uint32(3*(2*i+1) + 5); got != want {
				t.Fatalf("z[%d] = %d, want %d", i, got, want)
			}
		}
	}
	if got, want := c.Counts(), (vk.Counts{Dispatches: 2, Barriers: 2, BufferBarriers: 2}); got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
	times, err := c.Timestamps()
	if err != nil || len(times) != 2 || times[0] != 0 || times[1] <= 0 {
		t.Errorf("timestamps %v, %v", times, err)
	}
}
