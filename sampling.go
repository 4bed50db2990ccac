package qwenvk

import (
	"strings"

	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/tokenizer"
)

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

// DRYBreakers are the texts that usually break off what DRY takes for a repetition.
var DRYBreakers = []string{"\n", ":", "\"", "*"}

// TokenSequences are the ways in which the ids of an answer may come to hold one of texts: each token whose bytes have it
// inside; and each token that ends in its beginning, with the tokens of the rest. They serve as sampler.DRY's Breakers.
func (m *Model) TokenSequences(texts ...string) (sequences [][]int32) {
	if m.tok == nil {
		return nil
	}
	for id := range int32(m.tok.VocabSize()) {
		piece := string(m.tok.Piece(id))
		for _, text := range texts {
			sequences = append(sequences, m.tokenSequence(id, piece, text)...)
		}
	}
	return sequences
}

func (m *Model) tokenSequence(id int32, piece, text string) (sequences [][]int32) {
	if text == "" || piece == "" {
		return nil
	}
	if strings.Contains(piece, text) {
		return [][]int32{{id}}
	}
	for n := 1; n < len(text); n++ {
		if !strings.HasSuffix(piece, text[:n]) {
			continue
		}
		// The rest of a character that was cut cannot be encoded; bytes of their own are rare enough to be left out.
		if rest, err := m.tok.Encode(text[n:], tokenizer.EncodeOptions{Plain: true}); err == nil {
			sequences = append(sequences, append([]int32{id}, rest...))
		}
	}
	return sequences
}
