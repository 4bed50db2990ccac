package tokenizer_test

import (
	"strings"
	"testing"

	"github.com/qwenvk/qwenvk/tokenizer"
)

// corpus is text in which words come back as often as they do in books: a fixed list of
// sentences, shuffled by a counter so that a cache of whole lines would not help.
func corpus(kind string) string {
	parts := map[string][]string{
		"english": {
			"It was the best of times, it was the worst of times, it was the age of wisdom, ",
			"it was the age of foolishness; we had everything before us, we had nothing before us. ",
			"\"Well, Prince,\" said she, \"so Genoa and Lucca are now just family estates of the Buonapartes.\" ",
			"But I warn you, if you don't tell me that this means war, I'll have nothing more to do with you!\n",
			"In July, 1805, the speaker was a well-known lady of the court and confidante of the Empress. ",
		},
		"cjk": {
			"人工智能正在改变我们的生活方式，", "今天的天气很好，我们去公园散步吧。", "机器学习模型需要大量的数据和计算资源。\n",
			"日本語の文章も正しく分割されなければなりません。", "東京は世界で最も人口の多い都市の一つです。", "한국어 문장도 올바르게 나누어야 합니다. ",
		},
		"code": {
			"func (t *Tokenizer) Encode(text string) ([]int32, error) {\n", "\tfor i := 0; i < len(text); i++ {\n\t\tif text[i] == '\\n' {\n",
			"\t\t\treturn nil, fmt.Errorf(\"line %d: %w\", i, err)\n\t\t}\n\t}\n", "    def __init__(self, hidden_size=4096):\n        super().__init__()\n",
			"}\n\n#include <stdio.h>\n",
		},
	}[kind]
	var b strings.Builder
	for i := uint32(1); b.Len() < 600_000; i++ {
		b.WriteString(parts[i*2654435761>>16%uint32(len(parts))])
	}
	return b.String()
}

func BenchmarkEncode(b *testing.B) {
	tok := qwen3(b)
	for _, kind := range []string{"english", "cjk", "code"} {
		text := corpus(kind)
		b.Run(kind, func(b *testing.B) {
			b.SetBytes(int64(len(text)))
			b.ReportAllocs()
			for b.Loop() {
				mustEncode(b, tok, text, tokenizer.EncodeOptions{})
			}
		})
	}
	// New words all the time: nothing comes from the cache.
	text := strings.Join(strings.Fields(strings.Repeat(distinctWords(), 2)), " ")
	b.Run("new words", func(b *testing.B) {
		b.SetBytes(int64(len(text)))
		for b.Loop() {
			mustEncode(b, tok, text, tokenizer.EncodeOptions{})
		}
	})
	long := strings.Repeat("abcdefghij", 2000)
	b.Run("word of 20,000 letters", func(b *testing.B) {
		b.SetBytes(int64(len(long)))
		for b.Loop() {
			mustEncode(b, tok, long, tokenizer.EncodeOptions{})
		}
	})
}

// distinctWords is 60,000 words, more than the word cache holds.
func distinctWords() string {
	var b strings.Builder
	for i := range uint32(60_000) {
		for x := i*2654435761 | 1<<20; x > 0; x >>= 5 {
			b.WriteByte('a' + byte(x%26))
		}
		b.WriteByte(' ')
	}
	return b.String()
}

func BenchmarkDecode(b *testing.B) {
	tok := qwen3(b)
	text := corpus("english")
	ids := mustEncode(b, tok, text, tokenizer.EncodeOptions{})
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		mustDecode(b, tok, ids, tokenizer.DecodeOptions{})
	}
}

func BenchmarkStream(b *testing.B) {
	tok := qwen3(b)
	text := corpus("cjk")
	ids := mustEncode(b, tok, text, tokenizer.EncodeOptions{})
	b.SetBytes(int64(len(text)))
	b.ReportAllocs()
	for b.Loop() {
		s := tok.NewStream(tokenizer.DecodeOptions{})
		for _, id := range ids {
			s.Push(id)
		}
		s.Flush()
	}
}

func BenchmarkLoad(b *testing.B) {
	file, config := qwen3File(b), qwen3Config(b)
	b.Run("tokenizer.json", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tokenizer.FromTokenizerJSON(file, config); err != nil {
				b.Fatal(err)
			}
		}
	})
	g := ggufVocab(b, 151936)
	b.Run("gguf", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := tokenizer.FromGGUF(g); err != nil {
				b.Fatal(err)
			}
		}
	})
}
