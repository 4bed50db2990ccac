package qwenvk

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/grammar"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// ErrBudget reports an answer that may have fewer tokens than the shortest that its constraint allows.
var ErrBudget = grammar.ErrBudget

// ErrMisfit reports an answer that does not fit its schema in something that can be seen in the whole only: more branches
// of oneOf fit than one, or items of an array are the same that must be unique.
var ErrMisfit = errors.New("the answer does not fit")

// Constraint says what form answers must have. It serves any number of sessions of its model at the same time, and any
// number of answers. See [Model.NewJSONConstraint] and [Model.NewGrammarConstraint].
type Constraint struct {
	grammar  *grammar.Grammar
	compiled *grammar.Compiled
}

// NewJSONConstraint makes answers JSON values that fit a JSON schema, draft 2020-12. See [grammar.ParseSchema] for what it
// knows and how the values are written. The error names the place in the schema.
func (m *Model) NewJSONConstraint(schema []byte) (*Constraint, error) {
	g, err := grammar.ParseSchema(schema)
	if err != nil {
		return nil, err
	}
	return m.NewConstraint(g)
}

// NewGrammarConstraint makes answers fit rules in llama.cpp's form (GBNF); see [grammar.Parse]. The error names line and
// column.
func (m *Model) NewGrammarConstraint(rules string) (*Constraint, error) {
	g, err := grammar.Parse(rules)
	if err != nil {
		return nil, err
	}
	return m.NewConstraint(g)
}

// NewConstraint joins a grammar with the model's vocabulary.
func (m *Model) NewConstraint(g *grammar.Grammar) (*Constraint, error) {
	if err := m.words(); err != nil {
		return nil, fmt.Errorf("answers cannot be constrained: %w", err)
	}
	m.vocabularyOnce.Do(func() {
		never := map[int32]bool{}
		for _, t := range m.tok.AddedTokens() {
			never[t.ID] = true
		}
		m.vocabulary = grammar.NewVocabulary(func(id int32) []byte {
			if never[id] {
				return nil
			}
			return m.tok.Piece(id)
		}, min(m.tok.VocabSize(), m.info.Vocab), m.EOS())
	})
	return &Constraint{grammar: g, compiled: grammar.Compile(g, m.vocabulary)}, nil
}

// Notes tell what of a schema was passed over, a sentence each: formats and keywords without effect.
func (c *Constraint) Notes() []string { return slices.Clone(c.grammar.Notes) }

// Check tells whether a finished text fits in what the tokens cannot ensure; the error is [ErrMisfit]. Generate and Chat
// do so at the end of an answer.
func (c *Constraint) Check(text string) error {
	if err := c.grammar.Check([]byte(text)); err != nil {
		return fmt.Errorf("%w: %w", ErrMisfit, err)
	}
	return nil
}

// matcher begins an answer.
func (s *Session) matcher(o GenerateOptions) (*grammar.Matcher, error) {
	switch {
	case o.Constraint == nil:
		return nil, nil
	case o.IgnoreEOS:
		return nil, errors.New("an answer of a given form ends; IgnoreEOS would have it go on")
	case o.Constraint.compiled == nil:
		return nil, errors.New("the constraint is empty: make it with NewJSONConstraint or NewGrammarConstraint")
	}
	return o.Constraint.compiled.NewMatcher(), nil
}

// checkAnswer looks at the whole answer where the matcher saw its end.
func (s *Session) checkAnswer(c *Constraint, m *grammar.Matcher) error {
	r := s.s.Result()
	if m == nil || !m.Done() || r.FinishReason != engine.FinishStop {
		return nil
	}
	text, err := s.model.tok.Decode(r.IDs[min(r.ReasoningTokens, len(r.IDs)):], tokenizer.DecodeOptions{SkipSpecial: true})
	if err != nil {
		return err
	}
	if r.ReasoningTokens > 0 {
		text = strings.TrimLeft(text, "\n") // what stands between the reasoning and the answer
	}
	return c.Check(text)
}
