package engine

import (
	"math/rand/v2"
	"slices"
	"testing"
	"time"
)

func TestLookup(t *testing.T) {
	for _, c := range []struct {
		text  []int32
		n     int
		want  []int32
		agree int
	}{
		{nil, 3, nil, 0},
		{[]int32{1}, 3, nil, 0},
		{[]int32{1, 2, 3, 4}, 3, nil, 0},
		{[]int32{1, 2, 3, 4, 1, 2}, 2, []int32{3, 4}, 2},
		{[]int32{1, 2, 3, 9, 1, 2}, 5, []int32{3, 9, 1, 2, 3}, 2},                        // goes on from itself
		{[]int32{7, 7, 7}, 4, []int32{7, 7, 7, 7}, 2},                                    // overlapping places
		{[]int32{5, 1, 2, 3, 6, 1, 2, 4, 5, 1, 2}, 1, []int32{3}, 3},                     // the longest agreement
		{[]int32{5, 1, 2, 3, 5, 1, 2, 4, 5, 1, 2}, 1, []int32{4}, 3},                     // of equals the latest
		{[]int32{9, 8, 1, 2, 3, 4, 1, 2, 6, 9, 8, 1, 2}, 3, []int32{3, 4, 1}, 4},         // not the latest pair
		{slices.Concat(seq(0, 90), seq(500, 520), seq(0, 90)), 2, []int32{500, 501}, 32}, // as far as is compared
	} {
		l := newLookup(nil)
		for _, id := range c.text {
			l.push(id)
		}
		if got, agree := l.find(c.n); !slices.Equal(got, c.want) || agree != c.agree {
			t.Errorf("%v: %v after %d tokens that agree, want %v after %d", c.text, got, agree, c.want, c.agree)
		}
	}
	// Against a search of all places; few different tokens, so that there are more places than are compared.
	random := rand.New(rand.NewPCG(1, 2))
	l := newLookup(nil)
	for range 150 {
		l.push(random.Int32N(4))
		place, longest := 0, pairTokens-1
		for at := pairTokens; at < len(l.text); at++ {
			n := 0
			for n < at && n < maxAgreement && l.text[at-1-n] == l.text[len(l.text)-1-n] {
				n++
			}
			if n >= longest && n >= pairTokens {
				place, longest = at, n
			}
		}
		ids, agree := l.find(1)
		if place == 0 && ids != nil || place > 0 && (agree != longest || ids[0] != l.text[place]) {
			t.Fatalf("behind %v: %v after %d, want place %d after %d", l.text, ids, agree, place, longest)
		}
	}
}

func seq(from, to int32) (ids []int32) {
	for i := from; i < to; i++ {
		ids = append(ids, i)
	}
	return ids
}

// TestPace plays answers on devices whose steps of more rows cost more or less, with guesses that are right more or less
// often: it must end up with the number of rows that brings the most tokens per time.
func TestPace(t *testing.T) {
	const step = 10 * time.Millisecond
	for _, c := range []struct {
		name     string
		most     int
		perRow   float64 // cost of a further row, in steps of one
		right    float64
		draft    time.Duration
		least    int // rows at the end
		greatest int
	}{
		{"card, right", 7, 0.02, 0.95, 0, 8, 8},
		{"card, seldom right", 7, 0.02, 0.3, 0, 2, 8},
		{"card, never right", 7, 0.1, 0.02, 0, 1, 1},
		{"CPU, right", 7, 0.4, 0.95, 0, 4, 8},
		{"CPU, wrong", 7, 0.7, 0.3, 0, 1, 1},
		{"rows as dear as steps", 7, 1, 0.99, 0, 1, 1},
		{"few", 2, 0.02, 0.95, 0, 3, 3},
		{"dear draft", 7, 0.02, 0.8, 9 * time.Millisecond, 1, 1},
		{"cheap draft", 7, 0.02, 0.8, time.Millisecond, 4, 8},
	} {
		p, s := newPace(c.most), sourceMiddle
		if c.draft > 0 {
			s = sourceDraft
		}
		random := rand.New(rand.NewPCG(3, 4))
		seen := map[int]int{}
		for turn := range 600 {
			rows := p.rows(s, c.most)
			if turn >= 400 {
				seen[rows]++
			}
			p.took(rows, time.Duration(float64(step)*(1+c.perRow*float64(rows-1))))
			if rows > 1 && c.draft > 0 {
				p.drafted(c.draft)
			}
			if rows == 1 && c.draft == 0 { // a guess that was not used is compared all the same
				p.guessed(s, random.Float64() < c.right)
			}
			for range rows - 1 {
				right := random.Float64() < c.right
				if p.guessed(s, right); !right {
					break
				}
			}
		}
		within := 0
		for rows, n := range seen {
			if rows >= c.least && rows <= c.greatest {
				within += n
			}
		}
		if within < 180 { // of 200; a draft model is tried again now and then
			t.Errorf("%s: %v steps by rows, most should have %d to %d", c.name, seen, c.least, c.greatest)
		}
	}
}

// TestPaceBegins: the first step is plain, since nothing can be compared before.
func TestPaceBegins(t *testing.T) {
	p := newPace(7)
	if rows := p.rows(sourceLong, 7); rows != 1 {
		t.Errorf("%d rows before a plain step was timed", rows)
	}
	p.took(1, time.Millisecond)
	if rows := p.rows(sourceLong, 7); rows != 8 {
		t.Errorf("%d rows for a guess that looks good", rows)
	}
	p.took(8, 8*time.Millisecond)
	if cost := p.cost(4); cost < 3.9 || cost > 4.1 {
		t.Errorf("4 rows are expected to cost %g steps, between 1 and 8", cost)
	}
	if rows := p.rows(sourceLong, 7); rows != 1 {
		t.Errorf("%d rows where 8 take the time of 8 steps", rows)
	}
}
