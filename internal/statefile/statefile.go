// Package statefile reads and writes saved sessions: what was said, token ids, and the keys and values of a cache that
// were computed from them.
//
// A file is, all numbers little-endian:
//
//	 0  8 bytes  "QWENVK\x1aS"
//	 8  uint32   version, 1
//	12  uint32   length of the header in bytes
//	16  ...      the header, a JSON object: see Header
//	    uint32s  the token ids, Header.Tokens of them
//	    ...      the cache: for each layer the keys of all pages, then their values
//	    uint32   CRC-32C (Castagnoli) of everything before
//
// The size of the cache follows from the header; who reads it knows the cache's shape, and compares before it believes a
// file's. Files are hostile: nothing is allocated by a count in them that was not checked.
package statefile

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// Errors of files that cannot be used.
var (
	ErrNotState = errors.New("it is no saved session")
	ErrDamaged  = errors.New("the saved session is damaged")
)

// Magic is what every file begins with.
const Magic = "QWENVK\x1aS"

const (
	version = 1

	// maxHeader bounds the header: a conversation of a million tokens has a few MiB.
	maxHeader = 64 << 20
)

// Header says what a file was made with. What a cache holds means something with the same model, settings, frequencies and
// adapters alone.
type Header struct {
	Model    string    `json:"model"`    // digest of the weights and the configuration
	Settings string    `json:"settings"` // how the weights lie on the device
	RoPE     string    `json:"rope"`     // digest of the rotary frequencies
	Adapters []Adapter `json:"adapters,omitempty"`

	KV         string `json:"kv"` // type of the cache
	Layers     int    `json:"layers"`
	PageBytes  int    `json:"page_bytes"`  // of keys, or of values, of one layer
	PageTokens int    `json:"page_tokens"` // that a page holds
	RoPEChoice int    `json:"rope_choice"` // which of several frequencies
	Tokens     int    `json:"tokens"`

	Chat json.RawMessage `json:"chat,omitempty"` // a conversation
}

// Adapter is one that acted.
type Adapter struct {
	Digest string  `json:"digest"`
	Scale  float64 `json:"scale"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Write writes a file; body writes the cache.
func Write(w io.Writer, h Header, ids []int32, body func(io.Writer) error) error {
	h.Tokens = len(ids)
	text, err := json.Marshal(h)
	if err != nil {
		return err
	}
	if len(text) > maxHeader {
		return fmt.Errorf("the conversation has %d bytes, a file may have %d", len(text), maxHeader)
	}
	sum := crc32.New(castagnoli)
	both := io.MultiWriter(w, sum)
	head := append([]byte(Magic), 0, 0, 0, 0, 0, 0, 0, 0)
	binary.LittleEndian.PutUint32(head[8:], version)
	binary.LittleEndian.PutUint32(head[12:], uint32(len(text)))
	for _, part := range [][]byte{head, text} {
		if _, err := both.Write(part); err != nil {
			return err
		}
	}
	if err := binary.Write(both, binary.LittleEndian, ids); err != nil {
		return err
	}
	if err := body(both); err != nil {
		return err
	}
	return binary.Write(w, binary.LittleEndian, sum.Sum32())
}

// Reader reads a file in its order: the header, which Open has read, IDs, the cache from Body, Check.
type Reader struct {
	Header Header
	r      io.Reader // hashes what it reads
	raw    io.Reader
	sum    hash.Hash32
}

// Open reads the beginning of a file. Errors: ErrNotState, ErrDamaged, or the reader's.
func Open(r io.Reader) (*Reader, error) {
	sum := crc32.New(castagnoli)
	f := &Reader{r: io.TeeReader(r, sum), raw: r, sum: sum}
	head := make([]byte, len(Magic)+8)
	if err := f.full(head); err != nil {
		if errors.Is(err, ErrDamaged) {
			err = ErrNotState
		}
		return nil, err
	}
	if string(head[:len(Magic)]) != Magic {
		return nil, ErrNotState
	}
	if v := binary.LittleEndian.Uint32(head[8:]); v != version {
		return nil, fmt.Errorf("%w of a form that is known here: its version is %d, this program reads %d", ErrNotState, v, version)
	}
	n := binary.LittleEndian.Uint32(head[12:])
	if n > maxHeader {
		return nil, fmt.Errorf("%w: its header has %d bytes, the most is %d", ErrDamaged, n, maxHeader)
	}
	var text bytes.Buffer // grows with what is there, not with what is announced
	if _, err := io.CopyN(&text, f.r, int64(n)); err != nil {
		return nil, Cut(err)
	}
	if err := json.Unmarshal(text.Bytes(), &f.Header); err != nil {
		return nil, fmt.Errorf("%w: its header cannot be read: %w", ErrDamaged, err)
	}
	if f.Header.Tokens < 0 || f.Header.RoPEChoice < 0 {
		return nil, fmt.Errorf("%w: it says that it has %d tokens", ErrDamaged, f.Header.Tokens)
	}
	return f, nil
}

// IDs reads the token ids; the caller has checked Header.Tokens. Each must be below vocab.
func (f *Reader) IDs(vocab int) ([]int32, error) {
	ids := make([]int32, f.Header.Tokens)
	raw := make([]byte, 4*len(ids))
	if err := f.full(raw); err != nil {
		return nil, err
	}
	for i := range ids {
		id := binary.LittleEndian.Uint32(raw[4*i:])
		if uint64(id) >= uint64(vocab) {
			return nil, fmt.Errorf("%w: token %d of %d is %d, beyond the vocabulary of %d", ErrDamaged, i+1, len(ids), id, vocab)
		}
		ids[i] = int32(id)
	}
	return ids, nil
}

// Body reads the cache.
func (f *Reader) Body() io.Reader { return f.r }

// Check reads the end of the file, behind the cache.
func (f *Reader) Check() error {
	want := f.sum.Sum32()
	var end [5]byte
	n, err := io.ReadFull(f.raw, end[:])
	switch {
	case err == nil:
		return fmt.Errorf("%w: it goes on behind its end", ErrDamaged)
	case n < 4 && (errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)):
		return Cut(err)
	case n < 4:
		return err
	case binary.LittleEndian.Uint32(end[:4]) != want:
		return fmt.Errorf("%w: its checksum is wrong", ErrDamaged)
	}
	return nil
}

func (f *Reader) full(b []byte) error {
	_, err := io.ReadFull(f.r, b)
	return Cut(err)
}

// Cut makes a file that ends too early a damaged one; other errors, and nil, stay.
func Cut(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it ends too early", ErrDamaged)
	}
	return err
}
