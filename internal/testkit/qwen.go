package testkit

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// ShortQwen1 writes the golden first-generation Qwen as a model that was trained with the given number of tokens, and
// returns its folder: prompts beyond it are short enough for a test.
func ShortQwen1(t testing.TB, trained int) string {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(Read(t, "golden/qwen1/config.json")))
	decoder.UseNumber()
	var config map[string]any
	if err := decoder.Decode(&config); err != nil {
		t.Fatalf("testkit: config.json: %v", err)
	}
	config["seq_length"] = trained
	text, err := json.Marshal(config)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	dir := t.TempDir()
	files := map[string][]byte{"config.json": text}
	for _, name := range []string{"model.safetensors", "tokenizer.json", "tokenizer_config.json"} {
		files[name] = Read(t, "golden/qwen1/"+name)
	}
	for name, data := range files {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatalf("testkit: %v", err)
		}
	}
	return dir
}
