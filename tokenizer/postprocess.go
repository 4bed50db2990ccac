package tokenizer

import (
	"errors"
	"fmt"
)

// postProcessor is what tokenizer.json puts round an encoded text: TemplateProcessing, alone or in a Sequence.
type postProcessor struct {
	Type       string          `json:"type"`
	Processors []postProcessor `json:"processors"`
	Single     []templatePiece `json:"single"` // the form of one text
	Special    map[string]struct {
		IDs []int32 `json:"ids"`
	} `json:"special_tokens"`
}

// templatePiece is a token, or the place of the text.
type templatePiece struct {
	SpecialToken *struct {
		ID string `json:"id"`
	} `json:"SpecialToken"`
	Sequence *struct {
		ID string `json:"id"`
	} `json:"Sequence"`
}

// Frame returns the ids that the tokenizer's files put in front of a text and behind it, as embedding models need them;
// [Tokenizer.Encode] leaves them out. Both are empty for a chat model. The caller must not change them.
func (t *Tokenizer) Frame() (before, after []int32) { return t.before, t.after }

// frame reads the ids round a text.
func (p *postProcessor) frame() (before, after []int32, err error) {
	if p == nil {
		return nil, nil, nil
	}
	if p.Type == "Sequence" {
		for i := range p.Processors {
			b, a, err := p.Processors[i].frame()
			if err != nil {
				return nil, nil, err
			}
			before, after = append(b, before...), append(after, a...) // a later one is put round an earlier one
		}
		return before, after, nil
	}
	if p.Type != "TemplateProcessing" {
		return nil, nil, nil // ByteLevel, which changes offsets alone
	}
	texts := 0
	for _, piece := range p.Single {
		switch {
		case piece.Sequence != nil:
			texts++
		case piece.SpecialToken == nil:
			return nil, nil, errors.New("the post-processor has a piece that is neither a token nor the text")
		default:
			special, ok := p.Special[piece.SpecialToken.ID]
			if !ok {
				return nil, nil, fmt.Errorf("the post-processor names the token %q and gives no ids for it", piece.SpecialToken.ID)
			}
			if texts == 0 {
				before = append(before, special.IDs...)
			} else {
				after = append(after, special.IDs...)
			}
		}
	}
	if texts != 1 {
		return nil, nil, fmt.Errorf("the post-processor has %d places for the text, not one", texts)
	}
	return before, after, nil
}

// setFrame keeps the ids round a text.
func (t *Tokenizer) setFrame(before, after []int32) error {
	for _, ids := range [][]int32{before, after} {
		for _, id := range ids {
			if !t.has(id) {
				return fmt.Errorf("id %d, which is put round a text, is no token", id)
			}
		}
	}
	t.before, t.after = before, after
	return nil
}
