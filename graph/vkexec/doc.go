// Package vkexec runs compiled graphs on a Vulkan device: it places the weights and the KV cache in device memory,
// lowers each node to dispatches of the kernel table, derives the barriers between them, records the result once
// and replays it.
//
// Three nouns:
//
//   - The Executor owns what outlives a step: weight shards, the paged KV cache, the rotary table, the step buffer
//     (token ids, positions, block tables), the arena, the pipelines.
//   - A Plan is the recorded commands of one kind of step: so many rows and sequences, ending in one Tail.
//   - A Tail is what follows the logits on the device: nothing, an arg max that feeds the next step, or the best
//     candidates for the host's sampler.
//
// Adapters add matrices of their own to a model's and are part of what a plan is recorded for; their scales are not.
//
// What changes from token to token lives in the step buffer, so a decode plan is replayed as it stands. A step that
// the host begins (a prompt chunk, a sampled id) uploads the buffer first; a greedy decode step continues from the
// id, position and length that the previous one left on the device.
//
//	host step ─copy─▶ step ─▶ embed ─▶ layers ─▶ logits ─▶ argmax ─▶ argmax_final ─▶ result (host)
//	                   ▲                                                   │
//	                   └──────────── next id, position + 1 ────────────────┘
//
// Submissions follow each other with a fence wait in between: the package never has two plans in flight, and so
// needs no barrier across submissions.
//
// It must not know files, token texts or sampling rules.
package vkexec
