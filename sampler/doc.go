// Package sampler turns the logits of one position into the id of the next token.
//
// The order is fixed, and each step sees the result of the one before:
//
//	repetition penalty → presence and frequency penalty → logit bias and DRY → top-n-sigma →
//	temperature → top-k → top-p → min-p → typical → XTC → draw
//
// Mirostat takes the place of all between temperature and draw, and of top-n-sigma. What bias
// and DRY add to one logit is summed first. Top-n-sigma does not depend on the temperature.
// Params says what each step does; temperature 0 is greedy: the highest logit after penalties,
// bias and DRY, the lowest id of equal ones.
//
// There are two roads to the same token. Sample reads all logits: it is the reference, and
// what the runtime falls back to. FromCandidates reads only the best K of them with their
// log-sum-exp, which is what comes back from the device with its penalties applied; bias, DRY
// and the masks of a grammar are worked into them (Candidates.Adjusted, Candidates.Masked). It
// answers when K candidates decide what all logits would give, and says so when they do not;
// the caller then reads all logits and calls SampleProcessed, which uses the same random
// number. Which road was taken can therefore not be seen in the answer.
//
// What top-k, top-p, min-p and mirostat keep is always a beginning of the candidates in
// descending order, equal logits by ascending id. Everything here is built on that.
//
// Random numbers come from a counter, not from a state: the n-th draw of a seed is the same
// whatever happened before. The same seed and logits give the same tokens.
//
// The package knows no device, no text and no model; it imports nothing of the module.
package sampler
