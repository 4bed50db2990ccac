package gguf_test

import (
	"encoding/binary"

	"github.com/qwenvk/qwenvk/loader/gguf"
)

// builder writes GGUF files, right ones and wrong ones.
type builder struct {
	version       uint32
	tensors, keys uint64 // as the header counts them
	metadata      []byte
	list          []byte
	body          []byte
	alignment     int
}

func newBuilder() *builder { return &builder{version: 3, alignment: 32} }

func u32(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }
func u64(n uint64) []byte { return binary.LittleEndian.AppendUint64(nil, n) }

func text(s string) []byte { return append(u64(uint64(len(s))), s...) }

func join(parts ...[]byte) (all []byte) {
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}

// key adds a metadata key whose value is given as bytes.
func (b *builder) key(name string, t gguf.ValueType, value ...[]byte) *builder {
	b.keys++
	b.metadata = append(b.metadata, join(text(name), u32(uint32(t)), join(value...))...)
	return b
}

// entry adds a line of the tensor list.
func (b *builder) entry(name string, t, offset uint64, dims ...uint64) *builder {
	b.tensors++
	b.list = append(b.list, join(text(name), u32(uint32(len(dims))))...)
	for _, n := range dims {
		b.list = append(b.list, u64(n)...)
	}
	b.list = append(b.list, join(u32(uint32(t)), u64(offset))...)
	return b
}

// tensor adds a tensor with its bytes, padded to the alignment.
func (b *builder) tensor(name string, t uint64, bytes []byte, dims ...uint64) *builder {
	b.entry(name, t, uint64(len(b.body)), dims...)
	b.body = pad(append(b.body, bytes...), b.alignment)
	return b
}

func (b *builder) bytes() []byte {
	header := join([]byte("GGUF"), u32(b.version), u64(b.tensors), u64(b.keys), b.metadata, b.list)
	return append(pad(header, b.alignment), b.body...)
}

func pad(b []byte, n int) []byte {
	for len(b)%n != 0 {
		b = append(b, 0)
	}
	return b
}
