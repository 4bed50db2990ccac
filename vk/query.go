package vk

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	vgo "github.com/vulkan-go/vulkan"

	"github.com/qwenvk/qwenvk/vk/internal/core"
)

// extension is a device extension that this package uses, the chain structure
// that comes with it, and the core version that contains it.
type extension struct {
	name     string
	has      uint32
	core     Version // 0: never in core
	features string  // that it brings, as Vulkan spells them
}

var (
	v11 = MakeVersion(1, 1, 0)
	v12 = MakeVersion(1, 2, 0)
	v13 = MakeVersion(1, 3, 0)
)

// Most features are asked for through the structure of their extension, which
// the core version that took the extension over understands as well. So one
// table serves every device from 1.1 on.
var extensions = []extension{
	{"VK_KHR_8bit_storage", core.Has8BitStorage, v12, "storageBuffer8BitAccess"},
	{"VK_KHR_shader_float16_int8", core.HasFloat16Int8, v12, "shaderFloat16 shaderInt8"},
	{"VK_KHR_vulkan_memory_model", core.HasMemoryModel, v12, "vulkanMemoryModel"},
	{"VK_KHR_driver_properties", core.HasDriver, v12, ""},
	{"VK_EXT_subgroup_size_control", core.HasSubgroupSize, v13, "subgroupSizeControl computeFullSubgroups"},
	{"VK_KHR_shader_integer_dot_product", core.HasDotProduct, v13, "shaderIntegerDotProduct"},
	{"VK_KHR_maintenance4", core.HasMaintenance4, v13, "maintenance4"},
	{"VK_KHR_cooperative_matrix", core.HasCoopMat, 0, "cooperativeMatrix"},
	{"VK_NV_cooperative_matrix2", core.HasCoopMat2, 0, coopMatrix2Features},
	{"VK_KHR_shader_bfloat16", core.HasBFloat16, 0, "shaderBFloat16Type shaderBFloat16CooperativeMatrix"},
	{"VK_KHR_pipeline_executable_properties", core.HasExecutable, 0, "pipelineExecutableInfo"},
	{extMemoryBudget, 0, 0, ""},
	{extPriorityKHR, 0, 0, ""},
	{extPriorityEXT, 0, 0, ""},
	{extPortability, 0, 0, ""}, // must be enabled where it is listed
}

const (
	extMemoryBudget = "VK_EXT_memory_budget"
	extPriorityKHR  = "VK_KHR_global_priority"
	extPriorityEXT  = "VK_EXT_global_priority"
	extPortability  = "VK_KHR_portability_subset"

	coopMatrix2Features = "cooperativeMatrixWorkgroupScope cooperativeMatrixFlexibleDimensions cooperativeMatrixReductions " +
		"cooperativeMatrixConversions cooperativeMatrixPerElementOperations cooperativeMatrixTensorAddressing cooperativeMatrixBlockLoads"
)

// chain returns which chain structures a device of this version with these
// extensions understands.
func chain(version Version, listed []string) (has uint32) {
	for _, e := range extensions {
		if slices.Contains(listed, e.name) || e.core != 0 && version >= e.core {
			has |= e.has
		}
	}
	return has
}

// enabled are the names of the extensions that a device of p is opened with.
func (p *PhysicalDevice) enabled() []string {
	var names []string
	for _, e := range extensions {
		if slices.Contains(p.listed, e.name) && (e.core == 0 || p.version < e.core) {
			names = append(names, e.name)
		}
	}
	return names
}

// PhysicalDevice is a device of the machine, not opened yet.
type PhysicalDevice struct {
	Caps Caps

	in       *Instance
	handle   vgo.PhysicalDevice
	listed   []string // extensions
	features core.Features
	family   uint32 // queue family
	version  Version
}

// String returns the line that `devices` and error messages print.
func (p *PhysicalDevice) String() string {
	return fmt.Sprintf("%d: %s (%s, %s)", p.Caps.Index, p.Caps.Name, p.Caps.Type, p.Caps.UUID)
}

// read fills p for a device of version at most newest.
func (in *Instance) read(handle core.Handle, newest Version) (*PhysicalDevice, error) {
	p := &PhysicalDevice{in: in, handle: core.ToBinding[vgo.PhysicalDevice](handle)}
	c := &p.Caps

	var props vgo.PhysicalDeviceProperties
	vgo.GetPhysicalDeviceProperties(p.handle, &props)
	props.Deref()
	props.Limits.Deref()
	defer props.Free()
	c.Name = vgo.ToString(props.DeviceName[:])
	c.Type = DeviceType(props.DeviceType)
	c.VendorID, c.DeviceID = props.VendorID, props.DeviceID
	c.DriverVersion = props.DriverVersion
	c.APIVersion = min(Version(props.ApiVersion), newest)
	c.CacheUUID = UUID(props.PipelineCacheUUID)
	if c.APIVersion < v11 {
		return nil, fmt.Errorf("%s has Vulkan %s only; 1.1 is needed", c.Name, c.APIVersion)
	}
	// The instance asks for 1.3, so nothing newer is core here.
	p.version = min(c.APIVersion, MakeVersion(1, 3, 0xfff))
	readLimits(c, &props.Limits)

	var err error
	if p.listed, err = in.core.DeviceExtensions(handle); err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	has := chain(p.version, p.listed)
	features, extra := in.core.Query(handle, has)
	p.features = features
	if in.host != nil {
		if err := in.host.declared(p); err != nil {
			return nil, err
		}
		features = p.features
	}
	readExtra(c, features, extra)
	c.MemoryBudget = slices.Contains(p.listed, extMemoryBudget)
	c.GlobalPriority = slices.Contains(p.listed, extPriorityKHR) || slices.Contains(p.listed, extPriorityEXT)
	if features.CoopMat {
		c.CooperativeMatrix = shapes(in, handle)
	}

	families := in.core.QueueFamilies(handle)
	if in.host != nil {
		p.family, err = in.host.family(families, c)
	} else {
		p.family, err = computeFamily(families, c)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", c.Name, err)
	}
	readMemory(p, handle)
	return p, nil
}

func readLimits(c *Caps, l *vgo.PhysicalDeviceLimits) {
	c.MaxStorageBufferRange = uint64(l.MaxStorageBufferRange)
	c.MaxAllocations = l.MaxMemoryAllocationCount
	c.MaxSharedBytes = l.MaxComputeSharedMemorySize
	c.MaxInvocations = l.MaxComputeWorkGroupInvocations
	c.MaxWorkgroupSize = l.MaxComputeWorkGroupSize
	c.MaxGroups = l.MaxComputeWorkGroupCount
	c.MaxPushBytes = l.MaxPushConstantsSize
	c.MaxBoundSets = l.MaxBoundDescriptorSets
	c.MaxStorageBuffers = min(l.MaxPerStageDescriptorStorageBuffers, l.MaxDescriptorSetStorageBuffers)
	c.StorageAlign = max(uint64(l.MinStorageBufferOffsetAlignment), 4)
	c.NonCoherentAtom = max(uint64(l.NonCoherentAtomSize), 1)
	c.TimestampPeriod = float64(l.TimestampPeriod)
}

func readExtra(c *Caps, f core.Features, p core.Properties) {
	c.UUID, c.DriverUUID = UUID(p.DeviceUUID), UUID(p.DriverUUID)
	c.DriverName, c.DriverInfo = p.DriverName, p.DriverInfo
	c.MaxAllocationSize = p.MaxAllocationSize
	c.MaxBufferSize = p.MaxBufferSize
	if c.MaxBufferSize == 0 { // no maintenance4: what can be allocated bounds it
		c.MaxBufferSize = c.MaxAllocationSize
	}
	c.SubgroupSize = max(p.SubgroupSize, 1)
	c.MinSubgroupSize, c.MaxSubgroupSize = c.SubgroupSize, c.SubgroupSize
	if p.SubgroupStages&uint32(vgo.ShaderStageComputeBit) != 0 {
		c.SubgroupOps = p.SubgroupOps
	}
	if p.MaxSubgroupSize != 0 {
		c.MinSubgroupSize, c.MaxSubgroupSize = p.MinSubgroupSize, p.MaxSubgroupSize
	}
	c.SubgroupSizeControl = f.SubgroupSize && p.SizeStages&uint32(vgo.ShaderStageComputeBit) != 0
	c.FullSubgroups = f.FullSubgroups
	c.Int16, c.Int64 = f.Int16, f.Int64
	c.Storage16, c.Storage8 = f.Storage16, f.Storage8
	c.Float16, c.Int8 = f.Float16, f.Int8
	c.DotProduct = f.DotProduct
	c.DotProductAccelerated = f.DotProduct && p.DotAccelerated
	c.BFloat16 = f.BFloat16
	c.VulkanMemoryModel = f.MemoryModel
	c.CooperativeMatrix2 = CoopMatrix2(f.CoopMat2)
	c.ExecutableStatistics = f.ExecutableInfo
}

func shapes(in *Instance, handle core.Handle) []MatrixShape {
	const scopeSubgroup = 3
	list, _ := in.core.MatrixShapes(handle)
	out := make([]MatrixShape, len(list))
	for i, s := range list {
		out[i] = MatrixShape{
			M: s.M, N: s.N, K: s.K,
			A: Component(s.A), B: Component(s.B), C: Component(s.C), R: Component(s.R),
			Saturating: s.Saturating, Subgroup: s.Scope == scopeSubgroup,
		}
	}
	return out
}

// computeFamily picks the queue family.
func computeFamily(families []core.QueueFamily, c *Caps) (uint32, error) {
	usable := computeFamilies(families)
	if len(usable) == 0 {
		return 0, fmt.Errorf("no compute queue: %w", ErrUnsupported)
	}
	c.TimestampBits = families[usable[0]].TimestampBits
	if c.TimestampPeriod <= 0 {
		c.TimestampBits = 0
	}
	return usable[0], nil
}

// computeFamilies are the queue families that compute, those first that do not draw: with them a desktop stays fluent and
// a graphics watchdog does not apply.
func computeFamilies(families []core.QueueFamily) []uint32 {
	var apart, drawing []uint32
	for i, f := range families {
		switch {
		case f.Flags&uint32(vgo.QueueComputeBit) == 0 || f.Count == 0:
		case f.Flags&uint32(vgo.QueueGraphicsBit) == 0:
			apart = append(apart, uint32(i))
		default:
			drawing = append(drawing, uint32(i))
		}
	}
	return append(apart, drawing...)
}

func readMemory(p *PhysicalDevice, handle core.Handle) {
	c := &p.Caps
	var m vgo.PhysicalDeviceMemoryProperties
	vgo.GetPhysicalDeviceMemoryProperties(p.handle, &m)
	m.Deref()
	defer m.Free()
	largest := -1
	for i := range int(m.MemoryHeapCount) {
		h := m.MemoryHeaps[i]
		h.Deref()
		heap := MemoryHeap{uint64(h.Size), h.Flags&vgo.MemoryHeapFlags(vgo.MemoryHeapDeviceLocalBit) != 0}
		c.Heaps = append(c.Heaps, heap)
		if heap.DeviceLocal && (largest < 0 || heap.Size > c.Heaps[largest].Size) {
			largest = i
		}
	}
	for i := range int(m.MemoryTypeCount) {
		t := m.MemoryTypes[i]
		t.Deref()
		flags := uint32(t.PropertyFlags)
		has := func(bit vgo.MemoryPropertyFlagBits) bool { return flags&uint32(bit) != 0 }
		const usual = 0xf
		c.Types = append(c.Types, MemoryType{
			Heap:         int(t.HeapIndex),
			DeviceLocal:  has(vgo.MemoryPropertyDeviceLocalBit),
			HostVisible:  has(vgo.MemoryPropertyHostVisibleBit),
			HostCoherent: has(vgo.MemoryPropertyHostCoherentBit),
			HostCached:   has(vgo.MemoryPropertyHostCachedBit),
			Special:      flags&^usual != 0,
		})
	}
	if largest < 0 {
		return
	}
	c.DeviceBytes = c.Heaps[largest].Size
	c.FreeBytes = c.DeviceBytes
	if c.MemoryBudget {
		budget, usage := p.in.core.Budget(handle)
		c.FreeBytes = free(budget[largest], usage[largest])
	}
}

func free(budget, usage uint64) uint64 {
	if usage >= budget {
		return 0
	}
	return budget - usage
}

// choose applies the rules of Instance.Choose to a list of caps and returns
// the index into it.
func choose(list []*Caps, selector string) (int, error) {
	if len(list) == 0 {
		return 0, kind{"vk: the Vulkan drivers found no device", ErrNoDevice}
	}
	if selector == "" {
		best := 0
		for i, c := range list {
			if rank(c) > rank(list[best]) || rank(c) == rank(list[best]) && c.DeviceBytes > list[best].DeviceBytes {
				best = i
			}
		}
		return best, nil
	}
	// One or two digits are an index and never part of a name: "9" must not find
	// an RTX 4090, while "4090" may.
	_, err := strconv.ParseUint(selector, 10, 8)
	index := err == nil && len(selector) <= 2
	var matches []int
	for i, c := range list {
		if selector == fmt.Sprint(c.Index) || strings.EqualFold(selector, c.UUID.String()) {
			return i, nil
		}
		if !index && strings.Contains(strings.ToLower(c.Name), strings.ToLower(selector)) {
			matches = append(matches, i)
		}
	}
	switch len(matches) {
	case 1:
		return matches[0], nil
	case 0:
		return 0, kind{fmt.Sprintf("vk: no device is called %q; there are: %s", selector, listing(list)), ErrNoDevice}
	default:
		return 0, kind{fmt.Sprintf("vk: %q fits several devices; choose by index: %s", selector, listing(list)), ErrNoDevice}
	}
}

// rank orders the kinds of device: never an integrated one where a card is.
func rank(c *Caps) int {
	switch c.Type {
	case Discrete:
		return 4
	case Integrated:
		return 3
	case Virtual:
		return 2
	case Other:
		return 1
	}
	return 0
}

func listing(list []*Caps) string {
	lines := make([]string, len(list))
	for i, c := range list {
		lines[i] = fmt.Sprintf("%d %s (%s, %s)", c.Index, c.Name, c.Type, c.UUID)
	}
	return strings.Join(lines, ", ")
}
