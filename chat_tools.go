package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/chat/toolcheck"
)

// ToolOptions say which functions a model may have called while it answers, and within which bounds.
type ToolOptions struct {
	Tools []chat.Tool // beside those of ChatOptions, whose calls are the caller's business

	// Approve is asked before each call; nil: every call is made. Where it says no the model is told so and may answer
	// otherwise. An error ends the run.
	Approve func(ctx context.Context, call chat.ToolCall) (bool, error)

	MaxRounds int           // answers that may call tools; 0: 10
	Timeout   time.Duration // of one call; 0: one minute
	MaxResult int           // bytes of a result that the model gets, the rest is cut off; 0: 65,536
}

const (
	defaultRounds    = 10
	defaultTimeout   = time.Minute
	defaultMaxResult = 64 << 10
)

// ToolResult is what became of a call.
type ToolResult struct {
	Call    chat.ToolCall // zero where the model's call could not be read
	Content string        // what the model is told
	Failed  bool          // Content says why there is no result: the call was wrong, refused, or failed
}

// Run adds a user message and yields the answer, in which the model may call tools: each call is checked against the
// tool's schema, made, and its result given to the model, which goes on until it has its answer.
//
// A call that is wrong (an unknown name, arguments that do not fit, JSON that cannot be read), refused or that fails is
// no error of Run: the model is told, and may do better. After o.MaxRounds rounds it is told to answer with what it has;
// if it calls on all the same the run ends with the finish reason "tool_calls", as it does at a call of one of
// ChatOptions.Tools.
//
// All that was said joins the messages when the run ends, also when ctx is cancelled; after an error the conversation is
// as it was before.
func (c *Chat) Run(ctx context.Context, text string, o ToolOptions) iter.Seq2[Delta, error] {
	return c.RunMessages(ctx, o, chat.Message{Role: "user", Content: text})
}

// RunMessages is Run with any messages to begin with, as Continue is to Send.
func (c *Chat) RunMessages(ctx context.Context, o ToolOptions, messages ...chat.Message) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		t, err := c.begin(messages)
		if err != nil {
			yield(Delta{}, err)
			return
		}
		defer t.end()
		left, err := t.run(ctx, o, yield)
		if err != nil {
			t.undo()
			yield(Delta{}, err)
			return
		}
		if !left {
			yield(Delta{Usage: &t.total.Usage}, nil)
		}
	}
}

// toolRun is one Run.
type toolRun struct {
	ToolOptions
	offered chat.Tools
	checker *toolcheck.Checker
}

func newToolRun(foreign chat.Tools, o ToolOptions) (*toolRun, error) {
	r := &toolRun{ToolOptions: o, offered: slices.Clone(foreign)}
	if r.MaxRounds <= 0 {
		r.MaxRounds = defaultRounds
	}
	if r.Timeout <= 0 {
		r.Timeout = defaultTimeout
	}
	if r.MaxResult <= 0 {
		r.MaxResult = defaultMaxResult
	}
	var own chat.Tools
	for i, t := range o.Tools {
		if t.Name == "" || t.Call == nil {
			return nil, fmt.Errorf("tool %d has no name or no function to call", i+1)
		}
		own = append(own, t.Definition())
	}
	// A schema that cannot be used is no reason to be silent: the tool itself looks at its arguments too.
	r.checker, _ = toolcheck.New(own)
	r.offered = append(r.offered, own...)
	return r, nil
}

// run takes turns with the model until it calls nothing. left: yield wants no more.
func (t *turn) run(ctx context.Context, o ToolOptions, yield func(Delta, error) bool) (left bool, err error) {
	r, err := newToolRun(t.options.Tools, o)
	if err != nil {
		return false, err
	}
	var total Result
	for round := 1; ; round++ {
		a, err := t.answer(ctx, r.offered, yield)
		if err != nil {
			return false, err
		}
		total = total.plus(t.session.Result())
		if total.FinishReason == "stop" && len(a.calls) > 0 && (r.foreign(t.options.Tools, a.calls) || round > r.MaxRounds) {
			total.FinishReason = "tool_calls"
		}
		t.sum(total)
		if a.left || total.FinishReason != "stop" || len(a.calls)+len(a.broken) == 0 || round > r.MaxRounds || t.replaced() {
			return a.left, nil
		}
		results, err := r.all(ctx, a.calls, a.broken, round == r.MaxRounds)
		if err != nil {
			return false, err
		}
		for _, result := range results {
			t.join(chat.Message{Role: "tool", Name: result.Call.Name, ToolCallID: result.Call.ID, Content: result.Content})
		}
		for i := range results {
			if !yield(Delta{ToolResult: &results[i]}, nil) {
				return true, nil
			}
		}
		if ctx.Err() != nil {
			total.FinishReason = "interrupted"
			t.sum(total)
			return false, nil
		}
	}
}

// sum is what Result says from now on.
func (t *turn) sum(total Result) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.total = &total
}

// foreign reports whether one of the calls is of a tool that only the caller can call.
func (r *toolRun) foreign(tools chat.Tools, calls []chat.ToolCall) bool {
	for i := range tools {
		name := tools.Describe(i).Name
		if r.find(name) == nil && slices.ContainsFunc(calls, func(c chat.ToolCall) bool { return c.Name == name }) {
			return true
		}
	}
	return false
}

func (r *toolRun) find(name string) *chat.Tool {
	for i := range r.Tools {
		if r.Tools[i].Name == name {
			return &r.Tools[i]
		}
	}
	return nil
}

// all makes the calls of one answer, in their order.
func (r *toolRun) all(ctx context.Context, calls []chat.ToolCall, broken []string, last bool) (results []ToolResult, err error) {
	for _, call := range calls {
		result := ToolResult{Call: call}
		if result.Content, err = r.one(ctx, call); err != nil {
			var refused *refusal
			if !errors.As(err, &refused) {
				return nil, err
			}
			result.Failed, result.Content = true, "Error: "+refused.reason
		}
		results = append(results, result)
	}
	for _, reason := range broken {
		results = append(results, ToolResult{Failed: true, Content: "Error: " + reason})
	}
	if last {
		results[len(results)-1].Content += "\n\n" + fmt.Sprintf("(No more tools can be called, after %d rounds: answer with what you have.)", r.MaxRounds)
	}
	return results, nil
}

// refusal is why a call has no result, as the model is told.
type refusal struct{ reason string }

func (e *refusal) Error() string { return e.reason }

// one makes a call. A *refusal is for the model, any other error ends the run.
func (r *toolRun) one(ctx context.Context, call chat.ToolCall) (string, error) {
	if ctx.Err() != nil {
		return "", &refusal{"the call was not made: the user interrupted"}
	}
	if err := r.checker.Check(call); err != nil {
		return "", &refusal{err.Error()}
	}
	if r.Approve != nil {
		yes, err := r.Approve(ctx, call)
		switch {
		case ctx.Err() != nil:
			return "", &refusal{"the call was not made: the user interrupted"}
		case err != nil:
			return "", err
		case !yes:
			return "", &refusal{"the user does not allow this call"}
		}
	}
	limited, cancel := context.WithTimeout(ctx, r.Timeout)
	defer cancel()
	content, err := r.find(call.Name).Call(limited, call.Arguments)
	switch {
	case err == nil:
		return r.fit(content), nil
	case ctx.Err() != nil:
		return "", &refusal{"the call was interrupted by the user"}
	case limited.Err() != nil:
		return "", &refusal{fmt.Sprintf("the tool %s did not answer within %v", call.Name, r.Timeout)}
	}
	return "", &refusal{r.fit(strings.Join(strings.Fields(err.Error()), " "))}
}

// fit makes a result of a tool fit to be read by the model: valid UTF-8 of a bounded length, in which nothing is a
// control token of the template. A result comes from a stranger, and must not be able to end its own turn.
func (r *toolRun) fit(content string) string {
	content = strings.ToValidUTF8(content, "\uFFFD")
	if over := len(content) - r.MaxResult; over > 0 {
		end := r.MaxResult
		for end > 0 && !utf8.RuneStart(content[end]) {
			end--
		}
		content = content[:end] + fmt.Sprintf("\n(… %d more bytes are left out)", len(content)-end)
	}
	return controlTokens.ReplaceAllString(content, "$1$3 $2$4")
}

// controlTokens are the texts of Qwen's special tokens, <|im_end|> and its like, and the tags around a result.
var controlTokens = regexp.MustCompile(`(<\|)([a-z_0-9]+\|>)|(</?)(tool_response>)`)

// plus adds another answer of the same run.
func (r Result) plus(next Result) Result {
	if r.FinishReason == "" {
		return next
	}
	steps := r.Timings.DecodeTPS*r.Timings.DecodeMS + next.Timings.DecodeTPS*next.Timings.DecodeMS
	computed := r.Timings.PrefillTPS*r.Timings.PrefillMS + next.Timings.PrefillTPS*next.Timings.PrefillMS
	host := r.Timings.HostMicrosPerToken*r.Timings.DecodeTPS*r.Timings.DecodeMS +
		next.Timings.HostMicrosPerToken*next.Timings.DecodeTPS*next.Timings.DecodeMS
	sum := Result{
		FinishReason: next.FinishReason, IDs: append(slices.Clip(r.IDs), next.IDs...),
		Usage: Usage{
			PromptTokens:     r.Usage.PromptTokens + next.Usage.PromptTokens,
			CachedTokens:     r.Usage.CachedTokens + next.Usage.CachedTokens,
			CompletionTokens: r.Usage.CompletionTokens + next.Usage.CompletionTokens,
			ReasoningTokens:  r.Usage.ReasoningTokens + next.Usage.ReasoningTokens,
		},
		Timings: Timings{
			FirstTokenMS: r.Timings.FirstTokenMS,
			PrefillMS:    r.Timings.PrefillMS + next.Timings.PrefillMS,
			DecodeMS:     r.Timings.DecodeMS + next.Timings.DecodeMS,
		},
		Counts: next.Counts, Shifts: r.Shifts + next.Shifts,
	}
	if sum.Timings.PrefillMS > 0 {
		sum.Timings.PrefillTPS = computed / sum.Timings.PrefillMS
	}
	if sum.Timings.DecodeMS > 0 {
		sum.Timings.DecodeTPS = steps / sum.Timings.DecodeMS
	}
	if steps > 0 {
		sum.Timings.HostMicrosPerToken = host / steps
	}
	return sum
}
