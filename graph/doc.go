// Package graph describes one step of a transformer as a short list of operations on named matrices, and rewrites
// that list until each operation is one kernel.
//
// Three nouns:
//
//   - A Value is an activation: a float32 matrix whose columns are known and whose rows are symbolic, either one row
//     per token of the step or one per sequence.
//   - A Weight is asked for by name and shape. A Pack is what a device multiplies by: the rows of one or several
//     weights, one after another or interleaved.
//   - A Node is one operation. Model files build nodes with a Builder in the order of the paper; Compile fuses them.
//
// The same graph has two executors: graph/cpuexec computes it in float64, slowly and obviously, as the oracle of
// tests; graph/vkexec turns it into recorded Vulkan commands. Both run the plain and the fused form.
//
//	model ──Builder──▶ Graph ──Compile(Output, …)──▶ Graph ──▶ vkexec.Plan / cpuexec
//	                            fuseRoPEKV
//	                            fuseSwiGLU
//	                            fuseResidual
//	                            selectOutput
//	                            sinkLastRows
//	                            dropDead
//	                            fuseNorm
//
// The package knows no device: bytes appear in the Arena, as a function of the row counts, and in Cost, as a function
// of the layouts. Print shows a graph with both to people, Graphviz and programs.
package graph
