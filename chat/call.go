package chat

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// parseCall reads what stands between <tool_call> and </tool_call>: {"name": …, "arguments": {…}}, or the form of
// Qwen3-Coder. The error says what is wrong, for the model to read.
func parseCall(body string, tools Tools) (*ToolCall, error) {
	if strings.HasPrefix(strings.TrimSpace(body), functionOpen) {
		return parseCoderCall(strings.TrimSpace(body), tools)
	}
	document := []byte(body)
	if !json.Valid(document) {
		repaired, err := repair(body)
		if err != nil {
			return nil, fmt.Errorf("the tool call is not valid JSON: %w", err)
		}
		document = []byte(repaired)
	}
	if !isObject(document) {
		return nil, errors.New(`a tool call is an object with "name" and "arguments"`)
	}
	type bare struct {
		Name       string          `json:"name"`
		Arguments  json.RawMessage `json:"arguments"`
		Parameters json.RawMessage `json:"parameters"` // what other families of models write for arguments
	}
	var call struct {
		bare
		Function *bare `json:"function"`
	}
	if err := json.Unmarshal(document, &call); err != nil {
		return nil, errors.New(`the "name" of a tool call is a string`)
	}
	if call.Function != nil {
		call.bare = *call.Function
	}
	if call.Name == "" {
		return nil, errors.New(`the tool call has no "name"`)
	}
	if call.Arguments == nil {
		call.Arguments = call.Parameters
	}
	arguments, err := argumentObject(call.Arguments)
	if err != nil {
		return nil, err
	}
	return &ToolCall{Name: call.Name, Arguments: arguments}, nil
}

// argumentObject makes an object of what a model wrote as arguments: nothing, or the object as a string.
func argumentObject(raw json.RawMessage) (json.RawMessage, error) {
	if raw == nil || string(raw) == "null" {
		return json.RawMessage("{}"), nil
	}
	var text string
	if json.Unmarshal(raw, &text) == nil {
		inner, err := repair(text)
		if json.Valid([]byte(text)) {
			inner, err = text, nil
		}
		switch {
		case strings.TrimSpace(text) == "":
			inner = "{}"
		case err != nil:
			return nil, fmt.Errorf("the arguments are a string that holds no JSON: %w", err)
		}
		raw = json.RawMessage(inner)
	}
	if !isObject(raw) {
		return nil, fmt.Errorf("the arguments of a tool call are an object, not %s", clip(string(bytes.TrimSpace(raw)), 40))
	}
	return raw, nil
}

// Qwen3-Coder's form of a call:
//
//	<function=name>
//	<parameter=key>
//	value
//	</parameter>
//	</function>
const (
	functionOpen   = "<function="
	functionClose  = "</function>"
	parameterOpen  = "<parameter="
	parameterClose = "</parameter>"
)

// parseCoderCall reads Qwen3-Coder's form. Values are written bare, so their types come from the tool's schema; a value
// that the schema does not know is JSON where it can be read as such, and text otherwise.
func parseCoderCall(body string, tools Tools) (*ToolCall, error) {
	name, rest, ok := strings.Cut(strings.TrimPrefix(body, functionOpen), ">")
	name = strings.Trim(name, "\"' \t\r\n")
	if !ok || name == "" {
		return nil, errors.New("the tool call has no function name: it begins with <function=NAME>")
	}
	types := tools.parameterTypes(name)
	var b bytes.Buffer
	b.WriteByte('{')
	for rest = strings.TrimSpace(rest); strings.HasPrefix(rest, parameterOpen); rest = strings.TrimSpace(rest) {
		key, after, ok := strings.Cut(rest[len(parameterOpen):], ">")
		if key = strings.Trim(key, "\"' \t\r\n"); !ok || key == "" {
			return nil, errors.New("a parameter of the tool call has no name: it begins with <parameter=NAME>")
		}
		var value string
		value, rest = cutParameter(after)
		if b.Len() > 1 {
			b.WriteString(", ")
		}
		b.Write(quoted(key))
		b.WriteString(": ")
		b.Write(coderValue(value, types[key]))
	}
	if rest = strings.TrimSpace(strings.TrimPrefix(rest, functionClose)); rest != "" {
		return nil, fmt.Errorf("the tool call has text outside its parameters: %q", clip(rest, 40))
	}
	b.WriteByte('}')
	return &ToolCall{Name: name, Arguments: b.Bytes()}, nil
}

// cutParameter splits a value from what follows it. A model may leave the closing tag out before the next parameter or
// at the end of the function. One newline on either side belongs to the form.
func cutParameter(s string) (value, rest string) {
	value, rest, ok := strings.Cut(s, parameterClose)
	if !ok {
		end := len(s)
		for _, tag := range []string{"\n" + parameterOpen, functionClose} {
			if at := strings.Index(s, tag); at >= 0 {
				end = min(end, at)
			}
		}
		value, rest = s[:end], s[end:]
	}
	value = strings.TrimPrefix(strings.TrimPrefix(value, "\r"), "\n")
	value = strings.TrimSuffix(strings.TrimSuffix(value, "\n"), "\r")
	return value, rest
}

// coderValue writes a bare value as JSON.
func coderValue(value string, kinds []string) []byte {
	for _, kind := range kinds {
		if kind == "string" {
			return quoted(value)
		}
	}
	trimmed := strings.TrimSpace(value)
	if json.Valid([]byte(trimmed)) {
		return []byte(trimmed)
	}
	if len(kinds) > 0 || strings.HasPrefix(trimmed, "{") || strings.HasPrefix(trimmed, "[") {
		if repaired, err := repair(trimmed); err == nil {
			return []byte(repaired)
		}
	}
	return quoted(value)
}

// parameterTypes lists the types that a tool's schema names for each parameter.
func (t Tools) parameterTypes(name string) map[string][]string {
	types := map[string][]string{}
	for i := range t {
		d := t.Describe(i)
		if d.Name != name {
			continue
		}
		var schema struct {
			Properties map[string]struct {
				Type any
			}
		}
		if json.Unmarshal(d.Parameters, &schema) != nil {
			continue
		}
		for key, property := range schema.Properties {
			switch kind := property.Type.(type) {
			case string:
				types[key] = []string{kind}
			case []any:
				for _, k := range kind {
					if k, ok := k.(string); ok {
						types[key] = append(types[key], k)
					}
				}
			}
		}
	}
	return types
}

// quoted is a JSON string, letters as they are.
func quoted(s string) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	_ = e.Encode(s) // a string always has a form
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
