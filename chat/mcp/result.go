package mcp

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	sdk "github.com/modelcontextprotocol/go-sdk/mcp"
)

// textOf tells a result in words. What is no text is named, with its kind and size: a language model cannot see it.
func textOf(r *sdk.CallToolResult) (string, error) {
	var parts []string
	for _, content := range r.Content {
		parts = append(parts, describe(content))
	}
	if len(parts) == 0 && r.StructuredContent != nil {
		document, err := json.Marshal(r.StructuredContent)
		if err != nil {
			return "", err
		}
		parts = append(parts, string(document))
	}
	text := strings.Join(parts, "\n")
	switch {
	case r.IsError && strings.TrimSpace(text) == "":
		return "", errors.New("the tool failed and does not say why")
	case r.IsError:
		return "", errors.New(text)
	case text == "":
		return "(the tool returned nothing)", nil
	}
	return text, nil
}

func describe(content sdk.Content) string {
	switch c := content.(type) {
	case *sdk.TextContent:
		return c.Text
	case *sdk.ImageContent:
		return fmt.Sprintf("[an image, %s, %d bytes, which cannot be shown here]", orUnknown(c.MIMEType), len(c.Data))
	case *sdk.AudioContent:
		return fmt.Sprintf("[a sound, %s, %d bytes, which cannot be heard here]", orUnknown(c.MIMEType), len(c.Data))
	case *sdk.ResourceLink:
		words := []string{"[a resource", c.URI}
		if c.Name != "" {
			words = append(words, "named "+c.Name)
		}
		if c.MIMEType != "" {
			words = append(words, c.MIMEType)
		}
		if c.Description != "" {
			words = append(words, c.Description)
		}
		return strings.Join(words, ", ") + "]"
	case *sdk.EmbeddedResource:
		switch {
		case c.Resource == nil:
			return "[a resource without content]"
		case c.Resource.Blob != nil:
			return fmt.Sprintf("[the resource %s, %s, %d bytes, which are no text]", c.Resource.URI, orUnknown(c.Resource.MIMEType), len(c.Resource.Blob))
		}
		return fmt.Sprintf("[the resource %s]\n%s", c.Resource.URI, c.Resource.Text)
	}
	return fmt.Sprintf("[a content of the kind %T, which is not known here]", content)
}

func orUnknown(kind string) string {
	if kind == "" {
		return "of unknown type"
	}
	return kind
}
