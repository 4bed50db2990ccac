package tokenizer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// GGUF describes the tokenizer as a GGUF file's metadata does, for a model whose embedding has
// that many rows: rows without a token become "[PAD<id>]" of the type for unused ones, as
// converters write them. FromGGUF of the result encodes as t does.
//
// An added token that looks like a control token, <|...|>, is written as one even where
// tokenizer.json does not call it special (Qwen's <|fim_prefix|>): llama.cpp takes added tokens
// of the other type for what they are in anybody's text. It is an error where GGUF has no words
// for what the tokenizer does: for text that is cut or normalised in another way than Qwen's.
func (t *Tokenizer) GGUF(rows int) (GGUFVocab, error) {
	if t.split.pattern != nil || !t.normalize {
		return GGUFVocab{}, errors.New("tokenizer: it cuts or normalises text in another way than Qwen's, for which GGUF has no name")
	}
	if rows < len(t.pieces) {
		return GGUFVocab{}, fmt.Errorf("tokenizer: there are ids up to %d, but the embedding has %d rows", len(t.pieces)-1, rows)
	}
	g := GGUFVocab{
		Model: "gpt2", Pre: "qwen2",
		Tokens: make([]string, rows), Types: make([]int32, rows),
		SpecialIDs: map[string]int32{},
	}
	for i := range g.Tokens {
		id := int32(i)
		place, added := t.addedIndex[id]
		switch {
		case added:
			a := t.added[place]
			g.Tokens[i], g.Types[i] = a.Content, ggufUserDefined
			if a.Special || strings.HasPrefix(a.Content, "<|") && strings.HasSuffix(a.Content, "|>") {
				g.Types[i] = ggufControl
			}
		case !t.has(id):
			g.Tokens[i], g.Types[i] = fmt.Sprintf("[PAD%d]", i), ggufUnused
		default:
			g.Tokens[i], g.Types[i] = t.entryText(id), ggufNormal
		}
	}
	g.Merges = t.mergeTexts()
	for key, part := range map[string]string{"bos": "bos", "eos": "eos", "padding": "pad", "unknown": "unk"} {
		if id, ok := t.special[part]; ok {
			g.SpecialIDs[key] = id
		}
	}
	return g, nil
}

// entryText is a token of the vocabulary in the byte alphabet. One that merges cannot make was
// written with characters outside of it and stands for itself.
func (t *Tokenizer) entryText(id int32) string {
	piece := t.pieces[id]
	if found, ok := t.ids[piece]; !ok || found != id {
		return piece
	}
	return string(appendAlphabet(nil, piece))
}

// mergeTexts lists the merges by rank, "a b".
func (t *Tokenizer) mergeTexts() []string {
	type rule struct {
		left, right int32
		rank        int32
	}
	var rules []rule
	for i, key := range t.merges.keys {
		if key != 0 {
			key-- // see pairKey
			rules = append(rules, rule{int32(key >> 32), int32(uint32(key)), t.merges.pairs[i].rank})
		}
	}
	slices.SortFunc(rules, func(a, b rule) int { return cmp.Compare(a.rank, b.rank) })
	texts := make([]string, len(rules))
	for i, r := range rules {
		texts[i] = t.entryText(r.left) + " " + t.entryText(r.right)
	}
	return texts
}
