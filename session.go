package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"sync"
	"time"

	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/sampler"
)

// GenerateOptions say how an answer is drawn and when it ends.
type GenerateOptions struct {
	Sampling  sampler.Params
	MaxTokens int      // 0: until the context is full
	Stop      []string // texts that end the answer and are not part of it
	IgnoreEOS bool     // go on behind an end token
	LogProbs  int      // with each token, log-probabilities: its own and those of so many most probable ones; 0: none

	// Reasoning says that the answer may begin with a <think> block, whose tokens are then counted; the prompt may have opened
	// it. ThinkBudget is the number of tokens that the block may have, the opening tag not counted; nil: as many as the model
	// likes. When they are used up the block is closed with [chat.CutThinking], as if the model had written it; with a budget
	// of 0 it stays empty.
	Reasoning   bool
	ThinkBudget *int

	// Shift makes room when the context is full, also for a prompt that does not fit; nil: the answer ends there, with the
	// finish reason "length". What stays is computed anew.
	Shift Shift

	// Speculate has tokens guessed, so that one step of the model checks several; the answer stays the same to the token.
	Speculate Speculate

	// Constraint gives the answer its form; nil: any. It governs what follows the <think> block, which is ended early enough
	// for the shortest answer that fits. See [Model.NewJSONConstraint]. Errors: [ErrBudget], [ErrMisfit].
	Constraint *Constraint
}

func (o GenerateOptions) forEngine() engine.GenerateOptions {
	return engine.GenerateOptions{
		Sampling: o.Sampling, MaxTokens: o.MaxTokens, Stop: o.Stop, IgnoreEOS: o.IgnoreEOS, LogProbs: o.LogProbs,
		Shift: o.Shift,
	}
}

// Token is one generated token and the text that it completes. The end token is not yielded; text that was held back
// at the end comes with ID -1.
type Token struct {
	ID   int32
	Text string

	// LogProb is the logarithm of the probability that the model gave the token, and Top are the most probable tokens,
	// best first, with GenerateOptions.LogProbs: the log-softmax of the model's logits, before penalties, temperature and
	// all else that shapes the choice. 0 and none for a token that was not drawn.
	LogProb float64
	Top     []TopToken
}

// TopToken is a token that might have come, with its log-probability.
type TopToken = engine.TopToken

// Result describes a finished answer.
type Result struct {
	FinishReason string  // "stop", "length" or "interrupted"
	IDs          []int32 // generated ids, an end token included
	Usage        Usage
	Timings      Timings
	Counts       Counts
	Shifts       int // how often the context was full and GenerateOptions.Shift made room
}

// Usage counts tokens.
type Usage struct {
	PromptTokens     int // of the whole prompt
	CachedTokens     int // of those, found in the session's cache
	CompletionTokens int // generated, an end token included
	DraftedTokens    int // guessed by GenerateOptions.Speculate
	AcceptedTokens   int // of those, how many proved right
	ReasoningTokens  int // of CompletionTokens, in the <think> block at the beginning, with its tags
}

// Timings are wall times in milliseconds, and tokens per second.
type Timings struct {
	PrefillMS, FirstTokenMS, DecodeMS float64
	PrefillTPS, DecodeTPS             float64
	HostMicrosPerToken                float64 // of a decode step, outside the wait for the device and the one recording
}

// Counts are exact figures of one decode step.
type Counts struct {
	Dispatches, Barriers uint64
	Submits              float64
}

// Session is one sequence of tokens with its cache. It computes one thing at a time: what is asked for meanwhile, from
// another goroutine or from the loop over its answer, gets [ErrBusy]. Several sessions take turns on the device.
type Session struct {
	model    *Model
	s        *engine.Session
	adapters []AdapterUse

	draftMu sync.Mutex
	draft   *Session // of the model that guesses, with the last Speculate.Draft; nil: none
}

// NewSession opens a session, on which the adapters of the load act. There may be any number of sessions: the model has a
// cache for LoadOptions.Sessions of them, which go to those that compute. One that computes without having a cache takes
// that of the session that has been idle for the longest time, whose next prompt is then computed from its first token.
// Only while as many sessions are in the middle of an answer does another one get [ErrNoSlot]. Error: [ErrClosed].
func (m *Model) NewSession() (*Session, error) { return m.newSession(context.Background()) }

func (m *Model) newSession(ctx context.Context) (*Session, error) {
	inner, err := m.engine.NewSession()
	if err != nil {
		return nil, err
	}
	s := &Session{model: m, s: inner}
	if err := s.SetAdapters(ctx, m.defaults...); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Generate continues ids, the whole prompt. What the session's cache already holds of it is not computed again.
//
// Cancelling ctx ends the answer within one token, without an error: see Result.FinishReason. Errors:
// [ErrContextFull], [ErrNoSlot], [ErrBusy], [ErrClosed], [ErrDeviceLost], [ErrNotFinite].
func (s *Session) Generate(ctx context.Context, ids []int32, o GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		inner := o.forEngine()
		var err error
		if inner.Reasoning, err = s.reasoning(ids, o); err != nil {
			yield(Token{}, err)
			return
		}
		matcher, err := s.matcher(o)
		if err != nil {
			yield(Token{}, err)
			return
		}
		if matcher != nil {
			inner.Constraint = matcher
		}
		if inner.Speculate, err = s.speculation(o.Speculate); err != nil {
			yield(Token{}, err)
			return
		}
		for t, err := range s.s.Generate(ctx, ids, inner) {
			if !yield(Token(t), err) {
				return
			}
		}
		if err := s.checkAnswer(o.Constraint, matcher); err != nil {
			yield(Token{}, err)
		}
	}
}

// Generate continues a text in a session of its own: plain text, without messages and template. Control tokens that it spells
// out count as such. Leaving the loop or cancelling ctx ends the answer; see [Session.Generate], whose errors it has too.
func (m *Model) Generate(ctx context.Context, prompt string, o GenerateOptions) iter.Seq2[Token, error] {
	return func(yield func(Token, error) bool) {
		ids, err := m.Tokenize(prompt)
		if err != nil {
			yield(Token{}, err)
			return
		}
		s, err := m.newSession(ctx)
		if err != nil {
			yield(Token{}, err)
			return
		}
		defer s.Close()
		for t, err := range s.Generate(ctx, ids, o) {
			if !yield(t, err) {
				return
			}
		}
	}
}

// Result describes the last Generate.
func (s *Session) Result() Result {
	r := s.s.Result()
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	out := Result{
		FinishReason: string(r.FinishReason), IDs: r.IDs, Shifts: r.Shifts,
		Usage:   Usage{PromptTokens: r.PromptTokens, CachedTokens: r.CachedTokens, CompletionTokens: len(r.IDs), ReasoningTokens: r.ReasoningTokens, DraftedTokens: r.Drafted, AcceptedTokens: r.Accepted},
		Timings: Timings{PrefillMS: ms(r.Prefill), FirstTokenMS: ms(r.FirstToken), DecodeMS: ms(r.Decode)},
		Counts:  Counts{Dispatches: r.Dispatches, Barriers: r.Barriers, Submits: r.SubmitsPerDecode},
	}
	if r.Prefill > 0 {
		out.Timings.PrefillTPS = float64(r.PromptTokens-r.CachedTokens) / r.Prefill.Seconds()
	}
	if r.Decode > 0 && r.DecodeSteps > 0 {
		out.Timings.DecodeTPS = float64(r.DecodeSteps) / r.Decode.Seconds()
		out.Timings.HostMicrosPerToken = float64((r.Decode - r.DecodeWait - r.DecodeRecord).Microseconds()) / float64(r.DecodeSteps)
	}
	return out
}

// LogitsOptions choose the rows of Session.Logits.
type LogitsOptions struct {
	All   bool // every token's logits, not only the last one's
	From  int  // with All: the first row that is wanted, 0 to the last
	Chunk int  // tokens computed at a time, at most; 0: chosen for the device
	Reuse bool // take what the session's cache holds of the beginning of ids, with All up to From, as it is
}

// Logits computes the logits behind ids and passes them to emit row by row: row is the position in ids, logits has
// one value per token of the vocabulary and is reused. emit must not use the model, whose other sessions wait for it.
//
// Errors: [ErrContextFull], [ErrNoSlot], [ErrBusy], [ErrClosed], [ErrHeadless], [ErrDeviceLost], that of emit, and ctx.Err().
func (s *Session) Logits(ctx context.Context, ids []int32, o LogitsOptions, emit func(row int, logits []float32) error) error {
	if o.Chunk < 0 {
		return fmt.Errorf("chunks of %d tokens are not possible", o.Chunk)
	}
	if o.From < 0 || o.From > 0 && (!o.All || o.From >= len(ids)) {
		return fmt.Errorf("logits from row %d of %d tokens are not possible", o.From, len(ids))
	}
	s.s.SetChunk(o.Chunk)
	defer s.s.SetChunk(0)
	return s.s.Logits(ctx, ids, engine.LogitsOptions{All: o.All, From: o.From, Reuse: o.Reuse}, emit)
}

// Reset forgets the cache: the next prompt is computed from its first token. While an answer is under way it does nothing.
func (s *Session) Reset() { s.s.Reset() }

// Context is the number of tokens that the session can hold.
func (s *Session) Context() int { return s.s.Context() }

// OpTime is the time that one kind of operation took on the device.
type OpTime = vkexec.OpTime

// Profile returns the device time by operation since the last call, longest first. It needs Options.Profile.
func (s *Session) Profile() []OpTime { return s.model.engine.Profile() }

// KernelTime is what one form of a kernel takes for one operation of a step.
type KernelTime = vkexec.KernelTime

// TimeKernels times, each by itself, the kernels of a step of so many tokens behind depth others: a decode step of 1, or one
// chunk of a prompt. No session may be open.
func (m *Model) TimeKernels(ctx context.Context, tokens, depth int) ([]KernelTime, error) {
	return m.engine.TimeKernels(ctx, tokens, depth)
}

// Chunk is the number of tokens of a prompt that are computed at a time, at most.
func (m *Model) Chunk() int { return m.engine.Chunk() }

// Close ends the session, at any time and from any goroutine: an answer under way ends with [ErrClosed] at its next token.
func (s *Session) Close() error {
	s.s.Close()
	s.draftMu.Lock()
	defer s.draftMu.Unlock()
	s.closeDraft()
	return nil
}
