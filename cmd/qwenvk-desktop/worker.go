//go:build desktop

package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"time"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/sampler"
)

// event is what the worker tells the window.
type event struct {
	loading  string  // a load has begun, or goes on: the model's name
	progress float64 // of it

	loaded *qwenvk.Info // a load has ended well
	path   string       // of loaded

	text, reasoning string // of the answer
	done            bool   // the answer has ended
	result          qwenvk.Result
	tokens          int           // of the answer so far
	since           time.Duration // they took

	err error
}

// worker owns the model. It does one thing at a time; what is asked last ends what goes on.
type worker struct {
	settings settings
	host     qwenvk.HostDevice
	wake     func() // tells the window to look

	mu     sync.Mutex
	events []event
	cancel context.CancelFunc // of what goes on; nil: nothing

	jobs chan func()
	gone chan struct{}

	runtime *qwenvk.Runtime
	model   *qwenvk.Model
	chat    *qwenvk.Chat
}

func newWorker(host qwenvk.HostDevice, s settings, wake func()) *worker {
	w := &worker{settings: s, host: host, wake: wake, jobs: make(chan func(), 64), gone: make(chan struct{})}
	go func() {
		defer close(w.gone)
		for job := range w.jobs {
			job()
		}
		w.release()
	}()
	return w
}

// close ends what goes on and frees everything on the device.
func (w *worker) close() {
	w.stop()
	close(w.jobs)
	for {
		select {
		case <-w.gone:
			return
		case <-time.After(20 * time.Millisecond):
			w.stop() // of the jobs that were still waiting
		}
	}
}

func (w *worker) release() {
	w.unload()
	if w.runtime != nil {
		w.report(w.runtime.Close())
		w.runtime = nil
	}
}

func (w *worker) unload() {
	if w.chat != nil {
		w.report(w.chat.Close())
		w.chat = nil
	}
	if w.model != nil {
		w.report(w.model.Close())
		w.model = nil
	}
}

// report tells of an error of closing, which changes nothing any more.
func (w *worker) report(err error) {
	if err != nil {
		w.tell(event{err: err})
	}
}

func (w *worker) tell(e event) {
	w.mu.Lock()
	w.events = append(w.events, e)
	w.mu.Unlock()
	w.wake()
}

// take returns what happened since the last call.
func (w *worker) take() []event {
	w.mu.Lock()
	defer w.mu.Unlock()
	list := w.events
	w.events = nil
	return list
}

// stop ends what goes on.
func (w *worker) stop() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cancel != nil {
		w.cancel()
	}
}

// do makes the worker do something when it is free. Jobs beyond the queue's length are a person's who clicks faster than that.
func (w *worker) do(job func(ctx context.Context)) {
	select {
	case w.jobs <- func() {
		ctx, cancel := context.WithCancel(context.Background())
		w.mu.Lock()
		w.cancel = cancel
		w.mu.Unlock()
		defer func() {
			w.mu.Lock()
			w.cancel = nil
			w.mu.Unlock()
			cancel()
		}()
		job(ctx)
	}:
	default:
	}
}

// load puts another model in the place of the one so far.
func (w *worker) load(path string) {
	w.stop()
	w.do(func(ctx context.Context) {
		w.tell(event{loading: filepath.Base(path)})
		if err := w.loadNow(ctx, path); err != nil {
			w.unload()
			w.tell(event{err: err, path: path})
			return
		}
		info := w.model.Info()
		w.tell(event{loaded: &info, path: path})
	})
}

func (w *worker) loadNow(ctx context.Context, path string) (err error) {
	w.unload()
	if w.runtime == nil {
		if w.runtime, err = openRuntime(w.host); err != nil {
			return err
		}
	}
	last := time.Now()
	o := qwenvk.LoadOptions{Context: w.settings.context, Progress: func(p qwenvk.Progress) {
		if now := time.Now(); now.Sub(last) > 30*time.Millisecond && p.Total > 0 {
			last = now
			w.tell(event{loading: p.What, progress: float64(p.Done) / float64(p.Total)})
		}
	}}
	if path == demo.Name {
		w.model, err = w.runtime.LoadGGUF(ctx, demo.Name, demo.GGUF(), o)
	} else {
		w.model, err = w.runtime.Load(ctx, path, o)
	}
	if err != nil {
		w.model = nil
		return err
	}
	return w.begin()
}

// begin begins a conversation.
func (w *worker) begin() (err error) {
	if w.chat != nil {
		w.report(w.chat.Close())
		w.chat = nil
	}
	o := qwenvk.ChatOptions{Think: w.settings.think, ContextShift: true}
	if t := w.settings.temperature; t >= 0 {
		o.Sampling = &sampler.Params{Temperature: t, TopP: 1}
	}
	w.chat, err = w.model.NewChat(o)
	return err
}

// fresh begins the conversation anew.
func (w *worker) fresh() {
	w.stop()
	w.do(func(context.Context) {
		if w.model == nil {
			return
		}
		if err := w.begin(); err != nil {
			w.tell(event{err: err})
		}
	})
}

// send asks a question; the answer comes in events, of which the last one says done.
func (w *worker) send(text string) {
	w.do(func(ctx context.Context) {
		end := event{done: true}
		defer func() { w.tell(end) }()
		if w.chat == nil {
			end.err = errors.New("no model is loaded: choose one, or drop a .gguf file on the window")
			return
		}
		var first time.Time
		tokens := 0
		for delta, err := range w.chat.Send(ctx, text) {
			if err != nil {
				if ctx.Err() == nil {
					end.err = err
				}
				return
			}
			if tokens++; tokens == 1 {
				first = time.Now()
			}
			w.tell(event{text: delta.Text, reasoning: delta.Reasoning, tokens: tokens, since: time.Since(first)})
		}
		end.result = w.chat.LastAnswer()
	})
}

// describe says in a line what is loaded.
func describe(i *qwenvk.Info) string {
	return fmt.Sprintf("%s, %d layers, %s weights in %s, context of %d tokens", i.Architecture, i.Layers, count(i.Params), i.Type, i.Context)
}

func count(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f billion", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f million", float64(n)/1e6)
	}
	return fmt.Sprint(n)
}
