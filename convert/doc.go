// Package convert writes any model that can be loaded as one GGUF file in a chosen type: what the
// command quantize does.
//
// Three nouns:
//
//   - a [Preset] is the name people know a file by, such as Q4_K_M. It is a main type and a few
//     rules which tensors get a better one (mix.go): those of llama.cpp's presets of that name, so
//     that files of one name have one size and one quality.
//   - the plan (plan.go) lists the tensors of the file: their names, shapes, types, and which
//     tensors of the model each is made of. The experts of a layer become one stack.
//   - [Run] streams rows from the model's mapped files through the encoders to their places in the
//     new file, on all cores: some megabytes are in memory at a time, whatever the model's size.
//
// A file comes into being under a temporary name in its own folder and is renamed when it is whole
// and on the disk. Whatever ends the run before that, an error, a full disk or a person, leaves
// nothing behind, and a file of the name that was there before stays as it was.
//
// The package knows no device and computes no model; package model only tells it whether the tensors are those that the
// configuration asks for.
package convert
