package main

import (
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/grammar"
)

// readForm reads the form that answers must have, from --json-schema or --grammar; nil: any.
func (p *program) readForm(c *cli.Context) (*grammar.Grammar, error) {
	schema, rules := c.String("json-schema"), c.String("grammar")
	switch {
	case c.IsSet("json-schema") && c.IsSet("grammar"):
		return nil, usageError("--json-schema and --grammar both give the answer's form; leave one out")
	case c.IsSet("json-schema"):
		name, text, err := p.inlineOrFile("--json-schema", schema)
		if err != nil {
			return nil, err
		}
		g, err := grammar.ParseSchema(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		for _, note := range g.Notes {
			p.note("%s: %s", name, note)
		}
		return g, nil
	case c.IsSet("grammar"):
		text, err := p.readFile(rules)
		if err != nil {
			return nil, err
		}
		g, err := grammar.Parse(string(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", rules, err)
		}
		return g, nil
	}
	return nil, nil
}

// inlineOrFile reads a value that is JSON itself or names a file of it.
func (p *program) inlineOrFile(flag, value string) (name string, text []byte, err error) {
	if trimmed := strings.TrimSpace(value); strings.HasPrefix(trimmed, "{") || trimmed == "true" || trimmed == "false" {
		return flag, []byte(value), nil
	}
	text, err = p.readFile(value)
	return value, text, err
}

// constraint joins the form with the model's vocabulary; nil: any form.
func (a *ask) constraint(m *loaded) (*qwenvk.Constraint, error) {
	if a.form == nil {
		return nil, nil
	}
	return m.NewConstraint(a.form)
}
