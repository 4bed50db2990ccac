package qwenvk

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/qwenvk/qwenvk/engine"
)

// ErrDraft reports a draft model that cannot guess for the model: the two don't have the same vocabulary.
var ErrDraft = errors.New("the draft model does not fit")

// Speculate says how the next tokens of an answer are guessed. One step of the model then checks up to seven guessed tokens
// at once, which on a card takes little longer than computing one. The answer is the same to the token as without, also
// where it is sampled: it depends on the seed as it always does. The zero value guesses nothing.
//
// How much is guessed follows from what guessing brings and costs as the answer goes on; where it does not pay, nothing is.
type Speculate struct {
	// NGram guesses that the text goes on as it did after the same words before, in the prompt or in the answer. It needs no
	// second model, and pays where an answer quotes, repeats or changes a text.
	NGram bool

	// Draft is a smaller model of the same vocabulary, loaded on its own, whose guess is asked for where NGram has none.
	// The model keeps it from being closed no more than a session of it would. Errors: [ErrDraft], and those of a session.
	Draft *Model

	// MaxDraft is the most tokens that are guessed at a time, 1 to 7; 0: 7.
	MaxDraft int

	// Always guesses at every step, whatever it brings: to measure what that is.
	Always bool
}

// MaxDraft is the most tokens that are guessed at a time.
const MaxDraft = engine.MaxDraft

// speculation opens a session of the draft model, which is kept for the answers to come.
func (s *Session) speculation(o Speculate) (engine.Speculation, error) {
	inner := engine.Speculation{NGram: o.NGram, MaxDraft: o.MaxDraft, Always: o.Always}
	if o.MaxDraft < 0 || o.MaxDraft > MaxDraft {
		return inner, fmt.Errorf("%d tokens guessed at a time are not possible: use 1 to %d", o.MaxDraft, MaxDraft)
	}
	if o.Draft == nil {
		return inner, nil
	}
	s.draftMu.Lock()
	defer s.draftMu.Unlock()
	if s.draft == nil || s.draft.model != o.Draft {
		if err := s.model.sameVocabulary(o.Draft); err != nil {
			return inner, err
		}
		draft, err := o.Draft.NewSession()
		if err != nil {
			return inner, fmt.Errorf("the draft model: %w", err)
		}
		s.closeDraft()
		s.draft = draft
	}
	inner.Draft = s.draft.s
	return inner, nil
}

// closeDraft gives the draft model's session back.
func (s *Session) closeDraft() {
	if s.draft != nil {
		_ = s.draft.Close() // which cannot fail
		s.draft = nil
	}
}

// sameVocabulary refuses a draft model whose ids stand for other texts. Rows of the output matrix that no token has do not
// count: models of one family are padded differently.
func (m *Model) sameVocabulary(draft *Model) error {
	switch {
	case draft == m:
		return fmt.Errorf("%s cannot draft for itself; load a smaller model: %w", m.info.Name, ErrDraft)
	case draft.info.Headless:
		return fmt.Errorf("%s has no output head and writes no text: %w", draft.info.Name, ErrDraft)
	case m.tok == nil || draft.tok == nil:
		if m.info.Vocab != draft.info.Vocab {
			return fmt.Errorf("%s has %d ids and the draft model %s has %d: %w", m.info.Name, m.info.Vocab, draft.info.Name, draft.info.Vocab, ErrDraft)
		}
		return nil // loaded without texts: whoever loads them so knows what ids mean
	}
	n := min(m.tok.VocabSize(), draft.tok.VocabSize())
	for id := range int32(n) {
		if a, b := m.tok.Piece(id), draft.tok.Piece(id); a != nil && b != nil && !bytes.Equal(a, b) {
			return fmt.Errorf("id %d stands for %q with %s and for %q with the draft model %s; a draft model needs the same vocabulary: %w",
				id, a, m.info.Name, b, draft.info.Name, ErrDraft)
		}
	}
	return nil
}
