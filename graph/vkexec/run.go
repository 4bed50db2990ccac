package vkexec

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// ErrNotFinite reports that the logits of a step hold a value that is no number.
var ErrNotFinite = errors.New("the model computed a value that is not a number")

// ErrHeadless reports a step that needs logits of a model without output head.
var ErrHeadless = errors.New("the model has no output head: it gives embeddings, no text")

// Seq is one sequence of a step: rows of new tokens behind start tokens that its slot's cache holds.
type Seq struct{ Slot, Rows, Start int }

// Step is the input of one run: the ids of all sequences' rows, one sequence after another.
type Step struct {
	IDs  []int32
	Seqs []Seq

	// Listed are ids for CountListed, at most shaders.MaxColumns, of the slot of the first sequence.
	Listed []int32

	Adapters *Adapters // act on all sequences of the step; nil: none
	Scales   []float64 // of the adapters, in their order
}

// Result is what a step left for the host.
type Result struct {
	IDs        []int32      // TailGreedy: the next id of each sequence; TailGreedyRows: of each row; until the next step
	Candidates []Candidates // TailTopK, TailTopKRows
	logits     vk.Range     // of all tails with logits: until the next step
	width      int          // of a row of logits or hidden states
}

// Candidates are the best ids of one sequence, best first, ties by the lower id.
type Candidates struct {
	IDs            []int32
	Logits         []float32
	Max, LogSumExp float32 // over the whole vocabulary, after penalties
}

// MaxCandidates is how many candidates a sequence has at most.
const MaxCandidates = shaders.TopK

// MaxListed is how many ids one step can list to be counted, and MaxGuess how many tokens can be guessed behind the one that
// is certain: a step of up to shaders.MaxColumns rows computes the bits of as many steps of one row.
const (
	MaxListed = shaders.MaxColumns
	MaxGuess  = shaders.MaxColumns - 1
)

// SetBlocks tells which physical pages hold the slot's tokens, in order. It takes effect with the next Run.
func (e *Executor) SetBlocks(slot int, pages []uint32) {
	at := e.step.BlocksAt() + slot*e.step.MaxBlocks
	for i, p := range pages {
		e.putStep(at+i, p)
	}
}

// ChooseRoPE is the number of the rotary frequencies for a sequence whose prompt has n tokens.
func (e *Executor) ChooseRoPE(n int) int { return e.model.RoPE.Choose(n) }

// SetRoPE tells which rotary frequencies turn the slot's tokens. It takes effect with the next Run. Keys that the cache
// holds keep the turns that they were stored with.
func (e *Executor) SetRoPE(slot, choice int) {
	e.putStep(e.step.RopesAt()+slot, uint32(choice*e.ropes.rows))
}

func (e *Executor) putStep(word int, v uint32) {
	binary.LittleEndian.PutUint32(e.stepHost.Bytes()[4*word:], v)
}

// Run computes one step that begins on the host. A history other than NoHistory needs SetHistory first.
func (e *Executor) Run(ctx context.Context, s Step, tail Tail, h History) (*Result, error) {
	key, err := e.begin(s, tail, h)
	if err != nil {
		return nil, err
	}
	return e.run(ctx, key)
}

// begin writes a step for the device to read.
func (e *Executor) begin(s Step, tail Tail, h History) (planKey, error) {
	key := planKey{rows: len(s.IDs), seqs: len(s.Seqs), tail: tail, upload: true, history: h, adapters: s.Adapters}
	if e.model.Headless && tail != TailNone && !tail.hidden() {
		return key, ErrHeadless
	}
	row := 0
	for i, q := range s.Seqs {
		if q.Slot < 0 || q.Slot >= e.options.Slots || q.Rows < 1 || q.Start < 0 || q.Start+q.Rows > e.step.MaxBlocks*shaders.PageTokens {
			return key, fmt.Errorf("BUG: vkexec: sequence %+v in a cache of %d slots of %d pages", q, e.options.Slots, e.step.MaxBlocks)
		}
		at := e.step.SeqsAt() + 4*i
		for j, v := range []int{q.Slot, row, q.Rows, q.Start} {
			e.putStep(at+j, uint32(v))
		}
		for r := range q.Rows {
			e.putStep(e.step.RowsAt()+2*(row+r), uint32(q.Start+r))
			e.putStep(e.step.RowsAt()+2*(row+r)+1, uint32(q.Slot))
		}
		row += q.Rows
		key.widest = max(key.widest, q.Rows)
	}
	if row != key.rows || row == 0 || row > e.MaxRows(tail) {
		return key, fmt.Errorf("BUG: vkexec: %d rows in sequences of %d rows, at most %d", key.rows, row, e.MaxRows(tail))
	}
	for i, id := range s.IDs {
		if id < 0 || int(id) >= e.model.Vocab {
			return key, fmt.Errorf("token id %d is outside the vocabulary of %d", id, e.model.Vocab)
		}
		e.putStep(e.step.IDsAt()+i, uint32(id))
	}
	if err := e.list(s, h); err != nil {
		return key, err
	}
	e.stepHost.Flush(0, e.stepHost.Size())
	if s.Adapters != nil {
		if len(s.Scales) != len(s.Adapters.set.List()) {
			return key, fmt.Errorf("BUG: vkexec: %d scales for %d adapters", len(s.Scales), len(s.Adapters.set.List()))
		}
		s.Adapters.setScales(s.Scales)
	}
	e.current = s.Adapters
	e.past = 0
	for _, q := range s.Seqs {
		e.past += float64(q.Start) / float64(len(s.Seqs))
	}
	return key, nil
}

// list puts the ids to be counted into the step buffer.
func (e *Executor) list(s Step, h History) error {
	if h != CountListed {
		return nil
	}
	if len(s.Listed) > shaders.MaxColumns {
		return fmt.Errorf("BUG: vkexec: %d ids to be counted, at most %d", len(s.Listed), shaders.MaxColumns)
	}
	for i := range shaders.MaxColumns {
		id := uint32(math.MaxUint32) // none
		if i < len(s.Listed) {
			id = uint32(s.Listed[i])
		}
		e.putStep(e.step.ListedAt()+i, id)
		e.putStep(e.step.OwnersAt()+2*i+1, uint32(s.Seqs[0].Slot))
	}
	return nil
}

// Next computes the step that follows a decode step with TailGreedy, from what that left on the device: seqs
// sequences, one row each, with that step's adapters.
func (e *Executor) Next(ctx context.Context, seqs int, h History) (*Result, error) {
	e.past++ // every sequence has one token more
	return e.run(ctx, planKey{rows: seqs, seqs: seqs, widest: 1, tail: TailGreedy, history: h, adapters: e.current})
}

// ErrDeviceLost reports a device that is gone.
var ErrDeviceLost = vk.ErrDeviceLost

// Lost reports that the device is gone: nothing but Close is left.
func (e *Executor) Lost() bool { return e.dev.Lost() }

// Ready waits for the end of a pause of the device.
func (e *Executor) Ready(ctx context.Context) error { return e.dev.Ready(ctx) }

func (e *Executor) run(ctx context.Context, key planKey) (*Result, error) {
	if e.options.CheckFinite {
		if err := e.checkFinite(ctx, key); err != nil {
			return nil, err
		}
	}
	p, err := e.plan(ctx, key)
	if err != nil {
		return nil, err
	}
	if err := e.submit(ctx, p); err != nil {
		return nil, err
	}
	e.stats.Steps++
	return e.result(p)
}

// submit runs the segments of a plan, one behind another. ctx may end the wait for a pause before the first; what has begun is
// done whole.
func (e *Executor) submit(ctx context.Context, p *Plan) error {
	var longest time.Duration
	for _, s := range p.segments {
		begin := time.Now()
		err := e.dev.Complete(ctx, s.commands)
		took := time.Since(begin)
		e.stats.WaitNS += took.Nanoseconds()
		if err != nil {
			return err
		}
		ctx = context.Background() // which has no end, and takes no memory
		longest = max(longest, took)
		counts := s.commands.Counts()
		e.stats.Submits++
		e.stats.Dispatches += uint64(counts.Dispatches)
		e.stats.Barriers += uint64(counts.Barriers)
		if err := e.noteTimes(p, s, took); err != nil {
			return err
		}
	}
	if e.pacer != nil && e.pacer.stale(p.works, p.cuts(), longest) {
		delete(e.plans, p.key)
		p.close()
	}
	return nil
}

// noteTimes passes the times of a segment on to whoever wants them.
func (e *Executor) noteTimes(p *Plan, s segment, took time.Duration) error {
	if e.pacer == nil && !e.options.Profile {
		return nil
	}
	var each []float64
	if e.timed() {
		at, err := s.commands.Timestamps()
		if err != nil {
			return err
		}
		for i := range s.parts {
			each = append(each, at[i+1]-at[i])
		}
	}
	if e.options.Profile {
		e.times.note(p.stages, s.parts, each, e.past)
	}
	if e.pacer != nil {
		e.pacer.note(p.works, s.parts, each, took)
	}
	return nil
}

// result reads what the plan's tail wrote.
func (e *Executor) result(p *Plan) (*Result, error) {
	r := &e.greedy // a step takes no memory: nobody looks at the last result any more
	if r.IDs = r.IDs[:0]; p.key.tail != TailGreedy {
		r = new(Result)
	}
	if p.graph.Output >= 0 {
		r.width = p.graph.Tensor(p.graph.Output).Cols
		r.logits = vk.Range{Buffer: e.arena, Offset: uint64(p.arena.Offset[p.graph.Output]), Size: uint64(p.arena.Size[p.graph.Output])}
	}
	switch p.key.tail {
	case TailGreedy, TailGreedyRows:
		e.results.Invalidate(0, uint64(p.key.choices())*4)
		for i := range p.key.choices() {
			id := binary.LittleEndian.Uint32(e.results.Bytes()[4*i:])
			if id == math.MaxUint32 {
				return nil, ErrNotFinite
			}
			r.IDs = append(r.IDs, int32(id))
		}
	case TailTopK, TailTopKRows:
		e.results.Invalidate(0, uint64(p.key.choices())*topKWords*4)
		for i := range p.key.choices() {
			c, err := candidates(e.results.Bytes()[4*topKWords*i:])
			if err != nil {
				return nil, err
			}
			r.Candidates = append(r.Candidates, c)
		}
	}
	return r, nil
}

// candidates decodes one sequence's result of "top_k_final".
func candidates(b []byte) (Candidates, error) {
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(b[4*i:]) }
	c := Candidates{Max: math.Float32frombits(word(0)), LogSumExp: math.Float32frombits(word(1))}
	if c.LogSumExp != c.LogSumExp || c.Max != c.Max {
		return c, ErrNotFinite
	}
	for i := range shaders.TopK {
		id := word(4 + 2*i + 1)
		if id == math.MaxUint32 {
			break
		}
		c.IDs = append(c.IDs, int32(id))
		c.Logits = append(c.Logits, math.Float32frombits(word(4+2*i)))
	}
	return c, nil
}

// Logits downloads rows [first, first+len(dst)/width) of the step's logits, or of its hidden states where the tail left
// those. The result must be of the last step.
func (e *Executor) Logits(ctx context.Context, r *Result, first int, dst []float32) error {
	at := r.logits.Offset + uint64(first*r.width)*4
	if at+uint64(len(dst))*4 > r.logits.Offset+r.logits.Size {
		return fmt.Errorf("BUG: vkexec: logits of row %d are outside the result", first)
	}
	b := make([]byte, len(dst)*4)
	if err := e.dev.Download(ctx, b, vk.Range{Buffer: r.logits.Buffer, Offset: at, Size: uint64(len(b))}); err != nil {
		return err
	}
	for i := range dst {
		dst[i] = math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
	}
	return nil
}

// Penalties are the three penalties of one slot; repetition 1 and the others 0 change nothing.
type Penalties struct{ Repetition, Presence, Frequency float32 }

// SetHistory prepares a slot for steps with penalties: the ids of its prompt and those generated before.
func (e *Executor) SetHistory(ctx context.Context, slot int, prompt, generated []int32, p Penalties) error {
	if err := e.historyBuffers(); err != nil {
		return err
	}
	const seenInPrompt = 1 << 31
	counts := make([]byte, 4*e.model.Vocab)
	for _, id := range prompt {
		b := counts[4*id:]
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)|seenInPrompt)
	}
	for _, id := range generated {
		b := counts[4*id:]
		binary.LittleEndian.PutUint32(b, binary.LittleEndian.Uint32(b)+1)
	}
	e.putPenalties(slot, p)
	return e.dev.UploadBytes(ctx, vk.Range{Buffer: e.counts, Offset: uint64(slot * len(counts)), Size: uint64(len(counts))}, counts)
}

// NoPenalties lets a slot take part in steps with a history without being penalised.
func (e *Executor) NoPenalties(slot int) error {
	if err := e.historyBuffers(); err != nil {
		return err
	}
	e.putPenalties(slot, Penalties{Repetition: 1})
	return nil
}

func (e *Executor) putPenalties(slot int, p Penalties) {
	params := e.penaltyParams.Bytes()[16*slot:]
	for i, v := range [4]float32{p.Repetition, p.Presence, p.Frequency, 0} {
		binary.LittleEndian.PutUint32(params[4*i:], math.Float32bits(v))
	}
	e.penaltyParams.Flush(0, e.penaltyParams.Size())
}

func (e *Executor) historyBuffers() error {
	if e.counts != nil {
		return nil
	}
	counts, err := e.dev.NewBuffer("token counts", uint64(e.options.Slots*e.model.Vocab)*4, vk.DeviceLocal)
	if err != nil {
		return err
	}
	params, err := e.dev.NewBuffer("penalties", uint64(e.options.Slots)*16, vk.HostToDevice)
	if err != nil {
		counts.Close()
		return err
	}
	e.counts, e.penaltyParams = counts, params
	return nil
}
