// Package cliargs brings the arguments of a command line into the order that a simple parser expects, so that people may
// write them in any.
//
// The parser behind qwenvk's commands (urfave/cli v2, Go's flag package under it) stops at the first argument that is no
// flag. Sort reads the line first, with a table of what each command knows, and returns it as
//
//	command --flag=value --switch=true … -- argument argument …
//
// so flags may stand before the command, between its arguments and behind them. Nothing is lost on the way: a value is
// joined to its flag and survives whatever it begins with, and an alias becomes its flag's long name, so that of two
// spellings of one flag the last counts.
//
// The rules:
//
//   - "--" ends the flags. A flag that still waits for its value there takes the next word, so "-p -- -x" is -p with the
//     value "-x"; the value "--" itself is written "-p=--".
//   - "-" alone is an argument (standard input).
//   - A value that is the name of another flag of the command is taken for a forgotten value: "-p --temp 0" is an error.
//     "-p=--temp" says that it is meant.
//   - A command or flag that this version knows by name but does not have is an error of its own, whether it comes from
//     the line or from the environment.
//
// The package knows no flag of qwenvk: the table comes from cmd/qwenvk. It must not look at values.
package cliargs
