package engine

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// Speculation says whether an answer's next tokens are guessed, so that one step of the model can check several at once. The
// zero value guesses nothing.
//
// # Why the answer is the same
//
// A step of up to eight rows computes for each row the bits that a step of one row would. The choice behind each row is made
// as if the guess did not exist, with the same random number; a guessed token only says whether the row behind it was
// computed for the right text. So guesses change how long an answer takes and nothing else.
type Speculation struct {
	NGram    bool     // tokens that followed, in the text so far, on what it ends in now
	Draft    *Session // of a smaller model of the same vocabulary: what that would say; nil: none
	MaxDraft int      // tokens guessed at a time at most; 0: MaxDraft

	// Always guesses as much as it can, whether or not it has paid so far: for measurements.
	Always bool
}

// MaxDraft is how many tokens can be guessed at a time.
const MaxDraft = vkexec.MaxGuess

// errStale reports a choice that needs logits which another session's step has overwritten.
var errStale = errors.New("the logits of the step are gone")

// speculation guesses tokens of one answer and keeps the rows that were computed for them.
type speculation struct {
	g       *generation
	o       Speculation
	lookup  *lookup
	drafter *drafter
	pace    pace

	shadow  guess // a guess of which nothing was computed
	drafted guess // the guess of the last step
	result  *vkexec.Result
	tail    vkexec.Tail
	row     int    // of result that chooses next
	serial  uint64 // of the step that made result
}

// guess is what may come next.
type guess struct {
	ids    []int32
	source source
}

// source says where a guess came from: sources differ in how often they are right.
type source uint8

// Guesses of the lookup by how many tokens agreed.
const (
	sourceBrief source = iota
	sourceShort
	sourceMiddle
	sourceLong
	sourceDraft
	sources
)

func (g *generation) newSpeculation(ctx context.Context) (*speculation, error) {
	o := g.o.Speculate
	if !o.NGram && o.Draft == nil {
		return nil, nil
	}
	if o.MaxDraft < 0 || o.MaxDraft > MaxDraft {
		return nil, fmt.Errorf("%d tokens guessed at a time are not possible: use 1 to %d", o.MaxDraft, MaxDraft)
	}
	if o.MaxDraft == 0 {
		o.MaxDraft = MaxDraft
	}
	rows := min(g.s.e.exec().MaxRows(vkexec.TailGreedyRows), g.s.e.exec().MaxRows(vkexec.TailNone))
	if o.MaxDraft = min(o.MaxDraft, rows-1); o.MaxDraft == 0 {
		return nil, nil // the model was loaded to compute one token at a time
	}
	v := &speculation{g: g, o: o, pace: newPace(o.MaxDraft)}
	if o.NGram {
		v.lookup = newLookup(g.ids)
	}
	if o.Draft != nil {
		var err error
		if v.drafter, err = newDrafter(ctx, o.Draft, g.s.e.exec().Vocab(), g.o.Sampling); err != nil {
			return nil, fmt.Errorf("the draft model: %w", err)
		}
	}
	return v, nil
}

// close gives the draft's session free.
func (v *speculation) close() {
	if v != nil && v.drafter != nil {
		v.drafter.s.leave()
	}
}

// forget drops the rows that are left: the text goes on otherwise than they were computed for.
func (v *speculation) forget() {
	if v != nil {
		v.result, v.shadow = nil, guess{}
	}
}

// stale reports that the step whose rows are chosen from is not the last one any more.
func (v *speculation) stale() bool {
	return v != nil && v.result != nil && v.g.s.e.exec().Stats().Steps != v.serial
}

// step returns the token behind id: from a row that was computed already, or by a step.
func (v *speculation) step(ctx context.Context, id int32) (int32, error) {
	g := v.g
	if v.lookup != nil {
		v.lookup.push(g.s.result.IDs[len(v.lookup.text)-len(g.ids):]...)
	}
	v.noteShadow(id)
	if next, ok, err := v.verified(ctx, id); ok || err != nil {
		return next, err
	}
	v.forget()
	draft, err := v.guess(ctx, id)
	if err != nil {
		return 0, err
	}
	rows := v.rows(draft)
	if rows == 1 {
		v.shadow = draft
		return v.plain(ctx, id)
	}
	draft.ids = draft.ids[:rows-1]
	return v.check(ctx, id, draft)
}

// noteShadow compares a guess that was not computed for with what came.
func (v *speculation) noteShadow(id int32) {
	if len(v.shadow.ids) > 0 {
		v.pace.guessed(v.shadow.source, v.shadow.ids[0] == id)
		v.shadow = guess{}
	}
}

// verified chooses from the next row of the last step, if that was computed for id.
func (v *speculation) verified(ctx context.Context, id int32) (next int32, ok bool, err error) {
	g, s := v.g, v.g.s
	if v.result == nil || v.row > len(v.drafted.ids) {
		return 0, false, nil
	}
	right := v.drafted.ids[v.row-1] == id
	v.pace.guessed(v.drafted.source, right)
	if right {
		s.result.Accepted++
	}
	if !right || v.tail == vkexec.TailGreedyRows && g.tail() != vkexec.TailGreedy {
		return 0, false, nil
	}
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if err := cmp.Or(ctx.Err(), s.open()); err != nil {
		return 0, false, err
	}
	draws := g.sampler.Draws()
	next, err = g.choose(ctx, v.result, v.row)
	if errors.Is(err, errStale) {
		g.sampler.Seek(draws)
		return 0, false, nil
	}
	if err != nil {
		return 0, false, err
	}
	s.cached = append(s.cached, id) // computed with the rows in front
	v.row++
	return next, true, nil
}

// guess asks the sources, the text itself first. The text has id as its last token.
func (v *speculation) guess(ctx context.Context, id int32) (guess, error) {
	g, s := v.g, v.g.s
	most := min(v.o.MaxDraft, g.limit-len(s.result.IDs)-1, s.e.options.Context-len(s.cached)-1)
	if most < 1 {
		return guess{}, nil
	}
	if v.lookup != nil {
		if ids, agree := v.lookup.find(most); len(ids) > 0 {
			return guess{ids, sourceOf(agree)}, nil
		}
	}
	if v.drafter == nil {
		return guess{}, nil
	}
	n := v.draftTokens(most)
	if n == 0 {
		return guess{}, nil
	}
	ids, cost, err := v.drafter.draft(ctx, append(s.cached, id), n, g.sampler.Draws(), g.tail() == vkexec.TailGreedy)
	if cost > 0 {
		v.pace.drafted(cost)
	}
	return guess{ids, sourceDraft}, err
}

func sourceOf(agree int) source {
	switch {
	case agree < 3:
		return sourceBrief
	case agree < 5:
		return sourceShort
	case agree < 9:
		return sourceMiddle
	}
	return sourceLong
}

// draftTokens is how many tokens the draft model is asked for.
func (v *speculation) draftTokens(most int) int {
	if v.o.Always {
		return most
	}
	return v.pace.rows(sourceDraft, most) - 1
}

// rows is how many rows the next step has for a guess.
func (v *speculation) rows(draft guess) int {
	n := len(draft.ids)
	if v.o.Always || draft.source == sourceDraft { // which was asked for so many
		return n + 1
	}
	return v.pace.rows(draft.source, n)
}

// plain computes the step of one token, and times it.
func (v *speculation) plain(ctx context.Context, id int32) (int32, error) {
	before := v.g.s.e.Stats()
	next, err := v.g.step(ctx, id)
	after := v.g.s.e.Stats()
	if err == nil && after.Steps == before.Steps+1 { // no other session's step is among the time
		v.pace.took(1, time.Duration(after.WaitNS-before.WaitNS))
	}
	return next, err
}

// check computes the rows of id and of a guess behind it, and chooses behind id.
func (v *speculation) check(ctx context.Context, id int32, draft guess) (int32, error) {
	g, s := v.g, v.g.s
	if err := s.e.lock(ctx); err != nil {
		return 0, err
	}
	defer s.e.mu.Unlock()
	step := vkexec.Step{IDs: slices.Concat([]int32{id}, draft.ids)}
	tail := vkexec.TailTopKRows
	if g.tail() == vkexec.TailGreedy {
		tail = vkexec.TailGreedyRows
	}
	h, err := g.counting(ctx, &step, true)
	if err != nil {
		return 0, err
	}
	before := s.e.exec().Stats()
	r, err := s.run(ctx, step, tail, h)
	if err != nil {
		return 0, err
	}
	s.cached = s.cached[:len(s.cached)-len(draft.ids)] // what was guessed is in the cache when it proves right
	after := s.e.exec().Stats()
	v.pace.took(len(step.IDs), time.Duration(after.WaitNS-before.WaitNS))
	s.result.Drafted += len(draft.ids)
	g.fresh = true
	v.drafted, v.result, v.tail, v.row, v.serial = draft, r, tail, 1, after.Steps
	return g.choose(ctx, r, 0)
}
