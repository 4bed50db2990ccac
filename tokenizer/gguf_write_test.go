package tokenizer_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// A tokenizer written as GGUF and read back must encode and decode as before, and rows of the
// embedding without a token must be padding.
func TestGGUFRoundTrip(t *testing.T) {
	for _, dir := range []string{"golden/qwen3-dense-tied", "demo-model/qwenvk-demo"} {
		before, err := tokenizer.FromDir(testkit.Path(t, dir))
		if err != nil {
			t.Fatal(err)
		}
		rows := before.VocabSize() + 7
		g, err := before.GGUF(rows)
		if err != nil {
			t.Fatal(err)
		}
		if len(g.Tokens) != rows || g.Tokens[rows-1] != fmt.Sprintf("[PAD%d]", rows-1) || g.Types[rows-1] != 5 {
			t.Errorf("%s: %d tokens, the last %q of type %d", dir, len(g.Tokens), g.Tokens[rows-1], g.Types[rows-1])
		}
		after, err := tokenizer.FromGGUF(g)
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{
			"", "Once upon a time", "  two  spaces\n\n\tand a tab ", "<|im_start|>user\nhi<|im_end|>\n<|endoftext|>",
			"smile 😀 naïve Ünïcödé 中文 かな", "1234567 3.14 it's WE'LL", strings.Repeat("aaaab", 50),
		} {
			want, err := before.Encode(text, tokenizer.EncodeOptions{})
			if err != nil {
				t.Fatal(err)
			}
			got, err := after.Encode(text, tokenizer.EncodeOptions{})
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("%s: %q becomes %d, want %d (%v)", dir, text, got, want, err)
			}
		}
		for id := range int32(before.VocabSize()) {
			if string(before.Piece(id)) != string(after.Piece(id)) {
				t.Errorf("%s: id %d is %q, want %q", dir, id, after.Piece(id), before.Piece(id))
			}
		}
		for _, part := range []string{"bos", "eos", "pad"} {
			want, named := before.Special(part)
			if got, ok := after.Special(part); ok != named || got != want {
				t.Errorf("%s: %s is %d, %t; want %d, %t", dir, part, got, ok, want, named)
			}
		}
	}
}

func TestGGUFRefuses(t *testing.T) {
	whole, err := tokenizer.FromDir(testkit.Path(t, "golden/qwen3-dense-tied"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := whole.GGUF(10); err == nil || !strings.Contains(err.Error(), "the embedding has 10 rows") {
		t.Errorf("got %v", err)
	}
	data := testkit.Read(t, "golden/qwen3-dense-tied/tokenizer.json")
	other := strings.Replace(string(data), `"type": "NFC"`, `"type": "Sequence", "normalizers": []`, 1)
	if other == string(data) {
		other = strings.Replace(string(data), `"type":"NFC"`, `"type":"Sequence","normalizers":[]`, 1)
	}
	plain, err := tokenizer.FromTokenizerJSON([]byte(other), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plain.GGUF(320); err == nil || !strings.Contains(err.Error(), "another way than Qwen's") {
		t.Errorf("got %v", err)
	}
}
