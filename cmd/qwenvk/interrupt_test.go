package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"slices"
	"strings"
	"testing"
)

// pressing is a writer that presses Ctrl-C when a text is first written to it.
type pressing struct {
	written strings.Builder // no embedding: io.WriteString would go past Write
	at      string
	key     *interrupts
}

func (w *pressing) Write(b []byte) (int, error) {
	n, err := w.written.Write(b)
	if w.at != "" && strings.Contains(w.written.String(), w.at) {
		w.at = ""
		w.key.press()
	}
	return n, err
}

// An interrupted answer ends within a token, is printed as far as it came, and the exit status tells.
func TestInterruptedAnswer(t *testing.T) {
	needDevice(t)
	useTestDevice(t)
	words := []string{"run", "demo", "--temp", "0", "--ignore-eos", "--ctx", "4000", "-p", "What is a token?"}
	p := newProgram()
	out := &pressing{at: "token", key: p.interrupts}
	p.in, p.out, p.err, p.tty = strings.NewReader(""), out, io.Discard, terminals{}
	if status := p.run(words); status != statusInterrupted {
		t.Errorf("exit status %d", status)
	}
	if got := out.written.String(); !strings.HasSuffix(got, "token\n") {
		t.Errorf("the answer went on: %q", got)
	}

	p = newProgram()
	var document bytes.Buffer
	p.in, p.out, p.tty = strings.NewReader(""), &document, terminals{}
	p.err = &pressing{at: "; fits", key: p.interrupts}
	if status := p.run(append(words, "--format", "json")); status != statusInterrupted {
		t.Errorf("exit status %d", status)
	}
	var d answerDocument
	if err := json.Unmarshal(document.Bytes(), &d); err != nil || d.FinishReason != "interrupted" {
		t.Errorf("%v, finish reason %q in %s", err, d.FinishReason, document.String())
	}
}

// In a conversation Ctrl-C ends the answer and the next message is answered whole.
func TestInterruptedTurn(t *testing.T) {
	needDevice(t)
	useTestDevice(t)
	t.Setenv("NO_COLOR", "1")
	p := newProgram()
	out := &pressing{at: "A token is", key: p.interrupts}
	p.in, p.out, p.err, p.tty = strings.NewReader(""), out, io.Discard, terminals{in: true, out: true}
	p.openLines = func() lineReader { return &script{lines: []string{"What is a token?", "What is 17 + 25?"}} }
	if status := p.run([]string{"run", "demo", "--temp", "0", "--think", "off"}); status != statusDone {
		t.Errorf("exit status %d", status)
	}
	_, answers, _ := strings.Cut(out.written.String(), "A token is")
	if strings.Contains(answers, "as one number") || !strings.Contains(answers, "(stopped)") || !strings.Contains(answers, "17+25=42") {
		t.Errorf("behind Ctrl-C: %q", answers)
	}
}

// The last acts of a program that ends early are those that are still due.
func TestExits(t *testing.T) {
	var e exits
	var done []string
	e.add(func() { done = append(done, "a") })
	e.add(func() { done = append(done, "b") })()
	e.run()
	if !slices.Equal(done, []string{"a"}) {
		t.Errorf("done: %q", done)
	}
}

func TestInterrupts(t *testing.T) {
	i := &interrupts{leave: func() {}}
	outer, leaveOuter := i.scope(context.Background())
	inner, leaveInner := i.scope(outer)
	i.press()
	if inner.Err() == nil || outer.Err() != nil {
		t.Error("the first interrupt must end the inner scope only")
	}
	leaveInner()
	i.press()
	if outer.Err() == nil {
		t.Error("behind the inner scope an interrupt must end the outer one")
	}
	leaveOuter()
}
