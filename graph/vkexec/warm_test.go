package vkexec

import (
	"context"
	"testing"

	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// TestWarm: the first steps of a warmed executor record nothing and compile nothing, and compute what those of one do that was
// left cold; a software device is left cold unless it is asked for.
func TestWarm(t *testing.T) {
	dev := vktest.Open(t)
	o := Options{Context: 96, MaxRows: 32, Splits: 2, FuseNorm: true}
	cold := tinyOn(t, dev, "qwen3-dense-tied", o)
	if software := dev.Caps().Type == vk.Software; (len(cold.plans) == 0) != software {
		t.Errorf("%d plans are recorded at load, on a software device: %v", len(cold.plans), software)
	}
	o.Warm = WarmNever
	if e := tinyOn(t, dev, "qwen3-dense-tied", o); len(e.plans) != 0 {
		t.Errorf("%d plans are recorded of what should stay cold", len(e.plans))
	}
	o.Warm = WarmAlways
	warm := tinyOn(t, dev, "qwen3-dense-tied", o)
	plans, pipelines, recorded := len(warm.plans), len(warm.pipelines), warm.Stats().RecordNS
	if plans == 0 || pipelines == 0 {
		t.Fatalf("%d plans of %d pipelines are warm", plans, pipelines)
	}
	ids := make([]int32, 32)
	for i := range ids {
		ids[i] = int32(11*i) % 300
	}
	var last [2][]float32
	for i, e := range []*Executor{cold, warm} {
		mapPages(e)
		run(t, e, ids, 0, TailNone)
		run(t, e, []int32{7}, 32, TailGreedy)
		r, err := e.Next(context.Background(), 1, NoHistory)
		if err != nil {
			t.Fatal(err)
		}
		run(t, e, []int32{9}, 34, TailTopK)
		last[i] = logits(t, e, r)
	}
	sameBits(t, "warm", last[1], last[0])
	if len(warm.plans) != plans || len(warm.pipelines) != pipelines || warm.Stats().RecordNS != recorded {
		t.Errorf("after the first steps there are %d plans of %d pipelines, and %d ns were spent recording; at load %d, %d and %d",
			len(warm.plans), len(warm.pipelines), warm.Stats().RecordNS, plans, pipelines, recorded)
	}
}
