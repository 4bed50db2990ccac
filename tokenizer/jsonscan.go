package tokenizer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strings"
)

// cursor walks over JSON that encoding/json has already accepted, so only the kinds of the
// values are left to check.
type cursor struct {
	b []byte
	i int
}

// peek skips white space and returns the next byte, 0 at the end.
func (c *cursor) peek() byte {
	for c.i < len(c.b) {
		switch b := c.b[c.i]; b {
		case ' ', '\t', '\n', '\r':
			c.i++
		default:
			return b
		}
	}
	return 0
}

// accept skips b when it is next.
func (c *cursor) accept(b byte) bool {
	if c.peek() != b {
		return false
	}
	c.i++
	return true
}

func (c *cursor) text() (string, error) {
	if c.peek() != '"' {
		return "", errors.New("a string was expected")
	}
	start := c.i
	end := start + 1
	for c.b[end] != '"' {
		if c.b[end] == '\\' {
			end++
		}
		end++
	}
	c.i = end + 1
	inner := c.b[start+1 : end]
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner), nil
	}
	var s string
	err := json.Unmarshal(c.b[start:c.i], &s)
	return s, err
}

func (c *cursor) id() (int32, error) {
	c.peek()
	start, n := c.i, int64(0)
	for c.i < len(c.b) && c.b[c.i] >= '0' && c.b[c.i] <= '9' {
		n = n*10 + int64(c.b[c.i]-'0')
		if n > math.MaxInt32 {
			return 0, errors.New("an id is above 2147483647")
		}
		c.i++
	}
	if next := c.peek(); start == c.i || next != ',' && next != '}' {
		return 0, errors.New("an id is not a whole number from 0 on")
	}
	return int32(n), nil
}

// parseVocab reads an object of token to id. It must be valid JSON.
func parseVocab(raw []byte) ([]entry, error) {
	c := cursor{b: raw}
	if !c.accept('{') {
		return nil, errors.New("an object of token to id was expected")
	}
	entries := make([]entry, 0, len(raw)/16)
	if c.accept('}') {
		return nil, nil
	}
	for {
		text, err := c.text()
		if err != nil {
			return nil, err
		}
		c.accept(':')
		id, err := c.id()
		if err != nil {
			return nil, fmt.Errorf("token %q: %w", text, err)
		}
		entries = append(entries, entry{text, id})
		if !c.accept(',') {
			return entries, nil
		}
	}
}

// parseMerges reads an array of "a b" or ["a","b"]. It must be valid JSON.
func parseMerges(raw []byte) ([][2]string, error) {
	c := cursor{b: raw}
	if !c.accept('[') {
		return nil, errors.New("an array of merges was expected")
	}
	if c.accept(']') {
		return nil, nil
	}
	merges := make([][2]string, 0, len(raw)/16)
	for {
		m, err := c.merge()
		if err != nil {
			return nil, fmt.Errorf("merge %d: %w", len(merges), err)
		}
		merges = append(merges, m)
		if !c.accept(',') {
			return merges, nil
		}
	}
}

func (c *cursor) merge() (m [2]string, err error) {
	if !c.accept('[') {
		s, err := c.text()
		if err != nil {
			return m, err
		}
		return splitMerge(s)
	}
	for i := range m {
		if i > 0 && !c.accept(',') {
			return m, errors.New("a pair of strings was expected")
		}
		if m[i], err = c.text(); err != nil {
			return m, err
		}
	}
	if !c.accept(']') {
		return m, errors.New("a pair of strings was expected")
	}
	return m, nil
}

// splitMerge cuts "a b"; the byte alphabet has no space, so there is just one.
func splitMerge(s string) (m [2]string, err error) {
	left, right, ok := strings.Cut(s, " ")
	if !ok || left == "" || right == "" || strings.Contains(right, " ") {
		return m, fmt.Errorf("%q is not two tokens with a space between", s)
	}
	return [2]string{left, right}, nil
}
