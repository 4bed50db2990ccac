package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
)

// asked is one answer of a batch.
type asked struct {
	ids []int32
	o   GenerateOptions
}

// answerTogether computes answers in one batch, of which the last joins later; width 0: as many to a step as the device likes.
func answerTogether(t *testing.T, m *Model, all []asked, width int) []told {
	t.Helper()
	b := m.NewBatch()
	if width > 0 {
		b.inner.SetWidth(width)
	}
	answers, sessions := make([]told, len(all)), make([]*Session, len(all))
	add := func(i int) {
		sessions[i] = session(t, m)
		if got, err := b.Add(context.Background(), sessions[i], all[i].ids, all[i].o); err != nil || got != i {
			t.Fatalf("answer %d: index %d, %v", i, got, err)
		}
	}
	late := len(all) - 1
	for i := range late {
		add(i)
	}
	for tok, err := range b.Run(context.Background()) {
		if err != nil {
			t.Fatalf("answer %d: %v", tok.Index, err)
		}
		answers[tok.Index].tokens = append(answers[tok.Index].tokens, tok.Token)
		if len(answers[0].tokens) == 4 && sessions[late] == nil {
			add(late)
		}
	}
	for i, s := range sessions {
		r := s.Result()
		answers[i].ids, answers[i].reason = r.IDs, r.FinishReason
	}
	return answers
}

// ragged are answers to prompts of different lengths, which end at different times; some are drawn.
func ragged(ids []int32, n int) []asked {
	all := make([]asked, n)
	for i := range all {
		o := GenerateOptions{MaxTokens: 5 + 11*(i%4) + i, IgnoreEOS: true}
		switch i % 5 {
		case 2:
			o.Sampling = sampler.Params{Temperature: 0.9, TopP: 0.95, TopK: 30, Seed: uint64(i)}
		case 3:
			o.Sampling = sampler.Params{FrequencyPenalty: 0.3, RepetitionPenalty: 1.2}
		case 4:
			o.Sampling, o.LogProbs = sampler.Params{Temperature: 3, TopP: 1, Seed: 9}, 2
		}
		all[i] = asked{slices.Concat(ids[i:], ids[:3*i]), o}
	}
	return all
}

// TestBatch: answers that are computed together are to the token what their sessions say alone, whatever the cache is made
// of, with prompts of different lengths, different choosers, ends at different times and one that joins late.
func TestBatch(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	for _, c := range []struct {
		model string
		load  LoadOptions
		n     int
	}{
		{"qwen3-dense-tied", LoadOptions{KV: "f16"}, 8},
		{"qwen3-dense-tied", LoadOptions{KV: "f32", Quant: "int8"}, 3},
		{"qwen3-dense-tied", LoadOptions{KV: "q8_0"}, 5},
		{"qwen3-dense-tied", LoadOptions{KV: "f16", Quant: "int8"}, 11},
		{"qwen3-dense-tied", LoadOptions{KV: "q4_0", Quant: "int4"}, 4},
		{"qwen3moe-top2", LoadOptions{}, 4},
		{"qwen2-sliding", LoadOptions{}, 2},
	} {
		t.Run(fmt.Sprintf("%s/%s/%d", c.model, c.load.KV, c.n), func(t *testing.T) {
			if testing.Short() && (c.load.KV != "q8_0" && c.load.Quant != "int8" || c.load.KV == "f32") {
				t.Skip("the other caches and models are left to the full tests")
			}
			c.load.Context, c.load.Sessions = 128, c.n
			m := loadTest(t, rt, testkit.Path(t, "golden/"+c.model), c.load)
			all := ragged(readGolden(t, c.model).prompts[0].IDs, c.n)
			together := answerTogether(t, m, all, 8) // more are several steps
			s := session(t, m)
			for i, a := range all {
				alone, _ := tell(t, s, a.ids, a.o, nil)
				sameAnswer(t, fmt.Sprintf("answer %d", i), together[i], alone)
			}
		})
	}
}

// TestBatchGreedySteps: a step of answers that are all greedy goes on from what the one before left on the device, one
// submission for all of them.
func TestBatchGreedySteps(t *testing.T) {
	m := loadTest(t, openTest(t, Options{}, nil), testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 128, Sessions: 4})
	ids := readGolden(t, "qwen3-dense-tied").prompts[0].IDs
	all := ragged(ids, 4)
	for i := range all {
		all[i].o = GenerateOptions{MaxTokens: 20 + 2*i, IgnoreEOS: true}
	}
	b := m.NewBatch()
	var sessions []*Session
	for _, a := range all {
		sessions = append(sessions, session(t, m))
		if _, err := b.Add(context.Background(), sessions[len(sessions)-1], a.ids, a.o); err != nil {
			t.Fatal(err)
		}
	}
	for _, err := range b.Run(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for i, s := range sessions {
		r := s.Result()
		if len(r.IDs) != all[i].o.MaxTokens || r.FinishReason != "length" || i == 3 && r.Counts.Submits != 1 {
			t.Errorf("answer %d: %d tokens, %s, %v submits per token", i, len(r.IDs), r.FinishReason, r.Counts.Submits)
		}
	}
}

// TestBatchOfMany: beyond eight answers products run in other kernels. What is chosen is then within the tolerance of what the
// sessions would choose alone.
func TestBatchOfMany(t *testing.T) {
	if testing.Short() {
		t.Skip("many answers are left to the full tests")
	}
	rt := openTest(t, Options{}, nil)
	for _, n := range []int{9, 32} {
		m := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 128, Sessions: n, KV: "f32"})
		ids := readGolden(t, "qwen3-dense-tied").prompts[0].IDs
		all := make([]asked, n)
		for i := range all {
			all[i] = asked{slices.Concat(ids[i%7:], ids[:i]), GenerateOptions{MaxTokens: 6 + i%5, IgnoreEOS: true}}
		}
		together := answerTogether(t, m, all, n)
		s := session(t, m)
		for i, a := range all {
			if len(together[i].ids) != a.o.MaxTokens {
				t.Fatalf("answer %d of %d has %d tokens, want %d", i, n, len(together[i].ids), a.o.MaxTokens)
			}
			for k, id := range together[i].ids {
				logits := logitsBehind(t, s, slices.Concat(a.ids, together[i].ids[:k]), LogitsOptions{Reuse: true})
				if got, best := logits[id], slices.Max(logits); got < best-1e-3 { // twice the f32 row of the goldens
					t.Fatalf("answer %d of %d: token %d has logit %v alone, the best %v", i, n, k, got, best)
				}
			}
		}
	}
}

// TestBatchAdapters: answers with the same adapters may be computed together, others not.
func TestBatchAdapters(t *testing.T) {
	m := loadTest(t, openTest(t, Options{}, nil), testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 128, Sessions: 4})
	a, err := m.LoadAdapter(context.Background(), testkit.Path(t, "golden/qwen3-lora/adapter"))
	if err != nil {
		t.Fatal(err)
	}
	ids := readGolden(t, "qwen3-dense-tied").prompts[0].IDs
	var sessions []*Session
	for range 3 {
		s := session(t, m)
		if err := s.SetAdapters(context.Background(), AdapterUse{Adapter: a, Scale: 1}); err != nil {
			t.Fatal(err)
		}
		sessions = append(sessions, s)
	}
	all := ragged(ids, 3)
	var alone []told
	for i, s := range sessions {
		one, _ := tell(t, s, all[i].ids, all[i].o, nil)
		alone = append(alone, one)
	}
	b := m.NewBatch()
	for i, s := range sessions {
		s.Reset()
		if _, err := b.Add(context.Background(), s, all[i].ids, all[i].o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Add(context.Background(), session(t, m), ids, GenerateOptions{}); err == nil || !strings.Contains(err.Error(), "other adapters") {
		t.Errorf("a session without adapters joined: %v", err)
	}
	for tok, err := range b.Run(context.Background()) {
		if err != nil {
			t.Fatalf("answer %d: %v", tok.Index, err)
		}
	}
	for i, s := range sessions {
		if got := s.Result().IDs; !slices.Equal(got, alone[i].ids) {
			t.Errorf("answer %d: %v, alone %v", i, got, alone[i].ids)
		}
		if err := s.SetAdapters(context.Background()); err != nil {
			t.Error(err)
		}
	}
}

// TestBatchEnds: an answer's context, its session's end, an error of its own and the consumer end what they are meant to.
func TestBatchEnds(t *testing.T) {
	m := loadTest(t, openTest(t, Options{}, nil), testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 64, Sessions: 4})
	ids := readGolden(t, "qwen3-dense-tied").prompts[1].IDs
	o := GenerateOptions{MaxTokens: 12, IgnoreEOS: true}
	b := m.NewBatch()
	var s [4]*Session
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	for i, prompt := range [][]int32{ids, ids, slices.Repeat(ids, 20), ids} {
		s[i] = session(t, m)
		of := context.Background()
		if i == 0 {
			of = ctx
		}
		if _, err := b.Add(of, s[i], prompt, o); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := b.Add(context.Background(), s[1], ids, o); !errors.Is(err, ErrBusy) {
		t.Errorf("a session twice: %v", err)
	}
	errs, tokens := map[int]error{}, map[int]int{}
	for tok, err := range b.Run(context.Background()) {
		if err != nil {
			errs[tok.Index] = err
			continue
		}
		if tokens[tok.Index]++; tokens[tok.Index] == 4 {
			switch tok.Index {
			case 0:
				cancel()
			case 1:
				s[1].Close()
			}
		}
	}
	if !errors.Is(errs[2], ErrContextFull) || !errors.Is(errs[1], ErrClosed) || len(errs) != 2 {
		t.Errorf("errors %v", errs)
	}
	if r := s[0].Result(); r.FinishReason != "interrupted" || tokens[0] != 4 {
		t.Errorf("cancelled: %s after %d tokens", r.FinishReason, tokens[0])
	}
	if r := s[3].Result(); r.FinishReason != "length" || len(r.IDs) != 12 {
		t.Errorf("the one that is left: %s, %d tokens", r.FinishReason, len(r.IDs))
	}
	// A loop that is left, and then the same sessions again.
	for range 2 {
		again := m.NewBatch()
		for _, i := range []int{0, 3} {
			if _, err := again.Add(context.Background(), s[i], ids, o); err != nil {
				t.Fatal(err)
			}
		}
		n := 0
		for _, err := range again.Run(context.Background()) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 5 {
				break
			}
		}
		if r := s[3].Result(); r.FinishReason != "interrupted" {
			t.Errorf("a loop that was left: %s", r.FinishReason)
		}
	}
}
