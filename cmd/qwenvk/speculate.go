package main

import (
	"errors"
	"fmt"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
)

// The ways to guess tokens ahead.
const (
	specOff   = "off"
	specNGram = "ngram"
	specDraft = "draft"
)

func speculationFlags() []cli.Flag {
	return []cli.Flag{
		text(deviceFlags, "spec", "guess tokens ahead and check several in one step, the answer stays the same: `off/ngram/draft`; ngram looks into the text so far, draft asks --draft (default off, or draft with --draft)"),
		text(deviceFlags, "draft", "`MODEL` that guesses: a smaller one of the same vocabulary, loaded beside the other"),
	}
}

// speculation is how tokens are guessed.
type speculation struct{ kind, draft string }

// read reads the flags. A wrong name is told before a device is opened.
func (s *speculation) read(c *cli.Context) error {
	s.kind, s.draft = c.String("spec"), c.String("draft")
	if err := oneOf(c, "spec", specOff, specNGram, specDraft); err != nil {
		return err
	}
	switch {
	case s.kind == "" && s.draft == "":
		s.kind = specOff
	case s.kind == "":
		s.kind = specDraft
	case s.kind == specDraft && s.draft == "":
		return usageError("--spec draft needs --draft, the model that guesses")
	case s.kind == specNGram && s.draft != "":
		return usageError("--spec ngram asks no model; leave --draft out, or use --spec draft")
	}
	if s.kind != specDraft { // --draft may stay in the environment
		return nil
	}
	_, err := locate(s.draft)
	return err
}

// withDraft has what a run asks for guessed while it is done.
func (p *program) withDraft(c *cli.Context, m *loaded, a *ask, do func() error) (err error) {
	switch a.speculation.kind {
	case specNGram:
		a.options.Speculate.NGram = true
	case specDraft:
		load, err := loadOptions(c)
		if err != nil {
			return err
		}
		load.Adapters, load.Context = nil, m.Info().Context
		path, err := locate(a.speculation.draft)
		if err != nil {
			return err
		}
		draft, err := p.load(c.Context, m.runtime, opened(path), load)
		if err != nil {
			return fmt.Errorf("--draft: %w", err)
		}
		defer func() { err = errors.Join(err, draft.Close()) }()
		p.noteMemory(draft)
		a.options.Speculate = qwenvk.Speculate{Draft: draft}
	}
	return do()
}
