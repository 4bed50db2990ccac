package loader_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/loader"
)

// TestPooling: how a folder says that its model makes embeddings. The weights play no part in it.
func TestPooling(t *testing.T) {
	const module = `{"idx": 0, "name": "0", "path": "PATH", "type": "sentence_transformers.models.TYPE"}`
	modules := func(types ...string) string {
		var list []string
		for _, kind := range types {
			kind, path, _ := strings.Cut(kind, " ")
			list = append(list, strings.NewReplacer("PATH", path, "TYPE", kind).Replace(module))
		}
		return "[" + strings.Join(list, ",") + "]"
	}
	usual := modules("Transformer", "Pooling 1_Pooling", "Normalize 2_Normalize")
	last := `{"word_embedding_dimension": 128, "pooling_mode_cls_token": false, "pooling_mode_lasttoken": true}`
	for _, c := range []struct {
		name, class, modules string
		folder, pooling      string
		want, err            string
	}{
		{name: "a chat model", class: "Qwen3ForCausalLM"},
		{name: "a first chat model", class: "QWenLMHeadModel"},
		{name: "a body", class: "Qwen3Model", want: "last"},
		{name: "Qwen3-Embedding", class: "Qwen3ForCausalLM", modules: usual, folder: "1_Pooling", pooling: last, want: "last"},
		{name: "without list", class: "Qwen3ForCausalLM", folder: "1_Pooling", pooling: last, want: "last"},
		{name: "without folder", class: "Qwen3ForCausalLM", modules: usual, want: "last"},
		{name: "a newer file", class: "Qwen3Model", modules: usual, folder: "1_Pooling", pooling: `{"pooling_mode": "lasttoken"}`, want: "last"},
		{name: "another folder", modules: modules("Pooling pool"), folder: "pool", pooling: last, want: "last"},
		{name: "mean", modules: usual, folder: "1_Pooling", pooling: `{"pooling_mode_mean_tokens": true}`, want: "mean"},
		{name: "nothing said", modules: usual, folder: "1_Pooling", pooling: `{}`, want: "mean"},
		{name: "two at once", modules: usual, folder: "1_Pooling", pooling: `{"pooling_mode_mean_tokens": true, "pooling_mode_lasttoken": true}`, want: "last and mean"},
		{name: "a dense layer", modules: modules("Transformer", "Pooling 1_Pooling", "Dense 2_Dense"), folder: "1_Pooling", pooling: last, want: "last and then Dense"},
		{name: "a path", modules: modules("Pooling ../other"), err: "not the name of a folder"},
		{name: "no list", modules: `{"a": 1}`, err: "no list of modules"},
		{name: "no JSON", modules: usual, folder: "1_Pooling", pooling: "x", err: "not JSON"},
		{name: "no switch", modules: usual, folder: "1_Pooling", pooling: `{"pooling_mode_lasttoken": 3}`, err: "pooling_mode_lasttoken"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			write := func(name, text string) {
				if text == "" {
					return
				}
				if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o700); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			write("config.json", outlineConfig+`, "architectures": ["`+c.class+`"]}`)
			write("modules.json", c.modules)
			write(filepath.Join(c.folder, "config.json"), c.pooling)
			o, err := loader.Inspect(dir)
			if c.err != "" {
				if !errors.Is(err, loader.ErrCorrupt) || !strings.Contains(err.Error(), c.err) {
					t.Errorf("%v, want %q", err, c.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer o.Close()
			if o.Pooling() != c.want {
				t.Errorf("pooling %q, want %q", o.Pooling(), c.want)
			}
			if o.Config().Headless != (c.want != "") {
				t.Errorf("without output head: %t", o.Config().Headless)
			}
		})
	}
}
