package vk

import (
	"context"
	"fmt"
	"time"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// Ticket stands for one submit.
type Ticket struct {
	c          *Commands
	generation uint64
}

// waitSlice bounds one wait in C while a context can be cancelled: a wait
// cannot be interrupted there. The end of the work ends it at once.
const waitSlice = 10 * time.Millisecond

// Submit starts c and returns at once. Submits of one device run in order; what
// one wrote is visible to the next. While c still runs, the error is ErrPending.
func (d *Device) Submit(c *Commands) (*Ticket, error) {
	generation, err := d.submit(c)
	if err != nil {
		return nil, err
	}
	return &Ticket{c, generation}, nil
}

// Run submits c and waits for it. If ctx ends first, c goes on running. While
// the device is paused, nothing is submitted.
func (d *Device) Run(ctx context.Context, c *Commands) error {
	return d.run(ctx, ctx, c)
}

// Complete is Run for commands that must not be left half-way: ctx may end the wait for a pause, but what was
// submitted is waited for.
func (d *Device) Complete(ctx context.Context, c *Commands) error {
	return d.run(ctx, context.Background(), c)
}

func (d *Device) run(before, after context.Context, c *Commands) error {
	if err := d.begin(before); err != nil {
		return fmt.Errorf("vk: submitting %q: %w", c.name, err)
	}
	defer d.end()
	generation, err := d.submit(c)
	if err != nil {
		return err
	}
	return c.wait(after, generation)
}

func (d *Device) submit(c *Commands) (uint64, error) {
	if c.d != d {
		return 0, fmt.Errorf("vk: submitting %q: it belongs to another device", c.name)
	}
	if err := d.check("submitting", c.name); err != nil {
		return 0, err
	}
	// If nobody waited for the last submit, it may be done all the same.
	if _, err := c.poll(c.started.Load(), 0); err != nil {
		return 0, err
	}
	if c.finished.Load() != c.started.Load() {
		return 0, fmt.Errorf("vk: submitting %q: %w", c.name, ErrPending)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return 0, fmt.Errorf("vk: submitting %q: %w", c.name, ErrClosed)
	}
	if c.finished.Load() != c.started.Load() { // another goroutine was faster
		return 0, fmt.Errorf("vk: submitting %q: %w", c.name, ErrPending)
	}
	if err := due(&d.count.submits, d.faults.SubmitAt, d.faults.SubmitErr, ErrDeviceLost); err != nil {
		return 0, d.injected(err, "submitting %q", c.name)
	}
	if c.fence == 0 {
		info := vgo.FenceCreateInfo{SType: vgo.StructureTypeFenceCreateInfo}
		var fence vgo.Fence
		r := vgo.CreateFence(d.handle, &info, nil, &fence)
		info.Free()
		if err := d.result(core.Result(r), "vkCreateFence", "submitting %q", c.name); err != nil {
			return 0, err
		}
		c.fence = core.HandleOf(fence)
	}
	d.queueLock.Lock()
	r := d.core.Submit(d.queue, c.cmd, c.fence)
	d.queueLock.Unlock()
	if r < 0 {
		return 0, d.result(r, "vkQueueSubmit", "submitting %q", c.name)
	}
	return c.started.Add(1), nil
}

// Wait waits until the submit is done. If ctx ends first it returns the
// context's error and the work goes on; it may be waited for again.
//
// Afterwards the host reads, through Buffer.Bytes, what the commands wrote to
// ranges with a barrier to HostRead.
func (t *Ticket) Wait(ctx context.Context) error { return t.c.wait(ctx, t.generation) }

// Done reports whether the submit is done, without waiting.
func (t *Ticket) Done() (bool, error) { return t.c.poll(t.generation, 0) }

func (c *Commands) wait(ctx context.Context, generation uint64) error {
	slice := time.Hour
	if ctx.Done() != nil {
		slice = waitSlice
	}
	for {
		done, err := c.poll(generation, slice)
		if done || err != nil {
			return err
		}
		if err := ctx.Err(); err != nil {
			return fmt.Errorf("vk: waiting for %q: %w", c.name, err)
		}
	}
}

// poll waits for at most d.
func (c *Commands) poll(generation uint64, d time.Duration) (bool, error) {
	if c.finished.Load() >= generation {
		return true, nil
	}
	if err := c.d.check("waiting for", c.name); err != nil {
		return false, err
	}
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.finished.Load() >= generation {
		return true, nil
	}
	if c.closed {
		return false, fmt.Errorf("vk: waiting for %q: %w", c.name, ErrClosed)
	}
	r := c.d.core.Wait(c.fence, uint64(d))
	if r == core.Timeout {
		return false, nil
	}
	if r < 0 {
		return false, c.d.result(r, "vkWaitForFences", "waiting for %q", c.name)
	}
	if err := due(&c.d.count.waits, c.d.faults.WaitAt, c.d.faults.WaitErr, ErrDeviceLost); err != nil {
		return false, c.d.injected(err, "waiting for %q", c.name)
	}
	for _, g := range c.hostReads {
		if err := g.Buffer.Invalidate(g.Offset, g.Size); err != nil {
			return false, err
		}
	}
	c.finished.Store(generation)
	return true, nil
}
