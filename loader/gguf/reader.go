package gguf

import (
	"encoding/binary"
	"fmt"
)

// reader walks through a file's bytes. Nothing it returns is longer than the file.
type reader struct {
	data []byte
	pos  uint64
}

func (r *reader) left() uint64 { return uint64(len(r.data)) - r.pos }

// bytes returns the next n bytes, part of the file.
func (r *reader) bytes(n uint64) ([]byte, error) {
	if n > r.left() {
		return nil, fmt.Errorf("%d bytes at byte %d go beyond the end of the file, at %d", n, r.pos, len(r.data))
	}
	b := r.data[r.pos : r.pos+n : r.pos+n]
	r.pos += n
	return b, nil
}

func (r *reader) uint32() (uint32, error) {
	b, err := r.bytes(4)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint32(b), nil
}

func (r *reader) uint64() (uint64, error) {
	b, err := r.bytes(8)
	if err != nil {
		return 0, err
	}
	return binary.LittleEndian.Uint64(b), nil
}

// text returns a string's bytes: a uint64 length, then as many bytes.
func (r *reader) text() ([]byte, error) {
	n, err := r.uint64()
	if err != nil {
		return nil, err
	}
	return r.bytes(n)
}

// name reads a key or a tensor's name.
func (r *reader) name() (string, error) {
	b, err := r.text()
	if err != nil {
		return "", err
	}
	if len(b) == 0 || len(b) > maxName {
		return "", fmt.Errorf("a name of %d bytes; names have 1 to %d", len(b), maxName)
	}
	return string(b), nil
}

// count reads a number of things that take at least size bytes each, and refuses one that the
// rest of the file cannot hold.
func (r *reader) count(size, limit uint64) (uint64, error) {
	n, err := r.uint64()
	if err != nil {
		return 0, err
	}
	if n > limit {
		return 0, fmt.Errorf("%d are more than the %d that are read", n, limit)
	}
	return n, r.holds(n, size)
}

// holds refuses n things of at least size bytes each that the rest of the file cannot hold.
func (r *reader) holds(n, size uint64) error {
	if n > r.left()/size {
		return fmt.Errorf("%d of at least %d bytes each do not fit the %d bytes that are left", n, size, r.left())
	}
	return nil
}

// value walks over a value of type t and returns where it lies.
func (r *reader) value(t ValueType, depth int) (Value, error) {
	v := Value{Type: t}
	switch {
	case !t.valid():
		return v, fmt.Errorf("a value of unknown %v", t)
	case t == String:
		b, err := r.text()
		v.raw = b
		return v, err
	case t != Array:
		b, err := r.bytes(valueTypes[t].size)
		if err == nil && t == Bool && b[0] > 1 {
			err = fmt.Errorf("a bool that is %d", b[0])
		}
		v.raw = b
		return v, err
	}
	if depth == maxDepth {
		return v, fmt.Errorf("arrays more than %d deep", maxDepth)
	}
	elem, err := r.uint32()
	if err != nil {
		return v, err
	}
	v.Elem = ValueType(elem)
	if v.Len, err = r.uint64(); err != nil {
		return v, err
	}
	if !v.Elem.valid() {
		return v, fmt.Errorf("an array of unknown %v", v.Elem)
	}
	if err := r.holds(v.Len, valueTypes[v.Elem].size); err != nil {
		return v, fmt.Errorf("elements of type %v: %w", v.Elem, err)
	}
	start := r.pos
	if v.Elem == String || v.Elem == Array || v.Elem == Bool {
		for i := range v.Len {
			if _, err := r.value(v.Elem, depth+1); err != nil {
				return v, fmt.Errorf("element %d: %w", i, err)
			}
		}
	} else {
		r.pos += v.Len * valueTypes[v.Elem].size // held against the rest above
	}
	v.raw = r.data[start:r.pos:r.pos]
	return v, nil
}
