package vk

import "fmt"

// minAllocation (bytes) keeps a masked device able to stage and align.
const minAllocation = 4096

// AllTiers is the Mask.MaxTier that hides no group.
const AllTiers = -1

// Mask narrows the capabilities of a device, so that a strong device can be
// tested as a weak one. Hidden features are not enabled either: the validation
// layer reports a kernel that uses one.
//
// The zero Mask hides every group above 0; start from Mask{MaxTier: AllTiers}
// to hide nothing.
type Mask struct {
	// MaxTier hides the capabilities of all groups above it (AllTiers: none).
	MaxTier int
	// Vulkan11Only treats the device as one of Vulkan 1.1. What it offers as an
	// extension stays.
	Vulkan11Only bool
	// Hide hides single capabilities.
	Hide []Capability
	// SubgroupSize fixes the subgroup size; the device must be able to run it.
	// 0 leaves it.
	SubgroupSize uint32
	// NoSubgroups hides all subgroup operations.
	NoSubgroups bool
	// EmulatedDot counts an integer dot product that the driver emulates as
	// accelerated, to run its kernels on a software device.
	EmulatedDot bool
	// MaxStorageBufferRange and MaxAllocationSize (bytes) lower the limits. 0
	// leaves them.
	MaxStorageBufferRange, MaxAllocationSize uint64
	// StorageAlign raises the alignment of binding offsets (a power of two). 0
	// leaves it.
	StorageAlign uint64
	// ForceStaging hides that device memory can be mapped, so that uploads and
	// downloads take the staging ring.
	ForceStaging bool
}

// apply narrows c. Vulkan11Only is done by whoever reads c.
func (m *Mask) apply(c *Caps) error {
	if m.EmulatedDot {
		c.DotProductAccelerated = c.DotProduct
	}
	for n := range tiers {
		if m.MaxTier >= 0 && n > m.MaxTier {
			for _, k := range tiers[n] {
				capabilities[k].hide(c)
			}
		}
	}
	for _, k := range m.Hide {
		entry, ok := capabilities[k]
		if !ok {
			return fmt.Errorf("vk: mask: unknown capability %q", k)
		}
		entry.hide(c)
	}
	if n := m.SubgroupSize; n != 0 && n != c.SubgroupSize {
		if n&(n-1) != 0 || !c.SubgroupSizeControl || n < c.MinSubgroupSize || n > c.MaxSubgroupSize {
			return fmt.Errorf("vk: mask: %s runs subgroups of %d to %d, not of %d: %w",
				c.Name, c.MinSubgroupSize, c.MaxSubgroupSize, n, ErrUnsupported)
		}
		c.SubgroupSize = n
	}
	if m.NoSubgroups {
		c.SubgroupOps, c.SubgroupSize = 0, 1
		c.SubgroupSizeControl, c.FullSubgroups = false, false
	}
	if n := m.MaxStorageBufferRange; n != 0 {
		c.MaxStorageBufferRange = min(c.MaxStorageBufferRange, n)
	}
	if n := m.MaxAllocationSize; n != 0 {
		if n < minAllocation {
			return fmt.Errorf("vk: mask: allocations of at most %d bytes; use %d at least", n, minAllocation)
		}
		c.MaxAllocationSize = min(c.MaxAllocationSize, n)
	}
	if n := m.StorageAlign; n != 0 {
		if n&(n-1) != 0 {
			return fmt.Errorf("vk: mask: alignment %d is no power of two", n)
		}
		c.StorageAlign = max(c.StorageAlign, n)
	}
	return nil
}
