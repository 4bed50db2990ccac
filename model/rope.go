package model

import (
	"fmt"
	"math"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/loader"
)

// RoPEScaling asks for another stretching of the rotary positions than the file's. The zero value keeps the file's.
type RoPEScaling struct {
	Type            string  // "none", "yarn", "linear" or "dynamic"; "": what the file says
	Factor          float64 // at least 1, with every type but "none"
	OriginalContext int     // tokens that the model was trained for; 0: what the file says
}

// check refuses combinations that say nothing, or too much.
func (s RoPEScaling) check() error {
	switch {
	case s.Type == "" || s.Type == "none":
		if s.Factor != 0 || s.OriginalContext != 0 {
			return fmt.Errorf("a rotary factor and an original context belong to a scaling: yarn, linear or dynamic")
		}
	case s.Type != "yarn" && s.Type != "linear" && s.Type != "dynamic":
		return fmt.Errorf("rotary scaling %q does not exist: use none, yarn, linear or dynamic", s.Type)
	case !(s.Factor >= 1) || s.Factor > loader.MaxRoPEFactor:
		return fmt.Errorf("the rotary scaling %s needs a factor from 1 to %g, not %g", s.Type, float64(loader.MaxRoPEFactor), s.Factor)
	case s.OriginalContext < 0:
		return fmt.Errorf("an original context of %d tokens is not possible", s.OriginalContext)
	}
	return nil
}

// maxContext bounds the context that a scaling promises: positions are 32 bits wide.
const maxContext = 1 << 31

// stretch lets o overrule the file's scaling, and makes ContextLength the number of tokens that the model can take as it
// is then: factor times the original context, or what the file says where that is more.
func stretch(c *loader.Config, o RoPEScaling) error {
	if err := o.check(); err != nil {
		return err
	}
	if o.Type != "" {
		c.DynamicNTK = false // whoever asks for one stretching wants no other
	}
	file := c.RoPEScaling
	original := c.ContextLength
	if file.OriginalContext > 0 {
		original = file.OriginalContext
	}
	switch o.Type {
	case "":
	case "none":
		c.RoPEScaling, c.ContextLength = loader.RoPEScaling{}, original
	default:
		if o.OriginalContext > 0 {
			original = o.OriginalContext
		}
		c.RoPEScaling, c.ContextLength = loader.RoPEScaling{Type: o.Type, Factor: o.Factor, OriginalContext: original}, 0
		if o.Type == "yarn" {
			c.RoPEScaling = loader.NewYaRN(o.Factor, original)
		}
	}
	switch s := c.RoPEScaling; s.Type {
	case "":
	case "yarn", "linear", "dynamic":
		if c.RoPETheta <= 1 { // every pair turns at the same speed, or the later ones faster
			return fmt.Errorf("a rotary base of %g cannot be stretched: %w", c.RoPETheta, ErrUnsupported)
		}
		c.ContextLength = max(c.ContextLength, int(min(math.Round(s.Factor*float64(s.OriginalContext)), maxContext-1)))
	default:
		return fmt.Errorf("its rotary scaling %q is not one this version computes (it knows yarn, linear and dynamic, which can be asked for instead): %w",
			s.Type, ErrUnsupported)
	}
	return nil
}

// ropeOf returns the rotary frequencies of a model whose sessions hold context tokens, with the formulas of
// transformers' modeling_rope_utils.py in float64: frequency i turns pair (i, i+d/2) of a head of d elements.
//
//	plain    θ^(-2i/d)
//	linear   the same, divided by the factor
//	dynamic  the same of a larger base: that of a context of this length
//	yarn     between plain and linear, by how often a pair turns within the original context
func ropeOf(c loader.Config, context int) graph.RoPE {
	s, base := c.RoPEScaling, c.RoPETheta
	if s.Type == "dynamic" {
		base = dynamicBase(c, context)
	}
	r := graph.RoPE{InvFreq: make([]float64, c.HeadDim/2), Scale: 1}
	for i := range r.InvFreq {
		r.InvFreq[i] = math.Pow(base, -2*float64(i)/float64(c.HeadDim))
	}
	switch s.Type {
	case "linear":
		for i := range r.InvFreq {
			r.InvFreq[i] /= s.Factor
		}
	case "yarn":
		low, high := yarnRange(c)
		for i := range r.InvFreq {
			// 0: the pair turns as it was trained, 1: its positions are stretched in full.
			ramp := min(max((float64(i)-low)/(high-low), 0), 1)
			r.InvFreq[i] *= 1 - ramp + ramp/s.Factor
		}
	}
	if s.AttentionFactor > 0 {
		r.Scale = s.AttentionFactor
	}
	if c.DynamicNTK {
		dynamicNTK(&r, c, context)
	}
	return r
}

// dynamicBase is the rotary base of NTK-aware scaling: larger, the longer the context is beyond the original one, so that
// the slowest pair is stretched by the whole factor and the fastest not at all.
func dynamicBase(c loader.Config, context int) float64 {
	s, d := c.RoPEScaling, float64(c.HeadDim)
	length := float64(max(context, s.OriginalContext)) / float64(s.OriginalContext)
	return c.RoPETheta * math.Pow(s.Factor*length-(s.Factor-1), d/(d-2))
}

// yarnRange is the range of pairs between those that are not stretched and those that are in full (Peng et al. 2023,
// section 3.2). A pair i turns original/(2π·θ^(2i/d)) times within the original context; beta_fast and beta_slow are such
// numbers of turns.
func yarnRange(c loader.Config) (low, high float64) {
	s, d := c.RoPEScaling, float64(c.HeadDim)
	pair := func(turns float64) float64 {
		return d * math.Log(float64(s.OriginalContext)/(turns*2*math.Pi)) / (2 * math.Log(c.RoPETheta))
	}
	low, high = pair(s.BetaFast), pair(s.BetaSlow)
	if !s.Exact {
		low, high = math.Floor(low), math.Ceil(high)
	}
	low, high = max(low, 0), min(high, d-1)
	if low == high {
		high += 0.001 // as transformers does, against a division by zero
	}
	return low, high
}

// FixContext tells the number of tokens that a session can hold. Dynamic scaling takes its frequencies from it, and how many
// tables the first generation's longer prompts choose among; with any
// other the graph stays as it is.
func (m *Model) FixContext(tokens int) {
	if m.Config.RoPEScaling.Type == "dynamic" || m.Config.DynamicNTK {
		m.Graph.RoPE = ropeOf(m.Config, tokens)
	}
}
