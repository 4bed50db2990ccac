package grammar

import "fmt"

// An expr is what a rule consists of: literal, runeSet, sequence, choice, repeat, reference or *machine.
type expr any

type (
	literal   string // bytes
	runeSet   []runeRange
	sequence  []expr
	choice    []expr
	reference struct {
		rule int
		at   position
	}
	repeat struct {
		body        expr
		least, most int // most < 0: any number
	}
)

// runeRange is a range of characters, both ends included. A runeSet's are in order and apart.
type runeRange struct{ lo, hi rune }

// A machine is a finite automaton; it begins in its first state.
type machine struct{ states []machineState }

type machineState struct {
	edges []machineEdge
	final bool
}

type machineEdge struct {
	text expr // never empty
	to   int
}

// position is a place in the text of a grammar, counted from 1, columns in characters.
type position struct{ line, column int }

func (p position) String() string { return fmt.Sprintf("line %d, column %d", p.line, p.column) }

// check finds the rules that may be empty and refuses left recursion, which would look for its own beginning for ever.
func (b *builder) check(root int) error {
	for changed := true; changed; {
		changed = false
		for i := len(b.rules) - 1; i >= 0; i-- {
			if !b.empty[i] && b.nullable(b.rules[i].body) {
				b.empty[i], changed = true, true
			}
		}
	}
	l := lefts{b: b, state: make([]uint8, len(b.rules))}
	for i := range b.rules {
		if err := l.rule(i); err != nil {
			return err
		}
	}
	return nil
}

// lefts looks for rules that come back to themselves before a byte is consumed.
type lefts struct {
	b     *builder
	state []uint8 // 1: under way, 2: done
}

func (l *lefts) rule(i int) error {
	l.state[i] = 1
	err := l.expr(l.b.rules[i].body)
	l.state[i] = 2
	return err
}

func (l *lefts) expr(e expr) error {
	switch e := e.(type) {
	case sequence:
		for _, part := range e {
			if err := l.expr(part); err != nil {
				return err
			}
			if !l.b.nullable(part) {
				return nil
			}
		}
	case choice:
		for _, part := range e {
			if err := l.expr(part); err != nil {
				return err
			}
		}
	case repeat:
		return l.expr(e.body)
	case reference:
		switch l.state[e.rule] {
		case 0:
			return l.rule(e.rule)
		case 1:
			return &Error{at: e.at, Message: fmt.Sprintf("the rule %q comes back to itself before anything is read (left recursion); write what repeats with * or +", l.b.rules[e.rule].name)}
		}
	}
	return nil
}

// Error is a mistake in a grammar or a schema.
type Error struct {
	at      position
	pointer string // in a schema
	schema  bool
	Message string // what is wrong, without the place
}

func (e *Error) Error() string {
	switch {
	case e.schema && e.pointer == "":
		return "at the top: " + e.Message
	case e.schema:
		return "at " + e.pointer + ": " + e.Message
	case e.at == position{}:
		return e.Message
	}
	return e.at.String() + ": " + e.Message
}
