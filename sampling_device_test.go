package qwenvk

import (
	"context"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
)

// twins are two sessions of a tiny model, which every device computes fast, and a prompt.
func twins(t *testing.T) (s, twin *Session, ids []int32) {
	t.Helper()
	m := loadTest(t, openTest(t, Options{}, nil), testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 128, Sessions: 2})
	for _, to := range []**Session{&s, &twin} {
		one, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { one.Close() })
		*to = one
	}
	return s, twin, readGolden(t, "qwen3-dense-tied").prompts[0].IDs
}

// TestSamplersOnDevice draws with each sampler through the device and repeats every choice on the host, from all logits of
// another session that computes the same steps.
func TestSamplersOnDevice(t *testing.T) {
	s, twin, ids := twins(t)
	_, r := generate(context.Background(), t, s, ids, GenerateOptions{MaxTokens: 1, IgnoreEOS: true})
	best := r.IDs[0]
	base := sampler.Params{Temperature: 1.5, TopP: 1, TopK: 30, Seed: 11}
	for name, change := range map[string]func(*sampler.Params){
		"typical":       func(p *sampler.Params) { p.TypicalP = 0.7 },
		"typical alone": func(p *sampler.Params) { p.TopK, p.TypicalP = 0, 0.7 },
		"sigma":         func(p *sampler.Params) { p.TopNSigma = 1.5 },
		"XTC":           func(p *sampler.Params) { p.XTC = sampler.XTC{Probability: 0.7, Threshold: 0.02} },
		"mirostat":      func(p *sampler.Params) { p.Mirostat = sampler.Mirostat{Tau: 2, Eta: 0.3} },
		"DRY": func(p *sampler.Params) {
			p.Temperature = 0
			p.DRY = sampler.DRY{Multiplier: 2, Base: 2, AllowedLength: 1}
		},
		"bias":        func(p *sampler.Params) { p.LogitBias = map[int32]float64{best: math.Inf(-1), 40: 9, 41: -3} },
		"greedy bias": func(p *sampler.Params) { p.Temperature = 0; p.LogitBias = map[int32]float64{best: math.Inf(-1)} },
		"all": func(p *sampler.Params) {
			p.RepetitionPenalty, p.PresencePenalty, p.LogitBias = 1.2, 0.5, map[int32]float64{best: -2}
			p.DRY = sampler.DRY{Multiplier: 1, Base: 2, AllowedLength: 2}
			p.TopP, p.MinP, p.TypicalP, p.XTC = 0.95, 0.01, 0.9, sampler.XTC{Probability: 0.5, Threshold: 0.1}
		},
	} {
		p := base
		change(&p)
		_, r := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, MaxTokens: 16, IgnoreEOS: true})
		host, err := sampler.New(p)
		if err != nil {
			t.Fatal(err)
		}
		twin.Reset()
		s.Reset()
		for i, id := range r.IDs {
			logits := logitsBehind(t, twin, append(slices.Clone(ids), r.IDs[:i]...), LogitsOptions{Reuse: true})
			if want, err := host.Sample(logits, ids, r.IDs[:i]); err != nil || id != want {
				t.Errorf("%s: token %d is id %d, %d on the host (%v)", name, i, id, want, err)
				break
			}
		}
	}
}

// TestLogProbs: what is told of each token is the log-softmax of the model's own logits, whatever shapes the choice.
func TestLogProbs(t *testing.T) {
	s, twin, ids := twins(t)
	for _, c := range []struct {
		p sampler.Params
		n int
	}{
		{sampler.Params{}, 1},
		{sampler.Params{}, 5},
		{sampler.Params{Temperature: 2, TopP: 1, Seed: 4}, 5},                     // now and then beyond the candidates
		{sampler.Params{RepetitionPenalty: 1.5, PresencePenalty: 1, Seed: 5}, 64}, // as many as there are candidates
		{sampler.Params{LogitBias: map[int32]float64{60: 100}}, 3},                // most improbable
		{sampler.Params{}, 100}, // more than there are candidates
	} {
		twin.Reset()
		var before []int32
		for tok, err := range s.Generate(context.Background(), ids, GenerateOptions{Sampling: c.p, LogProbs: c.n, MaxTokens: 8, IgnoreEOS: true}) {
			if err != nil {
				t.Fatal(err)
			}
			if tok.ID < 0 {
				continue
			}
			logits := logitsBehind(t, twin, append(slices.Clone(ids), before...), LogitsOptions{Reuse: true})
			all := logSumExp(logits)
			if want := float64(logits[tok.ID]) - all; math.Abs(tok.LogProb-want) > 2e-5 { // twice what the device promises
				t.Errorf("%+v: token %d has %g, want %g", c.p, len(before), tok.LogProb, want)
			}
			order := make([]int32, len(logits))
			for i := range order {
				order[i] = int32(i)
			}
			slices.SortStableFunc(order, func(a, b int32) int {
				switch {
				case logits[a] > logits[b]:
					return -1
				case logits[a] < logits[b]:
					return 1
				}
				return 0
			})
			if len(tok.Top) != c.n {
				t.Fatalf("%+v: %d tokens, want %d", c.p, len(tok.Top), c.n)
			}
			for i, top := range tok.Top {
				if want := float64(logits[order[i]]) - all; top.ID != order[i] || math.Abs(top.LogProb-want) > 2e-5 {
					t.Errorf("%+v: place %d is id %d with %g, want id %d with %g", c.p, i, top.ID, top.LogProb, order[i], want)
				}
			}
			before = append(before, tok.ID)
		}
	}
}

// TestChoiceRefused: what the model cannot have is an error before anything is computed.
func TestChoiceRefused(t *testing.T) {
	_, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	for want, o := range map[string]GenerateOptions{
		"bias for id 4096000":        {Sampling: sampler.Params{LogitBias: map[int32]float64{4096000: 1}}},
		"of -1 tokens":               {LogProbs: -1},
		"allowed length of DRY is 0": {Sampling: sampler.Params{DRY: sampler.DRY{Multiplier: 1, Base: 2}}},
	} {
		var got error
		for _, err := range s.Generate(context.Background(), []int32{1, 2, 3}, o) {
			got = errors.Join(got, err)
		}
		if got == nil || !strings.Contains(got.Error(), want) {
			t.Errorf("error %v, want one with %q", got, want)
		}
	}
}

// TestTokenSequences: every way in which ids can spell a text is one of them.
func TestTokenSequences(t *testing.T) {
	m, _ := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	has := func(sequences [][]int32, want []int32) bool {
		return slices.ContainsFunc(sequences, func(s []int32) bool { return slices.Equal(s, want) })
	}
	lines := m.TokenSequences("\n", ", c")
	n := 0
	for id := range int32(m.Tokenizer().VocabSize()) {
		if slices.Contains(m.Tokenizer().Piece(id), '\n') {
			n++
			if !has(lines, []int32{id}) {
				t.Errorf("token %d holds a newline and is left out", id)
			}
		}
	}
	if n == 0 {
		t.Fatal("no token has a newline")
	}
	comma := encode(t, m, ",")
	if rest := encode(t, m, " c"); !has(lines, append(slices.Clone(comma), rest...)) {
		t.Errorf("a comma and %d are left out", rest)
	}
	if got := m.TokenSequences(""); got != nil {
		t.Errorf("an empty text: %d", got)
	}
}

// everyThird allows another third of the vocabulary at each step.
type everyThird struct{ steps int }

func (c *everyThird) allows(id, step int) bool { return (id*7+step)%3 == 0 }

func (c *everyThird) Mask(allowed []uint32, _ int) error {
	for id := range 32 * len(allowed) {
		if c.allows(id, c.steps) {
			allowed[id/32] |= 1 << (id % 32)
		}
	}
	return nil
}

func (c *everyThird) Accept(int32) error {
	c.steps++
	return nil
}

// TestMaskOnDevice draws under a mask, with and without what else changes logits, and repeats every choice on the host from
// all logits.
func TestMaskOnDevice(t *testing.T) {
	s, twin, ids := twins(t)
	for i, p := range []sampler.Params{
		{},
		{Temperature: 0.7, TopK: 20, TopP: 0.8, Seed: 1},
		{Temperature: 3, TopP: 1, Seed: 2},
		{Temperature: 1, TopP: 0.9, PresencePenalty: 1, LogitBias: map[int32]float64{30: 4, 31: 2, 32: -5}, Seed: 3},
		{Temperature: 1, TopP: 1, Mirostat: sampler.Mirostat{Tau: 3, Eta: 0.2}, Seed: 4},
	} {
		for _, probs := range []int{0, 2} { // with log-probabilities the penalties are the host's
			s.Reset()
			twin.Reset()
			r, err := engineAnswer(t, s, ids, engine.GenerateOptions{Sampling: p, Constraint: &everyThird{}, MaxTokens: 10, IgnoreEOS: true, LogProbs: probs})
			if err != nil {
				t.Fatal(err)
			}
			host, err := sampler.New(p)
			if err != nil {
				t.Fatal(err)
			}
			for step, id := range r.IDs {
				logits := logitsBehind(t, twin, slices.Concat(ids, r.IDs[:step]), LogitsOptions{Reuse: true})
				for other := range logits {
					if !(&everyThird{}).allows(other, step) {
						logits[other] = float32(math.Inf(-1))
					}
				}
				if want, err := host.Sample(logits, ids, r.IDs[:step]); err != nil || id != want {
					t.Errorf("setting %d: token %d is id %d, %d on the host (%v)", i, step, id, want, err)
					break
				}
			}
		}
	}
}
