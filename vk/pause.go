package vk

import (
	"context"
	"sync"
)

// pause counts the runs under way and holds up new ones.
type pause struct {
	mu      sync.Mutex
	running int
	idle    chan struct{} // closed when running gets to 0 while somebody waits for that; nil: nobody does
	resumed chan struct{} // closed by Resume; nil: not paused
}

// Pause holds up every Run from now on, uploads and downloads included, and waits until those under way are done. If ctx ends
// first, its error is returned and the device stays paused. [Device.Resume] goes on.
func (d *Device) Pause(ctx context.Context) error {
	p := &d.pause
	p.mu.Lock()
	if p.resumed == nil {
		p.resumed = make(chan struct{})
	}
	if p.running == 0 {
		p.mu.Unlock()
		return nil
	}
	if p.idle == nil {
		p.idle = make(chan struct{})
	}
	idle := p.idle
	p.mu.Unlock()
	select {
	case <-idle:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// Resume ends a pause.
func (d *Device) Resume() {
	p := &d.pause
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.resumed != nil {
		close(p.resumed)
		p.resumed = nil
	}
}

// Ready waits for the end of a pause.
func (d *Device) Ready(ctx context.Context) error {
	if err := d.begin(ctx); err != nil {
		return err
	}
	d.end()
	return nil
}

// begin waits for the end of a pause and counts a run.
func (d *Device) begin(ctx context.Context) error {
	p := &d.pause
	for {
		p.mu.Lock()
		resumed := p.resumed
		if resumed == nil {
			p.running++
			p.mu.Unlock()
			return nil
		}
		p.mu.Unlock()
		select {
		case <-resumed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func (d *Device) end() {
	p := &d.pause
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running--
	if p.running == 0 && p.idle != nil {
		close(p.idle)
		p.idle = nil
	}
}
