package gguf

import "fmt"

// TensorType is GGML's number for how a tensor is stored.
type TensorType uint32

// tensorTypes lists the types that occur in files: their name, and the elements and bytes of a
// block. Numbers that are missing were never stored or have been withdrawn.
var tensorTypes = map[TensorType]struct {
	name        string
	block, size uint64
}{
	0:  {"F32", 1, 4},
	1:  {"F16", 1, 2},
	2:  {"Q4_0", 32, 18},
	3:  {"Q4_1", 32, 20},
	6:  {"Q5_0", 32, 22},
	7:  {"Q5_1", 32, 24},
	8:  {"Q8_0", 32, 34},
	10: {"Q2_K", 256, 84},
	11: {"Q3_K", 256, 110},
	12: {"Q4_K", 256, 144},
	13: {"Q5_K", 256, 176},
	14: {"Q6_K", 256, 210},
	15: {"Q8_K", 256, 292},
	16: {"IQ2_XXS", 256, 66},
	17: {"IQ2_XS", 256, 74},
	18: {"IQ3_XXS", 256, 98},
	19: {"IQ1_S", 256, 50},
	20: {"IQ4_NL", 32, 18},
	21: {"IQ3_S", 256, 110},
	22: {"IQ2_S", 256, 82},
	23: {"IQ4_XS", 256, 136},
	24: {"I8", 1, 1},
	25: {"I16", 1, 2},
	26: {"I32", 1, 4},
	27: {"I64", 1, 8},
	28: {"F64", 1, 8},
	29: {"IQ1_M", 256, 56},
	30: {"BF16", 1, 2},
	34: {"TQ1_0", 256, 54},
	35: {"TQ2_0", 256, 66},
	39: {"MXFP4", 32, 17},
	40: {"NVFP4", 64, 36},
}

// String returns GGML's name, such as "Q4_K", or "type 99".
func (t TensorType) String() string {
	if d, ok := tensorTypes[t]; ok {
		return d.name
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// Block returns the elements and bytes of a block, zeros for an unknown type.
func (t TensorType) Block() (elements, bytes uint64) {
	d := tensorTypes[t]
	return d.block, d.size
}

// ValueType is GGUF's number for a metadata value's type.
type ValueType uint32

// The types of metadata values.
const (
	Uint8 ValueType = iota
	Int8
	Uint16
	Int16
	Uint32
	Int32
	Float32
	Bool
	String
	Array
	Uint64
	Int64
	Float64
)

var valueTypes = [...]struct {
	name string
	size uint64 // bytes of a value, for String and Array the least that one can take
}{
	Uint8:   {"uint8", 1},
	Int8:    {"int8", 1},
	Uint16:  {"uint16", 2},
	Int16:   {"int16", 2},
	Uint32:  {"uint32", 4},
	Int32:   {"int32", 4},
	Float32: {"float32", 4},
	Bool:    {"bool", 1},
	String:  {"string", 8},
	Array:   {"array", 12},
	Uint64:  {"uint64", 8},
	Int64:   {"int64", 8},
	Float64: {"float64", 8},
}

func (t ValueType) valid() bool { return uint64(t) < uint64(len(valueTypes)) }

func (t ValueType) String() string {
	if !t.valid() {
		return fmt.Sprintf("type %d", uint32(t))
	}
	return valueTypes[t].name
}
