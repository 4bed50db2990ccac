package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
)

func (p *program) embedCommand() *cli.Command {
	return &cli.Command{
		Name: "embed", ArgsUsage: "MODEL [TEXT…]", Usage: "turn texts into vectors",
		Description: "A text becomes the hidden state of its last token, of length 1: the cosine of two texts is the scalar product of\n" +
			"their vectors. Texts are arguments, or the lines of -f FILE or of stdin; empty lines are left out. Queries for an\n" +
			"embedding model go with --instruct, the texts to be found without.",
		Flags: slices.Concat(textsFlags(), []cli.Flag{
			text(promptFlags, "instruct", "the `task` that the texts are queries of, in one sentence"),
			number(outputFlags, "dim", "keep the first `values` of each vector, normed again (default: all)"),
			text(outputFlags, "format", "form of the vectors: `text/json/raw` (default text: one a line; raw: float32, little-endian)"),
			text(outputFlags, "output,o", "`file` to write (default: stdout)"),
		}, computeFlags()),
		Action: p.embed,
	}
}

// textsFlags say where the texts of a command come from.
func textsFlags() []cli.Flag {
	return []cli.Flag{
		text(promptFlags, "file,f", "`file` with a text a line; - is stdin"),
		onOff(promptFlags, "jsonl", "each line is a JSON string, which may hold newlines"),
		onOff(promptFlags, "truncate", "cut what the context cannot hold at its end, instead of refusing it"),
	}
}

func (p *program) embed(c *cli.Context) error {
	if err := firstError(arguments(c, 1, maxInt), between(c, "dim", 1, maxInt), oneOf(c, "format", "text", "json", "raw")); err != nil {
		return err
	}
	if c.String("format") == "raw" && c.String("output") == "" && p.tty.out {
		return usageError("--format raw writes bytes that no terminal shows; name a file with -o FILE, or pipe them on")
	}
	if _, err := locate(c.Args().First()); err != nil {
		return err
	}
	texts, err := p.texts(c, "TEXT")
	if err != nil {
		return err
	}
	o := qwenvk.EmbedOptions{Instruct: c.String("instruct"), Dim: c.Int("dim"), Truncate: c.Bool("truncate"), Progress: p.everyTenSeconds("text")}
	return p.withModel(c, c.Args().First(), nil, func(ctx context.Context, m *loaded) error {
		if hidden := m.Info().Hidden; o.Dim > hidden {
			return usageError("--dim must be from 1 to %d, the width of %s, not %d", hidden, m.name, o.Dim)
		}
		if m.Info().Pooling == "" {
			p.note("%s was not made for embeddings: its vectors are those of its last token, and tell texts apart less well", m.name)
		}
		vectors, err := m.Embed(ctx, texts, o)
		if err != nil {
			return roomAdvice(err)
		}
		write := func(w io.Writer) error { return writeVectors(w, c.String("format"), m, vectors) }
		if out := c.String("output"); out != "" {
			return p.writeFile(out, write)
		}
		return buffered(p.out, write)
	})
}

// embeddingDocument is what embed --format json prints.
type embeddingDocument struct {
	Model      string      `json:"model"`
	Device     string      `json:"device"`
	Dim        int         `json:"dim"`
	Embeddings [][]float32 `json:"embeddings"`
}

func writeVectors(w io.Writer, format string, m *loaded, vectors [][]float32) error {
	if format == "json" {
		return writeJSONLine(w, embeddingDocument{m.name, m.runtime.Device().Name, len(vectors[0]), vectors})
	}
	var b []byte
	for _, vector := range vectors {
		b = b[:0]
		for i, v := range vector {
			if format == "raw" {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
				continue
			}
			if i > 0 {
				b = append(b, ' ')
			}
			b = strconv.AppendFloat(b, float64(v), 'g', -1, 32)
		}
		if format != "raw" {
			b = append(b, '\n')
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	return nil
}

// roomAdvice says what to do about a text that is too long.
func roomAdvice(err error) error {
	if errors.Is(err, qwenvk.ErrContextFull) {
		return fmt.Errorf("%w; give --ctx a larger context, or --truncate", err)
	}
	return err
}

// texts reads a command's texts: the arguments behind MODEL, or the lines of a file or of stdin; kind is what the command's
// usage calls one.
func (p *program) texts(c *cli.Context, kind string) ([]string, error) {
	file, list := c.String("file"), c.Args().Tail()
	switch {
	case len(list) > 0 && (file != "" || c.Bool("jsonl")):
		return nil, usageError("each %s is given twice, by the arguments and as lines: leave out one of them", kind)
	case len(list) > 0:
		for i, text := range list {
			if err := validText(fmt.Sprintf("%s %d", kind, i+1), text); err != nil {
				return nil, err
			}
		}
		return list, nil
	case file == "" && p.tty.in:
		return nil, noTexts(c, kind)
	case file == "":
		file = "-"
	}
	content, err := p.readFile(file)
	if err != nil {
		return nil, err
	}
	called := file
	if file == "-" {
		called = "stdin"
	}
	for n, line := range bytes.Split(content, []byte("\n")) {
		text := strings.TrimSuffix(string(line), "\r")
		if strings.TrimSpace(text) == "" {
			continue
		}
		if c.Bool("jsonl") {
			var unquoted string
			if err := json.Unmarshal(line, &unquoted); err != nil {
				return nil, fmt.Errorf("line %d of %s: no JSON string: %w", n+1, called, err)
			}
			text = unquoted
		}
		list = append(list, text)
	}
	if len(list) == 0 {
		return nil, noTexts(c, kind)
	}
	return list, nil
}

func noTexts(c *cli.Context, kind string) error {
	return usageError("%s needs %s, -f FILE, or lines on stdin; see qwenvk %s --help", c.Command.Name, kind, c.Command.Name)
}
