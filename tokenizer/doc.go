// Package tokenizer turns text into the token ids of a Qwen model and ids back into text.
//
// Three nouns carry it. An id is the number the model sees. A piece is the bytes an id
// stands for; pieces cut UTF-8 characters anywhere. An added token is one that is written
// literally in the text, such as <|im_end|>, and never comes out of merging.
//
// The way of a text through Encode:
//
//	text ── cut at added tokens ── NFC ── pre-tokenizer ── bytes of a word ── merges ── ids
//	        (longest match)               (words)          (one id a byte)   (lowest rank first)
//
// Every step is that of the reference implementation, Hugging Face tokenizers, and is held
// to it by goldens: the pieces between added tokens are normalised one by one, the pattern
// that cuts words is a hand-written scanner when it is Qwen's own and a regular expression
// otherwise, and merges are taken by rank, the leftmost of equal ranks first.
//
// A tokenizer is read from tokenizer.json, from vocab.json with merges.txt, from the ranks
// of the first Qwen models (qwen.tiktoken), or from the metadata of a GGUF file, and all
// give the same ids. It is immutable after that and
// safe for concurrent use.
//
// Text of unknown origin is encoded with EncodeOptions.Plain: then nothing in it can become
// a control token, whatever it spells.
//
// The package knows no model, no template and no file format but these; it imports nothing
// of the rest of the module.
package tokenizer
