package safetensors_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader/safetensors"
)

// file puts a header before n bytes of tensors, each byte its own offset.
func file(header string, n int) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	for i := range n {
		b = append(b, byte(i))
	}
	return b
}

func TestParse(t *testing.T) {
	f, err := safetensors.Parse(file(`{
		"b": {"dtype": "I32", "shape": [], "data_offsets": [12, 16]},
		"a": {"shape": [2, 3], "data_offsets": [0, 12], "dtype": "BF16"},
		"__metadata__": {"format": "pt", "": "Grüße"},
		"none": {"dtype": "F32", "shape": [4, 0], "data_offsets": [12, 12]},
		"e": {"dtype": "F8_E4M3", "shape": [1, 1, 2], "data_offsets": [16, 18]}
	}   `, 18))
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string]string{"format": "pt", "": "Grüße"}; !reflect.DeepEqual(f.Metadata, want) {
		t.Errorf("metadata %q, want %q", f.Metadata, want)
	}
	want := []struct {
		name, dtype string
		shape       []int
		first, size int
	}{
		{"a", "BF16", []int{2, 3}, 0, 12},
		{"none", "F32", []int{4, 0}, 12, 0},
		{"b", "I32", []int{}, 12, 4},
		{"e", "F8_E4M3", []int{1, 1, 2}, 16, 2},
	}
	if len(f.Tensors) != len(want) {
		t.Fatalf("%d tensors, want %d", len(f.Tensors), len(want))
	}
	for i, w := range want {
		got := f.Tensors[i]
		if got.Name != w.name || got.DType != w.dtype || !reflect.DeepEqual(got.Shape, w.shape) || len(got.Data) != w.size || cap(got.Data) != w.size ||
			w.size > 0 && int(got.Data[0]) != w.first {
			t.Errorf("tensor %d is %s %s %v %v, want %+v", i, got.Name, got.DType, got.Shape, got.Data, w)
		}
	}
	if f, err := safetensors.Parse(file(`{}`, 0)); err != nil || len(f.Tensors) != 0 || f.Metadata != nil {
		t.Errorf("an empty header: %+v, %v", f, err)
	}
}

// TestGolden: the reference implementation wrote these.
func TestGolden(t *testing.T) {
	f, err := safetensors.Parse(testkit.Read(t, "golden/qwen3-dense-tied/model.safetensors"))
	if err != nil {
		t.Fatal(err)
	}
	if f.Metadata["format"] != "pt" || len(f.Tensors) != 24 || f.Tensors[0].Name != "model.embed_tokens.weight" || !reflect.DeepEqual(f.Tensors[0].Shape, []int{320, 128}) {
		t.Errorf("metadata %q, %d tensors, the first %s %v", f.Metadata, len(f.Tensors), f.Tensors[0].Name, f.Tensors[0].Shape)
	}
}

// TestHostile: each lie is refused with a sentence that names it.
func TestHostile(t *testing.T) {
	one := func(entry string) []byte { return file(`{"t":`+entry+`}`, 8) }
	length := func(n uint64, rest string) []byte {
		return append(binary.LittleEndian.AppendUint64(nil, n), rest...)
	}
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "too few"},
		{"seven bytes", make([]byte, 7), "too few"},
		{"length beyond the file", length(100, "{}"), "claims 100 bytes"},
		{"length huge", length(math.MaxUint64, "{}"), "claims"},
		{"length wraps", length(math.MaxUint64-7, "{}"), "claims"},
		{"length above the limit", append(length(safetensors.MaxHeader+1, "{"), bytes.Repeat([]byte{' '}, safetensors.MaxHeader)...), "limit"},
		{"no header", length(0, ""), "begin with '{'"},
		{"header a list", file(`[]`, 0), "begin with '{'"},
		{"space before the header", file(` {}`, 0), "begin with '{'"},
		{"JSON cut off", file(`{"t":{"dtype":"F32"`, 0), "ends too early"},
		{"JSON damaged", file(`{"t":{"dtype":F32}}`, 0), "damaged"},
		{"something after the header", file(`{} {}`, 0), "follows"},
		{"tensor a number", one(`1`), "'{' is missing"},
		{"name twice", file(`{"t":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"t":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}`, 8), `"t" comes twice`},
		{"key twice", one(`{"dtype":"U8","shape":[8],"shape":[8],"data_offsets":[0,8]}`), `"shape" comes twice`},
		{"metadata twice", file(`{"__metadata__":{"a":"b"},"__metadata__":{}}`, 0), "comes twice"},
		{"metadata a number", file(`{"__metadata__":{"a":1}}`, 0), `"a"`},
		{"metadata null", file(`{"__metadata__":{"a":null}}`, 0), `"a"`},
		{"key unknown", one(`{"dtype":"U8","shape":[8],"data_offsets":[0,8],"x":1}`), `"x"`},
		{"key of another case", one(`{"DType":"U8","shape":[8],"data_offsets":[0,8]}`), `"DType"`},
		{"key missing", one(`{"dtype":"U8","shape":[8]}`), "are needed"},
		{"shape negative", one(`{"dtype":"U8","shape":[-8],"data_offsets":[0,8]}`), `"shape"`},
		{"shape a fraction", one(`{"dtype":"U8","shape":[8.5],"data_offsets":[0,8]}`), `"shape"`},
		{"shape null", one(`{"dtype":"U8","shape":[null],"data_offsets":[0,8]}`), `"shape"`},
		{"shape of 1000 dimensions", one(`{"dtype":"U8","shape":[` + strings.Repeat("1,", 999) + `8],"data_offsets":[0,8]}`), "more than"},
		{"shape wraps", one(`{"dtype":"U8","shape":[4294967296,4294967296,8],"data_offsets":[0,8]}`), "too large"},
		{"shape wraps to the right size", one(`{"dtype":"F64","shape":[2305843009213693953],"data_offsets":[0,8]}`), "too large"},
		{"shape above int", one(`{"dtype":"U8","shape":[9223372036854775808],"data_offsets":[0,8]}`), "too large"},
		{"one offset", one(`{"dtype":"U8","shape":[8],"data_offsets":[8]}`), "two offsets"},
		{"three offsets", one(`{"dtype":"U8","shape":[8],"data_offsets":[0,8,8]}`), "more than 2"},
		{"offsets reversed", one(`{"dtype":"U8","shape":[8],"data_offsets":[8,0]}`), "not inside"},
		{"offsets beyond the file", one(`{"dtype":"U8","shape":[9],"data_offsets":[0,9]}`), "not inside"},
		{"offsets huge", one(`{"dtype":"U8","shape":[8],"data_offsets":[18446744073709551608,18446744073709551615]}`), "not inside"},
		{"size and shape differ", one(`{"dtype":"F32","shape":[3],"data_offsets":[0,8]}`), "takes 12 bytes"},
		{"overlap", file(`{"a":{"dtype":"U8","shape":[6],"data_offsets":[0,6]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}`, 8), "inside the tensor before"},
		{"same place", file(`{"a":{"dtype":"U8","shape":[8],"data_offsets":[0,8]},"b":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}`, 8), "inside the tensor before"},
		{"gap", file(`{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[4],"data_offsets":[4,8]}}`, 8), "belong to no tensor"},
		{"gap in front", one(`{"dtype":"U8","shape":[4],"data_offsets":[4,8]}`), "belong to no tensor"},
		{"bytes after the last", one(`{"dtype":"U8","shape":[4],"data_offsets":[0,4]}`), "the file goes on"},
		{"truncated", file(`{"t":{"dtype":"U8","shape":[8],"data_offsets":[0,8]}}`, 7), "not inside"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := safetensors.Parse(c.data)
			if err == nil {
				t.Fatalf("no error; tensors %+v", f.Tensors)
			}
			if !strings.Contains(err.Error(), c.want) {
				t.Errorf("%q; want %q", err, c.want)
			}
		})
	}
}

func TestUnknownType(t *testing.T) {
	_, err := safetensors.Parse(file(`{"t":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}}`, 8))
	var u *safetensors.UnsupportedError
	if !errors.As(err, &u) || !strings.Contains(err.Error(), `tensor "t": its type "F4" is unknown`) {
		t.Errorf("%v", err)
	}
}

// FuzzSafetensors: whatever the bytes, Parse returns, with memory in proportion to them, and
// tensors cover the file after the header exactly.
func FuzzSafetensors(f *testing.F) {
	f.Add([]byte{})
	f.Add(file(`{}`, 0))
	f.Add(file(`{"a":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]},"__metadata__":{"format":"pt"}}`, 8))
	f.Add(file(`{"a":{"dtype":"U8","shape":[],"data_offsets":[0,1]},"b":{"dtype":"F32","shape":[0,9],"data_offsets":[1,1]}}`, 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		parsed, err := safetensors.Parse(data)
		runtime.ReadMemStats(&after)
		// The rest of the test binary allocates a little as well, hence the constant.
		if grown := after.TotalAlloc - before.TotalAlloc; grown > uint64(200*len(data)+1<<20) {
			t.Errorf("%d bytes of input made %d bytes of memory", len(data), grown)
		}
		if err != nil {
			return
		}
		total := uint64(8) + binary.LittleEndian.Uint64(data)
		for _, tensor := range parsed.Tensors {
			total += uint64(len(tensor.Data))
		}
		if total != uint64(len(data)) {
			t.Errorf("header and tensors have %d bytes, the file %d", total, len(data))
		}
	})
}

func ExampleParse() {
	data := file(`{"w":{"dtype":"BF16","shape":[2,3],"data_offsets":[0,12]}}`, 12)
	f, err := safetensors.Parse(data)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, t := range f.Tensors {
		fmt.Println(t.Name, t.DType, t.Shape, len(t.Data))
	}
	// Output: w BF16 [2 3] 12
}
