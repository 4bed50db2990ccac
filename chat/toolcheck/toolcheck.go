package toolcheck

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/google/jsonschema-go/jsonschema"

	"github.com/qwenvk/qwenvk/chat"
)

// Checker knows the tools that were offered. It is immutable and safe for concurrent use.
type Checker struct {
	names   []string // in the order of the offer
	schemas map[string]*jsonschema.Resolved
}

// New reads the definitions of tools. The error names every tool that cannot be checked, because it has no name or its
// schema is wrong; the Checker is usable all the same and lets any object pass as such a tool's arguments.
func New(tools chat.Tools) (*Checker, error) {
	c := &Checker{schemas: map[string]*jsonschema.Resolved{}}
	var errs []error
	for i := range tools {
		d := tools.Describe(i)
		if d.Name == "" {
			errs = append(errs, fmt.Errorf("tool %d has no name", i+1))
			continue
		}
		if slices.Contains(c.names, d.Name) {
			errs = append(errs, fmt.Errorf("there are two tools named %q", d.Name))
			continue
		}
		c.names = append(c.names, d.Name)
		schema, err := resolve(d.Parameters)
		if err != nil {
			errs = append(errs, fmt.Errorf("the parameters of the tool %q are no JSON Schema: %w", d.Name, err))
			continue
		}
		c.schemas[d.Name] = schema
	}
	return c, errors.Join(errs...)
}

// maxSchema bounds a schema, in bytes: they come from servers of strangers.
const maxSchema = 1 << 20

// resolve reads a schema; nil where everything is allowed.
func resolve(document json.RawMessage) (*jsonschema.Resolved, error) {
	if len(document) == 0 || string(document) == "null" {
		return nil, nil
	}
	if len(document) > maxSchema {
		return nil, fmt.Errorf("it is larger than %d bytes", maxSchema)
	}
	var schema jsonschema.Schema
	if err := json.Unmarshal(document, &schema); err != nil {
		return nil, oneLine(err)
	}
	if err := checkRefs(&schema); err != nil {
		return nil, err
	}
	resolved, err := schema.Resolve(nil)
	if err != nil {
		return nil, oneLine(err)
	}
	return resolved, nil
}

// Check says what is wrong with a call.
func (c *Checker) Check(call chat.ToolCall) error {
	if !slices.Contains(c.names, call.Name) {
		if len(c.names) == 0 {
			return fmt.Errorf("there is no tool named %q: there are no tools", call.Name)
		}
		return fmt.Errorf("there is no tool named %q; the tools are: %s", call.Name, strings.Join(c.names, ", "))
	}
	arguments := call.Arguments
	if len(arguments) == 0 {
		arguments = json.RawMessage("{}")
	}
	var object map[string]any
	if err := json.Unmarshal(arguments, &object); err != nil || object == nil {
		return fmt.Errorf("the arguments of %s are no JSON object", call.Name)
	}
	schema := c.schemas[call.Name]
	if schema == nil {
		return nil
	}
	if err := schema.Validate(object); err != nil {
		return fmt.Errorf("the arguments of %s do not fit: %w", call.Name, reason(err))
	}
	return nil
}

// reason leaves out of the validator's words what they say of the schema's inside, which the model never saw in that
// form: "validating root: validating /properties/a: type: x has type …" becomes "a: type: x has type …".
func reason(err error) error {
	text := oneLine(err).Error()
	for {
		rest, ok := strings.CutPrefix(text, "validating ")
		if !ok {
			return errors.New(text)
		}
		at, rest, ok := strings.Cut(rest, ": ")
		if !ok {
			return errors.New(text)
		}
		text = rest
		if name, ok := strings.CutPrefix(at, "/properties/"); ok && !strings.HasPrefix(rest, "validating ") {
			text = strings.ReplaceAll(name, "/properties/", ".") + ": " + rest
			return errors.New(text)
		}
	}
}

// oneLine makes a sentence of a message that may have several lines.
func oneLine(err error) error {
	return errors.New(strings.Join(strings.Fields(err.Error()), " "))
}
