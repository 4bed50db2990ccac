package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/bench"
	"github.com/qwenvk/qwenvk/convert"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/loader"
)

func (p *program) benchCommand() *cli.Command {
	return &cli.Command{
		Name: "bench", ArgsUsage: "[MODEL] | compare A.json B.json …", Usage: "measure the speed of reading prompts and writing answers",
		Description: "Lengths may be lists: -p 64,512 -d 0,4096. A test is run once to warm up and then -r times; the table has the\n" +
			"columns of llama-bench and the share of the device's copying bandwidth. Without a MODEL the demo model is measured.\n" +
			"bench compare lays files of -o json side by side: medians, ratios, and what differs between the machines.",
		Flags: slices.Concat([]cli.Flag{
			text(promptFlags, "n-prompt,p", "`tokens` of the prompts to read; 0 for none (default 512)"),
			text(promptFlags, "n-gen,n", "`tokens` of the answers to write; 0 for none (default 128)"),
			text(promptFlags, "n-depth,d", "`tokens` in the cache beforehand (default 0)"),
			text(promptFlags, "batch,b", "`sequences` that write their answers at a time, 1 to 32 (default 1)"),
			number(promptFlags, "reps,r", "timed `runs` of each test (default 5)"),
			onOff(deviceFlags, "retune", "measure again which kernels are the fastest on the device, and keep it for all commands"),
			text(deviceFlags, "random", "instead of a MODEL: random weights in the `shape` of a published one, made on the device: 0.6b, 1.7b, 4b, 8b, 14b, 32b, 30b-a3b, 235b-a22b, bench-s, bench-moe"),
			text(deviceFlags, "type", "with --random: `TYPE` of the weights, as in qwenvk quantize, or any other type of GGUF files (default Q4_0)"),
			onOff(promptFlags, "kernels", "time each kernel by itself too, and the forms that it could have, at the model's own shapes"),
			onOff(promptFlags, "profile", "time every dispatch of the tests; they are a little slower for it"),
			text(outputFlags, "output-format,o", "`md/json/csv/html`: a table, a document for programs, one for spreadsheets, a report with plots (default md)"),
		}, computeFlags()),
		Action: p.bench,
	}
}

func (p *program) bench(c *cli.Context) error {
	if c.Args().First() == "compare" {
		return p.benchCompare(c)
	}
	o, err := benchOptions(c)
	if err != nil {
		return err
	}
	open, err := randomModel(c)
	if err != nil {
		return err
	}
	name := demo.Name
	if open != nil {
		name = c.String("random")
	} else if c.Args().Present() {
		name = c.Args().First()
	} else {
		p.note("no MODEL is named: %q, the small model inside this program, is measured", demo.Name)
	}
	adjust := func(l *qwenvk.LoadOptions) {
		l.WeightsOnly, l.Sessions = true, o.Sessions()
		if l.Context == 0 {
			l.Context = o.Context()
		}
	}
	return p.withLoaded(c, name, open, adjust, func(ctx context.Context, m *loaded) error {
		o.Progress = func(r bench.Row) { p.note("%s: %.2f ± %.2f t/s", r.Test, r.TPSMean, r.TPSStd) }
		// Without them the table only lacks a column.
		limits, err := m.runtime.MeasureLimits(ctx)
		if err != nil && ctx.Err() == nil {
			p.note("the device's limits are not known: %v", err)
		}
		if o.Limits = limits; limits != (qwenvk.Limits{}) {
			p.note("%s %s", m.runtime.Device().Name, bench.LimitsOf(limits))
		}
		rows, err := bench.Run(ctx, m.runtime, m.Model, o)
		if err != nil {
			return err
		}
		for _, r := range rows {
			if note := bench.DriftNote(r); note != "" {
				p.note("%s", note)
			}
		}
		return p.printRows(c.String("output-format"), rows)
	})
}

// printRows writes rows in the form that was asked for.
func (p *program) printRows(format string, rows []bench.Row) (err error) {
	var text string
	switch format {
	case "json":
		return writeJSON(p.out, orEmpty(rows))
	case "csv":
		if text, err = bench.CSV(rows); err != nil {
			return err
		}
	case "html":
		text = bench.HTML([]bench.File{{Name: "bench", Rows: rows}})
	default:
		text = bench.Markdown(rows)
	}
	_, err = io.WriteString(p.out, text)
	return err
}

// benchCompare lays files of bench -o json side by side; it needs no device.
func (p *program) benchCompare(c *cli.Context) error {
	for _, flag := range c.Command.Flags {
		name := flag.Names()[0]
		if given := c.IsSet(name) && os.Getenv(twin(name)) == ""; given && name != "output-format" && name != "log-level" {
			return usageError("bench compare reads files and measures nothing: leave --%s out", name)
		}
	}
	if err := oneOf(c, "output-format", "md", "json", "html"); err != nil {
		return err
	}
	paths := c.Args().Tail()
	if len(paths) < 2 {
		return usageError("bench compare takes two files of bench -o json, or more: bench compare A.json B.json")
	}
	var files []bench.File
	for _, path := range paths {
		f, err := bench.ReadFile(path)
		if err != nil {
			return err
		}
		files = append(files, f)
	}
	if c.String("output-format") == "html" {
		_, err := io.WriteString(p.out, bench.HTML(files))
		return err
	}
	compared, err := bench.Compare(files)
	if err != nil {
		return err
	}
	if c.String("output-format") == "json" {
		return writeJSON(p.out, compared)
	}
	_, err = io.WriteString(p.out, compared.Markdown())
	return err
}

// randomModel reads --random and --type; nil: neither is given.
func randomModel(c *cli.Context) (opener, error) {
	checkpoint, err := randomCheckpoint(c)
	if checkpoint == nil || err != nil {
		return nil, err
	}
	return func(ctx context.Context, rt *qwenvk.Runtime, o qwenvk.LoadOptions) (*qwenvk.Model, error) {
		return rt.LoadCheckpoint(ctx, checkpoint, o)
	}, nil
}

// randomCheckpoint is the checkpoint that --random and --type ask for; nil: neither is given.
func randomCheckpoint(c *cli.Context) (*loader.Checkpoint, error) {
	shape := c.String("random")
	switch {
	case shape == "" && c.String("type") != "":
		return nil, usageError("--type says what random weights are stored as; add --random 8b, or another shape")
	case shape == "":
		return nil, nil
	case c.Args().Present():
		return nil, usageError("--random %s and the model %q cannot both be measured: leave one out", shape, c.Args().First())
	}
	name := c.String("type")
	if name == "" {
		name = "Q4_0"
	}
	preset, err := convert.ParseType(name)
	if err != nil {
		return nil, usageError("--type %s: %v", name, err)
	}
	checkpoint, err := loader.Random(shape, preset.TypeOf)
	if err != nil {
		return nil, usageError("--random %v", err)
	}
	return checkpoint, nil
}

func benchOptions(c *cli.Context) (bench.Options, error) {
	o := bench.Options{Reps: 5, Version: version(), Kernels: c.Bool("kernels"), Profile: c.Bool("profile")}
	err := firstError(arguments(c, 0, 1), oneOf(c, "output-format", "md", "json", "csv", "html"), between(c, "reps", 1, maxInt))
	if err != nil {
		return o, err
	}
	if c.IsSet("reps") {
		o.Reps = c.Int("reps")
	}
	if o.Batch, err = lengths(c, "batch", 1); err != nil {
		return o, err
	}
	if slices.Min(o.Batch) < 1 || slices.Max(o.Batch) > maxBatch {
		return o, usageError("--batch must be from 1 to %d, not %s", maxBatch, c.String("batch"))
	}
	var errs [3]error
	o.Prompt, errs[0] = lengths(c, "n-prompt", 512)
	o.Gen, errs[1] = lengths(c, "n-gen", 128)
	o.Depth, errs[2] = lengths(c, "n-depth", 0)
	if err := errors.Join(errs[:]...); err != nil {
		return o, err
	}
	if slices.Max(o.Prompt) == 0 && slices.Max(o.Gen) == 0 {
		return o, usageError("-p 0 -n 0 leaves nothing to measure")
	}
	return o, nil
}

// maxBatch is how many sequences a bench measures at a time.
const maxBatch = 32

// lengths reads a list of whole numbers.
func lengths(c *cli.Context, flag string, otherwise int) ([]int, error) {
	if c.String(flag) == "" {
		return []int{otherwise}, nil
	}
	var list []int
	for _, word := range strings.Split(c.String(flag), ",") {
		n, err := strconv.Atoi(strings.TrimSpace(word))
		if err != nil || n < 0 || n > 1<<24 {
			return nil, usageError("--%s takes whole numbers separated by commas, not %s", flag, fmt.Sprintf("%q", c.String(flag)))
		}
		list = append(list, n)
	}
	return list, nil
}
