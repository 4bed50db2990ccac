package convert

import (
	"regexp"
	"strconv"
	"strings"

	"github.com/qwenvk/qwenvk/quant"
)

// facts are what the choice of types depends on beside a tensor's name.
type facts struct {
	arch    string
	layers  int
	sharing int // query heads per key-value head
	experts int // of a layer; 0 for a dense model
	tied    bool
}

// Kinds of tensors that presets tell apart.
var layerTensor = regexp.MustCompile(`^blk\.(\d+)\.(.+)$`)

// typeOf chooses the type of a tensor by its canonical name (stacks by theirs, ffn_down_exps) and
// its dimensions; the rules are those of llama.cpp's llama-quantize without an importance matrix.
// Vectors, norms, biases and a mixture's router stay F32: they are small, and their errors reach
// every token.
func (p Preset) typeOf(name string, dims, cols int, f facts) quant.Type {
	if dims < 2 || !strings.HasSuffix(name, ".weight") || strings.HasSuffix(name, "_norm.weight") || strings.HasSuffix(name, "ffn_gate_inp.weight") {
		return quant.F32
	}
	if p.Main.Dense() {
		return p.Main
	}
	return fitting(p.mixed(name, cols, f), cols)
}

// mixed is typeOf for a matrix that is quantised, before its columns are looked at.
func (p Preset) mixed(name string, cols int, f facts) quant.Type {
	if name == "output.weight" || name == "token_embd.weight" && f.tied {
		switch {
		case cols%p.Main.BlockSize() != 0:
			return quant.Q8_0
		case p.Main != quant.Q8_0:
			return quant.Q6_K
		}
		return quant.Q8_0
	}
	m := layerTensor.FindStringSubmatch(name)
	if m == nil {
		return p.Main
	}
	layer, err := strconv.Atoi(m[1])
	if err != nil {
		return p.Main
	}
	switch kind := m[2]; {
	case kind == "attn_v.weight", kind == "attn_qkv.weight":
		return p.values(layer, f)
	case kind == "attn_k.weight" && f.experts == 8:
		return quant.Q8_0
	case kind == "attn_output.weight":
		return p.attentionOutput(f)
	case strings.HasPrefix(kind, "ffn_down"):
		return p.down(layer, f)
	}
	return p.Main
}

// or returns the type that a table has for the preset, else the main type.
func (p Preset) or(table map[string]quant.Type) quant.Type {
	if t, ok := table[p.Name]; ok {
		return t
	}
	return p.Main
}

// moreBits picks the layers that the middle presets spend bits on: the first and the last eighth,
// and every third in between.
func moreBits(layer, layers int) bool {
	eighth := layers / 8
	return layer < eighth || layer >= 7*layers/8 || (layer-eighth)%3 == 2
}

// values chooses for attn_v, which is small where many query heads share it, and for the first
// generation's matrix of queries, keys and values in one.
func (p Preset) values(layer int, f facts) quant.Type {
	t := p.Main
	switch p.Name {
	case "Q2_K":
		t = quant.Q3_K
		if f.sharing >= 4 {
			t = quant.Q4_K
		}
	case "Q3_K_M":
		t = quant.Q4_K
		if layer < 2 {
			t = quant.Q5_K
		}
	case "Q3_K_L":
		t = quant.Q5_K
	case "Q4_K_S":
		if layer < 4 {
			t = quant.Q5_K
		}
	case "Q4_K_M", "Q5_K_M":
		if moreBits(layer, f.layers) {
			t = quant.Q6_K
		}
	}
	// A Qwen2 of 80 layers is what llama.cpp calls a 70B: eight query heads share each of its
	// values, so better ones cost next to nothing.
	if f.arch == "qwen2" && f.layers == 80 && (t == quant.Q3_K || t == quant.Q4_K) {
		t = quant.Q5_K
	}
	if f.experts == 8 {
		t = quant.Q8_0
	}
	return t
}

func (p Preset) attentionOutput(f facts) quant.Type {
	if f.experts == 8 {
		return p.or(map[string]quant.Type{"Q2_K": quant.Q5_K, "Q3_K_S": quant.Q5_K, "Q3_K_M": quant.Q5_K, "Q4_K_S": quant.Q5_K, "Q4_K_M": quant.Q5_K})
	}
	return p.or(map[string]quant.Type{"Q2_K": quant.Q3_K, "Q3_K_M": quant.Q4_K, "Q3_K_L": quant.Q5_K})
}

// down chooses for ffn_down, whose errors go straight into the residual stream.
func (p Preset) down(layer int, f facts) quant.Type {
	t := p.or(map[string]quant.Type{"Q2_K": quant.Q3_K, "Q3_K_M": quant.Q4_K, "Q3_K_L": quant.Q5_K})
	switch {
	case p.Name == "Q3_K_M" && layer < f.layers/16, p.Name == "Q4_K_S" && layer < f.layers/8:
		t = quant.Q5_K
	case (p.Name == "Q4_K_M" || p.Name == "Q5_K_M") && moreBits(layer, f.layers):
		t = quant.Q6_K
	}
	return t
}

// fitting replaces a type whose blocks do not divide the row by the nearest one with blocks of 32,
// and where those do not either, by F16.
func fitting(t quant.Type, cols int) quant.Type {
	if cols%t.BlockSize() == 0 {
		return t
	}
	switch t {
	case quant.Q2_K, quant.Q3_K:
		t = quant.Q4_0
	case quant.Q4_K:
		t = quant.Q5_0
	case quant.Q5_K:
		t = quant.Q5_1
	case quant.Q6_K:
		t = quant.Q8_0
	}
	if cols%t.BlockSize() != 0 {
		t = quant.F16
	}
	return t
}
