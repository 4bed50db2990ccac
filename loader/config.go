package loader

import (
	"fmt"
	"math"
)

// Config holds what the files say about the model's shape, in neutral words.
type Config struct {
	Layers        int
	Hidden        int // width of the residual stream
	Intermediate  int // width of the feed-forward block
	Heads         int // of queries
	KVHeads       int // of keys and values; divides Heads
	HeadDim       int
	Vocab         int // rows of the embedding; may be more than there are tokens
	ContextLength int // positions that the model was trained or configured for

	RMSEps      float64
	RoPETheta   float64
	RoPEScaling RoPEScaling

	Tied          bool // the output head is the embedding
	Headless      bool // there is no output head: the model gives hidden states, no logits
	AttentionBias bool // Q, K and V have biases
	TorchDType    string

	SlidingWindow int    // tokens that a sliding layer sees, itself included; 0: no layer slides
	SlidingLayers []bool // per layer; nil if none slides

	MoE *MoE // nil: every layer is dense

	// Trained is the number of tokens that a model was trained with which treats longer prompts by DynamicNTK or LogN; 0
	// for others. DynamicNTK turns all tokens of a longer prompt slower, LogN scales the queries behind Trained.
	Trained          int
	DynamicNTK, LogN bool

	BOS, PAD int   // -1 if the model has none
	EOS      []int // tokens that end an answer, in the files' order

	Generation Generation
}

// RoPEScaling stretches the rotary positions beyond what the model was trained for. Type is ""
// where nothing is stretched; the other fields are then zero. Of a type that is not known here
// only Type is read.
type RoPEScaling struct {
	Type            string // "yarn", "linear", "dynamic", ...
	Factor          float64
	OriginalContext int     // context of the training
	BetaFast        float64 // yarn: rotations above which a dimension is not stretched
	BetaSlow        float64 // yarn: rotations below which it is stretched in full
	Exact           bool    // yarn: the borders between the two are not rounded to whole dimensions
	AttentionFactor float64 // multiplies cos and sin; 0 with a type that has none: 1
}

// Generation holds the sampling values that a model's makers recommend; nil where they say
// nothing.
type Generation struct {
	DoSample          *bool
	Temperature       *float64
	TopP              *float64
	TopK              *float64
	MinP              *float64
	RepetitionPenalty *float64
}

// YaRN's constants where a file leaves them out, as its authors chose them
// (https://arxiv.org/abs/2309.00071, section 3.2).
const (
	yarnBetaFast = 32
	yarnBetaSlow = 1
)

// NewYaRN is YaRN by the given factor with the constants of its authors.
func NewYaRN(factor float64, original int) RoPEScaling {
	return RoPEScaling{
		Type: "yarn", Factor: factor, OriginalContext: original,
		BetaFast: yarnBetaFast, BetaSlow: yarnBetaSlow, AttentionFactor: yarnAttention(factor, 1),
	}
}

// yarnAttention is YaRN's correction of the softmax temperature, applied to cos and sin
// (section 3.4 of the paper); weight is 1 there, and mscale in DeepSeek's configurations.
func yarnAttention(factor, weight float64) float64 {
	if factor <= 1 {
		return 1
	}
	return 0.1*weight*math.Log(factor) + 1
}

// knownScaling reports the types that package model computes.
func knownScaling(kind string) bool { return kind == "yarn" || kind == "linear" || kind == "dynamic" }

// check refuses numbers that no frequency can be computed from. The context of a stretched model
// is at most factor × original: neither may overflow.
func (s RoPEScaling) check() error {
	positive := func(f float64) bool { return f > 0 && !math.IsInf(f, 0) }
	switch {
	case !knownScaling(s.Type):
		return nil
	case !(s.Factor >= 1) || s.Factor > MaxRoPEFactor:
		return fmt.Errorf("the rotary scaling factor %g is not at least 1 and at most %g", s.Factor, float64(MaxRoPEFactor))
	case s.Type == "yarn" && (!positive(s.BetaFast) || !positive(s.BetaSlow) || s.BetaFast < s.BetaSlow):
		return fmt.Errorf("the rotary scaling's beta_fast %g and beta_slow %g are not positive, the first the larger", s.BetaFast, s.BetaSlow)
	case s.AttentionFactor != 0 && !positive(s.AttentionFactor) || s.Type == "yarn" && s.AttentionFactor == 0:
		return fmt.Errorf("the rotary scaling's attention factor %g is not a positive number", s.AttentionFactor)
	}
	return nil
}

// MaxRoPEFactor bounds the factor of a rotary scaling: no context that is so much longer fits a device.
const MaxRoPEFactor = 1e6

// maxLayers bounds what is allocated per layer; the largest published model has 94.
const maxLayers = 10_000

// check holds values against each other.
func (c *Config) check() error {
	switch {
	case c.Layers > maxLayers:
		return fmt.Errorf("%d layers are more than the %d that are read", c.Layers, maxLayers)
	case c.Heads%c.KVHeads != 0:
		return fmt.Errorf("%d attention heads cannot share %d key-value heads evenly", c.Heads, c.KVHeads)
	case !(c.RMSEps > 0) || c.RMSEps >= 1:
		return fmt.Errorf("the RMS norm's epsilon %g is not between 0 and 1", c.RMSEps)
	case !(c.RoPETheta > 0) || math.IsInf(c.RoPETheta, 0):
		return fmt.Errorf("the rotary base %g is not a positive number", c.RoPETheta)
	}
	if err := c.RoPEScaling.check(); err != nil {
		return err
	}
	for _, id := range append([]int{c.BOS, c.PAD}, c.EOS...) {
		if id >= c.Vocab {
			return fmt.Errorf("token id %d is beyond the vocabulary of %d", id, c.Vocab)
		}
	}
	return nil
}

// headDim is the definition of a head's size where a file may leave it out.
func headDim(hidden, heads int) (int, error) {
	if hidden%heads != 0 {
		return 0, fmt.Errorf("%d attention heads do not divide the hidden size %d", heads, hidden)
	}
	return hidden / heads, nil
}
