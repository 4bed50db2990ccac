package vk

// Portable limits. Every kernel keeps them, whatever the device at hand allows:
// software drivers allow far more than cards and MoltenVK do.
const (
	MaxPushBytes      = 128   // push constants of one pipeline
	MaxStorageBuffers = 8     // bindings of one pipeline, all in set 0
	MaxGroups         = 65535 // workgroups per axis
	OffsetAlign       = 256   // bytes; of a binding inside a buffer
	Tier0Shared       = 16 << 10
	Tier0Invocations  = 256
	MaxSharedBytes    = 32 << 10 // above tier 0
)

// alignUp rounds n up to a multiple of align, a power of two. The caller has
// checked that n is far from overflow.
func alignUp(n, align uint64) uint64 { return (n + align - 1) &^ (align - 1) }
