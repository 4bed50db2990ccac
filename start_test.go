package qwenvk

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/demo"
)

// starting is how long the parts of a start took.
type starting struct{ open, load, upload, record time.Duration }

// beyond is all of it but the upload of the weights.
func (s starting) beyond() time.Duration { return s.open + s.load - s.upload + s.record }

// startWith opens the device and the demo model and computes the first token of an answer, the pipelines kept in dir.
func startWith(t *testing.T, dir string) (s starting, ids []int32) {
	t.Helper()
	begin := time.Now()
	rt, err := Open(Options{Device: os.Getenv("QWENVK_TEST_DEVICE"), CacheDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	}()
	s.open = time.Since(begin)
	begin = time.Now()
	var first, last time.Time
	m, err := rt.LoadGGUF(context.Background(), demo.Name, demo.GGUF(), LoadOptions{Context: 256, Progress: func(Progress) {
		if first.IsZero() {
			first = time.Now()
		}
		last = time.Now()
	}})
	if err != nil {
		t.Fatal(err)
	}
	s.load, s.upload = time.Since(begin), last.Sub(first)
	session, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	before := m.exec.Stats().RecordNS
	_, r := generate(context.Background(), t, session, []int32{1}, GenerateOptions{MaxTokens: 1, IgnoreEOS: true})
	s.record = time.Duration(m.exec.Stats().RecordNS - before)
	return s, r.IDs
}

// TestSecondStart: a second start on the same machine finds its pipelines compiled. The aim, on an idle machine, is 300 ms
// from the beginning to the first dispatch beyond the upload; the limit here leaves room for one that is busy, and is still
// below what compiling takes there. Where a driver puts compiling off to the first run, as lavapipe does, that is not counted:
// it comes behind the dispatch.
func TestSecondStart(t *testing.T) {
	openTest(t, Options{}, nil) // skips or fails where there is no device
	t.Setenv("MESA_SHADER_CACHE_DIR", t.TempDir())
	dir := t.TempDir()
	cold, want := startWith(t, dir)
	if files, _ := filepath.Glob(filepath.Join(dir, "pipelines-*")); len(files) != 1 {
		t.Fatalf("files of compiled pipelines: %v", files)
	}
	best := starting{open: time.Hour}
	for range 2 {
		warm, ids := startWith(t, dir)
		if len(ids) != len(want) || ids[0] != want[0] {
			t.Fatalf("answer %v, of the first start %v", ids, want)
		}
		if warm.beyond() < best.beyond() {
			best = warm
		}
	}
	t.Logf("first start %v: %+v", cold.beyond(), cold)
	t.Logf("second start %v: %+v", best.beyond(), best)
	if best.beyond() > 2*time.Second {
		t.Errorf("a second start takes %v beyond the upload: %+v", best.beyond(), best)
	}
}
