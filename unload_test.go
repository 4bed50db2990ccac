package qwenvk

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/vk"
	"github.com/qwenvk/qwenvk/vk/vktest"
)

// TestUnload gives a model's memory back in the middle of a conversation, which then goes on as if nothing had been.
func TestUnload(t *testing.T) {
	ctx := context.Background()
	rt := openTest(t, Options{}, nil)
	m, err := rt.LoadGGUF(ctx, demo.Name, demo.GGUF(), LoadOptions{Context: 512, KV: "f32"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.Close() })
	c := greedyChat(t, m)
	if text, err := ask(c, "What is 17 + 25?"); err != nil || !strings.Contains(text, "42") {
		t.Fatalf("%q, %v", text, err)
	}
	loaded := rt.device().Memory()
	for _, explicit := range []bool{false, true} {
		if err := errors.Join(m.Unload(), m.Unload()); err != nil {
			t.Fatal(err)
		}
		if left := rt.device().Memory(); left.Buffers != 0 || left.Allocations != 0 || rt.taken() != 0 {
			t.Errorf("unloaded, and left: %+v", left)
		}
		if explicit {
			if err := errors.Join(m.Reload(ctx), m.Reload(ctx)); err != nil {
				t.Fatal(err)
			}
		}
		if text, err := ask(c, "What is 20 + 30?"); err != nil || !strings.Contains(text, "50") {
			t.Fatalf("behind an unload: %q, %v", text, err)
		}
		if r := c.Result(); r.Usage.CachedTokens != 0 || r.Usage.PromptTokens < 20 {
			t.Errorf("behind an unload: %+v", r.Usage)
		}
		if now := rt.device().Memory(); now.Buffers > loaded.Buffers {
			t.Errorf("%d buffers, %d before", now.Buffers, loaded.Buffers)
		}
	}
	// Not during an answer.
	begun := false
	for _, err := range c.Send(ctx, "Who are you?") {
		if err != nil {
			t.Fatal(err)
		}
		if !begun {
			if err := m.Unload(); !errors.Is(err, ErrBusy) {
				t.Errorf("unloaded in an answer: %v", err)
			}
		}
		begun = true
	}
	if err := errors.Join(m.Unload(), c.Close(), m.Close()); err != nil {
		t.Error(err)
	}
	if err := errors.Join(m.Unload(), m.Reload(ctx)); !errors.Is(err, ErrClosed) {
		t.Errorf("closed: %v", err)
	}
}

// TestUnloadAdapters brings the adapters of sessions back, too.
func TestUnloadAdapters(t *testing.T) {
	ctx := context.Background()
	rt := openTest(t, Options{}, nil)
	m := loadTest(t, rt, testkit.Path(t, "golden/qwen3-dense-tied"), LoadOptions{Context: 64, KV: "f32"})
	a, err := m.LoadAdapter(ctx, testkit.Path(t, "golden/qwen3-lora/adapter"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := m.NewSession()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	if err := s.SetAdapters(ctx, AdapterUse{Adapter: a, Scale: 1}); err != nil {
		t.Fatal(err)
	}
	row := func() (out []float32) {
		if err := s.Logits(ctx, []int32{1, 2, 3}, LogitsOptions{}, func(_ int, logits []float32) error {
			out = append(out, logits...)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return out
	}
	want := row()
	if err := m.Unload(); err != nil {
		t.Fatal(err)
	}
	for i, v := range row() {
		if v != want[i] {
			t.Fatalf("logit %d is %v, was %v", i, v, want[i])
		}
	}
	if err := errors.Join(m.Unload(), s.Close(), a.Close()); err != nil {
		t.Error(err)
	}
}

// TestRecovery loses the device at the n-th submission, under two models: the error says so, and the next calls find a new one.
func TestRecovery(t *testing.T) {
	ctx := context.Background()
	submits := []int{1, 2, 8, 20}
	if testing.Short() {
		submits = submits[3:]
	}
	for _, at := range submits {
		rt, err := openForTest(t, Options{CacheDir: "none", faults: &vk.Faults{SubmitAt: at}})
		if err != nil {
			t.Fatal(err)
		}
		load := func() *Model {
			m, err := rt.LoadGGUF(ctx, demo.Name, demo.GGUF(), LoadOptions{Context: 512, KV: "f32"})
			if errors.Is(err, ErrDeviceLost) {
				m, err = rt.LoadGGUF(ctx, demo.Name, demo.GGUF(), LoadOptions{Context: 512, KV: "f32"})
			}
			if err != nil {
				t.Fatalf("submit %d: %v", at, err)
			}
			return m
		}
		a, b := load(), load()
		first, second := greedyChat(t, a), greedyChat(t, b)
		lost := 0
		for i, q := range []struct{ question, answer string }{{"What is 17 + 25?", "42"}, {"What is 20 + 30?", "50"}, {"What is 11 + 12?", "23"}} {
			for _, c := range []*Chat{first, second} {
				text, err := ask(c, q.question)
				if errors.Is(err, ErrDeviceLost) {
					lost++
					text, err = ask(c, q.question)
				}
				if err != nil || !strings.Contains(text, q.answer) {
					t.Errorf("submit %d, question %d: %q, %v", at, i, text, err)
				}
			}
		}
		if lost > 1 {
			t.Errorf("submit %d: %d answers were lost", at, lost)
		}
		if n := len(first.Messages()); n != 6 {
			t.Errorf("submit %d: the chat has %d messages", at, n)
		}
		if err := errors.Join(first.Close(), second.Close(), a.Close(), b.Close(), rt.Close()); err != nil {
			t.Errorf("submit %d: %v", at, err)
		}
		for _, message := range rt.Messages() {
			t.Errorf("submit %d: validation: %s", at, message)
		}
	}
}

// TestRecoveryTogether loses the device under answers of several goroutines.
func TestRecoveryTogether(t *testing.T) {
	ctx := context.Background()
	rt, err := openForTest(t, Options{CacheDir: "none", faults: &vk.Faults{SubmitAt: 60}})
	if err != nil {
		t.Fatal(err)
	}
	m, err := rt.LoadGGUF(ctx, demo.Name, demo.GGUF(), LoadOptions{Context: 256, KV: "f32", Sessions: 3})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 3 {
		c := greedyChat(t, m)
		wg.Go(func() {
			defer c.Close()
			for range 3 {
				text, err := ask(c, "What is 17 + 25?")
				if errors.Is(err, ErrDeviceLost) {
					text, err = ask(c, "What is 17 + 25?")
				}
				if err != nil || !strings.Contains(text, "42") {
					t.Errorf("%q, %v", text, err)
				}
			}
		})
	}
	wg.Wait()
	if err := errors.Join(m.Close(), rt.Close()); err != nil {
		t.Error(err)
	}
}

// TestLostHost: another program's device is that program's to replace.
func TestLostHost(t *testing.T) {
	h := vktest.Program(t, vk.MakeVersion(1, 3, 0), func(_, useful vk.Needs) vk.Needs { return useful })
	rt, err := OpenWithDevice(shared(h), Options{CacheDir: "none", faults: &vk.Faults{SubmitAt: 5}})
	if err != nil {
		t.Fatal(err)
	}
	_, s := openDemo(t, rt, LoadOptions{Context: 64})
	t.Cleanup(func() {
		if err := rt.Close(); err != nil {
			t.Error(err)
		}
	})
	for try := range 2 {
		var last error
		for _, err := range s.Generate(context.Background(), []int32{1, 2, 3}, GenerateOptions{MaxTokens: 12, IgnoreEOS: true}) {
			last = err
		}
		if !errors.Is(last, ErrDeviceLost) || try == 1 && !strings.Contains(last.Error(), "another program") {
			t.Errorf("try %d: %v", try, last)
		}
	}
}
