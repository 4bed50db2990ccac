package hub

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// path joins names below the cache.
func (c *Client) path(names ...string) string {
	return filepath.Join(append([]string{c.Cache}, names...)...)
}

// checkSpace makes the repository's folder and refuses to begin what the disk cannot hold.
func (c *Client) checkSpace(folder string, files []File) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("the model cache cannot be written: %w", err)
	}
	var need uint64
	for _, f := range files {
		blob := filepath.Join(folder, "blobs", f.etag())
		if info, err := os.Stat(blob); err == nil && info.Size() == f.Size {
			continue
		} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("the model cache cannot be read: %w", err)
		}
		need += uint64(f.Size)
		if info, err := os.Stat(blob + ".qwenvk-part"); err == nil {
			need -= min(need, allocated(info))
		}
	}
	if free, ok := freeBytes(folder); ok && need > free {
		return fmt.Errorf("the model needs %.1f GB more on the disk of %s, which has %.1f GB left; make room, or set HF_HUB_CACHE to another disk",
			float64(need)/1e9, c.Cache, float64(free)/1e9)
	}
	return nil
}
