package main

import (
	"fmt"
	"io"
	"strings"

	"github.com/urfave/cli/v2"
)

// asTemplate protects a text from the template engine that prints it.
func asTemplate(text string) string { return strings.ReplaceAll(text, "{{", `{{"{{"}}`) }

// appHelp is what qwenvk --help prints.
func appHelp(app *cli.App) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s - %s\n\nUsage:\n  qwenvk COMMAND [arguments and flags in any order]\n\nCommands:\n", app.Name, app.Usage)
	for _, c := range app.Commands {
		fmt.Fprintf(&b, "  %-12s %s\n", c.Name, c.Usage)
	}
	b.WriteString(`
Examples:
  qwenvk run demo -p "What is 17 + 25?"
  qwenvk run Qwen3-0.6B-Q8_0.gguf
  qwenvk run --help

Every flag --some-flag has a twin QWENVK_SOME_FLAG in the environment; the flag wins.
`)
	return b.String()
}

// examples are a command's examples, each a line to copy.
func examples(command string) []string {
	return map[string][]string{
		"run": {
			`qwenvk run demo -p "What is 17 + 25?"`,
			`qwenvk run Qwen3-0.6B-Q8_0.gguf`,
			`git diff | qwenvk run ./Qwen3-4B --system "Describe this change in one sentence." --think off`,
			`qwenvk run ./Qwen3-4B --mcp servers.json -p "Which files lie in my home?" --allow list_directory`,
		},
		"devices":    {`qwenvk devices`, `qwenvk devices --json`},
		"inspect":    {`qwenvk inspect Qwen3-0.6B-Q8_0.gguf --ctx 4096`, `qwenvk inspect demo --graph dot | dot -Tsvg > demo.svg`},
		"tokenize":   {`echo "Hello, world" | qwenvk tokenize demo`, `qwenvk tokenize ./Qwen3-4B --jsonl < texts.jsonl > ids.jsonl`},
		"detokenize": {`echo "40,301,12" | qwenvk detokenize demo`},
		"template":   {`qwenvk template demo --messages messages.json --think off`},
		"logits":     {`qwenvk logits demo --ids 40,301,12 --all -o logits.safetensors`},
		"quantize":   {`qwenvk quantize ./Qwen3-4B Qwen3-4B-Q4_K_M.gguf --type Q4_K_M`, `qwenvk quantize demo demo-F16.gguf --type F16 --json`},
		"perplexity": {`qwenvk perplexity demo -f text.txt --window 512`},
		"eval":       {`qwenvk eval Qwen3-0.6B-Q8_0.gguf mmlu.jsonl --shots-file mmlu-dev.jsonl --shots 5`, `qwenvk eval ./Qwen3-4B gsm8k.jsonl --think off -o answers.jsonl`},
		"embed":      {`qwenvk embed Qwen/Qwen3-Embedding-0.6B --instruct "Find the page that answers the question" "Why is the sky blue?"`, `qwenvk embed Qwen/Qwen3-Embedding-0.6B -f pages.txt --dim 256 --format raw -o pages.f32`},
		"rerank":     {`qwenvk rerank Qwen/Qwen3-Reranker-0.6B --query "Why is the sky blue?" -f pages.txt --best 5`},
		"doctor":     {`qwenvk doctor`, `qwenvk doctor Qwen3-8B-Q4_K_M.gguf --json > doctor.json`, `qwenvk doctor --device radeon --forget`},
		"bench":      {`qwenvk bench demo -p 64,256 -n 32 -d 0,128`, `qwenvk bench --random 8b --type Q4_K_M -p 512 -n 128`, `qwenvk bench Qwen3-0.6B-Q8_0.gguf -o json > bench.json`, `qwenvk bench compare before.json after.json`},
		"pull":       {`qwenvk pull Qwen/Qwen3-0.6B`, `qwenvk pull Qwen/Qwen3-8B-GGUF:Q4_K_M`},
		"version":    {`qwenvk version`},
		"completion": {`source <(qwenvk completion bash)`, `qwenvk completion fish > ~/.config/fish/completions/qwenvk.fish`},
	}[command]
}

// commandHelp is what qwenvk COMMAND --help prints.
func commandHelp(c *cli.Command) string {
	var b strings.Builder
	fmt.Fprintf(&b, "qwenvk %s - %s\n\nUsage:\n  qwenvk %s\n", c.Name, c.Usage, c.Name+strings.TrimRight(" "+c.ArgsUsage, " ")+" [flags]")
	if c.Description != "" {
		fmt.Fprintf(&b, "\n%s\n", c.Description)
	}
	b.WriteString("\nExamples:\n")
	for _, example := range examples(c.Name) {
		fmt.Fprintf(&b, "  %s\n", example)
	}
	for _, category := range []string{promptFlags, toolsFlags, sampleFlags, outputFlags, deviceFlags, otherFlags} {
		writeFlags(&b, c, category)
	}
	return b.String()
}

// writeFlags lists the flags under one heading.
func writeFlags(w io.Writer, c *cli.Command, category string) {
	heading := false
	for _, f := range c.Flags {
		d, ok := f.(cli.DocGenerationFlag)
		in, inOK := f.(cli.CategorizableFlag)
		if !ok || !inOK || in.GetCategory() != category {
			continue
		}
		if !heading {
			_, _ = fmt.Fprintf(w, "\n%s:\n", category)
			heading = true
		}
		value, usage := placeholder(d.GetUsage())
		if d.TakesValue() {
			value = " " + value
		}
		_, _ = fmt.Fprintf(w, "  %-30s %s\n", flagNames(f.Names())+value, usage)
	}
}

// flagNames writes "-p, --prompt".
func flagNames(names []string) string {
	long := "    --" + names[0]
	for _, name := range names[1:] {
		if len(name) == 1 {
			long = "-" + name + ", --" + names[0]
		}
	}
	return long
}

// placeholder takes the value's name, which stands in backquotes, out of a flag's usage.
func placeholder(usage string) (value, clean string) {
	before, rest, ok := strings.Cut(usage, "`")
	if !ok {
		return "", usage
	}
	value, after, _ := strings.Cut(rest, "`")
	clean = before + value + after
	if !strings.ContainsAny(value, "/.") { // words to choose from stay as they are typed
		value = strings.ToUpper(value)
	}
	return value, clean
}
