package vkexec

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/quant"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// withUnits is a device that may use all that it has. Devices without cooperative matrices skip the test.
func withUnits(t *testing.T) vk.Mask {
	t.Helper()
	_, p := vktest.Physical(t)
	if _, ok := p.Caps.MatrixUnit(); !ok {
		t.Skipf("%s has no cooperative matrices", p.Caps.Name)
	}
	return vk.Mask{MaxTier: 3}
}

// unitLimit bounds what matrix units change, in shares of the logits' spread. A factor rounded to the nearest f16 is off by
// an rms of at most 2^-11/√3 of it, 2.8e-4, so a product of two by 4e-4 (measured, and bounded, in the kernel's own test:
// 3e-4). A layer has four products one after the other, gate times up counts for two; their errors are independent, so the
// branches of a layer are off by √5·4e-4, two layers and the head by √11·4e-4, 1.3e-3. The norms, which divide by a stream
// that is off as well, and the softmax may double it.
const unitLimit = 3e-3

// sharpLimit takes its place where scores are large. realisticModel has keys of 300 against queries of 1 in heads of 32:
// scores spread over 300/√32, 53, and q and k off by 4e-4 each move them by 53·√2·4e-4, 0.03. So does every probability, and
// with it what attention adds to a stream that it makes up half of; the second layer doubles it.
const sharpLimit = 0.06

// compareUnits is compareWithOracle with matrix units wherever they can be used.
func compareUnits(t *testing.T, path string, mo model.Options, mask vk.Mask, o Options, limit float64) {
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
	o.Prefer = func(kernel string) bool { return strings.HasSuffix(kernel, "_cm") }
	compareWithin(t, c, m, mask, o, nil, limit)
}

func TestOracleMatrixUnits(t *testing.T) {
	mask := withUnits(t)
	f32, f16 := quant.F32, quant.F16
	for name, mo := range map[string]model.Options{
		"bf16": {}, "f32": {Store: &f32}, "f16": {Store: &f16},
		"int8": {Quantise: quant.Scheme{Bits: 8, Group: 32}}, "int4": {Quantise: quant.Scheme{Bits: 4, Group: 128, Zero: true}},
	} {
		if testing.Short() && name != "bf16" && name != "int4" {
			continue
		}
		t.Run(name, func(t *testing.T) {
			compareUnits(t, testkit.Path(t, "golden/qwen3-dense-tied"), mo, mask, Options{Context: 64, KV: "f32"}, unitLimit)
		})
	}
	// Caches that attention by matrix units reads; f16 is rounded as the oracle's is.
	for _, kv := range []KVType{"f16", "q8_0", "q4_0"} {
		if testing.Short() && kv != "f16" {
			continue
		}
		t.Run("kv-"+string(kv), func(t *testing.T) {
			compareUnits(t, testkit.Path(t, "golden/qwen3-dense-tied"), model.Options{}, mask, Options{Context: 64, KV: kv}, unitLimit)
		})
	}
	for _, name := range []string{"qwen3moe-top2", "qwen2moe"} {
		t.Run(name, func(t *testing.T) {
			compareUnits(t, testkit.Path(t, "golden/"+name), model.Options{}, mask, Options{Context: 64, KV: "f32"}, unitLimit)
		})
	}
	for _, name := range []string{"Q8_0", "Q4_K_M"} {
		t.Run(fmt.Sprint("gguf/", name), func(t *testing.T) {
			compareUnits(t, testkit.Path(t, "golden/gguf-quants/"+name+".gguf"), model.Options{}, mask, Options{Context: 64, KV: "f32"}, unitLimit)
		})
	}
}

// What f16 does not hold is held all the same: normed rows up to 9e4, gate·up products of 1e6, weights of 1e-7.
func TestOracleMatrixUnitsRealWeights(t *testing.T) {
	mask := withUnits(t)
	path := realisticModel(t)
	for _, kv := range KVTypes() {
		if testing.Short() && kv != "f16" {
			continue
		}
		t.Run("kv-"+string(kv), func(t *testing.T) {
			compareUnits(t, path, model.Options{}, mask, Options{Context: 64, KV: kv}, sharpLimit)
		})
	}
	t.Run("int8", func(t *testing.T) {
		compareUnits(t, path, model.Options{Quantise: quant.Scheme{Bits: 8, Group: 32}}, mask, Options{Context: 64, KV: "f32"}, unitLimit)
	})
}

// The tests above would pass with plain kernels as well: a prompt's products, those of experts and attention are by matrix
// units where they are preferred, and by none where they are not and the device emulates them; a router's never.
func TestMatrixUnitsAreUsed(t *testing.T) {
	mask := withUnits(t)
	c, err := loader.Open(testkit.Path(t, "golden/qwen3moe-top2"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	m, err := model.New(c, model.Options{})
	if err != nil {
		t.Fatal(err)
	}
	source := func(name string) (quant.Source, error) {
		w, ok := c.Tensor(name)
		if !ok {
			return nil, fmt.Errorf("no tensor %s", name)
		}
		return w.Source(), nil
	}
	dev := vktest.Open(t, mask)
	for _, preferred := range []bool{true, false} {
		o := Options{Context: 64, KV: "f16"}
		if preferred {
			o.Prefer = func(kernel string) bool { return strings.HasSuffix(kernel, "_cm") }
		} else if dev.Caps().Type != vk.Software {
			continue
		}
		e, err := New(context.Background(), dev, m.Graph, source, o)
		if err != nil {
			t.Fatal(err)
		}
		defer e.Close()
		l, _, err := e.lowered(context.Background(), planKey{rows: 33, seqs: 1, widest: 33, tail: TailNone, upload: true})
		if err != nil {
			t.Fatal(err)
		}
		uses := map[string]int{}
		for _, d := range l.dispatches {
			name := d.op
			if d.indirect != nil {
				name += " over experts"
			}
			uses[name]++
			if strings.Contains(d.label, "ffn_gate_inp") && d.op != "mul_mat" {
				t.Errorf("the router %s is multiplied by %s", d.label, d.op)
			}
		}
		for _, name := range []string{"mul_mat_cm", "mul_mat_cm over experts", "attention_cm", "row_scale"} {
			if (uses[name] > 0) != preferred {
				t.Errorf("preferred %v: %s is used %d times: %v", preferred, name, uses[name], uses)
			}
		}
	}
}
