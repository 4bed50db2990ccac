package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/markdown"
	"github.com/qwenvk/qwenvk/cmd/qwenvk/term"
)

// view shows one answer of a conversation as it comes: reasoning in a few rows that fold into one when it ends, the
// answer itself as Markdown. Where rows cannot be drawn again reasoning stays as it is written.
type view struct {
	out    io.Writer
	colour bool
	fold   bool             // reasoning is folded
	count  func(string) int // tokens of a text
	hint   string           // behind the line of folded reasoning

	mu      sync.Mutex // deltas come from one goroutine, the clock from another
	region  term.Region
	begun   time.Time // the request
	thought time.Time // reasoning; zero: none yet
	drawn   time.Time
	folded  bool // reasoning is over
	spoken  bool // the answer has begun
	reason  strings.Builder
	pieces  int // of reasoning: about its tokens
	rows    thoughtRows
	text    *markdown.Stream
	raw     bool // the answer is shown as it was written
	line    bool // raw: in the middle of a line
	stop    chan struct{}
	stopped sync.WaitGroup
}

const (
	thoughtHeight = 5                      // rows of reasoning that are seen while it is written
	redraw        = 80 * time.Millisecond  // between two drawings of them
	readingAfter  = 700 * time.Millisecond // before it is told that the prompt is still being read
)

// newView begins an answer.
func (c *conversation) newView() *view {
	columns := func() int { n, _ := c.p.window(); return n }
	v := &view{
		out: c.p.out, colour: c.colour, fold: c.live && !c.unfolded, count: c.countTokens, begun: time.Now(),
		region: term.Region{Out: c.p.out, Size: c.p.window}, text: markdown.New(c.p.out, columns, c.colour), raw: c.raw,
	}
	v.rows.stream = markdown.New(&v.rows.written, func() int { return max(0, columns()-3) }, false)
	if !c.hinted && c.live {
		c.hinted, v.hint = true, " (Ctrl-O shows it)"
	}
	if c.live {
		v.stop = make(chan struct{})
		v.stopped.Add(1)
		go v.tick()
	}
	return v
}

// tick draws what changes with the time alone.
func (v *view) tick() {
	defer v.stopped.Done()
	clock := time.NewTicker(redraw)
	defer clock.Stop()
	for {
		select {
		case <-v.stop:
			return
		case <-clock.C:
			v.mu.Lock()
			switch {
			case v.spoken || v.folded:
			case !v.thought.IsZero() && v.fold:
				_ = v.drawThought() // a terminal that is gone ends the answer's next write
			case v.thought.IsZero() && time.Since(v.begun) > readingAfter:
				_ = v.region.Draw([]string{v.dim(fmt.Sprintf("reading… %s", seconds(time.Since(v.begun))))})
			}
			v.mu.Unlock()
		}
	}
}

// delta shows the next piece.
func (v *view) delta(d chat.Delta) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	if d.Reasoning != "" {
		return v.think(d.Reasoning)
	}
	if d.Text == "" && d.ToolCall == nil {
		return nil
	}
	if err := v.speak(); err != nil {
		return err
	}
	if d.ToolCall != nil {
		return v.call(*d.ToolCall)
	}
	if v.raw {
		v.line = !strings.HasSuffix(d.Text, "\n")
		_, err := io.WriteString(v.out, term.Clean(d.Text))
		return err
	}
	return v.text.Write(d.Text)
}

// think shows reasoning.
func (v *view) think(text string) error {
	first := v.thought.IsZero()
	if first {
		v.thought = time.Now()
		if err := v.region.Erase(""); err != nil {
			return err
		}
	}
	v.reason.WriteString(text)
	v.pieces++
	if !v.fold {
		text = term.Clean(text)
		if first && v.colour {
			text = dim + text
		}
		_, err := io.WriteString(v.out, text)
		return err
	}
	if err := v.rows.write(text); err != nil || time.Since(v.drawn) < redraw {
		return err
	}
	return v.drawThought()
}

func (v *view) drawThought() error {
	v.drawn = time.Now()
	rows := []string{v.dim(fmt.Sprintf("thinking… %s, %d tokens", seconds(time.Since(v.thought)), v.pieces))}
	for _, row := range v.rows.last() {
		rows = append(rows, v.dim("  "+row))
	}
	return v.region.Draw(rows)
}

// speak ends reasoning, if there is some, and what was drawn before the answer.
func (v *view) speak() error {
	if v.spoken {
		return nil
	}
	v.spoken = true
	return v.endThought()
}

func (v *view) endThought() error {
	if v.thought.IsZero() || v.folded {
		return v.region.Erase("")
	}
	v.folded = true
	if !v.fold {
		text := "\n\n"
		if v.colour {
			text = reset + text
		}
		_, err := io.WriteString(v.out, text)
		return err
	}
	tokens := v.count(v.reason.String())
	return v.region.Erase(v.dim(fmt.Sprintf("thought for %s, %d tokens%s", seconds(time.Since(v.thought)), tokens, v.hint)) + "\n\n")
}

// call shows a call of a tool, in one line.
func (v *view) call(c chat.ToolCall) error {
	if err := v.finish(); err != nil {
		return err
	}
	shown, err := json.Marshal(jsonCall(c))
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(v.out, term.Clean(string(shown)))
	return err
}

// finish ends the answer's last line.
func (v *view) finish() error {
	if v.line {
		v.line = false
		if _, err := io.WriteString(v.out, "\n"); err != nil {
			return err
		}
	}
	return v.text.End()
}

// end leaves the answer as it is, and the cursor at the beginning of a line.
func (v *view) end() error {
	if v.stop != nil {
		close(v.stop)
		v.stopped.Wait()
		v.stop = nil
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.endThought(); err != nil {
		return err
	}
	return v.finish()
}

func (v *view) dim(text string) string {
	if v.colour {
		return dim + text + reset
	}
	return text
}

// seconds writes a duration for people.
func seconds(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}

// thoughtRows keeps the last rows of a text that grows.
type thoughtRows struct {
	stream  *markdown.Stream
	written strings.Builder
	rows    []string
}

func (r *thoughtRows) write(text string) error {
	if err := r.stream.Write(text); err != nil {
		return err
	}
	if r.written.Len() == 0 {
		return nil
	}
	for i, part := range strings.Split(r.written.String(), "\n") {
		if i == 0 && len(r.rows) > 0 {
			r.rows[len(r.rows)-1] += part
		} else {
			r.rows = append(r.rows, part)
		}
	}
	r.written.Reset()
	if more := len(r.rows) - 2*thoughtHeight; more > 0 {
		r.rows = append(r.rows[:0], r.rows[more:]...)
	}
	return nil
}

// last returns the rows that are shown, empty ones left out.
func (r *thoughtRows) last() (rows []string) {
	for _, row := range r.rows {
		if strings.TrimSpace(row) != "" {
			rows = append(rows, row)
		}
	}
	return rows[max(0, len(rows)-thoughtHeight):]
}
