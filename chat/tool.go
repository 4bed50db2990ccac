package chat

import (
	"context"
	"encoding/json"
)

// Tool is a function that a model may call, and what calling it does.
type Tool struct {
	Name        string
	Description string          // for the model; may be empty
	Parameters  json.RawMessage // JSON Schema of the arguments, an object; nil: there are none

	// Call does it. arguments is a JSON object. The text goes to the model as the result; so does an error, as one
	// sentence. What cannot be told in text has no way to the model.
	Call func(ctx context.Context, arguments json.RawMessage) (string, error)
}

// Definition describes the tool in OpenAI's form, as templates and [Tools] have it.
func (t Tool) Definition() json.RawMessage {
	parameters := t.Parameters
	if len(parameters) == 0 {
		parameters = json.RawMessage(`{"type": "object", "properties": {}}`)
	}
	type function struct {
		Name        string          `json:"name"`
		Description string          `json:"description,omitempty"`
		Parameters  json.RawMessage `json:"parameters"`
	}
	document, err := json.Marshal(struct {
		Type     string   `json:"type"`
		Function function `json:"function"`
	}{"function", function{t.Name, t.Description, parameters}})
	if err != nil { // only Parameters can be wrong; the template says so
		return parameters
	}
	return document
}

// Described is what a definition in OpenAI's form says.
type Described struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
}

// Describe reads the i-th definition, {"type": "function", "function": {…}} or the bare inner object. The name is empty
// where there is none.
func (t Tools) Describe(i int) Described {
	var outer struct {
		Described
		Function *Described `json:"function"`
	}
	if json.Unmarshal(t[i], &outer) != nil {
		return Described{}
	}
	if outer.Function != nil {
		return *outer.Function
	}
	return outer.Described
}
