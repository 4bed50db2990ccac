package main

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"
)

// scriptHub serves the repositories in a folder as a hub does, for the rest of the script.
func scriptHub(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: hub FOLDER")
	}
	const commit = "89abcdef0123456789abcdef0123456789abcdef"
	root := ts.MkAbs(args[0])
	mux := http.NewServeMux()
	mux.HandleFunc("GET /api/models/{owner}/{name}/revision/main", func(w http.ResponseWriter, r *http.Request) {
		dir := filepath.Join(root, r.PathValue("owner"), r.PathValue("name"))
		files, err := os.ReadDir(dir)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		siblings := []any{}
		for _, f := range files {
			content, err := os.ReadFile(filepath.Join(dir, f.Name()))
			if err != nil {
				http.Error(w, err.Error(), http.StatusInternalServerError)
				return
			}
			sum := sha256.Sum256(content)
			digest := hex.EncodeToString(sum[:])
			if strings.HasPrefix(f.Name(), "lie") {
				digest = strings.Repeat("0", 64)
			}
			siblings = append(siblings, map[string]any{"rfilename": f.Name(), "lfs": map[string]any{"sha256": digest, "size": len(content)}})
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"sha": commit, "siblings": siblings}) // a broken connection is the client's to see
	})
	mux.HandleFunc("GET /{owner}/{name}/resolve/"+commit+"/{file}", func(w http.ResponseWriter, r *http.Request) {
		http.ServeFile(w, r, filepath.Join(root, r.PathValue("owner"), r.PathValue("name"), r.PathValue("file")))
	})
	server := httptest.NewServer(mux)
	ts.Defer(server.Close)
	ts.Setenv("HF_ENDPOINT", server.URL)
}
