package loader_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
)

// refused checks that Open fails with an error of that kind and one sentence that has want and
// the path in it.
func refused(t *testing.T, path string, kind error, want string) {
	t.Helper()
	c, err := loader.Open(path)
	if err == nil {
		_ = c.Close()
		t.Errorf("%s is opened", path)
		return
	}
	var e *loader.Error
	if !errors.As(err, &e) || kind != nil && !errors.Is(err, kind) {
		t.Errorf("%q is not %v", err, kind)
	}
	if text := err.Error(); !strings.Contains(text, want) || !strings.Contains(text, path) || strings.Contains(text, "\n") {
		t.Errorf("%q; want %q and the path %s in one line", text, want, path)
	}
}

// TestNotAModel: files of every kind that people give by mistake.
func TestNotAModel(t *testing.T) {
	dir := t.TempDir()
	write := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, c := range []struct {
		name, content string
		kind          error
		want          string
	}{
		{"empty.gguf", "", loader.ErrCorrupt, "empty"},
		{"notes.txt", "Dear diary,\nÜbung macht den Meister\n", loader.ErrUnsupportedModel, "text file"},
		{"pytorch_model.bin", "PK\x03\x04\x00\x00", loader.ErrUnsupportedModel, "zip archive"},
		{"old.pt", "\x80\x02\x8a\x0a", loader.ErrUnsupportedModel, "pickle"},
		{"model.gguf.gz", "\x1f\x8b\x08\x00", loader.ErrUnsupportedModel, "compressed"},
		{"lfs.gguf", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", loader.ErrUnsupportedModel, "git lfs pull"},
		{"page.gguf", "<!DOCTYPE html><html>404", loader.ErrUnsupportedModel, "web page"},
		{"ggml.bin", "lmgg\x00\x00\x00\x00", loader.ErrUnsupportedModel, "before GGUF"},
		{"alone.safetensors", "\x02\x00\x00\x00\x00\x00\x00\x00{}", loader.ErrUnsupportedModel, "give the folder"},
		{"noise.gguf", "\x00\x01\x02\x03\xff\xfe\xfd", loader.ErrUnsupportedModel, "not a model file"},
		{"short.gguf", "GGUF", loader.ErrCorrupt, "download it again"},
		{"v1.gguf", "GGUF\x01\x00\x00\x00", loader.ErrUnsupportedModel, "version 1"},
		{"big-endian.gguf", "GGUF\x00\x00\x00\x03", loader.ErrUnsupportedModel, "big-endian"},
	} {
		refused(t, write(c.name, c.content), c.kind, c.want)
	}
	if _, err := loader.Open(filepath.Join(dir, "v1.gguf")); strings.Contains(err.Error(), "types") {
		t.Errorf("%q advises about types of tensors", err)
	}
	refused(t, filepath.Join(dir, "absent.gguf"), loader.ErrNotFound, "no such file")
	refused(t, filepath.Join(dir, "notes.txt", "x"), nil, "cannot be opened")
	if _, err := loader.Open(""); !errors.Is(err, loader.ErrNotFound) {
		t.Errorf("no path: %v", err)
	}
	if os.Getuid() > 0 {
		path := write("secret.gguf", "GGUF")
		if err := os.Chmod(path, 0); err != nil {
			t.Fatal(err)
		}
		refused(t, path, fs.ErrPermission, "permissions")
	}
}

// TestNotAFolder: folders that are not, or not wholly, a model.
func TestNotAFolder(t *testing.T) {
	const config = `{"model_type":"qwen3"}`
	for _, c := range []struct {
		name  string
		files map[string]string
		kind  error
		want  string
	}{
		{"nothing", nil, loader.ErrNotFound, "no config.json"},
		{"GGUF files", map[string]string{"a-Q4_0.gguf": "", "b.gguf": ""}, loader.ErrNotFound, "give one of them: a-Q4_0.gguf, b.gguf"},
		{"weights alone", map[string]string{"model.safetensors": ""}, loader.ErrNotFound, "config.json is missing"},
		{"adapter", map[string]string{"adapter_config.json": "{}", "adapter_model.safetensors": ""}, loader.ErrNotFound, "LoRA"},
		{"config alone", map[string]string{"config.json": complete}, loader.ErrNotFound, "no model.safetensors"},
		{"pickles", map[string]string{"config.json": complete, "pytorch_model.bin": ""}, loader.ErrUnsupportedModel, "pickles"},
		{"strange names", map[string]string{"config.json": complete, "x.safetensors": ""}, loader.ErrNotFound, "neither model.safetensors"},
		{"config empty", map[string]string{"config.json": ""}, loader.ErrCorrupt, "config.json"},
		{"config a list", map[string]string{"config.json": "[]"}, loader.ErrCorrupt, "config.json"},
		{"config lacks everything", map[string]string{"config.json": config}, loader.ErrCorrupt, `"num_hidden_layers" is missing`},
		{"generation damaged", map[string]string{"config.json": complete, "generation_config.json": "{"}, loader.ErrCorrupt, "generation_config.json"},
		{"tokenizer damaged", map[string]string{"config.json": complete, "tokenizer_config.json": "{"}, loader.ErrCorrupt, "tokenizer_config.json"},
		{"weights empty", map[string]string{"config.json": complete, "model.safetensors": ""}, loader.ErrCorrupt, "empty"},
		{"weights a pointer", map[string]string{"config.json": complete, "model.safetensors": "version https://git-lfs.github.com/spec/v1\n"}, loader.ErrUnsupportedModel, "git lfs pull"},
		{"weights damaged", map[string]string{"config.json": complete, "model.safetensors": "\xff\x00\x00\x00\x00\x00\x00\x00{}"}, loader.ErrCorrupt, "claims 255 bytes"},
		{"index damaged", map[string]string{"config.json": complete, "model.safetensors.index.json": "{"}, loader.ErrCorrupt, "index.json"},
		{"index a list", map[string]string{"config.json": complete, "model.safetensors.index.json": "[1]"}, loader.ErrCorrupt, "it is of type array where an object is expected"},
		{"index of numbers", map[string]string{"config.json": complete, "model.safetensors.index.json": `{"weight_map":{"a":1}}`}, loader.ErrCorrupt, `key "weight_map": its value is a number`},
		{"shape negative", map[string]string{"config.json": complete, "model.safetensors": strings.Replace(shard("a"), `[1]`, `-[1`, 1)}, loader.ErrCorrupt, "JSON is damaged"},
		{"shape a text", map[string]string{"config.json": complete, "model.safetensors": strings.Replace(shard("a"), `"U8"`, "8   ", 1)}, loader.ErrCorrupt, "a number stands where none is possible"},
		{"index empty", map[string]string{"config.json": complete, "model.safetensors.index.json": "{}"}, loader.ErrCorrupt, `"weight_map" is missing`},
		{"shard missing", map[string]string{"config.json": complete, "model.safetensors.index.json": `{"weight_map":{"a":"m-1.safetensors","b":"m-2.safetensors"}}`, "m-1.safetensors": "x"}, loader.ErrNotFound, "1 of the model's 2 files are missing: m-2.safetensors"},
		{"shard lacks its tensor", map[string]string{"config.json": complete, "model.safetensors.index.json": `{"weight_map":{"a":"m.safetensors"}}`, "m.safetensors": shard("b")}, loader.ErrCorrupt, `tensor "a" is missing`},
		{"shard a folder", map[string]string{"config.json": complete, "model.safetensors.index.json": `{"weight_map":{"a":"m.safetensors"}}`, "m.safetensors/x": ""}, loader.ErrUnsupportedModel, "not a file"},
		{"two names of one weight", map[string]string{"config.json": complete, "model.safetensors": shard("norm.weight", "model.norm.weight")}, loader.ErrCorrupt, "same weight"},
		{"type unknown", map[string]string{"config.json": complete, "model.safetensors": strings.Replace(shard("a"), `"U8"`, `"F4"`, 1)}, loader.ErrUnsupportedModel, `type "F4" is unknown`},
		{"type not computed with", map[string]string{"config.json": complete, "model.safetensors": shard("a")}, loader.ErrUnsupportedModel, `tensor "a" is of type U8`},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range c.files {
				path := filepath.Join(dir, name)
				if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(content), 0o600)); err != nil {
					t.Fatal(err)
				}
			}
			refused(t, dir, c.kind, c.want)
		})
	}
	for _, target := range []string{"blobs/gone", "model.safetensors"} { // as a cache without its files has, and a circle
		dir := t.TempDir()
		path := filepath.Join(dir, "model.safetensors")
		if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(complete), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Symlink(target, path); err != nil {
			t.Skipf("this system makes no symbolic links here: %v", err)
		}
		refused(t, dir, nil, path+": ")
	}
	for _, bad := range []string{"../m.safetensors", "/m.safetensors", `..\m.safetensors`, `C:m.safetensors`, "sub/m.safetensors", ".safetensors", "m.bin", "", "m.safetensors/", "m\x00.safetensors"} {
		dir := t.TempDir()
		index, err := json.Marshal(map[string]any{"weight_map": map[string]string{"a": bad}})
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "config.json"), []byte(complete), 0o600),
			os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), index, 0o600)); err != nil {
			t.Fatal(err)
		}
		refused(t, dir, loader.ErrCorrupt, "do not trust this model")
	}
}

// complete is a configuration with every key that is needed.
const complete = `{"model_type":"qwen3","num_hidden_layers":2,"hidden_size":128,"intermediate_size":256,"num_attention_heads":4,
"num_key_value_heads":1,"head_dim":128,"vocab_size":320,"max_position_embeddings":40960,"rms_norm_eps":1e-6,"rope_theta":1e6,"hidden_act":"silu"}`

// shard is a safetensors file of tensors of one byte.
func shard(names ...string) string {
	header := map[string]any{}
	for i, name := range names {
		header[name] = map[string]any{"dtype": "U8", "shape": []int{1}, "data_offsets": []int{i, i + 1}}
	}
	text, err := json.Marshal(header)
	if err != nil {
		panic(err)
	}
	return string(binary.LittleEndian.AppendUint64(nil, uint64(len(text)))) + string(text) + strings.Repeat("\x01", len(names))
}

// TestConfigKeys: each key that is needed is named when it is missing, and each value that
// makes no sense is refused.
func TestConfigKeys(t *testing.T) {
	var base map[string]any
	if err := json.Unmarshal([]byte(complete), &base); err != nil {
		t.Fatal(err)
	}
	folder := func(change map[string]any) string {
		keys := maps.Clone(base)
		for k, v := range change {
			if v == nil {
				delete(keys, k)
			} else {
				keys[k] = v
			}
		}
		text, err := json.Marshal(keys)
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		weights := `{"model.norm.weight":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}`
		weights = string(binary.LittleEndian.AppendUint64(nil, uint64(len(weights)))) + weights + "\x00\x00\x00\x00"
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600),
			os.WriteFile(filepath.Join(dir, "model.safetensors"), []byte(weights), 0o600)); err != nil {
			t.Fatal(err)
		}
		return dir
	}
	if c := open(t, folder(nil)); !c.Config().Tied || c.Config().BOS != -1 {
		t.Errorf("the least configuration: %+v", c.Config())
	}
	for key := range base {
		switch key {
		case "model_type":
			refused(t, folder(map[string]any{key: nil}), loader.ErrUnsupportedModel, `architecture "" is not known`)
		case "hidden_act":
			open(t, folder(map[string]any{key: nil}))
		default:
			refused(t, folder(map[string]any{key: nil}), loader.ErrCorrupt, `"`+key+`" is missing`)
			refused(t, folder(map[string]any{key: "many"}), loader.ErrCorrupt, `"`+key+`"`)
		}
	}
	type keys = map[string]any
	for _, c := range []struct {
		change keys
		kind   error
		want   string
	}{
		{keys{"model_type": "llama"}, loader.ErrUnsupportedModel, `"llama"`},
		{keys{"hidden_act": "gelu"}, loader.ErrUnsupportedModel, `"gelu"`},
		{keys{"num_hidden_layers": 0}, loader.ErrCorrupt, "out of range"},
		{keys{"num_hidden_layers": 2000000000}, loader.ErrCorrupt, "2000000000 layers"},
		{keys{"num_hidden_layers": 2000000000, "use_sliding_window": true, "sliding_window": 4}, loader.ErrCorrupt, "2000000000 layers"},
		{keys{"hidden_size": -128}, loader.ErrCorrupt, "out of range"},
		{keys{"hidden_size": 128.5}, loader.ErrCorrupt, "hidden_size"},
		{keys{"vocab_size": 1e18}, loader.ErrCorrupt, "vocab_size"},
		{keys{"num_key_value_heads": 3}, loader.ErrCorrupt, "share 3 key-value heads"},
		{keys{"rms_norm_eps": 0}, loader.ErrCorrupt, "epsilon"},
		{keys{"rope_theta": -1}, loader.ErrCorrupt, "rotary base"},
		{keys{"eos_token_id": 320}, loader.ErrCorrupt, "beyond the vocabulary"},
		{keys{"eos_token_id": []int{1, -2}}, loader.ErrCorrupt, "no token id"},
		{keys{"model_type": "qwen2", "head_dim": nil, "num_attention_heads": 3}, loader.ErrCorrupt, "divide"},
		{keys{"rope_scaling": keys{"factor": 4}}, loader.ErrCorrupt, `"rope_type" is missing`},
		{keys{"rope_scaling": keys{"rope_type": "yarn"}}, loader.ErrCorrupt, `"factor" is missing`},
		{keys{"rope_scaling": keys{"type": "yarn", "factor": 0.5}}, loader.ErrCorrupt, "at least 1"},
		{keys{"rope_scaling": keys{"type": "yarn", "factor": 1e300}}, loader.ErrCorrupt, "at most"},
		{keys{"rope_scaling": keys{"type": "yarn", "factor": 4, "beta_fast": 1, "beta_slow": 32}}, loader.ErrCorrupt, "beta_fast"},
		{keys{"rope_scaling": keys{"type": "yarn", "factor": 4, "beta_slow": 0}}, loader.ErrCorrupt, "beta_slow"},
		{keys{"rope_scaling": keys{"type": "yarn", "factor": 4, "attention_factor": -1}}, loader.ErrCorrupt, "attention factor"},
		{keys{"rope_scaling": keys{"type": "yarn", "factor": 4, "truncate": "no"}}, loader.ErrCorrupt, "truncate"},
		{keys{"rope_scaling": keys{"type": "yarn", "factor": 4, "original_max_position_embeddings": 0}}, loader.ErrCorrupt, "out of range"},
		{keys{"rope_scaling": keys{"type": "yarn", "factor": 4, "mrope_section": []int{1}}}, loader.ErrUnsupportedModel, "mrope_section"},
		{keys{"rope_scaling": 4}, loader.ErrCorrupt, "rope_scaling"},
		{keys{"layer_types": []string{"full_attention"}}, loader.ErrCorrupt, "lists 1 layers"},
		{keys{"layer_types": []string{"full_attention", "linear_attention"}}, loader.ErrUnsupportedModel, "linear_attention"},
		{keys{"layer_types": []string{"full_attention", "sliding_attention"}}, loader.ErrCorrupt, "no window"},
		{keys{"quantization_config": keys{"quant_method": "bitsandbytes"}}, loader.ErrUnsupportedModel, `"bitsandbytes"`},
	} {
		refused(t, folder(c.change), c.kind, c.want)
	}
	yarn := open(t, folder(keys{"rope_theta": nil, "rope_parameters": keys{"rope_theta": 5, "rope_type": "yarn", "factor": 2, "attention_factor": 3, "beta_fast": 16}})).Config()
	if want := (loader.RoPEScaling{Type: "yarn", Factor: 2, OriginalContext: 40960, BetaFast: 16, BetaSlow: 1, AttentionFactor: 3}); yarn.RoPEScaling != want || yarn.RoPETheta != 5 {
		t.Errorf("YaRN: %+v, base %g; want %+v", yarn.RoPEScaling, yarn.RoPETheta, want)
	}
	mscale := func(weight float64) float64 { return 0.1*weight*math.Log(4) + 1 }
	for name, c := range map[string]struct {
		scaling keys
		want    loader.RoPEScaling
	}{
		"mscale": {keys{"type": "yarn", "factor": 4, "mscale": 2, "mscale_all_dim": 0.5, "truncate": false}, loader.RoPEScaling{
			Type: "yarn", Factor: 4, OriginalContext: 40960, BetaFast: 32, BetaSlow: 1, Exact: true, AttentionFactor: mscale(2) / mscale(0.5),
		}},
		"half of mscale":   {keys{"type": "yarn", "factor": 4, "mscale": 2}, loader.NewYaRN(4, 40960)},
		"factor left out":  {keys{"type": "yarn", "original_max_position_embeddings": 10240}, loader.NewYaRN(4, 10240)},
		"linear":           {keys{"type": "linear", "factor": 4}, loader.RoPEScaling{Type: "linear", Factor: 4, OriginalContext: 40960}},
		"dynamic":          {keys{"rope_type": "dynamic", "factor": 4}, loader.RoPEScaling{Type: "dynamic", Factor: 4, OriginalContext: 40960}},
		"of another model": {keys{"rope_type": "llama3", "factor": "?"}, loader.RoPEScaling{Type: "llama3"}},
	} {
		if got := open(t, folder(keys{"rope_scaling": c.scaling})).Config().RoPEScaling; got != c.want {
			t.Errorf("%s: %+v, want %+v", name, got, c.want)
		}
	}
}

// TestMetadataKeys changes a real file's metadata in place: each key that is needed is named
// when it is missing.
func TestMetadataKeys(t *testing.T) {
	whole := testkit.Read(t, "golden/qwen3-dense-tied/model.bf16.gguf")
	edit := func(from, to string) string {
		data := bytes.Replace(whole, []byte(from), []byte(to), 1)
		if bytes.Equal(data, whole) || len(data) != len(whole) {
			t.Fatalf("%q does not replace %q", to, from)
		}
		path := filepath.Join(t.TempDir(), "m.gguf")
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const number, float, str = "\x04\x00", "\x06\x00", "\x08\x00" // types, which follow the keys
	for key, typ := range map[string]string{
		"general.architecture":                   str,
		"qwen3.block_count":                      number,
		"qwen3.context_length":                   number,
		"qwen3.embedding_length":                 number,
		"qwen3.feed_forward_length":              number,
		"qwen3.attention.head_count":             number,
		"qwen3.rope.freq_base":                   float,
		"qwen3.attention.layer_norm_rms_epsilon": float,
	} {
		refused(t, edit(key+typ, key[:len(key)-1]+"X"+typ), loader.ErrCorrupt, `"`+key+`" is missing`)
	}
	refused(t, edit("\x05\x00\x00\x00\x00\x00\x00\x00qwen3\x0c", "\x05\x00\x00\x00\x00\x00\x00\x00llama\x0c"), loader.ErrUnsupportedModel, `"llama"`)
	refused(t, edit("qwen3.block_count\x04", "qwen3.block_count\x06"), loader.ErrCorrupt, "not a whole number")
	refused(t, edit("qwen3.attention.value_length\x04\x00\x00\x00\x80", "qwen3.attention.value_length\x04\x00\x00\x00\x40"), loader.ErrUnsupportedModel, "heads of 64")
	if c, err := loader.Inspect(edit("\x05\x00\x00\x00\x00\x00\x00\x00qwen3\x0c", "\x05\x00\x00\x00\x00\x00\x00\x00llama\x0c")); err != nil || c.Refusal() == nil || len(c.Names()) != 24 || c.Close() != nil {
		t.Errorf("Inspect: %v", err)
	}
	if c := open(t, edit("token_embd.weight", "token_embX.weight")); c.Config().Vocab != 320 {
		t.Errorf("a vocabulary of %d for 320 tokens without an embedding", c.Config().Vocab)
	}
	for _, n := range []int{1, 100, 7000, 7773, len(whole) / 2, len(whole) - 1} {
		path := filepath.Join(t.TempDir(), "cut.gguf")
		if err := os.WriteFile(path, whole[:len(whole)-n], 0o600); err != nil {
			t.Fatal(err)
		}
		refused(t, path, nil, path)
	}
}
