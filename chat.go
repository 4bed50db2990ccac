package qwenvk

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"maps"
	"strings"

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

	Constraint *Constraint // form of the answers; nil: any. The model can't call Tools then, whose marks fit no form
}

// Delta is a piece of an answer. Of its fields one is set, as a rule.
type Delta struct {
	Text       string
	Reasoning  string
	ToolCall   *chat.ToolCall // a call that the model makes; its ID is the only one of that name in the conversation
	ToolResult *ToolResult    // of Run: what became of a call
}

// Chat is a conversation: a session that speaks in messages. What the messages before an answer have in common with
// those before the last one is not computed again. A Chat is not safe for concurrent use.
type Chat struct {
	model    *Model
	session  *Session
	options  ChatOptions
	messages []chat.Message
	shifted  int     // messages behind the system message that the context no longer holds
	total    *Result // of the answers of a Run
}

// NewChat claims one of the model's sessions. Errors: [ErrNoSlot], [ErrNoTemplate].
func (m *Model) NewChat(o ChatOptions) (*Chat, error) {
	if m.template == nil {
		return nil, fmt.Errorf("%s: %w; give one with LoadOptions.Template", m.info.Name, ErrNoTemplate)
	}
	s, err := m.NewSession()
	if err != nil {
		return nil, err
	}
	c := &Chat{model: m, session: s, options: o}
	c.Reset()
	return c, nil
}

// Reset begins the conversation anew, with the system message.
func (c *Chat) Reset() {
	c.messages, c.shifted = nil, 0
	if c.options.System != "" {
		c.messages = []chat.Message{{Role: "system", Content: c.options.System}}
	}
}

// Messages are the messages so far.
func (c *Chat) Messages() []chat.Message { return append([]chat.Message(nil), c.messages...) }

// SetMessages puts a conversation in the place of the one so far: a saved one, or a part of it. What both begin with in
// common is not computed again.
func (c *Chat) SetMessages(messages []chat.Message) {
	same := 0
	for same < len(messages) && same < len(c.messages) && messages[same].Role == c.messages[same].Role && messages[same].Content == c.messages[same].Content {
		same++
	}
	if same <= c.shifted+1 { // what was shifted out is not a part of this conversation, or all that is left of it
		c.shifted = 0
	}
	c.messages = append([]chat.Message(nil), messages...)
}

// Options are the chat's options; SetOptions changes them from the next answer on.
func (c *Chat) Options() ChatOptions { return c.options }

// SetOptions changes the options from the next answer on. A changed System message takes effect with Reset.
func (c *Chat) SetOptions(o ChatOptions) { c.options = o }

// Result describes the last answer; after Run all its answers together.
func (c *Chat) Result() Result {
	if c.total != nil {
		return *c.total
	}
	return c.session.Result()
}

// LastAnswer describes the last answer alone, also after Run.
func (c *Chat) LastAnswer() Result { return c.session.Result() }

// Profile returns the device time by operation since the last call; it needs Options.Profile.
func (c *Chat) Profile() []OpTime { return c.session.Profile() }

// Close gives the session back.
func (c *Chat) Close() error { return c.session.Close() }

// Send adds a user message and yields the answer as it is computed.
func (c *Chat) Send(ctx context.Context, text string) iter.Seq2[Delta, error] {
	return c.Continue(ctx, chat.Message{Role: "user", Content: text})
}

// Continue adds messages (a user's, or the results of tools) and yields the answer as it is computed. The answer
// joins the messages when it ends, also when ctx is cancelled; after an error the conversation is as it was before.
func (c *Chat) Continue(ctx context.Context, messages ...chat.Message) iter.Seq2[Delta, error] {
	return func(yield func(Delta, error) bool) {
		before := len(c.messages)
		c.messages, c.total = append(c.messages, messages...), nil
		if _, err := c.answer(ctx, c.options.Tools, yield); err != nil {
			c.messages = c.messages[:before]
			yield(Delta{}, err)
		}
	}
}

// answered is what the caller of answer wants to know besides the message.
type answered struct {
	broken []string // calls that were none, each a sentence that says why
	left   bool     // yield wants no more
}

// answer makes the next turn and adds it to the messages.
func (c *Chat) answer(ctx context.Context, tools chat.Tools, yield func(Delta, error) bool) (a answered, err error) {
	prompt := chat.RenderOptions{Messages: c.window(), Tools: tools, Think: c.options.Think, AddGenerationPrompt: true}
	rendered, err := c.model.Render(ctx, prompt)
	if err != nil {
		return a, err
	}
	ids, err := c.model.tok.Encode(rendered, tokenizer.EncodeOptions{})
	if err != nil {
		return a, err
	}
	sampling := c.model.DefaultSampling(rendered)
	if c.options.Sampling != nil {
		sampling = *c.options.Sampling
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
	for tok, err := range c.session.Generate(ctx, ids, GenerateOptions{
		Sampling: sampling, MaxTokens: c.options.MaxTokens, Stop: c.options.Stop,
		Reasoning: true, ThinkBudget: c.options.ThinkBudget, Shift: c.shift(prompt), Constraint: c.options.Constraint,
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
	c.messages = append(c.messages, reply)
	return a, nil
}

// countCalls counts the calls in the conversation, so that each gets an ID of its own.
func (c *Chat) countCalls() (n int) {
	for _, m := range c.messages {
		n += len(m.ToolCalls)
	}
	return n
}

// Render renders messages with the model's chat template. Templates are given the texts of the model's special tokens
// (bos_token, eos_token, pad_token, unk_token), as transformers gives them, unless o.Vars has them.
func (m *Model) Render(ctx context.Context, o chat.RenderOptions) (string, error) {
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
