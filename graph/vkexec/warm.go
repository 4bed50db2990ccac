package vkexec

import (
	"context"

	"github.com/qwenvk/qwenvk/vk"
)

// Warming says whether an executor compiles and records what its first steps need before it is asked for them.
type Warming string

// The ways to warm.
const (
	// WarmAuto warms on hardware, where the driver compiles a pipeline in milliseconds, on all cores. A software device takes
	// seconds for what a short prompt never needs, so there the first step of a kind compiles what it runs.
	WarmAuto Warming = "auto"
	// WarmAlways warms on every device.
	WarmAlways Warming = "always"
	// WarmNever leaves everything to the first steps.
	WarmNever Warming = "never"
)

// warm records the plans of a decode step from the host and from the device, and of a whole chunk of a prompt. What follows
// an answer's first token is then only replayed; a prompt of another length is recorded when it comes, of pipelines that
// are there for the most part.
func (e *Executor) warm(ctx context.Context) error {
	software := e.dev.Caps().Type == vk.Software
	if e.options.Warm == WarmNever || software && e.options.Warm != WarmAlways {
		return nil
	}
	for _, key := range e.firstSteps() {
		if _, err := e.plan(ctx, key); err != nil {
			return err
		}
	}
	return nil
}

// firstSteps are the steps that every answer has.
func (e *Executor) firstSteps() []planKey {
	one := planKey{rows: 1, seqs: 1, widest: 1, upload: true}
	chunk := planKey{rows: e.Chunk(), seqs: 1, widest: e.Chunk(), tail: TailNone, upload: true}
	if e.model.Headless {
		one.tail = TailHidden
		return []planKey{one, chunk}
	}
	greedy, sampled, next := one, one, one
	greedy.tail, sampled.tail, next.tail, next.upload = TailGreedy, TailTopK, TailGreedy, false
	return []planKey{sampled, greedy, next, chunk}
}
