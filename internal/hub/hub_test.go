package hub

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

var aModel = Name{Owner: "owner", Repo: "name"}

// noise is content that no two places of share.
func noise(n int) []byte {
	source := rand.NewChaCha8([32]byte{7})
	b := make([]byte, n)
	_, _ = source.Read(b) // never fails
	return b
}

func testClient(t *testing.T, h *fakeHub) *Client {
	return &Client{
		Endpoint: h.URL, Token: "secret", Cache: filepath.Join(t.TempDir(), "hub"),
		pause: time.Millisecond, stall: 2 * time.Second, rangeSize: 1000,
	}
}

func modelFiles() map[string][]byte {
	return map[string][]byte{
		"config.json": []byte(`{"model_type":"qwen3"}`), "tokenizer.json": noise(2500), "model.safetensors": noise(10_500),
		"pytorch_model.bin": noise(10), "onnx/model.onnx": noise(10), "README.md": nil,
	}
}

// TestPull: the layout of the cache is the shared one, nothing is fetched twice, and the token stays with the hub.
func TestPull(t *testing.T) {
	h := newHub(t, modelFiles(), "model.safetensors")
	c := testClient(t, h)
	var last Progress
	c.Progress = func(p Progress) {
		if p.Done < last.Done || p.Done > p.Total {
			t.Errorf("progress goes from %d to %d of %d", last.Done, p.Done, p.Total)
		}
		last = p
	}
	got, err := c.Pull(context.Background(), aModel, "")
	if err != nil {
		t.Fatal(err)
	}
	repo := filepath.Join(c.Cache, "models--owner--name")
	want := Pulled{Path: filepath.Join(repo, "snapshots", testCommit), Commit: testCommit, Files: 4, Bytes: 13_022, Fetched: 13_022}
	if got != want || last.Done != want.Bytes {
		t.Errorf("got %+v after %+v, want %+v", got, last, want)
	}
	for _, name := range []string{"config.json", "tokenizer.json", "model.safetensors", "README.md"} {
		content, err := os.ReadFile(filepath.Join(got.Path, name))
		if err != nil || string(content) != string(h.files[name]) {
			t.Errorf("%s: %v, or another content", name, err)
		}
		target, err := os.Readlink(filepath.Join(got.Path, name))
		blob := gitID(h.files[name])
		if h.large[name] {
			blob = sha(h.files[name])
		}
		if err != nil || target != filepath.Join("..", "..", "blobs", blob) {
			t.Errorf("%s is linked to %q (%v), want its blob %s", name, target, err, blob)
		}
	}
	blobs, err := os.ReadDir(filepath.Join(repo, "blobs"))
	if err != nil || len(blobs) != 4 {
		t.Errorf("%d blobs (%v), want 4 and no partial files", len(blobs), err)
	}
	if _, err := os.Stat(filepath.Join(got.Path, "pytorch_model.bin")); err == nil {
		t.Error("a pickle was fetched")
	}
	if h.tokens["Bearer secret"] || !h.tokens[""] {
		t.Errorf("the content server saw the headers %v; the token is the hub's alone", h.tokens)
	}
	if path, err := Find(c.Cache, aModel); err != nil || path != got.Path {
		t.Errorf("Find: %q, %v", path, err)
	}

	c.Progress = nil
	sent := h.sent
	again, err := c.Pull(context.Background(), aModel, testCommit)
	if err != nil || again.Fetched != 0 || h.sent != sent || again.Path != got.Path {
		t.Errorf("a second pull: %+v, %v, %d bytes sent", again, err, h.sent-sent)
	}
	// A blob that was cut short is fetched again.
	if err := os.Truncate(filepath.Join(repo, "blobs", sha(h.files["model.safetensors"])), 17); err != nil {
		t.Fatal(err)
	}
	if again, err = c.Pull(context.Background(), aModel, ""); err != nil || again.Fetched != 10_500 {
		t.Errorf("after damage: %+v, %v", again, err)
	}
}

// TestPullTroubles: cuts, busy servers and servers without ranges cost time, not correctness.
func TestPullTroubles(t *testing.T) {
	for name, answer := range map[string]func(w http.ResponseWriter, r *http.Request, n int) bool{
		"cuts": func(w http.ResponseWriter, r *http.Request, n int) bool {
			var from, to int
			if _, err := fmt.Sscanf(r.Header.Get("Range"), "bytes=%d-%d", &from, &to); err != nil || n%3 == 0 {
				return false
			}
			w.Header().Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", from, to, 10_500))
			w.Header().Set("Content-Length", fmt.Sprint(to-from+1))
			if !strings.HasSuffix(r.URL.Path, "model.safetensors") {
				return false
			}
			w.WriteHeader(http.StatusPartialContent)
			_, _ = w.Write(modelFiles()["model.safetensors"][from : from+min(100, to-from)]) // and then the connection is closed
			return true
		},
		"busy": func(w http.ResponseWriter, _ *http.Request, n int) bool {
			if n%3 == 1 {
				w.Header().Set("Retry-After", "0")
				w.WriteHeader(http.StatusTooManyRequests)
			} else if n%3 == 2 {
				w.WriteHeader(http.StatusBadGateway)
			}
			return n%3 != 0
		},
		"no ranges": func(_ http.ResponseWriter, r *http.Request, _ int) bool {
			r.Header.Del("Range")
			return false
		},
	} {
		t.Run(name, func(t *testing.T) {
			h := newHub(t, modelFiles(), "model.safetensors")
			h.answer = answer
			c := testClient(t, h)
			if name == "busy" {
				c.Parts = 1 // then each third request is answered, and none waits for others
			}
			got, err := c.Pull(context.Background(), aModel, "")
			if err != nil {
				t.Fatal(err)
			}
			content, err := os.ReadFile(filepath.Join(got.Path, "model.safetensors"))
			if err != nil || string(content) != string(h.files["model.safetensors"]) {
				t.Errorf("%v, or another content", err)
			}
		})
	}
}

// TestPullResumes: what arrived before an interruption is not fetched again.
func TestPullResumes(t *testing.T) {
	h := newHub(t, map[string][]byte{"config.json": []byte("{}"), "model.safetensors": noise(50_000)}, "model.safetensors")
	c := testClient(t, h)
	c.Parts = 2
	ctx, cancel := context.WithCancel(context.Background())
	c.Progress = func(p Progress) {
		if p.Done > 20_000 {
			cancel()
		}
	}
	if _, err := c.Pull(ctx, aModel, ""); !errors.Is(err, context.Canceled) {
		t.Fatalf("the error is %v, want the cancellation", err)
	}
	if _, err := Find(c.Cache, aModel); !errors.Is(err, ErrNotPulled) {
		t.Errorf("half a model is found: %v", err)
	}
	c.Progress = nil
	got, err := c.Pull(context.Background(), aModel, "")
	if err != nil || got.Fetched > 30_000 || got.Fetched == 0 {
		t.Fatalf("%+v, %v: want at most the missing 30 kB", got, err)
	}
	content, err := os.ReadFile(filepath.Join(got.Path, "model.safetensors"))
	if err != nil || string(content) != string(h.files["model.safetensors"]) {
		t.Errorf("%v, or another content", err)
	}
}

// TestPullLies: a hub that lies is told, and leaves nothing that looks like a model.
func TestPullLies(t *testing.T) {
	set := func(file, key string, value any) func(*[]any) bool {
		return func(l *[]any) bool {
			for _, s := range *l {
				if m := s.(map[string]any); m["rfilename"] == file {
					m[key] = value
				}
			}
			return true
		}
	}
	lfs := func(digest string, size int) map[string]any { return map[string]any{"sha256": digest, "size": size} }
	right := sha(modelFiles()["model.safetensors"])
	for _, c := range []struct {
		name    string
		listing func(*[]any) bool
		want    string
	}{
		{"digest", set("model.safetensors", "lfs", lfs(sha([]byte("other")), 10_500)), "model.safetensors of owner/name: its SHA-256 digest is " + right},
		{"git digest", set("config.json", "blobId", gitID([]byte("other"))), "config.json of owner/name: its git digest is"},
		{"longer", set("model.safetensors", "lfs", lfs(right, 20_000)), "the file has changed, or the hub is broken"},
		{"shorter", set("model.safetensors", "lfs", lfs(right, 5_000)), "the file has changed, or the hub is broken"},
		{"enormous", set("model.safetensors", "lfs", lfs(right, 1<<50)), "which cannot be"},
		{"too large for the disk", set("model.safetensors", "lfs", lfs(right, 1<<43)), "more on the disk"},
		{"negative", set("config.json", "size", -5), "has -5 bytes, which cannot be"},
		{"no digest", set("model.safetensors", "lfs", lfs("../../../x", 10)), "wrong digest for model.safetensors"},
		{"outside", set("config.json", "rfilename", "../../config.json"), `"../../config.json", which would lie outside`},
		{"absolute", set("config.json", "rfilename", "/etc/config.json"), "which would lie outside"},
		{"backslash", set("config.json", "rfilename", `a\..\config.json`), "which would lie outside"},
		{"no listing", func(*[]any) bool { return false }, "does not answer as a hub does"},
	} {
		t.Run(c.name, func(t *testing.T) {
			h := newHub(t, modelFiles(), "model.safetensors")
			h.listing = c.listing
			client := testClient(t, h)
			if _, err := client.Pull(context.Background(), aModel, ""); err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n") {
				t.Errorf("the error is %v, want %q", err, c.want)
			}
			if _, err := Find(client.Cache, aModel); !errors.Is(err, ErrNotPulled) {
				t.Errorf("a model is found: %v", err)
			}
			blobs, _ := os.ReadDir(filepath.Join(client.Cache, "models--owner--name", "blobs")) // there may be none
			for _, b := range blobs {
				if info, err := b.Info(); err == nil && b.Name() == right && info.Size() != 10_500 {
					t.Errorf("a wrong blob of %d bytes is left", info.Size())
				}
			}
		})
	}
}

// TestPullWithoutDigests: where the listing says names alone, each file is asked for.
func TestPullWithoutDigests(t *testing.T) {
	h := newHub(t, modelFiles(), "model.safetensors")
	h.listing = func(l *[]any) bool {
		for i, s := range *l {
			(*l)[i] = map[string]any{"rfilename": s.(map[string]any)["rfilename"]}
		}
		return true
	}
	got, err := testClient(t, h).Pull(context.Background(), aModel, "")
	if err != nil || got.Bytes != 13_022 {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestPullRefused(t *testing.T) {
	h := newHub(t, modelFiles())
	c := testClient(t, h)
	for _, test := range []struct {
		name     Name
		revision string
		endpoint string
		want     string
	}{
		{Name{Owner: "owner", Repo: "other"}, "", h.URL, "the hub has no model owner/other"},
		{aModel, "v2", h.URL, "the hub has no model owner/name with a revision v2"},
		{aModel, "", "ftp://x", "is no http or https address"},
		{aModel, "", "http://127.0.0.1:1", "the hub at http://127.0.0.1:1 cannot be reached"},
		{Name{"owner", "name", "Q4_0"}, "", h.URL, "has no GGUF files"},
	} {
		c.Endpoint = test.endpoint
		if _, err := c.Pull(context.Background(), test.name, test.revision); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%v: the error is %v, want %q", test.name, err, test.want)
		}
	}
	for status, want := range map[int]string{
		http.StatusUnauthorized: "set HF_TOKEN", http.StatusForbidden: "set HF_TOKEN", http.StatusTeapot: "the hub answers 418",
	} {
		c := testClient(t, h)
		c.Endpoint, c.Token = h.URL, ""
		c.http = &http.Client{Transport: answering(status)}
		if _, err := c.Pull(context.Background(), aModel, ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("status %d: the error is %v, want %q", status, err, want)
		}
	}
}

type answering int

func (status answering) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: int(status), Status: fmt.Sprintf("%d X", status), Body: http.NoBody, Request: r}, nil
}

// TestStall: a connection that brings nothing is given up and tried again.
func TestStall(t *testing.T) {
	h := newHub(t, modelFiles(), "model.safetensors")
	release := make(chan struct{})
	defer close(release)
	var stalled atomic.Bool
	h.answer = func(w http.ResponseWriter, r *http.Request, _ int) bool {
		if r.URL.Path != "/model.safetensors" || stalled.Swap(true) {
			return false
		}
		w.Header().Set("Content-Length", "1000")
		w.Header().Set("Content-Range", strings.Replace(r.Header.Get("Range"), "bytes=", "bytes ", 1)+"/10500")
		w.WriteHeader(http.StatusPartialContent)
		w.(http.Flusher).Flush()
		<-release
		return true
	}
	c := testClient(t, h)
	c.stall = 50 * time.Millisecond
	if _, err := c.Pull(context.Background(), aModel, ""); err != nil || !stalled.Load() {
		t.Errorf("%v; a connection stalled: %t", err, stalled.Load())
	}
}

func TestParseName(t *testing.T) {
	for s, want := range map[string]Name{
		"Qwen/Qwen3-0.6B": {"Qwen", "Qwen3-0.6B", ""}, "Qwen/Qwen3-8B-GGUF:Q4_K_M": {"Qwen", "Qwen3-8B-GGUF", "Q4_K_M"},
	} {
		if got, err := ParseName(s); err != nil || got != want || got.String() != s {
			t.Errorf("%s: %+v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "Qwen", "a/b/c", "../b", "a/..", "a/b:", "a/b:c/d", "a--b/c", "a/b..c", ".a/b", "a/b c", "http://a/b"} {
		if got, err := ParseName(s); err == nil {
			t.Errorf("%q is read as %+v", s, got)
		}
	}
}

// TestChoose: which files of a repository are meant.
func TestChoose(t *testing.T) {
	list := func(paths ...string) (files []File) {
		for _, p := range paths {
			files = append(files, File{Path: p})
		}
		return files
	}
	many := list("Q/m-Q8_0-00002-of-00002.gguf", "Q/m-Q8_0-00001-of-00002.gguf", "m-q4_k_m.gguf", "m.f16.gguf", "mmproj-f16.gguf", "README.md")
	for _, c := range []struct {
		kind  string
		files []File
		want  string
	}{
		{"", many, "m-q4_k_m.gguf"},
		{"Q4_K_M", many, "m-q4_k_m.gguf"},
		{"F16", many, "m.f16.gguf"},
		{"q8_0", many, "Q/m-Q8_0-00001-of-00002.gguf Q/m-Q8_0-00002-of-00002.gguf"},
		{"Q5_0", many, "error: owner/name:Q5_0 has no such GGUF file; its types are F16, Q4_K_M, Q8_0: write owner/name:TYPE"},
		{"", list("a-IQ1_S.gguf", "a-TQ2_0.gguf"), "error: owner/name has no such GGUF file; its types are IQ1_S, TQ2_0: write owner/name:TYPE"},
		{"", list("only.gguf"), "only.gguf"},
		{"Q4_0", list("a-Q4_0.gguf", "b-Q4_0.gguf"), "error: owner/name:Q4_0 has several GGUF files of that type: a-Q4_0.gguf, b-Q4_0.gguf"},
		{"", list("model.safetensors", "config.json", "a-Q4_0.gguf", "x/y.safetensors"), "config.json model.safetensors"},
		{"Q4_0", list("model.safetensors", "config.json", "a-Q4_0.gguf"), "a-Q4_0.gguf"},
		{"", list("model.bin"), "error: owner/name has neither .safetensors nor .gguf files"},
	} {
		files, err := choose(Name{"owner", "name", c.kind}, c.files)
		var got []string
		for _, f := range files {
			got = append(got, f.Path)
		}
		text := strings.Join(got, " ")
		if err != nil {
			text = "error: " + err.Error()
		}
		if text != c.want && !(strings.HasPrefix(c.want, "error: ") && strings.HasPrefix(text, c.want)) {
			t.Errorf("%q of %v: %s, want %s", c.kind, c.files, text, c.want)
		}
	}
}

func TestDefaults(t *testing.T) {
	home := t.TempDir()
	t.Setenv("HOME", home)
	env := map[string]string{}
	get := func(name string) string { return env[name] }
	check := func(want string) {
		t.Helper()
		if got, err := DefaultCache(get); err != nil || got != filepath.Join(home, want) {
			t.Errorf("the cache is %s, %v; want %s below the home folder", got, err, want)
		}
	}
	check(".cache/huggingface/hub")
	env["XDG_CACHE_HOME"] = filepath.Join(home, "x")
	check("x/huggingface/hub")
	env["HF_HOME"] = filepath.Join(home, "hf")
	check("hf/hub")
	if err := os.MkdirAll(env["HF_HOME"], 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(env["HF_HOME"], "token"), []byte("from-file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := DefaultToken(get); got != "from-file" {
		t.Errorf("the token is %q", got)
	}
	env["HF_TOKEN"] = "from-env"
	if got := DefaultToken(get); got != "from-env" {
		t.Errorf("the token is %q", got)
	}
	env["HF_HUB_CACHE"] = filepath.Join(home, "c")
	check("c")
}
