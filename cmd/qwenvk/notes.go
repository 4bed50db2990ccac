package main

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
)

// note tells something worth knowing, on stderr.
func (p *program) note(format string, args ...any) { p.say(slog.LevelInfo, format, args...) }

// warn tells something that may be wrong.
func (p *program) warn(format string, args ...any) { p.say(slog.LevelWarn, format, args...) }

func (p *program) say(level slog.Level, format string, args ...any) {
	if level < p.level.Level() {
		return
	}
	_, _ = fmt.Fprintf(p.err, "qwenvk: "+format+"\n", args...) // stderr is the last resort
}

// logger gives the library a voice in the same form.
func (p *program) logger() *slog.Logger { return slog.New(&lineHandler{p: p}) }

// lineHandler writes a log record as "qwenvk: message (key value, key value)".
type lineHandler struct {
	p     *program
	attrs []slog.Attr
}

// Enabled reports whether records of a level are written.
func (h *lineHandler) Enabled(_ context.Context, level slog.Level) bool {
	return level >= h.p.level.Level()
}

// Handle writes one record.
func (h *lineHandler) Handle(_ context.Context, r slog.Record) error {
	var details []string
	add := func(a slog.Attr) bool {
		details = append(details, a.Key+" "+a.Value.String())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	line := r.Message
	if len(details) > 0 {
		line += " (" + strings.Join(details, ", ") + ")"
	}
	h.p.say(r.Level, "%s", line)
	return nil
}

// WithAttrs returns a handler that adds attributes to every record.
func (h *lineHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &lineHandler{p: h.p, attrs: append(append([]slog.Attr{}, h.attrs...), attrs...)}
}

// WithGroup returns the handler itself: lines for people have no groups.
func (h *lineHandler) WithGroup(string) slog.Handler { return h }

// size writes a number of bytes for people.
func size(n uint64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.2f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%.1f KiB", float64(n)/(1<<10))
}

// count writes a large number for people: 3.8 M, 8.2 B.
func count(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.2f B", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f M", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f K", float64(n)/1e3)
	}
	return fmt.Sprint(n)
}
