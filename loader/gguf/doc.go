// Package gguf reads and writes the layout of a GGUF file: its metadata, and which tensors lie
// where.
//
// A file (versions 2 and 3, little-endian) is
//
//	| "GGUF" | version u32 | tensors u64 | keys u64 | metadata | tensor list | padding | bytes |
//
// where metadata is a list of (key, type, value), the tensor list one of (name, dimensions,
// type, offset), and the bytes begin at a multiple of the alignment, as does each tensor.
//
// [Parse] works on the whole file as bytes, usually memory-mapped, and copies no tensor and no
// array: a [Value] points into the file and is decoded when it is asked for. It trusts
// nothing: each count is held against the bytes that are left before anything is made for it,
// names are unique, and every tensor lies inside the file, aligned, with the size of its type
// and dimensions, apart from all others. What it needs in memory is a small multiple of the
// metadata's size.
//
// It decides nothing about models: package loader does.
//
// Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md
package gguf
