package safetensors

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
)

// MaxHeader is the longest JSON header that is read, the limit of the reference
// implementation.
const MaxHeader = 100_000_000

// File is the layout of one file.
type File struct {
	Tensors  []Tensor          // in the order of their bytes
	Metadata map[string]string // the header's "__metadata__", nil if there is none
}

// Tensor is one tensor's place in a file.
type Tensor struct {
	Name  string
	DType string // as the file spells it: "F32", "BF16", "I32", ...
	Shape []int  // outermost first; empty for a single number
	Data  []byte // part of the bytes given to Parse
}

// UnsupportedError is about a file that may be sound but that this package cannot read.
type UnsupportedError struct {
	Problem string
}

func (e *UnsupportedError) Error() string { return e.Problem }

// dtypeBytes lists the element types of the format whose elements are whole bytes.
var dtypeBytes = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E4M3": 1, "F8_E5M2": 1, "F8_E8M0": 1,
	"U16": 2, "I16": 2, "F16": 2, "BF16": 2,
	"U32": 4, "I32": 4, "F32": 4,
	"U64": 8, "I64": 8, "F64": 8, "C64": 8,
}

// Parse reads the layout of the file whose bytes are data. The file's tensors point into data.
// Each error is about the file and says what is wrong and where; it is an *UnsupportedError
// where the file may be sound.
func Parse(data []byte) (*File, error) {
	if len(data) < 8 {
		return nil, fmt.Errorf("%d bytes are too few for a safetensors file", len(data))
	}
	n := binary.LittleEndian.Uint64(data)
	switch {
	case n > uint64(len(data)-8):
		return nil, fmt.Errorf("the header claims %d bytes, but %d follow its length", n, len(data)-8)
	case n > MaxHeader:
		return nil, fmt.Errorf("the header of %d bytes is longer than the format's limit of %d", n, MaxHeader)
	}
	text, body := data[8:8+n], data[8+n:]
	if len(text) == 0 || text[0] != '{' {
		return nil, fmt.Errorf("the header does not begin with '{'")
	}
	entries, metadata, err := parseHeader(text)
	if err != nil {
		return nil, fmt.Errorf("the header: %w", err)
	}
	f := &File{Tensors: make([]Tensor, 0, len(entries)), Metadata: metadata}
	slices.SortFunc(entries, func(a, b entry) int {
		if a.begin != b.begin {
			return compare(a.begin, b.begin)
		}
		return compare(a.end, b.end) // empty tensors before the one that begins where they are
	})
	var end uint64 // of the bytes that tensors have covered
	for _, e := range entries {
		t, err := e.place(body)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", e.name, err)
		}
		if e.begin < end {
			return nil, fmt.Errorf("tensor %q begins at byte %d, inside the tensor before it, which ends at %d", e.name, e.begin, end)
		}
		if e.begin > end {
			return nil, fmt.Errorf("bytes %d to %d, before tensor %q, belong to no tensor", end, e.begin, e.name)
		}
		end = e.end
		f.Tensors = append(f.Tensors, t)
	}
	if end != uint64(len(body)) {
		return nil, fmt.Errorf("the tensors end at byte %d, but the file goes on to byte %d", end, len(body))
	}
	return f, nil
}

func compare(a, b uint64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// place checks an entry by itself and cuts its bytes out of body.
func (e entry) place(body []byte) (Tensor, error) {
	size, ok := dtypeBytes[e.dtype]
	if !ok {
		return Tensor{}, &UnsupportedError{fmt.Sprintf("its type %q is unknown", e.dtype)}
	}
	if e.begin > e.end || e.end > uint64(len(body)) {
		return Tensor{}, fmt.Errorf("its offsets %d to %d are not inside the %d bytes of tensors", e.begin, e.end, len(body))
	}
	t := Tensor{Name: e.name, DType: e.dtype, Shape: make([]int, len(e.shape)), Data: body[e.begin:e.end:e.end]}
	want, empty := uint64(size), false
	for i, n := range e.shape {
		if n > math.MaxInt {
			return Tensor{}, fmt.Errorf("its shape %d is too large", e.shape)
		}
		t.Shape[i] = int(n)
		if n == 0 {
			empty = true
		} else if want > math.MaxInt/n {
			return Tensor{}, fmt.Errorf("its shape %d is too large", e.shape)
		} else {
			want *= n
		}
	}
	if empty {
		want = 0
	}
	if want != e.end-e.begin {
		return Tensor{}, fmt.Errorf("%s of shape %d takes %d bytes, but its offsets %d to %d hold %d", e.dtype, e.shape, want, e.begin, e.end, e.end-e.begin)
	}
	return t, nil
}
