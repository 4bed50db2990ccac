package qwenvk

import "github.com/qwenvk/qwenvk/sampler"

// Sampling values that Qwen's model cards recommend for the two modes of its hybrid models.
var (
	thinkingSampling = sampler.Params{Temperature: 0.6, TopP: 0.95, TopK: 20}
	directSampling   = sampler.Params{Temperature: 0.7, TopP: 0.8, TopK: 20}
)

// DefaultSampling are the sampling values for an answer to a rendered prompt: those of the mode that the prompt ends
// in, for templates that know thinking; else those that came with the model; else those for not thinking.
func (m *Model) DefaultSampling(rendered string) sampler.Params {
	if m.template != nil && m.template.TakesThinking() {
		if m.template.GenerationThinks(rendered) {
			return thinkingSampling
		}
		return directSampling
	}
	g := m.model.Config.Generation
	if g.Temperature == nil && g.TopP == nil && g.TopK == nil && g.MinP == nil && g.RepetitionPenalty == nil {
		return directSampling
	}
	p := sampler.Params{Temperature: 1, TopP: 1} // transformers' defaults for what a generation_config leaves out
	set := func(dst, src *float64) {
		if src != nil {
			*dst = *src
		}
	}
	set(&p.Temperature, g.Temperature)
	set(&p.TopP, g.TopP)
	set(&p.MinP, g.MinP)
	set(&p.RepetitionPenalty, g.RepetitionPenalty)
	if g.TopK != nil {
		p.TopK = int(*g.TopK)
	}
	if g.DoSample != nil && !*g.DoSample {
		p.Temperature = 0
	}
	return p
}
