package qwenvk

import (
	"fmt"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// readText makes the tokenizer and the chat template of a checkpoint. A model without a template has none (nil);
// override replaces it.
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
		return tok, nil, nil
	}
	t, err := chat.NewTemplate(source)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", c.Name(), err)
	}
	return tok, t, nil
}

func readTokenizer(c *loader.Checkpoint) (*tokenizer.Tokenizer, error) {
	if v, ok := c.GGUFVocab(); ok {
		return tokenizer.FromGGUF(tokenizer.GGUFVocab{Model: v.Model, Pre: v.Pre, Tokens: v.Tokens, Merges: v.Merges, Types: v.Types})
	}
	return tokenizer.FromDir(c.Path())
}
