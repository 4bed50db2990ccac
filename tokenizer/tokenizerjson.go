package tokenizer

import (
	"encoding/json"
	"errors"
	"fmt"
)

// FromTokenizerJSON reads tokenizer.json, the file of Hugging Face's fast tokenizers, with
// merges as strings ("a b") or as pairs (["a","b"]). config is tokenizer_config.json; it
// may be nil and only names the special tokens (see Special).
//
// What is understood is byte-level BPE: normalizer NFC or none, pre-tokenizer ByteLevel,
// alone or after one Split by a regular expression. Anything else is an error that names
// it, never a different answer.
func FromTokenizerJSON(data, config []byte) (*Tokenizer, error) {
	t, err := readTokenizerJSON(data, config)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: tokenizer.json: %w", err)
	}
	return t, nil
}

// component is one stage in tokenizer.json: a normalizer, pre-tokenizer or decoder.
type component struct {
	Type           string      `json:"type"`
	Normalizers    []component `json:"normalizers"`
	PreTokenizers  []component `json:"pretokenizers"`
	Pattern        splitRule   `json:"pattern"`
	Behavior       string      `json:"behavior"`
	Invert         bool        `json:"invert"`
	AddPrefixSpace bool        `json:"add_prefix_space"`
	UseRegex       *bool       `json:"use_regex"` // true when absent
}

type splitRule struct {
	Regex  *string `json:"Regex"`
	String *string `json:"String"`
}

// tokenizerJSON is the file. The two long parts are read by hand: encoding/json would take
// most of the time it takes to start.
type tokenizerJSON struct {
	AddedTokens  []addedJSON    `json:"added_tokens"`
	Normalizer   *component     `json:"normalizer"`
	PreTokenizer *component     `json:"pre_tokenizer"`
	Decoder      *component     `json:"decoder"`
	Post         *postProcessor `json:"post_processor"`
	Model        struct {
		Type          string          `json:"type"`
		Dropout       *float64        `json:"dropout"`
		SubwordPrefix string          `json:"continuing_subword_prefix"`
		WordSuffix    string          `json:"end_of_word_suffix"`
		ByteFallback  bool            `json:"byte_fallback"`
		IgnoreMerges  bool            `json:"ignore_merges"`
		Vocab         json.RawMessage `json:"vocab"`
		Merges        json.RawMessage `json:"merges"`
	} `json:"model"`
}

type addedJSON struct {
	ID         int32  `json:"id"`
	Content    string `json:"content"`
	SingleWord bool   `json:"single_word"`
	LeftStrip  bool   `json:"lstrip"`
	RightStrip bool   `json:"rstrip"`
	Normalized bool   `json:"normalized"`
	Special    bool   `json:"special"`
}

func (a addedJSON) token(id int32) AddedToken {
	return AddedToken{
		ID: id, Content: a.Content, Special: a.Special, SingleWord: a.SingleWord,
		LeftStrip: a.LeftStrip, RightStrip: a.RightStrip, Normalized: a.Normalized,
	}
}

func readTokenizerJSON(data, config []byte) (*Tokenizer, error) {
	var file tokenizerJSON
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("it is not the JSON of a tokenizer: %w", err)
	}
	v := vocabulary{wholeWords: file.Model.IgnoreMerges}
	m := &file.Model
	switch {
	case m.Type != "BPE" && m.Type != "":
		return nil, fmt.Errorf("the model type is %q; only byte-level BPE can be read", m.Type)
	case m.SubwordPrefix != "" || m.WordSuffix != "" || m.ByteFallback:
		return nil, errors.New("the BPE model uses a subword prefix, a word suffix or byte fallback; only byte-level BPE can be read")
	case m.Dropout != nil && *m.Dropout != 0:
		return nil, errors.New("the BPE model uses dropout, which makes encoding random")
	}
	var err error
	if v.normalize, err = readNormalizer(file.Normalizer); err != nil {
		return nil, err
	}
	if v.pattern, err = readPreTokenizer(file.PreTokenizer); err != nil {
		return nil, err
	}
	if file.Decoder != nil && file.Decoder.Type != "ByteLevel" {
		return nil, fmt.Errorf("the decoder is %q; only ByteLevel can be read", file.Decoder.Type)
	}
	if v.entries, err = parseVocab(m.Vocab); err != nil {
		return nil, fmt.Errorf("model.vocab: %w", err)
	}
	if v.merges, err = parseMerges(m.Merges); err != nil {
		return nil, fmt.Errorf("model.merges: %w", err)
	}
	for _, a := range file.AddedTokens {
		v.added = append(v.added, a.token(a.ID))
	}
	if err := v.configure(config, false); err != nil {
		return nil, err
	}
	t, err := v.build()
	if err != nil {
		return nil, err
	}
	before, after, err := file.Post.frame()
	if err == nil {
		err = t.setFrame(before, after)
	}
	if err != nil {
		return nil, err
	}
	return t, nil
}

func readNormalizer(c *component) (nfc bool, err error) {
	if c == nil {
		return false, nil
	}
	switch {
	case c.Type == "NFC":
		return true, nil
	case c.Type == "Sequence" && len(c.Normalizers) == 0:
		return false, nil
	case c.Type == "Sequence" && len(c.Normalizers) == 1:
		return readNormalizer(&c.Normalizers[0])
	}
	return false, fmt.Errorf("the normalizer is %q; only NFC or none can be read", c.Type)
}

// readPreTokenizer returns the pattern that cuts words.
func readPreTokenizer(c *component) (pattern string, err error) {
	if c == nil {
		return "", errors.New("there is no pre-tokenizer; only ByteLevel can be read")
	}
	stages := []component{*c}
	if c.Type == "Sequence" {
		stages = c.PreTokenizers
	}
	if len(stages) == 0 || len(stages) > 2 {
		return "", fmt.Errorf("the pre-tokenizer has %d stages; only ByteLevel, alone or after one Split, can be read", len(stages))
	}
	bytes := stages[len(stages)-1]
	if bytes.Type != "ByteLevel" {
		return "", fmt.Errorf("the pre-tokenizer ends with %q; only ByteLevel can be read", bytes.Type)
	}
	if bytes.AddPrefixSpace {
		return "", errors.New("the pre-tokenizer puts a space before the text (add_prefix_space), which no Qwen model does")
	}
	useRegex := bytes.UseRegex == nil || *bytes.UseRegex
	if len(stages) == 1 {
		if useRegex {
			return gpt2Pattern, nil
		}
		return `[\s\S]+`, nil // the whole text is one word
	}
	split := stages[0]
	switch {
	case split.Type != "Split" || split.Pattern.Regex == nil:
		return "", fmt.Errorf("the pre-tokenizer begins with %q; only Split by a regular expression can be read", split.Type)
	case split.Behavior != "Isolated" || split.Invert:
		return "", fmt.Errorf("the pre-tokenizer's Split has behavior %q, invert %t; only \"Isolated\", false can be read", split.Behavior, split.Invert)
	case useRegex:
		return "", errors.New("the pre-tokenizer cuts twice, by Split and by ByteLevel's own pattern; only one of them can be read")
	}
	return *split.Pattern.Regex, nil
}
