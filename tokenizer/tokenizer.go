package tokenizer

import (
	"fmt"
	"unicode/utf8"
)

// Tokenizer encodes and decodes text for one vocabulary. It is immutable and safe for
// concurrent use.
type Tokenizer struct {
	pieces []string         // bytes of each id; "" where no token has the id
	ids    map[string]int32 // bytes to id, without the added tokens
	bytes  [256]int32       // id of each single byte, -1 where there is none
	merges pairTable        // pair of ids to rank and merged id

	// wholeWords takes a word that is itself a token without merging ("ignore_merges").
	wholeWords bool
	normalize  bool // NFC before the pre-tokenizer
	split      splitter

	added      []AddedToken     // ascending ids
	addedIndex map[int32]int    // id to place in added
	addedText  map[string]int32 // content to id
	rawAdded   addedTrie        // found in the text as written
	normAdded  addedTrie        // found in the normalised text
	special    map[string]int32 // "bos", "eos", "pad", "unk"
	before     []int32          // see Frame
	after      []int32
	encoders   encoderPool
}

// AddedToken is a token that is recognised in the text itself, before any merging.
type AddedToken struct {
	ID      int32
	Content string
	Special bool // left out of the text by DecodeOptions.SkipSpecial

	SingleWord bool // only between characters that belong to no word
	LeftStrip  bool // takes the white space before it along
	RightStrip bool // takes the white space after it along
	Normalized bool // looked for after normalisation instead of before
}

// EncodeOptions says how a text is read. The zero value recognises every added token.
type EncodeOptions struct {
	// Plain takes the whole text as text: <|im_end|> in it becomes the characters that it
	// is written with, not the control token. Use it for text from outside.
	Plain bool
}

// DecodeOptions says how ids are written. The zero value writes every token.
type DecodeOptions struct {
	SkipSpecial bool // leave special added tokens out (<|im_end|>, but not <think>)
}

// Encode returns the ids of text. Nothing is put before or after them: Qwen has no
// beginning-of-text token. Text that is not UTF-8 is an error that names the first bad
// byte's offset.
func (t *Tokenizer) Encode(text string, o EncodeOptions) ([]int32, error) {
	if at := firstInvalid(text); at >= 0 {
		return nil, fmt.Errorf("tokenizer: the text is not valid UTF-8 at byte %d (0x%02x); convert it to UTF-8 first", at, text[at])
	}
	e := t.encoders.take(t)
	defer t.encoders.put(e)
	// Four bytes a token is English; a little too much is cheaper than growing.
	e.out = make([]int32, 0, len(text)/3+4)
	var err error
	if o.Plain {
		err = e.text(t.normal(text))
	} else {
		err = e.withAdded(text)
	}
	out := e.out
	e.out = nil
	if err != nil {
		return nil, err
	}
	return out, nil
}

// firstInvalid returns the offset of the first byte of s that is not UTF-8, or -1.
func firstInvalid(s string) int {
	if utf8.ValidString(s) {
		return -1
	}
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// Piece returns the bytes of an id, nil when no token has it. The caller owns the slice.
func (t *Tokenizer) Piece(id int32) []byte {
	if !t.has(id) {
		return nil
	}
	return []byte(t.pieces[id])
}

// VocabSize returns one more than the highest id. A model's embedding may have more rows,
// padded to a round number; no text gives those ids.
func (t *Tokenizer) VocabSize() int { return len(t.pieces) }

// TokenID returns the id of the token whose bytes are exactly s ("<|im_end|>", " hello").
// An added token comes before a token of the vocabulary.
func (t *Tokenizer) TokenID(s string) (int32, bool) {
	if id, ok := t.addedText[s]; ok {
		return id, true
	}
	id, ok := t.ids[s]
	return id, ok
}

// IsSpecial reports whether id is a special added token.
func (t *Tokenizer) IsSpecial(id int32) bool {
	i, ok := t.addedIndex[id]
	return ok && t.added[i].Special
}

// AddedTokens returns the added tokens in the order of their ids.
func (t *Tokenizer) AddedTokens() []AddedToken {
	return append([]AddedToken(nil), t.added...)
}

// Special returns the id of a token by its part: "bos", "eos", "pad" or "unk", as
// tokenizer_config.json or the GGUF metadata name it; false when they do not.
func (t *Tokenizer) Special(part string) (int32, bool) {
	id, ok := t.special[part]
	return id, ok
}

// has reports whether a token has the id.
func (t *Tokenizer) has(id int32) bool {
	return id >= 0 && int(id) < len(t.pieces) && t.pieces[id] != ""
}
