package qwenvk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/gguf"
)

const (
	adapterBase  = "qwen3-dense-tied"
	adapterPlain = "adapter"           // all linear layers, float32, α/r
	adapterRS    = "adapter-rslora-qv" // queries and values, bfloat16, α/√r
)

func adapterPath(t testing.TB, name string) string {
	return testkit.Path(t, filepath.Join("golden", "qwen3-lora", name))
}

// adapterGolden is what transformers and PEFT computed with an adapter over the base case.
func adapterGolden(t *testing.T, name string) golden {
	t.Helper()
	var doc struct {
		Adapters map[string]struct{ Prompts []goldenPrompt }
	}
	if err := json.Unmarshal(testkit.Read(t, "golden/qwen3-lora/expected.json"), &doc); err != nil {
		t.Fatal(err)
	}
	prompts := doc.Adapters[name].Prompts
	if len(prompts) == 0 {
		t.Fatalf("no prompts for %s", name)
	}
	return golden{prompts: prompts, logits: readLogits(t, "golden/qwen3-lora/expected.safetensors", name+".", len(prompts))}
}

func loadAdapter(t *testing.T, m *Model, path string) *Adapter {
	t.Helper()
	a, err := m.LoadAdapter(context.Background(), path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func setAdapters(t *testing.T, s *Session, uses ...AdapterUse) {
	t.Helper()
	if err := s.SetAdapters(context.Background(), uses...); err != nil {
		t.Fatal(err)
	}
}

func newTestSession(t *testing.T, m *Model) *Session {
	t.Helper()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// TestAdapterGoldens holds both golden adapters, and the model without them, to the f32 tolerances, in one session that
// goes from one to the other and back: a choice must leave nothing of the one before.
func TestAdapterGoldens(t *testing.T) {
	cases := map[string]golden{"": readGolden(t, adapterBase), adapterPlain: adapterGolden(t, adapterPlain), adapterRS: adapterGolden(t, adapterRS)}
	for tier := range 2 {
		if testing.Short() && tier > 0 {
			continue
		}
		t.Run(fmt.Sprintf("tier%d", tier), func(t *testing.T) {
			rt := openTest(t, Options{Tier: &tier}, nil)
			m := loadTest(t, rt, cases[""].dir, LoadOptions{KV: "f32", Context: 128})
			adapters := map[string]*Adapter{adapterPlain: loadAdapter(t, m, adapterPath(t, adapterPlain)), adapterRS: loadAdapter(t, m, adapterPath(t, adapterRS))}
			s := newTestSession(t, m)
			for run, name := range []string{adapterPlain, "", adapterRS, adapterPlain, adapterRS, ""} {
				var uses []AdapterUse
				if name != "" {
					uses = []AdapterUse{{adapters[name], 1}}
				}
				setAdapters(t, s, uses...)
				for i, p := range cases[name].prompts {
					for _, chunk := range []int{0, 1, 7} {
						if run > 2 && chunk != 7 {
							continue
						}
						checkLogits(t, s, p.IDs, cases[name].logits[i], chunk, toleranceF32)
					}
					checkGreedy(t, s, p, 0)
				}
			}
		})
	}
}

// TestAdapterSessions: two sessions with different adapters, whose steps take turns, answer as each does alone; nor does
// a third without.
func TestAdapterSessions(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/"+adapterBase), LoadOptions{Context: 128, Sessions: 3})
	plain, rs := loadAdapter(t, m, adapterPath(t, adapterPlain)), loadAdapter(t, m, adapterPath(t, adapterRS))
	choices := [][]AdapterUse{{{plain, 1}, {rs, -0.5}}, {{rs, 2}}, nil}
	ids := readGolden(t, adapterBase).prompts[0].IDs
	o := GenerateOptions{MaxTokens: 16, IgnoreEOS: true}
	var alone [][]int32
	for _, uses := range choices {
		s := newTestSession(t, m)
		setAdapters(t, s, uses...)
		_, r := generate(context.Background(), t, s, ids, o)
		alone = append(alone, r.IDs)
		s.Close()
	}
	if slices.Equal(alone[0], alone[1]) || slices.Equal(alone[0], alone[2]) || slices.Equal(alone[1], alone[2]) {
		t.Fatalf("the adapters change no answer: %v", alone)
	}
	got := make([][]int32, len(choices))
	var next []func() (Token, error, bool)
	for _, uses := range choices {
		s := newTestSession(t, m)
		setAdapters(t, s, uses...)
		pull, stop := iter.Pull2(s.Generate(context.Background(), ids, o))
		defer stop()
		next = append(next, pull)
	}
	for range o.MaxTokens {
		for i := range next {
			tok, err, ok := next[i]()
			if err != nil || !ok {
				t.Fatalf("session %d: %v, %v", i, err, ok)
			}
			got[i] = append(got[i], tok.ID)
		}
	}
	for i := range got {
		if !slices.Equal(got[i], alone[i]) {
			t.Errorf("session %d: in turn %v, alone %v", i, got[i], alone[i])
		}
	}
}

// TestAdapterScales: twice the same adapter adds its scales, zero is none to the bit, and a change of scale forgets the
// cache while no change keeps it.
func TestAdapterScales(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/"+adapterBase), LoadOptions{Context: 128})
	a, b := loadAdapter(t, m, adapterPath(t, adapterPlain)), loadAdapter(t, m, adapterPath(t, adapterRS))
	s := newTestSession(t, m)
	ids := readGolden(t, adapterBase).prompts[0].IDs
	with := func(uses ...AdapterUse) []float32 {
		setAdapters(t, s, uses...)
		return logitsBehind(t, s, ids, LogitsOptions{})
	}
	base := with()
	if got := with(AdapterUse{a, 0}, AdapterUse{b, 0}); !slices.Equal(got, base) {
		t.Error("with scale 0 the logits are others than without adapters")
	}
	whole := with(AdapterUse{a, 0.75})
	if slices.Equal(whole, base) {
		t.Error("the adapter changes nothing")
	}
	if got := with(AdapterUse{a, 0.5}, AdapterUse{a, 0.25}); !slices.Equal(got, whole) {
		t.Error("two shares of an adapter are not the whole")
	}
	if got := with(AdapterUse{b, 1}, AdapterUse{a, 0.5}); !slices.Equal(got, with(AdapterUse{a, 0.5}, AdapterUse{b, 1})) {
		t.Error("the order in which adapters are named changes the logits")
	}
	cached := func() int {
		_, r := generate(context.Background(), t, s, ids, GenerateOptions{MaxTokens: 1})
		return r.Usage.CachedTokens
	}
	cached()
	setAdapters(t, s, AdapterUse{b, 1}, AdapterUse{a, 0.5})
	if n := cached(); n != len(ids)-1 {
		t.Errorf("the same choice again leaves %d of %d tokens cached", n, len(ids)-1)
	}
	for _, uses := range [][]AdapterUse{{{b, 1}, {a, 0.25}}, {{b, 1}}, {}} {
		setAdapters(t, s, uses...)
		if n := cached(); n != 0 {
			t.Errorf("%d tokens are left in the cache after a change", n)
		}
	}
}

// TestLoadWithAdapters: the load's adapters act on every session, and their memory is in the plan.
func TestLoadWithAdapters(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	o := LoadOptions{Context: 128, KV: "f32"}
	base := loadTest(t, rt, testkit.Path(t, "golden/"+adapterBase), o).Info()
	o.Adapters = []AdapterFile{{adapterPath(t, adapterPlain), 1}}
	m := loadTest(t, rt, testkit.Path(t, "golden/"+adapterBase), o)
	info := m.Info()
	if base.Memory.Adapters != 0 || info.Memory.Adapters == 0 || info.Memory.Weights != base.Memory.Weights || info.Memory.KV != base.Memory.KV {
		t.Errorf("memory %+v without the adapter, %+v with it", base.Memory, info.Memory)
	}
	if uses := m.Adapters(); len(uses) != 1 || uint64(uses[0].Adapter.Info().DeviceBytes) > info.Memory.Adapters || uses[0].Scale != 1 {
		t.Errorf("%+v in %d bytes", uses[0].Adapter.Info(), info.Memory.Adapters)
	}
	g := adapterGolden(t, adapterPlain)
	checkLogits(t, newTestSession(t, m), g.prompts[0].IDs, g.logits[0], 0, toleranceF32)

	i, err := Inspect(testkit.Path(t, "golden/"+adapterBase), o)
	if err != nil {
		t.Fatal(err)
	}
	if a := i.Adapters[0]; len(i.Adapters) != 1 || a.MinRank != 8 || a.MaxRank != 8 || len(a.Weights) != 14 || a.Params != 47104 && a.Params*4 != a.FileBytes {
		t.Errorf("inspected: %+v", i.Adapters)
	}
	var text strings.Builder
	if err := i.WriteGraph(&text, "text"); err != nil || !strings.Contains(text.String(), "lora_a") {
		t.Errorf("the graph shows no adapter: %v", err)
	}
	// Where it does not fit, the sentence says what takes how much.
	if _, err := rt.fit(m.model, "f32", LoadOptions{Context: MaxContext}, 5<<20); !errors.Is(err, ErrOutOfMemory) || !strings.Contains(err.Error(), "adapters 5 MiB") {
		t.Errorf("too little memory: %v", err)
	}
}

// TestAdapterMemory: sets that no session uses do not heap up, and what an adapter took comes back.
func TestAdapterMemory(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/"+adapterBase), LoadOptions{Context: 64})
	s := newTestSession(t, m)
	before, _, _ := m.exec.Memory()
	var adapters []*Adapter
	for range 7 {
		adapters = append(adapters, loadAdapter(t, m, adapterPath(t, adapterRS)))
	}
	one := uint64(0)
	for i, a := range adapters {
		setAdapters(t, s, AdapterUse{a, 1})
		now, _, _ := m.exec.Memory()
		if i == 0 {
			one = now - before
		}
		if sets := (now - before) / one; sets != uint64(min(i+1, 4)) {
			t.Errorf("after %d choices %d sets are on the device", i+1, sets)
		}
	}
	if err := adapters[6].Close(); !errors.Is(err, ErrBusy) {
		t.Errorf("closing an adapter that is in use: %v", err)
	}
	setAdapters(t, s)
	for _, a := range adapters {
		if err := errors.Join(a.Close(), a.Close()); err != nil {
			t.Error(err)
		}
	}
	if now, _, _ := m.exec.Memory(); now != before {
		t.Errorf("%d bytes are left of closed adapters", now-before)
	}
	if err := s.SetAdapters(context.Background(), AdapterUse{adapters[0], 1}); err == nil {
		t.Error("a closed adapter is chosen")
	}
}

// TestAdapterErrors: what does not fit is refused, and what was chosen before stays.
func TestAdapterErrors(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/"+adapterBase), LoadOptions{Context: 64})
	other, _ := openDemo(t, rt, LoadOptions{})
	ctx := context.Background()
	if _, err := other.LoadAdapter(ctx, adapterPath(t, adapterPlain)); !errors.Is(err, ErrAdapter) ||
		!strings.Contains(err.Error(), "adapter_model.safetensors") || !strings.Contains(err.Error(), "lora_A.weight") {
		t.Errorf("an adapter of another model: %v", err)
	}
	if _, err := m.LoadAdapter(ctx, "nowhere"); !errors.Is(err, ErrNotFound) {
		t.Errorf("no adapter: %v", err)
	}
	a := loadAdapter(t, m, adapterPath(t, adapterPlain))
	s := newTestSession(t, m)
	setAdapters(t, s, AdapterUse{a, 1})
	want := logitsBehind(t, s, []int32{1, 2, 3}, LogitsOptions{})
	for _, scale := range []float64{math.NaN(), math.Inf(1), 1e300} {
		if err := s.SetAdapters(ctx, AdapterUse{a, scale}); err == nil || !strings.Contains(err.Error(), "scale") {
			t.Errorf("scale %g: %v", scale, err)
		}
	}
	if err := s.SetAdapters(ctx, AdapterUse{nil, 1}); err == nil {
		t.Error("no adapter is chosen")
	}
	for _, err := range s.Generate(ctx, []int32{1, 2, 3}, GenerateOptions{MaxTokens: 2, IgnoreEOS: true}) {
		if err != nil {
			t.Fatal(err)
		}
		if err := s.SetAdapters(ctx); !errors.Is(err, ErrBusy) {
			t.Errorf("a choice in the middle of an answer: %v", err)
		}
	}
	if got := logitsBehind(t, s, []int32{1, 2, 3}, LogitsOptions{}); !slices.Equal(got, want) {
		t.Error("the refused choices changed the session")
	}
}

// TestAdapterGGUF writes the golden adapter as GGUF, with its scale as alpha, and wants the same bits.
func TestAdapterGGUF(t *testing.T) {
	file, err := loader.OpenAdapter(adapterPath(t, adapterPlain))
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	path := filepath.Join(t.TempDir(), "adapter.gguf")
	writeAdapterGGUF(t, path, "qwen3", file)
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/"+adapterBase), LoadOptions{Context: 64})
	s := newTestSession(t, m)
	var logits [][]float32
	for _, path := range []string{adapterPath(t, adapterPlain), path} {
		setAdapters(t, s, AdapterUse{loadAdapter(t, m, path), 1})
		logits = append(logits, logitsBehind(t, s, []int32{1, 2, 3, 4, 5}, LogitsOptions{}))
	}
	if !slices.Equal(logits[0], logits[1]) {
		t.Error("the same adapter as PEFT folder and as GGUF file gives other logits")
	}
	writeAdapterGGUF(t, path, "llama", file)
	if _, err := m.LoadAdapter(context.Background(), path); !errors.Is(err, ErrAdapter) || !strings.Contains(err.Error(), `"llama"`) {
		t.Errorf("an adapter of another architecture: %v", err)
	}
}

func writeAdapterGGUF(t *testing.T, path, arch string, a *loader.Adapter) {
	t.Helper()
	target := a.Targets()[0]
	var infos []gguf.TensorInfo
	var data [][]byte
	for _, target := range a.Targets() {
		for _, m := range []loader.Tensor{target.A, target.B} {
			kind, _ := gguf.TypeNamed(m.TypeName)
			infos, data = append(infos, gguf.TensorInfo{Name: m.Name, Type: kind, Shape: m.Shape}), append(data, m.Data)
		}
	}
	layout, err := gguf.NewLayout([]gguf.KeyValue{
		{Key: "general.type", Value: gguf.NewText("adapter")},
		{Key: "general.architecture", Value: gguf.NewText(arch)},
		{Key: "adapter.type", Value: gguf.NewText("lora")},
		{Key: "adapter.lora.alpha", Value: gguf.NewFloat32(float32(target.Factor * float64(target.Rank)))},
	}, infos)
	if err != nil {
		t.Fatal(err)
	}
	content := make([]byte, layout.Size)
	copy(content, layout.Header)
	for i, d := range data {
		copy(content[layout.Offsets[i]:], d)
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
