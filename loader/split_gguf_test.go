package loader_test

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/loader/gguf"
)

// ggufPart is one file of a split model; the fields are what it claims.
type ggufPart struct {
	no, count, tensors int
	from, to           int // tensors of the whole model
}

// writePart cuts a part out of the whole file: the first has all metadata, the others the split keys alone.
func writePart(t *testing.T, whole []byte, p ggufPart) []byte {
	t.Helper()
	f, err := gguf.Parse(whole)
	if err != nil {
		t.Fatal(err)
	}
	var meta []byte
	keys := uint64(0)
	if p.no == 0 {
		name := f.Tensors[0].Name
		at := bytes.Index(whole, append(binary.LittleEndian.AppendUint64(nil, uint64(len(name))), name...))
		meta, keys = whole[24:at], uint64(len(f.Keys))
	}
	word := func(key string, n int) {
		meta = binary.LittleEndian.AppendUint64(meta[:len(meta):len(meta)], uint64(len(key)))
		meta = append(meta, key...)
		meta = binary.LittleEndian.AppendUint32(meta, uint32(gguf.Int32))
		meta = binary.LittleEndian.AppendUint32(meta, uint32(n))
		keys++
	}
	word("split.no", p.no)
	word("split.count", p.count)
	word("split.tensors.count", p.tensors)
	out := append([]byte("GGUF"), 3, 0, 0, 0)
	out = binary.LittleEndian.AppendUint64(out, uint64(p.to-p.from))
	out = binary.LittleEndian.AppendUint64(out, keys)
	out = append(out, meta...)
	var data []byte
	for _, x := range f.Tensors[p.from:p.to] {
		out = binary.LittleEndian.AppendUint64(out, uint64(len(x.Name)))
		out = append(out, x.Name...)
		out = binary.LittleEndian.AppendUint32(out, uint32(len(x.Shape)))
		for i := len(x.Shape) - 1; i >= 0; i-- {
			out = binary.LittleEndian.AppendUint64(out, uint64(x.Shape[i]))
		}
		out = binary.LittleEndian.AppendUint32(out, uint32(x.Type))
		out = binary.LittleEndian.AppendUint64(out, uint64(len(data)))
		data = append(data, x.Data...)
		data = append(data, make([]byte, (32-len(data)%32)%32)...)
	}
	out = append(out, make([]byte, (32-len(out)%32)%32)...)
	return append(out, data...)
}

// TestSplitGGUF: a model in several files is the model in one, whichever part is named.
func TestSplitGGUF(t *testing.T) {
	path := testkit.Path(t, "golden/qwen3-dense-untied/model.bf16.gguf") // output.weight lies far from the embedding
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want := open(t, path)
	n := len(want.Names())
	dir := t.TempDir()
	part := func(i int) string { return filepath.Join(dir, fmt.Sprintf("tiny-%05d-of-00003.gguf", i)) }
	write := func(parts ...ggufPart) {
		for i, p := range parts {
			if err := os.WriteFile(part(i+1), writePart(t, whole, p), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	good := []ggufPart{{0, 3, n, 0, 1}, {1, 3, n, 1, n - 2}, {2, 3, n, n - 2, n}}
	write(good...)
	for i := 1; i <= 3; i++ {
		got := open(t, part(i))
		if fmt.Sprint(got.Config()) != fmt.Sprint(want.Config()) || got.Parameters() != want.Parameters() {
			t.Errorf("part %d: config %+v of %d parameters, want %+v of %d", i, got.Config(), got.Parameters(), want.Config(), want.Parameters())
		}
		for _, name := range want.Names() {
			x, _ := got.Tensor(name)
			y, _ := want.Tensor(name)
			if !bytes.Equal(x.Data, y.Data) || len(y.Data) == 0 || !strings.HasPrefix(x.File, "tiny-0000") {
				t.Errorf("part %d: tensor %s of %s differs", i, name, x.File)
			}
		}
	}

	// Without tensors of its own, as gguf-split --no-tensor-first-split writes the first part.
	write(ggufPart{0, 3, n, 0, 0}, ggufPart{1, 3, n, 0, 3}, ggufPart{2, 3, n, 3, n})
	if got := open(t, part(1)); got.Parameters() != want.Parameters() {
		t.Errorf("a first part of metadata alone: %d parameters, want %d", got.Parameters(), want.Parameters())
	}

	for _, c := range []struct {
		name  string
		parts []ggufPart
		kind  error
		want  string
	}{
		{"another order", []ggufPart{good[0], {2, 3, n, 1, n - 2}, good[2]}, loader.ErrCorrupt, "by its name it is part 2 of 3, by its metadata part 3 of 3"},
		{"another model's", []ggufPart{good[0], good[1], {2, 4, n, n - 2, n}}, loader.ErrCorrupt, "by its metadata part 3 of 4"},
		{"a tensor twice", []ggufPart{good[0], good[1], {2, 3, n + 1, n - 3, n}}, loader.ErrCorrupt, "tensors"},
		{"a tensor lost", []ggufPart{good[0], good[1], {2, 3, n, n - 1, n}}, loader.ErrCorrupt, "the parts have"},
		{"not the first", []ggufPart{{1, 3, n, 0, 1}, good[1], good[2]}, loader.ErrCorrupt, "by its name it is part 1 of the model, by its metadata part 2"},
		{"another count", []ggufPart{{0, 2, n, 0, 1}, good[1], good[2]}, loader.ErrUnsupportedModel, "call the files NAME-00001-of-00002.gguf"},
	} {
		write(good...)
		write(c.parts...)
		if _, err := loader.Open(part(1)); !errors.Is(err, c.kind) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: the error is %v, want %q", c.name, err, c.want)
		}
	}
	missing := func(path, want string) {
		t.Helper()
		if _, err := loader.Open(path); !errors.Is(err, loader.ErrNotFound) || !strings.Contains(err.Error(), want) {
			t.Errorf("the error is %v, want %q", err, want)
		}
	}
	write(good...)
	if err := os.Remove(part(2)); err != nil {
		t.Fatal(err)
	}
	missing(part(1), "tiny-00002-of-00003.gguf: part 2 of the model is missing")
	write(good...)
	if err := os.Remove(part(1)); err != nil {
		t.Fatal(err)
	}
	missing(part(3), "tiny-00001-of-00003.gguf: part 1 of the model is missing")
	if err := os.Rename(part(2), filepath.Join(dir, "renamed.gguf")); err != nil {
		t.Fatal(err)
	}
	refused(t, filepath.Join(dir, "renamed.gguf"), loader.ErrUnsupportedModel, "it is one part of a model in 3 files")
}
