package gguf_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader/gguf"
)

// TestParse reads a file with every type of value, in both versions and two alignments.
func TestParse(t *testing.T) {
	for _, version := range []uint32{2, 3} {
		for _, alignment := range []int{32, 64} {
			b := newBuilder()
			b.version, b.alignment = version, alignment
			b.key("general.alignment", gguf.Uint32, u32(uint32(alignment)))
			b.key("u8", gguf.Uint8, []byte{200})
			b.key("i8", gguf.Int8, []byte{0x80})
			b.key("u16", gguf.Uint16, []byte{0xff, 0xff})
			b.key("i16", gguf.Int16, []byte{0xff, 0xff})
			b.key("u32", gguf.Uint32, u32(math.MaxUint32))
			b.key("i32", gguf.Int32, u32(math.MaxUint32))
			b.key("u64", gguf.Uint64, u64(math.MaxUint64))
			b.key("i64", gguf.Int64, u64(math.MaxUint64))
			b.key("f32", gguf.Float32, u32(math.Float32bits(1.5)))
			b.key("f64", gguf.Float64, u64(math.Float64bits(-2.25)))
			b.key("yes", gguf.Bool, []byte{1})
			b.key("no", gguf.Bool, []byte{0})
			b.key("text", gguf.String, text("Grüße"))
			b.key("empty", gguf.String, text(""))
			b.key("texts", gguf.Array, u32(uint32(gguf.String)), u64(3), text("a"), text(""), text("b c"))
			b.key("numbers", gguf.Array, u32(uint32(gguf.Int32)), u64(2), u32(7), u32(math.MaxUint32))
			b.key("nested", gguf.Array, u32(uint32(gguf.Array)), u64(1), u32(uint32(gguf.Uint8)), u64(2), []byte{1, 2})
			b.key("nothing", gguf.Array, u32(uint32(gguf.Float64)), u64(0))
			b.tensor("vector", 0, join(u32(1), u32(2), u32(3)), 3)
			b.tensor("matrix", 2, bytes.Repeat([]byte{9}, 2*2*18), 64, 2)
			b.tensor("experts", 30, bytes.Repeat([]byte{8}, 2*2*3*4), 2, 3, 4)
			f, err := gguf.Parse(b.bytes())
			if err != nil {
				t.Fatal(err)
			}
			checkValues(t, f)
			if f.Version != version || f.Alignment != uint64(alignment) || len(f.Keys) != 19 || f.Keys[13] != "text" {
				t.Errorf("version %d, alignment %d, keys %q", f.Version, f.Alignment, f.Keys)
			}
			for i, want := range []struct {
				name  string
				typ   string
				shape []int
				bytes []byte
			}{
				{"vector", "F32", []int{3}, join(u32(1), u32(2), u32(3))},
				{"matrix", "Q4_0", []int{2, 64}, bytes.Repeat([]byte{9}, 72)},
				{"experts", "BF16", []int{4, 3, 2}, bytes.Repeat([]byte{8}, 48)},
			} {
				got := f.Tensors[i]
				if got.Name != want.name || got.Type.String() != want.typ || !reflect.DeepEqual(got.Shape, want.shape) || !bytes.Equal(got.Data, want.bytes) {
					t.Errorf("tensor %d is %s %v %v of %d bytes, want %+v", i, got.Name, got.Type, got.Shape, len(got.Data), want)
				}
			}
		}
	}
}

// checkValues decodes each value in each way; ways that do not fit must be errors.
func checkValues(t *testing.T, f *gguf.File) {
	t.Helper()
	type want struct {
		i, u, f any // nil: an error
		text    string
	}
	for key, w := range map[string]want{
		"u8":      {int64(200), uint64(200), 200.0, "200"},
		"i8":      {int64(-128), nil, -128.0, "-128"},
		"u16":     {int64(65535), uint64(65535), 65535.0, "65535"},
		"i16":     {int64(-1), nil, -1.0, "-1"},
		"u32":     {int64(math.MaxUint32), uint64(math.MaxUint32), float64(math.MaxUint32), "4294967295"},
		"i32":     {int64(-1), nil, -1.0, "-1"},
		"u64":     {nil, uint64(math.MaxUint64), nil, "18446744073709551615"},
		"i64":     {int64(-1), nil, -1.0, "-1"},
		"f32":     {nil, nil, 1.5, "1.5"},
		"f64":     {nil, nil, -2.25, "-2.25"},
		"yes":     {nil, nil, nil, "true"},
		"no":      {nil, nil, nil, "false"},
		"text":    {nil, nil, nil, `"Grüße"`},
		"texts":   {nil, nil, nil, "3 × string"},
		"numbers": {nil, nil, nil, "2 × int32"},
		"absent":  {nil, nil, nil, "none"},
	} {
		v, _ := f.Lookup(key)
		check := func(method string, got any, err error, want any) {
			if (err == nil) != (want != nil) || err == nil && got != want {
				t.Errorf("%s: %s is %v, %v; want %v", key, method, got, err, want)
			}
		}
		i, err := v.Int()
		check("Int", i, err, w.i)
		u, err := v.Uint()
		check("Uint", u, err, w.u)
		x, err := v.Float()
		check("Float", x, err, w.f)
		if v.String() != w.text {
			t.Errorf("%s: String is %s, want %s", key, v, w.text)
		}
		if _, err := v.Bool(); (err == nil) != (key == "yes" || key == "no") {
			t.Errorf("%s: Bool: %v", key, err)
		}
		if s, err := v.Text(); (err == nil) != (key == "text") || err == nil && s != "Grüße" {
			t.Errorf("%s: Text: %q, %v", key, s, err)
		}
		if s, err := v.Texts(); (err == nil) != (key == "texts") || err == nil && !reflect.DeepEqual(s, []string{"a", "", "b c"}) {
			t.Errorf("%s: Texts: %q, %v", key, s, err)
		}
		if n, err := v.Int32s(); (err == nil) != (key == "numbers") || err == nil && !reflect.DeepEqual(n, []int32{7, -1}) {
			t.Errorf("%s: Int32s: %v, %v", key, n, err)
		}
	}
}

// TestTensorTypes holds the table of types against gguf-py's.
func TestTensorTypes(t *testing.T) {
	var index struct {
		Types map[string]struct {
			ID     uint32 `json:"ggml_type_id"`
			Values uint64 `json:"values_per_block"`
			Bytes  uint64 `json:"bytes_per_block"`
		}
	}
	if err := json.Unmarshal(testkit.Read(t, "golden/quant-blocks/index.json"), &index); err != nil || len(index.Types) == 0 {
		t.Fatal(err, len(index.Types))
	}
	for name, want := range index.Types {
		typ := gguf.TensorType(want.ID)
		if values, size := typ.Block(); typ.String() != name || values != want.Values || size != want.Bytes {
			t.Errorf("type %d is %v with blocks of %d in %d bytes, want %s, %d, %d", want.ID, typ, values, size, name, want.Values, want.Bytes)
		}
	}
}

// TestHostile: each lie is refused with a sentence that names it.
func TestHostile(t *testing.T) {
	const huge = math.MaxUint64
	f32s := func(n int) []byte { return make([]byte, 4*n) }
	array := func(elem gguf.ValueType, n uint64, value ...[]byte) []byte {
		return join(u32(uint32(elem)), u64(n), join(value...))
	}
	deep := array(gguf.Uint8, 0)
	for range 8 {
		deep = array(gguf.Array, 1, deep)
	}
	cut := func(n int) []byte {
		b := newBuilder().key("k", gguf.String, text("value")).tensor("t", 0, f32s(8), 8).bytes()
		return b[:len(b)-n]
	}
	patch := func(at int, n uint64) []byte {
		b := cut(0)
		binary.LittleEndian.PutUint64(b[at:], n)
		return b
	}
	version := func(v uint32) []byte { b := newBuilder(); b.version = v; return b.bytes() }
	for _, c := range []struct {
		name        string
		data        []byte
		want        string
		unsupported bool
	}{
		{"empty", nil, "GGUF", false},
		{"magic alone", []byte("GGUF"), "version", false},
		{"version 1", version(1), "version 1", true},
		{"version 4", version(4), "version 4", true},
		{"big-endian", version(0x03000000), "big-endian", true},
		{"tensor count cut off", cut(0)[:12], "number of tensors", false},
		{"key count cut off", newBuilder().bytes()[:20], "number of metadata keys", false},
		{"tensor count huge", patch(8, huge), "number of tensors", false},
		{"tensor count beyond the file", patch(8, 1000), "do not fit", false},
		{"tensor count one too many", patch(8, 2), "tensor 2 of 2", false},
		{"key count huge", patch(16, huge), "number of metadata keys", false},
		{"key count one too many", patch(16, 2), "a name of 0 bytes", false},
		{"key length huge", patch(24, huge), "beyond the end", false},
		{"key length zero", patch(24, 0), "name of 0 bytes", false},
		{"value length beyond the file", patch(24+9+4, 1<<40), "beyond the end", false},
		{"value length wraps", patch(24+9+4, huge), "beyond the end", false},
		{"key twice", newBuilder().key("k", gguf.Uint8, []byte{1}).key("k", gguf.Uint8, []byte{2}).bytes(), `"k" comes twice`, false},
		{"value type unknown", newBuilder().key("k", 13, make([]byte, 64)).bytes(), "unknown type 13", false},
		{"array of unknown", newBuilder().key("k", gguf.Array, array(99, 1, make([]byte, 64))).bytes(), "array of unknown type 99", false},
		{"array longer than the file", newBuilder().key("k", gguf.Array, array(gguf.Float64, 1<<60)).bytes(), "do not fit", false},
		{"array count huge", newBuilder().key("k", gguf.Array, array(gguf.Uint8, huge)).bytes(), "do not fit", false},
		{"array of strings too long", newBuilder().key("k", gguf.Array, array(gguf.String, 2, text("a"), u64(huge))).bytes(), "element 1", false},
		{"arrays too deep", newBuilder().key("k", gguf.Array, deep).bytes(), "deep", false},
		{"bool of 2", newBuilder().key("k", gguf.Bool, []byte{2}).bytes(), "bool", false},
		{"alignment 0", newBuilder().key("general.alignment", gguf.Uint32, u32(0)).bytes(), "alignment", false},
		{"alignment 33", newBuilder().key("general.alignment", gguf.Uint32, u32(33)).bytes(), "power of two", false},
		{"alignment huge", newBuilder().key("general.alignment", gguf.Uint64, u64(1<<63)).bytes(), "alignment", false},
		{"alignment a text", newBuilder().key("general.alignment", gguf.String, text("32")).bytes(), "not a whole number", false},
		{"tensor twice", newBuilder().tensor("t", 0, f32s(8), 8).tensor("t", 0, f32s(8), 8).bytes(), `"t" comes twice`, false},
		{"no dimensions", newBuilder().tensor("t", 0, f32s(8)).bytes(), "0 dimensions", false},
		{"five dimensions", newBuilder().tensor("t", 0, f32s(8), 1, 1, 1, 1, 8).bytes(), "5 dimensions", false},
		{"dimension 0", newBuilder().tensor("t", 0, f32s(8), 8, 0).bytes(), "dimension 1", false},
		{"dimensions wrap", newBuilder().tensor("t", 0, f32s(8), 1<<32, 1<<32).bytes(), "dimension 1", false},
		{"dimensions wrap to the right size", newBuilder().tensor("t", 0, f32s(8), 8, 1<<62+1).bytes(), "dimension 1", false},
		{"bytes wrap", newBuilder().tensor("t", 28, f32s(8), 1<<62).bytes(), "too large", false},
		{"type unknown", newBuilder().tensor("t", 99, f32s(8), 8).bytes(), `tensor "t": its type 99 is unknown`, true},
		{"type withdrawn", newBuilder().tensor("t", 4, f32s(8), 8).bytes(), "type 4", true},
		{"not whole blocks", newBuilder().tensor("t", 2, f32s(8), 33).bytes(), "blocks of 32", false},
		{"offset not aligned", newBuilder().entry("t", 0, 4, 8).bytes(), "alignment", false},
		{"offset beyond the file", newBuilder().entry("t", 0, 1<<40, 8).bytes(), "beyond the end", false},
		{"offset wraps", newBuilder().entry("t", 0, huge&^31, 8).bytes(), "beyond the end", false},
		{"size beyond the file", newBuilder().entry("t", 0, 0, 1<<20).bytes(), "beyond the end", false},
		{"last byte missing", cut(1), "beyond the end", false},
		{"all bytes missing", cut(32), "beyond the end", false},
		{"tensors overlap", newBuilder().tensor("a", 0, f32s(16), 16).entry("b", 0, 32, 8).bytes(), `"a" and "b" overlap`, false},
		{"tensors at one place", newBuilder().tensor("a", 0, f32s(8), 8).entry("b", 0, 0, 8).bytes(), "overlap", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			f, err := gguf.Parse(c.data)
			if err == nil {
				t.Fatalf("no error; tensors %+v", f.Tensors)
			}
			var u *gguf.UnsupportedError
			if !strings.Contains(err.Error(), c.want) || errors.As(err, &u) != c.unsupported {
				t.Errorf("%q, unsupported %t; want %q, %t", err, errors.As(err, &u), c.want, c.unsupported)
			}
		})
	}
}

// TestTruncated cuts a file at every byte: each is refused, none breaks the reader.
func TestTruncated(t *testing.T) {
	whole := newBuilder().
		key("k", gguf.Array, u32(uint32(gguf.String)), u64(2), text("a"), text("bc")).
		key("n", gguf.Float64, u64(1)).
		tensor("a", 8, make([]byte, 34), 32).
		tensor("b", 0, make([]byte, 32), 4, 2).bytes()
	if _, err := gguf.Parse(whole); err != nil {
		t.Fatal(err)
	}
	for n := range whole {
		if _, err := gguf.Parse(whole[:n]); err == nil {
			t.Errorf("the first %d of %d bytes pass", n, len(whole))
		}
	}
}
