package tokenizer_test

import (
	"strings"
	"testing"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"github.com/qwenvk/qwenvk/tokenizer"
)

// FuzzTokenizerJSON: no file may panic or take memory that it does not pay for; one that is
// accepted must encode or say why not.
func FuzzTokenizerJSON(f *testing.F) {
	whole := string(tinyFile(f))
	f.Add(whole)
	f.Add(whole[:len(whole)/3])
	f.Add(`{"pre_tokenizer":{"type":"ByteLevel"},"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":["a b"]}}`)
	f.Add(`{"pre_tokenizer":{"type":"Sequence","pretokenizers":[{"type":"Split","pattern":{"Regex":"(a+)+$"},"behavior":"Isolated"},{"type":"ByteLevel","use_regex":false}]},` +
		`"model":{"vocab":{"a":0,"b":1,"ab":2},"merges":[["a","b"]]},"added_tokens":[{"id":3,"content":"<x>","lstrip":true}]}`)
	f.Add(`{"pre_tokenizer":{"type":"ByteLevel"},"model":{"vocab":{"\u00e9\"":2147483647},"merges":[]}}`)
	f.Fuzz(func(t *testing.T, file string) {
		tok, err := tokenizer.FromTokenizerJSON([]byte(file), nil)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "tokenizer: ") || strings.Contains(err.Error(), "\n") {
				t.Fatalf("the error is not one sentence: %v", err)
			}
			return
		}
		for _, text := range []string{"ab ba<x>", "a", " ", "<x>"} {
			ids, err := tok.Encode(text, tokenizer.EncodeOptions{})
			if err != nil {
				continue
			}
			if _, err := tok.Decode(ids, tokenizer.DecodeOptions{}); err != nil {
				t.Fatalf("Encode made ids that Decode refuses: %v", err)
			}
		}
	})
}

// FuzzEncodeDecode: what comes back is the text in normal form C, whole or streamed.
func FuzzEncodeDecode(f *testing.F) {
	tok := qwen3(f)
	for _, g := range goldens(f) {
		f.Add(g.Text)
	}
	f.Add("a" + strings.Repeat("\u0301", 40))
	f.Add("\xff")
	f.Fuzz(func(t *testing.T, text string) {
		ids, err := tok.Encode(text, tokenizer.EncodeOptions{Plain: true})
		if (err == nil) != utf8.ValidString(text) {
			t.Fatalf("Encode(%q): %v", text, err)
		}
		if err != nil {
			return
		}
		for _, id := range ids {
			if id >= 151643 {
				t.Fatalf("plain text %q gives added token %d", text, id)
			}
		}
		got := mustDecode(t, tok, ids, tokenizer.DecodeOptions{})
		want := norm.NFC.String(text)
		// Package norm breaks runs of more than 30 marks with U+034F; NFC itself does not.
		if strings.Count(want, "\u034f") == strings.Count(text, "\u034f") && got != want {
			t.Fatalf("%q comes back as %q, want %q", text, got, want)
		}
		if s := streamed(t, tok, ids, tokenizer.DecodeOptions{}); s != got {
			t.Fatalf("%q streams as %q, decodes as %q", text, s, got)
		}
		// With added tokens the text is cut first, so only the ids' validity is certain.
		if ids, err = tok.Encode(text, tokenizer.EncodeOptions{}); err != nil {
			t.Fatal(err)
		}
		mustDecode(t, tok, ids, tokenizer.DecodeOptions{SkipSpecial: true})
	})
}

// FuzzTiktoken: as FuzzTokenizerJSON, for the ranks of the first models.
func FuzzTiktoken(f *testing.F) {
	f.Add("YQ== 0\nYg== 1\nYWI= 2\n")
	f.Add("YQ== 0\r\nYWFhYWFh 1")
	f.Add("YQ== 00")
	f.Fuzz(func(t *testing.T, file string) {
		tok, err := tokenizer.FromTiktoken([]byte(file))
		if err != nil {
			if !strings.HasPrefix(err.Error(), "tokenizer: qwen.tiktoken: ") || strings.Contains(err.Error(), "\n") {
				t.Fatalf("the error is not one sentence: %v", err)
			}
			return
		}
		ids, err := tok.Encode("ab a<|im_end|>", tokenizer.EncodeOptions{})
		if err != nil {
			return
		}
		if _, err := tok.Decode(ids, tokenizer.DecodeOptions{}); err != nil {
			t.Fatalf("Encode made ids that Decode refuses: %v", err)
		}
	})
}
