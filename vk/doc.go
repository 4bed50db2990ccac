// Package vk is the Vulkan device layer: instance, device choice, capabilities,
// memory, pipelines, recording and submission.
package vk
