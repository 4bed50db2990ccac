package loader

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"os"
	"unicode/utf8"

	"github.com/edsrzf/mmap-go"
)

// mapFile maps a whole regular file into memory, read-only.
func mapFile(path string) (mmap.MMap, error) {
	f, err := openRegular(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the mapping stays
	st, err := f.Stat()
	if err != nil {
		return nil, &Error{File: path, Problem: "it cannot be read", Err: cause(err)}
	}
	switch {
	case st.Size() == 0:
		return nil, &Error{File: path, Problem: "the file is empty", Advice: downloadAgain, Kind: ErrCorrupt}
	case st.Size() > math.MaxInt:
		return nil, &Error{File: path, Problem: "the file is too large for this 32-bit program", Kind: ErrUnsupportedModel}
	}
	m, err := mmap.Map(f, mmap.RDONLY, 0)
	if err != nil {
		return nil, &Error{File: path, Problem: "it cannot be mapped into memory", Err: err}
	}
	return m, nil
}

// readFile reads a small file whole. limit guards against a file that is something else.
// A file that does not exist is nil without an error.
func readFile(path string, limit int64) ([]byte, error) {
	f, err := openRegular(path)
	if errors.Is(err, ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, &Error{File: path, Problem: "it cannot be read", Err: cause(err)}
	}
	if int64(len(data)) > limit {
		return nil, &Error{File: path, Problem: fmt.Sprintf("the file is larger than the %d MiB that such a file may have", limit>>20), Kind: ErrCorrupt}
	}
	return data, nil
}

// openRegular opens a regular file. It looks first, because opening a pipe would wait for a
// writer.
func openRegular(path string) (*os.File, error) {
	st, err := os.Stat(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	if !st.Mode().IsRegular() {
		return nil, &Error{File: path, Problem: "it is not a file", Kind: ErrUnsupportedModel}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, pathError(path, err)
	}
	return f, nil
}

func pathError(path string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return &Error{File: path, Problem: "there is no such file or folder", Advice: "check the path", Kind: ErrNotFound, Err: nil}
	case errors.Is(err, fs.ErrPermission):
		return &Error{File: path, Problem: "it may not be read", Advice: "change its permissions", Err: cause(err)}
	}
	return &Error{File: path, Problem: "it cannot be opened", Err: cause(err)}
}

// cause strips the path that the error would repeat.
func cause(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// sniffWant is what to do about a file that is no model.
const sniffWant = "give a .gguf file or a folder with config.json and .safetensors files"

// sniff names what a file that is no model looks like, "" if like nothing known.
func sniff(head []byte) (what, advice string) {
	const want = sniffWant
	starts := func(s string) bool { return bytes.HasPrefix(head, []byte(s)) }
	switch {
	case starts("version https://git-lfs"):
		return "it is a Git LFS pointer, not the file itself", "run \"git lfs pull\" in its folder"
	case starts("PK\x03\x04"):
		return "it is a zip archive, perhaps PyTorch weights", want
	case starts("\x80\x02") || starts("\x80\x03") || starts("\x80\x04") || starts("\x80\x05"):
		return "it is a Python pickle, which can run programs and is never read", want
	case starts("\x1f\x8b") || starts("\xfd7zXZ") || starts("\x28\xb5\x2f\xfd") || starts("7z\xbc\xaf"):
		return "it is compressed", "unpack it first"
	case starts("ggml") || starts("lmgg") || starts("fmgg") || starts("tjgg"):
		return "it is a model of the time before GGUF", "convert it to GGUF"
	case len(head) >= 10 && head[8] == '{' && (head[9] == '"' || head[9] == '}'):
		return "it is a single safetensors file", "give the folder that it lies in, with its config.json"
	case starts("<!") || starts("<html") || starts("<HTML"):
		return "it is a web page, perhaps an error message in place of a download", downloadAgain
	case isText(head):
		return "it is a text file", want
	}
	return "it is not a model file that is known here", want
}

func isText(head []byte) bool {
	for len(head) > 0 {
		r, n := utf8.DecodeRune(head)
		if r == utf8.RuneError && n == 1 && utf8.FullRune(head) || r < ' ' && r != '\n' && r != '\r' && r != '\t' {
			return false
		}
		head = head[n:]
	}
	return true
}
