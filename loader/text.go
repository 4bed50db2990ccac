package loader

import (
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/qwenvk/qwenvk/loader/gguf"
)

const (
	generationConfigFile = "generation_config.json"
	tokenizerConfigFile  = "tokenizer_config.json"
	chatTemplateFile     = "chat_template.jinja"
)

// texts is what a checkpoint has beside weights and sizes.
type texts struct {
	gguf             *gguf.File // of a GGUF file; its values point into the file
	tokenizerConfig  []byte     // of a folder
	generationConfig []byte     // of a folder
	chatTemplate     string
}

// TokenizerFiles holds the tokenizer's files of a folder, nil for one that is not there.
type TokenizerFiles struct {
	Dir             string
	TokenizerJSON   []byte // tokenizer.json
	VocabJSON       []byte // vocab.json, with MergesTXT where there is no tokenizer.json
	MergesTXT       []byte // merges.txt
	TokenizerConfig []byte // tokenizer_config.json
}

// TokenizerFiles reads the tokenizer's files of a model in a folder.
func (c *Checkpoint) TokenizerFiles() (TokenizerFiles, error) {
	if c.format != "safetensors" {
		return TokenizerFiles{}, &Error{File: c.path, Problem: "its tokenizer lies in its metadata, not in files"}
	}
	files := TokenizerFiles{Dir: c.path, TokenizerConfig: c.text.tokenizerConfig}
	for _, f := range []struct {
		name string
		text *[]byte
	}{
		{"tokenizer.json", &files.TokenizerJSON},
		{"vocab.json", &files.VocabJSON},
		{"merges.txt", &files.MergesTXT},
	} {
		var err error
		if *f.text, err = readFile(filepath.Join(c.path, f.name), tokenizerLimit); err != nil {
			return TokenizerFiles{}, err
		}
	}
	if files.TokenizerJSON == nil && (files.VocabJSON == nil || files.MergesTXT == nil) {
		return TokenizerFiles{}, &Error{
			File: c.path, Kind: ErrNotFound,
			Problem: "there is neither tokenizer.json nor vocab.json with merges.txt", Advice: "download the whole model",
		}
	}
	return files, nil
}

// GGUFTokenizer is the tokenizer that a GGUF file's metadata describes.
type GGUFTokenizer struct {
	Model         string   // tokenizer.ggml.model: "gpt2" is byte-level BPE
	Pre           string   // tokenizer.ggml.pre: how text is cut before BPE, "qwen2"
	Tokens        []string // by id
	Merges        []string // "a b", the most important first
	Types         []int32  // by id: 1 normal, 2 unknown, 3 control, 4 user defined, 5 unused, 6 byte; or nil
	BOS, EOS, PAD int      // -1 if there is none
	AddBOS        bool
	AddEOS        bool
}

// GGUFTokenizer decodes the tokenizer of a GGUF file. The result outlives the checkpoint.
func (c *Checkpoint) GGUFTokenizer() (GGUFTokenizer, error) {
	if c.text.gguf == nil {
		return GGUFTokenizer{}, &Error{File: c.path, Problem: "it has no GGUF metadata that could describe a tokenizer"}
	}
	m := metadata{file: c.text.gguf}
	t := GGUFTokenizer{
		Model: m.text("tokenizer.ggml.model"),
		Pre:   m.optionalText("tokenizer.ggml.pre"),
		BOS:   m.token("tokenizer.ggml.bos_token_id"),
		EOS:   m.token("tokenizer.ggml.eos_token_id"),
		PAD:   m.token("tokenizer.ggml.padding_token_id"),
	}
	var err error
	const tokensKey, mergesKey, typesKey = "tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.ggml.token_type"
	if v, ok := m.need(tokensKey); ok {
		if t.Tokens, err = v.Texts(); err != nil {
			m.fail(tokensKey, err)
		}
	}
	if v, ok := m.need(mergesKey); ok {
		if t.Merges, err = v.Texts(); err != nil {
			m.fail(mergesKey, err)
		}
	}
	if v, ok := m.file.Lookup(typesKey); ok {
		if t.Types, err = v.Int32s(); err == nil && len(t.Types) != len(t.Tokens) {
			err = fmt.Errorf("%d types for %d tokens", len(t.Types), len(t.Tokens))
		}
		if err != nil {
			m.fail(typesKey, err)
		}
	}
	t.AddBOS, t.AddEOS = m.flag("tokenizer.ggml.add_bos_token"), m.flag("tokenizer.ggml.add_eos_token")
	if m.err != nil {
		return GGUFTokenizer{}, corrupt(c.path, m.err)
	}
	return t, nil
}

// MetadataKeys returns the keys of a GGUF file's metadata in their order, nil for a folder.
func (c *Checkpoint) MetadataKeys() []string {
	if c.text.gguf == nil {
		return nil
	}
	return c.text.gguf.Keys
}

// Metadata describes the value of a GGUF file's key in a few words.
func (c *Checkpoint) Metadata(key string) (string, bool) {
	if c.text.gguf == nil {
		return "", false
	}
	v, ok := c.text.gguf.Lookup(key)
	return v.String(), ok
}

// ChatTemplate returns the model's own Jinja template, "" if it has none. Of several, it is the
// one called "default".
func (c *Checkpoint) ChatTemplate() string { return c.text.chatTemplate }

// readTexts reads a folder's small files.
func (c *Checkpoint) readTexts() error {
	var err error
	if c.text.generationConfig, err = readFile(filepath.Join(c.path, generationConfigFile), configLimit); err != nil {
		return err
	}
	path := filepath.Join(c.path, tokenizerConfigFile)
	if c.text.tokenizerConfig, err = readFile(path, configLimit); err != nil {
		return err
	}
	template, err := readFile(filepath.Join(c.path, chatTemplateFile), configLimit)
	if err != nil {
		return err
	}
	if template != nil {
		c.text.chatTemplate = string(template)
		return nil
	}
	if c.text.chatTemplate, err = embeddedTemplate(c.text.tokenizerConfig); err != nil {
		return corrupt(path, err)
	}
	return nil
}

// embeddedTemplate finds the template in tokenizer_config.json: a string, or a list of objects
// with name and template.
func embeddedTemplate(config []byte) (string, error) {
	const key = "chat_template"
	o, err := parseObject(config)
	if err != nil || !o.has(key) {
		return "", err
	}
	var text string
	if json.Unmarshal(o.keys[key], &text) == nil {
		return text, nil
	}
	var list []struct{ Name, Template string }
	if err := json.Unmarshal(o.keys[key], &list); err != nil {
		return "", errors.New("key \"chat_template\" is neither a text nor a list of templates")
	}
	for _, t := range list {
		if t.Name == "default" {
			return t.Template, nil
		}
	}
	return "", nil
}
