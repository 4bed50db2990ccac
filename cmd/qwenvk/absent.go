package main

import (
	"slices"

	"github.com/qwenvk/qwenvk/internal/cliargs"
)

// Everything that the command line of qwenvk will know and this version does not have. It is refused by name, so that
// nothing is ever silently ignored; a row moves from here to flags.go with the part that it needs.

// absent is a flag with the commands that will have it and the part that it needs.
type absent struct {
	names    []string // as in cliargs.Flag
	onOff    bool     // takes no value
	needs    string
	commands []string
}

func absentFlags(command string) []cliargs.Flag {
	var flags []cliargs.Flag
	for _, a := range []absent{
		{[]string{"kernels"}, true, "measuring of single kernels", []string{"bench"}},
		{[]string{"profile"}, true, "profiles in a bench", []string{"bench"}},
	} {
		if slices.Contains(a.commands, command) {
			flags = append(flags, cliargs.Flag{Names: a.names, Switch: a.onOff, Absent: a.needs})
		}
	}
	return flags
}

func absentCommands() []cliargs.Command {
	return []cliargs.Command{
		{Name: "doctor", Absent: "the kernels' self-test"},
		{Name: "serve", Absent: "the server"},
	}
}
