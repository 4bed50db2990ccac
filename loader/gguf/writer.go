package gguf

import (
	"encoding/binary"
	"fmt"
	"math"
)

// KeyValue is one entry of the metadata to write.
type KeyValue struct {
	Key   string
	Value Value
}

// TensorInfo is one line of the tensor list to write.
type TensorInfo struct {
	Name  string
	Type  TensorType
	Shape []int // outermost first
}

// Layout is the beginning of a file of version 3 with the places of its tensors. A writer puts
// Header at the start and the bytes of tensor i at Offsets[i]; what lies between is zeros.
type Layout struct {
	Header  []byte  // up to the first tensor, padding included
	Offsets []int64 // from the start of the file, multiples of 32
	Sizes   []int64 // bytes of each tensor
	Size    int64   // bytes of the whole file
}

// NewLayout arranges a file. Its errors are about what no reader would take: a name or key that
// is empty, too long or there twice, a shape that is not whole blocks, a list that is too long.
func NewLayout(metadata []KeyValue, tensors []TensorInfo) (*Layout, error) {
	if len(metadata) > maxKeys || len(tensors) > maxTensors {
		return nil, fmt.Errorf("%d keys and %d tensors are more than the %d and %d of a file", len(metadata), len(tensors), maxKeys, maxTensors)
	}
	b := append([]byte("GGUF"), 3, 0, 0, 0)
	b = binary.LittleEndian.AppendUint64(b, uint64(len(tensors)))
	b = binary.LittleEndian.AppendUint64(b, uint64(len(metadata)))
	seen := map[string]bool{}
	for _, kv := range metadata {
		if err := checkName(seen, kv.Key); err != nil {
			return nil, fmt.Errorf("metadata key %q: %w", kv.Key, err)
		}
		if kv.Value.raw == nil && kv.Value.Type != String && kv.Value.Type != Array {
			return nil, fmt.Errorf("metadata key %q: %w", kv.Key, errMissing)
		}
		b = appendText(b, kv.Key)
		b = kv.Value.append(b)
	}
	l := &Layout{Offsets: make([]int64, len(tensors)), Sizes: make([]int64, len(tensors))}
	clear(seen)
	var at int64 // behind the header
	for i, t := range tensors {
		size, err := t.bytes()
		if err == nil {
			err = checkName(seen, t.Name)
		}
		if err == nil && at > math.MaxInt64-size-2*defaultAlignment {
			err = fmt.Errorf("the file becomes too large")
		}
		if err != nil {
			return nil, fmt.Errorf("tensor %q: %w", t.Name, err)
		}
		b = appendText(b, t.Name)
		b = binary.LittleEndian.AppendUint32(b, uint32(len(t.Shape)))
		for d := range t.Shape { // the file has the innermost first
			b = binary.LittleEndian.AppendUint64(b, uint64(t.Shape[len(t.Shape)-1-d]))
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(t.Type))
		b = binary.LittleEndian.AppendUint64(b, uint64(at))
		l.Offsets[i], l.Sizes[i] = at, size
		at = aligned(at + size)
	}
	l.Header = append(b, make([]byte, aligned(int64(len(b)))-int64(len(b)))...)
	for i := range l.Offsets {
		l.Offsets[i] += int64(len(l.Header))
	}
	l.Size = int64(len(l.Header)) + at
	return l, nil
}

func aligned(n int64) int64 { return (n + defaultAlignment - 1) &^ (defaultAlignment - 1) }

func checkName(seen map[string]bool, name string) error {
	switch {
	case name == "" || len(name) > maxName:
		return fmt.Errorf("a name of %d bytes; names have 1 to %d", len(name), maxName)
	case seen[name]:
		return fmt.Errorf("it comes twice")
	}
	seen[name] = true
	return nil
}

// bytes checks shape and type, and returns how much the tensor takes.
func (t TensorInfo) bytes() (int64, error) {
	block, size := t.Type.Block()
	if block == 0 {
		return 0, fmt.Errorf("its %v is unknown", t.Type)
	}
	if len(t.Shape) < 1 || len(t.Shape) > maxDims {
		return 0, fmt.Errorf("%d dimensions; tensors have 1 to %d", len(t.Shape), maxDims)
	}
	elements := uint64(1)
	for _, n := range t.Shape {
		if n < 1 || uint64(n) > math.MaxInt64/elements {
			return 0, fmt.Errorf("its shape %d is empty or too large", t.Shape)
		}
		elements *= uint64(n)
	}
	if inner := uint64(t.Shape[len(t.Shape)-1]); inner%block != 0 {
		return 0, fmt.Errorf("rows of %d elements are not whole %v blocks of %d", inner, t.Type, block)
	}
	if elements/block > math.MaxInt64/size {
		return 0, fmt.Errorf("its shape %d is too large", t.Shape)
	}
	return int64(elements / block * size), nil
}

// TypeNamed returns the type with GGML's name, such as "Q4_K".
func TypeNamed(name string) (TensorType, bool) {
	for t, d := range tensorTypes {
		if d.name == name {
			return t, true
		}
	}
	return 0, false
}

func appendText(b []byte, s string) []byte {
	return append(binary.LittleEndian.AppendUint64(b, uint64(len(s))), s...)
}

// append writes a value with its type, as a file has it.
func (v Value) append(b []byte) []byte {
	b = binary.LittleEndian.AppendUint32(b, uint32(v.Type))
	switch v.Type {
	case String:
		b = binary.LittleEndian.AppendUint64(b, uint64(len(v.raw)))
	case Array:
		b = binary.LittleEndian.AppendUint32(b, uint32(v.Elem))
		b = binary.LittleEndian.AppendUint64(b, v.Len)
	}
	return append(b, v.raw...)
}

// NewUint32 makes a Uint32.
func NewUint32(n uint32) Value {
	return Value{Type: Uint32, raw: binary.LittleEndian.AppendUint32(nil, n)}
}

// NewInt32 makes an Int32.
func NewInt32(n int32) Value {
	return Value{Type: Int32, raw: binary.LittleEndian.AppendUint32(nil, uint32(n))}
}

// NewFloat32 makes a Float32.
func NewFloat32(f float32) Value {
	return Value{Type: Float32, raw: binary.LittleEndian.AppendUint32(nil, math.Float32bits(f))}
}

// NewBool makes a Bool.
func NewBool(yes bool) Value {
	v := Value{Type: Bool, raw: []byte{0}}
	if yes {
		v.raw[0] = 1
	}
	return v
}

// NewText makes a String.
func NewText(s string) Value { return Value{Type: String, raw: []byte(s)} }

// NewTexts makes an Array of String.
func NewTexts(texts []string) Value {
	v := Value{Type: Array, Elem: String, Len: uint64(len(texts))}
	for _, s := range texts {
		v.raw = appendText(v.raw, s)
	}
	return v
}

// NewInt32s makes an Array of Int32.
func NewInt32s(numbers []int32) Value {
	v := Value{Type: Array, Elem: Int32, Len: uint64(len(numbers))}
	for _, n := range numbers {
		v.raw = binary.LittleEndian.AppendUint32(v.raw, uint32(n))
	}
	return v
}
