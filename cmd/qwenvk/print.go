package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
)

// Control sequences of terminals (ECMA-48, "Select Graphic Rendition").
const (
	dim   = "\x1b[2m"
	reset = "\x1b[0m"
)

// printer writes an answer for people as it comes: text to stdout, reasoning dimmed to a terminal, if there is one.
type printer struct {
	out       io.Writer
	thoughts  io.Writer // nil: reasoning is not shown
	colour    bool
	thinking  bool // the last piece was reasoning
	line      bool // stdout is in the middle of a line
	beginning bool // nothing was written yet
}

// newPrinter shows reasoning where a person sees it: on stdout's terminal, else on that of stderr.
func (p *program) newPrinter() *printer {
	w := &printer{out: p.out, colour: os.Getenv("NO_COLOR") == "", beginning: true}
	switch {
	case p.tty.out:
		w.thoughts = p.out
	case p.tty.err:
		w.thoughts = p.err
	}
	return w
}

// delta writes the next piece.
func (w *printer) delta(d chat.Delta) error {
	if d.Reasoning != "" {
		return w.reason(d.Reasoning)
	}
	if d.Text == "" && d.ToolCall == nil {
		return nil
	}
	if err := w.stopReasoning(); err != nil {
		return err
	}
	text := d.Text
	if d.ToolCall != nil {
		call, err := json.Marshal(jsonCall(*d.ToolCall))
		if err != nil {
			return err
		}
		if text = string(call) + "\n"; w.line {
			text = "\n" + text
		}
	}
	w.line = !strings.HasSuffix(text, "\n")
	_, err := io.WriteString(w.out, text)
	return err
}

func (w *printer) reason(text string) error {
	if w.thoughts == nil {
		return nil
	}
	if !w.thinking {
		w.thinking = true
		if w.colour {
			text = dim + text
		}
	}
	_, err := io.WriteString(w.thoughts, text)
	return err
}

// stopReasoning ends a block of reasoning with an empty line.
func (w *printer) stopReasoning() error {
	if !w.thinking {
		return nil
	}
	w.thinking = false
	text := "\n\n"
	if w.colour {
		text = reset + text
	}
	_, err := io.WriteString(w.thoughts, text)
	return err
}

// end finishes the last line.
func (w *printer) end() error {
	if err := w.stopReasoning(); err != nil {
		return err
	}
	if !w.line {
		return nil
	}
	w.line = false
	_, err := io.WriteString(w.out, "\n")
	return err
}

// answerDocument is what run --format json prints.
type answerDocument struct {
	Text         string         `json:"text"`
	Reasoning    string         `json:"reasoning"`
	ToolCalls    []toolCall     `json:"tool_calls"`
	IDs          []int32        `json:"ids"`
	LogProbs     []tokenProb    `json:"logprobs,omitempty"`
	Score        *float64       `json:"score,omitempty"` // of the best hypothesis of a beam search
	FinishReason string         `json:"finish_reason"`
	Usage        usageDocument  `json:"usage"`
	Timings      timingDocument `json:"timings"`
	Device       string         `json:"device"`
	Model        string         `json:"model"`
	Seed         uint64         `json:"seed"`
}

type toolCall struct {
	ID        string          `json:"id"`
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`

	// Of a call that was made here.
	Result json.RawMessage `json:"result,omitempty"`
	Failed bool            `json:"failed,omitempty"`
}

type usageDocument struct {
	PromptTokens     int `json:"prompt_tokens"`
	CachedTokens     int `json:"cached_tokens"`
	CompletionTokens int `json:"completion_tokens"`
	ReasoningTokens  int `json:"reasoning_tokens"`
	DraftedTokens    int `json:"drafted_tokens"` // guessed ahead
	AcceptedTokens   int `json:"accepted_tokens"`
}

type timingDocument struct {
	LoadMS       float64 `json:"load_ms"`
	PrefillMS    float64 `json:"prefill_ms"`
	FirstTokenMS float64 `json:"first_token_ms"`
	DecodeMS     float64 `json:"decode_ms"`
	PrefillTPS   float64 `json:"prefill_tps"`
	DecodeTPS    float64 `json:"decode_tps"`
}

func jsonCall(c chat.ToolCall) toolCall {
	arguments := c.Arguments
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	return toolCall{ID: c.ID, Name: c.Name, Arguments: arguments}
}

func writeAnswerJSON(w io.Writer, m *loaded, r *reply, t turn) error {
	times := r.result.Timings
	d := answerDocument{
		Text: r.text, Reasoning: r.reasoning, ToolCalls: []toolCall{}, IDs: orEmpty(r.result.IDs), FinishReason: r.finishReason(),
		Usage: usageDocument{
			PromptTokens: r.result.Usage.PromptTokens, CachedTokens: r.result.Usage.CachedTokens,
			CompletionTokens: r.result.Usage.CompletionTokens, ReasoningTokens: r.result.Usage.ReasoningTokens,
			DraftedTokens: r.result.Usage.DraftedTokens, AcceptedTokens: r.result.Usage.AcceptedTokens,
		},
		Timings: timingDocument{
			LoadMS: float64(m.LoadTime().Microseconds()) / 1000, PrefillMS: times.PrefillMS, FirstTokenMS: times.FirstTokenMS,
			DecodeMS: times.DecodeMS, PrefillTPS: times.PrefillTPS, DecodeTPS: times.DecodeTPS,
		},
		Device: m.runtime.Device().Name, Model: m.Info().Name, Seed: t.options.Sampling.Seed,
	}
	for _, call := range r.calls {
		d.ToolCalls = append(d.ToolCalls, jsonResult(call, r))
	}
	d.LogProbs = tokenProbs(m, r.drawn)
	if t.beams != nil {
		d.Score = &t.beams.best.Score
	}
	return writeJSON(w, d)
}

// writeJSON writes one document, letters as they are.
func writeJSON(w io.Writer, value any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(value)
}

// printProfile writes the device time of each operation; nothing without QWENVK_PROFILE.
func (p *program) printProfile(times []qwenvk.OpTime) {
	if len(times) == 0 {
		return
	}
	var total float64
	for _, t := range times {
		total += t.NS
	}
	w := tabwriter.NewWriter(p.err, 0, 0, 2, ' ', tabwriter.AlignRight)
	_, _ = fmt.Fprintln(w, "kernel\tfor\tdispatches\ttotal ms\teach µs\tshare\tGB/s\t")
	for _, t := range times {
		rate := "-"
		if t.Bytes > 0 {
			rate = fmt.Sprintf("%.1f", t.GBps())
		}
		_, _ = fmt.Fprintf(w, "%s\t%s\t%d\t%.2f\t%.1f\t%.1f %%\t%s\t\n",
			t.Op, t.Label, t.Dispatches, t.NS/1e6, t.NS/1e3/float64(max(t.Dispatches, 1)), 100*t.NS/max(total, 1), rate)
	}
	_ = w.Flush() // stderr is the last resort
}
