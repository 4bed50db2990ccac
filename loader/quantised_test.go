package loader_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/quant"
)

const quantisedLayer = "model.layers.0.mlp.down_proj."

// quantisedFolder writes a folder of one layer [16 × 256], of which change may alter parts and configuration.
func quantisedFolder(t *testing.T, layer testkit.Quantised, config map[string]any, change func(parts map[string]testkit.Tensor)) string {
	t.Helper()
	layer.Rows, layer.Cols = 16, 256
	parts, _ := layer.Make(rand.New(rand.NewPCG(1, 2)))
	if change != nil {
		change(parts)
	}
	tensors := map[string]testkit.Tensor{}
	for name, x := range parts {
		tensors[quantisedLayer+name] = x
	}
	dir := t.TempDir()
	testkit.WriteSafetensors(t, filepath.Join(dir, "model.safetensors"), tensors)
	writeConfig(t, dir, map[string]any{"quantization_config": config})
	return dir
}

// writeConfig writes a complete config.json with keys changed.
func writeConfig(t testing.TB, dir string, change map[string]any) {
	t.Helper()
	var keys map[string]any
	if err := json.Unmarshal([]byte(complete), &keys); err != nil {
		t.Fatal(err)
	}
	maps.Copy(keys, change)
	text, err := json.Marshal(keys)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "config.json"), text, 0o600); err != nil {
		t.Fatal(err)
	}
}

type keys = map[string]any

// TestQuantisedNames: a layer is one tensor with the name, the shape and the parameters of its weight.
func TestQuantisedNames(t *testing.T) {
	gptq4, gptq8 := testkit.Quantised{Bits: 4, Group: 128}, testkit.Quantised{Bits: 8}
	gptq4.Symmetric = true
	awq := testkit.Quantised{Bits: 4, Group: 32, AWQ: true}
	for _, c := range []struct {
		layer  testkit.Quantised
		config keys
		want   string
		layout string
	}{
		{gptq4, keys{"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": true}, "GPTQ-INT4 g128", "q4g128"},
		{gptq4, keys{"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": false, "checkpoint_format": "gptq"}, "GPTQ-INT4 g128", "q4g128z"},
		{gptq4, keys{"quant_method": "gptq", "bits": 8, "group_size": 64, "dynamic": keys{"+:.*down.*": keys{"bits": 4}}}, "GPTQ-INT4 g128", "q4g128z"},
		{gptq4, keys{"quant_method": "gptq", "bits": 4, "group_size": 128, "dynamic": keys{"-:.*gate.*": keys{}}}, "GPTQ-INT4 g128", "q4g128"},
		{gptq8, keys{"quant_method": "gptq", "bits": 8, "group_size": -1, "sym": false}, "GPTQ-INT8 per column", "q8g128z"},
		{awq, keys{"quant_method": "awq", "bits": 4, "group_size": 32, "version": "GEMM"}, "AWQ-INT4 g32", "q4g32z"},
	} {
		dir := quantisedFolder(t, c.layer, c.config, nil)
		m := open(t, dir)
		x, ok := m.Tensor("blk.0.ffn_down.weight")
		if !ok || x.FileName != quantisedLayer+"qweight" || x.TypeName != c.want || x.Rows != 16 || x.Cols != 256 || !slices.Equal(x.Shape, []int{16, 256}) {
			t.Errorf("%v: %+v", c.config, x)
		}
		if l := x.Source().Layout().Name(); l != c.layout {
			t.Errorf("%v: layout %s, want %s", c.config, l, c.layout)
		}
		stat, err := os.Stat(filepath.Join(dir, "model.safetensors"))
		if err != nil {
			t.Fatal(err)
		}
		counts := m.TypeCounts()
		if len(counts) != 1 || m.Parameters() != 16*256 || m.TotalBytes() != x.Bytes() || x.Bytes() < 2048 || x.Bytes() > stat.Size() {
			t.Errorf("%v: %v, %d parameters", c.config, counts, m.Parameters())
		}
		if err := x.Source().Values(make([]float32, 16*256), 0, 16); err != nil {
			t.Error(err)
		}
	}
}

// TestOldQuantisedFolders: configurations of before transformers 4.35 lie in files of their own.
func TestOldQuantisedFolders(t *testing.T) {
	for file, c := range map[string]struct {
		layer  testkit.Quantised
		config string
	}{
		"quantize_config.json": {testkit.Quantised{Bits: 8, Group: 64}, `{"bits": 8, "group_size": 64, "desc_act": false, "sym": false}`},
		"quant_config.json":    {testkit.Quantised{Bits: 4, Group: 64, AWQ: true}, `{"zero_point": true, "q_group_size": 64, "w_bit": 4, "version": "GEMM"}`},
	} {
		dir := quantisedFolder(t, c.layer, nil, nil)
		writeConfig(t, dir, nil)
		refused(t, dir, loader.ErrUnsupportedModel, "neither config.json nor quantize_config.json says how")
		if err := os.WriteFile(filepath.Join(dir, file), []byte(c.config), 0o600); err != nil {
			t.Fatal(err)
		}
		m := open(t, dir)
		if x, _ := m.Tensor("blk.0.ffn_down.weight"); !strings.HasSuffix(x.TypeName, "g64") {
			t.Errorf("%s: %+v", file, x)
		}
	}
}

// TestQuantisedShards: a layer's parts may lie in different files.
func TestQuantisedShards(t *testing.T) {
	l := testkit.Quantised{Rows: 16, Cols: 256, Bits: 4, Group: 128}
	parts, weights := l.Make(rand.New(rand.NewPCG(3, 4)))
	dir, places, shard := t.TempDir(), map[string]string{}, 0
	for _, name := range slices.Sorted(maps.Keys(parts)) {
		file := []string{"a.safetensors", "b.safetensors", "c.safetensors", "d.safetensors"}[shard]
		shard++
		places[quantisedLayer+name] = file
		testkit.WriteSafetensors(t, filepath.Join(dir, file), map[string]testkit.Tensor{quantisedLayer + name: parts[name]})
	}
	index := func(places map[string]string) {
		text, err := json.Marshal(keys{"weight_map": places})
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "model.safetensors.index.json"), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	index(places)
	writeConfig(t, dir, keys{"quantization_config": keys{"quant_method": "gptq", "bits": 4, "sym": false}})
	x, _ := open(t, dir).Tensor("blk.0.ffn_down.weight")
	got := make([]float32, len(weights))
	if err := x.Source().Values(got, 0, 16); err != nil {
		t.Fatal(err)
	}
	for i, w := range weights {
		if got[i] != float32(w) {
			t.Fatalf("weight %d is %g, want %g", i, got[i], w)
		}
	}
	places["x.qzeros"] = "a.safetensors"
	index(places)
	refused(t, dir, loader.ErrCorrupt, `tensor "x.qzeros" is missing`)
}

// TestQuantisedRefusals: each thing that is wrong with a quantised layer is a sentence with the file and the tensor.
func TestQuantisedRefusals(t *testing.T) {
	gptq := func(change keys) keys {
		config := keys{"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": false, "desc_act": true}
		maps.Copy(config, change)
		return config
	}
	awq := func(change keys) keys {
		config := keys{"quant_method": "awq", "bits": 4, "group_size": 128, "version": "gemm"}
		maps.Copy(config, change)
		return config
	}
	for _, c := range []struct {
		config keys
		kind   error
		want   string
	}{
		{gptq(keys{"quant_method": "bitsandbytes"}), loader.ErrUnsupportedModel, `the method "bitsandbytes"`},
		{gptq(keys{"quant_method": nil}), loader.ErrUnsupportedModel, `the method ""`},
		{gptq(keys{"bits": 3}), loader.ErrUnsupportedModel, "3 bits"},
		{gptq(keys{"bits": 2}), loader.ErrUnsupportedModel, "2 bits"},
		{gptq(keys{"bits": "four"}), loader.ErrCorrupt, `"bits"`},
		{gptq(keys{"checkpoint_format": "marlin"}), loader.ErrUnsupportedModel, `the format "marlin"`},
		{gptq(keys{"checkpoint_format": "gptq_v3"}), loader.ErrUnsupportedModel, `the format "gptq_v3"`},
		{gptq(keys{"is_marlin_format": true}), loader.ErrUnsupportedModel, "Marlin"},
		{gptq(keys{"pack_dtype": "int16"}), loader.ErrUnsupportedModel, `"int16"`},
		{gptq(keys{"group_size": 0}), loader.ErrCorrupt, "a group of 0 inputs"},
		{gptq(keys{"group_size": 16}), loader.ErrCorrupt, "qzeros"},
		{awq(keys{"version": "gemv"}), loader.ErrUnsupportedModel, `the version "gemv"`},
		{awq(keys{"version": nil, "checkpoint_format": "gemv_fast"}), loader.ErrUnsupportedModel, `the version "gemv_fast"`},
		{awq(keys{"bits": 3}), loader.ErrUnsupportedModel, "3 bits"},
		{awq(keys{"zero_point": false}), loader.ErrUnsupportedModel, "no zero points"},
		{keys{"quant_method": "fp8", "fmt": "e5m2"}, loader.ErrUnsupportedModel, `"e5m2"`},
		{keys{"quant_method": "fp8", "weight_block_size": []int{128}}, loader.ErrCorrupt, "pair of sizes"},
		{keys{"quant_method": "fp8"}, loader.ErrUnsupportedModel, "down_proj"},
	} {
		dir := quantisedFolder(t, testkit.Quantised{Bits: 4, Group: 128, ActOrder: true, AWQ: c.config["quant_method"] == "awq"}, c.config, nil)
		refused(t, dir, c.kind, c.want)
		if !errors.Is(c.kind, loader.ErrUnsupportedModel) {
			continue
		}
		m, err := loader.Inspect(dir)
		if err != nil || len(m.Names()) == 0 || m.Close() != nil {
			t.Errorf("Inspect: %v", err)
		}
	}
	type parts = map[string]testkit.Tensor
	reshape := func(name string, shape ...int) func(parts) {
		return func(p parts) {
			x := p[name]
			x.Shape = shape
			p[name] = x
		}
	}
	for _, c := range []struct {
		want   string
		change func(p parts)
	}{
		{`down_proj.qweight" is missing`, func(p parts) { delete(p, "qweight") }},
		{`down_proj.qzeros" is missing`, func(p parts) { delete(p, "qzeros") }},
		{`down_proj.scales" is missing`, func(p parts) { delete(p, "scales") }},
		{`down_proj.g_idx" is missing, which "desc_act" asks for`, func(p parts) { delete(p, "g_idx") }},
		{`down_proj.qweight" is of type F32`, func(p parts) { x := p["qweight"]; x.DType = "F32"; p["qweight"] = x }},
		{`down_proj.scales" is of type I16`, func(p parts) { x := p["scales"]; x.DType = "I16"; p["scales"] = x }},
		{`down_proj.qweight" has shape [512], which is no matrix`, reshape("qweight", 512)},
		{`down_proj.qzeros" has shape [2 2], the other parts of its layer need [4 1]`, reshape("qweight", 64, 8)},
		{`down_proj.qzeros" has shape [4 1], the other parts of its layer need [2 2]`, reshape("qzeros", 4, 1)},
		{`down_proj.scales" has shape [1 32], the other parts of its layer need [2 16]`, reshape("scales", 1, 32)},
		{`down_proj.g_idx" is I32 of shape [2 128]`, reshape("g_idx", 2, 128)},
		{`down_proj.scales" is empty`, func(p parts) { p["scales"] = testkit.Tensor{DType: "F16", Shape: []int{0, 16}} }},
	} {
		dir := quantisedFolder(t, testkit.Quantised{Bits: 4, Group: 128, ActOrder: true}, gptq(nil), c.change)
		refused(t, dir, loader.ErrCorrupt, c.want)
	}
}

// TestFP8Folders: scales per tile and per matrix, and what is wrong with them.
func TestFP8Folders(t *testing.T) {
	weight := testkit.Tensor{DType: "F8_E4M3", Shape: []int{200, 288}, Data: bytes.Repeat([]byte{0x38}, 200*288)} // ones
	scale := func(dtype string, size int, shape ...int) testkit.Tensor {
		n := size
		for _, d := range shape {
			n *= d
		}
		return testkit.Tensor{DType: dtype, Shape: shape, Data: bytes.Repeat([]byte{0x80, 0x3f}, (n+1)/2)[:n]} // BF16 ones
	}
	tiles := keys{"quant_method": "fp8", "weight_block_size": []int{128, 128}}
	for _, c := range []struct {
		config keys
		parts  map[string]testkit.Tensor
		want   string // type, or what is wrong
	}{
		{tiles, map[string]testkit.Tensor{"weight": weight, "weight_scale_inv": scale("BF16", 2, 2, 3), "input_scale": scale("F32", 4, 1)}, "FP8-E4M3 128×128"},
		{keys{"quant_method": "fp8"}, map[string]testkit.Tensor{"weight": weight, "weight_scale": scale("BF16", 2)}, "FP8-E4M3"},
		{tiles, map[string]testkit.Tensor{"weight": weight}, `weight_scale_inv" is missing`},
		{tiles, map[string]testkit.Tensor{"weight_scale_inv": scale("BF16", 2, 2, 3)}, `weight" is missing`},
		{tiles, map[string]testkit.Tensor{"weight": weight, "weight_scale_inv": scale("BF16", 2, 2, 2)}, `has shape [2 2], the other parts of its layer need [2 3]`},
		{tiles, map[string]testkit.Tensor{"weight": weight, "weight_scale_inv": scale("U8", 1, 2, 3)}, `of type U8`},
		{keys{"quant_method": "fp8"}, map[string]testkit.Tensor{"weight": weight, "weight_scale": scale("BF16", 2, 2)}, `not one number`},
	} {
		dir, tensors := t.TempDir(), map[string]testkit.Tensor{}
		for name, x := range c.parts {
			tensors[quantisedLayer+name] = x
		}
		testkit.WriteSafetensors(t, filepath.Join(dir, "model.safetensors"), tensors)
		writeConfig(t, dir, keys{"quantization_config": c.config})
		if !strings.HasPrefix(c.want, "FP8") {
			refused(t, dir, loader.ErrCorrupt, c.want)
			continue
		}
		x, _ := open(t, dir).Tensor("blk.0.ffn_down.weight")
		got := make([]float32, 288)
		if err := x.Source().Values(got, 199, 1); err != nil || x.TypeName != c.want || x.Rows != 200 || got[0] != 1 || got[287] != 1 {
			t.Errorf("%+v: %v, %v", x, got, err)
		}
	}
	dir := t.TempDir()
	testkit.WriteSafetensors(t, filepath.Join(dir, "model.safetensors"), map[string]testkit.Tensor{quantisedLayer + "weight": weight})
	writeConfig(t, dir, nil)
	refused(t, dir, loader.ErrUnsupportedModel, "is part of a quantised layer")
}

// FuzzGPTQ: whatever a folder's configuration and file say of quantised layers, opening and reading them returns, and
// takes memory in proportion to the files.
func FuzzGPTQ(f *testing.F) {
	add := func(layer testkit.Quantised, config string) {
		layer.Rows, layer.Cols = 8, 64
		parts, _ := layer.Make(rand.New(rand.NewPCG(1, 2)))
		tensors := map[string]testkit.Tensor{}
		for name, x := range parts {
			tensors[quantisedLayer+name] = x
		}
		path := filepath.Join(f.TempDir(), "seed")
		testkit.WriteSafetensors(f, path, tensors)
		file, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add([]byte(config), file)
	}
	add(testkit.Quantised{Bits: 4, Group: 32, ActOrder: true}, `{"quant_method":"gptq","bits":4,"group_size":32,"desc_act":true,"sym":false,"dynamic":{"+:a":{"bits":8}}}`)
	add(testkit.Quantised{Bits: 8}, `{"quant_method":"gptq","bits":8,"group_size":-1,"checkpoint_format":"gptq_v2"}`)
	add(testkit.Quantised{Bits: 4, Group: 32, AWQ: true}, `{"quant_method":"awq","bits":4,"group_size":32,"version":"gemm","zero_point":true}`)
	fp8 := `{"a.weight":{"dtype":"F8_E4M3","shape":[2,32],"data_offsets":[0,64]},"a.weight_scale_inv":{"dtype":"BF16","shape":[1,1],"data_offsets":[64,66]}}`
	head := append(binary.LittleEndian.AppendUint64(nil, uint64(len(fp8))), fp8...)
	f.Add([]byte(`{"quant_method":"fp8","weight_block_size":[128,128],"fmt":"e4m3"}`), append(head, make([]byte, 66)...))
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, config, file []byte) {
		text := append(append([]byte(complete[:len(complete)-1]), `,"quantization_config":`...), config...)
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "config.json"), append(text, '}'), 0o600),
			os.WriteFile(filepath.Join(dir, "model.safetensors"), file, 0o600)); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		readQuantised(t, dir)
		runtime.ReadMemStats(&after)
		if grown, limit := after.TotalAlloc-before.TotalAlloc, uint64(16<<20+4*(len(file)+len(text))); grown > limit {
			t.Errorf("reading %d bytes took %d bytes of memory", len(file)+len(text), grown)
		}
	})
}

// readQuantised opens a folder and makes a row of each tensor's planes.
func readQuantised(t *testing.T, dir string) {
	c, err := loader.Open(dir)
	if err != nil {
		if !errors.Is(err, loader.ErrCorrupt) && !errors.Is(err, loader.ErrUnsupportedModel) {
			t.Errorf("%v", err)
		}
		return
	}
	for _, name := range c.Names() {
		x, _ := c.Tensor(name)
		rows, cols := x.Source().Shape()
		if rows != x.Rows || cols != x.Cols || rows < 1 || cols < 1 {
			t.Errorf("%s is %d × %d and %d × %d", name, rows, cols, x.Rows, x.Cols)
		}
		l := x.Source().Layout()
		if cols > 1<<16 || l.CheckCols(cols) != nil {
			continue
		}
		planes := make([][]byte, l.Planes())
		for p := range planes {
			planes[p] = make([]byte, l.PlaneRowBytes(p, cols))
		}
		err := x.Source().Planes(planes, l, rows-1, 1)
		order, orderErr := x.Source().Order()
		if orderErr == nil && order != nil && len(order) != cols || orderErr != nil && err == nil {
			t.Errorf("%s: an order of %d of %d columns, %v, planes %v", name, len(order), cols, orderErr, err)
		}
		var v *quant.ValueError
		if errors.As(err, &v) && (v.Row != rows-1 || v.Col >= cols) {
			t.Errorf("%s of %d × %d: %v", name, rows, cols, err)
		}
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// TestQuantisedCases: the published styles of configuration name the same layers.
func TestQuantisedCases(t *testing.T) {
	for _, dir := range testkit.Cases(t, "golden/gptq-awq/*") {
		want := open(t, dir)
		twin := t.TempDir()
		for _, name := range []string{"model.safetensors", "config.hub.json"} {
			to := strings.Replace(name, ".hub", "", 1)
			if err := os.Symlink(filepath.Join(dir, name), filepath.Join(twin, to)); err != nil {
				t.Fatal(err)
			}
		}
		got := open(t, twin)
		if diff := cmp.Diff(want.TypeCounts(), got.TypeCounts()); diff != "" || !slices.Equal(want.Names(), got.Names()) {
			t.Errorf("%s: %s", dir, diff)
		}
		quantised := 0
		for _, n := range want.TypeCounts() {
			if strings.Contains(n.Type, "-INT") {
				quantised += n.Tensors
			}
		}
		if quantised != 7 {
			t.Errorf("%s: %d quantised layers, want 7", dir, quantised)
		}
	}
}
