package qwenvk

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/sampler"
)

// listConstraint allows, token by token, the ids of a list, and leaves the model free before that.
type listConstraint struct {
	free  int // tokens
	lists [][]int32
	seen  []int32
	left  []int // what Mask was told
}

func (c *listConstraint) Unbound(int) bool { return len(c.seen) < c.free }

func (c *listConstraint) Mask(allowed []uint32, remaining int) error {
	c.left = append(c.left, remaining)
	at := len(c.seen) - c.free
	if at >= len(c.lists) {
		return errors.New("nothing is left")
	}
	for _, id := range c.lists[at] {
		allowed[id/32] |= 1 << (id % 32)
	}
	return nil
}

func (c *listConstraint) Accept(id int32) error {
	c.seen = append(c.seen, id)
	return nil
}

// engineAnswer collects ids of an answer under a constraint.
func engineAnswer(t *testing.T, s *Session, ids []int32, o engine.GenerateOptions) (engine.Result, error) {
	t.Helper()
	for _, err := range s.s.Generate(context.Background(), ids, o) {
		if err != nil {
			return s.s.Result(), err
		}
	}
	return s.s.Result(), nil
}

// TestConstraint: of the tokens of a mask the one with the highest logit is taken, the model is free where the constraint
// says so, and the answer ends where nothing but an end is allowed.
func TestConstraint(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids, end := encode(t, m, sum), m.EOS()[0]
	_, full := generate(context.Background(), t, s, ids, GenerateOptions{})
	list := encode(t, m, "abcdefghijklmnop 0123456789")
	for _, free := range []int{0, 3} {
		for _, p := range []sampler.Params{{}, {RepetitionPenalty: 1.5, FrequencyPenalty: 0.5}} {
			c := &listConstraint{free: free, lists: [][]int32{list, list, list, list, {end}}}
			r, err := engineAnswer(t, s, ids, engine.GenerateOptions{Sampling: p, Constraint: c, MaxTokens: 20})
			if err != nil {
				t.Fatal(err)
			}
			n := free + 4
			if len(r.IDs) != n+1 || r.IDs[n] != end || r.FinishReason != engine.FinishStop {
				t.Fatalf("answer %v, %s", r.IDs, r.FinishReason)
			}
			if !slices.Equal(c.seen, r.IDs[:n]) || c.left[0] != 20-free || c.left[4] != 20-n {
				t.Errorf("the constraint saw %v and %v tokens left of %v", c.seen, c.left, r.IDs)
			}
			if !p.Penalized() && !slices.Equal(r.IDs[:free], full.IDs[:free]) {
				t.Errorf("the free tokens are %v, want %v", r.IDs[:free], full.IDs[:free])
			}
			for i := free; i < n; i++ {
				checkBestOf(t, s, ids, r.IDs[:i], r.IDs[i], list, p)
			}
		}
	}
}

// checkBestOf compares a choice with the logits that the model gives in one go.
func checkBestOf(t *testing.T, s *Session, prompt, before []int32, got int32, list []int32, p sampler.Params) {
	t.Helper()
	logits := logitsBehind(t, s, slices.Concat(prompt, before), LogitsOptions{})
	if err := p.ApplyPenalties(logits, prompt, before); err != nil {
		t.Fatal(err)
	}
	best := slices.MaxFunc(list, func(a, b int32) int {
		switch {
		case logits[a] < logits[b]:
			return -1
		case logits[a] > logits[b]:
			return 1
		}
		return int(b - a)
	})
	// The two ways round differently; a tie within that says nothing.
	if got != best && logits[best]-logits[got] > 1e-3 {
		t.Errorf("token %d is %d with logit %g, want %d with %g", len(before), got, logits[got], best, logits[best])
	}
}

// TestConstraintEnds: an answer that has all its tokens ends for "length", or for "stop" if it might end there; what goes
// wrong in the constraint ends it as well.
func TestConstraintEnds(t *testing.T) {
	m, s := openDemo(t, openTest(t, Options{}, nil), LoadOptions{})
	ids, end := encode(t, m, sum), m.EOS()[0]
	list := encode(t, m, "abc")
	for _, test := range []struct {
		lists [][]int32
		want  engine.FinishReason
		err   string
	}{
		{[][]int32{list, list, {list[0], end}}, engine.FinishStop, ""},
		{[][]int32{list, list, list}, engine.FinishLength, ""},
		{[][]int32{list}, "", "nothing is left"},
		{[][]int32{list, {}}, "", "allows no token"},
	} {
		r, err := engineAnswer(t, s, ids, engine.GenerateOptions{MaxTokens: 2, Constraint: &listConstraint{lists: test.lists}})
		if test.err != "" {
			if err == nil || !strings.Contains(err.Error(), test.err) {
				t.Errorf("error %v, want %q", err, test.err)
			}
			continue
		}
		if err != nil || r.FinishReason != test.want || len(r.IDs) != 2 {
			t.Errorf("%v: %s, %v, want %s", r.IDs, r.FinishReason, err, test.want)
		}
	}
}
