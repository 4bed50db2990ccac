package tokenizer

import (
	"errors"
	"fmt"
)

// GGUFVocab is the tokenizer in the metadata of a GGUF file, as the loader reads it. The
// comments name the keys.
type GGUFVocab struct {
	Model  string   // tokenizer.ggml.model: "gpt2" for byte-level BPE
	Pre    string   // tokenizer.ggml.pre: "qwen2"
	Tokens []string // tokenizer.ggml.tokens, in the byte alphabet; the index is the id
	Types  []int32  // tokenizer.ggml.token_type, one for each token
	Merges []string // tokenizer.ggml.merges, "a b" by rank

	// SpecialIDs holds tokenizer.ggml.<key>_token_id under <key>: "bos", "eos",
	// "padding", "unknown". Other keys are ignored.
	SpecialIDs map[string]int32

	AddEOS bool // tokenizer.ggml.add_eos_token: a text ends with the token "eos"
}

// Token types of GGUF.
const (
	ggufNormal      = 1
	ggufUnknown     = 2
	ggufControl     = 3 // an added token that is special
	ggufUserDefined = 4 // an added token that is not
	ggufUnused      = 5 // a row of the embedding without a token, "[PAD151670]"
	ggufByte        = 6
)

// FromGGUF makes the tokenizer of a GGUF file. The format does not say how text is
// normalised; the pre-tokenizer's name stands for it, and Qwen's means NFC, as in the
// tokenizer.json that the file was made from.
func FromGGUF(g GGUFVocab) (*Tokenizer, error) {
	t, err := readGGUF(g)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: GGUF: %w", err)
	}
	return t, nil
}

func readGGUF(g GGUFVocab) (*Tokenizer, error) {
	if g.Model != "gpt2" {
		return nil, fmt.Errorf("tokenizer.ggml.model is %q; only \"gpt2\" (byte-level BPE) can be read", g.Model)
	}
	v := vocabulary{special: make(map[string]int32)}
	switch g.Pre {
	case "qwen2", "deepseek-r1-qwen", "", "default":
		// Files from before the key was there have none. The other name is of Qwen models
		// that were distilled from DeepSeek-R1.
		v.pattern, v.normalize = qwenPattern, true
	default:
		return nil, fmt.Errorf("tokenizer.ggml.pre is %q; only \"qwen2\" can be read", g.Pre)
	}
	if len(g.Tokens) == 0 {
		return nil, errors.New("tokenizer.ggml.tokens is missing or empty")
	}
	if len(g.Types) != len(g.Tokens) {
		return nil, fmt.Errorf("tokenizer.ggml.token_type has %d entries for %d tokens", len(g.Types), len(g.Tokens))
	}
	v.entries = make([]entry, 0, len(g.Tokens))
	for i, text := range g.Tokens {
		id := int32(i)
		switch g.Types[i] {
		case ggufControl, ggufUserDefined:
			if text == fmt.Sprintf("[PAD%d]", i) {
				continue // older converters gave unused rows this type
			}
			v.added = append(v.added, AddedToken{ID: id, Content: text, Special: g.Types[i] == ggufControl})
		case ggufUnused:
		case ggufNormal, ggufUnknown, ggufByte:
			v.entries = append(v.entries, entry{text, id})
		default:
			return nil, fmt.Errorf("token %d (%q) has the unknown type %d", i, text, g.Types[i])
		}
	}
	v.merges = make([][2]string, len(g.Merges))
	for i, s := range g.Merges {
		m, err := splitMerge(s)
		if err != nil {
			return nil, fmt.Errorf("tokenizer.ggml.merges: merge %d: %w", i, err)
		}
		v.merges[i] = m
	}
	for key, part := range map[string]string{"bos": "bos", "eos": "eos", "padding": "pad", "unknown": "unk"} {
		if id, ok := g.SpecialIDs[key]; ok {
			v.special[part] = id
		}
	}
	t, err := v.build()
	if eos, ok := g.SpecialIDs["eos"]; err == nil && g.AddEOS && ok {
		err = t.setFrame(nil, []int32{eos})
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}
