package qwenvk_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
)

// An answer is a sequence of deltas, whose last has the usage.
func ExampleChat_Send() {
	conversation, err := demoModel().NewChat(qwenvk.ChatOptions{Sampling: greedy})
	check(err)
	defer conversation.Close()
	thoughts := 0
	for delta, err := range conversation.Send(context.Background(), "What is 17 + 25?") {
		check(err) // errors.Is(err, qwenvk.ErrContextFull), …
		if delta.Reasoning != "" {
			thoughts++ // grey, behind a triangle
		}
		fmt.Print(delta.Text)
		if u := delta.Usage; u != nil {
			fmt.Println("\nsome of the tokens were thoughts:", u.ReasoningTokens > 0 && u.ReasoningTokens < u.CompletionTokens && thoughts > 0)
		}
	}
	// Output:
	// 17+25=42
	// some of the tokens were thoughts: true
}

// Cancelling the context is what a stop button does: the answer ends, what was said stays in the conversation.
func ExampleChat_Send_stop() {
	conversation, err := demoModel().NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: greedy})
	check(err)
	defer conversation.Close()
	ctx, stop := context.WithTimeout(context.Background(), time.Hour)
	defer stop()
	for delta, err := range conversation.Send(ctx, "What is 17 + 25?") {
		check(err)
		if delta.Text != "" {
			stop()
		}
	}
	fmt.Println(conversation.Result().FinishReason, len(conversation.Messages()))
	say(conversation.Send(context.Background(), "What is 17 + 26?"))
	// Output:
	// interrupted 2
	// 17+26=43
}

// Several chats answer at the same time: as many as the model has sessions (LoadOptions.Sessions), in any number of goroutines.
func ExampleChat() {
	model := demoModel()
	answers := make([]string, 2)
	var all sync.WaitGroup
	for i, question := range []string{"What is 17 + 25?", "What is 17 + 26?"} {
		all.Go(func() {
			conversation, err := model.NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: greedy})
			check(err)
			defer conversation.Close()
			for delta, err := range conversation.Send(context.Background(), question) {
				check(err)
				answers[i] += delta.Text
			}
		})
	}
	all.Wait()
	fmt.Println(answers)
	// Output: [17+25=42 17+26=43]
}

// A conversation can be edited: here its last question is asked anew.
func ExampleChat_SetMessages() {
	ctx := context.Background()
	conversation, err := demoModel().NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: greedy})
	check(err)
	defer conversation.Close()
	say(conversation.Send(ctx, "What is 17 + 25?"))
	conversation.SetMessages(conversation.Messages()[:0])
	say(conversation.Send(ctx, "What is 17 + 26?"))

	options := conversation.Options()
	options.System, options.MaxTokens, options.ContextShift = "Be kind.", 3, true
	conversation.SetOptions(options)
	conversation.Reset() // with the system message of the options
	fmt.Println(len(conversation.Messages()), "message")
	// Output:
	// 17+25=42
	// 17+26=43
	// 1 message
}

// Continue is for programs that call tools themselves: their results are messages.
func ExampleChat_Continue() {
	ctx := context.Background()
	tools, err := chat.ParseTools([]byte(`[{"type": "function", "function": {"name": "get_weather", "description": "Get the weather of a city",
		"parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}}]`))
	check(err)
	conversation, err := demoModel().NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Tools: tools, Sampling: greedy})
	check(err)
	defer conversation.Close()
	var call *chat.ToolCall
	for delta, err := range conversation.Send(ctx, "What is the weather in Oslo?") {
		check(err)
		if delta.ToolCall != nil {
			call = delta.ToolCall
		}
	}
	fmt.Printf("%s%s\n", call.Name, call.Arguments)
	say(conversation.Continue(ctx, chat.Message{Role: "tool", ToolCallID: call.ID, Content: `{"weather": "foggy", "temperature": 1}`}))
	fmt.Println("the last answer:", conversation.LastAnswer().FinishReason)
	// Output:
	// get_weather{"city": "Oslo"}
	// It is foggy in Oslo, 1 degrees.
	// the last answer: stop
}

// RunMessages is Run for a conversation that is brought along. What a tool said, or why it failed, comes as a delta.
func ExampleChat_RunMessages() {
	conversation, err := demoModel().NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: greedy})
	check(err)
	defer conversation.Close()
	tools := qwenvk.ToolOptions{Tools: []chat.Tool{{
		Name: "get_weather", Description: "Get the weather of a city",
		Parameters: []byte(`{"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}`),
		Call: func(context.Context, json.RawMessage) (string, error) {
			return "", errors.New("no such city")
		},
	}}}
	for delta, err := range conversation.RunMessages(context.Background(), tools, chat.Message{Role: "user", Content: "What is the weather in Oslo?"}) {
		check(err)
		if delta.ToolResult != nil {
			var result qwenvk.ToolResult = *delta.ToolResult
			fmt.Println(result.Call.Name, "failed:", result.Failed)
			break
		}
	}
	// Output: get_weather failed: true
}

// The cache of a long beginning, such as a system message with documents, is computed once and saved: other chats restore it.
func ExampleChat_SaveCache() {
	ctx := context.Background()
	options := qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: greedy}
	first, err := demoModel().NewChat(options)
	check(err)
	defer first.Close()
	say(first.Send(ctx, "What is 17 + 25?"))
	var file bytes.Buffer
	check(first.SaveCache(ctx, &file, 12)) // the first 12 tokens

	second, err := demoModel().NewChat(options)
	check(err)
	defer second.Close()
	note, err := second.RestoreCache(ctx, &file)
	check(err)
	if note != "" {
		fmt.Println("computed anew:", note)
	}
	say(second.Send(ctx, "What is 17 + 25?"))
	fmt.Println(second.Result().Usage.CachedTokens, "tokens were not computed again")
	fmt.Println("no profile without Options.Profile:", len(second.Profile()) == 0)
	// Output:
	// 17+25=42
	// 17+25=42
	// 12 tokens were not computed again
	// no profile without Options.Profile: true
}

// Adapters change a chat's model between two answers.
func ExampleModel_LoadAdapter() {
	ctx := context.Background()
	model, err := demoRuntime().Load(ctx, "testdata/golden/qwen3-dense-tied", qwenvk.LoadOptions{
		Context: 64, Template: "{{ messages[0].content }}",
		Adapters: []qwenvk.AdapterFile{{Path: "testdata/golden/qwen3-lora/adapter", Scale: 1}}, // acts from the beginning
	})
	check(err)
	defer model.Close()
	conversation, err := model.NewChat(qwenvk.ChatOptions{MaxTokens: 2, Sampling: greedy})
	check(err)
	defer conversation.Close()
	var uses []qwenvk.AdapterUse = model.Adapters()
	check(conversation.SetAdapters(ctx)) // none
	var second *qwenvk.Adapter
	second, err = model.LoadAdapter(ctx, "testdata/golden/qwen3-lora/adapter")
	check(err)
	var info qwenvk.AdapterInfo = second.Info()
	check(conversation.SetAdapters(ctx, qwenvk.AdapterUse{Adapter: second, Scale: 0.5}, uses[0]))
	fmt.Println(info.Format, "busy:", errors.Is(second.Close(), qwenvk.ErrBusy))
	check(conversation.SetAdapters(ctx))
	check(second.Close())
	// Output: peft busy: true
}
