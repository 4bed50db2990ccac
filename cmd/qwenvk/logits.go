package main

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
)

func (p *program) logitsCommand() *cli.Command {
	return &cli.Command{
		Name: "logits", ArgsUsage: "MODEL", Usage: "write the logits behind token ids to a file",
		Description: "The file is safetensors with one float32 tensor \"logits\" of shape [1, vocabulary], or [tokens, vocabulary]\n" +
			"with --all. It is written whole or not at all.",
		Flags: slices.Concat([]cli.Flag{
			text(promptFlags, "ids", "token `ids` separated by commas"),
			onOff(outputFlags, "all", "the logits of every token, not only of the last one"),
			number(outputFlags, "chunk", "compute this many `tokens` at a time, at most (default: chosen for the device)"),
			text(outputFlags, "output,o", "`file` to write"),
		}, computeFlags()),
		Action: p.logits,
	}
}

func (p *program) logits(c *cli.Context) error {
	if err := firstError(arguments(c, 1, 1), between(c, "chunk", 1, maxInt)); err != nil {
		return err
	}
	if c.String("ids") == "" || c.String("output") == "" {
		return usageError("logits needs --ids and -o FILE; see qwenvk logits --help")
	}
	ids, err := parseIDs(c.String("ids"))
	if err != nil {
		return usageError("--ids: %v", err)
	}
	o := qwenvk.LogitsOptions{All: c.Bool("all"), Chunk: c.Int("chunk")}
	adjust := func(l *qwenvk.LoadOptions) { l.Chunk, l.WeightsOnly = o.Chunk, true }
	return p.withModel(c, c.Args().First(), adjust, func(ctx context.Context, m *loaded) (err error) {
		if vocab := m.Info().Vocab; slices.ContainsFunc(ids, func(id int32) bool { return int(id) >= vocab }) {
			return fmt.Errorf("--ids: the ids of %s go from 0 to %d", m.Info().Name, vocab-1)
		}
		s, err := m.NewSession()
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, s.Close()) }()
		rows := 1
		if o.All {
			rows = len(ids)
		}
		return p.writeFile(c.String("output"), func(w io.Writer) error {
			t := &tensorWriter{w: w, rows: rows}
			if err := s.Logits(ctx, ids, o, t.row); err != nil {
				return err
			}
			return t.check()
		})
	})
}

// tensorWriter writes a float32 matrix as safetensors, row by row.
// Format: https://github.com/huggingface/safetensors, "Format".
type tensorWriter struct {
	w       io.Writer
	rows    int
	written int
	bytes   []byte
}

func (t *tensorWriter) row(_ int, values []float32) error {
	if t.written == 0 {
		if err := t.header(len(values)); err != nil {
			return err
		}
	}
	t.written++
	t.bytes = t.bytes[:0]
	for _, v := range values {
		t.bytes = binary.LittleEndian.AppendUint32(t.bytes, math.Float32bits(v))
	}
	_, err := t.w.Write(t.bytes)
	return err
}

func (t *tensorWriter) header(cols int) error {
	type entry struct {
		Type    string   `json:"dtype"`
		Shape   [2]int   `json:"shape"`
		Offsets [2]int64 `json:"data_offsets"`
	}
	header, err := json.Marshal(map[string]entry{"logits": {"F32", [2]int{t.rows, cols}, [2]int64{0, 4 * int64(t.rows) * int64(cols)}}})
	if err != nil {
		return err
	}
	for len(header)%8 != 0 { // readers map the data: it must be aligned
		header = append(header, ' ')
	}
	_, err = t.w.Write(append(binary.LittleEndian.AppendUint64(nil, uint64(len(header))), header...))
	return err
}

// check reports rows that never came.
func (t *tensorWriter) check() error {
	if t.written != t.rows {
		return fmt.Errorf("%d of %d rows of logits were computed", t.written, t.rows)
	}
	return nil
}
