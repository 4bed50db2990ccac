// Package qwenvk runs Qwen language models on the GPU of the machine it finds itself on, through Vulkan compute
// shaders of its own.
//
//	rt, err := qwenvk.Open(qwenvk.Options{})
//	defer rt.Close()
//	model, err := rt.Load(ctx, "Qwen3-0.6B-Q8_0.gguf", qwenvk.LoadOptions{})
//	chat, err := model.NewChat(qwenvk.ChatOptions{})
//	for delta, err := range chat.Send(ctx, "What is a token?") {
//		if err != nil {
//			return err
//		}
//		fmt.Print(delta.Text)
//	}
//
// There is no fallback to the CPU: every product is computed by a shader, on a card or on a software device such as
// Mesa's lavapipe.
//
// # The four things
//
// A [Runtime] is an open device: [Open] takes the best of the machine, [OpenWithDevice] one that the program renders on.
// A [Model] is a checkpoint whose weights lie in the device's memory: [Runtime.Load] reads a file or a folder,
// [Runtime.LoadGGUF] bytes, [Runtime.LoadFile] a file of any file system. A [Session] is one sequence of tokens with its
// key-value cache; a [Chat] is a session that speaks in messages. What a sequence has in common with the one before is
// not computed again.
//
// All four have a Close method. It may be called in any order, from any goroutine, twice, and while others use what is
// closed: that then ends with [ErrClosed]. Closing a runtime closes its models, closing a model its sessions.
//
// # What to ask of a model
//
// [Chat.Send] answers a message, [Chat.Run] lets the model call functions of the program meanwhile. [Model.Generate]
// continues a text, [Session.Generate] a sequence of ids, [Session.Beam] searches for the likeliest continuation.
// [Model.Embed] makes vectors of texts, [Model.Rerank] scores documents. [Session.Logits] and [Session.Hidden] give the
// numbers behind all that. [Model.Tokenize] and [Model.Render] show what the model reads.
//
// A [Constraint] gives an answer a form: a JSON schema or a grammar. An [Adapter] is a LoRA adapter; each session chooses
// those that act on it, several at once if wanted, and changes them between two answers at no cost: see
// [Session.SetAdapters]. [Session.Save] and [Chat.Save] keep a cache beyond the program's end.
//
// # Several at once
//
// Runtimes and models may be used by any goroutine. A model has room for LoadOptions.Sessions answers at the same time; any
// number of chats may be open, and those that are asked next take the caches of those that were idle for the longest time.
// One chat gives one answer at a time; more than there is room for is refused at once ([ErrBusy], [ErrNoSlot]) and never
// waited for. Steps of different sessions take turns on the device.
//
// # Memory
//
// A load is planned before anything is allocated: weights, cache and scratch against what the device has free, or what
// Options.MemoryLimit and LoadOptions.MemoryLimit allow. Where no context is asked for, one is chosen that fits; what cannot
// fit is [ErrOutOfMemory], with a sentence that says what would. [Inspect] reads a model without a device, and
// [Inspection.Fits] tells which device could hold it.
//
// # Manners
//
// Options are structs whose zero value is a good default. Errors that programs branch on are sentinels: test them with
// errors.Is. The package prints nothing, handles no signals, ends no process and has no global state; what is worth a line
// goes to Options.Log.
//
// docs/embedding.md in the repository has five recipes that are whole programs.
package qwenvk
