package tokenizer_test

import (
	"fmt"
	"log"

	"github.com/qwenvk/qwenvk/tokenizer"
)

// A vocabulary of five tokens, as a GGUF file would hold it.
func Example() {
	t, err := tokenizer.FromGGUF(tokenizer.GGUFVocab{
		Model: "gpt2", Pre: "qwen2",
		Tokens: []string{"h", "i", "Ġ", "hi", "<|im_end|>"},
		Types:  []int32{1, 1, 1, 1, 3},
		Merges: []string{"h i"},
	})
	if err != nil {
		log.Fatal(err)
	}
	ids, err := t.Encode("hi h<|im_end|>", tokenizer.EncodeOptions{})
	if err != nil {
		log.Fatal(err)
	}
	text, err := t.Decode(ids, tokenizer.DecodeOptions{SkipSpecial: true})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(ids, text)
	// Output: [3 2 0 4] hi h
}

// A model makes ids one at a time, and a character can take several of them.
func ExampleTokenizer_NewStream() {
	t, err := tokenizer.FromGGUF(tokenizer.GGUFVocab{
		Model: "gpt2", Pre: "qwen2", Tokens: []string{"Ã", "©", "!"}, Types: []int32{1, 1, 1},
	})
	if err != nil {
		log.Fatal(err)
	}
	s := t.NewStream(tokenizer.DecodeOptions{})
	for _, id := range []int32{0, 1, 2} {
		fmt.Printf("%q ", s.Push(id))
	}
	fmt.Printf("%q\n", s.Flush())
	// Output: "" "é" "!" ""
}
