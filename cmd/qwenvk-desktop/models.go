//go:build desktop

package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/ui"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/hub"
)

// library knows the models that the picker offers: the built-in one, those that were loaded before, those beside them, and those
// that `qwenvk pull` fetched.
type library struct {
	file  string // where the paths that were loaded are kept; "": nowhere
	Paths []string
}

// maxRecent bounds how many paths are remembered, maxModels how many are offered.
const (
	maxRecent = 8
	maxModels = 24
)

func openLibrary() *library {
	l := &library{}
	dir, err := os.UserConfigDir()
	if err != nil {
		return l // without a home nothing is remembered
	}
	l.file = filepath.Join(dir, "qwenvk", "desktop.json")
	data, err := os.ReadFile(l.file)
	if err == nil {
		_ = json.Unmarshal(data, l) // a damaged file counts as none
	}
	l.Paths = slices.DeleteFunc(l.Paths, func(p string) bool { return !filepath.IsAbs(p) })
	l.Paths = l.Paths[:min(len(l.Paths), maxRecent)]
	return l
}

// remember puts a path first.
func (l *library) remember(path string) {
	if path == demo.Name {
		return
	}
	l.Paths = slices.Insert(slices.DeleteFunc(l.Paths, func(p string) bool { return p == path }), 0, path)
	l.Paths = l.Paths[:min(len(l.Paths), maxRecent)]
	if l.file == "" {
		return
	}
	data, err := json.MarshalIndent(l, "", "\t")
	if err != nil || os.MkdirAll(filepath.Dir(l.file), 0o700) != nil {
		return
	}
	part := l.file + ".part"
	if os.WriteFile(part, data, 0o600) == nil {
		_ = os.Rename(part, l.file) // what cannot be remembered is dropped on the window again
	}
}

// list returns the models' paths and how the picker shows them.
func (l *library) list() (paths []string, rows []ui.Choice) {
	paths = []string{demo.Name}
	rows = []ui.Choice{{Label: "Demo model", Detail: "3.8 million weights, inside the program"}}
	add := func(path string) {
		if len(paths) >= maxModels || slices.Contains(paths, path) {
			return
		}
		if _, err := os.Stat(path); err != nil {
			return
		}
		paths, rows = append(paths, path), append(rows, ui.Choice{Label: filepath.Base(path), Detail: filepath.Dir(path)})
	}
	for _, path := range l.Paths {
		add(path)
	}
	for _, path := range l.Paths {
		addAll(filepath.Join(filepath.Dir(path), "*.gguf"), add)
	}
	if cache, err := hub.DefaultCache(os.Getenv); err == nil {
		addAll(filepath.Join(cache, "models--*", "snapshots", "*", "*.gguf"), add)
	}
	return paths, rows
}

func addAll(pattern string, add func(string)) {
	found, err := filepath.Glob(pattern)
	if err != nil {
		return // a folder's name that is no pattern
	}
	for _, path := range found {
		if !strings.Contains(filepath.Base(path), "-of-") || strings.Contains(filepath.Base(path), "00001-of-") {
			add(path)
		}
	}
}
