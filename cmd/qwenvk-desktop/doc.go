//go:build desktop

// Command qwenvk-desktop is a chat window that draws itself with Vulkan, on the device and in the VkDevice that the model
// computes on.
//
//	go run -tags desktop ./cmd/qwenvk-desktop [flags] [MODEL]
//
// The build tag keeps it out of `go build ./...`, which needs no headers of a window system. package main is the window (GLFW),
// the device and the model's worker; [github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/ui] is the interface without a window,
// [github.com/qwenvk/qwenvk/cmd/qwenvk-desktop/gpu] the renderer.
//
// The window belongs to the main goroutine, the model to a worker's. The worker tells what happens in events, which the main
// goroutine takes between two frames; a frame is drawn only when something that is seen has changed.
package main
