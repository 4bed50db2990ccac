package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/qwenvk/qwenvk/chat/jinja"
)

// Message is one turn of a conversation. Its JSON is OpenAI's form.
type Message struct {
	Role             string // "system", "user", "assistant" or "tool"
	Content          string
	ReasoningContent string     // of an assistant: what it thought before Content
	ToolCalls        []ToolCall // of an assistant
	Name             string
	ToolCallID       string // of a tool: the call that it answers

	hasReasoning bool                       // the JSON had a reasoning_content, perhaps an empty one
	noContent    bool                       // the JSON had null
	extra        map[string]json.RawMessage // further fields, which a template may know
}

// ToolCall is an assistant's wish to have a function called.
type ToolCall struct {
	ID        string
	Name      string
	Arguments json.RawMessage // an object; a JSON string where the message had one
}

// Tools are the functions that a model may call, each the JSON object that describes it, keys in their order.
type Tools []json.RawMessage

// ParseMessages reads a JSON array of messages. Content may be a string, null, or a list of text parts, which are
// joined.
func ParseMessages(document []byte) ([]Message, error) {
	if !utf8.Valid(document) {
		return nil, errors.New("the messages are not valid UTF-8")
	}
	var messages []Message
	if err := json.Unmarshal(document, &messages); err != nil {
		return nil, fmt.Errorf("the messages are no JSON array of messages: %w", err)
	}
	if len(messages) == 0 {
		return nil, errors.New("there are no messages in the array")
	}
	return messages, nil
}

// ParseTools reads a JSON array of tools.
func ParseTools(document []byte) (Tools, error) {
	if !utf8.Valid(document) {
		return nil, errors.New("the tools are not valid UTF-8")
	}
	var tools Tools
	if err := json.Unmarshal(document, &tools); err != nil {
		return nil, fmt.Errorf("the tools are no JSON array: %w", err)
	}
	for i, tool := range tools {
		if !isObject(tool) {
			return nil, fmt.Errorf("tool %d is no JSON object", i+1)
		}
	}
	return tools, nil
}

func isObject(raw json.RawMessage) bool { return bytes.HasPrefix(bytes.TrimSpace(raw), []byte("{")) }

// UnmarshalJSON reads a message in OpenAI's form.
func (m *Message) UnmarshalJSON(document []byte) error {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(document, &fields); err != nil {
		return errors.New("a message is no JSON object")
	}
	*m = Message{}
	take := func(name string, to any) error {
		raw, ok := fields[name]
		delete(fields, name)
		if !ok || string(raw) == "null" {
			return nil
		}
		if err := json.Unmarshal(raw, to); err != nil {
			return fmt.Errorf("field %q of a message has the wrong type", name)
		}
		return nil
	}
	_, m.hasReasoning = fields["reasoning_content"]
	m.hasReasoning = m.hasReasoning && string(fields["reasoning_content"]) != "null"
	m.noContent = string(fields["content"]) == "null" || fields["content"] == nil
	var content content
	for name, to := range map[string]any{
		"role": &m.Role, "content": &content, "reasoning_content": &m.ReasoningContent,
		"name": &m.Name, "tool_call_id": &m.ToolCallID,
	} {
		if err := take(name, to); err != nil {
			return err
		}
	}
	if raw, ok := fields["tool_calls"]; ok {
		if err := json.Unmarshal(raw, &m.ToolCalls); err != nil {
			return fmt.Errorf("the tool calls of a message are wrong: %w", err)
		}
		delete(fields, "tool_calls")
	}
	if m.Role == "" {
		return errors.New("a message has no role")
	}
	m.Content, m.extra = string(content), fields
	return nil
}

// MarshalJSON writes a message in OpenAI's form. What was read comes back: a content of null, an empty reasoning_content,
// and further fields.
func (m Message) MarshalJSON() ([]byte, error) {
	out := struct {
		Role             string     `json:"role"`
		Content          *string    `json:"content"`
		ReasoningContent *string    `json:"reasoning_content,omitempty"`
		ToolCalls        []ToolCall `json:"tool_calls,omitempty"`
		Name             string     `json:"name,omitempty"`
		ToolCallID       string     `json:"tool_call_id,omitempty"`
	}{Role: m.Role, ToolCalls: m.ToolCalls, Name: m.Name, ToolCallID: m.ToolCallID}
	if !m.noContent || m.Content != "" {
		out.Content = &m.Content
	}
	if m.hasReasoning || m.ReasoningContent != "" {
		out.ReasoningContent = &m.ReasoningContent
	}
	document, err := json.Marshal(out)
	if err != nil || len(m.extra) == 0 {
		return document, err
	}
	extra, err := json.Marshal(m.extra)
	if err != nil {
		return nil, err
	}
	return slices.Concat(document[:len(document)-1], []byte(","), extra[1:]), nil
}

// content is a string or a list of text parts.
type content string

func (c *content) UnmarshalJSON(raw []byte) error {
	if raw[0] != '[' {
		return json.Unmarshal(raw, (*string)(c))
	}
	var parts []struct{ Type, Text string }
	if err := json.Unmarshal(raw, &parts); err != nil {
		return err
	}
	var b strings.Builder
	for _, part := range parts {
		if part.Type != "text" && part.Type != "" {
			return fmt.Errorf("a part of type %q", part.Type)
		}
		b.WriteString(part.Text)
	}
	*c = content(b.String())
	return nil
}

// UnmarshalJSON reads {"id", "function": {"name", "arguments"}} or the bare {"name", "arguments"}.
func (t *ToolCall) UnmarshalJSON(document []byte) error {
	type bare struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	var call struct {
		bare
		ID       string `json:"id"`
		Function *bare  `json:"function"`
	}
	if err := json.Unmarshal(document, &call); err != nil {
		return err
	}
	if call.Function != nil {
		call.bare = *call.Function
	}
	if call.Name == "" {
		return errors.New("a tool call has no name")
	}
	if call.Arguments == nil {
		call.Arguments = json.RawMessage("{}")
	}
	*t = ToolCall{ID: call.ID, Name: call.Name, Arguments: call.Arguments}
	return nil
}

// MarshalJSON writes OpenAI's form.
func (t ToolCall) MarshalJSON() ([]byte, error) {
	type function struct {
		Name      string          `json:"name"`
		Arguments json.RawMessage `json:"arguments"`
	}
	return json.Marshal(struct {
		ID       string   `json:"id,omitempty"`
		Type     string   `json:"type"`
		Function function `json:"function"`
	}{t.ID, "function", function{t.Name, t.arguments()}})
}

func (t ToolCall) arguments() json.RawMessage {
	if len(t.Arguments) == 0 {
		return json.RawMessage("{}")
	}
	return t.Arguments
}

// value is the message as a template sees it.
func (m *Message) value() (any, error) {
	d := &jinja.Dict{}
	d.Set("role", m.Role)
	if m.noContent && m.Content == "" {
		d.Set("content", nil)
	} else {
		d.Set("content", m.Content)
	}
	if m.hasReasoning || m.ReasoningContent != "" {
		d.Set("reasoning_content", m.ReasoningContent)
	}
	if len(m.ToolCalls) > 0 {
		var calls []any
		for _, call := range m.ToolCalls {
			v, err := call.value()
			if err != nil {
				return nil, err
			}
			calls = append(calls, v)
		}
		d.Set("tool_calls", jinja.NewList(calls...))
	}
	if m.Name != "" {
		d.Set("name", m.Name)
	}
	if m.ToolCallID != "" {
		d.Set("tool_call_id", m.ToolCallID)
	}
	for name, raw := range m.extra {
		v, err := jinja.FromJSON(raw)
		if err != nil {
			return nil, fmt.Errorf("field %q of a message: %w", name, err)
		}
		d.Set(name, v)
	}
	return d, nil
}

func (t *ToolCall) value() (any, error) {
	arguments, err := jinja.FromJSON(t.arguments())
	if err != nil {
		return nil, fmt.Errorf("the arguments of the call of %q are no JSON: %w", t.Name, err)
	}
	function := &jinja.Dict{}
	function.Set("name", t.Name)
	function.Set("arguments", arguments)
	d := &jinja.Dict{}
	if t.ID != "" {
		d.Set("id", t.ID)
	}
	d.Set("type", "function")
	d.Set("function", function)
	return d, nil
}

// value is the list of tools as a template sees it; None where there are none.
func (t Tools) value() (any, error) {
	if len(t) == 0 {
		return nil, nil
	}
	var items []any
	for i, raw := range t {
		v, err := jinja.FromJSON(raw)
		if err != nil {
			return nil, fmt.Errorf("tool %d is no JSON: %w", i+1, err)
		}
		items = append(items, v)
	}
	return jinja.NewList(items...), nil
}
