package grammar

import (
	"slices"
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// realVocabulary is Qwen3's, of 151,669 tokens.
var realVocabulary = sync.OnceValues(func() (*Vocabulary, error) {
	t, err := tokenizer.FromTokenizerJSON(realFiles[0], realFiles[1])
	if err != nil {
		return nil, err
	}
	added := map[int32]bool{}
	for _, a := range t.AddedTokens() {
		added[a.ID] = true
	}
	end, _ := t.TokenID("<|im_end|>")
	return NewVocabulary(func(id int32) []byte {
		if added[id] {
			return nil
		}
		return t.Piece(id)
	}, t.VocabSize(), []int32{end}), nil
})

var realFiles [2][]byte

func realTokens(t testing.TB) *Vocabulary {
	t.Helper()
	for i, name := range []string{"tokenizer.json", "tokenizer_config.json"} {
		realFiles[i] = testkit.Read(t, "qwen-tokenizer/qwen3/"+name)
	}
	v, err := realVocabulary()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

const jsonGrammar = `
root   ::= object
value  ::= object | array | string | number | "true" | "false" | "null"
object ::= "{" (string ":" " "? value ("," " "? string ":" " "? value)*)? "}"
array  ::= "[" (value ("," " "? value)*)? "]"
string ::= "\"" ([^"\\\x00-\x1f] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4}))* "\""
number ::= "-"? ("0" | [1-9] [0-9]*) ("." [0-9]+)? ([eE] [-+]? [0-9]+)?
`

func BenchmarkVocabulary(b *testing.B) {
	v := realTokens(b)
	for b.Loop() {
		NewVocabulary(func(id int32) []byte { return slices.Clone(v.piece(id)) }, v.n, v.eos)
	}
}
