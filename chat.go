package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"slices"
	"strings"
	"sync"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/sampler"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// ErrNoTemplate reports a chat with a model that has no chat template.
var ErrNoTemplate = errors.New("the model has no chat template")

// ChatOptions say how a chat begins and how its answers are drawn.
type ChatOptions struct {
	System    string          // system message; "": none
	Think     chat.Think      // chat.ThinkAuto leaves the mode to the template
	Tools     chat.Tools      // functions that the model may call
	Sampling  *sampler.Params // nil: Model.DefaultSampling of each prompt
	MaxTokens int             // of one answer; 0: until the context is full
	Stop      []string        // texts that end an answer

	ThinkBudget *int // tokens that the model may think before it must answer; nil: as many as it likes. See [GenerateOptions]

	// ContextShift leaves the oldest turns out when the context is full; without it an answer ends there. The system message
	// stays, and so do all in Messages.
	ContextShift bool

	Speculate Speculate // tokens guessed ahead; the answers stay the same

	Constraint *Constraint // form of the answers; nil: any. The model can't call Tools then, whose marks fit no form
}

// clone shares nothing with o that a program may change later.
func (o ChatOptions) clone() ChatOptions {
	o.Stop = slices.Clone(o.Stop)
	o.Tools = slices.Clone(o.Tools)
	if o.Sampling != nil {
		p := *o.Sampling
		p.LogitBias = maps.Clone(p.LogitBias)
		o.Sampling = &p
	}
	if o.ThinkBudget != nil {
		budget := *o.ThinkBudget
		o.ThinkBudget = &budget
	}
	return o
}

// Delta is a piece of an answer. Of its fields one is set, as a rule.
type Delta struct {
	Text       string
	Reasoning  string
	ToolCall   *chat.ToolCall // a call that the model makes; its ID is the only one of that name in the conversation
	ToolResult *ToolResult    // of Run: what became of a call
	Usage      *Usage         // in the last delta, which has nothing else: the tokens of the answer, of Run all answers'
}

// Chat is a conversation: a session that speaks in messages. What the messages before an answer have in common with
// those before the last one is not computed again. A Chat gives one answer at a time: a second one that is asked for
// meanwhile gets [ErrBusy]. Its other methods may be called from any goroutine, also during an answer. Several chats of a
// model can answer at once, see [Model.NewSession].
type Chat struct {
	model   *Model
	session *Session

	mu       sync.Mutex
	busy     bool // an answer is under way
	options  ChatOptions
	messages []chat.Message
	epoch    int     // of messages: a new one each time that they are replaced
	shifted  int     // messages behind the system message that the context no longer holds
	last     Result  // of the last answer
	total    *Result // of the answers of a Run
}

// NewChat begins a conversation. There may be any number of chats, see [Model.NewSession]. Errors: [ErrNoTemplate],
// [ErrClosed].
func (m *Model) NewChat(o ChatOptions) (*Chat, error) {
	if m.template == nil {
		return nil, fmt.Errorf("%s: %w; give one with LoadOptions.Template", m.info.Name, ErrNoTemplate)
	}
	s, err := m.NewSession()
	if err != nil {
		return nil, err
	}
	c := &Chat{model: m, session: s, options: o.clone()}
	c.Reset()
	return c, nil
}

// Reset begins the conversation anew, with the system message. An answer under way goes on, and does not join the messages.
func (c *Chat) Reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.replace(nil)
	c.shifted = 0
	if c.options.System != "" {
		c.messages = []chat.Message{{Role: "system", Content: c.options.System}}
	}
}

// replace puts other messages in place of those so far. The lock is held.
func (c *Chat) replace(messages []chat.Message) {
	c.messages = slices.Clone(messages)
	c.epoch++
}

// Messages are the messages so far.
func (c *Chat) Messages() []chat.Message {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.messages)
}

// SetMessages puts a conversation in the place of the one so far: a saved one, or a part of it. What both begin with in
// common is not computed again. An answer under way goes on, and does not join the messages.
func (c *Chat) SetMessages(messages []chat.Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	same := 0
	for same < len(messages) && same < len(c.messages) && messages[same].Role == c.messages[same].Role && messages[same].Content == c.messages[same].Content {
		same++
	}
	if same <= c.shifted+1 { // what was shifted out is not a part of this conversation, or all that is left of it
		c.shifted = 0
	}
	c.replace(messages)
}

// Options are the chat's options; SetOptions changes them from the next answer on.
func (c *Chat) Options() ChatOptions {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.options.clone()
}

// SetOptions changes the options from the next answer on. A changed System message takes effect with Reset.
func (c *Chat) SetOptions(o ChatOptions) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.options = o.clone()
}

// Result describes the last answer; after Run all its answers together.
func (c *Chat) Result() Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.total != nil {
		return *c.total
	}
	return c.last
}

// LastAnswer describes the last answer alone, also after Run.
func (c *Chat) LastAnswer() Result {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.last
}

// Profile returns the device time by operation since the last call; it needs Options.Profile.
func (c *Chat) Profile() []OpTime { return c.session.Profile() }

// Close ends the chat, at any time and from any goroutine: an answer under way ends with [ErrClosed] at its next token. The
// messages stay readable.
func (c *Chat) Close() error { return c.session.Close() }

// Send adds a user message and yields the answer as it is computed; its last delta has the Usage. Leaving the loop or
// cancelling ctx ends the answer; the chat can then be asked the next thing.
//
// The answer joins the messages when it ends, also when ctx is cancelled; after an error the conversation is as it was
// before. Errors: [ErrContextFull], [ErrNoSlot], [ErrBusy], [ErrClosed], [ErrDeviceLost], [ErrNotFinite], [ErrBudget],
// [ErrMisfit].
func (c *Chat) Send(ctx context.Context, text string) iter.Seq2[Delta, error] {
	return c.Continue(ctx, chat.Message{Role: "user", Content: text})
}

// Continue is Send for any messages: a user's, or the results of tools.
func (c *Chat) Continue(ctx context.Context, messages ...chat.Message) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		t, err := c.begin(messages)
		if err != nil {
			yield(Delta{}, err)
			return
		}
		defer t.end()
		a, err := t.answer(ctx, t.options.Tools, yield)
		if err != nil {
			t.undo()
			yield(Delta{}, err)
			return
		}
		if !a.left {
			yield(Delta{Usage: &a.usage}, nil)
		}
	}
}

// turn is what one call of Send, Continue or Run does to a chat.
type turn struct {
	*Chat
	options ChatOptions // as they were at its beginning
	before  []chat.Message
	epoch   int
}

// begin adds messages to the conversation and claims the chat for their answer, which end gives back.
func (c *Chat) begin(messages []chat.Message) (*turn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.busy {
		return nil, fmt.Errorf("the chat is %w: its answer is not at its end", ErrBusy)
	}
	t := &turn{Chat: c, options: c.options, before: slices.Clip(c.messages), epoch: c.epoch}
	c.busy, c.total = true, nil
	c.messages = append(t.before, messages...)
	return t, nil
}

func (t *turn) end() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.busy = false
}

// undo takes back what was said since begin.
func (t *turn) undo() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.total = nil; t.Chat.epoch == t.epoch {
		t.messages = t.before
	}
}

// replaced reports that the conversation is another one by now, so that there is nothing to go on with.
func (t *turn) replaced() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.Chat.epoch != t.epoch
}

// join adds messages, unless the conversation was replaced meanwhile.
func (t *turn) join(messages ...chat.Message) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.Chat.epoch == t.epoch {
		t.messages = append(t.messages, messages...)
	}
}

// answered is what the caller of answer wants to know besides the message.
type answered struct {
	broken []string // calls that were none, each a sentence that says why
	left   bool     // yield wants no more
	calls  []chat.ToolCall
	usage  Usage
}

// answer makes the next turn and adds it to the messages.
func (t *turn) answer(ctx context.Context, tools chat.Tools, yield func(Delta, error) bool) (a answered, err error) {
	c := t.Chat
	prompt := chat.RenderOptions{Messages: c.window(), Tools: tools, Think: t.options.Think, AddGenerationPrompt: true}
	rendered, err := c.model.Render(ctx, prompt)
	if err != nil {
		return a, err
	}
	ids, err := c.model.tok.Encode(rendered, tokenizer.EncodeOptions{})
	if err != nil {
		return a, err
	}
	sampling := c.model.DefaultSampling(rendered)
	if t.options.Sampling != nil {
		sampling = *t.options.Sampling
	}
	reply := chat.Message{Role: "assistant"}
	var text, reasoning strings.Builder
	parser := chat.NewParser(c.model.template.OpensThinking(rendered))
	parser.SetTools(tools)
	calls := c.countCalls()
	pass := func(deltas []chat.Delta) bool {
		for _, d := range deltas {
			text.WriteString(d.Text)
			reasoning.WriteString(d.Reasoning)
			if d.ToolCall != nil {
				calls++
				d.ToolCall.ID = fmt.Sprintf("call_%d", calls)
				reply.ToolCalls = append(reply.ToolCalls, *d.ToolCall)
			}
			if d.Broken != "" {
				a.broken = append(a.broken, d.Broken)
			}
			if !yield(Delta{Text: d.Text, Reasoning: d.Reasoning, ToolCall: d.ToolCall}, nil) {
				return false
			}
		}
		return true
	}
	defer func() {
		t.mu.Lock()
		defer t.mu.Unlock()
		t.last = t.session.Result()
	}()
	for tok, err := range c.session.Generate(ctx, ids, GenerateOptions{
		Sampling: sampling, MaxTokens: t.options.MaxTokens, Stop: t.options.Stop,
		Reasoning: true, ThinkBudget: t.options.ThinkBudget, Shift: t.shift(prompt), Constraint: t.options.Constraint,
		Speculate: t.options.Speculate,
	}) {
		if err != nil {
			return a, err
		}
		if a.left = !pass(parser.Push(tok.Text)); a.left {
			break
		}
	}
	if !a.left {
		a.left = !pass(parser.Flush())
	}
	reply.Content, reply.ReasoningContent = strings.TrimSpace(text.String()), strings.TrimSpace(reasoning.String())
	t.join(reply)
	a.calls, a.usage = reply.ToolCalls, c.session.Result().Usage
	return a, nil
}

// countCalls counts the calls in the conversation, so that each gets an ID of its own.
func (c *Chat) countCalls() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, m := range c.messages {
		n += len(m.ToolCalls)
	}
	return n
}

// Render renders messages with the model's chat template. Templates are given the texts of the model's special tokens
// (bos_token, eos_token, pad_token, unk_token), as transformers gives them, unless o.Vars has them.
//
// Errors: [ErrNoTemplate], [ErrClosed], and what the template refuses.
func (m *Model) Render(ctx context.Context, o chat.RenderOptions) (string, error) {
	if err := m.life.err(); err != nil {
		return "", err
	}
	if m.template == nil {
		return "", fmt.Errorf("%s: %w", m.info.Name, ErrNoTemplate)
	}
	vars := map[string]string{}
	for _, part := range []string{"bos", "eos", "pad", "unk"} {
		if id, ok := m.tok.Special(part); ok {
			vars[part+"_token"] = string(m.tok.Piece(id))
		}
	}
	maps.Copy(vars, o.Vars)
	o.Vars = vars
	return m.template.Render(ctx, o)
}
