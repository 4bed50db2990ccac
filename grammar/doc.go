// Package grammar decides which tokens may come next so that an answer fits a grammar or a JSON schema.
//
// A [Grammar] is a pushdown automaton on bytes, made from rules ([Parse]) or from a schema ([ParseSchema]). A
// [Vocabulary] is a tokenizer's tokens as a trie, built once. [Compile] joins the two, and a [Matcher] follows one
// answer: Mask sets the bits of the tokens that may come next, Accept takes the one that was chosen.
//
//	rules, schema ──▶ Grammar ─┐
//	                           ├─▶ Compiled ──▶ Matcher (one per answer)
//	tokenizer ──▶ Vocabulary ──┘      masks, cached
//
// # Why bytes
//
// A token of a byte-level vocabulary may end inside a character. An automaton on code points has to guess what the rest
// will be; one on bytes is exact: a character class is compiled to the byte sequences of its characters, and a character
// is never left half-written, since the automaton does not accept there.
//
// # How a mask is found
//
// The automaton's state is a set of places, each with a stack of places to return to. What a token does while it stays
// above the top frame of the stack does not depend on what lies below. So for each set of places (a local state) the trie
// is walked once: the tokens that stay inside are a set of bits that holds in every context, and the trie's nodes at
// which the frame is left are a front, from which the walk goes on in the frame below. Both are kept, under the pair of
// front and local state, and a mask is the union of few such sets. The cache is bounded; when it is full it is
// emptied.
//
// # Budgets
//
// Every place has a cost: tokens that suffice to end from there, frame by frame. A set of bits is kept apart by the cost
// behind its tokens, so that a mask leaves out what could no longer be finished within the answer's budget. Where no more
// is left than the shortest completion takes, only that completion is allowed.
//
// The package knows no model and no device.
package grammar
