package convert

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/qwenvk/qwenvk/loader"
)

// OutputError is a file that cannot be written: which one and why.
type OutputError struct {
	Path    string
	Problem string // continues the path
	Err     error  // the cause, or nil
}

func (e *OutputError) Error() string {
	text := e.Path + " " + e.Problem
	if e.Err != nil {
		text += ": " + bare(e.Err).Error()
	}
	return text
}

func (e *OutputError) Unwrap() error { return e.Err }

// bare drops operation and temporary name from a file error.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}

// checkOutput refuses a path that no model should be written to, before any work is done.
func checkOutput(path string, c *loader.Checkpoint) error {
	st, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return checkFolder(path)
	}
	switch {
	case err != nil:
		return &OutputError{path, "cannot be written", err}
	case st.IsDir():
		return &OutputError{path, "is a folder: name a file", nil}
	case !st.Mode().IsRegular():
		return &OutputError{path, "is no regular file: a model cannot be written to it", nil}
	}
	for _, source := range sources(c) {
		if in, err := os.Stat(source); err == nil && os.SameFile(st, in) {
			return &OutputError{path, "is the model itself: name another file", nil}
		}
	}
	return nil
}

func checkFolder(path string) error {
	folder := filepath.Dir(path)
	st, err := os.Stat(folder)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &OutputError{path, fmt.Sprintf("cannot be written: there is no folder %s; make it first", folder), nil}
	case err != nil:
		return &OutputError{path, "cannot be written", err}
	case !st.IsDir():
		return &OutputError{path, fmt.Sprintf("cannot be written: %s is no folder", folder), nil}
	}
	return nil
}

// sources lists the files that the model is read from.
func sources(c *loader.Checkpoint) []string {
	folder := c.Path()
	if st, err := os.Stat(folder); err == nil && !st.IsDir() {
		folder = filepath.Dir(folder)
	}
	seen := map[string]bool{c.Path(): true}
	for _, name := range c.Names() {
		t, _ := c.Tensor(name)
		seen[filepath.Join(folder, t.File)] = true
	}
	paths := make([]string, 0, len(seen))
	for path := range seen {
		paths = append(paths, path)
	}
	return paths
}

// draft is the file while it is being written.
type draft struct {
	*os.File
	path, part string
	forget     func()
}

// newDraft creates the temporary file, hidden beside the one to come. created is called with what
// removes it, for a program that ends in the middle, and returns what takes that back.
func newDraft(path string, size int64, created func(remove func()) (forget func())) (*draft, error) {
	folder := filepath.Dir(path)
	if free, ok := freeSpace(folder); ok && size > free {
		return nil, &OutputError{path, fmt.Sprintf("cannot be written: it takes %d bytes, and its disk has %d free", size, free), nil}
	}
	d := &draft{path: path, part: filepath.Join(folder, fmt.Sprintf(".%s.%d.part", filepath.Base(path), os.Getpid())), forget: func() {}}
	var err error
	if d.File, err = os.OpenFile(d.part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666); err != nil {
		return nil, &OutputError{path, "cannot be written", err}
	}
	if created != nil {
		d.forget = created(func() { _ = os.Remove(d.part) })
	}
	if err := d.Truncate(size); err != nil {
		return nil, errors.Join(&OutputError{path, "cannot be written", err}, d.drop())
	}
	return d, nil
}

// drop removes the draft.
func (d *draft) drop() error {
	defer d.forget()
	return errors.Join(d.Close(), os.Remove(d.part))
}

// keep gives the draft its name once it is on the disk.
func (d *draft) keep() error {
	err := errors.Join(d.Sync(), d.Close())
	if err == nil {
		err = os.Rename(d.part, d.path)
	}
	defer d.forget()
	if err != nil {
		_ = os.Remove(d.part) // what led here says more than its error
		return &OutputError{d.path, "cannot be written", err}
	}
	syncFolder(filepath.Dir(d.path))
	return nil
}

// syncFolder makes the new name last through a crash, where a system can do that.
func syncFolder(folder string) {
	if f, err := os.Open(folder); err == nil {
		_ = f.Sync() // the file itself is safe; not every file system syncs folders
		_ = f.Close()
	}
}
