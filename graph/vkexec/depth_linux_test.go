package vkexec

import (
	"context"
	"math"
	"syscall"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/shaders"
	"github.com/qwenvk/qwenvk/vk"
)

// processor is the time that this process had on processors so far.
func processor(t *testing.T) time.Duration {
	t.Helper()
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		t.Fatal(err)
	}
	return time.Duration(r.Utime.Nano() + r.Stime.Nano())
}

// TestDepthSlope: behind 32k tokens each further one costs no more than behind a few: what a step takes grows with the bytes
// of the context and with nothing else. A software device is measured by the processor's time, which other programs lengthen
// less. The least of several times counts, and half as much again is allowed for.
func TestDepthSlope(t *testing.T) {
	depths := []int{512, 8192, 32768 - shaders.PageTokens}
	for _, kv := range []KVType{"f16", "q8_0"} {
		e := tiny(t, "qwen3-dense-tied", vk.Mask{MaxTier: vk.AllTiers}, Options{Context: 32768, KV: kv, MaxRows: 32})
		if e.dev.Caps().TimestampBits == 0 {
			t.Skip("the device has no timestamps")
		}
		e.prepareStep()
		e.stepOf(1)
		l, err := e.lowerPlan(planKey{rows: 1, seqs: 1, widest: 1, tail: TailNone, upload: true})
		if err != nil {
			t.Fatal(err)
		}
		var attention []dispatch
		for _, d := range l.dispatches {
			if d.op == "attention" || d.op == "attention_merge" {
				attention = append(attention, d)
			}
		}
		c, err := e.recordTimed(context.Background(), attention)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		least := []time.Duration{math.MaxInt64, math.MaxInt64, math.MaxInt64}
		for range 7 {
			for i, depth := range depths {
				e.putStep(e.step.SeqsAt()+3, uint32(depth))
				e.stepHost.Flush(0, e.stepHost.Size())
				if err := e.uploadStep(planKey{upload: true}); err != nil {
					t.Fatal(err)
				}
				before := processor(t)
				took, err := e.time(context.Background(), c)
				if err != nil {
					t.Fatal(err)
				}
				if e.dev.Caps().Type == vk.Software {
					took = processor(t) - before
				}
				least[i] = min(least[i], took)
			}
		}
		slope := func(i, j int) float64 { return float64(least[j]-least[i]) / float64(depths[j]-depths[i]) }
		t.Logf("%s: attention at %v tokens takes %v; %.2f and %.2f ns a token", kv, depths, least, slope(0, 1), slope(1, 2))
		if slope(1, 2) > 1.5*slope(0, 1) {
			t.Errorf("%s: a token behind 8192 costs %.2f ns, one before that %.2f", kv, slope(1, 2), slope(0, 1))
		}
	}
}
