package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/internal/cliargs"
)

// Exit statuses. Scripts rely on them.
const (
	statusDone        = 0
	statusFailed      = 1
	statusUsage       = 2   // unknown command or flag, a flag whose part is not in this version
	statusNoDevice    = 3   // no usable Vulkan device
	statusModel       = 4   // the model cannot be loaded
	statusMemory      = 5   // not enough memory
	statusInterrupted = 130 // by Ctrl-C: 128 + SIGINT, as shells count
)

// errInterrupted is Ctrl-C. It has no sentence: whoever pressed the keys knows.
var errInterrupted = errors.New("interrupted")

// usageError is a wrong use of the command line that the flags' parser cannot see.
func usageError(format string, args ...any) error {
	return &cliargs.Error{Message: fmt.Sprintf(format, args...)}
}

// loadError is a model that cannot be loaded, whatever the reason.
type loadError struct{ err error }

func (e *loadError) Error() string { return e.err.Error() }
func (e *loadError) Unwrap() error { return e.err }

// statusOf maps an error to the exit status. Memory and device come first: a load can fail for their sake.
func statusOf(err error) int {
	is := func(targets ...error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
	var wrong *cliargs.Error
	var load *loadError
	switch {
	case err == nil:
		return statusDone
	case is(errInterrupted, context.Canceled):
		return statusInterrupted
	case errors.As(err, &wrong):
		return statusUsage
	case is(qwenvk.ErrNoLoader, qwenvk.ErrNoDevice, qwenvk.ErrFaultyDevice):
		return statusNoDevice
	case is(qwenvk.ErrOutOfMemory):
		return statusMemory
	case is(qwenvk.ErrDeviceLost):
		return statusFailed
	case errors.As(err, &load),
		is(qwenvk.ErrNotFound, qwenvk.ErrCorrupt, qwenvk.ErrUnsupportedFormat, qwenvk.ErrUnsupportedModel, qwenvk.ErrWeights):
		return statusModel
	}
	return statusFailed
}
