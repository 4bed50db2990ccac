package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// The commands that need no device: tokenize, detokenize, template.

func (p *program) tokenizeCommand() *cli.Command {
	return &cli.Command{
		Name: "tokenize", ArgsUsage: "MODEL", Usage: "turn text on stdin into token ids",
		Description: "Writes the ids of the whole input in one line, separated by commas. MODEL may be a folder that\n" +
			"holds nothing but the tokenizer's files.",
		Flags: append([]cli.Flag{
			onOff(outputFlags, "jsonl", "one JSON string a line in, one JSON array of ids a line out"),
			onOff(promptFlags, "no-special", "take special tokens in the text, such as <|im_end|>, for plain text"),
		}, logFlags()...),
		Action: p.tokenize,
	}
}

func (p *program) tokenize(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	tok, err := readTokenizer(c.Args().First())
	if err != nil {
		return err
	}
	o := tokenizer.EncodeOptions{Plain: c.Bool("no-special")}
	if c.Bool("jsonl") {
		return p.eachLine(func(line []byte, out *bufio.Writer) error {
			var text string
			if err := json.Unmarshal(line, &text); err != nil {
				return fmt.Errorf("no JSON string: %w", err)
			}
			ids, err := tok.Encode(text, o)
			if err != nil {
				return err
			}
			return writeJSONLine(out, orEmpty(ids))
		})
	}
	text, err := io.ReadAll(p.in)
	if err != nil {
		return err
	}
	ids, err := tok.Encode(string(text), o)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.out, joinIDs(ids))
	return err
}

func (p *program) detokenizeCommand() *cli.Command {
	return &cli.Command{
		Name: "detokenize", ArgsUsage: "MODEL", Usage: "turn token ids on stdin into text",
		Description: "Reads ids separated by commas or white space and writes exactly their text, with no newline added.",
		Flags: append([]cli.Flag{
			onOff(outputFlags, "jsonl", "one JSON array of ids a line in, one JSON string a line out"),
			onOff(outputFlags, "no-special", "leave special tokens, such as <|im_end|>, out of the text"),
		}, logFlags()...),
		Action: p.detokenize,
	}
}

func (p *program) detokenize(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	tok, err := readTokenizer(c.Args().First())
	if err != nil {
		return err
	}
	o := tokenizer.DecodeOptions{SkipSpecial: c.Bool("no-special")}
	if c.Bool("jsonl") {
		return p.eachLine(func(line []byte, out *bufio.Writer) error {
			var ids []int32
			if err := json.Unmarshal(line, &ids); err != nil {
				return fmt.Errorf("no JSON array of ids: %w", err)
			}
			text, err := tok.Decode(ids, o)
			if err != nil {
				return err
			}
			return writeJSONLine(out, text)
		})
	}
	input, err := io.ReadAll(p.in)
	if err != nil {
		return err
	}
	ids, err := parseIDs(string(input))
	if err != nil {
		return err
	}
	text, err := tok.Decode(ids, o)
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.out, text)
	return err
}

// eachLine calls do with every line of stdin that is not empty. An error names the line.
func (p *program) eachLine(do func(line []byte, out *bufio.Writer) error) error {
	in, out := bufio.NewReaderSize(p.in, 1<<20), bufio.NewWriter(p.out)
	for n := 1; ; n++ {
		line, err := in.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		ended := err != nil
		if line = bytes.TrimSpace(line); len(line) > 0 {
			if err := do(line, out); err != nil {
				return errors.Join(fmt.Errorf("line %d of stdin: %w", n, err), out.Flush())
			}
		}
		if ended {
			return out.Flush()
		}
	}
}

// writeJSONLine writes a value as one line, letters as they are.
func writeJSONLine(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(value)
}

// orEmpty makes an empty array of nothing, which JSON would call null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

func joinIDs(ids []int32) string {
	var b []byte
	for i, id := range ids {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendInt(b, int64(id), 10)
	}
	return string(b)
}

func (p *program) templateCommand() *cli.Command {
	return &cli.Command{
		Name: "template", ArgsUsage: "MODEL", Usage: "print the prompt that messages become",
		Description: "Writes exactly the rendered prompt, with no newline added.",
		Flags: append([]cli.Flag{
			text(promptFlags, "messages", "`file` with a JSON array of messages in OpenAI's form; - is stdin"),
			text(promptFlags, "tools", "`file` with a JSON array of tools"),
			text(promptFlags, "think", "whether the model shall think: `auto/on/off`; auto leaves it to the template"),
			text(promptFlags, "template", "`file` with a Jinja template to use instead of the model's own"),
			onOff(promptFlags, "no-generation-prompt", "do not begin the assistant's turn at the end"),
		}, logFlags()...),
		Action: p.template,
	}
}

func (p *program) template(c *cli.Context) error {
	if err := arguments(c, 1, 1); err != nil {
		return err
	}
	if c.String("messages") == "" {
		return usageError("template needs --messages FILE; see qwenvk template --help")
	}
	think, err := thinkFlag(c)
	if err != nil {
		return err
	}
	t, err := p.readTemplate(c.Args().First(), c.String("template"))
	if err != nil {
		return err
	}
	o := chat.RenderOptions{AddGenerationPrompt: !c.Bool("no-generation-prompt"), Think: think}
	if o.Messages, err = p.readMessages(c.String("messages")); err != nil {
		return err
	}
	if o.Tools, err = p.readTools(c.String("tools")); err != nil {
		return err
	}
	text, err := t.Render(c.Context, o)
	if err != nil {
		return err
	}
	_, err = io.WriteString(p.out, text)
	return err
}

func thinkFlag(c *cli.Context) (chat.Think, error) {
	if err := oneOf(c, "think", "auto", "on", "off"); err != nil {
		return chat.ThinkAuto, err
	}
	return chat.ParseThink(c.String("think"))
}

// readFile reads a file, or stdin for "-". The file must be text in UTF-8.
func (p *program) readFile(name string) (content []byte, err error) {
	called := name
	if name == "-" {
		called = "stdin"
		content, err = io.ReadAll(p.in)
	} else {
		content, err = os.ReadFile(name)
	}
	if err != nil {
		return nil, fmt.Errorf("%s cannot be read: %w", called, bareCause(err))
	}
	if err := validText(called, string(content)); err != nil {
		return nil, err
	}
	return content, nil
}

func (p *program) readMessages(file string) ([]chat.Message, error) {
	document, err := p.readFile(file)
	if err != nil {
		return nil, err
	}
	messages, err := chat.ParseMessages(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return messages, nil
}

func (p *program) readTools(file string) (chat.Tools, error) {
	if file == "" {
		return nil, nil
	}
	document, err := p.readFile(file)
	if err != nil {
		return nil, err
	}
	tools, err := chat.ParseTools(document)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return tools, nil
}
