package tokenizer_test

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/tokenizer"
)

// tiktokenFile writes the vocabulary of the Qwen3 tokenizer the way Qwen1 published it: the same 151643 tokens in the
// same order, as ranks.
func tiktokenFile(t testing.TB, from *tokenizer.Tokenizer) []byte {
	t.Helper()
	end, ok := from.TokenID("<|endoftext|>")
	if !ok {
		t.Fatal("the vocabulary has no <|endoftext|>")
	}
	var b strings.Builder
	for id := range end {
		fmt.Fprintf(&b, "%s %d\n", base64.StdEncoding.EncodeToString(from.Piece(id)), id)
	}
	return []byte(b.String())
}

// TestTiktoken: the ranks alone give the ids of the published merges, for every golden.
func TestTiktoken(t *testing.T) {
	qwen3, err := tokenizer.FromTokenizerJSON(qwen3File(t), qwen3Config(t))
	if err != nil {
		t.Fatal(err)
	}
	file := tiktokenFile(t, qwen3)
	tok, err := tokenizer.FromTiktoken(file)
	if err != nil {
		t.Fatal(err)
	}
	if n := tok.VocabSize(); n != 151851 { // 151643 ranks, 3 control tokens, 205 extras
		t.Errorf("the vocabulary has %d ids, Qwen-7B's has 151851", n)
	}
	for content, want := range map[string]int32{"<|endoftext|>": 151643, "<|im_start|>": 151644, "<|im_end|>": 151645, "<|extra_0|>": 151646, "<|extra_204|>": 151850} {
		if id, ok := tok.TokenID(content); !ok || id != want || !tok.IsSpecial(id) {
			t.Errorf("%s is %d (special %t), want %d", content, id, tok.IsSpecial(id), want)
		}
	}
	for _, g := range goldens(t) {
		want := g.IDs
		if g.IDsPlain != nil {
			want = g.IDsPlain
		}
		got := mustEncode(t, tok, g.Text, tokenizer.EncodeOptions{Plain: true})
		if !slices.Equal(got, want) {
			t.Errorf("golden %d (%s) %q:\n got %d\nwant %d", g.N, g.Class, g.Text, got, want)
		}
	}
	if got, want := mustEncode(t, tok, "<|im_start|>user\nhi<|im_end|>", tokenizer.EncodeOptions{}), mustEncode(t, qwen3, "<|im_start|>user\nhi<|im_end|>", tokenizer.EncodeOptions{}); !slices.Equal(got, want) {
		t.Errorf("a turn is %d, want %d", got, want)
	}

	// The folder form: nothing but the ranks is there.
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "qwen.tiktoken"), []byte(strings.ReplaceAll(string(file), "\n", "\r\n")), 0o644); err != nil {
		t.Fatal(err)
	}
	if folder, err := tokenizer.FromDir(dir); err != nil || folder.VocabSize() != tok.VocabSize() {
		t.Errorf("the folder gives %v, %v", folder, err)
	}
}

func TestTiktokenHostile(t *testing.T) {
	word := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, c := range []struct{ file, want string }{
		{"", "it holds no tokens"},
		{"\n\n", "it holds no tokens"},
		{"YQ==", "line 1 is not a token in base64 and its rank"},
		{"%% 0", "line 1: the token is not base64"},
		{word("a") + " 1", `line 1 has rank "1"; ranks count up from 0, this one should be 0`},
		{word("a") + " 99999999999999999999", "ranks count up from 0"},
		{word("a") + " 0\n" + word("a") + " 1", `token "a" is there twice`},
		{" 0", "line 1: the token has 0 bytes"},
		{word(strings.Repeat("a", 1025)) + " 0", "line 1: the token has 1025 bytes; 1 to 1024 are read"},
	} {
		if _, err := tokenizer.FromTiktoken([]byte(c.file)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.20q: the error is %v, want one with %q", c.file, err, c.want)
		}
	}
	// A token that no merge makes is a word all the same.
	tok, err := tokenizer.FromTiktoken([]byte(word("a") + " 0\n" + word("b") + " 1\n" + word("c") + " 2\n" + word("abc") + " 3\n" + word(" ") + " 4\n"))
	if err != nil {
		t.Fatal(err)
	}
	if got := mustEncode(t, tok, "abc cab", tokenizer.EncodeOptions{Plain: true}); len(got) == 0 || got[0] != 3 {
		t.Errorf("the word of its own is %d", got)
	}
}
