package gguf_test

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/loader/gguf"
)

// A layout read back must be what was arranged, value by value and byte by byte.
func TestLayout(t *testing.T) {
	texts := []string{"", "a", "Ġthe", strings.Repeat("long ", 100)}
	l, err := gguf.NewLayout([]gguf.KeyValue{
		{"general.architecture", gguf.NewText("qwen3")},
		{"empty", gguf.NewText("")},
		{"n", gguf.NewUint32(math.MaxUint32)},
		{"i", gguf.NewInt32(-7)},
		{"f", gguf.NewFloat32(1e-6)},
		{"yes", gguf.NewBool(true)},
		{"texts", gguf.NewTexts(texts)},
		{"none", gguf.NewTexts(nil)},
		{"numbers", gguf.NewInt32s([]int32{1, -2, 3})},
	}, []gguf.TensorInfo{
		{"vector", 0, []int{3}},
		{"matrix", 8, []int{2, 64}},
		{"stack", 12, []int{3, 2, 256}},
	})
	if err != nil {
		t.Fatal(err)
	}
	file := make([]byte, l.Size)
	copy(file, l.Header)
	for i := range l.Offsets {
		for at := range l.Sizes[i] {
			file[l.Offsets[i]+at] = byte(i + 1)
		}
	}
	f, err := gguf.Parse(file)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"general.architecture", "empty", "n", "i", "f", "yes", "texts", "none", "numbers"}; !slices.Equal(f.Keys, want) {
		t.Errorf("keys %q", f.Keys)
	}
	value := func(key string) gguf.Value { v, _ := f.Lookup(key); return v }
	if s, err := value("general.architecture").Text(); err != nil || s != "qwen3" {
		t.Errorf("text %q, %v", s, err)
	}
	if n, err := value("n").Uint(); err != nil || n != math.MaxUint32 {
		t.Errorf("uint32 %d, %v", n, err)
	}
	if n, err := value("i").Int(); err != nil || n != -7 {
		t.Errorf("int32 %d, %v", n, err)
	}
	if x, err := value("f").Float(); err != nil || float32(x) != 1e-6 {
		t.Errorf("float32 %g, %v", x, err)
	}
	if yes, err := value("yes").Bool(); err != nil || !yes {
		t.Errorf("bool %t, %v", yes, err)
	}
	if got, err := value("texts").Texts(); err != nil || !slices.Equal(got, texts) {
		t.Errorf("texts %q, %v", got, err)
	}
	if got, err := value("none").Texts(); err != nil || len(got) != 0 {
		t.Errorf("no texts %q, %v", got, err)
	}
	if got, err := value("numbers").Int32s(); err != nil || !slices.Equal(got, []int32{1, -2, 3}) {
		t.Errorf("numbers %d, %v", got, err)
	}
	for i, want := range []struct {
		shape []int
		size  int
	}{{[]int{3}, 12}, {[]int{2, 64}, 4 * 34}, {[]int{3, 2, 256}, 6 * 144}} {
		got := f.Tensors[i]
		if !slices.Equal(got.Shape, want.shape) || !bytes.Equal(got.Data, bytes.Repeat([]byte{byte(i + 1)}, want.size)) {
			t.Errorf("tensor %q has shape %d and %d bytes", got.Name, got.Shape, len(got.Data))
		}
	}
	// A value that was read is written as the same bytes.
	var again []gguf.KeyValue
	for _, key := range f.Keys {
		again = append(again, gguf.KeyValue{Key: key, Value: value(key)})
	}
	var list []gguf.TensorInfo
	for _, tensor := range f.Tensors {
		list = append(list, gguf.TensorInfo{Name: tensor.Name, Type: tensor.Type, Shape: tensor.Shape})
	}
	if l2, err := gguf.NewLayout(again, list); err != nil || !bytes.Equal(l2.Header, l.Header) {
		t.Errorf("the header does not survive a second writing: %v", err)
	}
}

func TestLayoutErrors(t *testing.T) {
	one := gguf.NewUint32(1)
	for want, c := range map[string]struct {
		keys    []gguf.KeyValue
		tensors []gguf.TensorInfo
	}{
		`metadata key "a": it comes twice`:                 {keys: []gguf.KeyValue{{"a", one}, {"a", one}}},
		`metadata key "": a name of 0 bytes`:               {keys: []gguf.KeyValue{{"", one}}},
		`metadata key "a": there is no value`:              {keys: []gguf.KeyValue{{"a", gguf.Value{}}}},
		`tensor "t": it comes twice`:                       {tensors: []gguf.TensorInfo{{"t", 0, []int{1}}, {"t", 0, []int{1}}}},
		`tensor "t": its type 99 is unknown`:               {tensors: []gguf.TensorInfo{{"t", 99, []int{1}}}},
		`tensor "t": rows of 33 elements are not whole Q8`: {tensors: []gguf.TensorInfo{{"t", 8, []int{33}}}},
		`tensor "t": its shape [0 32] is empty`:            {tensors: []gguf.TensorInfo{{"t", 8, []int{0, 32}}}},
		`tensor "t": its shape [4611686018427387904 2]`:    {tensors: []gguf.TensorInfo{{"t", 0, []int{1 << 62, 2}}}},
		`tensor "t": 5 dimensions; tensors have 1 to 4`:    {tensors: []gguf.TensorInfo{{"t", 0, []int{1, 1, 1, 1, 1}}}},
	} {
		if _, err := gguf.NewLayout(c.keys, c.tensors); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}
