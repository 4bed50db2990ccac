// Package qwenvk runs Qwen language models on the GPU of the machine it finds itself on, through Vulkan compute
// shaders of its own.
//
//	rt, err := qwenvk.Open(qwenvk.Options{})
//	model, err := rt.Load(ctx, "Qwen3-0.6B-Q8_0.gguf", qwenvk.LoadOptions{})
//	chat, err := model.NewChat(qwenvk.ChatOptions{})
//	for delta, err := range chat.Send(ctx, "What is a token?") {
//		fmt.Print(delta.Text)
//	}
//
// A [Runtime] is an open device. A [Model] is a checkpoint whose weights lie in the device's memory. A [Session] is
// one sequence of tokens with its key-value cache; a [Chat] is a session that speaks in messages. All four have a
// Close method; call these in any order, from any goroutine.
//
// An [Adapter] is a LoRA adapter of a model; each session chooses the adapters that act on it, several at once if wanted,
// and changes them between two answers at no cost: see [Session.SetAdapters].
//
// Options are structs whose zero value is a good default. Errors that programs branch on are sentinels: test them
// with errors.Is. The package prints nothing, handles no signals and has no global state.
//
// There is no fallback to the CPU: every product is computed by a shader, on a card or on a software device such as
// Mesa's lavapipe.
package qwenvk
