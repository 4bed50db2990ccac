// Package jinja renders the Jinja templates that come with language models.
//
// A chat template is a program out of a downloaded file, so it is run like one: nothing of the host can be reached
// from it, and every run has a budget of work, memory, depth and time that no template can exceed. That is why the
// package exists. The interpreters that Go has for Jinja leave the arithmetic of strings and the recursion of macros
// unbounded, which a host cannot repair from outside: a stack that overflows ends the whole program.
//
// Three nouns: a [Template] is parsed source, immutable and safe for concurrent use; a value is what a variable holds;
// a [Budget] bounds one Render.
//
//	source ── lex.go ── tokens ── parse*.go ── nodes ── exec.go, eval.go ── text
//	                                                        │
//	                                 filters.go, tests.go, methods.go, globals.go on value*.go
//
// The language is Jinja 3.1 as Hugging Face transformers sets it up for chat templates: trim_blocks and lstrip_blocks
// on, loop controls, the {% generation %} block, tojson as Python's json.dumps writes it, and an immutable sandbox. Text
// comes out as Python would print it (True, None, 1e-06), because the models were trained on that. include, import and
// extends are refused.
//
// Values are nil (None), Undefined, bool, int64, float64, string, *List, *Dict and a few callables. Dictionaries keep
// the order of their keys.
package jinja
