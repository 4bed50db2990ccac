// Package core is the cgo ground floor of package vk: the calls that the
// binding github.com/vulkan-go/vulkan lacks, and those it gets wrong.
//
// The binding knows Vulkan 1.0 and copies a slice of structures into C memory
// that a garbage collection during the call frees. So everything that takes or
// fills such a slice, or strings, at any depth is done here (creation of
// instance, device and layouts, enumerations, barriers, copies, descriptor
// writes, pipelines, submits, flushes), and so is everything younger than 1.0
// (feature and property chains, memory budget, debug messages, executable
// statistics). Package vk uses the binding for the rest.
//
// # Rules of this package
//
//   - Vulkan is declared in vulkan.h, just the part that is called. A build needs
//     gcc and a C library, no Vulkan headers; a test compares the declarations
//     with the Khronos headers where they are installed.
//   - Handles cross the border as [Handle], an integer: a driver may hand out any
//     64 bits, which must never stand in a pointer that the garbage collector reads.
//   - Go memory given to C holds no Go pointer and is not kept: arrays are flat
//     structures of integers. What Vulkan wants to keep, or to find through a
//     pointer, lives in C memory ([Arena]).
//   - A whole recording is one call ([Device.Record]); so are a submit and a wait.
//   - Nothing here decides anything; package vk does.
package core
