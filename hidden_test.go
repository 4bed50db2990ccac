package qwenvk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader/safetensors"
	"github.com/qwenvk/qwenvk/quant"
)

// TestEmbedding holds last-token pooling and L2 normalisation against transformers: the
// f32 row of the goldens' tolerances for hidden states, 1e-5 relative, and 5e-3 with keys and values in f16.
func TestEmbedding(t *testing.T) {
	const name = "golden/later/qwen3-embedding"
	path := testkit.Path(t, name)
	var doc struct{ Inputs [][]int32 }
	if err := json.Unmarshal(testkit.Read(t, name+"/expected.json"), &doc); err != nil {
		t.Fatal(err)
	}
	want := readFloats(t, name+"/expected.safetensors")
	rt := openTest(t, Options{}, nil)
	for kv, limit := range map[string]float64{"f32": 1e-5, "f16": 5e-3} {
		m := loadTest(t, rt, path, LoadOptions{KV: kv, Context: 64})
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		for i, ids := range doc.Inputs {
			reference := want["embeddings"][i]
			for _, o := range []HiddenOptions{{}, {Chunk: 1}, {Chunk: 7}, {All: true, Chunk: 7}, {All: true}} {
				var got []float32
				rows := 0
				err := s.Hidden(context.Background(), ids, o, func(row int, hidden []float32) error {
					got = append(got[:0], hidden...)
					rows++
					if d := relative(hidden, want[fmt.Sprintf("last_hidden_state.%d", i)][row]); !(d <= limit) {
						t.Errorf("kv %s, input %d, %+v: row %d is off by %.2g, accept %g", kv, i, o, row, d, limit)
					}
					if o.All && row != rows-1 {
						return fmt.Errorf("row %d, want %d", row, rows-1)
					}
					return nil
				})
				if err != nil {
					t.Fatal(err)
				}
				if o.All && rows != len(ids) || !o.All && rows != 1 {
					t.Errorf("%d rows of %d tokens with %+v", rows, len(ids), o)
				}
				length := 0.0
				for _, v := range got {
					length += float64(v) * float64(v)
				}
				for j := range got {
					got[j] /= float32(math.Sqrt(length))
				}
				if d := relative(got, reference); !(d <= limit) {
					t.Errorf("kv %s, input %d, %+v: the embedding is off by %.2g, accept %g", kv, i, o, d, limit)
				}
			}
		}
		s.Close()
	}
}

// TestHeadless loads a model that has neither an output head nor a tied one: hidden states are as they were with the
// embedding for a head, and text is refused.
func TestHeadless(t *testing.T) {
	source := testkit.Path(t, "golden/qwen3-dense-tied")
	dir := t.TempDir()
	for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} {
		data, err := os.ReadFile(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		if name == "config.json" {
			data = bytes.Replace(data, []byte("Qwen3ForCausalLM"), []byte("Qwen3Model"), 1)
			data = bytes.Replace(data, []byte(`"tie_word_embeddings": true`), []byte(`"tie_word_embeddings": false`), 1)
		}
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	rt := openTest(t, Options{}, nil)
	s, err := loadTest(t, rt, dir, LoadOptions{KV: "f32", Context: 128}).NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want := readFloats(t, "golden/qwen3-dense-tied/expected.safetensors")["hidden.0.final_norm"]
	ids := readGolden(t, "qwen3-dense-tied").prompts[0].IDs
	for _, chunk := range []int{0, 1} {
		err := s.Hidden(context.Background(), ids, HiddenOptions{Chunk: chunk}, func(row int, hidden []float32) error {
			if d := relative(hidden, want[row]); !(d <= 1e-5) {
				t.Errorf("chunk %d: hidden state %d is off by %.2g", chunk, row, d)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	refused := false
	for _, err := range s.Generate(context.Background(), ids, GenerateOptions{MaxTokens: 1}) {
		refused = refused || errors.Is(err, ErrHeadless)
	}
	if !refused {
		t.Error("a model without head generated text")
	}
	emit := func(int, []float32) error { return nil }
	if err := s.Logits(context.Background(), ids, LogitsOptions{All: true}, emit); !errors.Is(err, ErrHeadless) {
		t.Errorf("logits of a model without head: %v", err)
	}
}

// TestHidden holds the hidden states in front of an output head against transformers.
func TestHidden(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	for _, name := range []string{"qwen2-sliding", "qwen3-dense-tied"} {
		g := readGolden(t, name)
		want := readFloats(t, "golden/"+name+"/expected.safetensors")["hidden.0.final_norm"]
		m := loadTest(t, rt, g.dir, LoadOptions{KV: "f32", Context: 128})
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		for _, all := range []bool{true, false} {
			err := s.Hidden(context.Background(), g.prompts[0].IDs, HiddenOptions{All: all}, func(row int, hidden []float32) error {
				if d := relative(hidden, want[row]); !(d <= 1e-5) {
					t.Errorf("%s: hidden state %d is off by %.2g", name, row, d)
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		s.Close()
	}
}

// relative is the length of got-want relative to that of want.
func relative(got, want []float32) float64 {
	diff, length := 0.0, 0.0
	for i, w := range want {
		d := float64(got[i]) - float64(w)
		diff += d * d
		length += float64(w) * float64(w)
	}
	return math.Sqrt(diff / length)
}

// readFloats reads the f32 tensors of a file as rows.
func readFloats(t *testing.T, path string) map[string][][]float32 {
	t.Helper()
	f, err := safetensors.Parse(testkit.Read(t, path))
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][][]float32{}
	for _, x := range f.Tensors {
		cols := x.Shape[len(x.Shape)-1]
		flat := make([]float32, len(x.Data)/4)
		if err := quant.Dequantize(flat, quant.F32, x.Data); err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(flat); at += cols {
			all[x.Name] = append(all[x.Name], flat[at:at+cols])
		}
	}
	return all
}
