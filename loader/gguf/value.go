package gguf

import (
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"math"
)

// Value is a metadata value. It points into the file's bytes; the methods decode it.
type Value struct {
	Type ValueType
	Elem ValueType // of an Array
	Len  uint64    // of an Array
	raw  []byte    // the value; of a String its text, of an Array all elements
}

// errMissing is about the zero Value, which Lookup returns for a key that is not there.
var errMissing = errors.New("there is no value")

// Uint returns a whole number of any integer type that is not negative.
func (v Value) Uint() (uint64, error) {
	n, err := v.Int()
	if err != nil && v.Type == Uint64 && v.raw != nil {
		return binary.LittleEndian.Uint64(v.raw), nil
	}
	if err == nil && n < 0 {
		return 0, fmt.Errorf("%d is negative", n)
	}
	return uint64(n), err
}

// Int returns a whole number of any integer type that an int64 holds.
func (v Value) Int() (int64, error) {
	if v.raw == nil {
		return 0, errMissing
	}
	switch v.Type {
	case Uint8:
		return int64(v.raw[0]), nil
	case Int8:
		return int64(int8(v.raw[0])), nil
	case Uint16:
		return int64(binary.LittleEndian.Uint16(v.raw)), nil
	case Int16:
		return int64(int16(binary.LittleEndian.Uint16(v.raw))), nil
	case Uint32:
		return int64(binary.LittleEndian.Uint32(v.raw)), nil
	case Int32:
		return int64(int32(binary.LittleEndian.Uint32(v.raw))), nil
	case Uint64:
		n := binary.LittleEndian.Uint64(v.raw)
		if n > math.MaxInt64 {
			return 0, fmt.Errorf("%d is too large", n)
		}
		return int64(n), nil
	case Int64:
		return int64(binary.LittleEndian.Uint64(v.raw)), nil
	}
	return 0, v.not("a whole number")
}

// Float returns a Float32, a Float64 or a whole number.
func (v Value) Float() (float64, error) {
	if v.raw == nil {
		return 0, errMissing
	}
	switch v.Type {
	case Float32:
		return float64(math.Float32frombits(binary.LittleEndian.Uint32(v.raw))), nil
	case Float64:
		return math.Float64frombits(binary.LittleEndian.Uint64(v.raw)), nil
	}
	n, err := v.Int()
	if err != nil {
		return 0, v.not("a number")
	}
	return float64(n), nil
}

// Bool returns a Bool.
func (v Value) Bool() (bool, error) {
	if v.Type != Bool {
		return false, v.not("a bool")
	}
	if v.raw == nil {
		return false, errMissing
	}
	return v.raw[0] == 1, nil
}

// Text returns a String, a copy that outlives the file.
func (v Value) Text() (string, error) {
	if v.Type != String {
		return "", v.not("a string")
	}
	return string(v.raw), nil
}

// Texts returns an Array of String, copies that outlive the file.
func (v Value) Texts() ([]string, error) {
	if v.Type != Array || v.Elem != String {
		return nil, v.not("an array of strings")
	}
	texts := make([]string, v.Len)
	for i, b := range v.Each() {
		texts[i] = string(b)
	}
	return texts, nil
}

// Each walks over an Array of String without copying: index and text, part of the file. It
// yields nothing for another type.
func (v Value) Each() iter.Seq2[int, []byte] {
	return func(yield func(int, []byte) bool) {
		if v.Type != Array || v.Elem != String {
			return
		}
		r := reader{data: v.raw}
		for i := range int(v.Len) {
			b, err := r.text()
			if err != nil || !yield(i, b) {
				return
			}
		}
	}
}

// Int32s returns an Array of Int32 or Uint32.
func (v Value) Int32s() ([]int32, error) {
	if v.Type != Array || v.Elem != Int32 && v.Elem != Uint32 {
		return nil, v.not("an array of int32")
	}
	numbers := make([]int32, v.Len)
	for i := range numbers {
		numbers[i] = int32(binary.LittleEndian.Uint32(v.raw[4*i:]))
	}
	return numbers, nil
}

// String describes the value in a few words, for reports.
func (v Value) String() string {
	if v.raw == nil {
		return "none"
	}
	switch v.Type {
	case Array:
		return fmt.Sprintf("%d × %v", v.Len, v.Elem)
	case String:
		if len(v.raw) > 80 {
			return fmt.Sprintf("%.60q… (%d bytes)", v.raw, len(v.raw))
		}
		return fmt.Sprintf("%q", v.raw)
	case Bool:
		return fmt.Sprint(v.raw[0] == 1)
	case Float32:
		return fmt.Sprint(math.Float32frombits(binary.LittleEndian.Uint32(v.raw)))
	case Uint64:
		return fmt.Sprint(binary.LittleEndian.Uint64(v.raw))
	}
	if n, err := v.Int(); err == nil {
		return fmt.Sprint(n)
	}
	f, _ := v.Float()
	return fmt.Sprint(f)
}

func (v Value) not(what string) error {
	if v.Type == Array {
		return fmt.Errorf("an array of %v is not %s", v.Elem, what)
	}
	return fmt.Errorf("a value of type %v is not %s", v.Type, what)
}

// Bytes returns the value as the file has it: numbers little-endian, a String's text, the elements
// of an Array one after another. It is part of the file.
func (v Value) Bytes() []byte { return v.raw }
