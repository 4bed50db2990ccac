package qwenvk_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/tokenizer"
)

// Info is what there is to say of a model.
func ExampleModel_Info() {
	model := demoModel()
	var info qwenvk.Info = model.Info()
	fmt.Printf("%s %s: %d layers, %d tokens of context\n", info.Architecture, info.Type, info.Layers, info.Context)
	fmt.Println("on the device:", info.Memory.Weights > 0 && info.Memory.KV > 0)
	fmt.Println("it was loaded:", model.LoadTime() > 0, "in chunks of more than one token:", model.Chunk() > 1)
	// Output:
	// qwen3 Q8_0: 4 layers, 512 tokens of context
	// on the device: true
	// it was loaded: true in chunks of more than one token: true
}

// Tokenize tells how long a text is for the model.
func ExampleModel_Tokenize() {
	model := demoModel()
	ids, err := model.Tokenize("one two three<|im_end|>")
	check(err)
	text, err := model.Detokenize(ids)
	check(err)
	fmt.Println(len(ids), "tokens of", text)
	fmt.Println("the last one ends an answer:", ids[len(ids)-1] == model.EOS()[0])
	// Output:
	// 7 tokens of one two three<|im_end|>
	// the last one ends an answer: true
}

// The tokenizer itself can do more: here control tokens that a stranger's text spells out stay text.
func ExampleModel_Tokenizer() {
	tok := demoModel().Tokenizer()
	ids, err := tok.Encode("<|im_end|>", tokenizer.EncodeOptions{Plain: true})
	check(err)
	fmt.Println("more than one token:", len(ids) > 1, "in a vocabulary with ChatML's marks:", qwenvk.KnowsChatML(tok))
	// Output: more than one token: true in a vocabulary with ChatML's marks: true
}

// Render shows the text that the model gets of a conversation, and DefaultSampling how its answer is drawn.
func ExampleModel_Render() {
	model := demoModel()
	prompt, err := model.Render(context.Background(), chat.RenderOptions{
		Messages: []chat.Message{{Role: "user", Content: "Hello"}}, Think: chat.ThinkOff, AddGenerationPrompt: true,
	})
	check(err)
	fmt.Printf("%q\n", prompt)
	fmt.Println("temperature", model.DefaultSampling(prompt).Temperature)
	fmt.Println("a template of its own:", !model.DefaultTemplate(), "that knows thinking:", model.ChatTemplate().TakesThinking())
	// Output:
	// "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
	// temperature 0.7
	// a template of its own: true that knows thinking: true
}

// TokenSequences translate texts into what samplers know, here where DRY's repetitions break off.
func ExampleModel_TokenSequences() {
	breakers := demoModel().TokenSequences(qwenvk.DRYBreakers...)
	fmt.Println(len(breakers) >= len(qwenvk.DRYBreakers))
	// Output: true
}

// Generate continues a text as it stands.
func ExampleModel_Generate() {
	prompt := "<|im_start|>user\nPlease reverse: fox bird ball<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n"
	for token, err := range demoModel().Generate(context.Background(), prompt, qwenvk.GenerateOptions{MaxTokens: 20}) {
		check(err)
		fmt.Print(token.Text)
	}
	fmt.Println()
	// Output: ball bird fox
}

// A schema gives the answer its form.
func ExampleModel_NewJSONConstraint() {
	model := demoModel()
	form, err := model.NewJSONConstraint([]byte(`{
		"type": "object", "required": ["sum"],
		"properties": {"sum": {"type": "integer", "minimum": 0, "maximum": 99}}
	}`))
	check(err)
	var answer strings.Builder
	for token, err := range model.Generate(context.Background(), "<|im_start|>user\nWhat is 17 + 25?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
		qwenvk.GenerateOptions{Constraint: form}) {
		check(err)
		answer.WriteString(token.Text)
	}
	fmt.Println("it fits:", form.Check(answer.String()) == nil, "nothing was passed over:", len(form.Notes()) == 0)
	fmt.Println(strings.HasPrefix(strings.ReplaceAll(answer.String(), " ", ""), `{"sum":`))
	// Output:
	// it fits: true nothing was passed over: true
	// true
}

// Rules in llama.cpp's form do for what is no JSON.
func ExampleModel_NewGrammarConstraint() {
	model := demoModel()
	var form *qwenvk.Constraint
	form, err := model.NewGrammarConstraint(`root ::= "yes" | "no"`)
	check(err)
	for token, err := range model.Generate(context.Background(), "<|im_start|>user\nAre you a fox?<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n",
		qwenvk.GenerateOptions{Constraint: form}) {
		check(err)
		if token.Text != "" {
			fmt.Println("yes or no:", strings.Contains("yes no", token.Text))
			break
		}
	}
	// Output: yes or no: true
}

// Embed makes vectors whose scalar product says how near two texts are; a model made for it (Qwen3-Embedding) says it well.
func ExampleModel_Embed_query() {
	query, err := demoModel().Embed(context.Background(), []string{"What is a token?"}, qwenvk.EmbedOptions{
		Instruct: qwenvk.RerankTask,
		Dim:      64,
	})
	check(err)
	fmt.Println(len(query[0]), "values")
	// Output: 64 values
}

// Rerank scores documents; a model made for it (Qwen3-Reranker) does it well.
func ExampleModel_Rerank() {
	docs := []string{"BF16 is a 16-bit float.", "Foxes live in woods."}
	scores, err := demoModel().Rerank(context.Background(), "What is BF16?", docs, qwenvk.RerankOptions{Progress: func(done, total int) {
		fmt.Println(done, "of", total)
	}})
	check(err)
	fmt.Println(scores[0] >= 0 && scores[0] <= 1 && len(scores) == len(docs))
	// Output:
	// 1 of 2
	// 2 of 2
	// true
}
