package qwenvk

import (
	"fmt"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// readText makes the tokenizer and the chat template of a checkpoint; override replaces the template. A model without one
// gets ChatML if its vocabulary has the marks (DefaultTemplate says whether), else none (nil).
func readText(c *loader.Checkpoint, override string) (*tokenizer.Tokenizer, *chat.Template, error) {
	tok, err := readTokenizer(c)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.Name(), err)
	}
	source := c.ChatTemplate()
	if override != "" {
		source = override
	}
	if source == "" {
		if !KnowsChatML(tok) {
			return tok, nil, nil
		}
		return tok, chat.ChatML(), nil
	}
	t, err := chat.NewTemplate(source)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.Name(), err)
	}
	return tok, t, nil
}

// KnowsChatML reports whether a vocabulary has the control tokens of ChatML.
func KnowsChatML(tok *tokenizer.Tokenizer) bool {
	start, okStart := tok.TokenID(chat.ChatMLStart)
	end, okEnd := tok.TokenID(chat.ChatMLEnd)
	return okStart && okEnd && tok.IsSpecial(start) && tok.IsSpecial(end)
}

func readTokenizer(c *loader.Checkpoint) (*tokenizer.Tokenizer, error) {
	if c.Format() != "gguf" {
		return tokenizer.FromDir(c.Path())
	}
	g, err := c.GGUFTokenizer()
	if err != nil {
		return nil, err
	}
	return tokenizer.FromGGUF(tokenizer.GGUFVocab{Model: g.Model, Pre: g.Pre, Tokens: g.Tokens, Merges: g.Merges, Types: g.Types, AddEOS: g.AddEOS, SpecialIDs: map[string]int32{
		"bos": int32(g.BOS), "eos": int32(g.EOS), "padding": int32(g.PAD),
	}})
}
