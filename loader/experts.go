package loader

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// MoE is the shape of a mixture of experts.
type MoE struct {
	Experts            int    // per sparse layer
	Used               int    // of them per token
	Intermediate       int    // width of an expert
	SharedIntermediate int    // width of the expert that all tokens use; 0: there is none
	Renormalise        bool   // the chosen experts' weights are scaled to sum to 1
	Sparse             []bool // by layer; the others have a feed-forward of Config.Intermediate
}

// maxExperts bounds what is kept per expert; the largest published Qwen has 512.
const maxExperts = 4096

// check holds a mixture of experts against itself.
func (m *MoE) check() error {
	switch {
	case m.Experts > maxExperts:
		return fmt.Errorf("%d experts are more than the %d that are read", m.Experts, maxExperts)
	case m.Used > m.Experts:
		return fmt.Errorf("each token uses %d experts, but there are %d", m.Used, m.Experts)
	}
	return nil
}

// sparseArch reports an architecture with experts, by GGUF's name.
func sparseArch(arch string) bool { return arch == "qwen2moe" || arch == "qwen3moe" }

// readExperts reads config.json's keys of a mixture of experts. Layer l is sparse unless mlp_only_layers lists it or l+1 is
// no multiple of decoder_sparse_step. The number of experts has two names: transformers 5 calls that of Qwen3-MoE
// num_local_experts.
func (c *Config) readExperts(arch string, config *object) error {
	if !sparseArch(arch) {
		return nil
	}
	m := &MoE{
		Experts:      config.size("num_experts", "num_local_experts"),
		Used:         config.size("num_experts_per_tok"),
		Intermediate: config.size("moe_intermediate_size"),
		Renormalise:  config.bool("norm_topk_prob"),
		Sparse:       make([]bool, min(c.Layers, maxLayers)),
	}
	if arch == "qwen2moe" {
		m.SharedIntermediate = config.size("shared_expert_intermediate_size")
	}
	step := config.optional("decoder_sparse_step", 1)
	var dense []int
	config.read("mlp_only_layers", &dense)
	if config.err != nil {
		return config.err
	}
	for _, l := range dense {
		if l < 0 || l >= c.Layers {
			return fmt.Errorf("key \"mlp_only_layers\" lists layer %d, but there are %d", l, c.Layers)
		}
	}
	for l := range m.Sparse {
		m.Sparse[l] = (l+1)%step == 0 && !slices.Contains(dense, l)
	}
	c.MoE = m
	return m.check()
}

// experts reads a mixture of experts from metadata. Files of 2024 leave the widths out; they then follow from the
// feed-forward's, which is that of all used experts together, and as wide as the shared one.
func (m *metadata) experts(c *Config, arch string) {
	if !sparseArch(arch) {
		return
	}
	key := func(k string) string { return arch + "." + k }
	e := &MoE{
		Experts: m.size(key("expert_count")), Used: m.size(key("expert_used_count")),
		Renormalise: arch == "qwen3moe", // the format has no key for it: the architecture decides
	}
	if m.err != nil {
		return
	}
	e.Intermediate = m.optional(key("expert_feed_forward_length"), c.Intermediate/e.Used)
	if arch == "qwen2moe" {
		e.SharedIntermediate = m.optional(key("expert_shared_feed_forward_length"), c.Intermediate)
	}
	if c.Layers <= maxLayers {
		e.Sparse = slices.Repeat([]bool{true}, c.Layers)
	}
	c.MoE = e
	if m.err == nil {
		m.err = e.check()
	}
}

// stackSuffix ends the name of a tensor that holds the matrices of all experts of a layer, [experts, rows, cols].
const stackSuffix = "_exps.weight"

// checkStacks holds the stacks of a GGUF file against the number of experts that its metadata gives.
func (c *Checkpoint) checkStacks() error {
	if c.config.MoE == nil {
		return nil
	}
	for _, name := range c.names {
		t := c.tensors[name]
		if !strings.HasSuffix(name, stackSuffix) {
			continue
		}
		if len(t.Shape) != 3 {
			return fmt.Errorf("tensor %q has %d dimensions; the matrices of all experts have 3", t.FileName, len(t.Shape))
		}
		if n := t.Shape[0]; n != c.config.MoE.Experts {
			return fmt.Errorf("tensor %q holds %d experts, the metadata says %d", t.FileName, n, c.config.MoE.Experts)
		}
	}
	return nil
}

// expert returns the matrix of one expert, "blk.0.ffn_gate.7.weight", out of the stack "blk.0.ffn_gate_exps.weight".
// Nothing is kept for it: a file with many experts costs no more memory than its list of tensors.
func (c *Checkpoint) expert(name string) (Tensor, bool) {
	rest, ok := strings.CutSuffix(name, ".weight")
	dot := strings.LastIndexByte(rest, '.')
	if !ok || dot < 0 {
		return Tensor{}, false
	}
	t, ok := c.tensors[rest[:dot]+stackSuffix]
	n, err := strconv.Atoi(rest[dot+1:])
	if !ok || err != nil || len(t.Shape) != 3 || n < 0 || n >= t.Shape[0] || rest[dot+1:] != strconv.Itoa(n) || t.Packed != nil {
		return Tensor{}, false
	}
	t.Name, t.Rows, t.Shape = name, t.Shape[1], t.Shape[1:]
	if bytes, err := t.Type.RowBytes(t.Cols); err == nil {
		t.Data = t.Data[n*t.Rows*bytes : (n+1)*t.Rows*bytes]
	}
	return t, true
}
