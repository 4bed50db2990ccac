package main

import "github.com/qwenvk/qwenvk/internal/cliargs"

// absentCommands are those that qwenvk will know and this version does not have. They are refused by name.
func absentCommands() []cliargs.Command {
	return []cliargs.Command{
		{Name: "serve", Absent: "the server"},
	}
}
