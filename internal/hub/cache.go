package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
)

// DefaultCache is the folder of the shared cache: $HF_HUB_CACHE, $HF_HOME/hub, or ~/.cache/huggingface/hub
// ($XDG_CACHE_HOME moves it, as in huggingface_hub). getenv looks a variable up.
func DefaultCache(getenv func(string) string) (string, error) {
	if dir := getenv("HF_HUB_CACHE"); dir != "" {
		return dir, nil
	}
	home, err := hfHome(getenv)
	return filepath.Join(home, "hub"), err
}

func hfHome(getenv func(string) string) (string, error) {
	if dir := getenv("HF_HOME"); dir != "" {
		return dir, nil
	}
	if dir := getenv("XDG_CACHE_HOME"); dir != "" {
		return filepath.Join(dir, "huggingface"), nil
	}
	home, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("there is no home folder for the model cache: %w; set HF_HOME", err)
	}
	return filepath.Join(home, ".cache", "huggingface"), nil
}

// DefaultToken is the person's token for the hub: $HF_TOKEN, or what `hf auth login` left; "" if there is none.
func DefaultToken(getenv func(string) string) string {
	if token := getenv("HF_TOKEN"); token != "" {
		return token
	}
	path := getenv("HF_TOKEN_PATH")
	if path == "" {
		home, err := hfHome(getenv)
		if err != nil {
			return ""
		}
		path = filepath.Join(home, "token")
	}
	token, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(token))
}

// ErrNotPulled reports a model that is not in the cache.
var ErrNotPulled = errors.New("not downloaded")

var commitForm = regexp.MustCompile(`^[0-9a-f]{7,64}$`)

// Find returns what a program opens for a model that was pulled: the snapshot's folder, or the GGUF file in it (the first,
// of a model in parts). The error is [ErrNotPulled] where it is not there.
func Find(cache string, n Name) (string, error) {
	commit, err := os.ReadFile(filepath.Join(cache, n.folder(), "refs", DefaultRevision))
	if err != nil {
		if errors.Is(err, fs.ErrNotExist) {
			err = ErrNotPulled
		}
		return "", err
	}
	id := strings.TrimSpace(string(commit))
	if !commitForm.MatchString(id) {
		return "", fmt.Errorf("%s in the model cache names no commit; pull the model again", filepath.Join(n.folder(), "refs", DefaultRevision))
	}
	return find(filepath.Join(cache, n.folder(), "snapshots", id), n)
}

// find looks into a snapshot.
func find(snapshot string, n Name) (string, error) {
	var files []File
	err := filepath.WalkDir(snapshot, func(p string, _ fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() { // through the link: its blob is there
			rel, err := filepath.Rel(snapshot, p)
			if err != nil {
				return err
			}
			files = append(files, File{Path: filepath.ToSlash(rel)})
		}
		return nil
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	chosen, err := choose(n, files)
	if err != nil {
		return "", ErrNotPulled
	}
	if first := chosen[0]; strings.HasSuffix(first.Path, ".gguf") {
		return filepath.Join(snapshot, filepath.FromSlash(first.Path)), nil
	}
	return snapshot, nil
}

// link puts a blob into a snapshot: by a link relative to it, as other tools do, or where links are not to be had
// (Windows without the privilege) by a second name of the same file.
func link(blob, path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	target, err := filepath.Rel(filepath.Dir(path), blob)
	if err != nil {
		return err
	}
	if there, err := os.Readlink(path); err == nil && there == target {
		return nil
	}
	fresh := path + ".new"
	if err := os.Remove(fresh); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := os.Symlink(target, fresh); err != nil {
		if err := os.Link(blob, fresh); err != nil {
			return err
		}
	}
	return os.Rename(fresh, path)
}

// writeWhole writes a small file whole or not at all.
func writeWhole(path string, content []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
