package main

// #include <stdlib.h>
// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"unsafe"

	"github.com/qwenvk/qwenvk"
)

// job is a call that takes time. Its work runs in a goroutine; the C function that began it fetches its events.
type job struct {
	ctx    context.Context
	stop   context.CancelFunc
	owners []uint64 // handles whose end is its own
	log    *logLines
	deltas chan delta    // one at a time: the work waits until it was fetched
	news   chan struct{} // there is progress
	ended  chan struct{}

	mu          sync.Mutex
	done, total uint64 // of a load
	progressed  bool
	closed      bool // what it belongs to was

	memory []unsafe.Pointer // C's copies of the last event's texts

	// What the work left, once ended is closed.
	err    error
	handle uint64
	result *qwenvk.Result
}

// delta is a piece of an answer.
type delta struct {
	kind     C.int32_t
	text     string
	name, id string
}

// begin starts a job. Its work gets the job's context, and leaves what it made in the job.
func begin(log *logLines, owners []uint64, work func(j *job) error) *job {
	j := &job{owners: owners, log: log, deltas: make(chan delta), news: make(chan struct{}, 1), ended: make(chan struct{})}
	j.ctx, j.stop = context.WithCancel(context.Background())
	go func() {
		defer close(j.ended)
		defer j.stop()
		j.err = guard(func() error { return work(j) })
	}()
	return j
}

// start is begin for an exported function: whatever goes wrong is told by the job.
func start(f func() (*job, error)) C.uint64_t {
	var j *job
	err := guard(func() (err error) {
		j, err = f()
		return err
	})
	if err != nil {
		j = begin(nil, nil, func(*job) error { return err })
	}
	return C.uint64_t(table.add(kindJob, j))
}

// emit hands a delta over. When the job is stopped nobody waits for it any more; the work goes on to its end.
func (j *job) emit(d delta) {
	select {
	case j.deltas <- d:
	case <-j.ctx.Done():
	}
}

// progress never waits: only the last state counts.
func (j *job) progress(p qwenvk.Progress) {
	j.mu.Lock()
	j.done, j.total, j.progressed = uint64(p.Done), uint64(p.Total), true
	j.mu.Unlock()
	select {
	case j.news <- struct{}{}:
	default:
	}
}

// next waits for an event and describes it.
func (j *job) next(e *C.bridge_event) {
	j.forget()
	for {
		if j.log.pop(j, e) || j.takeProgress(e) {
			return
		}
		select {
		case d := <-j.deltas:
			j.fill(e, d)
			return
		case <-j.news:
		case <-j.log.wake():
		case <-j.ended:
			if j.log.pop(j, e) || j.takeProgress(e) {
				return
			}
			e.kind = C.BRIDGE_DONE
			return
		}
	}
}

func (j *job) takeProgress(e *C.bridge_event) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	if !j.progressed {
		return false
	}
	j.progressed = false
	e.kind, e.done, e.total = C.BRIDGE_PROGRESS, C.uint64_t(j.done), C.uint64_t(j.total)
	return true
}

func (j *job) fill(e *C.bridge_event, d delta) {
	e.kind = C.BRIDGE_DELTA
	e.delta.struct_size = C.uint32_t(unsafe.Sizeof(e.delta))
	e.delta.kind, e.delta.text, e.delta.text_size = d.kind, j.lend(d.text), C.size_t(len(d.text))
	if d.kind == C.QWENVK_TOOL_CALL {
		e.delta.name, e.delta.id = j.lend(d.name), j.lend(d.id)
	}
}

// lend makes a C string that lives until the next event.
func (j *job) lend(s string) *C.char {
	c := C.CString(s)
	j.memory = append(j.memory, unsafe.Pointer(c))
	return c
}

func (j *job) forget() {
	for _, p := range j.memory {
		C.free(p)
	}
	j.memory = nil
}

// over reports that the work came to its end.
func (j *job) over() bool {
	select {
	case <-j.ended:
		return true
	default:
		return false
	}
}

// abandon gives up on a job that nobody will finish: its callback was left by longjmp or by an exception.
func abandon(handle uint64) {
	if v, err := table.take(handle, kindJob); err == nil {
		v.(*job).forget()
	}
}

// stopJobs stops the jobs of what is closed.
func stopJobs(owner uint64) {
	for _, j := range table.jobs() {
		if !slices.Contains(j.owners, owner) {
			continue
		}
		j.mu.Lock()
		j.closed = true
		j.mu.Unlock()
		j.stop()
	}
}

//export go_qwenvk_next
func go_qwenvk_next(handle C.uint64_t, e *C.bridge_event) {
	e.kind = C.BRIDGE_DONE // also of a job that was abandoned
	_ = guard(func() error {
		j, err := named[*job](uint64(handle), kindJob)
		if err == nil {
			j.next(e)
		}
		return err
	})
}

//export go_qwenvk_stop
func go_qwenvk_stop(handle C.uint64_t) {
	if j, err := named[*job](uint64(handle), kindJob); err == nil {
		j.stop()
	}
}

//export go_qwenvk_finish
func go_qwenvk_finish(handle C.uint64_t, result *C.bridge_result, out *C.qwenvk_error) C.qwenvk_status {
	return call(out, func() error {
		v, err := table.take(uint64(handle), kindJob)
		if err != nil {
			return fmt.Errorf("the answer was %w", errStopped) // another thread cancelled it and began the next
		}
		j := v.(*job)
		<-j.ended
		j.forget()
		result.handle = C.uint64_t(j.handle)
		if j.result != nil {
			fillUsage(&result.usage, *j.result)
			if j.err == nil && j.result.FinishReason == "interrupted" {
				return j.interrupted()
			}
		}
		if errors.Is(j.err, context.Canceled) {
			return j.interrupted()
		}
		return j.err
	})
}

// interrupted says by what.
func (j *job) interrupted() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.closed {
		return fmt.Errorf("what was asked was %w meanwhile", qwenvk.ErrClosed)
	}
	return fmt.Errorf("it was %w", errStopped)
}

func fillUsage(u *C.qwenvk_usage, r qwenvk.Result) {
	switch r.FinishReason {
	case "length":
		u.finish = C.QWENVK_FINISH_LENGTH
	case "interrupted":
		u.finish = C.QWENVK_FINISH_INTERRUPTED
	default:
		u.finish = C.QWENVK_FINISH_STOP
	}
	u.prompt_tokens, u.cached_tokens = C.int32_t(r.Usage.PromptTokens), C.int32_t(r.Usage.CachedTokens)
	u.completion_tokens, u.reasoning_tokens = C.int32_t(r.Usage.CompletionTokens), C.int32_t(r.Usage.ReasoningTokens)
	u.prefill_seconds, u.decode_seconds = C.double(r.Timings.PrefillMS/1000), C.double(r.Timings.DecodeMS/1000)
}
