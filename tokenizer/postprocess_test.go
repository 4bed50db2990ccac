package tokenizer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/tokenizer"
)

// TestFrame reads what tokenizer.json puts round a text, in the form that Qwen3-Embedding's file has it and in others.
func TestFrame(t *testing.T) {
	const file = `{"added_tokens": [{"id": 2, "content": "<|endoftext|>", "special": true}], "pre_tokenizer": {"type": "ByteLevel"},
		"model": {"type": "BPE", "vocab": {"a": 0, "b": 1}, "merges": []}, "post_processor": %s}`
	template := func(single string) string {
		return `{"type": "TemplateProcessing", "single": [` + single + `], "pair": [], "special_tokens": {"<|endoftext|>": {"id": "<|endoftext|>", "ids": [2], "tokens": ["<|endoftext|>"]},
			"two": {"id": "two", "ids": [0, 1]}, "lost": {"id": "lost", "ids": [7]}}}`
	}
	const text, end = `{"Sequence": {"id": "A", "type_id": 0}}`, `{"SpecialToken": {"id": "<|endoftext|>", "type_id": 0}}`
	two := strings.Replace(end, "<|endoftext|>", "two", 1)
	bytes := `{"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false}`
	for _, c := range []struct {
		name, post    string
		before, after []int32
		err           string
	}{
		{name: "none", post: "null"},
		{name: "a chat model's", post: bytes},
		{name: "an embedding model's", post: `{"type": "Sequence", "processors": [` + bytes + "," + template(text+","+end) + "]}", after: []int32{2}},
		{name: "both sides", post: template(two + "," + text + "," + end), before: []int32{0, 1}, after: []int32{2}},
		{name: "twice", post: `{"type": "Sequence", "processors": [` + template(two+","+text) + "," + template(end+","+text+","+end) + "]}", before: []int32{2, 0, 1}, after: []int32{2}},
		{name: "no text", post: template(end), err: "0 places for the text"},
		{name: "two texts", post: template(text + "," + text), err: "2 places for the text"},
		{name: "an unknown token", post: template(text + "," + strings.Replace(end, "<|endoftext|>", "other", 1)), err: `names the token "other" and gives no ids`},
		{name: "an id without token", post: template(text + "," + strings.Replace(end, "<|endoftext|>", "lost", 1)), err: "id 7, which is put round a text, is no token"},
		{name: "an unknown piece", post: template(text + `,{"Other": {}}`), err: "neither a token nor the text"},
	} {
		tok, err := tokenizer.FromTokenizerJSON([]byte(fmt.Sprintf(file, c.post)), nil)
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s: %v, want %q", c.name, err, c.err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if before, after := tok.Frame(); !slices.Equal(before, c.before) || !slices.Equal(after, c.after) {
			t.Errorf("%s: %d and %d, want %d and %d", c.name, before, after, c.before, c.after)
		}
	}
}

// TestFrameOfGGUF: add_eos_token puts the token that the file calls eos behind a text.
func TestFrameOfGGUF(t *testing.T) {
	v := tokenizer.GGUFVocab{Model: "gpt2", Pre: "qwen2", Tokens: []string{"a", "<|endoftext|>"}, Types: []int32{1, 3}, SpecialIDs: map[string]int32{"eos": 1}}
	for _, add := range []bool{false, true} {
		v.AddEOS = add
		tok, err := tokenizer.FromGGUF(v)
		if err != nil {
			t.Fatal(err)
		}
		if before, after := tok.Frame(); before != nil || slices.Equal(after, []int32{1}) != add {
			t.Errorf("add_eos_token %t: %d and %d", add, before, after)
		}
	}
	v.SpecialIDs["eos"] = 9
	if _, err := tokenizer.FromGGUF(v); err == nil || !strings.Contains(err.Error(), "id 9") {
		t.Errorf("an end that is no token: %v", err)
	}
}
