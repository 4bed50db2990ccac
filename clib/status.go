package main

// #include "bridge.h"
import "C"

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/qwenvk/qwenvk"
)

// Errors that only the C library has.
var (
	errHandle   = errors.New("not a handle")
	errUsage    = errors.New("wrong use")
	errSmall    = errors.New("the buffer is too small")
	errInternal = errors.New("a fault of qwenvk")
	errStopped  = errors.New("interrupted")
)

// statuses tells the status of an error; the first that fits counts.
var statuses = []struct {
	err    error
	status C.qwenvk_status
}{
	{errInternal, C.QWENVK_INTERNAL},
	{errHandle, C.QWENVK_HANDLE},
	{errUsage, C.QWENVK_USAGE},
	{errSmall, C.QWENVK_TOO_SMALL},
	{qwenvk.ErrClosed, C.QWENVK_CLOSED},
	{errStopped, C.QWENVK_INTERRUPTED},
	{context.Canceled, C.QWENVK_INTERRUPTED},
	{qwenvk.ErrNoLoader, C.QWENVK_NO_DEVICE},
	{qwenvk.ErrNoDevice, C.QWENVK_NO_DEVICE},
	{qwenvk.ErrDeviceLost, C.QWENVK_DEVICE_LOST},
	{qwenvk.ErrOutOfMemory, C.QWENVK_MEMORY},
	{qwenvk.ErrContextFull, C.QWENVK_CONTEXT_FULL},
	{qwenvk.ErrBusy, C.QWENVK_BUSY},
	{qwenvk.ErrNoSlot, C.QWENVK_BUSY},
	{qwenvk.ErrNotFound, C.QWENVK_MODEL},
	{qwenvk.ErrCorrupt, C.QWENVK_MODEL},
	{qwenvk.ErrUnsupportedFormat, C.QWENVK_MODEL},
	{qwenvk.ErrUnsupportedModel, C.QWENVK_MODEL},
	{qwenvk.ErrWeights, C.QWENVK_MODEL},
	{qwenvk.ErrNoTemplate, C.QWENVK_MODEL},
	{qwenvk.ErrHeadless, C.QWENVK_MODEL},
}

// statusOf is an error as C sees it.
func statusOf(err error) C.qwenvk_status {
	if err == nil {
		return C.QWENVK_OK
	}
	for _, s := range statuses {
		if errors.Is(err, s.err) {
			return s.status
		}
	}
	return C.QWENVK_FAILED
}

// tell writes an error for the caller, if it wants to know, and returns its status.
func tell(err error, out *C.qwenvk_error) C.qwenvk_status {
	status := statusOf(err)
	if out == nil {
		return status
	}
	text := ""
	if err != nil {
		text = strings.ToValidUTF8(strings.ReplaceAll(err.Error(), "\x00", ""), "�")
	}
	out.status = status
	copyText(out.message[:], text)
	return status
}

// copyText writes text with a zero byte behind it; what does not fit is cut off at a character.
func copyText(to []C.char, text string) {
	n := min(len(text), len(to)-1)
	for n < len(text) && n > 0 && !utf8.RuneStart(text[n]) {
		n--
	}
	for i := range n {
		to[i] = C.char(text[i])
	}
	to[n] = 0
}

// guard runs f and turns a panic of ours into an error.
func guard(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%w: %v", errInternal, p)
		}
	}()
	return f()
}

// call is guard for an exported function.
func call(out *C.qwenvk_error, f func() error) C.qwenvk_status { return tell(guard(f), out) }

// text reads a C string, "" for NULL.
func text(what string, s *C.char) (string, error) {
	if s == nil {
		return "", nil
	}
	t := C.GoString(s)
	if !utf8.ValidString(t) {
		return "", fmt.Errorf("%w: %s is not UTF-8", errUsage, what)
	}
	return t, nil
}

// usage wraps an error of options.
func usage(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w: %w", errUsage, err)
}

func isClosed(err error) bool { return errors.Is(err, qwenvk.ErrClosed) }

// array is C memory as a slice.
func array[T any](p *T, n C.size_t) []T {
	if n == 0 || p == nil {
		return nil
	}
	return unsafe.Slice(p, int(n))
}

// statusName is an error's status as qwenvk.h calls it.
func statusName(err error) string { return C.GoString(C.qwenvk_status_name(statusOf(err))) }
