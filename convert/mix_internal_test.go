package convert

import (
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
)

// TestMix holds the choice of types against what llama-quantize chose, which testdata/mix.json
// records: for each preset and kind of tensor the types of all layers, "Q6_K*3 Q4_K*2 ...".
func TestMix(t *testing.T) {
	data, err := os.ReadFile("testdata/mix.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Models []struct {
			Name    string
			Arch    string
			Layers  int
			Sharing int
			Experts int
			Tied    bool
			Cols    map[string]int
			Types   map[string]map[string]string
		}
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	tensors := 0
	for _, m := range file.Models {
		f := facts{arch: m.Arch, layers: m.Layers, sharing: m.Sharing, experts: m.Experts, tied: m.Tied}
		for name, kinds := range m.Types {
			p, err := ParsePreset(name)
			if err != nil {
				t.Fatal(err)
			}
			for kind, runs := range kinds {
				dims := 2
				if strings.Contains(kind, "_exps.") {
					dims = 3
				}
				for layer, want := range expand(t, runs) {
					tensor := kind
					if kind != "output.weight" && kind != "token_embd.weight" {
						tensor = fmt.Sprintf("blk.%d.%s", layer, kind)
					}
					tensors++
					if got := p.typeOf(tensor, dims, m.Cols[kind], f).String(); got != want {
						t.Errorf("%s, %s: %s is %s, want %s", m.Name, name, tensor, got, want)
					}
				}
			}
		}
	}
	if tensors < 10_000 {
		t.Errorf("only %d types were compared", tensors)
	}
}

// expand writes runs out, one type for each layer.
func expand(t *testing.T, runs string) (types []string) {
	t.Helper()
	for word := range strings.FieldsSeq(runs) {
		name, times, many := strings.Cut(word, "*")
		n := 1
		if many {
			var err error
			if n, err = strconv.Atoi(times); err != nil {
				t.Fatal(err)
			}
		}
		for range n {
			types = append(types, name)
		}
	}
	return types
}

// Whatever the preset, what is small or decides about much stays F32.
func TestMixKeeps(t *testing.T) {
	f := facts{arch: "qwen2moe", layers: 4, sharing: 1, experts: 60, tied: true}
	for _, p := range Presets() {
		for name, dims := range map[string]int{
			"output_norm.weight": 1, "blk.0.attn_norm.weight": 1, "blk.0.attn_q_norm.weight": 1, "blk.0.attn_q.bias": 1,
			"blk.3.ffn_gate_inp.weight": 2, "blk.3.ffn_gate_inp_shexp.weight": 1,
		} {
			if got := p.typeOf(name, dims, 256, f); got.String() != "F32" {
				t.Errorf("%s: %s is %v", p.Name, name, got)
			}
		}
	}
}
