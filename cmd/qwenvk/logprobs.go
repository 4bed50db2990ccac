package main

import "github.com/qwenvk/qwenvk"

// maxLogProbs is how many tokens --logprobs lists at most: as many as the device returns candidates.
const maxLogProbs = 64

// impossible stands for the logarithm of 0, which JSON cannot write, as in OpenAI's documents.
const impossible = -9999

// tokenProb is a token in the document of run --format json. Bytes that are no whole character become U+FFFD in Token; ID
// is exact.
type tokenProb struct {
	Token   string      `json:"token"`
	ID      int32       `json:"id"`
	LogProb float64     `json:"logprob"`
	Top     []tokenProb `json:"top,omitempty"`
}

func tokenProbs(m *loaded, drawn []qwenvk.Token) []tokenProb {
	var out []tokenProb
	one := func(id int32, p float64) tokenProb {
		return tokenProb{Token: string(m.Tokenizer().Piece(id)), ID: id, LogProb: max(p, impossible)}
	}
	for _, t := range drawn {
		p := one(t.ID, t.LogProb)
		for _, top := range t.Top {
			p.Top = append(p.Top, one(top.ID, top.LogProb))
		}
		out = append(out, p)
	}
	return out
}
