package testkit

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"
)

// Root returns the absolute path of the repository: the nearest folder above the test's working directory with a go.mod
// and a testdata folder. A test binary that was copied elsewhere together with testdata/ finds that.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if exists(filepath.Join(at, "testdata", "golden")) {
			return at
		}
		if at == filepath.Dir(at) {
			t.Fatalf("testkit: no folder above %s holds testdata/golden: run the test inside the repository", dir)
		}
	}
}

// Path returns the absolute path of a file or folder of the test data, named with slashes relative to testdata/ or
// shared/. The copy in this repository goes first. The test fails when there is neither.
func Path(t testing.TB, name string) string {
	t.Helper()
	root := Root(t)
	own := filepath.Join(root, "testdata", filepath.FromSlash(name))
	if exists(own) {
		return own
	}
	shared := filepath.Join(root, "..", "shared", filepath.FromSlash(name))
	if exists(shared) {
		return shared
	}
	t.Fatalf("testkit: %s is neither in testdata/ nor in ../shared/", name)
	return ""
}

// Shared returns the absolute path of a file or folder of the full set beside the clone. The test is skipped, with a
// sentence, where it is absent.
func Shared(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join(Root(t), "..", "shared", filepath.FromSlash(name))
	if !exists(path) {
		t.Skipf("the full test set is not here: no ../shared/%s beside the repository", name)
	}
	return path
}

// Cases returns the folders that match a pattern like "golden/qwen3-*", absolute: those of testdata/ and, where the
// full set is there, those of ../shared/ that testdata/ does not have.
func Cases(t testing.TB, pattern string) []string {
	t.Helper()
	root := Root(t)
	var dirs []string
	seen := map[string]bool{}
	for _, base := range []string{filepath.Join(root, "testdata"), filepath.Join(root, "..", "shared")} {
		found, err := filepath.Glob(filepath.Join(base, filepath.FromSlash(pattern)))
		if err != nil {
			t.Fatalf("testkit: pattern %q: %v", pattern, err)
		}
		for _, dir := range found {
			name, _ := filepath.Rel(base, dir)
			if info, err := os.Stat(dir); err != nil || !info.IsDir() || seen[name] {
				continue
			}
			seen[name] = true
			dirs = append(dirs, dir)
		}
	}
	if len(dirs) == 0 {
		t.Fatalf("testkit: nothing in testdata/ matches %q", pattern)
	}
	return dirs
}

// Read returns the content of a file of the test data. Where only name+".gz" is there, it is unpacked.
func Read(t testing.TB, name string) []byte {
	t.Helper()
	packed := filepath.Join(Root(t), "testdata", filepath.FromSlash(name)+".gz")
	if !exists(packed) {
		content, err := os.ReadFile(Path(t, name))
		if err != nil {
			t.Fatalf("testkit: %v", err)
		}
		return content
	}
	file, err := os.Open(packed)
	if err != nil {
		t.Fatalf("testkit: %v", err)
	}
	defer file.Close()
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		t.Fatalf("testkit: %s: %v", packed, err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		t.Fatalf("testkit: %s: %v", packed, err)
	}
	return content
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// GGUFQuants are the files of golden/gguf-quants: one model, as llama-quantize's presets store it.
var GGUFQuants = []string{
	"Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1",
	"Q2_K", "Q3_K_M", "Q4_K_M", "Q5_K_M", "Q6_K",
	"IQ4_NL", "IQ4_XS",
}
