package vkexec

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/cpuexec"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// dots is a device with the kernels of tier 2, whose dot products a software driver emulates.
var dots = vk.Mask{MaxTier: 2, EmulatedDot: true}

// compareInt8 runs prompts and single tokens with activations in bytes through the device and through cpuexec, which rounds
// alike, and compares all logits.
func compareInt8(t *testing.T, path string, mo model.Options, o Options) {
	t.Helper()
	c, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := model.New(c, mo)
	if err != nil {
		t.Fatal(err)
	}
	tensor := func(name string) (quant.Source, error) {
		w, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("no tensor %s", name)
		}
		return w.Source(), nil
	}
	o.Int8 = Int8Always
	device := vktest.Open(t, dots)
	if !device.Caps().Has(vk.CapIntegerDot) {
		t.Skip("the driver has no integer dot products")
	}
	e, err := New(context.Background(), device, m.Graph, tensor, o)
	if err != nil {
		t.Fatal(err)
	}
	defer e.Close()
	if e.int8.few == nil {
		t.Fatal("no product reads bytes")
	}
	weights := cpuexec.Stored(tensor)
	rounded, free := cpuexec.New(m.Graph, weights), cpuexec.New(m.Graph, weights)
	poison(t, e, true)
	mapPages(e)
	inBytes := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: true, Int8: e.int8.few})
	plain := graph.Compile(m.Graph, graph.Options{Output: graph.AllLogits, NoFuse: true})
	start := 0
	for _, n := range []int{33, 1, 5} {
		ids := make([]int32, n)
		for i := range ids {
			ids[i] = int32((start+i)*37+11) % 256
		}
		step := cpuexec.Step{IDs: ids, Seqs: []cpuexec.Seq{{Rows: n, Start: start}}}
		want, err := rounded.Run(inBytes, step)
		if err != nil {
			t.Fatal(err)
		}
		exact, err := free.Run(plain, step)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float32, n*e.Vocab())
		r := run(t, e, ids, start, TailAllLogits)
		if err := e.Logits(context.Background(), r, 0, got); err != nil {
			t.Fatal(err)
		}
		what, effect := fmt.Sprintf("%d tokens behind %d", n, start), rmsOf(widened(exact.Logits), want.Logits)
		compareTo(t, what, got, want.Logits, max(cacheLimit("f32"), int8Share*effect))
		compareTo(t, what+", against float64 without rounding", got, exact.Logits, 0.07) // NMSE 5e-3
		start += n
	}
	ops := map[string]bool{}
	for _, p := range e.plans {
		for _, s := range p.stages {
			ops[s.op] = true
		}
	}
	for _, op := range []string{"mul_mat_vec_i8", "mul_mat_i8", "rms_norm_i8", "quantise"} {
		if !ops[op] {
			t.Errorf("%s was not run: %v", op, ops)
		}
	}
}

// int8Share bounds what activations in bytes differ from the oracle that rounds alike, as a share of what the rounding changes
// at all; it is derived as blockShare is. An activation that is off by δ quanta falls to the other side of a border with the
// probability 2δ and is then off by a whole quantum, where rounding leaves 0.29 rms: √(2δ)/0.29 of it. Where no activation
// falls so the difference is float32's, some 4e-7. One that falls moves every activation behind it by a share of a quantum,
// and then many fall: in a model of two layers, with four inputs of products in each, up to 60 % were seen. Were all
// rounding unlike, it would be 140 %.
const int8Share = 0.9

func TestOracleInt8(t *testing.T) {
	path := testkit.Path(t, "golden/qwen3-dense-tied")
	for _, scheme := range []quant.Scheme{{Bits: 4, Group: 32, Zero: true}, {Bits: 8, Group: 128, Zero: true}} {
		if scheme.Bits == 8 && testing.Short() {
			continue
		}
		t.Run(scheme.Layout().Name(), func(t *testing.T) {
			compareInt8(t, path, model.Options{Quantise: scheme}, Options{Context: 64, KV: "f32"})
		})
	}
	for _, name := range []string{"Q8_0", "Q4_0", "Q4_K_M"} {
		if name != "Q8_0" && testing.Short() {
			continue
		}
		t.Run(name, func(t *testing.T) {
			o := Options{Context: 64, KV: "f32", FuseNorm: strings.HasPrefix(name, "Q4")}
			compareInt8(t, testkit.Path(t, "golden/gguf-quants/"+name+".gguf"), model.Options{}, o)
		})
	}
}

// TestOracleInt8Experts: the experts' products too read bytes, their router does not.
func TestOracleInt8Experts(t *testing.T) {
	compareInt8(t, testkit.Path(t, "golden/qwen3moe-top2"), model.Options{Quantise: quant.Scheme{Bits: 8, Group: 32}}, Options{Context: 64, KV: "f32"})
}

// TestInt8Choice: bytes are read where kernels for them may be used, and are asked for or believed to be faster.
func TestInt8Choice(t *testing.T) {
	c, err := loader.Open(testkit.Path(t, "golden/gguf-quants/Q4_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := model.New(c, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	device := vktest.Open(t, dots)
	if !device.Caps().Has(vk.CapIntegerDot) {
		t.Skip("the driver has no integer dot products")
	}
	only := func(name string) func(string) bool { return func(kernel string) bool { return kernel == name } }
	for _, test := range []struct {
		what      string
		options   Options
		few, many bool
	}{
		{"software devices stay with float32", Options{}, false, false},
		{"asked for", Options{Int8: Int8Always}, true, true},
		{"a kernel is preferred", Options{Prefer: only("mul_mat_i8")}, false, true},
		{"a kernel is disabled", Options{Int8: Int8Always, Disable: only("mul_mat_vec_i8")}, false, false},
		{"never", Options{Int8: Int8Never, Prefer: only("mul_mat_i8")}, false, false},
	} {
		caps := *device.Caps()
		e := &Executor{dev: device, model: m.Graph, options: test.options, chooser: chooser{caps: &caps, find: shaders.Find, disabled: test.options.Disable}}
		if u := e.chooseInt8(); (u.few != nil) != test.few || (u.many != nil) != test.many {
			t.Errorf("%s: few %t, many %t; want %t, %t", test.what, u.few != nil, u.many != nil, test.few, test.many)
		}
	}
}
