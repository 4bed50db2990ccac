package qwenvk

import (
	"github.com/qwenvk/qwenvk/engine"
	"github.com/qwenvk/qwenvk/graph/vkexec"
	"github.com/qwenvk/qwenvk/loader"
	"github.com/qwenvk/qwenvk/model"
	"github.com/qwenvk/qwenvk/vk"
)

// Errors that programs branch on, for errors.Is.
var (
	// ErrNoLoader: the machine has no Vulkan loader (libvulkan.so.1, vulkan-1.dll, libMoltenVK).
	ErrNoLoader = vk.ErrNoLoader
	// ErrNoDevice: no Vulkan device, or none of that name.
	ErrNoDevice = vk.ErrNoDevice
	// ErrOutOfMemory: weights, cache or scratch do not fit the device.
	ErrOutOfMemory = vk.ErrOutOfMemory
	// ErrClosed: the runtime, the model, the chat, the session or the adapter is closed.
	ErrClosed = engine.ErrClosed
	// ErrFaultyDevice: the driver computes an operation wrongly in every form, so that no answer could be trusted.
	ErrFaultyDevice = vkexec.ErrFaulty
	// ErrDeviceLost: the driver gave the device up during the call. What is called next opens it again and goes on, see
	// [Model.Reload]; a device that was lent ([OpenWithDevice]) is its program's to replace.
	ErrDeviceLost = vk.ErrDeviceLost
	// ErrUnsupported: the device lacks what is asked of it.
	ErrUnsupported = vk.ErrUnsupported
	// ErrNotFound: no file or folder of that name.
	ErrNotFound = loader.ErrNotFound
	// ErrCorrupt: the file is no model, or damaged.
	ErrCorrupt = loader.ErrCorrupt
	// ErrUnsupportedFormat: a file format or tensor type that this version does not read.
	ErrUnsupportedFormat = loader.ErrUnsupportedModel
	// ErrUnsupportedModel: an architecture or a setting that this version does not compute.
	ErrUnsupportedModel = model.ErrUnsupported
	// ErrWeights: tensors are missing or have the wrong shape.
	ErrWeights = model.ErrWeights
	// ErrContextFull: the prompt is longer than the context.
	ErrContextFull = engine.ErrContextFull
	// ErrNoSlot: as many sessions as the model was loaded for are computing at this moment.
	ErrNoSlot = engine.ErrNoSlot
	// ErrAdapter: the adapter was made for another model.
	ErrAdapter = model.ErrAdapter
	// ErrBusy: the session or the chat has an answer under way, or a session uses the adapter.
	ErrBusy = engine.ErrBusy
	// ErrNotFinite: a logit is not a number.
	ErrNotFinite = vkexec.ErrNotFinite
)
