package engine

import (
	"context"
	"fmt"
	"slices"

	"github.com/qwenvk/qwenvk/graph/vkexec"
)

// NewSession opens a session. It takes a slot where one is free; else it gets one when it first computes something, see
// enter. Error: ErrClosed.
func (e *Engine) NewSession() (*Session, error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return nil, fmt.Errorf("the model is %w", ErrClosed)
	}
	s := &Session{e: e, slot: noSlot}
	if len(e.slots) > 0 {
		s.takeSlot()
	}
	e.sessions[s] = struct{}{}
	return s, nil
}

// Close ends all sessions and closes the executor. It waits for the step under way; answers then end with ErrClosed.
// It may be called twice, and must not be called from a function that Logits or Hidden calls with a row.
func (e *Engine) Close() {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.closed {
		return
	}
	e.closed, e.lastStep = true, nil
	if !e.away {
		e.exec().Close()
	}
}

// noSlot is the slot of a session that has none.
const noSlot = -1

// enter begins a computation of the session, with a slot; leave ends it. Where no slot is free, the session that has
// computed nothing for the longest time gives its own up and forgets its cache. Errors: ErrClosed, ErrBusy while another
// computation of the session is running, ErrNoSlot while all slots are computed with.
func (s *Session) enter(ctx context.Context) error {
	e := s.e
	if err := e.present(ctx); err != nil {
		return err
	}
	defer e.mu.Unlock()
	if err := s.ready(); err != nil {
		return err
	}
	if s.slot == noSlot {
		if !e.freeSlots(1, s) {
			return fmt.Errorf("%w: the model was loaded for %d at the same time, and all are computing", ErrNoSlot, max(e.options.Slots, 1))
		}
		s.takeSlot()
	}
	s.running, s.epoch = true, e.epoch
	e.turns++
	s.turn = e.turns
	return nil
}

// Hold keeps the session's cache as it is until release is called, for WriteCache. Errors: ErrClosed, ErrBusy.
func (s *Session) Hold() (release func(), err error) {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	if err := s.ready(); err != nil {
		return nil, err
	}
	s.running, s.epoch = true, s.e.epoch
	return s.leave, nil
}

// leave ends what enter began. Close of a running session is completed here.
func (s *Session) leave() {
	s.e.mu.Lock()
	defer s.e.mu.Unlock()
	s.running = false
	if s.closed {
		s.release()
	}
}

// ready refuses a session that is closed or computing. The lock is held.
func (s *Session) ready() error {
	if err := s.open(); err != nil {
		return err
	}
	if s.running {
		return fmt.Errorf("the session is %w: its answer is not at its end", ErrBusy)
	}
	return nil
}

// open refuses a session that is closed, or whose engine is. The lock is held.
func (s *Session) open() error {
	switch {
	case s.e.closed:
		return fmt.Errorf("the model is %w", ErrClosed)
	case s.closed:
		return fmt.Errorf("the session is %w", ErrClosed)
	case s.running && s.epoch != s.e.epoch:
		return fmt.Errorf("the model left the device during the answer: %w", vkexec.ErrDeviceLost)
	}
	return nil
}

// freeSlots sees to it that n slots are free, at the expense of idle sessions other than the asking one.
func (e *Engine) freeSlots(n int, asking *Session) bool {
	var idle []*Session
	for s := range e.sessions {
		if s.slot != noSlot && !s.running && s != asking {
			idle = append(idle, s)
		}
	}
	if len(e.slots)+len(idle) < n {
		return false
	}
	slices.SortFunc(idle, func(a, b *Session) int { return int(a.turn) - int(b.turn) })
	for _, s := range idle {
		if len(e.slots) >= n {
			break
		}
		s.dropSlot()
	}
	return true
}

func (s *Session) takeSlot() {
	last := len(s.e.slots) - 1
	s.slot = s.e.slots[last]
	s.e.slots = s.e.slots[:last]
}

// dropSlot gives slot and pages back; what the cache held is forgotten.
func (s *Session) dropSlot() {
	if s.slot == noSlot {
		return
	}
	if s.e.lastStep == s {
		s.e.lastStep = nil
	}
	s.e.pages.release(s.pages)
	s.e.slots = append(s.e.slots, s.slot)
	s.slot, s.pages, s.cached = noSlot, nil, nil
}

// release gives back all that the session has.
func (s *Session) release() {
	s.dropSlot()
	s.dropAdapters()
	delete(s.e.sessions, s)
}
