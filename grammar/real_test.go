package grammar

import (
	"sync"
	"testing"

	"github.com/qwenvk/qwenvk/internal/testkit"
)

// realVocabulary is Qwen3's, of 151,669 tokens.
var realVocabulary = sync.OnceValues(func() (*Vocabulary, error) {
	t, err := realTokenizer()
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
