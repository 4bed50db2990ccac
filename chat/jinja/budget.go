package jinja

import (
	"context"
	"fmt"
)

// Budget bounds one Render. A zero field means the default.
type Budget struct {
	Work   int // evaluated nodes, and 64 bytes of text looked at count as one; default 20 million
	Memory int // bytes that the template makes, counted once and never given back; default 64 MiB
	Output int // bytes of the result; default 32 MiB
	Depth  int // calls, blocks and expressions inside each other; default 1000
}

const (
	defaultWork   = 20_000_000
	defaultMemory = 64 << 20
	defaultOutput = 32 << 20
	defaultDepth  = 1000

	bytesPerWork  = 64  // text that takes about as long to look at as a node to evaluate
	bytesPerValue = 32  // of a list's item
	workPerCheck  = 512 // between two looks at the context
)

func (b Budget) withDefaults() Budget {
	fill := func(field *int, value int) {
		if *field <= 0 {
			*field = value
		}
	}
	fill(&b.Work, defaultWork)
	fill(&b.Memory, defaultMemory)
	fill(&b.Output, defaultOutput)
	fill(&b.Depth, defaultDepth)
	return b
}

// Error is a fault in a template, or one that it meets.
type Error struct {
	Line    int // 0: unknown
	Message string
	Raised  bool  // the template itself called raise_exception
	Err     error // the context's, where that ended the run
}

func (e *Error) Unwrap() error { return e.Err }

func (e *Error) Error() string {
	if e.Line == 0 {
		return e.Message
	}
	return fmt.Sprintf("line %d: %s", e.Line, e.Message)
}

// fault is an error whose line the evaluator fills in.
func fault(format string, args ...any) error {
	return &Error{Message: fmt.Sprintf(format, args...)}
}

// atLine gives an error the line of the innermost node that it passes.
func atLine(err error, line int) error {
	if e, ok := err.(*Error); ok && e.Line == 0 { //nolint:errorlint // made by this package, never wrapped
		e.Line = line
	}
	return err
}

// meter counts what a run uses.
type meter struct {
	ctx       context.Context
	left      Budget
	uncounted int // work since the context was looked at
}

// spend counts work and looks at the context now and then.
func (m *meter) spend(work int) error {
	work = max(work, 1)
	if m.left.Work -= work; m.left.Work < 0 {
		return fault("the template computes for too long")
	}
	if m.uncounted += work; m.uncounted >= workPerCheck {
		m.uncounted = 0
		if err := m.ctx.Err(); err != nil {
			return &Error{Message: "the template computes for too long", Err: err}
		}
	}
	return nil
}

// alloc counts bytes before they are made.
func (m *meter) alloc(n int) error {
	if n < 0 || n > m.left.Memory {
		return fault("the template makes too much text or too large a list")
	}
	m.left.Memory -= n
	return m.spend(n / bytesPerWork)
}

// deeper counts a level of recursion; the function it returns takes it back.
func (m *meter) deeper() (func(), error) {
	if m.left.Depth--; m.left.Depth < 0 {
		return nil, fault("the template recurses too deep")
	}
	return m.up, nil
}

func (m *meter) up() { m.left.Depth++ }
