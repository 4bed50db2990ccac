// Package cpuexec computes a graph in float64, slowly and obviously: it is what tests and `qwenvk doctor` hold the
// kernels against, and never a fallback for a missing device.
//
// Three nouns:
//
//   - [Weights] are the parameters as the device multiplies by them: quantised, then unpacked. An error of rounding
//     weights is thus part of the question, not of the answer.
//   - A [Step] is one turn of the model: token ids of one or several sequences, each with its slot of the cache and
//     its first position.
//   - The [Executor] holds what outlives a step, the keys and values of every slot and layer. It runs any compiled
//     form of the model it was made for, so that a prompt may fill the cache with one form and be continued in another.
//
// Every operation is one function that reads like its formula. No two operations share a clever loop, nothing is fused
// and nothing runs in parallel: where a fused node computes three things, three functions are called in a row.
//
//	Run ── for each node ──▶ embed │ rmsNorm │ matMul │ rotate │ store │ attention │ … ──▶ Result (all values, logits)
//	                                                             └──── cache ────┘
//
// The package must not know files or devices, and nothing in it may be made faster at the price of a reader's minute.
package cpuexec
