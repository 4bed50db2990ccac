// Package engine turns prompts into tokens: it feeds a model's executor with chunks of a prompt, then with one token
// at a time, and decides when to stop.
//
// Three nouns:
//
//   - The Engine owns one executor and the pool of KV pages.
//   - A Session is one sequence: the ids whose keys and values its pages hold. A new prompt that begins like the
//     old one reuses them; only what follows is computed.
//     There may be more sessions than slots: slots.go says who gets one.
//   - A Token is one step's result: an id and the text that it completes.
//
// A session may have adapters of its own. Every step computes one session's tokens, with its adapters; sessions with the
// same adapters share their matrices and plans, and differ in scales alone.
//
// A beam search (Session.Beam) is the exception: its beams are sequences of one step, and hold the pages of their common
// beginning together.
//
// One step at a time runs on the device; sessions of several goroutines take turns. The package must not know
// templates or files.
package engine
