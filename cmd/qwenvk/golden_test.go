package main

import (
	"bytes"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader/safetensors"
	"github.com/qwenvk/qwenvk/quant"
)

// runProgram runs a command line in this process, as main would.
func runProgram(t *testing.T, stdin string, words ...string) (stdout, stderr string, status int) {
	t.Helper()
	useTestDevice(t)
	var out, errs bytes.Buffer
	p := newProgram()
	p.in, p.out, p.err, p.tty = strings.NewReader(stdin), &out, &errs, terminals{}
	status = p.run(words)
	return out.String(), errs.String(), status
}

// useTestDevice makes the program compute on the device that the tests are for.
func useTestDevice(t *testing.T) {
	t.Helper()
	if device := os.Getenv("QWENVK_TEST_DEVICE"); device != "" {
		t.Setenv(twin("device"), device)
	}
}

// mustRun is runProgram for a command that has to succeed.
func mustRun(t *testing.T, stdin string, words ...string) string {
	t.Helper()
	stdout, stderr, status := runProgram(t, stdin, words...)
	if status != statusDone {
		t.Fatalf("%q: exit status %d: %s", words, status, stderr)
	}
	return stdout
}

// qwen3Folder is a folder with nothing but the real Qwen3 tokenizer's files.
func qwen3Folder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"tokenizer.json", "tokenizer_config.json", "chat_template.jinja"} {
		content := testkit.Read(t, "qwen-tokenizer/qwen3/"+name)
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// The 200 texts of the reference tokenizer through the command line, as lines of JSON.
func TestTokenizeGolden(t *testing.T) {
	var texts, ids, plain, decoded, skipped []string
	for line := range strings.Lines(string(testkit.Read(t, "qwen-tokenizer/golden.jsonl"))) {
		var r struct {
			Text, Decoded string
			IDs           []int32
			Plain         []int32 `json:"ids_plain"`
			Skipped       *string `json:"decoded_skip_special"`
		}
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatal(err)
		}
		if r.Plain == nil {
			r.Plain = r.IDs
		}
		if r.Skipped == nil {
			r.Skipped = &r.Decoded
		}
		texts, ids = append(texts, asJSON(t, r.Text)), append(ids, asJSON(t, orEmpty(r.IDs)))
		plain, decoded = append(plain, asJSON(t, orEmpty(r.Plain))), append(decoded, asJSON(t, r.Decoded))
		skipped = append(skipped, asJSON(t, *r.Skipped))
	}
	if len(texts) != 200 {
		t.Fatalf("there are %d texts, not 200", len(texts))
	}
	dir := qwen3Folder(t)
	in := func(lines []string) string { return strings.Join(lines, "\n") + "\n" }
	equalLines(t, "tokenize", mustRun(t, in(texts), "tokenize", dir, "--jsonl"), ids)
	equalLines(t, "tokenize --no-special", mustRun(t, in(texts), "tokenize", dir, "--jsonl", "--no-special"), plain)
	equalLines(t, "detokenize", mustRun(t, in(ids), "detokenize", "--jsonl", dir), decoded)
	equalLines(t, "detokenize --no-special", mustRun(t, in(ids), "detokenize", "--jsonl", dir, "--no-special"), skipped)
}

func asJSON(t *testing.T, value any) string {
	t.Helper()
	var b bytes.Buffer
	if err := writeJSONLine(&b, value); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSuffix(b.String(), "\n")
}

func equalLines(t *testing.T, what, got string, want []string) {
	t.Helper()
	lines := strings.Split(strings.TrimSuffix(got, "\n"), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%s: %d lines, want %d", what, len(lines), len(want))
	}
	wrong := 0
	for i := range want {
		if lines[i] != want[i] {
			if wrong++; wrong <= 3 {
				t.Errorf("%s, line %d:\n got %s\nwant %s", what, i+1, lines[i], want[i])
			}
		}
	}
	t.Logf("%s: %d of %d lines equal", what, len(want)-wrong, len(want))
}

// The 288 prompts of the reference implementation through the command line.
func TestTemplateGolden(t *testing.T) {
	var records []struct {
		Name, Template  string
		Messages, Tools json.RawMessage
		Generation      bool  `json:"add_generation_prompt"`
		Thinking        *bool `json:"enable_thinking"`
		Text            string
	}
	if err := json.Unmarshal(testkit.Read(t, "qwen-tokenizer/chat_golden.json"), &records); err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"qwen3": "qwen3/chat_template.jinja", "qwen3-release": "qwen3/chat_template_release.jinja",
		"qwen3-2507-thinking": "qwen3-2507/chat_template.jinja", "qwen2.5": "qwen2.5/chat_template.jinja",
	}
	dir, wrong := t.TempDir(), 0
	tools := filepath.Join(dir, "tools.json")
	for _, r := range records {
		words := []string{"template", dir, "--messages", "-", "--template", testkit.Path(t, "qwen-tokenizer/"+files[r.Template])}
		if string(r.Tools) != "null" {
			if err := os.WriteFile(tools, r.Tools, 0o600); err != nil {
				t.Fatal(err)
			}
			words = append(words, "--tools", tools)
		}
		if !r.Generation {
			words = append(words, "--no-generation-prompt")
		}
		if r.Thinking != nil {
			words = append(words, "--think", map[bool]string{true: "on", false: "off"}[*r.Thinking])
		}
		if got := mustRun(t, string(r.Messages), words...); got != r.Text {
			if wrong++; wrong <= 3 {
				t.Errorf("%s, %s:\n got %q\nwant %q", r.Template, r.Name, got, r.Text)
			}
		}
	}
	if len(records) != 288 {
		t.Errorf("there are %d records, not 288", len(records))
	}
	t.Logf("%d of %d prompts equal", len(records)-wrong, len(records))
}

// The numbers in the file that logits writes, against the reference (testdata/golden/README.md, f32 with f32 KV).
func TestLogitsFile(t *testing.T) {
	needDevice(t)
	const accept = 5e-4
	for _, name := range []string{"qwen3-dense-tied", "qwen3-dense-untied"} {
		dir := testkit.Path(t, "golden/"+name)
		var doc struct {
			Prompts []struct {
				IDs []int32 `json:"input_ids"`
			}
		}
		if err := json.Unmarshal(testkit.Read(t, "golden/"+name+"/expected.json"), &doc); err != nil {
			t.Fatal(err)
		}
		reference := testkit.Read(t, "golden/"+name+"/expected.safetensors")
		for n, prompt := range doc.Prompts {
			file := filepath.Join(t.TempDir(), "logits.safetensors")
			mustRun(t, "", "logits", dir, "--ids", joinIDs(prompt.IDs), "--all", "--kv", "f32", "--chunk", "7", "-o", file)
			content, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, gotShape := floats(t, content, "logits")
			want, wantShape := floats(t, reference, "logits."+strconv.Itoa(n))
			if gotShape != wantShape {
				t.Fatalf("%s, prompt %d: shape %v, want %v", name, n, gotShape, wantShape)
			}
			worst := 0.0
			for i := range want {
				worst = math.Max(worst, math.Abs(float64(got[i])-float64(want[i])))
			}
			if !(worst <= accept) {
				t.Errorf("%s, prompt %d: logits differ by %.2g, accepted are %.2g", name, n, worst, accept)
			}
		}
	}
}

// floats returns a float32 matrix of a safetensors file.
func floats(t *testing.T, content []byte, name string) ([]float32, [2]int64) {
	t.Helper()
	f, err := safetensors.Parse(content)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range f.Tensors {
		if x.Name == name {
			values := make([]float32, x.Shape[0]*x.Shape[1])
			if err := quant.Dequantize(values, quant.F32, x.Data); err != nil {
				t.Fatal(err)
			}
			return values, [2]int64{int64(x.Shape[0]), int64(x.Shape[1])}
		}
	}
	t.Fatalf("there is no tensor %q", name)
	return nil, [2]int64{}
}
