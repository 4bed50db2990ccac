package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/vk"
)

// device is the open device; nil before there is one. A lost one is replaced.
func (r *Runtime) device() *vk.Device { return r.current.Load() }

// Unload gives the model's device memory back, weights and caches alike. The model stays open, with its chats and sessions; what
// they compute next brings it back first, and computes their conversation from its first token. Reload does it ahead of time.
// Both take what a load takes: the file is still mapped.
//
// Errors: [ErrBusy] while an answer is under way, [ErrClosed].
func (m *Model) Unload() error {
	_, end, err := m.life.begin(context.Background())
	if err != nil {
		return err
	}
	defer end()
	if err := m.engine.Unload(false); err != nil {
		return err
	}
	m.away.Store(true)
	return nil
}

// Reload brings an unloaded model to the device again, and a model whose device was lost to a new one. It does nothing where
// the model is there.
//
// Errors: those of [Runtime.Load].
func (m *Model) Reload(ctx context.Context) error {
	r := m.runtime
	inner, end, err := r.life.begin(ctx)
	if err != nil {
		return err
	}
	defer end()
	r.opening.Lock()
	defer r.opening.Unlock()
	if err := r.reopen(); err != nil {
		return err
	}
	switch err = m.engine.Reload(inner, func() (*vkexec.Executor, error) { return m.put(inner) }); {
	case err == nil:
		m.away.Store(false)
		return nil
	case inner.Err() != nil && ctx.Err() == nil:
		return fmt.Errorf("the runtime was %w while %s came back", ErrClosed, m.checkpoint.Name())
	}
	return fmt.Errorf("%s: %w", m.checkpoint.Name(), err)
}

// recovered replaces a lost device before a load.
func (r *Runtime) recovered() error {
	r.opening.Lock()
	defer r.opening.Unlock()
	return r.reopen()
}

// reopen replaces a lost device. All models leave the old one; each comes back when it is used.
func (r *Runtime) reopen() error {
	old := r.device()
	if !old.Lost() {
		return nil
	}
	if r.host {
		return fmt.Errorf("the device is another program's: it must open a new one, and a runtime with it: %w", ErrDeviceLost)
	}
	r.mu.Lock()
	models := slices.Collect(maps.Keys(r.models))
	r.mu.Unlock()
	for _, m := range models {
		if err := m.engine.Unload(true); err != nil {
			return err
		}
		m.away.Store(true)
	}
	if err := old.Close(); err != nil { // a load that has not noticed yet
		return fmt.Errorf("the lost device is still used: %w", errors.Join(ErrDeviceLost, err))
	}
	if err := r.openDevice(&vk.Faults{}); err != nil {
		return fmt.Errorf("after the loss of the device: %w", err)
	}
	r.log.Warn("the device was lost and opened again", "device", r.info.Name)
	return nil
}
