package qwenvk_test

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"iter"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/sampler"
)

// TestMain leaves the examples out where there is no Vulkan device and none was promised: an example cannot skip itself.
func TestMain(m *testing.M) {
	flag.Parse()
	if testing.Short() { // on the slower drivers, and under the race detector
		_ = flag.Set("test.skip", "^Example")
	}
	if os.Getenv("CI") == "" && os.Getenv("QWENVK_TEST_DEVICE") == "" {
		_, err := qwenvk.ListDevices(qwenvk.Options{})
		if errors.Is(err, qwenvk.ErrNoLoader) || errors.Is(err, qwenvk.ErrNoDevice) {
			fmt.Fprintln(os.Stderr, "the examples need a Vulkan device and are skipped:", err)
			_ = flag.Set("test.skip", "^Example")
		}
	}
	code := m.Run()
	if loaded.runtime != nil {
		check(loaded.runtime.Close())
	}
	os.Exit(code)
}

// The demo model serves the examples because it is always there: demoModel stands for what a program does once, at its start,
//
//	rt, err := qwenvk.Open(qwenvk.Options{})
//	model, err := rt.Load(ctx, "Qwen3-0.6B-Q8_0.gguf", qwenvk.LoadOptions{})
//
// and check for what it does with errors.
func demoModel() *qwenvk.Model {
	loaded.once.Do(func() {
		rt, err := qwenvk.Open(qwenvk.Options{})
		check(err)
		model, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), qwenvk.LoadOptions{Sessions: 2})
		check(err)
		loaded.runtime, loaded.model = rt, model
	})
	return loaded.model
}

// demoRuntime is the device that demoModel lies on.
func demoRuntime() *qwenvk.Runtime {
	demoModel()
	return loaded.runtime
}

var loaded struct {
	once    sync.Once
	runtime *qwenvk.Runtime
	model   *qwenvk.Model
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}

// greedy always takes the likeliest token, so that the examples have an output.
var greedy = &sampler.Params{}

// say prints an answer as it comes.
func say(answer iter.Seq2[qwenvk.Delta, error]) {
	for delta, err := range answer {
		check(err)
		fmt.Print(delta.Text)
	}
	fmt.Println()
}

// Open takes the best device of the machine, and says which one that is.
func ExampleOpen() {
	rt, err := qwenvk.Open(qwenvk.Options{})
	switch {
	case errors.Is(err, qwenvk.ErrNoLoader):
		fmt.Println("install libvulkan1 and a driver")
		return
	case errors.Is(err, qwenvk.ErrNoDevice):
		fmt.Println("there is no device that Vulkan knows")
		return
	case err != nil:
		fmt.Println(err)
		return
	}
	defer rt.Close()
	device := rt.Device()
	fmt.Println("a device was found:", device.Name != "" && device.MemoryBytes > 0)
	// Output: a device was found: true
}

// Load reads a GGUF file or a folder in Hugging Face layout. What is wrong with it is told apart by errors.Is.
func ExampleRuntime_Load() {
	rt, err := qwenvk.Open(qwenvk.Options{})
	check(err)
	defer rt.Close()
	model, err := rt.Load(context.Background(), "testdata/demo-model/qwenvk-demo", qwenvk.LoadOptions{
		Quant: "int8", // linear layers in 8 bits, with one scale for 32 weights
	})
	switch {
	case errors.Is(err, qwenvk.ErrNotFound):
		fmt.Println("no such model")
		return
	case errors.Is(err, qwenvk.ErrOutOfMemory):
		fmt.Println("too large for this device:", err)
		return
	case err != nil:
		fmt.Println(err)
		return
	}
	defer model.Close()
	info := model.Info()
	fmt.Printf("%s: %d layers, context %d\n", info.Architecture, info.Layers, info.Context)
	// Output: qwen3: 4 layers, context 512
}

// A chat remembers: of the second prompt only what is new is computed.
func ExampleModel_NewChat() {
	ctx := context.Background()
	model := demoModel()
	c, err := model.NewChat(qwenvk.ChatOptions{
		Think:    chat.ThinkOff,
		Sampling: greedy,
	})
	check(err)
	defer c.Close()
	for _, question := range []string{"I want to know what BF16 is.", "Please reverse: fox bird ball"} {
		for delta, err := range c.Send(ctx, question) {
			check(err)
			fmt.Print(delta.Text)
		}
		fmt.Println()
	}
	fmt.Println("tokens not computed again:", c.Result().Usage.CachedTokens > 0)
	// Output:
	// BF16 is a 16-bit float with the exponent range of a 32-bit float.
	// ball bird fox
	// tokens not computed again: true
}

// Run lets the model call functions of the program while it answers.
func ExampleChat_Run() {
	ctx := context.Background()
	model := demoModel()
	c, err := model.NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: greedy})
	check(err)
	defer c.Close()
	tools := qwenvk.ToolOptions{
		Tools: []chat.Tool{{
			Name: "get_weather", Description: "Get the weather of a city",
			Parameters: []byte(`{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`),
			Call: func(ctx context.Context, arguments json.RawMessage) (string, error) {
				return `{"weather": "foggy", "temperature": 1}`, nil
			},
		}},
		Approve: func(ctx context.Context, call chat.ToolCall) (bool, error) {
			fmt.Printf("%s%s may be called\n", call.Name, call.Arguments)
			return true, nil
		},
	}
	for delta, err := range c.Run(ctx, "What is the weather in Oslo?", tools) {
		check(err)
		fmt.Print(delta.Text)
	}
	// Output:
	// get_weather{"city": "Oslo"} may be called
	// It is foggy in Oslo, 1 degrees.
}

// Generate works on token ids, below templates and messages. Leaving the loop ends the answer.
func ExampleSession_Generate() {
	ctx := context.Background()
	model := demoModel()
	session, err := model.NewSession()
	check(err)
	defer session.Close()
	prompt := "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n"
	ids, err := model.Tokenize(prompt)
	check(err)
	var answer strings.Builder
	for token, err := range session.Generate(ctx, ids, qwenvk.GenerateOptions{MaxTokens: 100}) {
		check(err)
		answer.WriteString(token.Text)
	}
	fmt.Println(answer.String())
	fmt.Println(session.Result().FinishReason)
	// Output:
	// <think>
	// 7+5=12, write 2, carry 1
	// 1+2+1=4
	// </think>
	//
	// 17+25=42
	// stop
}

// A session chooses its adapters, and how strongly each acts, between any two answers.
func ExampleSession_SetAdapters() {
	ctx := context.Background()
	rt, err := qwenvk.Open(qwenvk.Options{})
	check(err)
	defer rt.Close()
	model, err := rt.Load(ctx, "testdata/golden/qwen3-dense-tied", qwenvk.LoadOptions{Context: 64})
	check(err)
	defer model.Close()
	style, err := model.LoadAdapter(ctx, "testdata/golden/qwen3-lora/adapter")
	check(err) // errors.Is(err, qwenvk.ErrAdapter): it was made for another model
	defer style.Close()
	session, err := model.NewSession()
	check(err)
	defer session.Close()
	prompt := []int32{199, 159, 255, 7, 214, 139, 186, 257, 81, 205, 289, 224}
	for _, uses := range [][]qwenvk.AdapterUse{{{Adapter: style, Scale: 1}}, nil, {{Adapter: style, Scale: 1}}} {
		check(session.SetAdapters(ctx, uses...))
		for _, err := range session.Generate(ctx, prompt, qwenvk.GenerateOptions{MaxTokens: 5, IgnoreEOS: true}) {
			check(err)
		}
		if ids := session.Result().IDs; len(uses) > 0 {
			fmt.Println("with the adapter:", ids)
		} else {
			fmt.Println("without it begins with the same token:", ids[0] == 269)
		}
	}
	// Output:
	// with the adapter: [269 35 285 285 285]
	// without it begins with the same token: false
	// with the adapter: [269 35 285 285 285]
}

func ExampleModel_Embed() {
	model := demoModel()
	vectors, err := model.Embed(context.Background(), []string{"What is 17 + 25?", "What is 17 + 26?", "Good morning!"}, qwenvk.EmbedOptions{})
	check(err)
	cosine := func(a, b []float32) (sum float32) {
		for i := range a {
			sum += a[i] * b[i]
		}
		return sum
	}
	fmt.Println(len(vectors), "vectors of", len(vectors[0]), "values")
	fmt.Println("the sums are nearer:", cosine(vectors[0], vectors[1]) > cosine(vectors[0], vectors[2]))
	// Output:
	// 3 vectors of 256 values
	// the sums are nearer: true
}
