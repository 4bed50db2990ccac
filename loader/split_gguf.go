package loader

import (
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/edsrzf/mmap-go"

	"github.com/qwenvk/qwenvk/loader/gguf"
)

// A model may come in several GGUF files, NAME-00001-of-00003.gguf and so on (llama.cpp's gguf-split). The first has the
// metadata; each has its own tensors and says which part of how many it is (split.no from 0, split.count).

var partName = regexp.MustCompile(`^(.*)-(\d{5})-of-(\d{5})\.gguf$`)

// partPath returns the name of part number (from 1) of count.
func partPath(stem string, number, count int) string {
	return fmt.Sprintf("%s-%05d-of-%05d.gguf", stem, number, count)
}

// parsePartName splits a part's path; ok is false for the name of a whole model.
func parsePartName(path string) (stem string, number, count int, ok bool) {
	m := partName.FindStringSubmatch(path)
	if m == nil {
		return "", 0, 0, false
	}
	number, _ = strconv.Atoi(m[2])
	count, _ = strconv.Atoi(m[3])
	return m[1], number, count, true
}

// ggufSplit is what a file says of itself as a part.
type ggufSplit struct{ no, count, tensors int }

func readSplit(f *gguf.File) (s ggufSplit, err error) {
	for _, k := range []struct {
		key string
		to  *int
	}{{"split.no", &s.no}, {"split.count", &s.count}, {"split.tensors.count", &s.tensors}} {
		v, ok := f.Lookup(k.key)
		if !ok {
			continue
		}
		n, err := v.Int()
		if err == nil && (n < 0 || n > math.MaxInt32) {
			err = fmt.Errorf("%d is out of range", n)
		}
		if err != nil {
			return s, fmt.Errorf("metadata key %q: %w", k.key, err)
		}
		*k.to = int(n)
	}
	return s, nil
}

// firstPart names the file to open instead of path, when path is a later part of a model.
func firstPart(path string) (first string, ok bool) {
	stem, number, count, ok := parsePartName(path)
	if !ok || number <= 1 {
		return "", false
	}
	return partPath(stem, 1, count), true
}

// joinParts adds the tensors of the other parts to f, the first one's, and returns for each tensor of f the path it lies
// in. It maps the files; the caller owns the mappings, after an error too.
func joinParts(path string, f *gguf.File, s ggufSplit) (paths []string, maps []mmap.MMap, err error) {
	stem, number, count, ok := parsePartName(path)
	if !ok || count != s.count {
		return nil, nil, &Error{
			File: path, Kind: ErrUnsupportedModel,
			Problem: fmt.Sprintf("it is one part of a model in %d files", s.count),
			Advice:  fmt.Sprintf("call the files %s and so on, so that the others can be found", filepath.Base(partPath("NAME", 1, s.count))),
		}
	}
	if number != 1 || s.no != 0 {
		return nil, nil, corrupt(path, fmt.Errorf("by its name it is part %d of the model, by its metadata part %d", number, s.no+1))
	}
	for range f.Tensors {
		paths = append(paths, path)
	}
	for n := 2; n <= count; n++ {
		part := partPath(stem, n, count)
		m, err := mapFile(part)
		if errors.Is(err, ErrNotFound) {
			return nil, maps, missingPart(part, n)
		}
		if err != nil {
			return nil, maps, err
		}
		maps = append(maps, m)
		g, err := parsePart(part, m, n, count)
		if err != nil {
			return nil, maps, err
		}
		f.Tensors = append(f.Tensors, g.Tensors...)
		for range g.Tensors {
			paths = append(paths, part)
		}
	}
	if s.tensors > 0 && s.tensors != len(f.Tensors) {
		return nil, maps, corrupt(path, fmt.Errorf("the parts have %d tensors, the model %d", len(f.Tensors), s.tensors))
	}
	return paths, maps, nil
}

func missingPart(path string, n int) error {
	return &Error{File: path, Problem: fmt.Sprintf("part %d of the model is missing", n), Advice: "download it too", Kind: ErrNotFound}
}

// parsePart reads part n of count.
func parsePart(path string, data []byte, n, count int) (*gguf.File, error) {
	f, err := gguf.Parse(data)
	if err != nil {
		return nil, ggufError(path, err)
	}
	s, err := readSplit(f)
	if err == nil && (s.no != n-1 || s.count != count) {
		err = fmt.Errorf("by its name it is part %d of %d, by its metadata part %d of %d", n, count, s.no+1, s.count)
	}
	if err != nil {
		return nil, corrupt(path, err)
	}
	return f, nil
}

// ggufError tells a file that may be sound from a damaged one.
func ggufError(path string, err error) error {
	var u *gguf.UnsupportedError
	if errors.As(err, &u) {
		advice := ""
		if u.Type {
			advice = "the types that work are " + typeNames()
		}
		return unsupported(path, err.Error(), advice)
	}
	return corrupt(path, err)
}
