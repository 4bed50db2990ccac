package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// writeFile writes a file whole or not at all: into a temporary file beside it, which then takes its name. What is no
// regular file (a device, a pipe) is written to directly.
func (p *program) writeFile(path string, write func(io.Writer) error) (err error) {
	if info, statErr := os.Stat(path); statErr == nil && !info.Mode().IsRegular() {
		if info.IsDir() {
			return fmt.Errorf("%s is a folder: name a file", path)
		}
		f, err := os.OpenFile(path, os.O_WRONLY, 0)
		if err != nil {
			return err
		}
		return errors.Join(buffered(f, write), f.Close())
	}
	part := filepath.Join(filepath.Dir(path), fmt.Sprintf(".%s.%d.part", filepath.Base(path), os.Getpid()))
	f, err := os.OpenFile(part, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o666)
	if err != nil {
		return fmt.Errorf("%s cannot be written: %w", path, bareCause(err))
	}
	remove := func() { _ = os.Remove(part) } // what led here says more than its error
	defer p.exits.add(remove)()
	defer func() {
		if err != nil {
			remove()
		}
	}()
	if err = errors.Join(buffered(f, write), f.Close()); err == nil {
		err = os.Rename(part, path)
	}
	if cause := bareCause(err); cause != err {
		return fmt.Errorf("%s cannot be written: %w", path, cause)
	}
	return err
}

func buffered(w io.Writer, write func(io.Writer) error) error {
	b := bufio.NewWriterSize(w, 1<<20)
	return errors.Join(write(b), b.Flush())
}

// bareCause drops the operation and the temporary name from a file error; another error comes back as it is.
func bareCause(err error) error {
	var path *os.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	return err
}
