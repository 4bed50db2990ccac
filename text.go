package qwenvk

import (
	"errors"
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

// errNoTokenizer is why a model that was loaded with WeightsOnly works on ids alone.
var errNoTokenizer = errors.New("the model was loaded for its weights only, without a tokenizer: it takes and gives ids alone")

// Tokenize turns text into the model's ids. Control tokens that the text spells out, such as <|im_start|>, become what they
// spell; a program that passes on strangers' text uses Tokenizer().Encode with Plain. Errors: [ErrClosed], and text that is
// not UTF-8.
func (m *Model) Tokenize(text string) ([]int32, error) {
	if err := m.words(); err != nil {
		return nil, err
	}
	return m.tok.Encode(text, tokenizer.EncodeOptions{})
}

// Detokenize turns ids into text, control tokens included. Bytes that make no character become U+FFFD. Errors: [ErrClosed],
// and ids that the model does not have.
func (m *Model) Detokenize(ids []int32) (string, error) {
	if err := m.words(); err != nil {
		return "", err
	}
	return m.tok.Decode(ids, tokenizer.DecodeOptions{})
}

// words refuses a model that is closed or has no tokenizer.
func (m *Model) words() error {
	if err := m.life.err(); err != nil {
		return err
	}
	if m.tok == nil {
		return errNoTokenizer
	}
	return nil
}
