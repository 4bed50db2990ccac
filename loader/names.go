package loader

import (
	"regexp"
	"strings"
)

// architectures maps Hugging Face's model_type to GGUF's name of the architecture, for the
// architectures whose configuration and weights this package can name.
var architectures = map[string]string{
	"qwen":      "qwen",
	"qwen2":     "qwen2",
	"qwen2_moe": "qwen2moe",
	"qwen3":     "qwen3",
	"qwen3_moe": "qwen3moe",
}

// knownArchitecture reports whether GGUF's name is in that table.
func knownArchitecture(arch string) bool {
	for _, known := range architectures {
		if arch == known {
			return true
		}
	}
	return false
}

// The weights' names: Hugging Face's, without "model." in front, to GGUF's. In a layer, the part
// between the layer's number and ".weight" or ".bias".
var (
	globalNames = map[string]string{
		"embed_tokens": "token_embd",
		"norm":         "output_norm",
		"lm_head":      "output",
	}
	layerNames = map[string]string{
		"input_layernorm":          "attn_norm",
		"self_attn.q_proj":         "attn_q",
		"self_attn.k_proj":         "attn_k",
		"self_attn.v_proj":         "attn_v",
		"self_attn.o_proj":         "attn_output",
		"self_attn.q_norm":         "attn_q_norm",
		"self_attn.k_norm":         "attn_k_norm",
		"post_attention_layernorm": "ffn_norm",
		"mlp.gate_proj":            "ffn_gate",
		"mlp.up_proj":              "ffn_up",
		"mlp.down_proj":            "ffn_down",
	}
	sparseNames = map[string]string{
		"mlp.gate":                    "ffn_gate_inp",
		"mlp.shared_expert.gate_proj": "ffn_gate_shexp",
		"mlp.shared_expert.up_proj":   "ffn_up_shexp",
		"mlp.shared_expert.down_proj": "ffn_down_shexp",
		"mlp.shared_expert_gate":      "ffn_gate_inp_shexp",
	}
	expertName = regexp.MustCompile(`^mlp\.experts\.(0|[1-9][0-9]{0,4})\.(gate|up|down)_proj$`)
	layerName  = regexp.MustCompile(`^layers\.(0|[1-9][0-9]{0,4})\.(.+)$`)
)

// canonical translates Hugging Face's name of a weight to GGUF's. A name that is not in the
// tables stays as it is. Some checkpoints (Qwen3-Embedding) leave "model." out.
func canonical(name string) string {
	if rest, first := strings.CutPrefix(name, "transformer."); first {
		return firstName(name, rest)
	}
	rest := strings.TrimPrefix(name, "model.")
	dot := strings.LastIndexByte(rest, '.')
	if dot < 0 || rest[dot:] != ".weight" && rest[dot:] != ".bias" {
		return name
	}
	module, kind := rest[:dot], rest[dot:]
	if gguf, ok := globalNames[module]; ok {
		return gguf + kind
	}
	if m := layerName.FindStringSubmatch(module); m != nil {
		if gguf, ok := layerNames[m[2]]; ok {
			return "blk." + m[1] + "." + gguf + kind
		}
		if gguf, ok := sparseNames[m[2]]; ok {
			return "blk." + m[1] + "." + gguf + kind
		}
		if e := expertName.FindStringSubmatch(m[2]); e != nil {
			return "blk." + m[1] + ".ffn_" + e[2] + "." + e[1] + kind
		}
	}
	return name
}
