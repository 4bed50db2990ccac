package qwenvk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/sampler"
)

// TestJSONConstraint: answers fit the schema whatever is drawn, and one constraint serves answers one after another.
func TestJSONConstraint(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	c, err := m.NewJSONConstraint([]byte(`{"type":"object","properties":{"n":{"type":"integer","minimum":0,"maximum":99},"list":{"type":"array","items":{"type":"string"}}},"required":["n","list"]}`))
	if err != nil {
		t.Fatal(err)
	}
	ids := encode(t, m, sum)
	for seed := range uint64(6) {
		text, r := generate(context.Background(), t, s, ids, GenerateOptions{
			Sampling: sampler.Params{Temperature: 3, TopP: 1, Seed: seed}, MaxTokens: 25 + int(seed), Constraint: c,
		})
		var v struct {
			N    *int
			List []string
		}
		if err := json.Unmarshal([]byte(text), &v); err != nil || v.N == nil || *v.N > 99 || v.List == nil {
			t.Errorf("seed %d: %q: %v", seed, text, err)
		}
		if r.FinishReason != "stop" || len(r.IDs) > 25+int(seed) {
			t.Errorf("seed %d: %d tokens, %s", seed, len(r.IDs), r.FinishReason)
		}
	}
	// The same seed, the same tokens; greedily as well.
	for _, p := range []sampler.Params{{Temperature: 1, TopP: 1, Seed: 5}, {}} {
		o := GenerateOptions{Sampling: p, MaxTokens: 40, Constraint: c}
		first, _ := generate(context.Background(), t, s, ids, o)
		if second, _ := generate(context.Background(), t, s, ids, o); first != second {
			t.Errorf("%q and then %q", first, second)
		}
	}
}

// TestFormBehindReasoning: the form governs what follows the <think> block, which leaves room for it.
func TestFormBehindReasoning(t *testing.T) {
	c := openChat(t, ChatOptions{Think: chat.ThinkOn, Sampling: &sampler.Params{}})
	form, err := c.model.NewGrammarConstraint(`root ::= "The answer is " [0-9]{2} "."`)
	if err != nil {
		t.Fatal(err)
	}
	plain, thought := askDelta(t, c, "What is 17 + 25?")
	if plain == "" || thought == "" {
		t.Fatalf("without a form: %q, thinking %q", plain, thought)
	}
	for _, limit := range []int{0, 75} {
		c.Reset()
		c.SetOptions(ChatOptions{Think: chat.ThinkOn, Sampling: &sampler.Params{}, Constraint: form, MaxTokens: limit})
		text, got := askDelta(t, c, "What is 17 + 25?")
		if !strings.HasPrefix(text, "The answer is ") || !strings.HasSuffix(text, ".") || c.Result().FinishReason != "stop" {
			t.Errorf("limit %d: answer %q, %s", limit, text, c.Result().FinishReason)
		}
		if limit == 0 && got != thought {
			t.Errorf("thinking %q, want what it thinks without a form, %q", got, thought)
		}
		if limit > 0 && c.Result().Usage.CompletionTokens > limit {
			t.Errorf("%d tokens, at most %d are allowed", c.Result().Usage.CompletionTokens, limit)
		}
	}
}

func askDelta(t *testing.T, c *Chat, question string) (text, reasoning string) {
	t.Helper()
	for d, err := range c.Send(context.Background(), question) {
		if err != nil {
			t.Fatal(err)
		}
		text += d.Text
		reasoning += d.Reasoning
	}
	return text, reasoning
}

// TestConstraintErrors: what cannot be done is said before anything is computed, and a schema's whole is checked at the
// end.
func TestConstraintErrors(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids := encode(t, m, sum)
	make := func(schema string) *Constraint {
		c, err := m.NewJSONConstraint([]byte(schema))
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	if _, err := m.NewJSONConstraint([]byte(`{"type":"integer","minimum":2,"maximum":1}`)); err == nil || !strings.HasPrefix(err.Error(), "at the top: no answer fits") {
		t.Errorf("an impossible schema: %v", err)
	}
	if _, err := m.NewGrammarConstraint("root ::= x"); err == nil || !strings.HasPrefix(err.Error(), "line 1, column 10: ") {
		t.Errorf("an undefined rule: %v", err)
	}
	twice := make(`{"oneOf":[{"type":"integer","minimum":1,"maximum":1},{"type":"integer","minimum":1,"maximum":1}]}`)
	for _, test := range []struct {
		o    GenerateOptions
		want error
		text string
	}{
		{GenerateOptions{Constraint: make(`{"const":"some words that take tokens"}`), MaxTokens: 3}, ErrBudget, "it may have 3"},
		{GenerateOptions{Constraint: make(`true`), IgnoreEOS: true}, nil, "IgnoreEOS"},
		{GenerateOptions{Constraint: &Constraint{}}, nil, "the constraint is empty"},
		{GenerateOptions{Constraint: twice}, ErrMisfit, "2 branches of oneOf fit"},
	} {
		var got error
		for _, err := range s.Generate(context.Background(), ids, test.o) {
			if err != nil {
				got = err
			}
		}
		if got == nil || test.want != nil && !errors.Is(got, test.want) || !strings.Contains(fmt.Sprint(got), test.text) {
			t.Errorf("%v, want %v with %q", got, test.want, test.text)
		}
	}
}
