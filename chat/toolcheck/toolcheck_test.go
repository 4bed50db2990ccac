package toolcheck_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/chat/toolcheck"
)

// tool defines a function f with a schema.
func tool(schema string) chat.Tools {
	return chat.Tools{chat.Tool{Name: "f", Parameters: json.RawMessage(schema)}.Definition()}
}

func TestCheck(t *testing.T) {
	const add = `{"type": "object", "properties": {"a": {"type": "number"}, "b": {"type": "integer", "minimum": 0},
		"unit": {"enum": ["C", "F"]}, "at": {"type": "object", "properties": {"city": {"type": "string"}}}}, "required": ["a"], "additionalProperties": false}`
	const tree = `{"type": "object", "properties": {"child": {"$ref": "#"}, "name": {"$ref": "#/$defs/name"}}, "$defs": {"name": {"type": "string"}}}`
	for _, c := range []struct{ schema, name, arguments, want string }{
		{add, "f", `{"a": 1, "b": 2, "unit": "C"}`, ""},
		{add, "f", `{"a": 1.5}`, ""},
		{add, "f", `{}`, `required: missing properties: ["a"]`},
		{add, "f", ``, `missing properties`},
		{add, "f", `{"a": "1"}`, `the arguments of f do not fit: a: type: 1 has type "string", want "number"`},
		{add, "f", `{"a": 1, "b": -1}`, "b: minimum: -1/1 is less than 0"},
		{add, "f", `{"a": 1, "unit": "K"}`, "unit: enum: K does not equal any of: [C F]"},
		{add, "f", `{"a": 1, "c": 1}`, "additional"},
		{add, "f", `{"a": 1, "at": {"city": 5}}`, `type: 5 has type "integer", want "string"`},
		{add, "g", `{}`, `there is no tool named "g"; the tools are: f`},
		{add, "f", `[1]`, "no JSON object"},
		{add, "f", `null`, "no JSON object"},
		{add, "f", `{"a": 1`, "no JSON object"},
		{tree, "f", `{"child": {"child": {"name": "x"}}}`, ""},
		{tree, "f", `{"child": {"child": {"name": 1}}}`, `has type "integer"`},
		{`{}`, "f", `{"x": 1}`, ""},
		{`{"$schema": "http://json-schema.org/draft-07/schema#", "type": "object"}`, "f", `{"x": 1}`, ""},
	} {
		checker, err := toolcheck.New(tool(c.schema))
		if err != nil {
			t.Fatal(err)
		}
		err = checker.Check(chat.ToolCall{Name: c.name, Arguments: json.RawMessage(c.arguments)})
		if (err == nil) != (c.want == "") || err != nil && (!strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "\n")) {
			t.Errorf("%s(%s): got %v, want %q", c.name, c.arguments, err, c.want)
		}
	}
}

// A schema that is none, or by which a check would never end, is told; its tool can be called all the same.
func TestWrongSchemas(t *testing.T) {
	doubling := `{"$ref": "#/$defs/d0", "$defs": {`
	for i := range 60 {
		doubling += fmt.Sprintf(`"d%d": {"allOf": [{"$ref": "#/$defs/d%d"}, {"$ref": "#/$defs/d%d"}]}, `, i, i+1, i+1)
	}
	doubling += `"d60": {}}}`
	for _, c := range []struct{ schema, want string }{
		{`{"$ref": "#"}`, "back to itself"},
		{`{"allOf": [{"$ref": "#/$defs/a"}], "$defs": {"a": {"anyOf": [{"$ref": "#/$defs/b"}]}, "b": {"not": {"$ref": "#/$defs/a"}}}}`, "back to itself"},
		{`{"properties": {"x": {"if": {"$ref": "#/properties/x"}}}}`, "back to itself"},
		{doubling, "more than 10000 parts"},
		{`{"$ref": "#/$defs/none"}`, "leads nowhere"},
		{`{"$ref": "https://example.org/schema"}`, "cannot be followed"},
		{`{"$ref": "#name"}`, "cannot be followed"},
		{`{"$dynamicRef": "#name"}`, "cannot be followed"},
		{`{"properties": {"x": {"$id": "inner", "$ref": "#"}}}`, "an $id of its own"},
		{`{"type": 5}`, "no JSON Schema"},
		{`[]`, "no JSON Schema"},
		{`{"properties": {"x": {"pattern": "("}}}`, "no JSON Schema"},
		{strings.Repeat(`{"not": `, 300) + `{}` + strings.Repeat(`}`, 300), "nested"},
	} {
		checker, err := toolcheck.New(tool(c.schema))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), `"f"`) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: got %v, want %s", c.schema, err, c.want)
			continue
		}
		if err := checker.Check(chat.ToolCall{Name: "f"}); err != nil {
			t.Errorf("%s: %v", c.schema, err)
		}
	}
	for _, c := range []struct{ tools, want string }{
		{`[{"type": "function", "function": {}}]`, "tool 1 has no name"},
		{`[{"name": "f"}, {"name": "f"}]`, `two tools named "f"`},
	} {
		tools, err := chat.ParseTools([]byte(c.tools))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := toolcheck.New(tools); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v", c.tools, err)
		}
	}
}
