package vkexec

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/qwenvk/qwenvk/graph"
	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// Limits are what a device can do at most, measured by kernels that do nothing else: the yardsticks of a benchmark. 0 where
// the device lacks what is measured.
type Limits struct {
	ReadBytes float64 // read from memory per second
	FMA       float64 // float32 operations per second, a multiply-add being two
	Half      float64 // the same in float16
	Dot       float64 // operations of integer dot products per second, of which one has 8
	Matrix    float64 // operations of matrix units per second, float16 added up in float32
}

// limitSeconds is how long one measurement should take: long enough for clocks to rise.
const limitSeconds = 0.02

// MeasureLimits measures. It takes a fraction of a second and a buffer of at most 256 MiB; the error wraps
// vk.ErrUnsupported for a device without timestamps.
func MeasureLimits(ctx context.Context, dev *vk.Device) (Limits, error) {
	if dev.Caps().TimestampBits == 0 {
		return Limits{}, fmt.Errorf("the device has no timestamps: %w", vk.ErrUnsupported)
	}
	b := &limitBench{dev: dev, software: dev.Caps().Type == vk.Software}
	defer b.close()
	var l Limits
	for _, measure := range []struct {
		to *float64
		by func(context.Context) (float64, error)
	}{{&l.ReadBytes, b.read}, {&l.FMA, b.fma}, {&l.Half, b.half}, {&l.Dot, b.dot}, {&l.Matrix, b.matrix}} {
		rate, err := measure.by(ctx)
		if err != nil {
			return l, err
		}
		*measure.to = rate
	}
	return l, nil
}

// maxRounds bounds the dispatches of one measurement.
const maxRounds = 1 << 10

// sum is where the dispatch of a round would write: a place of its own, so that no round waits for another.
func sum(y *vk.Buffer, round int) vk.Range {
	return vk.Range{Buffer: y, Offset: uint64(round) * graph.ArenaAlign, Size: 16}
}

// limitBench keeps what its measurements made.
type limitBench struct {
	dev       *vk.Device
	software  bool
	buffers   []*vk.Buffer
	pipelines []*vk.Pipeline
}

func (b *limitBench) close() {
	for _, p := range b.pipelines {
		p.Close()
	}
	for _, buffer := range b.buffers {
		buffer.Close()
	}
}

func (b *limitBench) buffer(name string, size uint64) (*vk.Buffer, error) {
	buffer, err := b.dev.NewBuffer(name, size, vk.DeviceLocal)
	if err == nil {
		b.buffers = append(b.buffers, buffer)
	}
	return buffer, err
}

// kernel compiles a kernel in its lowest form, with constants over those of the table; no pipeline where the device lacks what
// it needs.
func (b *limitBench) kernel(name string, fixed map[string]uint32) (*vk.Pipeline, map[string]uint32, error) {
	caps := b.dev.Caps()
	m, err := shaders.Find(name, shaders.Variant{}, func(m *shaders.Module) bool {
		return !slices.ContainsFunc(m.Needs, func(need string) bool { return !caps.Has(vk.Capability(need)) })
	})
	if err != nil {
		return nil, nil, nil
	}
	tuning := shaders.Tuning(name, shaders.Variant{}, b.software, 0, 0, 0)
	merge(tuning, fixed)
	constants, err := m.Specialize(tuning)
	if err != nil {
		return nil, nil, err
	}
	p, err := b.dev.NewPipeline(vk.PipelineDesc{
		Name: m.File, Code: m.Code, Buffers: m.Buffers, PushBytes: m.PushBytes, Constants: constants,
		SubgroupSize: tuning["SUBGROUP"], FullSubgroups: tuning["SUBGROUP"] != 0,
	})
	if err == nil {
		b.pipelines = append(b.pipelines, p)
	}
	return p, tuning, err
}

// read reads a buffer that no cache holds.
func (b *limitBench) read(ctx context.Context) (float64, error) {
	size := uint64(256 << 20)
	if b.software {
		size /= 4
	}
	size = min(size, b.dev.Caps().MaxBufferSize, b.dev.Caps().MaxStorageBufferRange) / 16 * 16
	p, tuning, err := b.kernel("measure_read", nil)
	if err != nil {
		return 0, err
	}
	x, err := b.buffer("read", size)
	if err != nil {
		return 0, err
	}
	y, err := b.buffer("read sum", maxRounds*graph.ArenaAlign)
	if err != nil {
		return 0, err
	}
	push := shaders.MeasureReadPush{Quads: uint32(size / 16)}
	groups := fold(ceilDiv(push.Quads, tuning["STRIP"]*tuning["LOCAL_SIZE"]))
	return b.best(ctx, float64(size), func(rec *vk.Recorder, round int) {
		rec.Dispatch(p, []vk.Range{whole(x), sum(y, round)}, pushBytes(push), groups)
	}, func(rec *vk.Recorder) {
		rec.Fill(whole(x), 1)
	})
}

// fma keeps all of the device's arithmetic units busy.
func (b *limitBench) fma(ctx context.Context) (float64, error) {
	return b.compute(ctx, "measure_fma", nil, shaders.MeasureFMAPush{Rounds: computeRounds, Factor: 0.5, Addend: 0.25}, 2*64)
}

// half does the same in float16. Software devices emulate it at a thousandth of the speed, and no kernel computes in it there.
func (b *limitBench) half(ctx context.Context) (float64, error) {
	if b.software {
		return 0, nil
	}
	return b.compute(ctx, "measure_half", nil, shaders.MeasureFMAPush{Rounds: computeRounds, Factor: 0.5, Addend: 0.25}, 2*64)
}

// dot does it with integer dot products.
func (b *limitBench) dot(ctx context.Context) (float64, error) {
	return b.compute(ctx, "measure_dot", nil, shaders.MeasureDotPush{Rounds: computeRounds, Factor: 0x01ff0102}, 2*64)
}

// matrix does it with matrix units, in the shape that kernels use.
func (b *limitBench) matrix(ctx context.Context) (float64, error) {
	u, ok := b.dev.Caps().MatrixUnit()
	if !ok {
		return 0, nil
	}
	local := 4 * u.Subgroup
	fixed := map[string]uint32{"LOCAL_SIZE": local, "SUBGROUP": u.Subgroup, "UM": u.M, "UN": u.N, "UK": u.K}
	each := 2 * 4 * float64(u.M*u.N*u.K) / float64(u.Subgroup) // of an invocation in a round
	return b.compute(ctx, "measure_matrix", fixed, shaders.MeasureFMAPush{Rounds: computeRounds, Factor: 0.125, Addend: 0.125}, each)
}

// computeRounds are the loops of a kernel that computes.
const computeRounds = 64

// compute measures operations per second: each invocation of the kernel makes so many in a round. 0 where the device lacks
// what the kernel needs.
func (b *limitBench) compute(ctx context.Context, name string, fixed map[string]uint32, push any, each float64) (float64, error) {
	p, tuning, err := b.kernel(name, fixed)
	if p == nil || err != nil {
		return 0, err
	}
	y, err := b.buffer(name, maxRounds*graph.ArenaAlign)
	if err != nil {
		return 0, err
	}
	groups := uint32(4096) // many for every core there is
	if b.software {
		groups = 64
	}
	operations := each * computeRounds * float64(groups*tuning["LOCAL_SIZE"])
	return b.best(ctx, operations, func(rec *vk.Recorder, round int) {
		to := sum(y, round)
		to.Size = graph.ArenaAlign
		rec.Dispatch(p, []vk.Range{to}, pushBytes(push), [3]uint32{groups, 1, 1})
	}, nil)
}

// best runs work until it takes limitSeconds at a time, and returns its rate in the fastest of a few runs; amount is that of
// one round. before, if any, prepares memory once.
func (b *limitBench) best(ctx context.Context, amount float64, work func(rec *vk.Recorder, round int), before func(*vk.Recorder)) (rate float64, err error) {
	begin, patience := time.Now(), time.Second
	if b.software { // whose clock does not have to rise
		patience /= 5
	}
	for rounds, runs := 1, 0; runs < 4; {
		seconds, err := b.time(ctx, rounds, work, before)
		if err != nil {
			return 0, err
		}
		before = nil
		if seconds > 0 {
			rate = max(rate, amount*float64(rounds)/seconds)
		}
		if seconds < limitSeconds && rounds < maxRounds && time.Since(begin) < patience {
			rounds = min(maxRounds, max(2*rounds, int(float64(rounds)*limitSeconds/max(seconds, 1e-6))))
			continue
		}
		runs++
		if time.Since(begin) > patience { // a slow device has shown what it can do
			break
		}
	}
	if rate == 0 {
		return 0, errors.New("the device's timestamps do not advance")
	}
	return rate, nil
}

// time returns the device's time for some rounds of work, in seconds.
func (b *limitBench) time(ctx context.Context, rounds int, work func(*vk.Recorder, int), before func(*vk.Recorder)) (float64, error) {
	rec := b.dev.NewRecorder()
	if before != nil {
		before(rec)
		var barriers []vk.Barrier
		for _, buffer := range b.buffers {
			barriers = append(barriers, vk.Barrier{Src: vk.TransferWrite, Dst: vk.ShaderRead, Range: whole(buffer)})
		}
		rec.Barriers(barriers)
	}
	rec.Timestamp(0)
	for i := range rounds {
		work(rec, i)
	}
	rec.Timestamp(1)
	c, err := rec.Finish("limits")
	if err != nil {
		return 0, err
	}
	defer c.Close()
	if err := b.dev.Run(ctx, c); err != nil {
		return 0, err
	}
	ns, err := c.Timestamps()
	if err != nil {
		return 0, err
	}
	return (ns[1] - ns[0]) * 1e-9, nil
}
