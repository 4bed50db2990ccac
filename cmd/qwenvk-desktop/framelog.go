//go:build desktop

package main

import (
	"fmt"
	"os"
	"time"
)

// frameLog writes the time of every frame as CSV, at once: a program that is killed leaves what it has.
type frameLog struct {
	file  *os.File
	start time.Time
	last  time.Time
}

func newFrameLog(path string) (*frameLog, error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	l := &frameLog{file: f, start: time.Now()}
	fmt.Fprintln(l.file, "at_ms,since_last_ms,layout_ms,frame_ms,generating,quads")
	return l, nil
}

func (l *frameLog) add(begin, laid, end time.Time, generating bool, quads int) {
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	since := 0.0
	if !l.last.IsZero() {
		since = ms(begin.Sub(l.last))
	}
	l.last = begin
	fmt.Fprintf(l.file, "%.2f,%.2f,%.2f,%.2f,%t,%d\n", ms(begin.Sub(l.start)), since, ms(laid.Sub(begin)), ms(end.Sub(begin)), generating, quads)
}

func (l *frameLog) close() {
	_ = l.file.Close() // a log that cannot be written is no reason to fail at the end
}
