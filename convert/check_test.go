package convert_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/convert"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
)

// Tensors that are not those of the configuration make no file, however large a model the configuration tells of.
func TestOtherConfiguration(t *testing.T) {
	source := testkit.Path(t, "golden/qwen3-dense-tied")
	for _, c := range []struct{ from, to, want string }{
		{`"vocab_size": 320`, `"vocab_size": 2147483647`, "model.embed_tokens.weight has shape [320 128], want [2147483647 128]"},
		{`"num_attention_heads": 4`, `"num_attention_heads": 8`, "q_proj.weight has shape [512 128], want [1024 128]"},
		// Heads that are not computed here must not hide a wrong vocabulary.
		{`"head_dim": 128`, `"head_dim": 12, "vocab_size": 2147483647`, "the embedding has 320 rows, the vocabulary 2147483647 tokens"},
	} {
		dir, out := t.TempDir(), t.TempDir()
		for _, name := range []string{"config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"} {
			data, err := os.ReadFile(filepath.Join(source, name))
			if err != nil {
				t.Fatal(err)
			}
			if name == "config.json" {
				changed := bytes.Replace(data, []byte(c.from), []byte(c.to), 1)
				if bytes.Equal(changed, data) {
					t.Fatalf("config.json has no %s", c.from)
				}
				data = changed
				if strings.Count(string(data), "vocab_size") > 1 { // of two equal keys the last counts
					data = bytes.Replace(data, []byte(`"vocab_size": 320`), []byte(`"of_before": 320`), 1)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := convert.Run(context.Background(), open(t, dir), filepath.Join(out, "out.gguf"), convert.Options{Preset: preset(t, "Q8_0")})
		if err == nil || !errors.Is(err, loader.ErrCorrupt) || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), dir+": ") {
			t.Errorf("%s: %v, want %q", c.to, err, c.want)
		}
		if list := entries(t, out); len(list) != 0 {
			t.Errorf("the folder has %q", list)
		}
	}
}

// What the new file of a first-generation model cannot say is told.
func TestFirstGenerationNote(t *testing.T) {
	c := open(t, testkit.Path(t, "golden/qwen1")) // dynamic NTK and logn behind 8192 tokens
	r, err := convert.Run(context.Background(), c, filepath.Join(t.TempDir(), "out.gguf"), convert.Options{Preset: preset(t, "F16")})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(r.Notes, func(n string) bool { return strings.Contains(n, "NTK") && strings.Contains(n, "up to 8192 tokens") }) {
		t.Errorf("the notes are %q", r.Notes)
	}
}
