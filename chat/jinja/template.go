package jinja

import (
	"context"
	"maps"
	"strings"
	"time"
)

// Template is a parsed template.
type Template struct {
	body  []stmt
	names map[string]bool
}

// Parse reads a template. The error is an *[Error].
func Parse(source string) (*Template, error) {
	if len(source) > maxSource {
		return nil, fault("the template has %d bytes; %d are allowed", len(source), maxSource)
	}
	tokens, err := lex(source)
	if err != nil {
		return nil, err
	}
	p := &parser{tokens: tokens, names: map[string]bool{}}
	body, _, err := p.body()
	if err != nil {
		return nil, err
	}
	return &Template{body: body, names: p.names}, nil
}

// Uses reports whether the template mentions a variable.
func (t *Template) Uses(name string) bool { return t.names[name] }

// Options are the surroundings of a Render.
type Options struct {
	Budget Budget
	Now    func() time.Time // for strftime_now; nil: the clock
}

// Render runs the template. Variables are values as [FromJSON] makes them. The error is an *[Error]; it wraps the
// context's where that ended the run.
func (t *Template) Render(ctx context.Context, variables map[string]any, o Options) (string, error) {
	now := o.Now
	if now == nil {
		now = time.Now
	}
	r := &run{meter: meter{ctx: ctx, left: o.Budget.withDefaults()}, now: now}
	r.top = &strings.Builder{}
	r.out = r.top
	top := &scope{vars: maps.Clone(variables), parent: &scope{vars: globals}}
	if _, err := r.block(t.body, top); err != nil {
		return "", err
	}
	return r.top.String(), nil
}
