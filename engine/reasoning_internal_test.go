package engine

import (
	"slices"
	"testing"
)

// TestBlock counts the tokens of reasoning, whatever pieces its tags come in.
func TestBlock(t *testing.T) {
	for _, test := range []struct {
		pieces []string
		inside bool
		want   int
	}{
		{[]string{"a", "b"}, false, 0},
		{[]string{"<think>", "\n", "a", "</think>", "b", "c"}, false, 4},
		{[]string{"\n", "<thi", "nk>", "a", "</th", "ink>", "b"}, false, 6},
		{[]string{"<think>\n\n</think>\n\n", "b"}, false, 1},
		{[]string{"a", "</think>", "b"}, true, 2},
		{[]string{"a", "</thin", "g", "</think>", "b"}, true, 4},
		{[]string{"a", "b"}, true, 2},
		{[]string{"<b>", "</think>"}, false, 0},
		{[]string{"a", "<think>", "b"}, false, 0},
		{[]string{"", "\n"}, false, 0}, // the answer ended before it had begun
	} {
		b := newBlock(&Reasoning{Open: "<think>", Close: "</think>", Inside: test.inside})
		for _, piece := range test.pieces {
			b.push(piece)
		}
		if b.reasoning() != test.want {
			t.Errorf("%q: %d tokens, want %d", test.pieces, b.reasoning(), test.want)
		}
	}
	none := newBlock(nil)
	if none.push("<think>"); none.reasoning() != 0 || none.end() != nil {
		t.Errorf("an answer without a block: %+v", none)
	}
}

// TestBlockEnd: the end comes when the budget is used up, once, and not at all where the model was done before.
func TestBlockEnd(t *testing.T) {
	end, empty := []int32{7, 8}, []int32{9}
	for _, test := range []struct {
		pieces []string
		inside bool
		budget int
		want   []int32
		at     int // pieces before the end
	}{
		{[]string{"<think>", "a", "b", "c"}, false, 2, end, 3},
		{[]string{"<think>", "a", "b", "c"}, false, 0, empty, 1},
		{[]string{"a", "b", "c"}, true, 2, end, 2},
		{[]string{"a"}, true, 0, empty, 0},
		{[]string{"<think>", "a", "</think>", "c"}, false, 2, nil, 4},
		{[]string{"a", "b"}, false, 0, nil, 2},
	} {
		b := newBlock(&Reasoning{Open: "<think>", Close: "</think>", Inside: test.inside, Budget: &test.budget, End: end, Empty: empty})
		at, got := 0, b.end()
		for got == nil && at < len(test.pieces) {
			b.push(test.pieces[at])
			at, got = at+1, b.end()
		}
		if !slices.Equal(got, test.want) || at != test.at || b.end() != nil {
			t.Errorf("%q with a budget of %d: %v after %d pieces, want %v after %d", test.pieces, test.budget, got, at, test.want, test.at)
		}
	}
}
