package qwenvk_test

import (
	"context"
	"time"

	"github.com/qwenvk/qwenvk"
	"github.com/qwenvk/qwenvk/chat"
	"github.com/qwenvk/qwenvk/demo"
	"github.com/qwenvk/qwenvk/sampler"
)

// A program that needs the card for something else takes the model off it for a while. The chat goes on where it was.
func ExampleModel_Unload() {
	ctx := context.Background()
	model, err := demoRuntime().LoadGGUF(ctx, demo.Name, demo.GGUF(), qwenvk.LoadOptions{Context: 256})
	check(err)
	defer model.Close()
	c, err := model.NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: &sampler.Params{}})
	check(err)
	say(c.Send(ctx, "What is 17 + 25?"))
	check(model.Unload())    // weights and caches are given back
	check(model.Reload(ctx)) // the next answer would see to it, too
	say(c.Send(ctx, "What is 20 + 30?"))
	// Output:
	// 17+25=42
	// 20+30=50
}

// While a scene is loading, answers stand still; afterwards they go on.
func ExampleRuntime_Pause() {
	ctx := context.Background()
	rt, err := qwenvk.Open(qwenvk.Options{
		MaxSubmit:   4 * time.Millisecond, // the program renders with the same queue
		LowPriority: true,
	})
	check(err)
	defer rt.Close()
	model, err := rt.LoadGGUF(ctx, demo.Name, demo.GGUF(), qwenvk.LoadOptions{Context: 256})
	check(err)
	check(rt.Pause(ctx)) // returns when the device has nothing of the runtime's to do
	time.AfterFunc(10*time.Millisecond, func() { check(rt.Resume()) })
	c, err := model.NewChat(qwenvk.ChatOptions{Think: chat.ThinkOff, Sampling: &sampler.Params{}})
	check(err)
	say(c.Send(ctx, "What is 17 + 25?"))
	// Output: 17+25=42
}
