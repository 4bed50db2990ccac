package main

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"github.com/qwenvk/qwenvk"
)

const (
	// patience is how long a load goes on without a word: small models are there before it ends.
	patience = 700 * time.Millisecond
	// lineEvery is the time between two lines where there is no terminal.
	lineEvery = 10 * time.Second
)

// progress shows how far long work on bytes is: a bar on a terminal, a line now and then elsewhere.
type progress struct {
	p     *program
	verb  string // what is done: "loading"
	begin time.Time
	last  time.Time // of the last line
	bars  *mpb.Progress
	bar   *mpb.Bar
}

func (p *program) newProgress(verb string) *progress {
	now := time.Now()
	return &progress{p: p, verb: verb, begin: now, last: now}
}

// set is called with every piece that is done.
func (b *progress) set(at qwenvk.Progress) {
	switch {
	case b.p.level.Level() > slog.LevelInfo || at.Total <= 0:
	case b.bar != nil:
		b.bar.SetCurrent(at.Done)
	case !b.p.tty.err:
		if time.Since(b.last) >= lineEvery {
			b.last = time.Now()
			b.p.note("%s %s: %d %% of %s", b.verb, at.What, 100*at.Done/at.Total, size(uint64(at.Total)))
		}
	case time.Since(b.begin) >= patience:
		b.bars, b.bar = newBar(b.p.err, b.verb, at)
		b.bar.SetCurrent(at.Done)
	}
}

func newBar(w io.Writer, verb string, at qwenvk.Progress) (*mpb.Progress, *mpb.Bar) {
	bars := mpb.New(mpb.WithOutput(w), mpb.WithWidth(80), mpb.WithAutoRefresh())
	bar := bars.AddBar(at.Total, mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(verb+" "+at.What+" ")),
		mpb.AppendDecorators(decor.CountersKibiByte("% .1f / % .1f"), decor.Name("  "), decor.AverageETA(decor.ET_STYLE_GO)))
	return bars, bar
}

// done takes the bar away.
func (b *progress) done() {
	if b.bar == nil {
		return
	}
	b.bar.Abort(true) // a load that failed leaves the bar unfinished; a finished one is gone already
	b.bars.Wait()
}

// windowLine tells how far a long measurement is, now and then.
func (p *program) windowLine() func(done, total int) { return p.everyTenSeconds("window") }

// everyTenSeconds tells how many of some things are done, and about how long the rest takes.
func (p *program) everyTenSeconds(what string) func(done, total int) {
	begin := time.Now()
	last := begin
	return func(done, total int) {
		if time.Since(last) < lineEvery || done == total {
			return
		}
		last = time.Now()
		left := time.Since(begin) / time.Duration(done) * time.Duration(total-done)
		p.note("%s %d of %d, about %s left", what, done, total, left.Round(time.Second))
	}
}

// counter shows how many of some things are done: a bar on a terminal, a line now and then elsewhere.
type counter struct {
	p    *program
	verb string
	last time.Time // of the last line
	bars *mpb.Progress
	bar  *mpb.Bar
	what string
	mu   sync.Mutex // of what, which the bar reads on its own
}

func (p *program) newCount(verb string) *counter { return &counter{p: p, verb: verb, last: time.Now()} }

// set is called before each of the things.
func (b *counter) set(done, total int, what string) {
	b.mu.Lock()
	b.what = what
	b.mu.Unlock()
	switch {
	case b.p.level.Level() > slog.LevelInfo || total <= 0:
	case !b.p.tty.err:
		if time.Since(b.last) >= lineEvery {
			b.last = time.Now()
			b.p.note("%s %s: %d of %d", b.verb, what, done, total)
		}
	case b.bar == nil:
		b.bars = mpb.New(mpb.WithOutput(b.p.err), mpb.WithWidth(80), mpb.WithAutoRefresh())
		b.bar = b.bars.AddBar(int64(total), mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name(b.verb+" ")),
			mpb.AppendDecorators(decor.CountersNoUnit("%d / %d  "), decor.Any(func(decor.Statistics) string {
				b.mu.Lock()
				defer b.mu.Unlock()
				return b.what
			})))
	default:
		b.bar.SetCurrent(int64(done))
	}
}

// done takes the bar away.
func (b *counter) done() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.bars.Wait()
	}
}
