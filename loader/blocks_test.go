package loader_test

import (
	"bytes"
	"encoding/binary"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
)

// TestBlockTypesNotComputed: a file whose tensors are of a type that is known and not computed with is refused by the
// tensor's name, and may be looked at.
func TestBlockTypesNotComputed(t *testing.T) {
	whole := testkit.Read(t, "golden/qwen3-dense-tied/model.bf16.gguf")
	// A tensor's entry is its name, the number of dimensions, these, and the type: BF16 is 30, I16, as long, is 25.
	name := []byte("blk.0.ffn_down.weight")
	at := bytes.Index(whole, name) + len(name) + 4 + 2*8
	if got := binary.LittleEndian.Uint32(whole[at:]); got != 30 {
		t.Fatalf("type %d, want 30", got)
	}
	file := bytes.Clone(whole)
	binary.LittleEndian.PutUint32(file[at:], 25)
	path := filepath.Join(t.TempDir(), "i16.gguf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatal(err)
	}
	refused(t, path, loader.ErrUnsupportedModel, `tensor "blk.0.ffn_down.weight" is of type I16`)
	refused(t, path, loader.ErrUnsupportedModel, "F32, F16, BF16, Q8_0, Q4_0, Q6_K, Q4_1, Q5_0, Q5_1, Q2_K, Q3_K, Q4_K, Q5_K, IQ4_NL, IQ4_XS")
	c, err := loader.Inspect(path)
	if err != nil {
		t.Fatal(err)
	}
	if x, ok := c.Tensor("blk.0.ffn_down.weight"); c.Refusal() == nil || !ok || x.TypeName != "I16" {
		t.Errorf("refusal %v, tensor %v of type %s", c.Refusal(), ok, x.TypeName)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
