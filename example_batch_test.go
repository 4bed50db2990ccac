package qwenvk_test

import (
	"context"
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk"
)

// Several questions are answered at the same time: each step brings every answer a token.
func ExampleBatch() {
	ctx, model := context.Background(), demoModel()
	questions := []string{"What is 17 + 25?", "What is 40 + 12?"}
	batch, answers := model.NewBatch(), make([]strings.Builder, len(questions))
	for _, q := range questions {
		session, err := model.NewSession()
		check(err)
		defer session.Close()
		ids, err := model.Tokenize("<|im_start|>user\n" + q + "<|im_end|>\n<|im_start|>assistant\n<think>\n\n</think>\n\n")
		check(err)
		_, err = batch.Add(ctx, session, ids, qwenvk.GenerateOptions{MaxTokens: 20})
		check(err)
	}
	for token, err := range batch.Run(ctx) {
		check(err)
		answers[token.Index].WriteString(token.Text)
	}
	for i := range answers {
		fmt.Println(questions[i], answers[i].String())
	}
	// Output:
	// What is 17 + 25? 17+25=42
	// What is 40 + 12? 40+12=52
}
