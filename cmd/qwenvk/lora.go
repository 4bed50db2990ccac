package main

import (
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"regexp"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/qwenvk/qwenvk"
)

func loraFlag() cli.Flag {
	return &cli.StringSliceFlag{
		Name: "lora", KeepSpace: true, Category: deviceFlags, EnvVars: env("lora"),
		Usage: "LoRA adapter, a folder or a GGUF file, as `PATH[:SCALE]` (scale 1 if none is given); may be repeated",
	}
}

// scaleAtEnd is a number behind the last colon. What else stands there, and colons before it, belong to the path.
var scaleAtEnd = regexp.MustCompile(`^(.+):([+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)$`)

// adapters reads the --lora flags.
func adapters(c *cli.Context) ([]qwenvk.AdapterFile, error) {
	var files []qwenvk.AdapterFile
	for _, value := range c.StringSlice("lora") {
		f := qwenvk.AdapterFile{Path: value, Scale: 1}
		if m := scaleAtEnd.FindStringSubmatch(value); m != nil {
			f.Path = m[1]
			f.Scale, _ = strconv.ParseFloat(m[2], 64) // the expression lets nothing else through; too large is infinite
		}
		if f.Path == "" {
			return nil, usageError("--lora needs the path of an adapter")
		}
		if math.Abs(f.Scale) > math.MaxFloat32 {
			return nil, usageError("--lora %s: the scale is too large", value)
		}
		files = append(files, f)
	}
	return files, nil
}

// checkAdapters refuses what is not there, before a device is opened and a model is read for it.
func checkAdapters(files []qwenvk.AdapterFile) error {
	for _, f := range files {
		_, err := os.Stat(f.Path)
		switch {
		case err == nil:
			continue
		case errors.Is(err, fs.ErrNotExist):
			err = fmt.Errorf("there is no adapter %q: --lora takes a folder with adapter_config.json and adapter_model.safetensors, or a GGUF adapter", f.Path)
		default:
			err = fmt.Errorf("the adapter %s cannot be opened: %w", f.Path, bareCause(err))
		}
		return &loadError{err}
	}
	return nil
}

// adapterInspection is what inspect --json prints of an adapter. Sizes are bytes.
type adapterInspection struct {
	Path        string   `json:"path"`
	Format      string   `json:"format"`
	Base        string   `json:"base"` // what the file calls the model that it was made for
	Scale       float64  `json:"scale"`
	MinRank     int      `json:"min_rank"`
	MaxRank     int      `json:"max_rank"`
	Params      int64    `json:"params"`
	FileBytes   int64    `json:"file_bytes"`
	DeviceBytes int64    `json:"device_bytes"`
	Weights     []string `json:"weights"` // that it changes
}

func adapterInspections(adapters []qwenvk.AdapterInfo) []adapterInspection {
	list := make([]adapterInspection, 0, len(adapters))
	for _, a := range adapters {
		list = append(list, adapterInspection{
			Path: a.Path, Format: a.Format, Base: a.Base, Scale: a.Scale, MinRank: a.MinRank, MaxRank: a.MaxRank,
			Params: a.Params, FileBytes: a.FileBytes, DeviceBytes: a.DeviceBytes, Weights: a.Weights,
		})
	}
	return list
}

// text describes the adapter in a line: "style (peft): rank 8 at scale 0.5, 1.2 M parameters, 4.8 MiB; changes …".
func (a adapterInspection) text() string {
	rank := fmt.Sprint(a.MinRank)
	if a.MaxRank != a.MinRank {
		rank += " to " + fmt.Sprint(a.MaxRank)
	}
	return fmt.Sprintf("%s (%s): rank %s at scale %g, %s parameters, %s in the file, %s on the device; changes %s",
		a.Path, a.Format, rank, a.Scale, count(a.Params), size(uint64(a.FileBytes)), size(uint64(a.DeviceBytes)), targets(a.Weights))
}

// targets names weights without their layers: "attn_q, attn_v in 28 layers".
func targets(weights []string) string {
	var kinds []string
	layers, seen := map[string]bool{}, map[string]bool{}
	for _, w := range weights {
		kind := strings.TrimSuffix(w, ".weight")
		if rest, ok := strings.CutPrefix(kind, "blk."); ok {
			layer, name, _ := strings.Cut(rest, ".")
			layers[layer], kind = true, name
		}
		if !seen[kind] {
			seen[kind] = true
			kinds = append(kinds, kind)
		}
	}
	text := strings.Join(kinds, ", ")
	switch len(layers) {
	case 0:
		return text
	case 1:
		return text + " in 1 layer"
	}
	return fmt.Sprintf("%s in %d layers", text, len(layers))
}
