package qwenvk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
)

// TestBeamGolden: ids and scores of transformers' beam search.
func TestBeamGolden(t *testing.T) {
	var doc struct {
		Prompts []goldenPrompt
		Beam    struct {
			NumBeams      int     `json:"num_beams"`
			MaxNewTokens  int     `json:"max_new_tokens"`
			LengthPenalty float64 `json:"length_penalty"`
			All           []struct {
				IDs   []int32 `json:"new_ids"`
				Score float64
				Sum   float64 `json:"sum_logprob"`
			}
		}
	}
	if err := json.Unmarshal(testkit.Read(t, "golden/qwen3-dense-tied/expected.json"), &doc); err != nil {
		t.Fatal(err)
	}
	want := doc.Beam
	if want.NumBeams != 4 || len(want.All) != 4 {
		t.Fatalf("the golden file has %d of %d beams", len(want.All), want.NumBeams)
	}
	for tier := range 2 {
		if testing.Short() && tier > 0 {
			continue
		}
		rt := openTest(t, Options{Tier: &tier}, nil)
		for _, kv := range []string{"f32", "f16"} {
			if testing.Short() && kv != "f32" {
				continue
			}
			m := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{KV: kv, Store: "f32", Context: 64, Sessions: want.NumBeams})
			s, err := m.NewSession()
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			found, err := s.Beam(context.Background(), doc.Prompts[0].IDs, BeamOptions{
				Beams: want.NumBeams, LengthPenalty: want.LengthPenalty, MaxTokens: want.MaxNewTokens, IgnoreEOS: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			// A score is a mean of log-probabilities, which move by twice what a logit does, and by the log-sum-exp's 1e-5.
			limit := 2*toleranceF32.maxAbs + 1e-5
			if kv == "f16" {
				limit = 2*toleranceF16KV.maxAbs + 1e-5
			}
			if len(found) != len(want.All) {
				t.Fatalf("%d hypotheses, want %d", len(found), len(want.All))
			}
			for i, h := range found {
				w := want.All[i]
				if !slices.Equal(h.IDs, w.IDs) || math.Abs(h.Score-w.Score) > limit || math.Abs(h.SumLogProb-w.Sum) > limit*float64(len(w.IDs)) {
					t.Errorf("tier %d, %s cache, place %d: %d with %g (sum %g), want %d with %g (sum %g)", tier, kv, i, h.IDs, h.Score, h.SumLogProb, w.IDs, w.Score, w.Sum)
				}
			}
			if r := s.Result(); !slices.Equal(r.IDs, found[0].IDs) || r.FinishReason != "length" {
				t.Errorf("the result is %+v", r)
			}
		}
	}
}

// plainBeams is transformers' procedure (GenerationMixin._beam_search), written down as it stands there with a score of
// -1e9 for what does not count, over log-probabilities that are computed anew for every sequence.
func plainBeams(logProbs func(ids []int32) []float64, ends []int32, o BeamOptions) []Hypothesis {
	const nothing = -1e9
	type sequence struct {
		ids        []int32
		score, sum float64
		finished   bool
	}
	running, done := make([]sequence, o.Beams), make([]sequence, o.Beams)
	for i := range running {
		running[i].score, done[i].score = nothing, nothing
	}
	running[0].score = 0
	byScore := func(all []sequence, n int) []sequence {
		all = slices.Clone(all)
		slices.SortStableFunc(all, func(a, b sequence) int {
			switch {
			case a.score > b.score:
				return -1
			case a.score < b.score:
				return 1
			}
			return 0
		})
		return all[:min(n, len(all))]
	}
	for length := 0; ; length++ {
		var all []sequence
		for _, r := range running {
			if r.score <= nothing/2 {
				continue
			}
			for id, p := range logProbs(r.ids) {
				all = append(all, sequence{ids: append(slices.Clone(r.ids), int32(id)), score: r.score + p, sum: r.score + p})
			}
		}
		top := byScore(all, max(2, 1+len(ends))*o.Beams)
		hits := make([]bool, len(top))
		allHit := true
		for i, c := range top {
			hits[i] = length+1 >= o.MaxTokens || slices.Contains(ends, c.ids[length])
			allHit = allHit && hits[i]
		}
		next := slices.Clone(top)
		for i := range next {
			if hits[i] {
				next[i].score += nothing
			}
		}
		running = byScore(next, o.Beams)
		ended := slices.Clone(top)
		for i := range ended {
			ended[i].score /= math.Pow(float64(length+1), o.LengthPenalty)
			ended[i].finished = hits[i] && i < o.Beams
			if !ended[i].finished {
				ended[i].score += nothing
			}
		}
		done = byScore(append(done, ended...), o.Beams)
		possible := float64(length + 1)
		if o.EarlyStopping == StopHopeless && o.LengthPenalty > 0 {
			possible = float64(o.MaxTokens)
		}
		worst, full := done[len(done)-1].score, true
		for _, d := range done {
			if full = full && d.finished; !d.finished {
				worst = nothing
			}
		}
		improve := running[0].score/math.Pow(possible, o.LengthPenalty) > worst
		if !improve || full && o.EarlyStopping == StopEnough || allHit {
			break
		}
	}
	var out []Hypothesis
	for _, d := range done {
		if d.finished {
			out = append(out, Hypothesis{IDs: d.ids, SumLogProb: d.sum, Score: d.score})
		}
	}
	return out
}

// TestBeamsAgainstPlain compares with the procedure above, on a model that ends its answers, and checks that a session goes
// on from the pages that a search leaves it.
func TestBeamsAgainstPlain(t *testing.T) {
	if testing.Short() {
		t.Skip("a forward pass for every sequence; TestBeamGolden is the short one")
	}
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{Sessions: 5, KV: "f32"})
	twin, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	defer twin.Close()
	known := map[string][]float64{}
	for _, question := range []string{"What is 17 + 25?", "Who are you?"} {
		ids := encode(t, m, strings.Replace(sum, "What is 17 + 25?", question, 1))
		for len(ids)%32 < 26 { // the answers cross a border between pages
			ids = append(encode(t, m, "\n"), ids...)
		}
		logProbs := func(answer []int32) []float64 {
			key := fmt.Sprint(question, answer)
			if p, ok := known[key]; ok {
				return p
			}
			logits := logitsBehind(t, twin, append(slices.Clone(ids), answer...), LogitsOptions{Reuse: true})
			all := logSumExp(logits)
			p := make([]float64, len(logits))
			for i, l := range logits {
				p[i] = float64(l) - all
			}
			known[key] = p
			return p
		}
		greedy, _ := generate(context.Background(), t, s, ids, GenerateOptions{MaxTokens: 12})
		for i, o := range []BeamOptions{
			{Beams: 1, LengthPenalty: 1},
			{Beams: 2, LengthPenalty: 0, EarlyStopping: StopEnough},
			{Beams: 3, LengthPenalty: 1},
			{Beams: 3, LengthPenalty: 2, EarlyStopping: StopHopeless},
			{Beams: 4, LengthPenalty: 1, EarlyStopping: StopEnough},
			{Beams: 4, LengthPenalty: -1},
			{Beams: 4, LengthPenalty: 0.5, EarlyStopping: StopHopeless, IgnoreEOS: true},
		} {
			o.MaxTokens = 10
			ends := m.EOS()
			if o.IgnoreEOS {
				ends = nil
			}
			want := plainBeams(logProbs, ends, o)
			got, err := s.Beam(context.Background(), ids, o)
			if err != nil {
				t.Fatal(err)
			}
			same := len(got) == len(want)
			for j := range got {
				// Rows of one step and of several are summed in another order: the f32 row of the goldens.
				same = same && slices.Equal(got[j].IDs, want[j].IDs) && math.Abs(got[j].SumLogProb-want[j].SumLogProb) < 1e-3*float64(len(got[j].IDs)+1)
			}
			if !same {
				t.Errorf("%q, %+v:\ngot  %v\nwant %v", question, o, got, want)
			}
			if i%3 != 2 {
				continue
			}
			again, r := generate(context.Background(), t, s, ids, GenerateOptions{MaxTokens: 12})
			if again != greedy || r.Usage.CachedTokens != min(len(ids)/32*32, len(ids)-1) {
				t.Errorf("behind a search: %q with %d cached tokens, before it %q", again, r.Usage.CachedTokens, greedy)
			}
		}
	}
}

// TestBeamPagesReturn: whatever way a search ends, all pages are there for others afterwards.
func TestBeamPagesReturn(t *testing.T) {
	const context64, sessions = 64, 4
	m := loadTest(t, openTest(t, Options{}, nil), testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: context64, Sessions: sessions})
	ids := readGolden(t, "qwen3-dense-tied").prompts[0].IDs
	search := func(ctx context.Context, prompt []int32, o BeamOptions) error {
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		_, err = s.Beam(ctx, prompt, o)
		return err
	}
	all := BeamOptions{Beams: sessions, LengthPenalty: 1, IgnoreEOS: true} // until the context is full
	for range 3 {
		if err := search(context.Background(), ids, all); err != nil {
			t.Fatal(err)
		}
		if err := search(context.Background(), ids[:1], all); err != nil { // every page there is
			t.Fatal(err)
		}
	}
	if err := search(context.Background(), slices.Repeat(ids, 2), all); !errors.Is(err, ErrContextFull) {
		t.Errorf("a prompt that does not fit: %v", err)
	}
	if err := search(context.Background(), []int32{1, 1 << 20}, all); err == nil {
		t.Error("an id that the model does not have was taken")
	}
	for after := range 3 {
		ctx := &dying{Context: context.Background(), left: 2 + 3*after}
		if err := search(ctx, ids, all); !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
	for _, o := range []BeamOptions{{Beams: 0}, {Beams: 33}, {Beams: sessions + 1}, {Beams: 2, LengthPenalty: math.NaN()}, {Beams: 2, EarlyStopping: "soon"}} {
		err := search(context.Background(), ids, o)
		if err == nil || o.Beams == sessions+1 && !errors.Is(err, ErrNoSlot) {
			t.Errorf("%+v: %v", o, err)
		}
	}
	// All sessions at once, each with its whole context: not one page may be missing.
	for range sessions {
		s, err := m.NewSession()
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		logitsBehind(t, s, slices.Repeat(ids, 2)[:context64], LogitsOptions{})
	}
}

// dying is a context that is cancelled when it was asked a number of times.
type dying struct {
	context.Context
	left int
}

func (d *dying) Err() error {
	if d.left--; d.left < 0 {
		return context.Canceled
	}
	return nil
}
