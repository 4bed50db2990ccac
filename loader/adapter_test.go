package loader_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

// The golden adapters: their targets, ranks and factors, which config.json gives as r, lora_alpha and use_rslora.
func TestOpenAdapter(t *testing.T) {
	for _, c := range []struct {
		name    string
		rank    int
		factor  float64
		typ     quant.Type
		targets []string // in each of the two layers, in the order of names
	}{
		{"adapter", 8, 16. / 8, quant.F32, []string{"attn_k", "attn_output", "attn_q", "attn_v", "ffn_down", "ffn_gate", "ffn_up"}},
		{"adapter-rslora-qv", 4, 16 / math.Sqrt(4), quant.BF16, []string{"attn_q", "attn_v"}},
	} {
		a, err := loader.OpenAdapter(testkit.Path(t, "golden/qwen3-lora/"+c.name))
		if err != nil {
			t.Fatal(err)
		}
		if a.Format() != "peft" || a.Base() != "../../qwen3-dense-tied" || a.Architecture() != "" {
			t.Errorf("%s: %s for %q of %q", c.name, a.Format(), a.Base(), a.Architecture())
		}
		var names []string
		parameters := int64(0)
		for l := range 2 {
			for _, name := range c.targets {
				names = append(names, fmt.Sprintf("blk.%d.%s.weight", l, name))
			}
		}
		for i, target := range a.Targets() {
			if i >= len(names) || target.Weight != names[i] || target.Rank != c.rank || target.Factor != c.factor {
				t.Errorf("%s: target %d is %s of rank %d, factor %g", c.name, i, target.Weight, target.Rank, target.Factor)
			}
			if target.A.Rows != c.rank || target.B.Cols != c.rank || target.A.Type != c.typ || target.B.Type != c.typ {
				t.Errorf("%s: %s has %v %v and %v %v", c.name, target.Weight, target.A.Type, target.A.Shape, target.B.Type, target.B.Shape)
			}
			for _, m := range []loader.Tensor{target.A, target.B} {
				found, ok := a.Tensor(m.Name)
				if !ok || found.FileName != m.FileName {
					t.Errorf("%s: %s is found as %s", c.name, m.Name, found.FileName)
				}
				parameters += int64(m.Rows * m.Cols)
			}
		}
		if len(a.Targets()) != len(names) || a.Parameters() != parameters || a.Bytes() != parameters*int64(c.typ.BlockBytes()) {
			t.Errorf("%s: %d targets, %d parameters, %d bytes", c.name, len(a.Targets()), a.Parameters(), a.Bytes())
		}
		if _, ok := a.Tensor("blk.9.attn_q.weight.lora_a"); ok {
			t.Errorf("%s: a tensor that is not there is found", c.name)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// matrixF32 is a matrix for the files that tests write.
type matrixF32 struct {
	shape  []int
	values []float32
}

func ones(shape ...int) matrixF32 {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return matrixF32{shape, slices.Repeat([]float32{1}, n)}
}

// safetensorsF32 is a file of float32 tensors.
func safetensorsF32(tensors map[string]matrixF32) []byte {
	header := map[string]any{}
	var body []byte
	for _, name := range slices.Sorted(maps.Keys(tensors)) {
		begin := len(body)
		for _, v := range tensors[name].values {
			body = binary.LittleEndian.AppendUint32(body, math.Float32bits(v))
		}
		header[name] = map[string]any{"dtype": "F32", "shape": tensors[name].shape, "data_offsets": []int{begin, len(body)}}
	}
	text, _ := json.Marshal(header)
	return slices.Concat(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text, body)
}

const (
	peftQ = "base_model.model.model.layers.0.self_attn.q_proj"
	peftV = "base_model.model.model.layers.0.self_attn.v_proj"
)

// plainLoRA are the tensors of an adapter of rank 2.
func plainLoRA() map[string]matrixF32 {
	return map[string]matrixF32{
		peftQ + ".lora_A.weight": ones(2, 32), peftQ + ".lora_B.weight": ones(64, 2),
		peftV + ".lora_A.weight": ones(2, 32), peftV + ".lora_B.weight": ones(32, 2),
	}
}

const plainConfig = `{"peft_type":"LORA","r":2,"lora_alpha":4,"bias":"none","target_modules":["q_proj","v_proj"]}`

// writeAdapter writes a PEFT folder.
func writeAdapter(t testing.TB, config string, tensors map[string]matrixF32) string {
	t.Helper()
	dir := t.TempDir()
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "adapter_config.json"), []byte(config), 0o600),
		os.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), safetensorsF32(tensors), 0o600)); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestAdapterFactors: α/r and α/√r, with patterns for single modules, the first of which counts.
func TestAdapterFactors(t *testing.T) {
	for _, c := range []struct {
		config string
		q, v   float64
	}{
		{plainConfig, 2, 2},
		{`{"peft_type":"LORA","r":2,"lora_alpha":3,"use_rslora":true}`, 3 / math.Sqrt(2), 3 / math.Sqrt(2)},
		{`{"peft_type":"LORA","r":2,"lora_alpha":4,"alpha_pattern":{"q_proj":10}}`, 5, 2},
		{`{"peft_type":"LORA","r":2,"lora_alpha":4,"alpha_pattern":{"model.layers.0.self_attn.v_proj":1}}`, 2, 0.5},
		{`{"peft_type":"LORA","r":2,"lora_alpha":4,"alpha_pattern":{"proj":1,"layers\\.[0-3]\\..*\\.(q|k)_proj":6,"q_proj":8}}`, 3, 2},
		{`{"peft_type":"LORA","r":16,"lora_alpha":4,"rank_pattern":{".*_proj":2}}`, 2, 2},
		{`{"peft_type":"LORA","r":16,"lora_alpha":8,"rank_pattern":{"q_proj":2,"v_proj":2},"fan_in_fan_out":true,"use_dora":false,"modules_to_save":[]}`, 4, 4},
	} {
		a, err := loader.OpenAdapter(writeAdapter(t, c.config, plainLoRA()))
		if err != nil {
			t.Errorf("%s: %v", c.config, err)
			continue
		}
		if q, v := a.Targets()[0], a.Targets()[1]; q.Weight != "blk.0.attn_q.weight" || q.Factor != c.q || v.Factor != c.v {
			t.Errorf("%s: factors %g for %s and %g for %s, want %g and %g", c.config, q.Factor, q.Weight, v.Factor, v.Weight, c.q, c.v)
		}
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
	named := map[string]matrixF32{} // as PEFT wrote adapters before it took their name out
	for name, m := range plainLoRA() {
		named[strings.Replace(name, ".weight", ".default.weight", 1)] = m
	}
	a, err := loader.OpenAdapter(writeAdapter(t, plainConfig, named))
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Targets()) != 2 || a.Targets()[0].Factor != 2 {
		t.Errorf("with the adapter's name: %+v", a.Targets())
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// adapterRefused checks the sentence of an adapter that cannot be opened.
func adapterRefused(t *testing.T, path string, kind error, want ...string) {
	t.Helper()
	a, err := loader.OpenAdapter(path)
	if err == nil {
		_ = a.Close()
		t.Errorf("%s is opened", path)
		return
	}
	var e *loader.Error
	if !errors.As(err, &e) || !errors.Is(err, kind) {
		t.Errorf("%q is not %v", err, kind)
	}
	for _, w := range append(want, path) {
		if !strings.Contains(err.Error(), w) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q; want %q in one line", err, w)
		}
	}
}

// TestPEFTConfigRefused: whatever a configuration asks for beyond A and B is refused by its name.
func TestPEFTConfigRefused(t *testing.T) {
	with := func(keys string) string { return strings.TrimSuffix(plainConfig, "}") + "," + keys + "}" }
	for _, c := range []struct {
		config string
		kind   error
		want   string
	}{
		{`{"peft_type":"IA3","r":2,"lora_alpha":4}`, loader.ErrUnsupportedModel, `type "IA3"`},
		{`{"r":2,"lora_alpha":4}`, loader.ErrUnsupportedModel, `type ""`},
		{`{"peft_type":"LORA","lora_alpha":4}`, loader.ErrCorrupt, `"r"`},
		{`{"peft_type":"LORA","r":2}`, loader.ErrCorrupt, `"lora_alpha"`},
		{`{"peft_type":"LORA","r":-2,"lora_alpha":4}`, loader.ErrCorrupt, "-2 is out of range"},
		{`{"peft_type":"LORA","r":1e30,"lora_alpha":4}`, loader.ErrCorrupt, `"r"`},
		{`{"peft_type":"LORA","r":"2","lora_alpha":4}`, loader.ErrCorrupt, `"r"`},
		{`[1]`, loader.ErrCorrupt, "not JSON as expected"},
		{`{"peft_type":`, loader.ErrCorrupt, "not JSON as expected"},
		{with(`"use_dora":true`), loader.ErrUnsupportedModel, "DoRA"},
		{strings.Replace(plainConfig, `"none"`, `"lora_only"`, 1), loader.ErrUnsupportedModel, `"bias" is "lora_only"`},
		{with(`"modules_to_save":["lm_head"]`), loader.ErrUnsupportedModel, "modules_to_save"},
		{with(`"lora_bias":true`), loader.ErrUnsupportedModel, "lora_bias"},
		{with(`"layer_replication":[[0,4],[2,5]]`), loader.ErrUnsupportedModel, "layer_replication"},
		{with(`"trainable_token_indices":[1]`), loader.ErrUnsupportedModel, "trainable_token_indices"},
		{with(`"target_parameters":["mlp.experts.gate_up_proj"]`), loader.ErrUnsupportedModel, "target_parameters"},
		{with(`"alora_invocation_tokens":[1,2]`), loader.ErrUnsupportedModel, "activated LoRA"},
		{with(`"init_lora_weights":"pissa_niter_4"`), loader.ErrUnsupportedModel, "pissa_niter_4"},
		{with(`"init_lora_weights":"olora"`), loader.ErrUnsupportedModel, "olora"},
		{with(`"rank_pattern":{"q_proj":"x"}`), loader.ErrCorrupt, "no number"},
		{with(`"rank_pattern":[2]`), loader.ErrCorrupt, "rank_pattern"},
		{with(`"alpha_pattern":{"q_proj(":4}`), loader.ErrCorrupt, "no regular expression"},
		{with(`"alpha_pattern":{"(.{500}){500}":4}`), loader.ErrCorrupt, "not one that names modules"},
		{with(`"alpha_pattern":{"` + strings.Repeat("x", 300<<10) + `":4}`), loader.ErrCorrupt, "longer"},
	} {
		dir := writeAdapter(t, c.config, plainLoRA())
		adapterRefused(t, dir, c.kind, c.want, "adapter_config.json")
	}
	for _, same := range []string{`"init_lora_weights":true`, `"init_lora_weights":"gaussian"`, `"layer_replication":null`, `"exclude_modules":null`} {
		a, err := loader.OpenAdapter(writeAdapter(t, with(same), plainLoRA()))
		if err != nil {
			t.Errorf("%s: %v", same, err)
		} else if err := a.Close(); err != nil {
			t.Error(err)
		}
	}
}

// TestPEFTTensorsRefused: tensors that do not fit each other or the configuration, each by its name.
func TestPEFTTensorsRefused(t *testing.T) {
	for what, c := range map[string]struct {
		change func(m map[string]matrixF32)
		kind   error
		want   []string
	}{
		"other rank": {func(m map[string]matrixF32) {
			m[peftQ+".lora_A.weight"], m[peftQ+".lora_B.weight"] = ones(4, 32), ones(64, 4)
		}, loader.ErrCorrupt, []string{peftQ + ".lora_A.weight", "rank 4", "says 2"}},
		"ranks differ":  {func(m map[string]matrixF32) { m[peftQ+".lora_B.weight"] = ones(64, 3) }, loader.ErrCorrupt, []string{peftQ + ".lora_B.weight", "different ranks"}},
		"no partner":    {func(m map[string]matrixF32) { delete(m, peftQ+".lora_B.weight") }, loader.ErrCorrupt, []string{peftQ + ".lora_A.weight", "lora_B"}},
		"no partner, A": {func(m map[string]matrixF32) { delete(m, peftV+".lora_A.weight") }, loader.ErrCorrupt, []string{peftV + ".lora_B.weight", "lora_A"}},
		"one dimension": {func(m map[string]matrixF32) { m[peftQ+".lora_A.weight"] = ones(64) }, loader.ErrCorrupt, []string{peftQ + ".lora_A.weight", "two dimensions"}},
		"stack":         {func(m map[string]matrixF32) { m[peftQ+".lora_A.weight"] = ones(4, 2, 32) }, loader.ErrUnsupportedModel, []string{peftQ + ".lora_A.weight", "experts"}},
		"empty":         {func(m map[string]matrixF32) { m[peftQ+".lora_A.weight"] = ones(0, 32) }, loader.ErrCorrupt, []string{peftQ + ".lora_A.weight", "empty"}},
		"NaN": {
			func(m map[string]matrixF32) { m[peftV+".lora_B.weight"].values[5] = float32(math.NaN()) }, loader.ErrCorrupt,
			[]string{peftV + ".lora_B.weight", "NaN in row 2, column 1"},
		},
		"infinity":  {func(m map[string]matrixF32) { m[peftQ+".lora_A.weight"].values[63] = float32(math.Inf(-1)) }, loader.ErrCorrupt, []string{peftQ + ".lora_A.weight", "-Inf in row 1, column 31"}},
		"embedding": {func(m map[string]matrixF32) { m["base_model.model.model.embed_tokens.lora_embedding_A"] = ones(2, 8) }, loader.ErrUnsupportedModel, []string{"lora_embedding_A", "embedding"}},
		"DoRA": {
			func(m map[string]matrixF32) { m[peftQ+".lora_magnitude_vector"] = ones(64) }, loader.ErrUnsupportedModel,
			[]string{"lora_magnitude_vector", "DoRA"},
		},
		"a weight":     {func(m map[string]matrixF32) { m["base_model.model.lm_head.weight"] = ones(8, 32) }, loader.ErrUnsupportedModel, []string{"lm_head.weight", "modules_to_save"}},
		"a bias":       {func(m map[string]matrixF32) { m[peftQ+".lora_B.bias"] = ones(64) }, loader.ErrUnsupportedModel, []string{"lora_B.bias", "bias"}},
		"two adapters": {func(m map[string]matrixF32) { m[peftQ+".lora_A.other.weight"] = ones(2, 32) }, loader.ErrUnsupportedModel, []string{"two adapters"}},
		"nothing":      {func(m map[string]matrixF32) { clear(m) }, loader.ErrCorrupt, []string{"changes nothing"}},
	} {
		t.Run(what, func(t *testing.T) {
			tensors := plainLoRA()
			c.change(tensors)
			adapterRefused(t, writeAdapter(t, plainConfig, tensors), c.kind, c.want...)
		})
	}
	huge := writeAdapter(t, `{"peft_type":"LORA","r":5000,"lora_alpha":1}`, map[string]matrixF32{
		peftQ + ".lora_A.weight": ones(5000, 32), peftQ + ".lora_B.weight": ones(8, 5000),
	})
	adapterRefused(t, huge, loader.ErrUnsupportedModel, "rank 5000")
}

// TestNotAnAdapter: what people give by mistake.
func TestNotAnAdapter(t *testing.T) {
	adapterRefused(t, testkit.Path(t, "golden/qwen3-dense-tied"), loader.ErrNotFound, "whole model")
	adapterRefused(t, testkit.Path(t, "golden/qwen3-dense-tied/model.bf16.gguf"), loader.ErrUnsupportedModel, "a model, not an adapter")
	adapterRefused(t, testkit.Path(t, "golden/qwen3-lora/adapter/adapter_model.safetensors"), loader.ErrUnsupportedModel, "give the folder")
	adapterRefused(t, testkit.Path(t, "golden/qwen3-lora/adapter/adapter_config.json"), loader.ErrUnsupportedModel, "give the folder")
	empty := t.TempDir()
	adapterRefused(t, empty, loader.ErrNotFound, "no adapter_config.json")
	adapterRefused(t, filepath.Join(empty, "gone"), loader.ErrNotFound, "no such file")
	config := filepath.Join(empty, "adapter_config.json")
	if err := os.WriteFile(config, []byte(plainConfig), 0o600); err != nil {
		t.Fatal(err)
	}
	adapterRefused(t, empty, loader.ErrNotFound, "adapter_model.safetensors is missing")
	if err := os.WriteFile(filepath.Join(empty, "adapter_model.bin"), []byte("PK"), 0o600); err != nil {
		t.Fatal(err)
	}
	adapterRefused(t, empty, loader.ErrUnsupportedModel, "pickle")
	dir := t.TempDir()
	path := filepath.Join(dir, "a.gguf")
	if err := os.WriteFile(path, adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", alpha: 4, tensors: ggufLoRA()}.bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, loader.ErrUnsupportedModel, "LoRA adapter")
	refused(t, testkit.Path(t, "golden/qwen3-lora/adapter"), loader.ErrNotFound, "LoRA adapter")
}

// adapterGGUF is a GGUF adapter to be written.
type adapterGGUF struct {
	arch, kind, method string
	alpha              float32 // 0: no key
	alora              bool
	tensors            map[string]matrixF32
}

func ggufLoRA() map[string]matrixF32 {
	return map[string]matrixF32{
		"blk.0.attn_q.weight.lora_a": ones(2, 32), "blk.0.attn_q.weight.lora_b": ones(64, 2),
	}
}

// bytes writes the file (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md).
func (g adapterGGUF) bytes() []byte {
	le := binary.LittleEndian
	str := func(b []byte, s string) []byte { return append(le.AppendUint64(b, uint64(len(s))), s...) }
	var keys []byte
	n := uint64(0)
	text := func(key, value string) {
		if value != "" {
			keys = str(le.AppendUint32(str(keys, key), 8), value)
			n++
		}
	}
	text("general.type", g.kind)
	text("general.architecture", g.arch)
	text("adapter.type", g.method)
	if g.alpha != 0 {
		keys = le.AppendUint32(le.AppendUint32(str(keys, "adapter.lora.alpha"), 6), math.Float32bits(g.alpha))
		n++
	}
	if g.alora {
		keys = le.AppendUint32(str(keys, "adapter.alora.invocation_tokens"), 9)
		keys = le.AppendUint32(le.AppendUint64(le.AppendUint32(keys, 4), 1), 7)
		n++
	}
	var list, body []byte
	for _, name := range slices.Sorted(maps.Keys(g.tensors)) {
		m := g.tensors[name]
		list = le.AppendUint32(str(list, name), uint32(len(m.shape)))
		for i := range m.shape {
			list = le.AppendUint64(list, uint64(m.shape[len(m.shape)-1-i]))
		}
		list = le.AppendUint64(le.AppendUint32(list, 0), uint64(len(body)))
		for _, v := range m.values {
			body = le.AppendUint32(body, math.Float32bits(v))
		}
		body = append(body, make([]byte, -len(body)&31)...)
	}
	head := le.AppendUint64(le.AppendUint64(le.AppendUint32([]byte("GGUF"), 3), uint64(len(g.tensors))), n)
	head = slices.Concat(head, keys, list)
	return slices.Concat(head, make([]byte, -len(head)&31), body)
}

func TestAdapterGGUF(t *testing.T) {
	for _, c := range []struct {
		alpha  float32
		factor float64
	}{{4, 2}, {0, 1}, {1, 0.5}} {
		a, err := loader.ParseAdapterGGUF("a.gguf", adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", alpha: c.alpha, tensors: ggufLoRA()}.bytes())
		if err != nil {
			t.Fatal(err)
		}
		if a.Architecture() != "qwen3" || a.Format() != "gguf" || len(a.Targets()) != 1 {
			t.Fatalf("%s, %s, %+v", a.Architecture(), a.Format(), a.Targets())
		}
		target := a.Targets()[0]
		if target.Weight != "blk.0.attn_q.weight" || target.Rank != 2 || target.Factor != c.factor || target.A.Cols != 32 || target.B.Rows != 64 {
			t.Errorf("alpha %g: %+v", c.alpha, target)
		}
	}
	with := func(name string, m matrixF32) map[string]matrixF32 {
		tensors := ggufLoRA()
		tensors[name] = m
		return tensors
	}
	bad := ggufLoRA()
	bad["blk.0.attn_q.weight.lora_b"].values[7] = float32(math.Inf(1))
	for _, c := range []struct {
		file adapterGGUF
		kind error
		want string
	}{
		{adapterGGUF{arch: "qwen3", method: "lora", alpha: 1, tensors: ggufLoRA()}, loader.ErrUnsupportedModel, "a model, not an adapter"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", alpha: 1, tensors: ggufLoRA()}, loader.ErrCorrupt, "adapter.type"},
		{adapterGGUF{kind: "adapter", method: "lora", alpha: 1, tensors: ggufLoRA()}, loader.ErrCorrupt, "general.architecture"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "control_vector", alpha: 1, tensors: ggufLoRA()}, loader.ErrUnsupportedModel, "control_vector"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", alora: true, tensors: ggufLoRA()}, loader.ErrUnsupportedModel, "activated"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", alpha: float32(math.NaN()), tensors: ggufLoRA()}, loader.ErrCorrupt, "no number"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora"}, loader.ErrCorrupt, "changes nothing"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", tensors: with("output_norm.weight", ones(32))}, loader.ErrUnsupportedModel, "output_norm.weight"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", tensors: with("token_embd.weight.lora_a", ones(2, 32))}, loader.ErrUnsupportedModel, "embedding"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", tensors: with("blk.0.ffn_gate_exps.weight.lora_a", ones(4, 2, 32))}, loader.ErrUnsupportedModel, "experts"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", tensors: with("blk.0.attn_k.weight.lora_a", ones(2, 32))}, loader.ErrCorrupt, "no partner"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", tensors: with("blk.0.attn_q.weight.lora_a", ones(3, 32))}, loader.ErrCorrupt, "different ranks"},
		{adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", tensors: bad}, loader.ErrCorrupt, "+Inf in row 3, column 1"},
	} {
		path := filepath.Join(t.TempDir(), "a.gguf")
		if err := os.WriteFile(path, c.file.bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
		adapterRefused(t, path, c.kind, c.want)
	}
}

// bounded runs f and reports memory beyond 16 MiB and four times the file.
func bounded(t *testing.T, file int, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(16<<20+4*file) {
		t.Errorf("%d bytes of input made %d bytes of memory", file, grown)
	}
}

// lookThrough asks an adapter for everything.
func lookThrough(t *testing.T, a *loader.Adapter) {
	t.Helper()
	for _, target := range a.Targets() {
		for _, m := range []loader.Tensor{target.A, target.B} {
			row, err := m.Type.RowBytes(m.Cols)
			if found, ok := a.Tensor(m.Name); !ok || err != nil || row*m.Rows != len(found.Data) {
				t.Errorf("%s: %v %v in %d bytes, %v", m.Name, m.Type, m.Shape, len(found.Data), err)
			}
		}
		if target.Rank < 1 || target.Rank != target.A.Rows || target.Rank != target.B.Cols || target.Factor != target.Factor {
			t.Errorf("%+v", target)
		}
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}
}

// FuzzAdapterGGUF: whatever the bytes, an adapter that is sound or an *Error, in bounded memory.
func FuzzAdapterGGUF(f *testing.F) {
	f.Add([]byte("GGUF"))
	f.Add(adapterGGUF{arch: "qwen3", kind: "adapter", method: "lora", alpha: 4, tensors: ggufLoRA()}.bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		bounded(t, len(data), func() {
			a, err := loader.ParseAdapterGGUF("fuzz", data)
			if err == nil {
				lookThrough(t, a)
				return
			}
			var e *loader.Error
			if !errors.As(err, &e) || e.File != "fuzz" || !errors.Is(err, loader.ErrCorrupt) && !errors.Is(err, loader.ErrUnsupportedModel) {
				t.Errorf("%v", err)
			}
		})
	})
}

// FuzzAdapterPEFT: whatever configuration and tensors say.
func FuzzAdapterPEFT(f *testing.F) {
	whole := safetensorsF32(plainLoRA())
	f.Add([]byte(plainConfig), whole)
	f.Add([]byte(`{"peft_type":"LORA","r":2,"lora_alpha":4,"rank_pattern":{"(q|v)_proj$":2},"alpha_pattern":{"v.*":[1]},"use_rslora":true}`), whole)
	f.Add(testkit.Read(f, "golden/qwen3-lora/adapter/adapter_config.json"), bytes.Replace(whole, []byte("lora_A"), []byte("lora_B"), 1))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, config, tensors []byte) {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "adapter_config.json"), config, 0o600),
			os.WriteFile(filepath.Join(dir, "adapter_model.safetensors"), tensors, 0o600)); err != nil {
			t.Fatal(err)
		}
		bounded(t, len(config)+len(tensors), func() {
			a, err := loader.OpenAdapter(dir)
			if err == nil {
				lookThrough(t, a)
			} else if !errors.Is(err, loader.ErrCorrupt) && !errors.Is(err, loader.ErrUnsupportedModel) {
				t.Errorf("%v", err)
			}
		})
	})
}
