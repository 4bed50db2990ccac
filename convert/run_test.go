package convert_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/convert"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/gguf"
)

func preset(t testing.TB, name string) convert.Preset {
	t.Helper()
	p, err := convert.ParsePreset(name)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func open(t testing.TB, path string) *loader.Checkpoint {
	t.Helper()
	c, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

// entries lists what is in a folder, hidden files too.
func entries(t *testing.T, dir string) []string {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

// Every thread count must write the same file.
func TestThreads(t *testing.T) {
	c := open(t, testkit.Path(t, "demo-model/qwenvk-demo"))
	dir := t.TempDir()
	var first []byte
	for _, threads := range []int{1, 2, 7} {
		path := filepath.Join(dir, "out.gguf")
		if _, err := convert.Run(context.Background(), c, path, convert.Options{Preset: preset(t, "Q4_K_M"), Threads: threads}); err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = got
		}
		if !bytes.Equal(got, first) {
			t.Errorf("%d threads write another file than 1", threads)
		}
	}
}

// A run that is stopped leaves nothing of its own, and a file that was there before as it was.
func TestInterrupted(t *testing.T) {
	c := open(t, testkit.Path(t, "demo-model/qwenvk-demo"))
	dir := t.TempDir()
	path := filepath.Join(dir, "out.gguf")
	if err := os.WriteFile(path, []byte("old"), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	seen, registered := 0, 0
	_, err := convert.Run(ctx, c, path, convert.Options{
		Preset: preset(t, "Q6_K"), Threads: 1,
		Created: func(func()) (forget func()) {
			registered++
			return func() { registered-- }
		},
		Progress: func(done, total int64) {
			if list := entries(t, dir); len(list) != 2 {
				t.Errorf("while it runs the folder has %q", list)
			}
			if seen++; seen == 3 {
				cancel()
			}
		},
	})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	if list := entries(t, dir); !slices.Equal(list, []string{"out.gguf"}) {
		t.Errorf("the folder has %q", list)
	}
	if old, err := os.ReadFile(path); err != nil || string(old) != "old" {
		t.Errorf("the old file is %q, %v", old, err)
	}
	if registered != 0 {
		t.Errorf("%d removals are still registered", registered)
	}
}

// A program that ends in the middle calls what Created was given.
func TestRemoval(t *testing.T) {
	c := open(t, testkit.Path(t, "demo-model/qwenvk-demo"))
	dir := t.TempDir()
	_, err := convert.Run(context.Background(), c, filepath.Join(dir, "out.gguf"), convert.Options{
		Preset: preset(t, "F16"),
		Created: func(remove func()) (forget func()) {
			remove()
			return func() {}
		},
	})
	if err == nil || len(entries(t, dir)) != 0 {
		t.Errorf("got %v, the folder has %q", err, entries(t, dir))
	}
}

func TestProgress(t *testing.T) {
	c := open(t, testkit.Path(t, "demo-model/qwenvk-demo"))
	path := filepath.Join(t.TempDir(), "out.gguf")
	var begun convert.Result
	last, whole := int64(0), int64(0)
	r, err := convert.Run(context.Background(), c, path, convert.Options{
		Preset: preset(t, "Q4_0"),
		Begun:  func(r convert.Result) { begun = r },
		Progress: func(done, total int64) {
			last, whole = max(last, done), total
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if last != whole || whole == 0 {
		t.Errorf("the last progress is %d of %d", last, whole)
	}
	st, err := os.Stat(path)
	if err != nil || st.Size() != r.Bytes || begun.Bytes != r.Bytes {
		t.Errorf("the file has %d bytes (%v), the result says %d, before it began %d", st.Size(), err, r.Bytes, begun.Bytes)
	}
	if r.Params != c.Parameters() || r.Tensors["Q4_0"] != 28 || r.Tensors["Q6_K"] != 1 || r.Tensors["F32"] != 17 || math.Abs(r.BitsPerWeight-4.88) > 0.01 {
		t.Errorf("got %+v", r)
	}
}

// What cannot be written is refused in one sentence before any work is done.
func TestBadOutput(t *testing.T) {
	dir := t.TempDir()
	model := filepath.Join(dir, "model.gguf")
	data, err := os.ReadFile(testkit.Path(t, "demo-model/qwenvk-demo-Q4_0.gguf"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(model, data, 0o600); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "link.gguf")
	if err := os.Link(model, link); err != nil {
		t.Fatal(err)
	}
	c := open(t, model)
	for path, want := range map[string]string{
		dir:                                   "is a folder: name a file",
		filepath.Join(dir, "none", "o.gguf"):  "cannot be written: there is no folder " + filepath.Join(dir, "none") + "; make it first",
		filepath.Join(model, "o.gguf"):        "cannot be written",
		os.DevNull:                            "is no regular file",
		model:                                 "is the model itself: name another file",
		link:                                  "is the model itself: name another file",
		filepath.Join(dir, ".", "model.gguf"): "is the model itself: name another file",
	} {
		_, err := convert.Run(context.Background(), c, path, convert.Options{Preset: preset(t, "Q8_0")})
		var bad *convert.OutputError
		if !errors.As(err, &bad) || !strings.HasPrefix(err.Error(), path+" ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v, want %s", path, err, want)
		}
	}
	if list := entries(t, dir); len(list) != 2 {
		t.Errorf("the folder has %q", list)
	}
}

// small writes a GGUF model of one layer, changed by edit, and opens it.
func small(t *testing.T, edit func(name string, values []float32)) *loader.Checkpoint {
	t.Helper()
	const hidden, heads, dim, ffn, vocab = 64, 2, 32, 96, 5000 // the embedding takes two chunks
	var list []gguf.TensorInfo
	add := func(name string, shape ...int) {
		list = append(list, gguf.TensorInfo{Name: name, Shape: shape})
	}
	add("token_embd.weight", vocab, hidden)
	add("output_norm.weight", hidden)
	add("blk.0.attn_norm.weight", hidden)
	add("blk.0.ffn_norm.weight", hidden)
	add("blk.0.attn_q_norm.weight", dim)
	add("blk.0.attn_k_norm.weight", dim)
	for _, k := range []string{"q", "k", "v"} {
		add("blk.0.attn_"+k+".weight", heads*dim, hidden)
	}
	add("blk.0.attn_output.weight", hidden, heads*dim)
	add("blk.0.ffn_gate.weight", ffn, hidden)
	add("blk.0.ffn_up.weight", ffn, hidden)
	add("blk.0.ffn_down.weight", hidden, ffn)
	keys := []gguf.KeyValue{
		{Key: "general.architecture", Value: gguf.NewText("qwen3")},
		{Key: "general.alignment", Value: gguf.NewUint32(32)},
		{Key: "general.file_type", Value: gguf.NewUint32(0)},
		{Key: "quantize.imatrix.file", Value: gguf.NewText("somebody's")},
		{Key: "my.key", Value: gguf.NewText("kept")},
	}
	for key, n := range map[string]uint32{
		"block_count": 1, "context_length": 32, "embedding_length": hidden, "feed_forward_length": ffn,
		"attention.head_count": heads, "attention.head_count_kv": heads, "attention.key_length": dim, "attention.value_length": dim,
	} {
		keys = append(keys, gguf.KeyValue{Key: "qwen3." + key, Value: gguf.NewUint32(n)})
	}
	keys = append(keys, gguf.KeyValue{Key: "qwen3.attention.layer_norm_rms_epsilon", Value: gguf.NewFloat32(1e-6)},
		gguf.KeyValue{Key: "qwen3.rope.freq_base", Value: gguf.NewFloat32(1e4)})
	l, err := gguf.NewLayout(keys, list)
	if err != nil {
		t.Fatal(err)
	}
	file := make([]byte, l.Size)
	copy(file, l.Header)
	for i, info := range list {
		values := make([]float32, l.Sizes[i]/4)
		for k := range values {
			values[k] = float32(k%7) - 3
		}
		if edit != nil {
			edit(info.Name, values)
		}
		for k, v := range values {
			binary.LittleEndian.PutUint32(file[int(l.Offsets[i])+4*k:], math.Float32bits(v))
		}
	}
	c, err := loader.OpenGGUF("small", file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A number that cannot be written is named with tensor, row and column, and nothing is left.
func TestBadNumbers(t *testing.T) {
	for _, c := range []struct {
		preset, tensor string
		row            int
		value          float32
		want           string
	}{
		{"Q4_0", "token_embd.weight", 4500, float32(math.NaN()), `small: tensor "token_embd.weight": the weight NaN at row 4500, column 5 is not a finite number; the file is damaged or its training failed`},
		{"F32", "blk.0.ffn_up.weight", 90, float32(math.Inf(1)), `small: tensor "blk.0.ffn_up.weight": the weight +Inf at row 90, column 5 is not a finite number; the file is damaged or its training failed`},
		{"F16", "blk.0.ffn_up.weight", 90, 1e6, `small: tensor "blk.0.ffn_up.weight": the weight 1e+06 at row 90, column 5 is beyond F16's largest number, 65504; keep these weights in BF16 or F32`},
	} {
		model := small(t, func(name string, values []float32) {
			if name == c.tensor {
				values[c.row*64+5] = c.value
			}
		})
		dir := t.TempDir()
		_, err := convert.Run(context.Background(), model, filepath.Join(dir, "out.gguf"), convert.Options{Preset: preset(t, c.preset)})
		if err == nil || err.Error() != c.want || !errors.Is(err, loader.ErrCorrupt) {
			t.Errorf("got %v, want %s", err, c.want)
		}
		if list := entries(t, dir); len(list) != 0 {
			t.Errorf("the folder has %q", list)
		}
	}
}

// Metadata of a GGUF file is carried over but for what the conversion changes.
func TestCarriedMetadata(t *testing.T) {
	path := filepath.Join(t.TempDir(), "out.gguf")
	if _, err := convert.Run(context.Background(), small(t, nil), path, convert.Options{Preset: preset(t, "Q5_0")}); err != nil {
		t.Fatal(err)
	}
	f := parse(t, path)
	for key, want := range map[string]string{
		"my.key": `"kept"`, "general.file_type": "8", "general.quantization_version": "2",
		"general.alignment": "none", "quantize.imatrix.file": "none", "qwen3.block_count": "1",
	} {
		if v, _ := f.Lookup(key); v.String() != want {
			t.Errorf("%s is %v, want %s", key, v, want)
		}
	}
}
