package vkexec

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/qwenvk/qwenvk/shaders"
)

// covers fails unless the parts are the dispatches of the plan, in order, each workgroup once.
func covers(t *testing.T, plan []cuttable, submissions [][]part) {
	t.Helper()
	at, next := 0, [3]uint32{}
	for _, parts := range submissions {
		if len(parts) == 0 {
			t.Fatal("an empty submission")
		}
		for _, s := range parts {
			if s.dispatch != at || s.first != next {
				t.Fatalf("part %+v, want dispatch %d from %v on", s, at, next)
			}
			w := plan[at]
			axis := 0
			for a := range s.groups {
				if s.groups[a] != w.groups[a] {
					axis = a
				}
			}
			if next[axis] += s.groups[axis]; next[axis] >= w.groups[axis] {
				at, next = at+1, [3]uint32{}
			}
		}
	}
	if at != len(plan) {
		t.Fatalf("%d of %d dispatches", at, len(plan))
	}
}

// TestCut cuts a plan whose times are injected: no submission that could be shorter is longer than the budget.
func TestCut(t *testing.T) {
	const us = float64(time.Microsecond)
	plan := []cuttable{
		{key: "short", groups: [3]uint32{10, 1, 1}},
		{key: "short", groups: [3]uint32{20, 1, 1}},
		{key: "long", groups: [3]uint32{3, 100, 2}},
		{key: "one", groups: [3]uint32{1, 1, 1}},
		{key: "whole", groups: [3]uint32{64, 2, 1}, whole: true},
		{key: "short", groups: [3]uint32{1, 1, 1}},
		{key: "lines", groups: [3]uint32{500, 6, 1}, lines: true},
		{key: "line", groups: [3]uint32{50, 1, 1}, lines: true},
	}
	for _, budget := range []time.Duration{time.Nanosecond, 100 * time.Microsecond, time.Millisecond, 4 * time.Millisecond, time.Hour} {
		p := &pacer{budget: budget, cost: map[string]float64{"short": 10 * us, "long": 50 * us, "one": 9000 * us, "whole": 100 * us, "lines": us, "line": us}}
		submissions := p.cut(plan)
		covers(t, plan, submissions)
		for _, parts := range submissions {
			took := 0.0
			for _, s := range parts {
				took += p.of(plan[s.dispatch].key) * count(s.groups)
			}
			w := plan[parts[0].dispatch]
			single := len(parts) == 1 && (w.whole || parts[0].groups[w.axis()] == 1)
			if took > float64(budget) && !single {
				t.Errorf("budget %v: %v takes %v", budget, parts, time.Duration(took))
			}
		}
		switch n := len(submissions); {
		case budget == time.Hour && n != 1:
			t.Errorf("%d submissions without need", n)
		case budget == time.Nanosecond && n != 10+20+100+1+1+1+6+50:
			t.Errorf("%d submissions of the least work", n)
		}
	}
}

// TestPacer learns from injected times.
func TestPacer(t *testing.T) {
	plan := []cuttable{{key: "a", groups: [3]uint32{100, 1, 1}}, {key: "b", groups: [3]uint32{100, 1, 1}}}
	ms := float64(time.Millisecond)
	p := &pacer{budget: 4 * time.Millisecond, cost: map[string]float64{}}
	submissions := p.cut(plan)
	if n := len(submissions); n != 4 { // 64 unknown workgroups each
		t.Fatalf("%d submissions at first", n)
	}
	feed := func(perGroup map[string]float64, timestamps bool) (longest time.Duration) {
		for _, parts := range submissions {
			var each []float64
			whole := 0.0
			for _, s := range parts {
				each = append(each, perGroup[plan[s.dispatch].key]*count(s.groups))
				whole += each[len(each)-1]
			}
			if !timestamps {
				each = nil
			}
			p.note(plan, parts, each, time.Duration(whole))
			longest = max(longest, time.Duration(whole))
		}
		return longest
	}
	for _, timestamps := range []bool{true, false} {
		fast := map[string]float64{"a": 0.001 * ms, "b": 0.001 * ms}
		recut := 0
		for range 60 {
			if p.stale(plan, submissions, feed(fast, timestamps)) {
				submissions = p.cut(plan)
				recut++
			}
		}
		if recut > 8 {
			t.Errorf("timestamps %v: recorded anew %d times", timestamps, recut)
		}
		if len(submissions) != 1 {
			t.Errorf("timestamps %v: %d submissions of a fast plan", timestamps, len(submissions))
		}
		slow := map[string]float64{"a": 0.2 * ms, "b": 0.001 * ms} // 20 ms
		if longest := feed(slow, timestamps); !p.stale(plan, submissions, longest) {
			t.Errorf("timestamps %v: content with a submission of %v", timestamps, longest)
		}
		for range 6 {
			submissions = p.cut(plan)
			covers(t, plan, submissions)
			feed(slow, timestamps)
		}
		if longest := feed(slow, timestamps); longest > 4*time.Millisecond+time.Microsecond {
			t.Errorf("timestamps %v: a submission of %v", timestamps, longest)
		}
	}
	// A dispatch that cannot be shorter is no reason to record again and again.
	single := []cuttable{{key: "one", groups: [3]uint32{1, 1, 1}}}
	p.cost["one"] = 100 * ms
	if p.stale(single, p.cut(single), 100*time.Millisecond) {
		t.Error("a workgroup cannot be cut")
	}
}

func TestCountsGroups(t *testing.T) {
	users := map[string]bool{}
	for _, m := range shaders.Modules() {
		if countsGroups(m.Code) {
			users[m.Kernel] = true
		}
	}
	if !users["mul_mat_vec"] || users["rms_norm"] || users["mul_mat"] {
		t.Errorf("kernels that look at the number of workgroups: %v", users)
	}
	sources, err := filepath.Glob("../../shaders/*.*")
	if err != nil || len(sources) == 0 {
		t.Fatal(err)
	}
	for _, source := range sources {
		text, err := os.ReadFile(source)
		if err != nil {
			t.Fatal(err)
		}
		if ext := filepath.Ext(source); ext != ".comp" && ext != ".glsl" {
			continue
		}
		if bytes.Count(text, []byte("gl_NumWorkGroups")) != bytes.Count(text, []byte("gl_NumWorkGroups.x")) {
			t.Errorf("%s looks at another axis than x, along which its dispatches are cut", source)
		}
	}
	if !countsGroups(make([]byte, 64)) {
		t.Error("what is no module counts as one that looks")
	}
}

// TestMaxSubmit cuts plans as finely as can be, and in between: the logits keep their bits, and the barriers their number.
func TestMaxSubmit(t *testing.T) {
	for _, c := range []struct {
		name string
		o    Options
	}{
		{"qwen3-dense-tied", Options{Splits: 1}},
		{"qwen3-dense-tied", Options{Splits: 3, FuseNorm: true, KV: "q8_0"}},
	} {
		t.Run(fmt.Sprintf("%s/%s", c.name, c.o.KV), func(t *testing.T) {
			c.o.Context = 128
			whole := tiny(t, c.name, unmasked, c.o)
			c.o.MaxSubmit = time.Nanosecond
			fine := tiny(t, c.name, unmasked, c.o)
			c.o.MaxSubmit = 200 * time.Microsecond
			learning := tiny(t, c.name, unmasked, c.o)
			for _, e := range []*Executor{whole, fine, learning} {
				mapPages(e)
			}
			start := 0
			for _, n := range []int{1, 40, 1, 1, 7, 1} {
				ids := make([]int32, n)
				for i := range ids {
					ids[i] = int32(11*start+17*i+5) % 300
				}
				want := logits(t, whole, run(t, whole, ids, start, TailTopK))
				for name, e := range map[string]*Executor{"least work": fine, "measured": learning} {
					sameBits(t, fmt.Sprintf("%s, %d tokens behind %d", name, n, start), logits(t, e, run(t, e, ids, start, TailTopK)), want)
				}
				start += n
			}
			a, b := whole.Stats(), fine.Stats()
			if a.Submits != a.Steps || b.Submits < b.Steps*uint64(len(fine.model.Nodes)) || a.Barriers != b.Barriers {
				t.Errorf("whole: %+v, fine: %+v", a, b)
			}
			if s := learning.Stats(); s.Submits < s.Steps || s.Submits >= b.Submits {
				t.Errorf("measured: %+v", s)
			}
		})
	}
}

// TestPause holds a step up, and lets go of it when its context ends.
func TestPause(t *testing.T) {
	e := tiny(t, "qwen3-dense-tied", unmasked, Options{Context: 64})
	mapPages(e)
	ctx, cancel := context.WithCancel(context.Background())
	step := Step{IDs: []int32{5}, Seqs: []Seq{{Rows: 1}}}
	if _, err := e.Run(ctx, step, TailGreedy, NoHistory); err != nil {
		t.Fatal(err)
	}
	if err := e.dev.Pause(context.Background()); err != nil {
		t.Fatal(err)
	}
	before := e.Stats().Submits
	failed := make(chan error)
	go func() {
		_, err := e.Run(ctx, step, TailGreedy, NoHistory)
		failed <- err
	}()
	select {
	case err := <-failed:
		t.Fatalf("a paused device took a step: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	cancel()
	if err := <-failed; !errors.Is(err, context.Canceled) || e.Stats().Submits != before {
		t.Fatalf("cancelled in a pause: %v", err)
	}
	done := make(chan error)
	go func() {
		_, err := e.Run(context.Background(), step, TailGreedy, NoHistory)
		done <- err
	}()
	e.dev.Resume()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}
