// Package safetensors reads the layout of a safetensors file: which tensors lie where.
//
// A file is an 8-byte little-endian length N, N bytes of JSON, and the tensors' bytes:
//
//	| N | {"name": {"dtype": "BF16", "shape": [2, 3], "data_offsets": [0, 12]}, ...} | bytes |
//
// [Parse] works on the whole file as bytes, usually memory-mapped, and copies no tensor. It
// trusts nothing: the header must lie inside the file and be at most [MaxHeader] bytes; names
// are unique; offsets, shape and type of each tensor agree; and the tensors fill the rest of
// the file without gap or overlap, which the format demands so that no bytes can hide in a
// file. What it needs in memory is a small multiple of the header's size.
//
// It decides nothing about models: package loader does.
//
// Source: the format section of https://github.com/huggingface/safetensors
package safetensors
