package loader_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
)

// FuzzOpenGGUF: whatever the bytes, opening from memory gives a checkpoint whose parts can be
// asked for, or an *Error of a kind that callers branch on.
func FuzzOpenGGUF(f *testing.F) {
	f.Add([]byte("GGUF"))
	f.Add(oneTensor(f))
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := loader.OpenGGUF("fuzz", data)
		if err != nil {
			var e *loader.Error
			if !errors.As(err, &e) || e.File != "fuzz" || !errors.Is(err, loader.ErrCorrupt) && !errors.Is(err, loader.ErrUnsupportedModel) {
				t.Errorf("%v", err)
			}
			return
		}
		for _, name := range c.Names() {
			x, ok := c.Tensor(name)
			row, err := x.Type.RowBytes(x.Cols)
			if !ok || err != nil || row*x.Rows != len(x.Data) {
				t.Errorf("%s: %v of %d × %d in %d bytes, %v", name, x.Type, x.Rows, x.Cols, len(x.Data), err)
			}
		}
		if config := c.Config(); config.Layers < 1 || config.HeadDim < 1 || config.Vocab < 1 || config.Heads%config.KVHeads != 0 {
			t.Errorf("%+v", config)
		}
		_, _ = c.GGUFTokenizer()
		_ = c.TypeCounts()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// oneTensor is a real file's metadata with one tensor of 32 bytes: valid, and small enough to be
// mutated well.
func oneTensor(f *testing.F) []byte {
	whole := testkit.Read(f, "golden/qwen3-dense-tied/model.bf16.gguf")
	list := bytes.Index(whole, []byte("token_embd.weight")) - 8 // its length goes before
	if list < 0 {
		f.Fatal("the golden file has no embedding")
	}
	data := append([]byte(nil), whole[:list]...)
	binary.LittleEndian.PutUint64(data[8:], 1)
	data = append(data, "\x12\x00\x00\x00\x00\x00\x00\x00output_norm.weight\x01\x00\x00\x00"...)
	data = append(data, "\x08\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"...) // 8 elements, F32, offset 0
	data = append(data, make([]byte, -len(data)&31+32)...)
	if c, err := loader.OpenGGUF("seed", data); err != nil || len(c.Names()) != 1 {
		f.Fatal(err)
	}
	return data
}

// FuzzConfig: whatever config.json and generation_config.json say, opening returns.
func FuzzConfig(f *testing.F) {
	f.Add([]byte(complete), []byte(`{"eos_token_id":[1,2],"temperature":0.6}`))
	for _, name := range []string{"config.json", "config.hub.json"} {
		f.Add(testkit.Read(f, "golden/qwen3-dense-tied/"+name), testkit.Read(f, "golden/qwen3-dense-tied/generation_config.json"))
	}
	f.Add([]byte(`{"model_type":"qwen2","use_sliding_window":true,"sliding_window":4,"max_window_layers":1,"rope_scaling":{"type":"yarn","factor":4}}`), []byte(`null`))
	dir := f.TempDir()
	weights := binary.LittleEndian.AppendUint64(nil, 2)
	if err := os.WriteFile(filepath.Join(dir, "model.safetensors"), append(weights, "{}"...), 0o600); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, config, generation []byte) {
		if err := errors.Join(os.WriteFile(filepath.Join(dir, "config.json"), config, 0o600),
			os.WriteFile(filepath.Join(dir, "generation_config.json"), generation, 0o600)); err != nil {
			t.Fatal(err)
		}
		c, err := loader.Open(dir)
		if err != nil {
			if !errors.Is(err, loader.ErrCorrupt) && !errors.Is(err, loader.ErrUnsupportedModel) {
				t.Errorf("%v", err)
			}
			return
		}
		if config := c.Config(); config.Layers < 1 || config.HeadDim < 1 || config.Vocab < 1 || config.Heads%config.KVHeads != 0 {
			t.Errorf("%+v", config)
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
}

// TestOpenTakesNoMemory: weights stay in the file. The files are 1 GiB of nothing, which a
// file system stores as such.
func TestOpenTakesNoMemory(t *testing.T) {
	if ^uint(0)>>32 == 0 {
		t.Skip("1 GiB cannot be counted on to be mapped on a 32-bit system")
	}
	const size = 1 << 30
	dir := t.TempDir()
	header := `{"model.embed_tokens.weight":{"dtype":"F32","shape":[2097152,128],"data_offsets":[0,1073741824]}}`
	head := append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...)
	path := filepath.Join(dir, "model.safetensors")
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "config.json"), []byte(complete), 0o600),
		os.WriteFile(path, head, 0o600), os.Truncate(path, int64(len(head)+size))); err != nil {
		t.Skipf("no file of 1 GiB can be made here: %v", err)
	}
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	c := open(t, dir)
	x, ok := c.Tensor("token_embd.weight")
	runtime.ReadMemStats(&after)
	if !ok || len(x.Data) != size || x.Data[size-1] != 0 || c.TotalBytes() != size {
		t.Errorf("%t, %d bytes", ok, len(x.Data))
	}
	if grown := after.TotalAlloc - before.TotalAlloc; grown > 1<<20 {
		t.Errorf("opening took %d bytes", grown)
	}
}
