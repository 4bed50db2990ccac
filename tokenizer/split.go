package tokenizer

import (
	"fmt"
	"time"

	"github.com/dlclark/regexp2/v2"
)

// gpt2Pattern is what a ByteLevel pre-tokenizer with use_regex cuts by.
const gpt2Pattern = `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`

// splitTimeout bounds one match of a pattern from a file: a regular expression with
// lookaheads can take exponential time, and the file is not ours.
const splitTimeout = 2 * time.Second

// longestPattern bounds what compiling a pattern costs; the longest in use has 300 bytes.
const longestPattern = 4096

// splitter cuts normalised text into words. The zero value is Qwen's own scanner.
type splitter struct {
	pattern *regexp2.Regexp // nil: nextQwenWord
}

// newSplitter returns the scanner when pattern is Qwen's, and a regular expression else.
func newSplitter(pattern string) (splitter, error) {
	if pattern == qwenPattern {
		return splitter{}, nil
	}
	if len(pattern) > longestPattern {
		return splitter{}, fmt.Errorf("the pre-tokenizer's pattern has %d bytes; at most %d can be read", len(pattern), longestPattern)
	}
	re, err := regexp2.Compile(pattern)
	if err != nil {
		return splitter{}, fmt.Errorf("the pre-tokenizer's pattern cannot be compiled: %w", err)
	}
	re.MatchTimeout = splitTimeout
	return splitter{pattern: re}, nil
}

// words calls yield for each word of s, in order; nothing of s is left out.
func (p splitter) words(s string, yield func(word string) error) error {
	if p.pattern != nil {
		return p.matches(s, yield)
	}
	for i := 0; i < len(s); {
		end := nextQwenWord(s, i)
		if err := yield(s[i:end]); err != nil {
			return err
		}
		i = end
	}
	return nil
}

// matches cuts by the regular expression; what lies between two matches is a word too
// (behaviour "Isolated").
func (p splitter) matches(s string, yield func(word string) error) error {
	found, err := p.pattern.FindAllStringIndex(s, -1)
	if err != nil {
		return fmt.Errorf("tokenizer: cutting the text into words: %w", err)
	}
	done := 0
	for _, match := range append(found, []int{len(s), len(s)}) {
		for _, end := range match {
			if end > done {
				if err := yield(s[done:end]); err != nil {
					return err
				}
				done = end
			}
		}
	}
	return nil
}
