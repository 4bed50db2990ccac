package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
)

// told is all that an answer tells.
type told struct {
	tokens []Token
	ids    []int32
	reason string
}

func tell(t *testing.T, s *Session, ids []int32, o GenerateOptions, between func()) (told, Usage) {
	t.Helper()
	s.Reset()
	var a told
	for tok, err := range s.Generate(context.Background(), ids, o) {
		if err != nil {
			t.Fatal(err)
		}
		a.tokens = append(a.tokens, tok)
		if between != nil {
			between()
		}
	}
	r := s.Result()
	a.ids, a.reason = r.IDs, r.FinishReason
	return a, r.Usage
}

// sameAnswer reports the first difference between a plain answer and one with guesses.
func sameAnswer(t *testing.T, what string, got, want told) {
	t.Helper()
	if !slices.Equal(got.ids, want.ids) || got.reason != want.reason {
		t.Fatalf("%s: ids %v (%s), plain %v (%s)", what, got.ids, got.reason, want.ids, want.reason)
	}
	for i, w := range want.tokens {
		g := got.tokens[i]
		if g.ID != w.ID || g.Text != w.Text || g.LogProb != w.LogProb || !slices.Equal(g.Top, w.Top) {
			t.Fatalf("%s: token %d is %+v, plain %+v", what, i, g, w)
		}
	}
}

// choices are ways to choose, each of which looks at something else.
func choices(common int32) map[string]GenerateOptions {
	warm := sampler.Params{Temperature: 0.8, TopP: 0.95, TopK: 20, Seed: 5}
	with := func(change func(p *sampler.Params)) GenerateOptions {
		p := warm
		change(&p)
		return GenerateOptions{Sampling: p}
	}
	return map[string]GenerateOptions{
		"greedy":           {},
		"sampled":          {Sampling: warm},
		"hot":              with(func(p *sampler.Params) { p.Temperature, p.TopK, p.TopP = 3, 0, 1 }), // beyond the candidates
		"penalties":        with(func(p *sampler.Params) { p.RepetitionPenalty, p.PresencePenalty, p.FrequencyPenalty = 1.3, 0.4, 0.2 }),
		"greedy penalties": with(func(p *sampler.Params) { p.Temperature, p.FrequencyPenalty = 0, 0.3 }),
		"bias and DRY": with(func(p *sampler.Params) {
			p.LogitBias = map[int32]float64{common: -3, 40: 2}
			p.DRY = sampler.DRY{Multiplier: 1, Base: 2, AllowedLength: 2}
		}),
		"mirostat": with(func(p *sampler.Params) { p.Mirostat = sampler.Mirostat{Tau: 2, Eta: 0.3} }),
		"sigma":    with(func(p *sampler.Params) { p.TopNSigma, p.XTC = 1.5, sampler.XTC{Probability: 0.5, Threshold: 0.05} }),
		"log-probabilities": {
			Sampling: sampler.Params{Temperature: 1, TopP: 1, Seed: 2, PresencePenalty: 0.5}, LogProbs: 3,
		},
	}
}

// TestSpeculation: with guesses of either source, and all choosers, an answer has the tokens, texts and log-probabilities of a
// plain one, whatever the cache is made of.
func TestSpeculation(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	draft := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-untied"), LoadOptions{Context: 96})
	for _, c := range []struct {
		model string
		load  LoadOptions
		few   bool // not all choosers: they don't look at what differs
	}{
		{"qwen3-dense-tied", LoadOptions{KV: "f16"}, false},
		{"qwen3-dense-tied", LoadOptions{KV: "f32"}, true},
		{"qwen3-dense-tied", LoadOptions{KV: "q8_0", Quant: "int8"}, true},
		{"qwen3-dense-tied", LoadOptions{KV: "q4_0", Quant: "int4"}, true},
		{"qwen2-sliding", LoadOptions{}, true},
		{"qwen3moe-top2", LoadOptions{}, true},
	} {
		t.Run(fmt.Sprintf("%s/%s", c.model, c.load.KV), func(t *testing.T) {
			if testing.Short() && c.load.KV != "q8_0" {
				t.Skip("the other caches and models are left to the full tests")
			}
			c.load.Context, c.load.Sessions = 128, 2
			m := loadTest(t, rt, testkit.Path(t, "golden/"+c.model), c.load)
			s, other := session(t, m), session(t, m)
			ids := readGolden(t, c.model).prompts[0].IDs
			ids = append(slices.Clone(ids), ids[:9]...) // something to look up
			disturb := func() {
				if err := other.Logits(context.Background(), ids[:3], LogitsOptions{}, func(int, []float32) error { return nil }); err != nil {
					t.Fatal(err)
				}
			}
			total := Usage{}
			plainGreedy, _ := tell(t, s, ids, GenerateOptions{MaxTokens: 1}, nil)
			for name, o := range choices(plainGreedy.ids[0]) {
				if c.few && name != "greedy" && name != "penalties" {
					continue
				}
				o.MaxTokens, o.IgnoreEOS = 40, true
				plain, u := tell(t, s, ids, o, nil)
				if u.DraftedTokens != 0 || u.AcceptedTokens != 0 {
					t.Fatalf("%s: a plain answer with guesses: %+v", name, u)
				}
				for how, spec := range map[string]Speculate{
					"n-gram":    {NGram: true, Always: true},
					"paced":     {NGram: true, Draft: draft},
					"draft":     {Draft: draft, Always: true, MaxDraft: 3},
					"disturbed": {NGram: true, Always: true, MaxDraft: 5},
				} {
					o.Speculate = spec
					between := func() {}
					if how == "disturbed" {
						between = disturb
					}
					got, u := tell(t, s, ids, o, between)
					sameAnswer(t, name+", "+how, got, plain)
					if u.AcceptedTokens > u.DraftedTokens {
						t.Fatalf("%s, %s: %+v", name, how, u)
					}
					total.DraftedTokens += u.DraftedTokens
					total.AcceptedTokens += u.AcceptedTokens
				}
			}
			if total.AcceptedTokens == 0 || total.AcceptedTokens == total.DraftedTokens {
				t.Errorf("of %d guessed tokens %d were right: the test has not seen both", total.DraftedTokens, total.AcceptedTokens)
			}
		})
	}
}

// TestDraftModelThatAgrees: a draft model that is the model itself is always right, also where tokens are drawn: both draw
// with the same random numbers. A step then brings four tokens.
func TestDraftModelThatAgrees(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	path := testkit.Path(t, "golden/qwen3-dense-tied")
	m, draft := loadTest(t, rt, path, LoadOptions{Context: 128}), loadTest(t, rt, path, LoadOptions{Context: 128})
	s := session(t, m)
	ids := readGolden(t, "qwen3-dense-tied").prompts[0].IDs
	for _, p := range []sampler.Params{{}, {Temperature: 1, TopP: 0.95, TopK: 40, Seed: 3}} {
		_, r := generate(context.Background(), t, s, ids, GenerateOptions{
			Sampling: p, MaxTokens: 41, IgnoreEOS: true, Speculate: Speculate{Draft: draft, Always: true, MaxDraft: 3},
		})
		if u := r.Usage; u.DraftedTokens != 30 || u.AcceptedTokens != 30 {
			t.Errorf("temperature %g: %d of %d guesses right, want all of 30", p.Temperature, u.AcceptedTokens, u.DraftedTokens)
		}
		if r.Counts.Submits != 0.25 {
			t.Errorf("temperature %g: %v submits per token, want a quarter", p.Temperature, r.Counts.Submits)
		}
	}
}

// TestSpeculationDistribution: over many seeds, tokens behind one that was guessed have the frequencies that the model's
// probabilities ask for (chi-square, 1 % level; the seeds are fixed).
func TestSpeculationDistribution(t *testing.T) {
	if testing.Short() {
		t.Skip("the draws are the host's, on whatever driver; left to the full tests")
	}
	rt, path := openTest(t, Options{}, nil), testkit.Path(t, "golden/qwen3-dense-tied")
	m := loadTest(t, rt, path, LoadOptions{Context: 64})
	draft := loadTest(t, rt, path, LoadOptions{Context: 64, Quant: "int4"}) // agrees often, not always
	s := session(t, m)
	prompt := readGolden(t, "qwen3-dense-tied").prompts[1].IDs
	p := sampler.Params{Temperature: 1.2, TopP: 1, TopK: 3}
	host, err := sampler.New(p)
	if err != nil {
		t.Fatal(err)
	}
	want := map[[3]int32]float64{}
	var walk func(behind []int32, probability float64)
	walk = func(behind []int32, probability float64) {
		if len(behind) == 3 {
			want[[3]int32(behind)] = probability
			return
		}
		tokens, probs, err := host.Probabilities(logitsBehind(t, s, slices.Concat(prompt, behind), LogitsOptions{Reuse: true}), nil, nil)
		if err != nil {
			t.Fatal(err)
		}
		for i, id := range tokens {
			walk(append(slices.Clone(behind), id), probability*probs[i])
		}
	}
	walk(nil, 1)
	const draws = 500
	got, accepted, guessed := map[[3]int32]int{}, 0, 0
	for seed := range uint64(draws) {
		p.Seed = seed
		_, r := generate(context.Background(), t, s, prompt, GenerateOptions{
			Sampling: p, MaxTokens: 3, IgnoreEOS: true, Speculate: Speculate{Draft: draft, Always: true},
		})
		got[[3]int32(r.IDs)]++
		accepted += r.Usage.AcceptedTokens
		guessed += r.Usage.DraftedTokens
	}
	chi, cells, rare, rareWant := 0.0, 0, 0.0, 0.0
	for ids, probability := range want {
		expected := probability * draws
		if expected < 5 { // together one cell: the approximation needs cells of some size
			rare, rareWant = rare+float64(got[ids]), rareWant+expected
			continue
		}
		chi += (float64(got[ids]) - expected) * (float64(got[ids]) - expected) / expected
		cells++
	}
	if rareWant > 0 {
		chi += (rare - rareWant) * (rare - rareWant) / rareWant
		cells++
	}
	// The 99 % point of chi-square, by Wilson and Hilferty.
	k := float64(cells - 1)
	limit := k * math.Pow(1-2/(9*k)+2.326*math.Sqrt(2/(9*k)), 3)
	t.Logf("chi-square %.1f, %g degrees of freedom, limit %.1f; %d of %d guesses right", chi, k, limit, accepted, guessed)
	if chi > limit || accepted < draws/4 || accepted > guessed-draws/20 || cells < 8 {
		t.Errorf("chi-square %.1f with %g degrees of freedom, at most %.1f is likely; %d guesses right", chi, k, limit, accepted)
	}
}

// TestSpeculationBehindForms: constraints, budgets of thought, stop texts and a full context end and shape an answer as they
// do without guesses.
func TestSpeculationBehindForms(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{Context: 160})
	ids := encode(t, m, sum)
	form, err := m.NewJSONConstraint([]byte(`{"type":"object","properties":{"list":{"type":"array","items":{"type":"integer"},"minItems":6}},"required":["list"]}`))
	if err != nil {
		t.Fatal(err)
	}
	budget := 7
	warm := sampler.Params{Temperature: 0.7, TopP: 0.8, TopK: 20, Seed: 3, FrequencyPenalty: 0.1}
	drafted := 0
	for name, o := range map[string]GenerateOptions{
		"form":         {Constraint: form, MaxTokens: 60},
		"sampled form": {Constraint: form, MaxTokens: 60, Sampling: warm},
		"budget":       {Reasoning: true, ThinkBudget: &budget, MaxTokens: 60},
		"penalties":    {Reasoning: true, ThinkBudget: &budget, MaxTokens: 60, Sampling: warm},
		"stop":         {Stop: []string{"</think>"}},
		"full":         {IgnoreEOS: true},
		"shift":        {IgnoreEOS: true, Sampling: warm, MaxTokens: 200},
	} {
		shift := func() Shift {
			if name == "shift" {
				return ShiftText(ids, 4, 160)
			}
			return nil
		}
		o.Shift = shift()
		plain, _ := tell(t, s, ids, o, nil)
		o.Shift, o.Speculate = shift(), Speculate{NGram: true, Always: true}
		got, u := tell(t, s, ids, o, nil)
		sameAnswer(t, name, got, plain)
		drafted += u.DraftedTokens
	}
	if drafted < 100 {
		t.Errorf("only %d tokens were guessed", drafted)
	}
}

func TestSpeculationRefused(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 64})
	other, _ := openDemo(t, rt, LoadOptions{Context: 64})
	s := session(t, m)
	for what, o := range map[string]Speculate{
		"another vocabulary": {Draft: other}, "itself": {Draft: m}, "too much": {NGram: true, MaxDraft: MaxDraft + 1}, "less than nothing": {MaxDraft: -1},
	} {
		var got error
		for _, err := range s.Generate(context.Background(), []int32{1, 2, 3}, GenerateOptions{MaxTokens: 2, Speculate: o}) {
			got = err
		}
		if got == nil || o.Draft != nil && !errors.Is(got, ErrDraft) {
			t.Errorf("%s: %v", what, got)
		}
	}
}

func session(t *testing.T, m *Model) *Session {
	t.Helper()
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
