package main

import (
	"context"
	"strings"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// turn is one answer to be made.
type turn struct {
	ids      []int32 // the whole prompt
	options  qwenvk.GenerateOptions
	plain    bool // no parsing: the prompt came from no template
	thinking bool // the prompt ends inside <think>
	tools    chat.Tools

	beams     *beams               // nil: the answer is drawn
	tokenizer *tokenizer.Tokenizer // for beams
}

// reply is an answer that is finished or was interrupted.
type reply struct {
	text, reasoning string
	calls           []chat.ToolCall
	broken          string // why the last call that could not be read is none
	result          qwenvk.Result
	ran             bool                         // the calls were made: the finish reason is the run's
	results         map[string]qwenvk.ToolResult // by the call's ID
	drawn           []qwenvk.Token               // with their log-probabilities, where those were asked for
}

// finishReason is the result's, or "tool_calls" where the model ended its turn to have tools called.
func (r *reply) finishReason() string {
	if !r.ran && len(r.calls) > 0 && r.result.FinishReason == "stop" {
		return "tool_calls"
	}
	return r.result.FinishReason
}

// answer makes a reply and passes it on piece by piece.
func answer(ctx context.Context, s *qwenvk.Session, t turn, emit func(chat.Delta) error) (*reply, error) {
	var text, reasoning strings.Builder
	r := &reply{}
	pass := func(deltas []chat.Delta) error {
		for _, d := range deltas {
			text.WriteString(d.Text)
			reasoning.WriteString(d.Reasoning)
			if d.ToolCall != nil {
				r.calls = append(r.calls, *d.ToolCall)
			}
			if d.Broken != "" {
				r.broken = d.Broken
			}
			if err := emit(d); err != nil {
				return err
			}
		}
		return nil
	}
	parser := chat.NewParser(t.thinking)
	parser.SetTools(t.tools)
	for token, err := range t.tokens(ctx, s) {
		if err != nil {
			return nil, err
		}
		if t.options.LogProbs > 0 && token.ID >= 0 {
			r.drawn = append(r.drawn, token)
		}
		deltas := []chat.Delta{{Text: token.Text}}
		if !t.plain {
			deltas = parser.Push(token.Text)
		}
		if err := pass(deltas); err != nil {
			return nil, err
		}
	}
	if !t.plain {
		if err := pass(parser.Flush()); err != nil {
			return nil, err
		}
	}
	r.text, r.reasoning, r.result = text.String(), reasoning.String(), s.Result()
	return r, nil
}
