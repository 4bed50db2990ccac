package vk_test

import (
	"context"
	"encoding/binary"
	"errors"
	"runtime"
	"sync"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

var background = context.Background()

func TestIndirectDispatch(t *testing.T) {
	d := vktest.Open(t)
	const most = 1000
	count := must(d.NewPipeline(vk.PipelineDesc{Name: "groups", Code: code(t, "groups"), Buffers: 1, PushBytes: 8}))(t)
	defer count.Close()
	scale := scaler(t, d, 1)
	args := buffer(t, d, "args", 256+12, vk.DeviceLocal)
	x := buffer(t, d, "x", 4*most, vk.HostToDevice)
	y := buffer(t, d, "y", 4*most, vk.DeviceToHost)
	for i := range words(x.Bytes()) {
		words(x.Bytes())[i] = uint32(i + 1)
	}
	for _, n := range []uint32{1, groupSize, groupSize + 1, most} {
		r := d.NewRecorder()
		at := args.Range(256, 12)
		r.Fill(y.Whole(), 0)
		r.Dispatch(count, []vk.Range{at}, push(n, groupSize), [3]uint32{1, 1, 1})
		r.Barriers([]vk.Barrier{
			{Src: vk.ShaderWrite, Dst: vk.IndirectRead, Range: at},
			{Src: vk.TransferWrite, Dst: vk.ShaderWrite, Range: y.Whole()},
		})
		r.DispatchIndirect(scale, []vk.Range{x.Whole(), y.Whole()}, push(most, 0), at)
		r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.HostRead, Range: y.Whole()}})
		c := must(r.Finish("indirect"))(t)
		if err := d.Run(background, c); err != nil {
			t.Fatal(err)
		}
		if got, want := c.Counts(), (vk.Counts{Dispatches: 2, Barriers: 2, BufferBarriers: 3, Copies: 1}); got != want {
			t.Errorf("counts %+v, want %+v", got, want)
		}
		c.Close()
		reached := min((n+groupSize-1)/groupSize*groupSize, most)
		for i, got := range words(y.Bytes()) {
			want := uint32(0)
			if uint32(i) < reached {
				want = uint32(i + 1)
			}
			if got != want {
				t.Fatalf("n %d: y[%d] = %d, want %d", n, i, got, want)
			}
		}
	}
}

// TestReplay submits one command buffer a thousand times, each adding to what
// the one before left: earlier submits must be visible to later ones.
func TestReplay(t *testing.T) {
	d := vktest.Open(t)
	const n, times = 256, 1000
	add := scaler(t, d, 1)
	x := buffer(t, d, "x", 4*n, vk.DeviceLocal)
	y := buffer(t, d, "y", 4*n, vk.DeviceLocal)
	r := d.NewRecorder()
	r.Fill(x.Whole(), 7)
	c := must(r.Finish("start"))(t)
	defer c.Close()
	if err := d.Run(background, c); err != nil {
		t.Fatal(err)
	}
	r = d.NewRecorder()
	groups := [3]uint32{n / groupSize, 1, 1}
	r.Dispatch(add, []vk.Range{x.Whole(), y.Whole()}, push(n, 1), groups)
	r.Barriers([]vk.Barrier{
		{Src: vk.ShaderWrite, Dst: vk.ShaderRead, Range: y.Whole()},
		{Src: vk.ShaderRead, Dst: vk.ShaderWrite, Range: x.Whole()},
	})
	r.Dispatch(add, []vk.Range{y.Whole(), x.Whole()}, push(n, 1), groups)
	step := must(r.Finish("step"))(t)
	defer step.Close()
	for range times {
		if err := d.Run(background, step); err != nil {
			t.Fatal(err)
		}
	}
	got := make([]byte, 4*n)
	if err := d.Download(background, got, x.Whole()); err != nil {
		t.Fatal(err)
	}
	for i, v := range words(got) {
		if v != 7+2*times {
			t.Fatalf("x[%d] = %d, want %d", i, v, 7+2*times)
		}
	}
}

func TestPending(t *testing.T) {
	d := vktest.Open(t)
	c := slow(t, d)
	defer c.Close()
	ticket := must(d.Submit(c))(t)
	if _, err := d.Submit(c); !errors.Is(err, vk.ErrPending) {
		t.Errorf("second submit: %v, want ErrPending", err)
	}
	if _, err := c.Timestamps(); !errors.Is(err, vk.ErrPending) {
		t.Errorf("timestamps of running commands: %v, want ErrPending", err)
	}
	// Another goroutine that waits does not make a submit wait too.
	waited := make(chan error)
	go func() { waited <- ticket.Wait(background) }()
	time.Sleep(time.Millisecond)
	if _, err := d.Submit(c); !errors.Is(err, vk.ErrPending) {
		t.Errorf("submit while another goroutine waits: %v, want ErrPending", err)
	}
	ended, cancel := context.WithTimeout(background, time.Millisecond)
	defer cancel()
	if err := ticket.Wait(ended); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("wait with a context that ends: %v", err)
	}
	if err := ticket.Wait(background); err != nil {
		t.Errorf("wait again: %v", err)
	}
	if err := <-waited; err != nil {
		t.Errorf("wait in another goroutine: %v", err)
	}
	if done, err := ticket.Done(); !done || err != nil {
		t.Errorf("done: %v, %v", done, err)
	}
	if err := d.Run(background, c); err != nil {
		t.Errorf("after the wait: %v", err)
	}
	if err := ticket.Wait(background); err != nil {
		t.Errorf("a ticket of an earlier submit: %v", err)
	}
	// Closing commands that run waits for them.
	_ = must(d.Submit(c))(t)
}

// slow records enough work for a test to catch it running.
func slow(t testing.TB, d *vk.Device) *vk.Commands {
	t.Helper()
	const n = 1 << 20
	p := scaler(t, d, 3)
	x := buffer(t, d, "x", 4*n, vk.DeviceLocal)
	y := buffer(t, d, "y", 4*n, vk.DeviceLocal)
	r := d.NewRecorder()
	r.Fill(x.Whole(), 1)
	r.Barriers([]vk.Barrier{{Src: vk.TransferWrite, Dst: vk.ShaderRead, Range: x.Whole()}})
	r.Timestamp(0)
	for range 40 {
		r.Dispatch(p, []vk.Range{x.Whole(), y.Whole()}, push(n, 1), [3]uint32{n / groupSize, 1, 1})
		r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.ShaderWrite, Range: y.Whole()}})
	}
	return must(r.Finish("slow"))(t)
}

func TestTimestamps(t *testing.T) {
	d := vktest.Open(t)
	p := scaler(t, d, 2)
	const n = 1 << 16
	x := buffer(t, d, "x", 4*n, vk.DeviceLocal)
	y := buffer(t, d, "y", 4*n, vk.DeviceLocal)
	r := d.NewRecorder()
	r.Fill(x.Whole(), 1)
	r.Barriers([]vk.Barrier{{Src: vk.TransferWrite, Dst: vk.ShaderRead, Range: x.Whole()}})
	r.Timestamp(5) // recorded first: the origin
	r.Dispatch(p, []vk.Range{x.Whole(), y.Whole()}, push(n, 0), [3]uint32{n / groupSize, 1, 1})
	r.Timestamp(2)
	c := must(r.Finish("timed"))(t)
	defer c.Close()
	if _, err := c.Timestamps(); !errors.Is(err, vk.ErrPending) {
		t.Errorf("before the first submit: %v, want ErrPending", err)
	}
	for range 3 {
		start := time.Now()
		if err := d.Run(background, c); err != nil {
			t.Fatal(err)
		}
		wall := float64(time.Since(start).Nanoseconds())
		got, err := c.Timestamps()
		if err != nil || len(got) != 6 {
			t.Fatalf("%v, %v", got, err)
		}
		if got[5] != 0 || got[2] <= 0 || got[2] > wall {
			t.Errorf("times %v ns in a run of %v ns", got, wall)
		}
	}
}

// TestGoroutines lets four goroutines allocate, compile, record and submit at
// once, while a fifth collects garbage as fast as it can.
func TestGoroutines(t *testing.T) {
	d := vktest.Open(t)
	stop := make(chan struct{})
	var collector, workers sync.WaitGroup
	collector.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
				runtime.GC()
			}
		}
	})
	rounds := 50
	if testing.Short() {
		rounds = 10
	}
	for g := range uint32(4) {
		workers.Go(func() {
			for i := range uint32(rounds) {
				if err := scaleOnce(d, code(t, "scale"), g+2, i); err != nil {
					t.Errorf("goroutine %d, round %d: %v", g, i, err)
					return
				}
			}
		})
	}
	workers.Wait()
	close(stop)
	collector.Wait()
}

func scaleOnce(d *vk.Device, spirv []byte, factor, add uint32) (err error) {
	const n = 300
	p, err := d.NewPipeline(vk.PipelineDesc{Name: "scale", Code: spirv, Buffers: 2, PushBytes: 8, Constants: []uint32{groupSize, factor}})
	if err != nil {
		return err
	}
	defer p.Close()
	x, err := d.NewBuffer("x", 4*n, vk.HostToDevice)
	if err != nil {
		return err
	}
	defer x.Close()
	y, err := d.NewBuffer("y", 4*n, vk.DeviceToHost)
	if err != nil {
		return err
	}
	defer y.Close()
	for i := range words(x.Bytes()) {
		words(x.Bytes())[i] = uint32(i)
	}
	r := d.NewRecorder()
	r.Dispatch(p, []vk.Range{x.Whole(), y.Whole()}, push(n, add), [3]uint32{(n + groupSize - 1) / groupSize, 1, 1})
	r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.HostRead, Range: y.Whole()}})
	c, err := r.Finish("scale")
	if err != nil {
		return err
	}
	defer c.Close()
	if err := d.Run(background, c); err != nil {
		return err
	}
	for i, got := range words(y.Bytes()) {
		if want := factor*uint32(i) + add; got != want {
			return errors.New("wrong result")
		}
	}
	return nil
}

// TestKeepsAlive closes buffers and pipeline before the commands that use them.
func TestKeepsAlive(t *testing.T) {
	d := vktest.Open(t)
	p := scaler(t, d, 2)
	x := buffer(t, d, "x", 1024, vk.DeviceLocal)
	y := buffer(t, d, "y", 1024, vk.DeviceLocal)
	r := d.NewRecorder()
	r.Fill(x.Whole(), 3)
	r.Barriers([]vk.Barrier{{Src: vk.TransferWrite, Dst: vk.ShaderRead, Range: x.Whole()}})
	r.Dispatch(p, []vk.Range{x.Whole(), y.Whole()}, push(256, 0), [3]uint32{4, 1, 1})
	c := must(r.Finish("keeps"))(t)
	p.Close()
	x.Close()
	y.Close()
	if n := d.Live(); n != 4 {
		t.Errorf("%d live objects, want 4", n)
	}
	if err := d.Run(background, c); err != nil {
		t.Error(err)
	}
	r = d.NewRecorder()
	r.Fill(x.Whole(), 0)
	if _, err := r.Finish("late"); !errors.Is(err, vk.ErrClosed) {
		t.Errorf("recording with a closed buffer: %v, want ErrClosed", err)
	}
	c.Close()
	c.Close()
	if n, use := d.Live(), d.Memory(); n != 0 || use.Used != 0 || use.Allocated != 0 || use.Peak == 0 {
		t.Errorf("%d live objects, memory %+v", n, use)
	}
	if _, err := d.Submit(c); !errors.Is(err, vk.ErrClosed) {
		t.Errorf("submit of closed commands: %v, want ErrClosed", err)
	}
}

func TestRecorderRefuses(t *testing.T) {
	d := vktest.Open(t, vk.Mask{MaxTier: vk.AllTiers, MaxStorageBufferRange: 4096})
	other := vktest.Open(t)
	p := scaler(t, d, 1)
	foreign := scaler(t, other, 1)
	b := buffer(t, d, "b", 8192, vk.DeviceLocal)
	strange := buffer(t, other, "strange", 8192, vk.DeviceLocal)
	two := []vk.Range{b.Range(0, 1024), b.Range(4096, 1024)}
	one := [3]uint32{1, 1, 1}
	args := push(1, 1)
	for _, test := range []struct {
		why    string
		limit  bool // ErrLimit
		record func(r *vk.Recorder)
	}{
		{"no pipeline", false, func(r *vk.Recorder) { r.Dispatch(nil, two, args, one) }},
		{"pipeline of another device", false, func(r *vk.Recorder) { r.Dispatch(foreign, two, args, one) }},
		{"too few bindings", false, func(r *vk.Recorder) { r.Dispatch(p, two[:1], args, one) }},
		{"push constants of the wrong size", false, func(r *vk.Recorder) { r.Dispatch(p, two, args[:4], one) }},
		{"buffer of another device", false, func(r *vk.Recorder) { r.Dispatch(p, []vk.Range{two[0], strange.Range(0, 64)}, args, one) }},
		{"no buffer", false, func(r *vk.Recorder) { r.Dispatch(p, []vk.Range{two[0], {}}, args, one) }},
		{"range behind the end", false, func(r *vk.Recorder) { r.Dispatch(p, []vk.Range{two[0], b.Range(7936, 512)}, args, one) }},
		{"range that overflows", false, func(r *vk.Recorder) { r.Dispatch(p, []vk.Range{two[0], b.Range(256, ^uint64(0)-255)}, args, one) }},
		{"empty range", false, func(r *vk.Recorder) { r.Dispatch(p, []vk.Range{two[0], b.Range(0, 0)}, args, one) }},
		{"unaligned binding", true, func(r *vk.Recorder) { r.Dispatch(p, []vk.Range{two[0], b.Range(64, 64)}, args, one) }},
		{"binding beyond maxStorageBufferRange", true, func(r *vk.Recorder) { r.Dispatch(p, []vk.Range{two[0], b.Range(0, 4100)}, args, one) }},
		{"no groups", true, func(r *vk.Recorder) { r.Dispatch(p, two, args, [3]uint32{1, 0, 1}) }},
		{"too many groups", true, func(r *vk.Recorder) { r.Dispatch(p, two, args, [3]uint32{1, 1, d.Caps().MaxGroups[2] + 1}) }},
		{"indirect arguments too short", false, func(r *vk.Recorder) { r.DispatchIndirect(p, two, args, b.Range(0, 8)) }},
		{"indirect arguments unaligned", false, func(r *vk.Recorder) { r.DispatchIndirect(p, two, args, b.Range(2, 12)) }},
		{"barrier from nothing", false, func(r *vk.Recorder) { r.Barriers([]vk.Barrier{{Dst: vk.ShaderRead, Range: b.Whole()}}) }},
		{"barrier to the unknown", false, func(r *vk.Recorder) {
			r.Barriers([]vk.Barrier{{Src: vk.ShaderRead, Dst: 1 << 30, Range: b.Whole()}})
		}},
		{"copy of unequal sizes", false, func(r *vk.Recorder) { r.Copy(b.Range(0, 64), b.Range(4096, 32)) }},
		{"copy onto itself", false, func(r *vk.Recorder) { r.Copy(b.Range(0, 64), b.Range(32, 64)) }},
		{"fill of half words", false, func(r *vk.Recorder) { r.Fill(b.Range(2, 4), 0) }},
		{"timestamp twice", false, func(r *vk.Recorder) { r.Timestamp(1); r.Timestamp(1) }},
		{"timestamp before 0", true, func(r *vk.Recorder) { r.Timestamp(-1) }},
		{"timestamp far out", true, func(r *vk.Recorder) { r.Timestamp(1 << 30) }},
	} {
		r := d.NewRecorder()
		test.record(r)
		r.Fill(b.Whole(), 0) // the first error stays
		c, err := r.Finish("refused")
		if err == nil {
			c.Close()
			t.Errorf("%s: no error", test.why)
		} else if errors.Is(err, vk.ErrLimit) != test.limit {
			t.Errorf("%s: %v; is ErrLimit: want %v", test.why, err, test.limit)
		}
	}
	r := d.NewRecorder()
	c := must(r.Finish("empty"))(t)
	defer c.Close()
	if err := d.Run(background, c); err != nil {
		t.Errorf("an empty recording: %v", err)
	}
	if _, err := r.Finish("again"); err == nil {
		t.Error("second Finish: no error")
	}
}

// TestBindings records neighbouring dispatches that share some of pipeline,
// bindings and push constants, so that what is left bound is what is needed.
func TestBindings(t *testing.T) {
	d := vktest.Open(t)
	a, b := scaler(t, d, 2), scaler(t, d, 5) // same layout
	groups := must(d.NewPipeline(vk.PipelineDesc{Name: "groups", Code: code(t, "groups"), Buffers: 1, PushBytes: 8}))(t)
	defer groups.Close()
	in := buffer(t, d, "in", 256, vk.HostToDevice)
	out := buffer(t, d, "out", 16*256, vk.DeviceToHost)
	for i := range words(in.Bytes()) {
		words(in.Bytes())[i] = uint32(i)
	}
	slot := func(i int) vk.Range { return out.Range(uint64(i)*256, 256) }
	r := d.NewRecorder()
	one := [3]uint32{1, 1, 1}
	type step struct {
		p         *vk.Pipeline
		factor    uint32
		push, dst int
	}
	steps := []step{
		{a, 2, 1, 0},
		{a, 2, 1, 1},
		{a, 2, 3, 2},
		{b, 5, 3, 3},
		{b, 5, 4, 4},
		{groups, 0, 9, 5},
		{b, 5, 4, 6},
		{a, 2, 4, 7},
		{groups, 0, 9, 8},
		{groups, 0, 9, 9},
		{a, 2, 4, 10},
	}
	for _, s := range steps {
		if s.factor == 0 {
			r.Dispatch(s.p, []vk.Range{slot(s.dst)}, push(uint32(s.push), 1), one)
			continue
		}
		r.Dispatch(s.p, []vk.Range{in.Whole(), slot(s.dst)}, push(64, uint32(s.push)), one)
	}
	r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.HostRead, Range: out.Whole()}})
	c := must(r.Finish("shared"))(t)
	defer c.Close()
	if err := d.Run(background, c); err != nil {
		t.Fatal(err)
	}
	for i, s := range steps {
		got := binary.LittleEndian.Uint32(out.Bytes()[s.dst*256+4*2:])
		want := 2*s.factor + uint32(s.push)
		if s.factor == 0 {
			want = 1 // groups[2]
		}
		if got != want {
			t.Errorf("step %d: %d, want %d", i, got, want)
		}
	}
}

// BenchmarkSubmit measures what one replay costs the host: submit and wait of
// nothing.
func BenchmarkSubmit(b *testing.B) {
	d := vktest.Open(b)
	c := must(d.NewRecorder().Finish("empty"))(b)
	defer c.Close()
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Run(background, c); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkFinish records a plan of 300 dispatches, each with a barrier.
func BenchmarkFinish(b *testing.B) {
	d := vktest.Open(b)
	p := scaler(b, d, 1)
	x := buffer(b, d, "x", 1<<20, vk.DeviceLocal)
	b.ReportAllocs()
	for b.Loop() {
		r := d.NewRecorder()
		for i := range uint64(300) {
			from, to := x.Range(i%2*4096, 1024), x.Range(8192+i*256, 256)
			r.Dispatch(p, []vk.Range{from, to}, push(64, uint32(i)), [3]uint32{1, 1, 1})
			r.Barriers([]vk.Barrier{{Src: vk.ShaderWrite, Dst: vk.ShaderRead, Range: to}})
		}
		must(r.Finish("plan"))(b).Close()
	}
}
