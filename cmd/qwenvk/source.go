package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// openCheckpoint opens a model's file to read what lies beside its weights. Nil for a folder.
func openCheckpoint(name string) (*loader.Checkpoint, error) {
	if name == demo.Name {
		return loader.OpenGGUF(demo.Name, demo.GGUF())
	}
	if info, err := os.Stat(name); err == nil && info.IsDir() {
		return nil, nil
	}
	return loader.Inspect(name)
}

// readTokenizer reads a model's tokenizer without its weights; of a folder, the tokenizer's files are enough.
func readTokenizer(name string) (t *tokenizer.Tokenizer, err error) {
	path, err := locate(name)
	if err != nil {
		return nil, err
	}
	c, err := openCheckpoint(path)
	if err != nil {
		return nil, &loadError{err}
	}
	if c == nil {
		if t, err = tokenizer.FromDir(path); err != nil {
			return nil, &loadError{err}
		}
		return t, nil
	}
	defer func() { err = errors.Join(err, c.Close()) }()
	g, err := c.GGUFTokenizer()
	if err != nil {
		return nil, &loadError{err}
	}
	t, err = tokenizer.FromGGUF(tokenizer.GGUFVocab{
		Model: g.Model, Pre: g.Pre, Tokens: g.Tokens, Merges: g.Merges, Types: g.Types,
		SpecialIDs: map[string]int32{"bos": int32(g.BOS), "eos": int32(g.EOS), "padding": int32(g.PAD)},
	})
	if err != nil {
		return nil, &loadError{err}
	}
	return t, nil
}

// readTemplate reads a model's chat template, or that of a file where one is named. A model without one is spoken to in
// ChatML if its vocabulary has the marks.
func (p *program) readTemplate(name, file string) (*chat.Template, error) {
	path, err := locate(name)
	if err != nil {
		return nil, err
	}
	if file != "" {
		source, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("the template %s cannot be read: %w", file, bareCause(err))
		}
		return chat.NewTemplate(string(source))
	}
	source, err := templateSource(path)
	if err != nil {
		return nil, &loadError{err}
	}
	if source == "" {
		tok, err := readTokenizer(name)
		if err != nil || !qwenvk.KnowsChatML(tok) {
			return nil, fmt.Errorf("%s has no chat template; give one with --template FILE", name)
		}
		p.noteChatML(name)
		return chat.ChatML(), nil
	}
	t, err := chat.NewTemplate(source)
	if err != nil {
		return nil, &loadError{fmt.Errorf("%s: %w", name, err)}
	}
	return t, nil
}

func templateSource(name string) (source string, err error) {
	c, err := openCheckpoint(name)
	if err != nil {
		return "", err
	}
	if c != nil {
		return c.ChatTemplate(), c.Close()
	}
	jinja, err := os.ReadFile(filepath.Join(name, "chat_template.jinja"))
	if err == nil || !errors.Is(err, fs.ErrNotExist) {
		return string(jinja), err
	}
	config, err := os.ReadFile(filepath.Join(name, "tokenizer_config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	source, err = embeddedTemplate(config)
	if err != nil {
		return "", fmt.Errorf("%s: %w", filepath.Join(name, "tokenizer_config.json"), err)
	}
	return source, nil
}

// embeddedTemplate finds the template in tokenizer_config.json: a text, or a list of which one is called "default".
func embeddedTemplate(config []byte) (string, error) {
	var fields struct {
		Template json.RawMessage `json:"chat_template"`
	}
	if err := json.Unmarshal(config, &fields); err != nil {
		return "", fmt.Errorf("it is no JSON: %w", err)
	}
	var text string
	if len(fields.Template) == 0 || json.Unmarshal(fields.Template, &text) == nil {
		return text, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(fields.Template, &list); err != nil {
		return "", errors.New(`"chat_template" is neither a text nor a list of templates`)
	}
	for _, t := range list {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	return "", nil
}
