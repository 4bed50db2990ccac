package qwenvk

import (
	"errors"
	"fmt"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// tailTokens are enough of a prompt to see whether it ends with a tag of reasoning: a vocabulary that does not have
// <think> as a token spells it with five, and templates write two newlines behind it.
const tailTokens = 10

// reasoning tells the engine how the answer to a prompt may begin; nil: nothing is asked for.
func (s *Session) reasoning(ids []int32, o GenerateOptions) (*engine.Reasoning, error) {
	switch {
	case o.ThinkBudget != nil && *o.ThinkBudget < 0:
		return nil, fmt.Errorf("a budget of %d tokens for thinking is not possible", *o.ThinkBudget)
	case !o.Reasoning && o.ThinkBudget == nil:
		return nil, nil
	case s.model.tok == nil:
		return nil, errors.New("reasoning cannot be told from an answer without a tokenizer: the model was loaded for its weights only")
	}
	tok := s.model.tok
	tail, err := tok.Decode(ids[max(0, len(ids)-tailTokens):], tokenizer.DecodeOptions{})
	if err != nil {
		tail = "" // an id that no token has ends no tag; the engine judges it
	}
	r := &engine.Reasoning{Open: chat.ThinkOpen, Close: chat.ThinkClose, Budget: o.ThinkBudget, Inside: chat.OpensThinking(tail)}
	if t := s.model.template; t != nil {
		r.Likely = t.MayThink(tail)
	}
	empty := chat.NoThinking
	if r.Inside {
		empty = empty[1:] // the first newline is the prompt's
	}
	for text, to := range map[string]*[]int32{chat.CutThinking: &r.End, empty: &r.Empty, chat.ThinkGap: &r.Gap} {
		encoded, err := tok.Encode(text, tokenizer.EncodeOptions{})
		if err != nil {
			return nil, err
		}
		*to = encoded
	}
	return r, nil
}
