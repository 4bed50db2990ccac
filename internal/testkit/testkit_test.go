package testkit_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
)

// The F16 file that is put together here must be the one the reference figures were measured with.
func TestDemoF16(t *testing.T) {
	content, err := os.ReadFile(testkit.DemoF16(t))
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		SHA256 string `json:"sha256"`
	}
	if err := json.Unmarshal(testkit.Read(t, "demo-model/qwenvk-demo-F16.json"), &plan); err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(content)
	if got := hex.EncodeToString(digest[:]); got != plan.SHA256 {
		t.Errorf("digest of the rebuilt file is %s, want %s", got, plan.SHA256)
	}
}

func TestReadUnpacks(t *testing.T) {
	content := testkit.Read(t, "golden/sampling/sampling.json")
	if !json.Valid(content) {
		t.Errorf("sampling.json is no JSON after unpacking (%d bytes)", len(content))
	}
}

func TestCases(t *testing.T) {
	names := map[string]int{}
	for _, dir := range testkit.Cases(t, "golden/qwen3-dense-*") {
		names[filepath.Base(dir)]++
	}
	for _, want := range []string{"qwen3-dense-tied", "qwen3-dense-untied"} {
		if names[want] != 1 {
			t.Errorf("case %s listed %d times, want once", want, names[want])
		}
	}
}

// The copies in testdata must be those of the full set: an edit of one alone would let the two drift apart.
func TestSharedIsTheSame(t *testing.T) {
	shared := testkit.Shared(t, "golden/qwen3-dense-tied")
	for _, name := range []string{"config.json", "expected.json", "expected.safetensors", "model.bf16.gguf", "model.safetensors"} {
		ours, err := os.ReadFile(testkit.Path(t, "golden/qwen3-dense-tied/"+name))
		if err != nil {
			t.Fatal(err)
		}
		theirs, err := os.ReadFile(filepath.Join(shared, name))
		if err != nil {
			t.Fatal(err)
		}
		if sha256.Sum256(ours) != sha256.Sum256(theirs) {
			t.Errorf("%s differs from the full set's", name)
		}
	}
}
