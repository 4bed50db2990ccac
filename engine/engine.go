package engine

import (
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// ErrContextFull reports a prompt that does not fit the context.
var ErrContextFull = errors.New("context full")

// ErrNoSlot reports that all sequences the engine was made for are being computed.
var ErrNoSlot = errors.New("no free session")

// ErrClosed reports that the session or the engine is closed.
var ErrClosed = errors.New("closed")

// Options describe the model behind the executor.
type Options struct {
	Context int     // tokens of a sequence
	Slots   int     // sequences at the same time
	EOS     []int32 // ids that end an answer

	// MaxStep is the time that one chunk of a prompt may take on the device; longer ones are cut. It keeps clear of
	// the watchdogs that reset a card which is busy for seconds. 0: no limit (software devices have no watchdog).
	MaxStep time.Duration

	// Restore calls Reload where a computation finds the model unloaded or its device lost; nil: such computations fail.
	Restore func(ctx context.Context) error
}

// Engine runs the sessions of one model.
type Engine struct {
	mu      sync.Mutex                      // held during a step and round the pools
	place   atomic.Pointer[vkexec.Executor] // see exec
	tok     *tokenizer.Tokenizer
	options Options
	pages   pagePool
	slots   []int // free slots
	chunk   int   // rows of a prompt chunk
	closed  bool
	away    bool   // the model is not on a device: see Unload
	epoch   uint64 // of unloads: what a session computed in an earlier one is gone

	sessions map[*Session]struct{} // open
	turns    uint64                // of sessions' computations, so that the idlest is known

	// lastStep is the session of the last step if that was a decode step, whose next id is on the device.
	lastStep *Session

	sources map[*graph.Adapter]vkexec.Source
	sets    []*adapterSet // on the device
	clock   uint64        // of choices of sets
}

// New makes an engine over an executor, which Close closes. tok may be nil: tokens then have no text.
func New(exec *vkexec.Executor, tok *tokenizer.Tokenizer, o Options) *Engine {
	e := &Engine{tok: tok, options: o, chunk: exec.Chunk(), sources: map[*graph.Adapter]vkexec.Source{}, pages: newPagePool(exec.Pages()), sessions: map[*Session]struct{}{}}
	e.place.Store(exec)
	for s := max(o.Slots, 1) - 1; s >= 0; s-- {
		e.slots = append(e.slots, s)
	}
	return e
}

// Chunk is the number of tokens of a prompt that are computed at a time, at most.
func (e *Engine) Chunk() int { return e.exec().Chunk() }

// lock takes the lock for a step, once the device takes one: who waits for the end of a pause stands in nobody's way.
func (e *Engine) lock(ctx context.Context) error {
	if err := e.exec().Ready(ctx); err != nil {
		return err
	}
	e.mu.Lock()
	return nil
}

// Stats returns the executor's counts.
func (e *Engine) Stats() vkexec.Stats {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.exec().Stats() // counts, which outlive the executor
}

// Profile returns the executor's times by operation since the last call.
func (e *Engine) Profile() []vkexec.OpTime {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil
	}
	return e.exec().Profile()
}

// TimeKernels times the kernels of a step of so many tokens behind depth others; see vkexec.Executor.TimeKernels. No session
// may be open.
func (e *Engine) TimeKernels(ctx context.Context, tokens, depth int) ([]vkexec.KernelTime, error) {
	if err := e.present(ctx); err != nil {
		return nil, err
	}
	defer e.mu.Unlock()
	switch {
	case e.closed:
		return nil, ErrClosed
	case len(e.sessions) > 0:
		return nil, errors.New("kernels cannot be timed while a session is open: it would lose its cache")
	}
	e.lastStep = nil
	return e.exec().TimeKernels(ctx, tokens, depth)
}

// minChunk is the smallest chunk that slow steps are cut to: below it the weights are read too often.
const minChunk = 32

// noteStep shortens the chunks of a device that was too slow for the last one.
func (e *Engine) noteStep(rows int, took time.Duration) {
	if e.options.MaxStep > 0 && took > e.options.MaxStep && rows >= e.chunk && e.chunk > minChunk {
		e.chunk = max(minChunk, e.chunk/2)
	}
}
