//go:build desktop

package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/go-gl/glfw/v3.3/glfw"

	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/gpu"
	"github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/ui"
	"github.com/qwenvk/qwenvk/demo"
)

// frameTime is the least time between two frames: that of 60 a second, and a little less, so that a screen's own pace decides
// where it has one.
const frameTime = 15500 * time.Microsecond

// patience bounds one wait for the device or the window system, between which events are handled.
const patience = 100 * time.Millisecond

func (w *window) loop() error {
	var last time.Time
	ends := make(chan os.Signal, 1)
	signal.Notify(ends, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(ends)
	go func() { // the loop sleeps in the window system
		for range ends {
			w.ended.Store(true)
			glfw.PostEmptyEvent()
		}
	}()
	for !w.glfw.ShouldClose() && !w.ended.Load() {
		for _, e := range w.worker.take() {
			w.handle(e)
		}
		if err := w.act(); err != nil {
			return err
		}
		if w.fatal != nil {
			return w.fatal
		}
		now := time.Now()
		dirty, next := w.app.Dirty(now)
		if wait := frameTime - now.Sub(last); dirty && w.visible() && wait <= 0 {
			if err := w.draw(now); err != nil {
				return err
			}
			last = now
			glfw.PollEvents()
			continue
		} else if dirty && w.visible() {
			next = wait
		}
		if next > 0 {
			glfw.WaitEventsTimeout(next.Seconds())
		} else {
			glfw.WaitEvents()
		}
	}
	return nil
}

func (w *window) visible() bool { return w.glfw.GetAttrib(glfw.Iconified) == glfw.False }

// draw draws a frame. What the device is not ready for stays dirty and is tried again.
func (w *window) draw(now time.Time) error {
	if w.stale {
		width, height := w.glfw.GetFramebufferSize()
		var err error
		if w.width, w.height, err = w.screen.Resize(width, height); err != nil {
			return w.failed(err)
		}
		w.stale = false
	}
	if w.width == 0 || w.height == 0 {
		w.stale = true
		glfw.WaitEventsTimeout(patience.Seconds())
		return nil
	}
	w.app.Draw(&w.list, w.width, w.height, now)
	atlas := gpu.Atlas{Pixels: w.kit.Atlas.Pixels, Size: w.kit.Atlas.Size, Dirty: w.kit.Atlas.Dirty()}
	laid := time.Now()
	err := w.screen.Draw(w.list.Quads, atlas, ui.Ground(), patience)
	switch {
	case err == nil:
		w.reopened = 0
		w.measure(now, laid, time.Now())
		return nil
	case errors.Is(err, gpu.ErrBusy):
		w.kit.Atlas.Touch() // what was dirty has not arrived
		w.app.Touch()
		return nil
	case errors.Is(err, gpu.ErrStale):
		w.kit.Atlas.Touch()
		w.stale = true
		w.app.Touch()
		return nil
	}
	return w.failed(err)
}

// measure notes what a frame took: from the decision to draw it until it was handed to the device, the wait for the frame
// before the last included.
func (w *window) measure(begin, laid, end time.Time) {
	w.app.Frames.Add(float64(end.Sub(begin).Microseconds()) / 1000)
	if w.frames != nil {
		w.frames.add(begin, laid, end, w.app.Busy, len(w.list.Quads))
	}
}

// failed opens what was lost again.
func (w *window) failed(err error) error {
	if lost(err) {
		return w.reopen(w.chosen, err)
	}
	return err
}

// act does what the interface asks for.
func (w *window) act() error {
	for _, action := range w.app.Actions() {
		switch action := action.(type) {
		case ui.Send:
			w.app.Add(&ui.Message{Role: ui.User, Text: action.Text})
			w.answer = &ui.Message{Role: ui.Assistant, Writing: true}
			w.app.Add(w.answer)
			w.app.Busy, w.rated, w.counted = true, time.Now(), 0
			w.worker.send(action.Text)
		case ui.Stop:
			w.worker.stop()
		case ui.NewChat:
			w.worker.fresh()
			w.answer = nil
			w.app.Clear()
		case ui.Load:
			w.load(action.Path)
		case ui.UseModel:
			w.load(w.paths[action.Index])
		case ui.UseDevice:
			if action.Index == w.chosen {
				continue
			}
			if p := w.physical[action.Index]; !p.Presents {
				w.problem(fmt.Errorf("%s cannot show pictures in this window", p.Name))
				continue
			}
			before := w.chosen
			if err := w.reopen(action.Index, nil); err != nil {
				w.problem(err)
				if err := w.reopen(before, nil); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

func (w *window) load(path string) {
	w.model = path
	w.app.Ready, w.app.Busy = false, false
	w.worker.load(path)
}

func (w *window) listModels() { w.paths, w.app.Models = w.library.list() }

// handle shows what the worker tells.
func (w *window) handle(e event) {
	a := w.app
	a.Touch()
	switch {
	case e.loading != "":
		a.Progress = e.progress
		a.Model, a.Failed = e.loading, false
		a.Status = fmt.Sprintf("loading %s: %.0f %%", e.loading, 100*e.progress)
	case e.loaded != nil:
		a.Progress, a.Ready, a.Failed = -1, true, false
		a.Model, a.Status = e.loaded.Name, describe(e.loaded)
		if e.path == demo.Name {
			a.Model = "Demo model"
		}
		w.answer = nil
		a.Clear()
		w.library.remember(e.path)
		w.listModels()
	case e.done:
		w.finish(e)
	case e.err != nil:
		if lost(e.err) {
			w.fatal = w.reopen(w.chosen, e.err)
			return
		}
		if e.path != "" {
			a.Progress, a.Model = -1, ""
		}
		w.problem(e.err)
	case w.answer != nil:
		w.answer.Text += e.text
		w.answer.Thinking += e.reasoning
		a.Changed(w.answer)
		if now := time.Now(); now.Sub(w.rated) > 100*time.Millisecond {
			a.Rates.Add(float64(e.tokens-w.counted) / now.Sub(w.rated).Seconds())
			w.rated, w.counted = now, e.tokens
		}
	}
}

// finish ends an answer.
func (w *window) finish(e event) {
	w.app.Busy = false
	if w.answer != nil {
		w.answer.Writing, w.answer.Folded = false, w.answer.Text != ""
		w.app.Changed(w.answer)
		w.answer = nil
	}
	if e.err != nil {
		if lost(e.err) {
			w.fatal = w.reopen(w.chosen, e.err)
			return
		}
		w.problem(e.err)
		return
	}
	r := e.result
	w.app.Failed = false
	if r.Usage.CompletionTokens > 0 {
		if r.Timings.DecodeTPS > 0 {
			w.app.Rates.Add(r.Timings.DecodeTPS)
		}
		w.app.Status = fmt.Sprintf("%d tokens read (%d from the cache), %d written: %s", r.Usage.PromptTokens, r.Usage.CachedTokens, r.Usage.CompletionTokens, r.FinishReason)
	}
}

// problem shows an error: in the conversation, where it stays, and in the status line.
func (w *window) problem(err error) {
	w.app.Status, w.app.Failed = err.Error(), true
	w.app.Add(&ui.Message{Role: ui.Problem, Text: err.Error()})
	fmt.Fprintf(os.Stderr, "qwenvk-desktop: %v\n", err)
}
