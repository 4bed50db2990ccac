package main

import (
	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
)

// budgetFlag reads --think-budget; nil: it was not given.
func budgetFlag(c *cli.Context) (*int, error) {
	if !c.IsSet("think-budget") {
		return nil, nil
	}
	n := c.Int("think-budget")
	return &n, between(c, "think-budget", 0, maxInt)
}

// checkThinking warns, once, of what Qwen warns of: a model that thinks greedily may repeat itself without end.
func (p *program) checkThinking(m *loaded, rendered string, o *qwenvk.GenerateOptions) {
	template := m.ChatTemplate()
	if template == nil || !o.Sampling.Greedy() || !template.GenerationThinks(rendered) || o.ThinkBudget != nil {
		return
	}
	p.greedyThinking.Do(func() {
		p.warn("a model that thinks with --temp 0 may repeat itself without end; --temp 0.6 is what Qwen advises, --think-budget limits it")
	})
}
