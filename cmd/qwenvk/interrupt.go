package main

import (
	"context"
	"os"
	"os/signal"
	"sync"
	"syscall"
)

// interrupts decides what Ctrl-C does: the first one ends what is being done, the second one the program.
type interrupts struct {
	mu      sync.Mutex
	cancel  context.CancelFunc // of what is being done
	pressed bool               // since the scope began
	leave   func()             // before the program ends at once
}

// newInterrupts listens from now on; leave tidies up before a second signal ends the program.
func newInterrupts(leave func()) *interrupts {
	i := &interrupts{leave: leave}
	signals := make(chan os.Signal, 2)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		for range signals {
			i.press()
		}
	}()
	return i
}

func (i *interrupts) press() {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.pressed || i.cancel == nil {
		i.leave()
		os.Exit(statusInterrupted)
	}
	i.pressed = true
	i.cancel()
}

// scope returns a context that the next signal cancels. Scopes nest: done brings back the one before.
func (i *interrupts) scope(parent context.Context) (ctx context.Context, done func()) {
	ctx, cancel := context.WithCancel(parent)
	i.mu.Lock()
	before, pressed := i.cancel, i.pressed
	i.cancel, i.pressed = cancel, false
	i.mu.Unlock()
	return ctx, func() {
		cancel()
		i.mu.Lock()
		defer i.mu.Unlock()
		i.cancel, i.pressed = before, pressed
	}
}

// exits is what must still be done when the program ends early: half a file removed, the terminal given back.
type exits struct {
	mu   sync.Mutex
	acts map[*func()]struct{}
}

// add returns the function that takes act out again.
func (e *exits) add(act func()) (drop func()) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.acts == nil {
		e.acts = map[*func()]struct{}{}
	}
	key := &act
	e.acts[key] = struct{}{}
	return func() {
		e.mu.Lock()
		defer e.mu.Unlock()
		delete(e.acts, key)
	}
}

// run does everything. The program ends behind it.
func (e *exits) run() {
	e.mu.Lock()
	defer e.mu.Unlock()
	for act := range e.acts {
		(*act)()
	}
}
