package gguf

import (
	"errors"
	"fmt"
	"math"
	"slices"
)

// Bounds far above anything published, so that a small lie cannot become much work.
const (
	maxName    = 65535   // bytes of a key or name; the format's limit for keys
	maxKeys    = 1 << 16 // published files have about 50
	maxTensors = 1 << 20 // the largest mixture of experts has about 40,000 matrices
	maxDims    = 4
	maxDepth   = 4 // of arrays in arrays

	defaultAlignment = 32
	maxAlignment     = 1 << 20
)

// File is the layout of one file.
type File struct {
	Version   uint32
	Alignment uint64
	Keys      []string // of the metadata, in the file's order
	Tensors   []Tensor // in the file's order

	values map[string]Value
}

// Tensor is one tensor's place in a file.
type Tensor struct {
	Name  string
	Type  TensorType
	Shape []int  // outermost first (GGUF stores the innermost first); never empty or with a zero
	Data  []byte // part of the bytes given to Parse
}

// UnsupportedError is about a file that may be sound but that this package cannot read.
type UnsupportedError struct {
	Problem string
	Type    bool // it is about the type of a tensor, not about the whole file
}

func (e *UnsupportedError) Error() string { return e.Problem }

// Lookup returns the metadata value of a key.
func (f *File) Lookup(key string) (Value, bool) {
	v, ok := f.values[key]
	return v, ok
}

// IsGGUF reports whether data begins as a GGUF file does.
func IsGGUF(data []byte) bool { return len(data) >= 4 && string(data[:4]) == "GGUF" }

// Parse reads the layout of the file whose bytes are data. Values and tensors point into data.
// Each error is about the file and says what is wrong and where; it is an *UnsupportedError
// where the file may be sound.
func Parse(data []byte) (*File, error) {
	if !IsGGUF(data) {
		return nil, errors.New("it does not begin with \"GGUF\"")
	}
	r := &reader{data: data, pos: 4}
	f := &File{Alignment: defaultAlignment, values: map[string]Value{}}
	var err error
	if f.Version, err = r.uint32(); err != nil {
		return nil, fmt.Errorf("the version: %w", err)
	}
	if err := checkVersion(f.Version); err != nil {
		return nil, err
	}
	// The least that a tensor's entry takes: name 8+1, dimensions 4+8, type 4, offset 8.
	tensors, err := r.count(33, maxTensors)
	if err != nil {
		return nil, fmt.Errorf("the number of tensors: %w", err)
	}
	// The least that a key takes: name 8+1, type 4, value 1.
	keys, err := r.count(14, maxKeys)
	if err != nil {
		return nil, fmt.Errorf("the number of metadata keys: %w", err)
	}
	for i := range keys {
		if err := f.readKey(r); err != nil {
			return nil, fmt.Errorf("metadata key %d of %d: %w", i+1, keys, err)
		}
	}
	if err := f.readAlignment(); err != nil {
		return nil, err
	}
	if err := r.holds(tensors, 33); err != nil {
		return nil, fmt.Errorf("the list of tensors: %w", err)
	}
	places, err := f.readTensors(r, tensors)
	if err != nil {
		return nil, err
	}
	if err := f.place(data, r.pos, places); err != nil {
		return nil, err
	}
	return f, nil
}

func checkVersion(v uint32) error {
	switch {
	case v == 2 || v == 3:
		return nil
	case v == 1:
		return &UnsupportedError{Problem: "it is GGUF version 1, of 2023; convert the model again, to version 3"}
	case v&0xffff == 0:
		return &UnsupportedError{Problem: "it is a big-endian GGUF file; only little-endian files are read"}
	}
	return &UnsupportedError{Problem: fmt.Sprintf("it is GGUF version %d; versions 2 and 3 are read", v)}
}

// readKey reads one key with its value.
func (f *File) readKey(r *reader) error {
	key, err := r.name()
	if err != nil {
		return err
	}
	if _, twice := f.values[key]; twice {
		return fmt.Errorf("%q comes twice", key)
	}
	t, err := r.uint32()
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	v, err := r.value(ValueType(t), 0)
	if err != nil {
		return fmt.Errorf("%q: %w", key, err)
	}
	f.Keys = append(f.Keys, key)
	f.values[key] = v
	return nil
}

func (f *File) readAlignment() error {
	v, ok := f.values["general.alignment"]
	if !ok {
		return nil
	}
	n, err := v.Uint()
	if err == nil && (n < 8 || n > maxAlignment || n&(n-1) != 0) {
		err = fmt.Errorf("%d is not a power of two from 8 to %d", n, maxAlignment)
	}
	if err != nil {
		return fmt.Errorf("metadata key \"general.alignment\": %w", err)
	}
	f.Alignment = n
	return nil
}

// place is where a tensor claims to lie, from the first byte after the header's padding.
type place struct{ begin, size uint64 }

// readTensors reads the tensor list. Types, dimensions and sizes are checked, places not yet.
func (f *File) readTensors(r *reader, n uint64) ([]place, error) {
	places := make([]place, 0, n) // n entries fit the rest of the file
	f.Tensors = make([]Tensor, 0, n)
	seen := make(map[string]struct{}, n)
	for i := range n {
		name, err := r.name()
		if err != nil {
			return nil, fmt.Errorf("tensor %d of %d: %w", i+1, n, err)
		}
		if _, twice := seen[name]; twice {
			return nil, fmt.Errorf("tensor %q comes twice", name)
		}
		seen[name] = struct{}{}
		t, p, err := readTensor(r)
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		t.Name = name
		f.Tensors, places = append(f.Tensors, t), append(places, p)
	}
	return places, nil
}

// readTensor reads what follows a tensor's name.
func readTensor(r *reader) (t Tensor, p place, err error) {
	dims, err := r.uint32()
	if err != nil {
		return t, p, err
	}
	if dims < 1 || dims > maxDims {
		return t, p, fmt.Errorf("%d dimensions; tensors have 1 to %d", dims, maxDims)
	}
	t.Shape = make([]int, dims)
	elements := uint64(1)
	for i := range t.Shape {
		n, err := r.uint64()
		if err != nil {
			return t, p, err
		}
		if n < 1 || n > math.MaxInt64/elements || n > math.MaxInt {
			return t, p, fmt.Errorf("dimension %d of %d elements is empty or too large", i, n)
		}
		elements *= n
		t.Shape[len(t.Shape)-1-i] = int(n)
	}
	number, err := r.uint32()
	if err != nil {
		return t, p, err
	}
	t.Type = TensorType(number)
	block, size := t.Type.Block()
	if block == 0 {
		return t, p, &UnsupportedError{Problem: fmt.Sprintf("its %v is unknown", t.Type), Type: true}
	}
	if inner := uint64(t.Shape[len(t.Shape)-1]); inner%block != 0 {
		return t, p, fmt.Errorf("rows of %d elements are not whole %v blocks of %d", inner, t.Type, block)
	}
	if elements/block > math.MaxInt64/size {
		return t, p, fmt.Errorf("its shape %d is too large", t.Shape)
	}
	p.size = elements / block * size
	p.begin, err = r.uint64()
	return t, p, err
}

// place cuts each tensor out of the file; the header ends at byte header.
func (f *File) place(data []byte, header uint64, places []place) error {
	if len(places) == 0 {
		return nil
	}
	start := (header + f.Alignment - 1) &^ (f.Alignment - 1) // no overflow: header is within data
	body := uint64(0)
	if start < uint64(len(data)) {
		body = uint64(len(data)) - start
	}
	for i, p := range places {
		t := &f.Tensors[i]
		if p.begin%f.Alignment != 0 {
			return fmt.Errorf("tensor %q: its offset %d is not a multiple of the alignment %d", t.Name, p.begin, f.Alignment)
		}
		if p.begin > body || p.size > body-p.begin {
			return fmt.Errorf("tensor %q: its %d bytes at offset %d go beyond the end of the file, %d bytes after the header", t.Name, p.size, p.begin, body)
		}
		from, to := start+p.begin, start+p.begin+p.size
		t.Data = data[from:to:to]
	}
	order := make([]int, len(places))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int {
		if places[a].begin < places[b].begin {
			return -1
		}
		if places[a].begin > places[b].begin {
			return 1
		}
		return 0
	})
	for i := 1; i < len(order); i++ {
		a, b := order[i-1], order[i]
		if places[a].begin+places[a].size > places[b].begin {
			return fmt.Errorf("tensors %q and %q overlap at offset %d", f.Tensors[a].Name, f.Tensors[b].Name, places[b].begin)
		}
	}
	return nil
}
