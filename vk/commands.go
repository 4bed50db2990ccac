package vk

import (
	"fmt"
	"sync"
	"sync/atomic"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// Commands is a recorded command buffer, to be submitted any number of times,
// one at a time. It keeps the buffers and pipelines it uses alive.
type Commands struct {
	d      *Device
	name   string
	counts Counts

	pool    vgo.CommandPool
	cmd     core.Handle
	sets    core.Handle // descriptor pool, 0 without bindings
	queries vgo.QueryPool
	order   []int // timestamp indices as recorded
	ticksMu sync.Mutex
	ticks   []uint64

	buffers   []*Buffer
	pipelines []*Pipeline
	hostReads []Range

	// Every submit is a generation. submit holds mu for writing while it resets
	// the fence; whoever waits holds it for reading, so a writer first makes sure
	// that nobody will wait long.
	mu       sync.RWMutex
	fence    core.Handle   // made by the first submit
	started  atomic.Uint64 // generations submitted
	finished atomic.Uint64 // generations known to be done
	closed   bool
}

// Finish records everything in one call into the driver and returns it ready
// to submit. The name appears in errors.
func (r *Recorder) Finish(name string) (*Commands, error) {
	c, err := r.finish(name)
	if err != nil {
		return nil, err
	}
	r.d.add(c)
	return c, nil
}

// finish is Finish for the device's own use: Live does not count it.
func (r *Recorder) finish(name string) (*Commands, error) {
	d := r.d
	if err := d.check("recording", name); err != nil {
		return nil, err
	}
	if r.finished {
		return nil, fmt.Errorf("vk: recording %q: Finish was called before", name)
	}
	r.finished = true
	if r.err != nil {
		return nil, fmt.Errorf("vk: recording %q: %w", name, r.err)
	}
	c := &Commands{d: d, name: name, counts: r.counts, order: r.order, hostReads: r.hostReads}
	if err := c.retain(r); err != nil {
		c.destroy()
		return nil, err
	}
	if err := c.build(r); err != nil {
		c.destroy()
		return nil, err
	}
	return c, nil
}

// retain takes hold of what the commands use.
func (c *Commands) retain(r *Recorder) error {
	for b := range r.buffers {
		if !b.retain() {
			return fmt.Errorf("vk: recording %q: buffer %q: %w", c.name, b.name, ErrClosed)
		}
		c.buffers = append(c.buffers, b)
	}
	for p := range r.pipelines {
		if !p.retain() {
			return fmt.Errorf("vk: recording %q: pipeline %q: %w", c.name, p.name, ErrClosed)
		}
		c.pipelines = append(c.pipelines, p)
	}
	return nil
}

// build makes the Vulkan objects and records.
func (c *Commands) build(r *Recorder) error {
	d := c.d
	if err := c.newPool(); err != nil {
		return err
	}
	if err := c.newSets(r); err != nil {
		return err
	}
	rec := core.Recording{
		Ops: r.ops, Barriers: r.barriers, MaxBarriers: uint32(r.maxBarriers), Push: r.push, Queries: uint32(r.queries),
	}
	if r.queries > 0 {
		if err := c.newQueries(r.queries); err != nil {
			return err
		}
		rec.QueryPool = core.HandleOf(c.queries)
	}
	if err := d.result(d.core.Record(c.cmd, &rec), "vkEndCommandBuffer", "recording %q", c.name); err != nil {
		return err
	}
	d.core.SetName(core.ObjectCommandBuffer, c.cmd, c.name)
	return nil
}

// newPool makes a command pool for this command buffer alone: recording needs
// no lock then, and closing gives all its memory back.
func (c *Commands) newPool() error {
	d := c.d
	info := vgo.CommandPoolCreateInfo{SType: vgo.StructureTypeCommandPoolCreateInfo, QueueFamilyIndex: d.family}
	var pool vgo.CommandPool
	r := vgo.CreateCommandPool(d.handle, &info, nil, &pool)
	info.Free()
	if err := d.result(core.Result(r), "vkCreateCommandPool", "recording %q", c.name); err != nil {
		return err
	}
	c.pool = pool
	alloc := vgo.CommandBufferAllocateInfo{
		SType:              vgo.StructureTypeCommandBufferAllocateInfo,
		CommandPool:        pool,
		Level:              vgo.CommandBufferLevelPrimary,
		CommandBufferCount: 1,
	}
	cmds := make([]vgo.CommandBuffer, 1)
	r = vgo.AllocateCommandBuffers(d.handle, &alloc, cmds)
	alloc.Free()
	c.cmd = core.HandleOf(cmds[0])
	return d.result(core.Result(r), "vkAllocateCommandBuffers", "recording %q", c.name)
}

func (c *Commands) newSets(r *Recorder) error {
	if len(r.sets) == 0 {
		return nil
	}
	d := c.d
	pool, res := d.core.Pool(len(r.sets), len(r.infos))
	if err := d.result(res, "vkCreateDescriptorPool", "recording %q", c.name); err != nil {
		return err
	}
	c.sets = pool
	sets, res := d.core.MakeSets(pool, r.sets, r.infos)
	if err := d.result(res, "vkAllocateDescriptorSets", "recording %q", c.name); err != nil {
		return err
	}
	for i, set := range r.opSet {
		if set >= 0 {
			r.ops[i].Set = sets[set]
		}
	}
	return nil
}

func (c *Commands) newQueries(n int) error {
	info := vgo.QueryPoolCreateInfo{
		SType: vgo.StructureTypeQueryPoolCreateInfo, QueryType: vgo.QueryTypeTimestamp, QueryCount: uint32(n),
	}
	var pool vgo.QueryPool
	r := vgo.CreateQueryPool(c.d.handle, &info, nil, &pool)
	info.Free()
	c.queries = pool
	c.ticks = make([]uint64, n)
	return c.d.result(core.Result(r), "vkCreateQueryPool", "recording %q", c.name)
}

// Name returns the name given to Finish.
func (c *Commands) Name() string { return c.name }

// Counts returns what was recorded.
func (c *Commands) Counts() Counts { return c.counts }

// Timestamps returns the times of the last finished submit in nanoseconds since
// the timestamp that was recorded first. An index that was not recorded is 0.
func (c *Commands) Timestamps() ([]float64, error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	c.ticksMu.Lock()
	defer c.ticksMu.Unlock()
	switch {
	case len(c.order) == 0:
		return nil, nil
	case c.closed:
		return nil, fmt.Errorf("vk: timestamps of %q: %w", c.name, ErrClosed)
	case c.finished.Load() != c.started.Load() || c.started.Load() == 0:
		return nil, fmt.Errorf("vk: timestamps of %q: wait for it first: %w", c.name, ErrPending)
	}
	out := make([]float64, len(c.ticks))
	// One by one: a query that was never written would never become ready.
	for _, i := range c.order {
		if err := c.d.result(c.d.core.QueryResult(core.HandleOf(c.queries), i, &c.ticks[i]), "vkGetQueryPoolResults", "timestamps of %q", c.name); err != nil {
			return nil, err
		}
	}
	mask := ^uint64(0) >> (64 - min(c.d.caps.TimestampBits, 64))
	first := c.ticks[c.order[0]]
	for _, i := range c.order {
		out[i] = float64((c.ticks[i]-first)&mask) * c.d.caps.TimestampPeriod
	}
	return out, nil
}

func (c *Commands) describe() string { return fmt.Sprintf("commands %q", c.name) }

// Close waits for a submit that still runs and releases the commands.
func (c *Commands) Close() {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return
	}
	c.closed = true
	if c.finished.Load() != c.started.Load() {
		// Whatever comes: objects must not be destroyed under a working device.
		if r := c.d.core.Wait(c.fence, ^uint64(0)); r == core.Success {
			c.finished.Store(c.started.Load())
		}
	}
	c.destroy()
	c.d.remove(c)
}

// destroy releases what build got as far as making.
func (c *Commands) destroy() {
	d := c.d
	if c.fence != 0 {
		vgo.DestroyFence(d.handle, core.ToBinding[vgo.Fence](c.fence), nil)
	}
	if c.queries != nil {
		vgo.DestroyQueryPool(d.handle, c.queries, nil)
	}
	if c.sets != 0 {
		vgo.DestroyDescriptorPool(d.handle, core.ToBinding[vgo.DescriptorPool](c.sets), nil)
	}
	if c.pool != nil {
		vgo.DestroyCommandPool(d.handle, c.pool, nil)
	}
	for _, b := range c.buffers {
		b.release()
	}
	for _, p := range c.pipelines {
		p.release()
	}
}
