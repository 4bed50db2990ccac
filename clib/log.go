package main

// #include "bridge.h"
import "C"

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"unsafe"
)

// maxLines are kept while the program is in no function that could pass them on.
const maxLines = 256

// logLines are the lines of one runtime's log that its callback has not got yet. A nil one has none.
type logLines struct {
	call  C.qwenvk_log_fn
	user  unsafe.Pointer
	level slog.Level
	more  chan struct{}

	mu    sync.Mutex
	lines []logLine
}

type logLine struct {
	level slog.Level
	text  string
}

func newLog(call C.qwenvk_log_fn, user unsafe.Pointer, level int) *logLines {
	return &logLines{call: call, user: user, level: slog.Level(level), more: make(chan struct{}, 1)}
}

// logger returns a logger that keeps lines for the callback; nil for none.
func (l *logLines) logger() *slog.Logger {
	if l == nil {
		return nil
	}
	return slog.New(handler{lines: l})
}

// handler makes lines of records: the message, and each attribute as key=value.
type handler struct {
	lines *logLines
	group string
	with  string
}

func (h handler) Enabled(_ context.Context, level slog.Level) bool { return level >= h.lines.level }

func (h handler) Handle(_ context.Context, r slog.Record) error {
	var b strings.Builder
	b.WriteString(r.Message + h.with)
	r.Attrs(func(a slog.Attr) bool {
		b.WriteString(" " + h.group + a.String())
		return true
	})
	h.lines.push(logLine{r.Level, b.String()})
	return nil
}

func (h handler) WithAttrs(list []slog.Attr) slog.Handler {
	for _, a := range list {
		h.with += " " + h.group + a.String()
	}
	return h
}

func (h handler) WithGroup(name string) slog.Handler {
	h.group += name + "."
	return h
}

func (l *logLines) push(line logLine) {
	l.mu.Lock()
	if len(l.lines) == maxLines {
		l.lines = l.lines[1:]
	}
	l.lines = append(l.lines, line)
	l.mu.Unlock()
	select {
	case l.more <- struct{}{}:
	default:
	}
}

// wake receives when there may be lines.
func (l *logLines) wake() <-chan struct{} {
	if l == nil {
		return nil
	}
	return l.more
}

// pop describes the oldest line as an event of j.
func (l *logLines) pop(j *job, e *C.bridge_event) bool {
	if l == nil {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.lines) == 0 {
		return false
	}
	line := l.lines[0]
	l.lines = l.lines[1:]
	e.kind, e.level, e.log, e.user = C.BRIDGE_LOG, C.int32_t(line.level), l.call, l.user
	e.line = j.lend(strings.ReplaceAll(strings.ToValidUTF8(line.text, "\ufffd"), "\x00", ""))
	return true
}
