package tokenizer_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/tokenizer"
)

func TestBrokenTokenizerJSON(t *testing.T) {
	type m = map[string]any
	set := func(path string, value any) []byte {
		return edited(t, func(file, _ map[string]any) {
			keys := strings.Split(path, ".")
			at := file
			for _, key := range keys[:len(keys)-1] {
				at = at[key].(m)
			}
			at[keys[len(keys)-1]] = value
		})
	}
	token := func(text string, id any) []byte {
		return edited(t, func(_, model map[string]any) { model["vocab"].(m)[text] = id })
	}
	whole := tinyFile(t)
	for _, c := range []struct {
		name string
		data []byte
		want string
	}{
		{"empty", nil, "not the JSON"},
		{"truncated", whole[:len(whole)/2], "not the JSON"},
		{"another file", []byte("GGUF\x03"), "not the JSON"},
		{"no model", []byte("{}"), "no pre-tokenizer"},
		{"unigram", set("model.type", "Unigram"), `"Unigram"`},
		{"byte fallback", set("model.byte_fallback", true), "byte fallback"},
		{"dropout", set("model.dropout", 0.1), "dropout"},
		{"other normalizer", set("normalizer", m{"type": "NFKC"}), `"NFKC"`},
		{"other pre-tokenizer", set("pre_tokenizer", m{"type": "Metaspace"}), `"Metaspace"`},
		{"no pre-tokenizer", set("pre_tokenizer", nil), "no pre-tokenizer"},
		{"prefix space", set("pre_tokenizer", m{"type": "ByteLevel", "add_prefix_space": true}), "add_prefix_space"},
		{"other decoder", set("decoder", m{"type": "WordPiece"}), `"WordPiece"`},
		{"bad pattern", set("pre_tokenizer", m{"type": "Sequence", "pretokenizers": []m{
			{"type": "Split", "pattern": m{"Regex": "(["}, "behavior": "Isolated"}, {"type": "ByteLevel", "use_regex": false},
		}}), "cannot be compiled"},
		{"endless pattern", set("pre_tokenizer", m{"type": "Sequence", "pretokenizers": []m{
			{"type": "Split", "pattern": m{"Regex": strings.Repeat("a?", 5000)}, "behavior": "Isolated"}, {"type": "ByteLevel", "use_regex": false},
		}}), "10000 bytes"},
		{"split removes", set("pre_tokenizer", m{"type": "Sequence", "pretokenizers": []m{
			{"type": "Split", "pattern": m{"Regex": " "}, "behavior": "Removed"}, {"type": "ByteLevel", "use_regex": false},
		}}), `"Removed"`},
		{"vocabulary is a list", set("model.vocab", []string{"a"}), "object of token to id"},
		{"merges are an object", set("model.merges", m{}), "array of merges"},
		{"empty vocabulary", edited(t, func(file, model map[string]any) {
			model["vocab"], model["merges"], file["added_tokens"] = m{}, []string{}, []m{}
		}), "vocabulary is empty"},
		{"negative id", token("zz", -1), "whole number"},
		{"fractional id", token("zz", 1.5), "whole number"},
		{"huge id", token("zz", 2147483647), "only 305 tokens"},
		{"id beyond int32", token("zz", 4294967296), "2147483647"},
		{"id twice", token("zz", 5), "have the id 5"},
		{"empty token", token("", 310), "is empty"},
		{"merge of three", set("model.merges", []string{"a b c"}), "not two tokens"},
		{"merge of one", set("model.merges", [][]string{{"a"}}), "pair of strings"},
		{"merge of numbers", set("model.merges", [][]int{{1, 2}}), "string was expected"},
		{"merge of unknown", set("model.merges", []string{"q x"}), `"q" + "x"`},
		{"added id twice", set("added_tokens", []m{{"id": 310, "content": "<a>"}, {"id": 310, "content": "<b>"}}), "same id 310"},
		{"added text twice", set("added_tokens", []m{{"id": 310, "content": "<a>"}, {"id": 311, "content": "<a>"}}), "two ids"},
		{"added empty", set("added_tokens", []m{{"id": 310, "content": ""}}), "is empty"},
		{"added negative", set("added_tokens", []m{{"id": -3, "content": "<a>"}}), "negative id"},
	} {
		tok, err := tokenizer.FromTokenizerJSON(c.data, nil)
		if err == nil || tok != nil || !strings.HasPrefix(err.Error(), "tokenizer: tokenizer.json: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}

func TestBrokenVocabMerges(t *testing.T) {
	for _, c := range []struct{ name, vocab, merges, config, want string }{
		{"no JSON", "{", "", "{}", "not valid JSON"},
		{"no object", "[]", "", "{}", "object of token to id"},
		{"three tokens in a line", `{"a":0,"b":1,"ab":2}`, "#version: 0.2\na b ab\n", "{}", "line 2"},
		{"unknown token", `{"a":0,"b":1}`, "a b\n", "{}", `"a" + "b"`},
		{"config is no JSON", `{"a":0}`, "", "x", "tokenizer_config.json"},
		{"added id is no number", `{"a":0}`, "", `{"added_tokens_decoder":{"x":{"content":"<a>"}}}`, "is no id"},
	} {
		if _, err := tokenizer.FromVocabMerges([]byte(c.vocab), []byte(c.merges), []byte(c.config)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
	// '#' is a token like any other: only the first line can be the version.
	tok, err := tokenizer.FromVocabMerges([]byte(`{"#":0,"##":1,"v":2}`), []byte("#version: 0.2\r\n# #\r\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if ids := mustEncode(t, tok, "##", tokenizer.EncodeOptions{}); !slices.Equal(ids, []int32{1}) {
		t.Errorf("## gives %d, want 1", ids)
	}
	if _, err := tok.Encode("vw", tokenizer.EncodeOptions{}); err == nil || !strings.Contains(err.Error(), "no token for byte 0x77") {
		t.Errorf("a byte without a token: %v", err)
	}
}

func TestBrokenGGUF(t *testing.T) {
	good := func() tokenizer.GGUFVocab {
		return tokenizer.GGUFVocab{
			Model: "gpt2", Pre: "qwen2", Tokens: []string{"a", "b", "ab", "<x>", "[PAD4]"}, Types: []int32{1, 1, 1, 3, 4},
			Merges: []string{"a b"}, SpecialIDs: map[string]int32{"eos": 3, "padding": -1, "bos": 4},
		}
	}
	tok, err := tokenizer.FromGGUF(good())
	if err != nil {
		t.Fatal(err)
	}
	if ids := mustEncode(t, tok, "ab<x>", tokenizer.EncodeOptions{}); !slices.Equal(ids, []int32{2, 3}) {
		t.Errorf("ab<x> gives %d, want 2 and 3", ids)
	}
	// Padding by an id without a token is common and means nothing.
	parts := maps.Collect(func(yield func(string, int32) bool) {
		for _, part := range []string{"bos", "eos", "pad", "unk"} {
			if id, ok := tok.Special(part); ok && !yield(part, id) {
				return
			}
		}
	})
	if want := map[string]int32{"eos": 3}; !maps.Equal(parts, want) {
		t.Errorf("the special tokens are %v, want %v", parts, want)
	}
	for _, c := range []struct {
		name   string
		change func(*tokenizer.GGUFVocab)
		want   string
	}{
		{"model", func(g *tokenizer.GGUFVocab) { g.Model = "llama" }, `"llama"`},
		{"pre", func(g *tokenizer.GGUFVocab) { g.Pre = "llama-bpe" }, `"llama-bpe"`},
		{"no tokens", func(g *tokenizer.GGUFVocab) { g.Tokens, g.Types = nil, nil }, "missing or empty"},
		{"types", func(g *tokenizer.GGUFVocab) { g.Types = g.Types[:2] }, "2 entries for 5 tokens"},
		{"unknown type", func(g *tokenizer.GGUFVocab) { g.Types[1] = 9 }, "unknown type 9"},
		{"merge", func(g *tokenizer.GGUFVocab) { g.Merges[0] = "ab" }, "merge 0"},
		{"merge of unknown", func(g *tokenizer.GGUFVocab) { g.Merges[0] = "b a" }, `"b" + "a"`},
		{"token twice", func(g *tokenizer.GGUFVocab) { g.Tokens[1] = "a" }, "there twice"},
	} {
		g := good()
		c.change(&g)
		if _, err := tokenizer.FromGGUF(g); err == nil || !strings.HasPrefix(err.Error(), "tokenizer: GGUF: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want one with %q", c.name, err, c.want)
		}
	}
}
