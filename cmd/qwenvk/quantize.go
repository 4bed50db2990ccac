package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/convert"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/loader"
)

func (p *program) quantizeCommand() *cli.Command {
	var names []string
	for _, preset := range convert.Presets() {
		names = append(names, preset.Name)
	}
	return &cli.Command{
		Name: "quantize", ArgsUsage: "MODEL OUT.gguf", Usage: "write a model as a GGUF file of another type",
		Description: "TYPE is one of " + strings.Join(names, ", ") + ",\n" +
			"the largest file first, each with the mix of tensors that llama.cpp gives it; llama.cpp reads the file too. No device is\n" +
			"needed. OUT appears when it is whole; a file of that name that was there before is replaced then.",
		Flags: slices.Concat([]cli.Flag{
			text(outputFlags, "type,t", "`TYPE` of the new file"),
			onOff(outputFlags, "json", "print a summary as one JSON document"),
			number(otherFlags, "threads", "`threads` that encode (default: all cores)"),
		}, logFlags()),
		Action: p.quantize,
	}
}

func (p *program) quantize(c *cli.Context) (err error) {
	if err := firstError(arguments(c, 2, 2), between(c, "threads", 1, maxInt)); err != nil {
		return err
	}
	if c.String("type") == "" {
		return usageError("quantize needs --type, such as --type Q4_K_M; see qwenvk quantize --help")
	}
	preset, err := convert.ParsePreset(c.String("type"))
	if err != nil {
		return usageError("--type: %v", err)
	}
	path, err := locate(c.Args().Get(0))
	if err != nil {
		return err
	}
	out := c.Args().Get(1)
	var model *loader.Checkpoint
	if path == demo.Name {
		model, err = loader.OpenGGUF(demo.Name, demo.GGUF())
	} else {
		model, err = loader.Open(path)
	}
	if err != nil {
		return &loadError{err}
	}
	defer func() { err = errors.Join(err, model.Close()) }()

	bar := p.newProgress("writing")
	r, err := convert.Run(c.Context, model, out, convert.Options{
		Preset: preset, Threads: c.Int("threads"),
		Begun:    p.noteConversion,
		Progress: func(done, total int64) { bar.set(qwenvk.Progress{What: out, Done: done, Total: total}) },
		Created:  p.exits.add,
	})
	bar.done()
	if err != nil {
		var bad *loader.Error
		if errors.As(err, &bad) {
			return &loadError{err}
		}
		return err
	}
	p.note("%s is written: %s, %.2f bits a weight, in %.1f s", r.Path, size(uint64(r.Bytes)), r.BitsPerWeight, r.Seconds)
	if c.Bool("json") {
		return writeJSON(p.out, r)
	}
	return nil
}

// noteConversion says what is about to be written.
func (p *program) noteConversion(r convert.Result) {
	var types []string
	for _, t := range slices.Sorted(maps.Keys(r.Tensors)) {
		types = append(types, fmt.Sprintf("%d × %s", r.Tensors[t], t))
	}
	p.note("%s parameters, %s, become %s of %s: %s, %.2f bits a weight", count(r.Params), size(uint64(r.SourceBytes)), size(uint64(r.Bytes)),
		r.Type, strings.Join(types, ", "), r.BitsPerWeight)
	for _, text := range r.Notes {
		p.warn("%s", text)
	}
}
