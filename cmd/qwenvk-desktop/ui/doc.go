// Package ui is the desktop program's user interface without a window: what is typed, clicked and told goes in, and a display
// list and [Action]s come out. Nothing here knows Vulkan, GLFW or a model, so that all of it is tested without them.
//
// An [App] is the whole window. It lays the conversation out with a [Kit] (fonts, atlas and scale), edits the question in an
// [Editor], and is drawn anew whenever [App.Dirty] says that something changed.
package ui
