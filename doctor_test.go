package qwenvk_test

import (
	"context"
	"encoding/binary"
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/doctor"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// corrupted changes one instruction of a kind, the n-th from 0, in a module to another of the same form: one word, and the module still loads.
func corrupted(t *testing.T, module string, n int, from, to uint32) *vk.Faults {
	t.Helper()
	return &vk.Faults{Code: func(name string, code []byte) []byte {
		if name != module {
			return nil
		}
		bad, at, left := slices.Clone(code), -1, n
		for i := 20; i < len(bad); {
			word := binary.LittleEndian.Uint32(bad[i:])
			if word&0xffff == from {
				if left == 0 {
					at = i
				}
				left--
			}
			i += int(word>>16) * 4
		}
		if at < 0 {
			t.Errorf("%s has no %d instructions %d to corrupt", module, n+1, from)
			return nil
		}
		binary.LittleEndian.PutUint32(bad[at:], binary.LittleEndian.Uint32(bad[at:])&0xffff0000|to)
		return bad
	}}
}

// Opcodes of SPIR-V.
const (
	opConvertSToF, opConvertUToF = 111, 112
	opFAdd, opFSub, opFMul       = 129, 131, 133
	opBitwiseOr, opBitwiseAnd    = 197, 199
)

func openFaulty(t *testing.T, cache string, f *vk.Faults, tier ...int) *qwenvk.Runtime {
	t.Helper()
	o := qwenvk.Options{Device: os.Getenv(vktest.Selector), CacheDir: cache}
	if len(tier) > 0 { // products read bytes then, where a device can emulate it
		o.Tier = &tier[0]
	}
	rt, err := qwenvk.Open(qwenvk.WithFaults(o, f))
	if err != nil {
		if os.Getenv("CI") != "" || os.Getenv(vktest.Selector) != "" {
			t.Fatal(err)
		}
		t.Skipf("no device: %v", err)
	}
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	return rt
}

// examine looks at a prompt, one token, and the columns given: software drivers compile for seconds what more would take.
func examine(t *testing.T, rt *qwenvk.Runtime, columns ...int) *doctor.Report {
	t.Helper()
	r, err := doctor.Run(context.Background(), rt, doctor.Options{
		Columns: append(columns, 33, 1),
		Model:   func() (*loader.Checkpoint, error) { return loader.OpenGGUF(demo.Name, demo.GGUF()) },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func answer(t *testing.T, rt *qwenvk.Runtime) (text string, err error) {
	t.Helper()
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), qwenvk.LoadOptions{Context: 128})
	if err != nil {
		return "", err
	}
	defer m.Close()
	c, err := m.NewChat(qwenvk.ChatOptions{Sampling: &sampler.Params{}, MaxTokens: 16})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for d, err := range c.Send(context.Background(), "What is 17 + 25?") {
		if err != nil {
			return text, err
		}
		text += d.Reasoning + d.Text
	}
	return text, nil
}

// One wrong word in a kernel of tier 1: the examination finds and names it, another form takes its place, in this runtime and
// in the next, and the answers are right again.
func TestDoctorSwitchesOff(t *testing.T) {
	const module = "mul_mat_vec.q8.t1.spv"
	cache := t.TempDir()
	want, err := answer(t, openFaulty(t, "none", nil))
	if err != nil {
		t.Fatal(err)
	}
	// Some words stand in code that the constants remove: one that changes the answer is looked for.
	var faults *vk.Faults
	var rt *qwenvk.Runtime
	for n := 0; ; n++ {
		faults = corrupted(t, module, n, opFMul, opFAdd)
		if rt = openFaulty(t, cache, faults); rt.Device().Tier == 0 {
			t.Skip("the device has group 0 alone")
		}
		if wrong, err := answer(t, rt); err != nil || wrong != want {
			break
		}
		if t.Failed() {
			t.Fatal("no corrupted word changes the answer: the test shows nothing")
		}
	}
	r := examine(t, rt)
	if r.OK || !slices.Equal(r.Found, []string{module}) || len(r.Unusable) > 0 || !strings.Contains(r.Verdict, module) {
		t.Fatalf("found %q, unusable %q, verdict %q", r.Found, r.Unusable, r.Verdict)
	}
	if !strings.Contains(r.Text(), "WRONG") || len(r.Advice) == 0 {
		t.Errorf("the report does not say it:\n%s", r.Text())
	}
	next := openFaulty(t, cache, faults)
	if off := next.Device().SwitchedOff; len(off) != 1 || off[0].Kernel != module || off[0].Reason == "" {
		t.Errorf("switched off in the next runtime: %+v", off)
	}
	for _, rt := range []*qwenvk.Runtime{rt, next} {
		if got, err := answer(t, rt); err != nil || got != want {
			t.Errorf("with tier 0 in its place the answer is %q (%v), want %q", got, err, want)
		}
	}
	if r := examine(t, next); !r.OK || len(r.Found) > 0 || len(r.SwitchedOff) != 1 {
		t.Errorf("the second examination: ok %t, found %q, switched off %v", r.OK, r.Found, r.SwitchedOff)
	}
	if n, err := doctor.Forget(next); n != 1 || err != nil {
		t.Errorf("forgot %d: %v", n, err)
	}
	if files, _ := filepath.Glob(filepath.Join(cache, "vetoes-*")); len(files) > 0 {
		t.Errorf("forgotten, but there is still %q", files)
	}
	if off := openFaulty(t, cache, nil).Device().SwitchedOff; len(off) > 0 {
		t.Errorf("still switched off: %v", off)
	}
}

// Kernels of group 0 have nothing in their place: the device is unusable then, and says so instead of answering.
func TestDoctorUnusable(t *testing.T) {
	cache := t.TempDir()
	faults := corrupted(t, "embed.q8.t0.spv", 4, opConvertSToF, opConvertUToF)
	r := examine(t, openFaulty(t, cache, faults))
	if r.OK || len(r.Unusable) == 0 || !strings.Contains(r.Verdict, "embed.q8.t0.spv") || !strings.Contains(r.Verdict, "cannot be used") {
		t.Fatalf("unusable %q, verdict %q", r.Unusable, r.Verdict)
	}
	if got, err := answer(t, openFaulty(t, cache, faults)); !errors.Is(err, qwenvk.ErrFaultyDevice) {
		t.Errorf("a run afterwards answers %q (%v)", got, err)
	}
}

// everyKernel corrupts more kernels than one.
var everyKernel = flag.Bool("every-kernel", false, "corrupt a kernel of each kind")

// A wrong word in any kind of kernel is found, and the kernel named.
func TestDoctorNames(t *testing.T) {
	for _, test := range []struct {
		module   string
		n        int
		from, to uint32
	}{
		{"rms_norm.t1.spv", 0, opFMul, opFAdd},
		{"rope_kv.f16.t1.spv", 0, opFMul, opFAdd},
		{"attention.f16.t1.spv", 0, opFSub, opFAdd},
		{"mul_mat.q8.t0.spv", 0, opFMul, opFAdd},
		{"penalties.t0.spv", 0, opFMul, opFAdd},
		{"top_k.t0.spv", 0, opBitwiseOr, opBitwiseAnd},
		{"mul_mat_vec_i8.q8.t2.spv", 3, opFMul, opFAdd},
		{"argmax.t0.spv", 0, opBitwiseOr, opBitwiseAnd},
	} {
		if test.module != "penalties.t0.spv" && !*everyKernel {
			continue
		}
		t.Run(test.module, func(t *testing.T) {
			var tier []int
			if strings.Contains(test.module, ".t2.") {
				tier = []int{2}
			}
			rt := openFaulty(t, t.TempDir(), corrupted(t, test.module, test.n, test.from, test.to), tier...)
			if rt.Device().Tier == 0 && strings.Contains(test.module, ".t1.") {
				t.Skip("the device has group 0 alone")
			}
			r := examine(t, rt, 2)
			if r.OK || !strings.Contains(r.Verdict, test.module) {
				t.Errorf("verdict %q", r.Verdict)
			}
		})
	}
}
