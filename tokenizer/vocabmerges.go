package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// FromVocabMerges reads vocab.json (token to id), merges.txt (one merge a line) and
// tokenizer_config.json, whose added_tokens_decoder holds the added tokens. These files say
// nothing of normalisation and of how words are cut; they are Qwen's: NFC and Qwen's
// pattern. config may be nil: then there are no added tokens.
func FromVocabMerges(vocab, merges, config []byte) (*Tokenizer, error) {
	v := vocabulary{pattern: qwenPattern, normalize: true}
	if !json.Valid(vocab) {
		return nil, errors.New("tokenizer: vocab.json: it is not valid JSON")
	}
	var err error
	if v.entries, err = parseVocab(vocab); err != nil {
		return nil, fmt.Errorf("tokenizer: vocab.json: %w", err)
	}
	if v.merges, err = parseMergesText(merges); err != nil {
		return nil, fmt.Errorf("tokenizer: merges.txt: %w", err)
	}
	if err := v.configure(config, true); err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	t, err := v.build()
	if err != nil {
		return nil, fmt.Errorf("tokenizer: vocab.json and merges.txt: %w", err)
	}
	return t, nil
}

// parseMergesText reads merges.txt. Its first line may be a version ("#version: 0.2"); no
// other line is a comment, since '#' is a token.
func parseMergesText(data []byte) ([][2]string, error) {
	merges := make([][2]string, 0, bytes.Count(data, []byte{'\n'}))
	number := 0
	for line := range strings.Lines(string(data)) {
		number++
		line = strings.TrimRight(line, "\r\n")
		if line == "" || number == 1 && strings.HasPrefix(line, "#version") {
			continue
		}
		m, err := splitMerge(line)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", number, err)
		}
		merges = append(merges, m)
	}
	return merges, nil
}
