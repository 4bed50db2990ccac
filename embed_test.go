package qwenvk

import (
	"context"
	"encoding/json"
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
	"github.com/qwenvk/qwenvk/tokenizer"
)

const embeddingModel = "golden/later/qwen3-embedding"

// goldenEmbeddings are the inputs as ids and what transformers makes of them.
func goldenEmbeddings(t *testing.T) (inputs [][]int32, want map[string][][]float32) {
	t.Helper()
	var doc struct{ Inputs [][]int32 }
	if err := json.Unmarshal(testkit.Read(t, embeddingModel+"/expected.json"), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Inputs, readFloats(t, embeddingModel+"/expected.safetensors")
}

// TestEmbedGolden holds embeddings and their Matryoshka form to the reference at the f32 tolerance of hidden states, from
// a folder and from GGUF files made of it, whole and in chunks. Several texts at once are the bits of each alone.
func TestEmbedGolden(t *testing.T) {
	inputs, want := goldenEmbeddings(t)
	rt := openTest(t, Options{}, nil)
	folder := testkit.Path(t, embeddingModel)
	for _, c := range []struct {
		path string
		o    LoadOptions
	}{
		{folder, LoadOptions{KV: "f32", Context: 64}},
		{folder, LoadOptions{KV: "f32", Context: 64, Chunk: 7}},
		{asGGUF(t, folder, "BF16"), LoadOptions{KV: "f32", Context: 64}},
	} {
		m := loadTest(t, rt, c.path, c.o)
		if m.Info().Pooling != loader.PoolLast {
			t.Errorf("%s: pooling %q", c.path, m.Info().Pooling)
		}
		if _, after := m.frame(); !slices.Equal(after, []int32{301}) {
			t.Errorf("%s: a text ends with %d, want <|endoftext|>, 301", c.path, after)
		}
		for dim, name := range map[int]string{0: "embeddings", 64: "embeddings.mrl64"} {
			var told []int
			o := EmbedOptions{Dim: dim, Progress: func(done, total int) { told = append(told, done, total) }}
			got, err := m.embedIDs(context.Background(), inputs, o)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(told, []int{1, 4, 2, 4, 3, 4, 4, 4}) {
				t.Errorf("progress was %v", told)
			}
			for i, v := range got {
				if d := relative(v, want[name][i]); len(v) != len(want[name][i]) || !(d <= 1e-5) {
					t.Errorf("%s, chunk %d: %s of input %d is off by %.2g in %d values", c.path, c.o.Chunk, name, i, d, len(v))
				}
				alone, err := m.embedIDs(context.Background(), inputs[i:i+1], EmbedOptions{Dim: dim})
				if err != nil {
					t.Fatal(err)
				}
				if !slices.Equal(alone[0], v) {
					t.Errorf("%s: input %d alone has another vector than among others", c.path, i)
				}
			}
		}
	}
}

// asGGUF converts a model.
func asGGUF(t *testing.T, path, preset string) string {
	t.Helper()
	c, err := loader.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	p, err := convert.ParsePreset(preset)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "model.gguf")
	if _, err := convert.Run(context.Background(), c, out, convert.Options{Preset: p}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestEmbedText: what of a text becomes ids.
func TestEmbedText(t *testing.T) {
	ctx := context.Background()
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, embeddingModel), LoadOptions{KV: "f32", Context: 64})
	encode := func(text string) []int32 {
		ids, err := m.tok.Encode(text, tokenizer.EncodeOptions{Plain: true})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	const end = 301
	long := strings.Repeat("length ", 40)
	for _, c := range []struct {
		name, text string
		o          EmbedOptions
		want       []int32
	}{
		{"a text", "Hello, world", EmbedOptions{}, append(encode("Hello, world"), end)},
		{"no text", "", EmbedOptions{}, []int32{end}},
		{"an end that is spelled out", "a<|endoftext|>", EmbedOptions{}, append(encode("a<|endoftext|>"), end)},
		{"a query", "why?", EmbedOptions{Instruct: "Find it"}, append(encode("Instruct: Find it\nQuery:why?"), end)},
		{"a cut text", long, EmbedOptions{Truncate: true}, append(encode(long)[:63], end)},
	} {
		got, err := m.Embed(ctx, []string{"another", c.text}, c.o)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		want, err := m.embedIDs(ctx, [][]int32{c.want}, EmbedOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != 2 || !slices.Equal(got[1], want[0]) {
			t.Errorf("%s is not embedded as %d", c.name, c.want)
		}
	}
	if n := len(encode("a<|endoftext|>")); n < 4 {
		t.Errorf("a control token in a text became %d ids: it is read as one", n)
	}

	for _, c := range []struct {
		name, text string
		o          EmbedOptions
		err        error
		says       string
	}{
		{"a long text", long, EmbedOptions{}, ErrContextFull, "text 2 has "},
		{"no UTF-8", "a\xff", EmbedOptions{}, nil, "text 2: tokenizer: the text is not valid UTF-8 at byte 1"},
		{"too many values", "a", EmbedOptions{Dim: 129}, nil, "vectors of 129 values are not possible: this model's have 128"},
		{"less than none", "a", EmbedOptions{Dim: -1}, nil, "vectors of -1 values"},
	} {
		_, err := m.Embed(ctx, []string{"fine", c.text}, c.o)
		if err == nil || !strings.Contains(err.Error(), c.says) || c.err != nil && !errors.Is(err, c.err) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Embed(ctx, []string{"a"}, EmbedOptions{}); err != nil {
		t.Errorf("beside an idle session that has the only cache: %v", err)
	}
	s.Close()
	stopped, cancel := context.WithCancel(ctx)
	cancel()
	if _, err := m.Embed(stopped, []string{"a"}, EmbedOptions{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	ids := loadTest(t, rt, testkit.Path(t, embeddingModel), LoadOptions{WeightsOnly: true, Context: 64})
	if _, err := ids.Embed(ctx, []string{"a"}, EmbedOptions{}); err == nil || !strings.Contains(err.Error(), "without a tokenizer") {
		t.Errorf("without tokenizer: %v", err)
	}
}

// TestEmbedOtherPooling: a model whose makers pool otherwise is refused by name, and one that was made for chats is not.
func TestEmbedOtherPooling(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(testkit.Path(t, embeddingModel))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "1_Pooling", "config.json"), []byte(`{"pooling_mode_mean_tokens": true}`), 0o600); err != nil {
		t.Fatal(err)
	}
	m := loadTest(t, rt, dir, LoadOptions{Context: 32})
	if _, err := m.Embed(context.Background(), []string{"a"}, EmbedOptions{}); !errors.Is(err, ErrPooling) || !strings.Contains(err.Error(), `"mean"`) {
		t.Errorf("mean pooling: %v", err)
	}
	chat := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 32})
	v, err := chat.Embed(context.Background(), []string{"a"}, EmbedOptions{})
	if err != nil || chat.Info().Pooling != "" {
		t.Fatalf("a chat model, pooling %q: %v", chat.Info().Pooling, err)
	}
	if length := dot(v[0], v[0]); math.Abs(length-1) > 1e-6 {
		t.Errorf("a vector of length %g", math.Sqrt(length))
	}
}

func dot(a, b []float32) (sum float64) {
	for i := range a {
		sum += float64(a[i]) * float64(b[i])
	}
	return sum
}

// TestUnit: vectors that have no direction are refused.
func TestUnit(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	for _, v := range [][]float32{{0, 0}, {nan, 1}, {1, inf}} {
		if u, err := unit(v, 0); !errors.Is(err, ErrNotFinite) {
			t.Errorf("%v became %v, %v", v, u, err)
		}
	}
	if u, err := unit([]float32{3, 4, 12}, 2); err != nil || len(u) != 2 || math.Abs(float64(u[0])-0.6) > 1e-7 || math.Abs(float64(u[1])-0.8) > 1e-7 {
		t.Errorf("{3, 4} became %v, %v", u, err)
	}
}
