package qwenvk_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// ListDevices is for menus: it opens none of them.
func ExampleListDevices() {
	devices, err := qwenvk.ListDevices(qwenvk.Options{})
	check(err)
	for _, d := range devices {
		if d.Default {
			fmt.Println("a device has a name:", d.Name != "", "and memory:", d.MemoryBytes > 0)
		}
	}
	// Output: a device has a name: true and memory: true
}

// A program warns when the models will be computed by the CPU.
func ExampleDevice_Software() {
	var d qwenvk.Device = demoRuntime().Device()
	hint := "answers come at once"
	if d.Software() {
		hint = "without a graphics card answers come slowly"
	}
	for _, kernel := range d.SwitchedOff {
		var off qwenvk.SwitchedOff = kernel
		hint += "; the driver computes " + off.Kernel + " wrongly, which is not used"
	}
	fmt.Println(hint != "", len(demoRuntime().Devices()) > 0)
	// Output: true true
}

// One runtime has all models of a device. Options bound the memory that these take together, and say where the log goes.
func ExampleRuntime() {
	tuning := qwenvk.TuningAuto // measures once which kernels are the fastest, on hardware; TuningForce does it again
	if testing.Testing() && tuning != qwenvk.TuningForce {
		tuning = qwenvk.TuningOff
	}
	rt, err := qwenvk.Open(qwenvk.Options{MemoryLimit: 4 << 30, Tuning: tuning, Log: slog.New(slog.DiscardHandler)})
	check(err)
	small, err := rt.Load(context.Background(), "testdata/golden/qwen3-dense-tied", qwenvk.LoadOptions{Context: 64})
	check(err)
	big, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), qwenvk.LoadOptions{KV: "q8_0"})
	check(err)
	fmt.Println(small.Info().Layers, "and", big.Info().Layers, "layers")
	check(rt.Close()) // closes both models, too
	_, err = big.NewChat(qwenvk.ChatOptions{})
	fmt.Println("closed:", errors.Is(err, qwenvk.ErrClosed))
	// Output:
	// 2 and 4 layers
	// closed: true
}

// LoadGGUF takes a model that the program brings along, with go:embed for example.
func ExampleRuntime_LoadGGUF() {
	model, err := demoRuntime().LoadGGUF(context.Background(), "demo.gguf", demo.GGUF(), qwenvk.LoadOptions{
		Context:     256,
		MemoryLimit: 1 << 30,
	})
	check(err)
	defer model.Close()
	fmt.Println(model.Info().Context)
	// Output: 256
}

// LoadFile takes a file of any file system. Progress feeds a bar.
func ExampleRuntime_LoadFile() {
	files := fstest.MapFS{"models/demo.gguf": {Data: demo.GGUF()}} // or an embed.FS, os.DirFS, zip.Reader
	f, err := files.Open("models/demo.gguf")
	check(err)
	defer f.Close()
	var last qwenvk.Progress
	model, err := demoRuntime().LoadFile(context.Background(), f, qwenvk.LoadOptions{Progress: func(p qwenvk.Progress) {
		last = p // p.Done of p.Total bytes
	}})
	check(err)
	defer model.Close()
	fmt.Println("all is on the device:", last.Done == last.Total && last.Total > 0)
	// Output: all is on the device: true
}

// LoadCheckpoint takes random weights in the shape of a published model, to see what a device would do with it.
func ExampleRuntime_LoadCheckpoint() {
	random, err := loader.Random("qwen3-bench-xs", func(string, loader.Config, string, int, int) quant.Type { return quant.Q8_0 })
	check(err)
	model, err := demoRuntime().LoadCheckpoint(context.Background(), random, qwenvk.LoadOptions{WeightsOnly: true, Context: 128})
	check(err)
	defer model.Close()
	times, err := model.TimeKernels(context.Background(), 1, 16) // one decode step behind 16 tokens
	check(err)
	var slowest qwenvk.KernelTime
	for _, k := range times {
		if k.NS > slowest.NS {
			slowest = k
		}
	}
	fmt.Println("kernels were timed:", len(times) > 0 && slowest.Kernel != "")
	// Output: kernels were timed: true
}

// MeasureLimits gives benchmarks their yardsticks, and MeasureCopy the first of them alone.
func ExampleRuntime_MeasureLimits() {
	limits, err := demoRuntime().MeasureLimits(context.Background())
	check(err)
	bandwidth, err := demoRuntime().MeasureCopy(context.Background())
	check(err)
	fmt.Println(bandwidth > 0 && limits.CopyBytes > 0)
	// Output: true
}

// Messages are for tests of programs: with Options.Validate the validation layer looks at every call.
func ExampleRuntime_Messages() {
	fmt.Println(len(demoRuntime().Messages()))
	// Output: 0
}

// Inspect reads what a file says of itself, without a device.
func ExampleInspect() {
	model, err := qwenvk.Inspect("testdata/demo-model/qwenvk-demo", qwenvk.LoadOptions{})
	check(err)
	fmt.Println(model.Info.Architecture, model.Info.Params, "weights", model.Info.Memory == qwenvk.Memory{})
	for _, fit := range model.Fits(1<<20, 8<<30) {
		fmt.Printf("in %d MiB: a context of %d\n", fit.MemoryBytes>>20, fit.Context["f16"])
	}
	// Output:
	// qwen3 3803904 weights true
	// in 1 MiB: a context of 0
	// in 8192 MiB: a context of 512
}

// WriteGraph shows what a decode step computes.
func ExampleInspectGGUF() {
	var model *qwenvk.Inspection
	model, err := qwenvk.InspectGGUF(demo.Name, demo.GGUF(), qwenvk.LoadOptions{})
	check(err)
	var graph bytes.Buffer
	check(model.WriteGraph(&graph, "text"))
	fmt.Println("attention is computed:", strings.Contains(graph.String(), "attention"))
	fmt.Println("contexts go up to", qwenvk.MaxContext, "tokens, stretched by", qwenvk.MaxRoPEFactor, "at most")
	check(model.WriteGraph(io.Discard, "dot"))
	var fits []qwenvk.Fit = model.Fits()
	fmt.Println(len(fits))
	// Output:
	// attention is computed: true
	// contexts go up to 16777216 tokens, stretched by 1e+06 at most
	// 0
}

// Errors are told apart with errors.Is; what they say is a sentence for people.
func Example_errors() {
	advice := func(err error) string {
		for _, known := range []struct {
			err    error
			advice string
		}{
			{qwenvk.ErrNoLoader, "install the Vulkan loader"},
			{qwenvk.ErrNoDevice, "install the card's Vulkan driver, or name another device"},
			{qwenvk.ErrUnsupported, "the device cannot be used like that"},
			{qwenvk.ErrOutOfMemory, "take a smaller model, context or type"},
			{qwenvk.ErrDeviceLost, "close the runtime and open it again"},
			{qwenvk.ErrNotFound, "look at the path"},
			{qwenvk.ErrCorrupt, "load the file down again"},
			{qwenvk.ErrUnsupportedFormat, "convert the file"},
			{qwenvk.ErrUnsupportedModel, "take another model"},
			{qwenvk.ErrWeights, "the file is not complete"},
			{qwenvk.ErrNoTemplate, "give a chat template"},
			{qwenvk.ErrAdapter, "the adapter was made for another model"},
			{qwenvk.ErrDraft, "the draft model has another vocabulary"},
			{qwenvk.ErrFaultyDevice, "update the driver"},
			{qwenvk.ErrContextFull, "shorten the text"},
			{qwenvk.ErrNoSlot, "load the model with more sessions"},
			{qwenvk.ErrBusy, "wait for the answer's end"},
			{qwenvk.ErrClosed, "it is closed"},
			{qwenvk.ErrBudget, "allow more tokens"},
			{qwenvk.ErrMisfit, "ask again"},
			{qwenvk.ErrHeadless, "the model makes vectors, not text"},
			{qwenvk.ErrPooling, "the model makes its vectors in another way"},
			{qwenvk.ErrNotState, "the file is no saved session"},
			{qwenvk.ErrDamaged, "the saved session is damaged"},
			{qwenvk.ErrNotFinite, "look for the operation with Options.FindNaN"},
		} {
			if errors.Is(err, known.err) {
				return known.advice
			}
		}
		return "report it"
	}
	_, err := demoRuntime().Load(context.Background(), "no-such-file.gguf", qwenvk.LoadOptions{})
	fmt.Println(advice(err))
	_, err = demoRuntime().LoadGGUF(context.Background(), "demo.gguf", demo.GGUF(), qwenvk.LoadOptions{MemoryLimit: 1 << 20})
	fmt.Println(advice(err))
	_, err = qwenvk.Open(qwenvk.Options{Device: "no such card"})
	fmt.Println(advice(err))
	// Output:
	// look at the path
	// take a smaller model, context or type
	// install the card's Vulkan driver, or name another device
}

// program stands for a program that renders with Vulkan: it makes an instance and a device, with what was asked to be enabled.
func program(enable func(host qwenvk.HostDevice) qwenvk.DeviceNeeds) (host qwenvk.HostDevice, end func()) {
	b := &background{}
	h := vktest.Program(b, vk.MakeVersion(1, 3, 0), func(_, useful vk.Needs) vk.Needs { return useful })
	host = qwenvk.HostDevice{
		GetInstanceProcAddr: h.GetInstanceProcAddr, APIVersion: uint32(h.APIVersion),
		Instance: h.Instance, PhysicalDevice: h.PhysicalDevice,
	}
	needs := enable(host)
	host.Device, host.QueueFamily, host.Queue, host.Lock = h.Device, h.QueueFamily, h.Queue, h.Lock
	host.EnabledExtensions, host.EnabledFeatures = needs.Extensions, needs.Features
	return host, b.end
}

// background lets vktest serve an example, which has no testing.T.
type background struct {
	testing.TB
	cleanups []func()
}

func (*background) Helper()                           {}
func (b *background) Cleanup(f func())                { b.cleanups = append(b.cleanups, f) }
func (*background) Error(args ...any)                 { panic(fmt.Sprint(args...)) }
func (*background) Errorf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (*background) Fatal(args ...any)                 { panic(fmt.Sprint(args...)) }
func (*background) Fatalf(format string, args ...any) { panic(fmt.Sprintf(format, args...)) }
func (*background) Skipf(format string, args ...any)  { panic(fmt.Sprintf(format, args...)) }

func (b *background) end() {
	for i := len(b.cleanups) - 1; i >= 0; i-- {
		b.cleanups[i]()
	}
}

// A program that renders asks what to enable, makes its device as it always does, and lends it.
func ExampleOpenWithDevice() {
	host, end := program(func(host qwenvk.HostDevice) qwenvk.DeviceNeeds {
		required, useful, err := qwenvk.Requirements(host) // needs instance and physical device alone
		check(err)
		fmt.Println("what is useful has what is required:", len(useful.Extensions) >= len(required.Extensions))
		return useful
	})
	defer end() // the program's device is the program's to destroy, behind the runtime's end
	rt, err := qwenvk.OpenWithDevice(host, qwenvk.Options{})
	check(err)
	defer rt.Close()
	model, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), qwenvk.LoadOptions{})
	check(err)
	for token, err := range model.Generate(context.Background(), "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n", qwenvk.GenerateOptions{}) {
		check(err)
		fmt.Print(token.Text)
	}
	fmt.Println(host.EnabledFeatures == qwenvk.DeviceFeatures{})
	// Output:
	// what is useful has what is required: true
	// 17+25=42false
}
