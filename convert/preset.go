package convert

import (
	"fmt"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk/quant"
)

// Preset is a kind of file: the type of most tensors, and the number that general.file_type
// records (llama.cpp's enum llama_ftype).
type Preset struct {
	Name     string
	Main     quant.Type
	FileType uint32
}

// presets lists all, by falling size.
var presets = []Preset{
	{"F32", quant.F32, 0},
	{"F16", quant.F16, 1},
	{"BF16", quant.BF16, 32},
	{"Q8_0", quant.Q8_0, 7},
	{"Q6_K", quant.Q6_K, 18},
	{"Q5_1", quant.Q5_1, 9},
	{"Q5_K_M", quant.Q5_K, 17},
	{"Q5_K_S", quant.Q5_K, 16},
	{"Q5_0", quant.Q5_0, 8},
	{"Q4_1", quant.Q4_1, 3},
	{"Q4_K_M", quant.Q4_K, 15},
	{"Q4_K_S", quant.Q4_K, 14},
	{"Q4_0", quant.Q4_0, 2},
	{"Q3_K_L", quant.Q3_K, 13},
	{"Q3_K_M", quant.Q3_K, 12},
	{"Q3_K_S", quant.Q3_K, 11},
	{"Q2_K", quant.Q2_K, 10},
}

// Presets returns all presets, the largest files first.
func Presets() []Preset { return slices.Clone(presets) }

// ParsePreset finds a preset by its name, in upper or lower case. As with llama.cpp, Q3_K, Q4_K
// and Q5_K are short for the middle one.
func ParsePreset(name string) (Preset, error) {
	full := strings.ToUpper(name)
	if full == "Q3_K" || full == "Q4_K" || full == "Q5_K" {
		full += "_M"
	}
	var names []string
	for _, p := range presets {
		if p.Name == full {
			return p, nil
		}
		names = append(names, p.Name)
	}
	return Preset{}, fmt.Errorf("the type is one of %s, not %q", strings.Join(names, ", "), name)
}
