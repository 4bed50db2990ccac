package testkit

import (
	"encoding/binary"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/qwenvk/qwenvk/internal/half"
)

// demoF16 is testdata/demo-model/qwenvk-demo-F16.json: where each tensor of the F16 file lies and how it is stored.
type demoF16 struct {
	Size    int64  `json:"size"` // bytes of the whole file
	SHA256  string `json:"sha256"`
	Tensors []struct {
		Tensor string `json:"tensor"` // its name in model.safetensors
		Type   string `json:"type"`   // F16 or F32
		Offset int64  `json:"offset"` // in the file, bytes
	} `json:"tensors"`
}

// DemoF16 returns the path of the demo model's F16 GGUF file. Its weights are those of model.safetensors rounded to
// half precision, 7.7 MB that the repository would carry twice; so testdata/ has only the file's head (metadata and
// tensor table), and DemoF16 writes head and weights into the test's temporary folder. The result is the original byte
// for byte; TestDemoF16 compares the digest.
func DemoF16(t testing.TB) string {
	t.Helper()
	var plan demoF16
	if err := json.Unmarshal(Read(t, "demo-model/qwenvk-demo-F16.json"), &plan); err != nil {
		t.Fatalf("testkit: qwenvk-demo-F16.json: %v", err)
	}
	tensors := readBF16(t, Path(t, "demo-model/qwenvk-demo/model.safetensors"))
	file := make([]byte, plan.Size)
	copy(file, Read(t, "demo-model/qwenvk-demo-F16.head"))
	for _, row := range plan.Tensors {
		source, ok := tensors[row.Tensor]
		if !ok {
			t.Fatalf("testkit: model.safetensors has no %s", row.Tensor)
		}
		at := file[row.Offset:]
		for i, value := range source {
			if row.Type == "F32" {
				binary.LittleEndian.PutUint32(at[4*i:], uint32(value)<<16)
			} else {
				binary.LittleEndian.PutUint16(at[2*i:], half.F32ToF16(half.BF16ToF32(value)))
			}
		}
	}
	path := filepath.Join(t.TempDir(), "qwenvk-demo-F16.gguf")
	if err := os.WriteFile(path, file, 0o600); err != nil {
		t.Fatalf("testkit: %v", err)
	}
	return path
}

// readBF16 reads a safetensors file of BF16 tensors. It trusts the file, which is our own; package loader/safetensors
// is the reader for everybody else's.
func readBF16(t testing.TB, path string) map[string][]uint16 {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	start := 8 + binary.LittleEndian.Uint64(content)
	var header map[string]struct {
		Offsets []uint64 `json:"data_offsets"`
	}
	if err := json.Unmarshal(content[8:start], &header); err != nil {
		t.Fatalf("testkit: %s: %v", path, err)
	}
	delete(header, "__metadata__")
	tensors := make(map[string][]uint16, len(header))
	for name, entry := range header {
		bytes := content[start+entry.Offsets[0] : start+entry.Offsets[1]]
		values := make([]uint16, len(bytes)/2)
		for i := range values {
			values[i] = binary.LittleEndian.Uint16(bytes[2*i:])
		}
		tensors[name] = values
	}
	return tensors
}
