// Package loader opens a model's files and answers by name: configuration, tensors, tokenizer
// data, chat template.
//
// Two kinds of model can be opened, and look the same from outside:
//
//   - a GGUF file (package gguf), also from memory: [Open], [OpenGGUF]
//   - a folder in Hugging Face layout: config.json and one or more safetensors files
//
// The nouns:
//
//   - a [Checkpoint] is an opened model. Weights stay in the mapped file; the operating system
//     reads them when they are touched, so opening is quick and takes no memory of its own.
//   - a [Tensor] is a matrix of the checkpoint: name, type, rows × cols, bytes. Names are
//     GGUF's ("blk.0.attn_q.weight"), whatever the file calls them; one table translates.
//     A linear layer that GPTQ, AWQ or FP8 quantised lies in several tensors of the files and is
//     one Tensor here, whose Source knows how to read them.
//   - a [Config] holds the sizes and constants that both formats describe in their own words.
//     Every value comes from the file; a key that is missing is an error that names it.
//
// LoRA adapters, PEFT folders and GGUF files, are opened by [OpenAdapter]: an [Adapter] has two matrices for each weight
// that it changes, under the weight's canonical name.
//
// # Hostile files
//
// A model is a stranger's file. Every count and offset is held against the file before it
// sizes anything; files that a folder refers to must lie in it; nothing is executed. An error
// is one sentence with the file, what is wrong and what to do, and can be told by [ErrNotFound],
// [ErrCorrupt] and [ErrUnsupportedModel].
//
// A mapped file must not be shortened while it is open: the operating system then ends the
// program at the first touch of what is gone. Replacing a model by renaming a new file over it is
// safe.
//
// # What it must not do
//
// It knows no device and no graph, converts nothing (package quant does) and does not decide
// which architectures can be run (package model does): it refuses what it cannot describe.
package loader
