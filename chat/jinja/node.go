package jinja

// expr is an expression.
type expr interface{ pos() int }

// at is the line of a node.
type at int

func (a at) pos() int { return int(a) }

type (
	// literal is a constant: nil, bool, int64, float64 or string.
	literal struct {
		at
		value any
	}
	// variable is a name that is looked up.
	variable struct {
		at
		name string
	}
	// listExpr is [a, b] or, with tuple set, (a, b).
	listExpr struct {
		at
		items []expr
		tuple bool
	}
	dictExpr struct {
		at
		keys, values []expr
	}
	// unary is "not", "-" or "+".
	unary struct {
		at
		op string
		x  expr
	}
	// binary is an arithmetic operator, "~", "and" or "or".
	binary struct {
		at
		op   string
		l, r expr
	}
	// compare is a chain: a < b <= c.
	compare struct {
		at
		first expr
		ops   []string
		rest  []expr
	}
	// choice is "a if cond else b"; b is nil where there is no else.
	choice struct {
		at
		cond, yes, no expr
	}
	// attribute is x.name.
	attribute struct {
		at
		x    expr
		name string
	}
	// item is x[key].
	item struct {
		at
		x, key expr
	}
	// slice is x[from:to:step]; each of the three may be nil.
	slice struct {
		at
		x              expr
		from, to, step expr
	}
	call struct {
		at
		fn   expr
		args arguments
	}
	// filter is x|name(args). x is nil at the beginning of a filter block's chain.
	filter struct {
		at
		x    expr
		name string
		args arguments
	}
	// test is "x is name(args)".
	test struct {
		at
		x    expr
		name string
		args arguments
	}
)

// arguments are what stands between the parentheses of a call.
type arguments struct {
	positional []expr
	names      []string // of keywords
	keywords   []expr
	star       expr // *list
	starStar   expr // **dict
}

// stmt is a statement or text.
type stmt interface{ pos() int }

type (
	data struct {
		at
		text string
	}
	printStmt struct {
		at
		x expr
	}
	ifStmt struct {
		at
		conds  []expr
		bodies [][]stmt // one for each condition
		other  []stmt   // else
	}
	forStmt struct {
		at
		targets   []string
		iter      expr
		cond      expr // nil: none
		body      []stmt
		empty     []stmt // else
		recursive bool
	}
	setStmt struct {
		at
		targets []target
		x       expr
	}
	// setBlock is {% set name %}…{% endset %}, with the filters that its text goes through.
	setBlock struct {
		at
		target target
		chain  *filter
		body   []stmt
	}
	macroStmt struct {
		at
		macro *macro
	}
	// callStmt is {% call(params) fn(args) %}…{% endcall %}.
	callStmt struct {
		at
		caller *macro
		call   *call
	}
	filterStmt struct {
		at
		chain *filter
		body  []stmt
	}
	withStmt struct {
		at
		names  []string
		values []expr
		body   []stmt
	}
	// scopeStmt is a body with variables of its own: block.
	scopeStmt struct {
		at
		body []stmt
	}
	// groupStmt is a body without: generation.
	groupStmt struct {
		at
		body []stmt
	}
	// jump is break or continue.
	jump struct {
		at
		stop bool
	}
)

// target is what a set assigns to: a variable, or an attribute of a namespace.
type target struct{ name, attribute string }

// macro is a function that a template defines.
type macro struct {
	name     string
	params   []string
	defaults []expr // of the last len(defaults) parameters
	body     []stmt
	uses     map[string]bool // names in the body
}
