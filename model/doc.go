// Package model declares the Qwen architectures as graphs: one file each, which reads like the paper.
//
// A model file asks for its weights by canonical name and shape, so that a wrong checkpoint fails with a sentence
// that names the tensor, what was found and what was wanted. Sizes come from the checkpoint; nothing is guessed.
//
// The package knows neither devices nor file formats: it reads a loader.Checkpoint and writes a graph.Graph.
package model
