package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

func (p *program) completionCommand() *cli.Command {
	return &cli.Command{
		Name: "completion", ArgsUsage: "bash|zsh|fish", Usage: "print a script that completes commands and flags in a shell",
		Flags: logFlags(),
		Action: func(c *cli.Context) error {
			if err := arguments(c, 1, 1); err != nil {
				return err
			}
			write, ok := map[string]func(io.Writer, []*cli.Command) error{
				"bash": bashCompletion, "zsh": zshCompletion, "fish": fishCompletion,
			}[c.Args().First()]
			if !ok {
				return usageError("there is no completion for %q: use bash, zsh or fish", c.Args().First())
			}
			return write(p.out, c.App.Commands)
		},
	}
}

// longFlags are a command's flags as they are typed.
func longFlags(c *cli.Command) []string {
	names := []string{"--help"}
	for _, f := range c.Flags {
		if f.Names()[0] != "help" {
			names = append(names, "--"+f.Names()[0])
		}
	}
	return names
}

// choices are the words that a flag's value may be, none where it may be anything: they stand in its usage as `a/b/c`.
func choices(f cli.Flag) []string {
	d, ok := f.(cli.DocGenerationFlag)
	if !ok || !d.TakesValue() {
		return nil
	}
	value, _ := placeholder(d.GetUsage())
	if !strings.Contains(value, "/") {
		return nil
	}
	return strings.Split(value, "/")
}

// argumentWords are arguments that are words: the built-in model, the shells.
func argumentWords(c *cli.Command) []string {
	switch {
	case strings.Contains(c.ArgsUsage, "MODEL"):
		return []string{"demo"}
	case strings.Contains(c.ArgsUsage, "|"):
		return strings.Split(c.ArgsUsage, "|")
	}
	return nil
}

func commandNames(commands []*cli.Command, separator string) string {
	var names []string
	for _, c := range commands {
		names = append(names, c.Name)
	}
	return strings.Join(names, separator)
}

func bashCompletion(w io.Writer, commands []*cli.Command) error {
	var b strings.Builder
	fmt.Fprintf(&b, `# bash completion of qwenvk
_qwenvk() {
	local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]} command= words= i
	for ((i = 1; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		%s) command=${COMP_WORDS[i]}; break ;;
		esac
	done
	if [ -z "$command" ]; then
		COMPREPLY=($(compgen -W "%s --help --version" -- "$word"))
		return
	fi
	case $command$before in
`, commandNames(commands, "|"), commandNames(commands, " "))
	for _, c := range commands {
		for _, f := range c.Flags {
			if words := choices(f); words != nil {
				fmt.Fprintf(&b, "\t%s--%s) words=\"%s\" ;;\n", c.Name, f.Names()[0], strings.Join(words, " "))
			}
		}
	}
	b.WriteString("\tesac\n\t[ -n \"$words\" ] || case $command in\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "\t%s) words=\"%s\" ;;\n", c.Name, strings.Join(append(longFlags(c), argumentWords(c)...), " "))
	}
	b.WriteString("\tesac\n\tCOMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n}\ncomplete -o default -F _qwenvk qwenvk\n")
	_, err := io.WriteString(w, b.String())
	return err
}

func zshCompletion(w io.Writer, commands []*cli.Command) error {
	var b strings.Builder
	b.WriteString("#compdef qwenvk\n# zsh completion of qwenvk\n_qwenvk() {\n\tlocal -a commands\n\tcommands=(\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "\t\t'%s:%s'\n", c.Name, zshText(c.Usage))
	}
	b.WriteString("\t)\n\tif ((CURRENT == 2)); then\n\t\t_describe command commands\n\t\treturn\n\tfi\n" +
		"\tlocal command=$words[2]\n\tshift words\n\t((CURRENT--))\n\tcase $command in\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "\t%s)\n\t\t_arguments -S \\\n", c.Name)
		for _, f := range c.Flags {
			fmt.Fprintf(&b, "\t\t\t%s \\\n", zshFlag(f))
		}
		b.WriteString("\t\t\t'--help[show help]'")
		if words := argumentWords(c); words != nil {
			fmt.Fprintf(&b, " \\\n\t\t\t'*:argument:{ compadd %s; _files }'", strings.Join(words, " "))
		}
		b.WriteString("\n\t\t;;\n")
	}
	b.WriteString("\tesac\n}\nif [ \"$funcstack[1]\" = _qwenvk ]; then\n\t_qwenvk \"$@\"\nelse\n\tcompdef _qwenvk qwenvk\nfi\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// zshFlag writes a flag as zsh's _arguments wants it.
func zshFlag(f cli.Flag) string {
	name := "--" + f.Names()[0]
	d, ok := f.(cli.DocGenerationFlag)
	if !ok {
		return "'" + name + "'"
	}
	value, usage := placeholder(d.GetUsage())
	switch words := choices(f); {
	case !d.TakesValue():
		return fmt.Sprintf("'%s[%s]'", name, zshText(usage))
	case words != nil:
		return fmt.Sprintf("'%s=[%s]:%s:(%s)'", name, zshText(usage), f.Names()[0], strings.Join(words, " "))
	case value == "FILE":
		return fmt.Sprintf("'%s=[%s]:file:_files'", name, zshText(usage))
	}
	return fmt.Sprintf("'%s=[%s]:%s:'", name, zshText(usage), zshText(value))
}

// zshText protects a description from zsh: quotes, brackets and colons have a meaning there.
func zshText(s string) string {
	return strings.NewReplacer("'", `'\''`, "[", "(", "]", ")", ":", " -", "`", "").Replace(s)
}

func fishCompletion(w io.Writer, commands []*cli.Command) error {
	var b strings.Builder
	b.WriteString("# fish completion of qwenvk\n")
	for _, c := range commands {
		fmt.Fprintf(&b, "complete -c qwenvk -f -n 'not __fish_seen_subcommand_from %s' -a %s -d '%s'\n",
			commandNames(commands, " "), c.Name, fishText(c.Usage))
	}
	for _, c := range commands {
		when := fmt.Sprintf("complete -c qwenvk -n '__fish_seen_subcommand_from %s'", c.Name)
		for _, f := range c.Flags {
			d, ok := f.(cli.DocGenerationFlag)
			if !ok {
				continue
			}
			_, usage := placeholder(d.GetUsage())
			line := fmt.Sprintf("%s -l %s -d '%s'", when, f.Names()[0], fishText(usage))
			for _, name := range f.Names()[1:] {
				line += " -s " + name
			}
			if words := choices(f); words != nil {
				line += fmt.Sprintf(" -x -a '%s'", strings.Join(words, " "))
			} else if d.TakesValue() {
				line += " -r"
			}
			b.WriteString(line + "\n")
		}
		if words := argumentWords(c); words != nil {
			fmt.Fprintf(&b, "%s -a '%s'\n", when, strings.Join(words, " "))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func fishText(s string) string { return strings.NewReplacer(`\`, `\\`, "'", `\'`).Replace(s) }
