package cliargs

import (
	"slices"
	"strings"
)

// Flag is what there is to know of a flag before its value is read.
type Flag struct {
	Names  []string // without dashes, the one to pass on first: {"prompt", "p"}
	Switch bool     // takes no value
	Absent string   // not in this version; completes "--lora needs …" ("adapters"), "" for a flag that is there
}

// Command is what there is to know of a command.
type Command struct {
	Name   string
	Flags  []Flag
	Absent string // like Flag.Absent
}

// Table is a whole command line: its commands with their flags.
type Table struct {
	Program  string // for advice: "see qwenvk run --help"
	Commands []Command
}

// Error is a wrong use of the command line, in one sentence.
type Error struct{ Message string }

func (e *Error) Error() string { return e.Message }

// Twin is the environment variable that stands for a flag: QWENVK_MAX_TOKENS for "max-tokens".
func Twin(program, flag string) string {
	name := strings.ToUpper(program + "_" + flag)
	return strings.ReplaceAll(name, "-", "_")
}

// Command returns the command of a name.
func (t Table) Command(name string) (Command, bool) {
	i := slices.IndexFunc(t.Commands, func(c Command) bool { return c.Name == name })
	if i < 0 {
		return Command{}, false
	}
	return t.Commands[i], true
}

// flag returns the flag of a name, with or without dashes and value.
func (c Command) flag(word string) (Flag, bool) {
	name, _, _ := strings.Cut(strings.TrimLeft(word, "-"), "=")
	i := slices.IndexFunc(c.Flags, func(f Flag) bool { return slices.Contains(f.Names, name) })
	if i < 0 {
		return Flag{}, false
	}
	return c.Flags[i], true
}

// anyCommand knows the flags of all commands: a flag may stand before the word that says which command it is for. A name
// must take a value in all commands or in none.
func (t Table) anyCommand() Command {
	var all Command
	for _, c := range t.Commands {
		all.Flags = append(all.Flags, c.Flags...)
	}
	return all
}

// nearest returns the name that a mistyped one was most likely meant to be, "" when none is near.
func nearest(word string, names []string) string {
	best, least := "", 3 // more than two slips is another word
	for _, name := range names {
		if d := distance(word, name); d < least && d < len(word) {
			best, least = name, d
		}
	}
	return best
}

// distance is the number of letters to insert, delete or replace between two words (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := diagonal
			if a[i] != b[j] {
				cost++
			}
			diagonal = row[j+1]
			row[j+1] = min(cost, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
