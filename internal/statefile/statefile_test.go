package statefile_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/statefile"
)

var (
	header = statefile.Header{
		Model: "m", Settings: "s", RoPE: "r", Adapters: []statefile.Adapter{{Digest: "a", Scale: 0.5}},
		KV: "f16", Layers: 2, PageBytes: 8, PageTokens: 4, RoPEChoice: 1, Chat: json.RawMessage(`{"messages":[]}`),
	}
	ids   = []int32{3, 1, 4, 1, 5}
	cache = []byte("sixty-four bytes of keys and values, in pages of eight bytes....")
)

func write(t testing.TB) []byte {
	t.Helper()
	var b bytes.Buffer
	err := statefile.Write(&b, header, ids, func(w io.Writer) error {
		_, err := w.Write(cache)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// read reads a file as a session does: no more tokens than a context holds, no cache of another form.
func read(file []byte) (h statefile.Header, got []int32, body []byte, err error) {
	f, err := statefile.Open(bytes.NewReader(file))
	if err != nil {
		return h, nil, nil, err
	}
	h = f.Header
	if h.Tokens > 100 || h.Layers != 2 || h.PageBytes != 8 || h.PageTokens != 4 {
		return h, nil, nil, errors.New("another form")
	}
	if got, err = f.IDs(10); err != nil {
		return h, nil, nil, err
	}
	body = make([]byte, 2*2*8*((h.Tokens+3)/4))
	if _, err = io.ReadFull(f.Body(), body); err != nil {
		return h, got, nil, statefile.Cut(err)
	}
	return h, got, body, f.Check()
}

func TestRoundTrip(t *testing.T) {
	h, got, body, err := read(write(t))
	if err != nil || !slices.Equal(got, ids) || !bytes.Equal(body, cache) {
		t.Fatalf("%v, %q, %v", got, body, err)
	}
	want := header
	want.Tokens = len(ids)
	a, _ := json.Marshal(h)
	b, _ := json.Marshal(want)
	if !bytes.Equal(a, b) {
		t.Errorf("header %s, want %s", a, b)
	}
}

// TestForm pins the bytes: programs of later versions read today's files.
func TestForm(t *testing.T) {
	file := write(t)
	if string(file[:8]) != "QWENVK\x1aS" || binary.LittleEndian.Uint32(file[8:]) != 1 {
		t.Errorf("it begins with %q", file[:12])
	}
	n := int(binary.LittleEndian.Uint32(file[12:]))
	if !json.Valid(file[16 : 16+n]) {
		t.Errorf("the header is %q", file[16:16+n])
	}
	if id := binary.LittleEndian.Uint32(file[16+n+8:]); id != 4 {
		t.Errorf("the third id is %d", id)
	}
	if len(file) != 16+n+4*len(ids)+len(cache)+4 {
		t.Errorf("%d bytes", len(file))
	}
}

// TestDamage cuts a file everywhere, lengthens it, and changes each of its bytes: none is read as it were whole.
func TestDamage(t *testing.T) {
	file := write(t)
	for n := range file {
		if _, _, _, err := read(file[:n]); !errors.Is(err, statefile.ErrDamaged) && !errors.Is(err, statefile.ErrNotState) {
			t.Errorf("cut to %d bytes: %v", n, err)
		}
	}
	if _, _, _, err := read(append(slices.Clone(file), 0)); !errors.Is(err, statefile.ErrDamaged) {
		t.Errorf("with a byte more: %v", err)
	}
	for i := range file {
		changed := slices.Clone(file)
		changed[i] ^= 1
		if _, _, _, err := read(changed); err == nil {
			t.Errorf("byte %d changed: no error", i)
		}
	}
}

func TestHostile(t *testing.T) {
	long := append([]byte("QWENVK\x1aS\x01\x00\x00\x00"), 0xff, 0xff, 0xff, 0xff)
	for name, c := range map[string]struct {
		file []byte
		want string
	}{
		"empty":         {nil, "it is no saved session"},
		"text":          {[]byte("what is this file doing here?"), "it is no saved session"},
		"version":       {append([]byte("QWENVK\x1aS\x02\x00\x00\x00"), 0, 0, 0, 0), "its version is 2, this program reads 1"},
		"long header":   {long, "its header has 4294967295 bytes"},
		"no JSON":       {append([]byte("QWENVK\x1aS\x01\x00\x00\x00"), 1, 0, 0, 0, 'x'), "its header cannot be read"},
		"negative":      {custom(`{"tokens":-1}`), "it says that it has -1 tokens"},
		"fraction":      {custom(`{"tokens":1.5}`), "its header cannot be read"},
		"large count":   {custom(`{"tokens":1e18}`), "its header cannot be read"},
		"other choice":  {custom(`{"rope_choice":-3}`), "it says"},
		"header is cut": {append([]byte("QWENVK\x1aS\x01\x00\x00\x00"), 100, 0, 0, 0, '{'), "it ends too early"},
	} {
		if _, err := statefile.Open(bytes.NewReader(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

func custom(text string) []byte {
	file := binary.LittleEndian.AppendUint32([]byte("QWENVK\x1aS\x01\x00\x00\x00"), uint32(len(text)))
	return append(file, text...)
}

func FuzzRead(f *testing.F) {
	f.Add(write(f))
	f.Add(custom(`{"tokens":5,"layers":2,"page_bytes":8,"page_tokens":4}`))
	f.Fuzz(func(t *testing.T, file []byte) {
		h, ids, body, err := read(file)
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := statefile.Write(&again, h, ids, func(w io.Writer) error {
			_, err := w.Write(body)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, ids2, body2, err := read(again.Bytes()); err != nil || !slices.Equal(ids, ids2) || !bytes.Equal(body, body2) {
			t.Errorf("written again it is another file: %v", err)
		}
	})
}
