package vk

import (
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
)

// DeviceType says what kind of hardware a device is.
type DeviceType uint32

// The values of VkPhysicalDeviceType.
const (
	Other DeviceType = iota
	Integrated
	Discrete
	Virtual
	Software
)

func (t DeviceType) String() string {
	names := []string{"other", "integrated", "discrete", "virtual", "software"}
	if int(t) < len(names) {
		return names[t]
	}
	return fmt.Sprintf("type %d", uint32(t))
}

// UUID identifies a device across processes and restarts.
type UUID [16]byte

// String returns the usual 8-4-4-4-12 form.
func (u UUID) String() string {
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// Version is Vulkan's packed major.minor.patch.
type Version uint32

// MakeVersion packs a version.
func MakeVersion(major, minor, patch uint32) Version {
	return Version(major<<22 | minor<<12 | patch)
}

func (v Version) String() string {
	return fmt.Sprintf("%d.%d.%d", v>>22&0x7f, v>>12&0x3ff, v&0xfff)
}

// MemoryHeap is one pool of physical memory.
type MemoryHeap struct {
	Size        uint64 // bytes
	DeviceLocal bool
}

// MemoryType is one way to use a heap.
type MemoryType struct {
	Heap                                               int
	DeviceLocal, HostVisible, HostCoherent, HostCached bool
	// Special types (protected, lazily allocated, vendor extensions) are never
	// chosen for a buffer.
	Special bool
}

// Component is the element type of a cooperative matrix, with the values of
// VkComponentTypeKHR.
type Component uint32

// Component types that kernels use.
const (
	Float16 Component = 0
	Float32 Component = 1
	Sint8   Component = 3
	Sint32  Component = 5
	Uint8   Component = 7
	Uint32  Component = 9
	BF16    Component = 1000141000
)

// MatrixShape is a product A[M,K] · B[K,N] + C[M,N] → R[M,N] that the matrix
// units compute.
type MatrixShape struct {
	M, N, K    uint32
	A, B, C, R Component
	Saturating bool
	Subgroup   bool // scope subgroup; others are not used
}

// CoopMatrix2 are the parts of VK_NV_cooperative_matrix2 that a device has.
type CoopMatrix2 struct {
	WorkgroupScope, FlexibleDimensions, Reductions, Conversions bool
	PerElementOperations, TensorAddressing, BlockLoads          bool
}

// Subgroup operation bits (VkSubgroupFeatureFlagBits).
const (
	SubgroupBasic           = 1 << 0
	SubgroupVote            = 1 << 1
	SubgroupArithmetic      = 1 << 2
	SubgroupBallot          = 1 << 3
	SubgroupShuffle         = 1 << 4
	SubgroupShuffleRelative = 1 << 5
	SubgroupClustered       = 1 << 6
	SubgroupQuad            = 1 << 7
)

// Caps are the facts about a device that decide which kernels run on it, read
// from the driver and possibly narrowed by a [Mask].
type Caps struct {
	Index              int // place in Instance.Devices
	Name               string
	Type               DeviceType
	VendorID, DeviceID uint32
	UUID               UUID
	DriverUUID         UUID
	CacheUUID          UUID // changes whenever pipeline binaries become invalid
	DriverName         string
	DriverInfo         string
	DriverVersion      uint32 // packed as the vendor likes
	APIVersion         Version

	MaxStorageBufferRange uint64 // bytes of one binding
	MaxAllocationSize     uint64 // bytes of one allocation
	MaxBufferSize         uint64
	MaxAllocations        uint32
	MaxSharedBytes        uint32
	MaxInvocations        uint32 // of a workgroup
	MaxWorkgroupSize      [3]uint32
	MaxGroups             [3]uint32
	MaxPushBytes          uint32
	MaxBoundSets          uint32
	MaxStorageBuffers     uint32 // per pipeline
	StorageAlign          uint64 // of a binding's offset
	NonCoherentAtom       uint64
	TimestampPeriod       float64 // nanoseconds per tick
	TimestampBits         uint32  // 0: no timestamps

	SubgroupSize                     uint32 // the driver's default; 1 when masked away
	MinSubgroupSize, MaxSubgroupSize uint32 // what a pipeline may require
	SubgroupOps                      uint32 // Subgroup* bits usable in compute
	SubgroupSizeControl              bool   // a pipeline may require a size
	FullSubgroups                    bool   // a pipeline may require full subgroups

	Storage16, Storage8          bool // 16- and 8-bit elements in storage buffers
	Float16                      bool // half arithmetic
	Int8, Int16, Int64           bool // integer arithmetic
	DotProduct                   bool // packed integer dot product, maybe emulated
	DotProductAccelerated        bool
	BFloat16                     bool
	VulkanMemoryModel            bool // with device scope
	CooperativeMatrix            []MatrixShape
	CooperativeMatrix2           CoopMatrix2
	ExecutableStatistics         bool // Pipeline.Statistics has something to say
	MemoryBudget, GlobalPriority bool

	Heaps       []MemoryHeap
	Types       []MemoryType
	DeviceBytes uint64 // size of the largest device-local heap
	FreeBytes   uint64 // of it, when the caps were read; DeviceBytes where unknown
}

// Capability is something a kernel may need.
type Capability string

// The capabilities. A device has one if [Caps.Has] says so.
const (
	CapStorage16               Capability = "storage16"
	CapStorage8                Capability = "storage8"
	CapFloat16                 Capability = "float16"
	CapInt8                    Capability = "int8"
	CapInt16                   Capability = "int16"
	CapInt64                   Capability = "int64"
	CapBFloat16                Capability = "bfloat16"
	CapSubgroupBasic           Capability = "subgroup-basic"
	CapSubgroupVote            Capability = "subgroup-vote"
	CapSubgroupArithmetic      Capability = "subgroup-arithmetic"
	CapSubgroupBallot          Capability = "subgroup-ballot"
	CapSubgroupShuffle         Capability = "subgroup-shuffle"
	CapSubgroupShuffleRelative Capability = "subgroup-shuffle-relative"
	CapSubgroupClustered       Capability = "subgroup-clustered"
	CapSubgroupQuad            Capability = "subgroup-quad"
	CapSubgroupSizeControl     Capability = "subgroup-size-control"
	CapFullSubgroups           Capability = "full-subgroups"
	CapIntegerDot              Capability = "integer-dot" // accelerated
	CapMemoryModel             Capability = "memory-model"
	CapCoopMatrix              Capability = "coopmat" // in a shape that kernels use: see Caps.MatrixUnit
	CapCoopMatrix2             Capability = "coopmat2"
)

// capabilities says where each capability stands in Caps, and how to hide it.
var capabilities = map[Capability]struct {
	has  func(*Caps) bool
	hide func(*Caps)
}{
	CapStorage16: {func(c *Caps) bool { return c.Storage16 }, func(c *Caps) { c.Storage16 = false }},
	CapStorage8:  {func(c *Caps) bool { return c.Storage8 }, func(c *Caps) { c.Storage8 = false }},
	CapFloat16:   {func(c *Caps) bool { return c.Float16 }, func(c *Caps) { c.Float16 = false }},
	CapInt8:      {func(c *Caps) bool { return c.Int8 }, func(c *Caps) { c.Int8 = false }},
	CapInt16:     {func(c *Caps) bool { return c.Int16 }, func(c *Caps) { c.Int16 = false }},
	CapInt64:     {func(c *Caps) bool { return c.Int64 }, func(c *Caps) { c.Int64 = false }},
	CapBFloat16:  {func(c *Caps) bool { return c.BFloat16 }, func(c *Caps) { c.BFloat16 = false }},

	CapSubgroupBasic:           subgroupOp(SubgroupBasic),
	CapSubgroupVote:            subgroupOp(SubgroupVote),
	CapSubgroupArithmetic:      subgroupOp(SubgroupArithmetic),
	CapSubgroupBallot:          subgroupOp(SubgroupBallot),
	CapSubgroupShuffle:         subgroupOp(SubgroupShuffle),
	CapSubgroupShuffleRelative: subgroupOp(SubgroupShuffleRelative),
	CapSubgroupClustered:       subgroupOp(SubgroupClustered),
	CapSubgroupQuad:            subgroupOp(SubgroupQuad),

	CapSubgroupSizeControl: {func(c *Caps) bool { return c.SubgroupSizeControl }, func(c *Caps) { c.SubgroupSizeControl = false }},
	CapFullSubgroups:       {func(c *Caps) bool { return c.FullSubgroups }, func(c *Caps) { c.FullSubgroups = false }},

	CapIntegerDot: {
		func(c *Caps) bool { return c.DotProductAccelerated },
		func(c *Caps) { c.DotProduct, c.DotProductAccelerated = false, false },
	},
	CapMemoryModel: {func(c *Caps) bool { return c.VulkanMemoryModel }, func(c *Caps) { c.VulkanMemoryModel = false }},
	CapCoopMatrix: {
		func(c *Caps) bool { _, ok := c.MatrixUnit(); return ok },
		func(c *Caps) { c.CooperativeMatrix = nil },
	},
	CapCoopMatrix2: {
		func(c *Caps) bool { return c.CooperativeMatrix2.FlexibleDimensions },
		func(c *Caps) { c.CooperativeMatrix2 = CoopMatrix2{} },
	},
}

type capability = struct {
	has  func(*Caps) bool
	hide func(*Caps)
}

func subgroupOp(bit uint32) capability {
	return capability{
		func(c *Caps) bool { return c.SubgroupOps&bit != 0 },
		func(c *Caps) { c.SubgroupOps &^= bit },
	}
}

// Has reports whether the device has the capability; one that this package
// does not know is never there.
func (c *Caps) Has(k Capability) bool {
	entry, ok := capabilities[k]
	return ok && entry.has(c)
}

// tiers are the capability groups. No group implies another.
var tiers = [...][]Capability{
	0: nil, // Vulkan 1.1, 32-bit storage
	1: {CapStorage16, CapStorage8, CapFloat16, CapSubgroupArithmetic},
	2: {CapIntegerDot},
	3: {CapCoopMatrix},
	4: {CapCoopMatrix2},
}

// TierCapabilities returns the capabilities of group n; nil beyond the last.
func TierCapabilities(n int) []Capability {
	if n < 0 || n >= len(tiers) {
		return nil
	}
	return slices.Clone(tiers[n])
}

// Tier returns the highest group all of whose capabilities the device has, and
// the reason in words. A lower group may still be missing.
func (c *Caps) Tier() (tier int, why string) {
	for n := len(tiers) - 1; n > 0; n-- {
		missing := slices.DeleteFunc(slices.Clone(tiers[n]), c.Has)
		if len(missing) == 0 {
			return n, fmt.Sprintf("has %s", join(tiers[n]))
		}
	}
	missing := slices.DeleteFunc(slices.Clone(tiers[1]), c.Has)
	return 0, fmt.Sprintf("lacks %s", join(missing))
}

func join(list []Capability) string {
	s := ""
	for i, k := range list {
		if i > 0 {
			s += ", "
		}
		s += string(k)
	}
	return s
}

// clone returns a copy that shares nothing.
func (c *Caps) clone() Caps {
	out := *c
	out.CooperativeMatrix = slices.Clone(c.CooperativeMatrix)
	out.Heaps = slices.Clone(c.Heaps)
	out.Types = slices.Clone(c.Types)
	return out
}

// Capabilities lists all that there are, by name.
func Capabilities() []Capability {
	return slices.Sorted(maps.Keys(capabilities))
}
