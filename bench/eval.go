package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// EvalOptions say how a set is put to the model and scored.
type EvalOptions struct {
	Shots     []EvalItem     // examples in front of each item, of the set's kind
	Form      PromptForm     // "": PromptAuto
	Think     chat.Think     // for chats; an item's own wish goes before it
	Pattern   *regexp.Regexp // finds the answer to a question; nil: see ReadEval
	ByText    bool           // choices by the likelihood of their text per byte, instead of by their letter
	MaxTokens int            // of an answer; 0: 512
	Progress  func(done, total int)
	Record    func(EvalRecord) error // called after each item; may be nil
}

// EvalRecord is what came of one item.
type EvalRecord struct {
	Line     int       `json:"line"`
	ID       string    `json:"id,omitempty"`
	Category string    `json:"category,omitempty"`
	Kind     EvalKind  `json:"kind"`
	Expected string    `json:"expected"`
	Got      string    `json:"got"`
	Correct  bool      `json:"correct"`
	Output   string    `json:"output,omitempty"`          // all that the model wrote
	LogProbs []float64 `json:"log_likelihoods,omitempty"` // of each choice; with ByText per byte
}

// EvalScore counts right answers.
type EvalScore struct {
	Category string  `json:"category,omitempty"`
	Items    int     `json:"items"`
	Correct  int     `json:"correct"`
	Accuracy float64 `json:"accuracy"`
	StdErr   float64 `json:"stderr"` // of Accuracy: √(p(1-p)/(n-1))
}

func (s *EvalScore) add(correct bool) {
	s.Items++
	if correct {
		s.Correct++
	}
	s.Accuracy = float64(s.Correct) / float64(s.Items)
	if s.Items > 1 {
		s.StdErr = math.Sqrt(s.Accuracy * (1 - s.Accuracy) / float64(s.Items-1))
	}
}

// EvalResult is the score of a set, and that of each category in alphabetical order where there are several.
type EvalResult struct {
	EvalScore
	Categories []EvalScore `json:"categories,omitempty"`
}

// Eval puts each item to the model, greedily, and scores the answers. Items share a session: what their prompts have in
// common is computed once.
func Eval(ctx context.Context, m *qwenvk.Model, items []EvalItem, o EvalOptions) (result EvalResult, err error) {
	if o.MaxTokens == 0 {
		o.MaxTokens = 512
	}
	for _, s := range o.Shots {
		if slices.ContainsFunc(items, func(i EvalItem) bool { return i.Kind != s.Kind }) || s.Kind == EvalMessages {
			return result, errors.New("the examples are of another form than the set; both must be choices, or both questions")
		}
	}
	s, err := m.NewSession()
	if err != nil {
		return result, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	e := &evaluation{model: m, session: s, o: o}
	byCategory := map[string]*EvalScore{}
	for n, item := range items {
		r, err := e.item(ctx, item)
		if err != nil {
			return result, fmt.Errorf("line %d: %w", item.Line, err)
		}
		result.add(r.Correct)
		if byCategory[item.Category] == nil {
			byCategory[item.Category] = &EvalScore{Category: item.Category}
		}
		byCategory[item.Category].add(r.Correct)
		if o.Record != nil {
			if err := o.Record(r); err != nil {
				return result, err
			}
		}
		if o.Progress != nil {
			o.Progress(n+1, len(items))
		}
	}
	if len(byCategory) > 1 {
		for _, score := range byCategory {
			result.Categories = append(result.Categories, *score)
		}
		slices.SortFunc(result.Categories, func(a, b EvalScore) int { return cmp.Compare(a.Category, b.Category) })
	}
	return result, nil
}

// evaluation is the state of one Eval.
type evaluation struct {
	model   *qwenvk.Model
	session *qwenvk.Session
	o       EvalOptions
}

func (e *evaluation) item(ctx context.Context, item EvalItem) (EvalRecord, error) {
	r := EvalRecord{Line: item.Line, ID: item.ID, Category: item.Category, Kind: item.Kind}
	var err error
	switch item.Kind {
	case EvalChoice:
		r.Expected = letter(item.Right)
		r.LogProbs, err = e.choices(ctx, item)
		best := 0
		for i, p := range r.LogProbs {
			if p > r.LogProbs[best] {
				best = i
			}
		}
		r.Got = letter(best)
		r.Correct = best == item.Right
	case EvalQuestion:
		r.Expected = wanted(item.Answer)
		if r.Output, err = e.answer(ctx, item); err == nil {
			r.Got = extract(r.Output, item.Answer, e.o.Pattern)
			r.Correct = same(r.Got, r.Expected)
		}
	case EvalMessages:
		r.Expected = item.Answer
		if r.Output, err = e.answer(ctx, item); err == nil {
			r.Got = strings.TrimSpace(r.Output)
			r.Correct = r.Got == item.Answer || item.Contains && strings.Contains(r.Got, item.Answer)
		}
	}
	return r, err
}

// chats reports whether an item is put as a conversation.
func (e *evaluation) chats(item EvalItem) bool {
	switch {
	case item.Kind == EvalMessages || e.o.Form == PromptChat:
		return true
	case e.o.Form == PromptRaw || item.Kind == EvalChoice:
		return false
	}
	return e.model.ChatTemplate() != nil
}

// prompt is the rendered prompt of an item; thinking says that the model begins with reasoning.
func (e *evaluation) prompt(ctx context.Context, item EvalItem) (text string, thinking bool, err error) {
	if !e.chats(item) {
		return rawPrompt(e.o.Shots, item), false, nil
	}
	o := chat.RenderOptions{Messages: item.Messages, Tools: item.Tools, Think: item.Think, AddGenerationPrompt: true}
	if item.Kind != EvalMessages {
		o.Messages = chatPrompt(e.o.Shots, item)
	}
	if o.Think == chat.ThinkAuto {
		o.Think = e.o.Think
	}
	if item.Kind == EvalChoice && o.Think == chat.ThinkAuto && e.model.ChatTemplate() != nil && e.model.ChatTemplate().TakesThinking() {
		o.Think = chat.ThinkOff // the first word of the answer is scored
	}
	if text, err = e.model.Render(ctx, o); err != nil {
		return "", false, err
	}
	return text, e.model.ChatTemplate().OpensThinking(text), nil
}

// answer lets the model write, and returns its text without reasoning.
func (e *evaluation) answer(ctx context.Context, item EvalItem) (string, error) {
	prompt, thinking, err := e.prompt(ctx, item)
	if err != nil {
		return "", err
	}
	ids, err := e.model.Tokenizer().Encode(prompt, tokenizer.EncodeOptions{})
	if err != nil {
		return "", err
	}
	o := qwenvk.GenerateOptions{Sampling: sampler.Params{}, MaxTokens: e.o.MaxTokens}
	if !e.chats(item) {
		o.Stop = rawStops
	}
	var text strings.Builder
	for t, err := range e.session.Generate(ctx, ids, o) {
		if err != nil {
			return "", err
		}
		text.WriteString(t.Text)
	}
	if e.session.Result().FinishReason == "interrupted" {
		return "", ctx.Err()
	}
	return withoutReasoning(text.String(), thinking), nil
}

// withoutReasoning is what stands behind the reasoning; nothing, where that never ended.
func withoutReasoning(text string, thinking bool) string {
	const begin, end = "<think>", "</think>"
	if at := strings.LastIndex(text, end); at >= 0 {
		return text[at+len(end):]
	}
	if thinking || strings.HasPrefix(strings.TrimSpace(text), begin) {
		return ""
	}
	return text
}

// choices returns the log-likelihood of each choice behind the prompt, in nats.
func (e *evaluation) choices(ctx context.Context, item EvalItem) ([]float64, error) {
	prompt, _, err := e.prompt(ctx, item)
	if err != nil {
		return nil, err
	}
	head, err := e.model.Tokenizer().Encode(prompt, tokenizer.EncodeOptions{})
	if err != nil {
		return nil, err
	}
	space := " "
	if e.chats(item) {
		space = "" // an answer begins its own line
	}
	tails := make([][]int32, len(item.Choices))
	words := true // each choice is one token
	for i, choice := range item.Choices {
		text := space + letter(i)
		if e.o.ByText {
			text = space + choice
		}
		if tails[i], err = e.model.Tokenizer().Encode(text, tokenizer.EncodeOptions{Plain: true}); err != nil {
			return nil, err
		}
		words = words && len(tails[i]) == 1
	}
	scores := make([]float64, len(tails))
	if words {
		err = e.session.Logits(ctx, head, qwenvk.LogitsOptions{Reuse: true}, func(_ int, logits []float32) error {
			all := logSumExp(logits)
			for i, tail := range tails {
				scores[i] = float64(logits[tail[0]]) - all
			}
			return nil
		})
	}
	for i, tail := range tails {
		if !words && err == nil {
			scores[i], err = e.likelihood(ctx, head, tail)
		}
		if e.o.ByText {
			scores[i] /= float64(max(1, len(item.Choices[i])))
		}
	}
	return scores, err
}

// likelihood is Σ ln p(tail[i] | head, tail[:i]).
func (e *evaluation) likelihood(ctx context.Context, head, tail []int32) (sum float64, err error) {
	if len(tail) == 0 {
		return 0, errors.New("a choice has no tokens")
	}
	ids := slices.Concat(head, tail[:len(tail)-1]) // the last token's own logits are of no interest
	o := qwenvk.LogitsOptions{All: true, From: len(head) - 1, Reuse: true}
	err = e.session.Logits(ctx, ids, o, func(row int, logits []float32) error {
		sum += float64(logits[tail[row-len(head)+1]]) - logSumExp(logits)
		return nil
	})
	return sum, err
}
