package cliargs

import (
	"fmt"
	"slices"
	"strings"
)

// Sort reads the words behind the program's name and returns them as the package comment says. A line without a command
// comes back as it is when it asks for help or for nothing. Errors are of type *Error.
func (t Table) Sort(words []string) ([]string, error) {
	at, err := t.commandWord(words)
	if err != nil {
		return nil, err
	}
	if at < 0 {
		return words, nil
	}
	name := words[at]
	rest := append(append([]string{}, words[:at]...), words[at+1:]...)
	if name == "help" || name == "h" {
		return t.help(rest)
	}
	c, ok := t.Command(name)
	if !ok {
		return nil, t.unknownCommand(name)
	}
	if c.Absent != "" {
		return nil, &Error{fmt.Sprintf("the command %s needs %s, which this version does not have; see %s --help", name, c.Absent, t.Program)}
	}
	flags, arguments, err := t.split(c, rest)
	if err != nil {
		return nil, err
	}
	if slices.Contains(flags, "--help") { // of the command, whatever else stands there
		return []string{name, "--help"}, nil
	}
	sorted := append([]string{name}, flags...)
	sorted = append(sorted, "--")
	return append(sorted, arguments...), nil
}

// commandWord returns the place of the command, -1 when there is none.
func (t Table) commandWord(words []string) (int, error) {
	all := t.anyCommand()
	for i := 0; i < len(words); i++ {
		word := words[i]
		if !isFlag(word) {
			return i, nil
		}
		f, ok := all.flag(word)
		switch {
		case ok && !f.Switch && !strings.Contains(word, "="):
			i++
		case !ok && !isHelp(word) && !isVersion(word):
			return 0, &Error{fmt.Sprintf("flag %s is unknown; see %s --help", bare(word), t.Program)}
		}
	}
	return -1, nil
}

// help turns "help run" into "run --help".
func (t Table) help(words []string) ([]string, error) {
	for _, word := range words {
		if isFlag(word) {
			continue
		}
		if _, ok := t.Command(word); !ok {
			return nil, t.unknownCommand(word)
		}
		return []string{word, "--help"}, nil
	}
	return []string{"--help"}, nil
}

// split parts the words of a command into flags, each with its value in one word, and arguments.
func (t Table) split(c Command, words []string) (flags, arguments []string, err error) {
	for i := 0; i < len(words); i++ {
		word := words[i]
		switch {
		case word == "--":
			return flags, append(arguments, words[i+1:]...), nil
		case !isFlag(word):
			arguments = append(arguments, word)
			continue
		case isHelp(word):
			flags = append(flags, "--help")
			continue
		}
		f, ok := c.flag(word)
		if !ok {
			return nil, nil, t.unknownFlag(c, word)
		}
		if f.Absent != "" {
			return nil, nil, absentFlag(bare(word), f.Absent)
		}
		_, value, joined := strings.Cut(word, "=")
		switch {
		case joined:
		case f.Switch:
			value = "true"
		default:
			if value, i, err = t.value(c, words, i); err != nil {
				return nil, nil, err
			}
			// "-p -- -x": the two dashes that stood before the value have ended the flags.
			if words[i-1] == "--" {
				flags = append(flags, "--"+f.Names[0]+"="+value)
				return flags, append(arguments, words[i+1:]...), nil
			}
		}
		flags = append(flags, "--"+f.Names[0]+"="+value)
	}
	return flags, arguments, nil
}

// value returns the value of the flag words[i] and its place.
func (t Table) value(c Command, words []string, i int) (string, int, error) {
	flag, next := words[i], i+1
	if next < len(words) && words[next] == "--" {
		next++
	} else if next < len(words) && isFlag(words[next]) {
		if _, known := c.flag(words[next]); known || isHelp(words[next]) {
			return "", 0, &Error{fmt.Sprintf("flag %s needs a value, and %s is a flag; if that is its value, write %s=%s", flag, words[next], flag, words[next])}
		}
	}
	if next >= len(words) {
		return "", 0, &Error{fmt.Sprintf("flag %s needs a value; see %s %s --help", flag, t.Program, c.Name)}
	}
	return words[next], next, nil
}

// CheckEnvironment refuses flags that a command does not have in this version and that the environment sets. Empty
// variables count as unset. Names in except are read for something else.
func (t Table) CheckEnvironment(command string, lookup func(string) (string, bool), except ...string) error {
	c, _ := t.Command(command)
	for _, f := range c.Flags {
		if f.Absent == "" || len(f.Names[0]) == 1 {
			continue
		}
		twin := Twin(t.Program, f.Names[0])
		if slices.Contains(except, twin) {
			continue
		}
		if value, ok := lookup(twin); ok && value != "" {
			return absentFlag(fmt.Sprintf("--%s (set by %s)", f.Names[0], twin), f.Absent)
		}
	}
	return nil
}

func absentFlag(flag, needs string) error {
	return &Error{fmt.Sprintf("the flag %s needs %s, which this version does not have; leave it out", flag, needs)}
}

func (t Table) unknownCommand(name string) error {
	var names []string
	for _, c := range t.Commands {
		names = append(names, c.Name)
	}
	if near := nearest(name, names); near != "" {
		return &Error{fmt.Sprintf("command %q is unknown; is %q meant?", name, near)}
	}
	return &Error{fmt.Sprintf("command %q is unknown; see %s --help", name, t.Program)}
}

func (t Table) unknownFlag(c Command, word string) error {
	var names []string
	for _, f := range c.Flags {
		if f.Absent == "" {
			names = append(names, f.Names...)
		}
	}
	name := strings.TrimLeft(bare(word), "-")
	if near := nearest(name, names); near != "" {
		return &Error{fmt.Sprintf("%s has no flag %s; is %s meant?", c.Name, bare(word), dashed(near))}
	}
	return &Error{fmt.Sprintf("%s has no flag %s; see %s %s --help, and write -- before an argument that begins with a dash", c.Name, bare(word), t.Program, c.Name)}
}

// dashed writes a flag as people do: -p, --prompt.
func dashed(name string) string {
	if len(name) == 1 {
		return "-" + name
	}
	return "--" + name
}

// bare is a flag's word without its value.
func bare(word string) string {
	name, _, _ := strings.Cut(word, "=")
	return name
}

func isFlag(word string) bool { return len(word) > 1 && word[0] == '-' }

func isHelp(word string) bool { return word == "--help" || word == "-help" || word == "-h" }

func isVersion(word string) bool { return word == "--version" || word == "-version" || word == "-v" }
