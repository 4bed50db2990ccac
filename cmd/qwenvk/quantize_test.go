package main

import (
	"context"
	"encoding/json"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/bench"
	"github.com/qwenvk/qwenvk/convert"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// quantizePerplexity is testdata/quantize_perplexity.json: the perplexity of the beginning of the demo model's text on the
// files that llama-quantize makes of the demo model's F16 file, as this program's perplexity command measured it.
type quantizePerplexity struct {
	TextBytes int                `json:"text_bytes"` // of ppl.txt, from its beginning
	Window    int                `json:"window"`
	Windows   int                `json:"windows"`
	Llama     map[string]float64 `json:"llama"` // by type
}

// TestQuantizedPerplexity holds our files against llama-quantize's of the same types: perplexity within 1 %; of Q2_K, where
// a better search shows, not more than 1 % above. In short, of one type of each family. Q8_0 needs no such test: its bytes are
// llama-quantize's (package convert).
func TestQuantizedPerplexity(t *testing.T) {
	needDevice(t)
	data, err := os.ReadFile("testdata/quantize_perplexity.json")
	if err != nil {
		t.Fatal(err)
	}
	var want quantizePerplexity
	if err := json.Unmarshal(data, &want); err != nil {
		t.Fatal(err)
	}
	text := string(testkit.Read(t, "demo-model/ppl.txt")[:want.TextBytes])
	rt, err := qwenvk.Open(qwenvk.Options{Device: os.Getenv("QWENVK_TEST_DEVICE"), CacheDir: "none"})
	if err != nil {
		t.Fatal(err)
	}
	defer rt.Close()
	source := testkit.DemoF16(t)
	for _, name := range slices.Sorted(maps.Keys(want.Llama)) {
		if testing.Short() && name != "Q4_K_M" && name != "Q5_1" {
			continue
		}
		got := perplexityOf(t, rt, quantized(t, source, name), text, want)
		ratio := got / want.Llama[name]
		t.Logf("%s: perplexity %.4f, of llama-quantize's file %.4f, ratio %.4f", name, got, want.Llama[name], ratio)
		if ratio > 1.01 || ratio < 0.99 && name != "Q2_K" {
			t.Errorf("%s: perplexity %.4f is not within 1 %% of %.4f", name, got, want.Llama[name])
		}
	}
}

// quantized makes a file of a type.
func quantized(t *testing.T, source, name string) (path string) {
	t.Helper()
	c, err := loader.Open(source)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	preset, err := convert.ParsePreset(name)
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(t.TempDir(), name+".gguf")
	if _, err := convert.Run(context.Background(), c, path, convert.Options{Preset: preset}); err != nil {
		t.Fatal(err)
	}
	return path
}

func perplexityOf(t *testing.T, rt *qwenvk.Runtime, path, text string, want quantizePerplexity) float64 {
	t.Helper()
	ctx := context.Background()
	m, err := rt.Load(ctx, path, qwenvk.LoadOptions{Context: want.Window})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ids, err := m.Tokenizer().Encode(text, tokenizer.EncodeOptions{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := bench.Perplexity(ctx, s, ids, bench.PerplexityOptions{Window: want.Window})
	if err != nil {
		t.Fatal(err)
	}
	if r.Windows != want.Windows {
		t.Fatalf("the text has %d windows, want %d", r.Windows, want.Windows)
	}
	return r.Perplexity
}

// Ctrl-C ends a conversion; nothing of it is left, and the exit status tells.
func TestInterruptedQuantize(t *testing.T) {
	dir := t.TempDir()
	p := newProgram()
	said := &pressing{at: "become", key: p.interrupts}
	p.out, p.err, p.tty = io.Discard, said, terminals{}
	status := p.run([]string{"quantize", "demo", filepath.Join(dir, "out.gguf"), "--type", "Q4_K_M", "--threads", "1"})
	if status != statusInterrupted || strings.Contains(said.written.String(), "is written") {
		t.Errorf("exit status %d, said %q", status, said.written.String())
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 0 {
		t.Errorf("%d files are left, %v", len(left), err)
	}
}
