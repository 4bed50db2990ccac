package hub

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

const testCommit = "0123456789abcdef0123456789abcdef01234567"

// fakeHub is a hub with one repository, and a content server of another host that large files are redirected to.
type fakeHub struct {
	*httptest.Server
	content *httptest.Server
	files   map[string][]byte
	large   map[string]bool // kept as LFS: listed with a SHA-256 and redirected

	mu       sync.Mutex
	sent     int64               // bytes of content
	requests int                 // for content
	tokens   map[string]bool     // Authorization headers that the content server saw
	listing  func(l *[]any) bool // changes the listing; false: none is sent
	answer   func(w http.ResponseWriter, r *http.Request, n int) bool
}

// newHub serves files at owner/name. answer, if set, sees each request for content first; true: it has answered.
func newHub(t *testing.T, files map[string][]byte, large ...string) *fakeHub {
	t.Helper()
	h := &fakeHub{files: files, large: map[string]bool{}, tokens: map[string]bool{}}
	for _, name := range large {
		h.large[name] = true
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/models/owner/name/revision/{revision}", h.list)
	mux.HandleFunc("/owner/name/resolve/"+testCommit+"/", h.resolve)
	h.Server = httptest.NewServer(mux)
	h.content = httptest.NewServer(http.HandlerFunc(h.serve))
	// Another name for the same address is another host.
	h.content.URL = strings.Replace(h.content.URL, "127.0.0.1", "localhost", 1)
	t.Cleanup(func() { h.Close(); h.content.Close() })
	return h
}

func (h *fakeHub) list(w http.ResponseWriter, r *http.Request) {
	if r.PathValue("revision") != "main" && r.PathValue("revision") != testCommit {
		http.NotFound(w, r)
		return
	}
	var siblings []any
	for name, content := range h.files {
		s := map[string]any{"rfilename": name, "size": len(content), "blobId": gitID(content)}
		if h.large[name] {
			s["lfs"] = map[string]any{"sha256": sha(content), "size": len(content), "pointerSize": 134}
		}
		siblings = append(siblings, s)
	}
	if h.listing != nil && !h.listing(&siblings) {
		_, _ = w.Write([]byte("<html>"))
		return
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"sha": testCommit, "siblings": siblings})
}

func (h *fakeHub) resolve(w http.ResponseWriter, r *http.Request) {
	name := strings.TrimPrefix(r.URL.Path, "/owner/name/resolve/"+testCommit+"/")
	content, ok := h.files[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	if h.large[name] {
		w.Header().Set("X-Linked-Etag", `"`+sha(content)+`"`)
		w.Header().Set("X-Linked-Size", fmt.Sprint(len(content)))
		http.Redirect(w, r, h.content.URL+"/"+name, http.StatusFound)
		return
	}
	w.Header().Set("ETag", `"`+gitID(content)+`"`)
	h.serve(w, r)
}

// serve sends content.
func (h *fakeHub) serve(w http.ResponseWriter, r *http.Request) {
	h.mu.Lock()
	h.requests++
	n, answer := h.requests, h.answer
	if strings.HasPrefix(r.Host, "localhost") {
		h.tokens[r.Header.Get("Authorization")] = true
	}
	h.mu.Unlock()
	if answer != nil && r.Method == http.MethodGet && answer(w, r, n) {
		return
	}
	name := strings.TrimPrefix(r.URL.Path, "/")
	if i := strings.Index(r.URL.Path, testCommit+"/"); i >= 0 {
		name = r.URL.Path[i+len(testCommit)+1:]
	}
	http.ServeContent(&counter{ResponseWriter: w, h: h}, r, "", time.Time{}, strings.NewReader(string(h.files[name])))
}

type counter struct {
	http.ResponseWriter
	h *fakeHub
}

func (c *counter) Write(b []byte) (int, error) {
	c.h.mu.Lock()
	c.h.sent += int64(len(b))
	c.h.mu.Unlock()
	return c.ResponseWriter.Write(b)
}

func sha(content []byte) string {
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:])
}

func gitID(content []byte) string {
	sum := sha1.Sum(fmt.Appendf(nil, "blob %d\x00%s", len(content), content))
	return hex.EncodeToString(sum[:])
}
