package qwenvk_test

import (
	"bytes"
	"context"
	"fmt"
	"strings"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
)

// A conversation goes on where it was saved, in another chat or another day, without computing it again. Here a buffer
// stands for a file.
func ExampleChat_Save() {
	ctx := context.Background()
	model := demoModel()
	conversation, err := model.NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: greedy})
	check(err)
	defer conversation.Close()
	ask := func(question string) {
		var answer strings.Builder
		for delta, err := range conversation.Send(ctx, question) {
			check(err)
			answer.WriteString(delta.Text)
		}
		fmt.Println(answer.String())
	}
	ask("What is 17 + 25?")
	var file bytes.Buffer
	check(conversation.Save(ctx, &file))
	conversation.Reset()

	note, err := conversation.Load(ctx, &file)
	check(err) // errors.Is(err, qwenvk.ErrDamaged), …
	if note != "" {
		fmt.Println("computed anew:", note) // the file is of another model or other settings
	}
	ask("What is 17 + 26?")
	fmt.Println(len(conversation.Messages()), "messages, some tokens were cached:", conversation.Result().Usage.CachedTokens > 0)
	// Output:
	// 17+25=42
	// 17+26=43
	// 4 messages, some tokens were cached: true
}

// ThinkBudget lets a model think for some tokens and then answer.
func ExampleChatOptions_thinkBudget() {
	ctx := context.Background()
	model := demoModel()
	budget := 0
	conversation, err := model.NewChat(qwenvk.ChatOptions{Think: chat.ThinkOn, ThinkBudget: &budget, Sampling: greedy})
	check(err)
	defer conversation.Close()
	for delta, err := range conversation.Send(ctx, "What is 17 + 25?") {
		check(err)
		fmt.Print(delta.Text)
	}
	// Output: 17+25=42
}
