package shaders_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// array is what a test binds: words of a buffer, and after a run what the device made of them.
type array struct {
	words   []uint32
	written bool // the kernel may change it
}

func floats(v []float32) *array {
	a := &array{words: make([]uint32, len(v))}
	for i, f := range v {
		a.words[i] = math.Float32bits(f)
	}
	return a
}

func uints(v ...uint32) *array { return &array{words: slices.Clone(v)} }

// packed takes bytes, zero padded to 16 as planes of weights are.
func packed(b []byte) *array {
	b = append(slices.Clone(b), make([]byte, (16-len(b)%16)%16)...)
	a := &array{words: make([]uint32, len(b)/4)}
	for i := range a.words {
		a.words[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return a
}

// poison is a NaN that no kernel makes: memory that should be written still holds it if it was not, and what reads it
// shows.
const poison = 0x7fc0dead

// output is n words to be written, poisoned.
func output(n int) *array {
	a := &array{words: make([]uint32, n), written: true}
	for i := range a.words {
		a.words[i] = poison
	}
	return a
}

// inPlace marks an array that the kernel changes.
func (a *array) inPlace() *array {
	a.written = true
	return a
}

func (a *array) float(i int) float32 { return math.Float32frombits(a.words[i]) }

func (a *array) floats() []float32 {
	v := make([]float32, len(a.words))
	for i := range v {
		v[i] = a.float(i)
	}
	return v
}

// bed runs kernels on the device of the tests.
type bed struct {
	testing.TB            // of the running subtest
	owner      testing.TB // of the device and the pipelines
	device     *vk.Device
	pipelines  map[string]*vk.Pipeline
}

func newBed(t testing.TB, mask ...vk.Mask) *bed {
	return &bed{t, t, vktest.Open(t, mask...), map[string]*vk.Pipeline{}}
}

// modules returns the kernel's modules that the device can run: all tiers of all its variants.
func (b *bed) modules(kernel string) []shaders.Module {
	var runnable []shaders.Module
	for _, m := range shaders.Modules() {
		if m.Kernel == kernel && !slices.ContainsFunc(m.Needs, func(need string) bool {
			return !b.device.Caps().Has(vk.Capability(need))
		}) {
			runnable = append(runnable, m)
		}
	}
	if len(runnable) == 0 {
		b.Fatalf("the device runs no variant of %s", kernel)
	}
	return runnable
}

// with adds to a copy of a set of constants.
func with(base map[string]uint32, more map[string]uint32) map[string]uint32 {
	all := map[string]uint32{}
	for _, set := range []map[string]uint32{base, more} {
		for name, value := range set {
			all[name] = value
		}
	}
	return all
}

func (b *bed) pipeline(m shaders.Module, constants map[string]uint32) *vk.Pipeline {
	b.Helper()
	spec, err := m.Specialize(constants)
	if err != nil {
		b.Fatal(err)
	}
	name := fmt.Sprint(m.File, spec)
	if p, ok := b.pipelines[name]; ok {
		return p
	}
	size := constants["SUBGROUP"] // 0: any
	p, err := b.device.NewPipeline(vk.PipelineDesc{
		Name: name, Code: m.Code, Buffers: m.Buffers, PushBytes: m.PushBytes, Constants: spec, SubgroupSize: size, FullSubgroups: size != 0,
	})
	if err != nil {
		b.Fatal(err)
	}
	b.owner.Cleanup(p.Close)
	b.pipelines[name] = p
	return p
}

// tailWords are bound behind each array: poison that must stay.
const tailWords = 64

// run dispatches once. bindings stand in the order of the kernel's; a nil is bound to a few words that it must not touch.
func (b *bed) run(m shaders.Module, constants map[string]uint32, push any, groups [3]uint32, bindings ...*array) {
	b.Helper()
	p := b.pipeline(m, constants)
	buffers := map[*array]*vk.Buffer{}
	ranges := make([]vk.Range, m.Buffers)
	var barriers []vk.Barrier
	for i := range ranges {
		var a *array
		if i < len(bindings) {
			a = bindings[i]
		}
		if a == nil {
			a = uints(poison, poison, poison, poison)
		}
		if buffers[a] == nil {
			buffer, err := b.device.NewBuffer("test", uint64(4*(len(a.words)+tailWords)), vk.DeviceToHost)
			if err != nil {
				b.Fatal(err)
			}
			defer buffer.Close()
			buffers[a] = buffer
			mapped := buffer.Bytes()
			for j, w := range a.words {
				binary.LittleEndian.PutUint32(mapped[4*j:], w)
			}
			for j := len(a.words); j < len(a.words)+tailWords; j++ {
				binary.LittleEndian.PutUint32(mapped[4*j:], poison)
			}
			if err := buffer.Flush(0, buffer.Size()); err != nil {
				b.Fatal(err)
			}
			barriers = append(barriers, vk.Barrier{Src: vk.ShaderWrite, Dst: vk.HostRead, Range: buffer.Whole()})
		}
		ranges[i] = buffers[a].Whole()
	}
	pushed, err := binary.Append(nil, binary.LittleEndian, push)
	if err != nil {
		b.Fatal(err)
	}
	r := b.device.NewRecorder()
	r.Dispatch(p, ranges, pushed, groups)
	r.Barriers(barriers)
	c, err := r.Finish(m.File)
	if err != nil {
		b.Fatal(err)
	}
	defer c.Close()
	if err := b.device.Run(context.Background(), c); err != nil {
		b.Fatal(err)
	}
	for a, buffer := range buffers {
		mapped := buffer.Bytes()
		for j := range a.words {
			w := binary.LittleEndian.Uint32(mapped[4*j:])
			if w != a.words[j] && !a.written {
				b.Fatalf("%s: a readonly buffer changed at word %d of %d", p.Name(), j, len(a.words))
			}
			a.words[j] = w
		}
		for j := len(a.words); j < len(a.words)+tailWords; j++ {
			if w := binary.LittleEndian.Uint32(mapped[4*j:]); w != poison {
				b.Fatalf("%s: wrote %#x behind a buffer, %d words after its %d", p.Name(), w, j-len(a.words), len(a.words))
			}
		}
	}
}

// check compares with float64 results. allowed bounds each error; NaN and Inf never pass where they are not wanted.
func check(t testing.TB, what string, got []float32, want []float64, allowed func(i int) float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	worst, at, bad := 0.0, -1, 0
	for i, w := range want {
		err := math.Abs(float64(got[i]) - w)
		if err <= allowed(i) { // false for NaN
			continue
		}
		bad++
		if at < 0 || err > worst || math.IsNaN(err) {
			worst, at = err, i
		}
	}
	if bad > 0 {
		n := min(5, len(got))
		t.Fatalf("%s: %d of %d values differ; worst at %d: got %g, want %g (allowed %g)\nfirst got  %v\nfirst want %v",
			what, bad, len(want), at, got[at], want[at], allowed(at), got[:n], want[:n])
	}
}

func relative(want []float64, factor, floor float64) func(int) float64 {
	return func(i int) float64 { return factor*math.Abs(want[i]) + floor }
}

func randoms(rng *rand.Rand, n int) []float32 {
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return v
}

func ceil(a, b int) uint32 { return uint32((a + b - 1) / b) }

// software tells Tuning what the device is.
func (b *bed) software() bool { return b.device.Caps().Type == vk.Software }
