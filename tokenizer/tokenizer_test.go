package tokenizer_test

import (
	"encoding/json"
	"errors"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk/tokenizer"
)

func TestInvalidText(t *testing.T) {
	tok := qwen3(t)
	for _, c := range []struct{ text, want string }{
		{"abc\xff", "at byte 3 (0xff)"},
		{"\xe4\xbd", "at byte 0 (0xe4)"},
		{"héé\xc3", "at byte 5 (0xc3)"},
		{"\ufffd\xed\xa0\x80", "at byte 3 (0xed)"}, // U+FFFD itself is valid, a surrogate is not
	} {
		ids, err := tok.Encode(c.text, tokenizer.EncodeOptions{})
		if err == nil || !strings.Contains(err.Error(), c.want) || ids != nil {
			t.Errorf("Encode(%q) = %d, %v; want an error with %q", c.text, ids, err, c.want)
		}
	}
}

func TestDecodeUnknownID(t *testing.T) {
	tok := qwen3(t)
	for _, id := range []int32{-1, int32(tok.VocabSize()), 1<<31 - 1} {
		if _, err := tok.Decode([]int32{0, id}, tokenizer.DecodeOptions{}); err == nil || !strings.Contains(err.Error(), "number 2 of 2") {
			t.Errorf("Decode of id %d: %v; want an error that names it", id, err)
		}
		if tok.Piece(id) != nil || tok.IsSpecial(id) {
			t.Errorf("id %d has a piece or is special", id)
		}
	}
}

// TestStream decodes random ids: characters come in halves, and not all come whole.
func TestStream(t *testing.T) {
	tok := qwen3(t)
	rng := rand.New(rand.NewPCG(9, 10))
	broken := 0
	for range 20_000 {
		ids := make([]int32, rng.IntN(12))
		for i := range ids {
			ids[i] = rng.Int32N(int32(tok.VocabSize()))
			if rng.IntN(2) == 0 {
				ids[i] = rng.Int32N(256) // single bytes
			}
		}
		want := mustDecode(t, tok, ids, tokenizer.DecodeOptions{})
		if got := streamed(t, tok, ids, tokenizer.DecodeOptions{}); got != want {
			t.Fatalf("%d streams as %q, decodes as %q", ids, got, want)
		}
		if strings.Contains(want, "\ufffd") {
			broken++
		}
	}
	if broken == 0 {
		t.Error("no ids gave a broken character; the test has seen nothing")
	}
}

// TestStreamHoldsBack looks at the single steps.
func TestStreamHoldsBack(t *testing.T) {
	tok := qwen3(t)
	var ids []int32
	for _, b := range []byte("a\xf0\x9f\x98\x80b\xe4\xbd") {
		id, ok := tok.TokenID(string([]byte{b}))
		if !ok {
			t.Fatalf("byte %#x has no token", b)
		}
		ids = append(ids, id)
	}
	s := tok.NewStream(tokenizer.DecodeOptions{})
	for i, want := range []string{"a", "", "", "", "\U0001f600", "b", "", ""} {
		if got := s.Push(ids[i]); got != want {
			t.Errorf("push %d returned %q, want %q", i, got, want)
		}
	}
	if got := s.Flush(); got != "\ufffd" {
		t.Errorf("Flush returned %q, want one U+FFFD", got)
	}
	if got := s.Flush(); got != "" {
		t.Errorf("the second Flush returned %q", got)
	}
}

func TestLookups(t *testing.T) {
	tok := qwen3(t)
	if n := tok.VocabSize(); n != 151669 {
		t.Errorf("the vocabulary has %d ids, want 151669", n)
	}
	for _, c := range []struct {
		text string
		id   int32
	}{{"<|im_end|>", 151645}, {"<think>", 151667}, {"Hello", 9707}, {"\n", 198}, {"!", 0}} {
		if id, ok := tok.TokenID(c.text); !ok || id != c.id {
			t.Errorf("TokenID(%q) = %d, %t; want %d", c.text, id, ok, c.id)
		}
		if got := string(tok.Piece(c.id)); got != c.text {
			t.Errorf("Piece(%d) = %q, want %q", c.id, got, c.text)
		}
	}
	if id, ok := tok.TokenID("no such token"); ok {
		t.Errorf("TokenID found %d", id)
	}
	for part, want := range map[string]int32{"eos": 151645, "pad": 151643} {
		if id, ok := tok.Special(part); !ok || id != want {
			t.Errorf("Special(%q) = %d, %t; want %d", part, id, ok, want)
		}
	}
	if _, ok := tok.Special("bos"); ok {
		t.Error("Qwen3 has no bos token, but Special names one")
	}
	if added := tok.AddedTokens(); len(added) != 26 || added[0].Content != "<|endoftext|>" || added[25].ID != 151668 {
		t.Errorf("AddedTokens() = %+v", added)
	}
}

// edited returns the tiny tokenizer.json with one part of it changed.
func edited(t testing.TB, edit func(file, model map[string]any)) []byte {
	t.Helper()
	var file map[string]any
	if err := json.Unmarshal(tinyFile(t), &file); err != nil {
		t.Fatal(err)
	}
	edit(file, file["model"].(map[string]any))
	data, err := json.Marshal(file)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func withAdded(t testing.TB, added ...map[string]any) *tokenizer.Tokenizer {
	t.Helper()
	tok, err := tokenizer.FromTokenizerJSON(edited(t, func(file, _ map[string]any) {
		for i, a := range added {
			a["id"] = 310 + i
		}
		file["added_tokens"] = added
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	return tok
}

// TestAddedTokenRules covers what no Qwen file uses but the format has.
func TestAddedTokenRules(t *testing.T) {
	tok := withAdded(
		t,
		map[string]any{"content": "<a>"},    // 310
		map[string]any{"content": "<a><b>"}, // 311
		map[string]any{"content": "[L]", "lstrip": true},         // 312
		map[string]any{"content": "[R]", "rstrip": true},         // 313
		map[string]any{"content": "wo", "single_word": true},     // 314
		map[string]any{"content": "\u00e9n", "normalized": true}, // 315
	)
	for _, c := range []struct {
		text string
		want []string // pieces
	}{
		{"<a><b><a>", []string{"<a><b>", "<a>"}},
		{"<a><a", []string{"<a>", "<", "a"}},
		{"x \n[L] y", []string{"x", "[L]", " ", "y"}},
		{"x [R] \t y", []string{"x", " ", "[R]", "y"}},
		{"[R] [L]", []string{"[R]", "[L]"}},
		{"wow wo", []string{"w", "o", "w", " ", "wo"}},
		{"e\u0301n", []string{"\u00e9n"}},
	} {
		var pieces []string
		ids := mustEncode(t, tok, c.text, tokenizer.EncodeOptions{})
		for _, id := range ids {
			pieces = append(pieces, string(tok.Piece(id)))
		}
		// The tiny vocabulary merges a little; only added tokens and the whole matter.
		if strings.Join(pieces, "") != strings.Join(c.want, "") {
			t.Errorf("%q gives %q, want %q", c.text, pieces, c.want)
		}
		isAdded := func(p string) bool {
			return slices.Contains([]string{"<a>", "<a><b>", "[L]", "[R]", "wo", "\u00e9n"}, p)
		}
		got, want := keep(pieces, isAdded), keep(c.want, isAdded)
		if !slices.Equal(got, want) {
			t.Errorf("%q has the added tokens %q, want %q", c.text, got, want)
		}
		for _, id := range mustEncode(t, tok, c.text, tokenizer.EncodeOptions{Plain: true}) {
			if id >= 310 {
				t.Errorf("%q as plain text gives added token %d", c.text, id)
			}
		}
	}
}

func keep(all []string, wanted func(string) bool) []string {
	var kept []string
	for _, s := range all {
		if wanted(s) {
			kept = append(kept, s)
		}
	}
	return kept
}

// TestIgnoreMerges: a word that is a token needs no rules then.
func TestIgnoreMerges(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		tok, err := tokenizer.FromTokenizerJSON(edited(t, func(_, model map[string]any) {
			model["vocab"].(map[string]any)["zzz"] = 310
			model["ignore_merges"] = ignore
		}), nil)
		if err != nil {
			t.Fatal(err)
		}
		ids := mustEncode(t, tok, "zzz", tokenizer.EncodeOptions{})
		if whole := len(ids) == 1 && ids[0] == 310; whole != ignore {
			t.Errorf("with ignore_merges %t, zzz gives %d", ignore, ids)
		}
	}
}

// TestOtherPattern uses the regular expression engine.
func TestOtherPattern(t *testing.T) {
	tok, err := tokenizer.FromTokenizerJSON(edited(t, func(file, _ map[string]any) {
		stages := file["pre_tokenizer"].(map[string]any)["pretokenizers"].([]any)
		stages[0].(map[string]any)["pattern"] = map[string]any{"Regex": `th|\d+`}
	}), nil)
	if err != nil {
		t.Fatal(err)
	}
	var pieces []string
	for _, id := range mustEncode(t, tok, "the the", tokenizer.EncodeOptions{}) {
		pieces = append(pieces, string(tok.Piece(id)))
	}
	// "the" is a token, but the pattern cuts it; "e " and "e" lie between matches.
	if want := []string{"t", "h", "e", " ", "t", "h", "e"}; !slices.Equal(pieces, want) {
		t.Errorf("the pattern gives %q, want %q", pieces, want)
	}
}

func TestFromDir(t *testing.T) {
	vocab, merges := vocabMerges(t)
	config := read(t, "qwen-tokenizer/qwen2.5/tokenizer_config.json", "qwen-tokenizer/qwen2.5/tokenizer_config.json")
	for _, c := range []struct {
		name  string
		files map[string][]byte
		want  string // of the error, "" for none
	}{
		{"fast", map[string][]byte{"tokenizer.json": tinyFile(t)}, ""},
		{"slow", map[string][]byte{"vocab.json": vocab, "merges.txt": merges, "tokenizer_config.json": config}, ""},
		{"nothing", nil, "no tokenizer.json, qwen.tiktoken, nor vocab.json and merges.txt"},
		{"no merges", map[string][]byte{"vocab.json": vocab, "tokenizer_config.json": config}, "merges.txt"},
		{"no vocabulary", map[string][]byte{"merges.txt": merges, "tokenizer_config.json": config}, "vocab.json"},
		{"no config", map[string][]byte{"vocab.json": vocab, "merges.txt": merges}, "no tokenizer_config.json"},
		{"broken config", map[string][]byte{"tokenizer.json": tinyFile(t), "tokenizer_config.json": []byte("{")}, "tokenizer_config.json"},
	} {
		dir := t.TempDir()
		for name, data := range c.files {
			if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		tok, err := tokenizer.FromDir(dir)
		if c.want == "" {
			if err != nil || tok.VocabSize() == 0 {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
		if strings.HasPrefix(c.want, "no ") && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %v is not fs.ErrNotExist", c.name, err)
		}
	}
}

// TestConcurrentUse is for the race detector, and for caches that mix up words.
func TestConcurrentUse(t *testing.T) {
	tok := qwen3(t)
	all := goldens(t)
	var wg sync.WaitGroup
	for start := range 4 {
		wg.Go(func() {
			for i := range all {
				g := all[(i+start*50)%len(all)]
				ids, err := tok.Encode(g.Text, tokenizer.EncodeOptions{})
				if err != nil || !slices.Equal(ids, g.IDs) {
					t.Errorf("golden %d: %d, %v; want %d", g.N, ids, err, g.IDs)
				}
			}
		})
	}
	wg.Wait()
}

// TestLongWord would take a minute were merging quadratic.
func TestLongWord(t *testing.T) {
	tok := qwen3(t)
	for _, part := range []string{"a", "abcdefghij", "!", "你好", " "} {
		text := strings.Repeat(part, 200_000/len(part))
		ids := mustEncode(t, tok, text, tokenizer.EncodeOptions{})
		if got := mustDecode(t, tok, ids, tokenizer.DecodeOptions{}); got != text {
			t.Errorf("a long run of %q does not come back", part)
		}
	}
}
