package main

import "github.com/qwenvk/qwenvk"

// shiftText is --context-shift for a prompt without turns.
func (a *ask) shiftText(m *loaded, ids []int32) qwenvk.Shift {
	if !a.shift {
		return nil
	}
	return qwenvk.ShiftText(ids, 0, m.Info().Context)
}

// noteContext tells that the context was full, and what came of it.
func (p *program) noteContext(m *loaded, a *ask, r qwenvk.Result) {
	context := m.Info().Context
	most := a.options.MaxTokens
	switch {
	case r.Shifts > 0 && (a.raw || a.ids != nil):
		p.note("the context of %d tokens was full: of the text before only the later part was still seen", context)
	case r.Shifts > 0:
		p.note("the context of %d tokens was full: the oldest messages were left out", context)
	case r.FinishReason == "length" && (most == 0 || r.Usage.CompletionTokens < most):
		p.note("the answer ends because the context of %d tokens is full; --ctx makes it larger, --context-shift leaves the oldest out", context)
	}
}
