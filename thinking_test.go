package qwenvk

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// TestThinkBudget cuts the reasoning of the demo model after so many tokens: what comes before the cut is what the model
// wrote, then comes the text that ends it, and then what the model writes behind exactly these tokens.
func TestThinkBudget(t *testing.T) {
	rt := openTest(t, Options{}, nil)
	t.Run("whole", func(t *testing.T) {
		cutThinking(t, rt, LoadOptions{}, map[int][]sampler.Params{
			0: {{}},
			1: {{FrequencyPenalty: 0.1}},
			5: {{}, {FrequencyPenalty: 0.1}, {Temperature: 0.7, TopK: 20, TopP: 0.8, Seed: 3}},
		})
	})
	t.Run("small chunks", func(t *testing.T) {
		cutThinking(t, rt, LoadOptions{Chunk: 9}, map[int][]sampler.Params{3: {{}}})
	})
}

func cutThinking(t *testing.T, rt *Runtime, load LoadOptions, budgets map[int][]sampler.Params) {
	m, s := openDemo(t, rt, load)
	ids := encode(t, m, sum)
	cut, empty := encode(t, m, chat.CutThinking), encode(t, m, chat.NoThinking)
	_, full := generate(context.Background(), t, s, ids, GenerateOptions{Reasoning: true})
	block := slices.Index(full.IDs, encode(t, m, "</think>")[0]) + 1
	if full.Usage.ReasoningTokens != block {
		t.Fatalf("%d tokens of reasoning counted, the block has %d", full.Usage.ReasoningTokens, block)
	}
	for budget, params := range budgets {
		for _, p := range params {
			_, free := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, MaxTokens: budget + 1})
			text, r := generate(context.Background(), t, s, ids, GenerateOptions{Sampling: p, ThinkBudget: &budget, MaxTokens: 54})
			end := cut
			if budget == 0 {
				end = empty
			}
			head := append(slices.Clone(free.IDs[:budget+1]), end...) // <think> is not counted
			if len(r.IDs) <= len(head) || !slices.Equal(r.IDs[:len(head)], head) {
				t.Fatalf("budget %d: ids %v, want %v and then an answer", budget, r.IDs, head)
			}
			if n := slices.Index(r.IDs, encode(t, m, "</think>")[0]) + 1; r.Usage.ReasoningTokens < n || r.Usage.ReasoningTokens > len(head) {
				t.Errorf("budget %d: %d tokens of reasoning, </think> is number %d", budget, r.Usage.ReasoningTokens, n)
			}
			decoded, err := m.Tokenizer().Decode(r.IDs, tokenizer.DecodeOptions{SkipSpecial: true})
			if err != nil || decoded != text {
				t.Errorf("budget %d: the text is %q, the ids say %q (%v)", budget, text, decoded, err)
			}
			if p.Temperature > 0 {
				continue // the draws behind the cut are those of their place in the answer
			}
			follows(t, s, p, ids, r.IDs, len(head))
		}
	}
	late := 1000
	if text, r := generate(context.Background(), t, s, ids, GenerateOptions{ThinkBudget: &late}); !slices.Equal(r.IDs, full.IDs) {
		t.Errorf("a budget that is not used up changes the answer to %q", text)
	}
}

// follows checks that an answer's tokens from a place on are those with the highest logits behind what is before them.
func follows(t *testing.T, s *Session, p sampler.Params, prompt, answer []int32, from int) {
	t.Helper()
	to := min(len(answer), from+6)
	err := s.Logits(context.Background(), slices.Concat(prompt, answer[:to-1]), LogitsOptions{All: true, From: len(prompt) + from - 1},
		func(row int, logits []float32) error {
			i := row + 1 - len(prompt)
			if err := p.ApplyPenalties(logits, prompt, answer[:i]); err != nil {
				return err
			}
			if got, best := logits[answer[i]], slices.Max(logits); got < best-2e-2 { // f16 cache, prompts cut differently
				t.Errorf("token %d of %v has logit %v, the best %v", i, answer, got, best)
			}
			return nil
		})
	if err != nil {
		t.Fatal(err)
	}
}

// TestThinkBudgetInside: a prompt that opens the block itself, as those of models that always think, has its budget counted
// from there; with 0 the answer begins with the end of an empty block.
func TestThinkBudgetInside(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids := encode(t, m, sum+"<think>\n")
	for budget, want := range map[int]string{0: "\n</think>\n\n", 3: chat.CutThinking} {
		_, free := generate(context.Background(), t, s, ids, GenerateOptions{})
		text, r := generate(context.Background(), t, s, ids, GenerateOptions{ThinkBudget: &budget, MaxTokens: 50})
		head := append(slices.Clone(free.IDs[:budget]), encode(t, m, want)...)
		if len(r.IDs) <= len(head) || !slices.Equal(r.IDs[:len(head)], head) {
			t.Errorf("budget %d: %q", budget, text)
		}
		if budget == 0 && !strings.HasSuffix(text, "42") {
			t.Errorf("without a thought: %q", text)
		}
		if r.Usage.PromptTokens != len(ids) {
			t.Errorf("budget %d: a prompt of %d tokens, %d were given", budget, r.Usage.PromptTokens, len(ids))
		}
	}
}

// TestThinkBudgetLimits: the tokens that end the reasoning count as the answer's, in MaxTokens and in the context, and a
// stop text may lie in them.
func TestThinkBudgetLimits(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{Context: 64})
	ids, inside := encode(t, m, sum), encode(t, m, sum+"<think>\n")
	budget, none := 2, 0
	for _, most := range []int{3, 4, 10} {
		_, r := generate(context.Background(), t, s, ids, GenerateOptions{ThinkBudget: &budget, MaxTokens: most})
		if len(r.IDs) != most || r.FinishReason != "length" {
			t.Errorf("at most %d tokens: %d, %s", most, len(r.IDs), r.FinishReason)
		}
	}
	if _, r := generate(context.Background(), t, s, inside, GenerateOptions{ThinkBudget: &none, MaxTokens: 1}); len(r.IDs) != 1 || r.FinishReason != "length" {
		t.Errorf("one token: %v, %s", r.IDs, r.FinishReason)
	}
	_, r := generate(context.Background(), t, s, ids, GenerateOptions{ThinkBudget: &budget, IgnoreEOS: true})
	if want := 64 - len(ids) + 1; len(r.IDs) != want || r.FinishReason != "length" {
		t.Errorf("%d tokens behind %d in a context of 64, want %d; %s", len(r.IDs), len(ids), want, r.FinishReason)
	}
	text, r := generate(context.Background(), t, s, ids, GenerateOptions{ThinkBudget: &budget, Stop: []string{"limited time"}})
	if !strings.HasSuffix(text, "Considering the ") || r.FinishReason != "stop" {
		t.Errorf("stop text in the end of the reasoning: %q, %s", text, r.FinishReason)
	}
	n := 0
	for range s.Generate(context.Background(), ids, GenerateOptions{ThinkBudget: &budget}) {
		if n++; n == 5 {
			break
		}
	}
	if r := s.Result(); len(r.IDs) != 5 || r.FinishReason != "interrupted" {
		t.Errorf("left in the middle of the end: %d tokens, %s", len(r.IDs), r.FinishReason)
	}
}

// TestConstraintBehindReasoning: a constraint leaves the model its thoughts, which it is not told of, and governs what
// comes behind them.
func TestConstraintBehindReasoning(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids, end := encode(t, m, sum), m.EOS()[0]
	letters := encode(t, m, "abc xyz")
	for _, budget := range []*int{nil, new(int)} {
		c := &listConstraint{lists: [][]int32{letters, letters, {end}}}
		o := GenerateOptions{Reasoning: true, ThinkBudget: budget}
		reasoning, err := s.reasoning(ids, o)
		if err != nil {
			t.Fatal(err)
		}
		r, err := engineAnswer(t, s, ids, engine.GenerateOptions{Constraint: c, Reasoning: reasoning})
		if err != nil {
			t.Fatal(err)
		}
		text, err := m.Tokenizer().Decode(r.IDs, tokenizer.DecodeOptions{SkipSpecial: true})
		if err != nil {
			t.Fatal(err)
		}
		thought, answer, _ := strings.Cut(text, "</think>\n\n")
		if !strings.HasPrefix(thought, "<think>\n") || (budget == nil) != strings.Contains(thought, "carry 1") {
			t.Errorf("the model thought %q", thought)
		}
		if len(c.seen) != 2 || answer == "" || strings.Trim(answer, "abc xyz") != "" || r.FinishReason != engine.FinishStop {
			t.Errorf("answer %q, the constraint was told %v", answer, c.seen)
		}
	}
}

// TestCutThinking: the text that ends reasoning has the tokens that Qwen's documentation counts, 24, of which one is the
// tag.
func TestCutThinking(t *testing.T) {
	tok, err := tokenizer.FromTokenizerJSON(testkit.Read(t, "qwen-tokenizer/qwen3/tokenizer.json"), testkit.Read(t, "qwen-tokenizer/qwen3/tokenizer_config.json"))
	if err != nil {
		t.Fatal(err)
	}
	ids, err := tok.Encode(chat.CutThinking, tokenizer.EncodeOptions{})
	if err != nil || len(ids) != 24 || !slices.Contains(ids, 151668) {
		t.Errorf("%v (%d), %v", ids, len(ids), err)
	}
}
