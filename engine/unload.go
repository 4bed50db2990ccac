package engine

import (
	"context"
	"fmt"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// exec is the executor, which Reload changes. What it says of the model holds while that is unloaded, too.
func (e *Engine) exec() *vkexec.Executor { return e.place.Load() }

// Unload closes the executor and forgets the caches. Sessions stay: what they compute next is computed from its first token,
// behind Reload. Error: ErrBusy while a session computes. With force none is waited for but the step under way: such
// computations end with vkexec.ErrDeviceLost.
func (e *Engine) Unload(force bool) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed || e.away {
		return nil
	}
	for s := range e.sessions {
		if s.running && !force {
			return fmt.Errorf("the model is %w: an answer is not at its end", ErrBusy)
		}
	}
	for s := range e.sessions {
		// The pool is made anew. A session that computes keeps its slot until it ends.
		s.pages, s.cached = nil, nil
	}
	e.away, e.lastStep = true, nil
	e.epoch++
	for _, set := range e.sets {
		set.device = nil
	}
	e.exec().Close()
	return nil
}

// Reload takes the executor that put makes, and brings the adapters that sessions use. Error: ErrClosed, and those of put.
func (e *Engine) Reload(ctx context.Context, put func() (*vkexec.Executor, error)) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return fmt.Errorf("the model is %w", ErrClosed)
	}
	if !e.away {
		return nil
	}
	exec, err := put()
	if err != nil {
		return err
	}
	var kept []*adapterSet
	for _, set := range e.sets {
		if set.users == 0 {
			continue
		}
		if set.device, err = exec.NewAdapters(ctx, graph.NewAdapters(set.list...), e.adapterSource(set.list)); err != nil {
			for _, set := range e.sets {
				set.device = nil
			}
			exec.Close()
			return fmt.Errorf("adapters: %w", err)
		}
		kept = append(kept, set)
	}
	e.sets, e.pages, e.chunk = kept, newPagePool(exec.Pages()), exec.Chunk()
	e.place.Store(exec)
	e.away = false
	return nil
}

// present takes the lock with the model on a device that works, as far as Restore can see to that.
func (e *Engine) present(ctx context.Context) error {
	for range 3 {
		e.mu.Lock()
		if e.closed || e.options.Restore == nil || !e.away && !e.exec().Lost() {
			return nil
		}
		e.mu.Unlock()
		if err := e.options.Restore(ctx); err != nil {
			return err
		}
	}
	return fmt.Errorf("the device fails again and again: %w", vkexec.ErrDeviceLost)
}
