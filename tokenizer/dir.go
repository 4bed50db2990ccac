package tokenizer

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// maxFile bounds what is read into memory; the largest tokenizer.json of a Qwen model is
// below 20 MB.
const maxFile = 256 << 20

// FromDir reads the tokenizer of a model folder in Hugging Face layout: tokenizer.json, qwen.tiktoken, or
// vocab.json with merges.txt, and tokenizer_config.json.
func FromDir(dir string) (*Tokenizer, error) {
	config, err := readFile(dir, "tokenizer_config.json")
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	data, err := readFile(dir, "tokenizer.json")
	if err == nil {
		return FromTokenizerJSON(data, config)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	ranks, noRanks := readFile(dir, "qwen.tiktoken")
	if noRanks == nil {
		return FromTiktoken(ranks)
	}
	if !errors.Is(noRanks, fs.ErrNotExist) {
		return nil, noRanks
	}
	vocab, noVocab := readFile(dir, "vocab.json")
	merges, noMerges := readFile(dir, "merges.txt")
	switch {
	case errors.Is(noVocab, fs.ErrNotExist) && errors.Is(noMerges, fs.ErrNotExist):
		return nil, fmt.Errorf("tokenizer: %s has no tokenizer.json, qwen.tiktoken, nor vocab.json and merges.txt; copy the model's tokenizer files there: %w", dir, fs.ErrNotExist)
	case noVocab != nil:
		return nil, noVocab
	case noMerges != nil:
		return nil, noMerges
	case config == nil:
		return nil, fmt.Errorf("tokenizer: %s has vocab.json and merges.txt but no tokenizer_config.json, which holds tokens such as <|im_end|>; copy it there: %w", dir, fs.ErrNotExist)
	}
	return FromVocabMerges(vocab, merges, config)
}

func readFile(dir, name string) ([]byte, error) {
	path := filepath.Join(dir, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("tokenizer: %s is no file of at most %d MiB", path, maxFile>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("tokenizer: %w", err)
	}
	return data, nil
}
