package vk

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// spirvNeeds says what the device must have for a SPIR-V capability, by its
// number. Others than these are core or never used; the driver judges them.
//
// The check is not a courtesy: a driver that meets a capability which it lacks,
// or which was not enabled, may crash the process.
var spirvNeeds = map[uint32]struct {
	name string
	has  func(*Caps) bool
}{
	9:    {"Float16", needs(CapFloat16)},
	10:   {"Float64", func(*Caps) bool { return false }},
	11:   {"Int64", needs(CapInt64)},
	22:   {"Int16", needs(CapInt16)},
	39:   {"Int8", needs(CapInt8)},
	61:   {"GroupNonUniform", needs(CapSubgroupBasic)},
	62:   {"GroupNonUniformVote", needs(CapSubgroupVote)},
	63:   {"GroupNonUniformArithmetic", needs(CapSubgroupArithmetic)},
	64:   {"GroupNonUniformBallot", needs(CapSubgroupBallot)},
	65:   {"GroupNonUniformShuffle", needs(CapSubgroupShuffle)},
	66:   {"GroupNonUniformShuffleRelative", needs(CapSubgroupShuffleRelative)},
	67:   {"GroupNonUniformClustered", needs(CapSubgroupClustered)},
	68:   {"GroupNonUniformQuad", needs(CapSubgroupQuad)},
	4433: {"StorageBuffer16BitAccess", needs(CapStorage16)},
	4434: {"UniformAndStorageBuffer16BitAccess", func(*Caps) bool { return false }},
	4448: {"StorageBuffer8BitAccess", needs(CapStorage8)},
	4449: {"UniformAndStorageBuffer8BitAccess", func(*Caps) bool { return false }},
	5116: {"BFloat16TypeKHR", needs(CapBFloat16)},
	5345: {"VulkanMemoryModel", needs(CapMemoryModel)},
	5430: {"CooperativeMatrixReductionsNV", func(c *Caps) bool { return c.CooperativeMatrix2.Reductions }},
	5431: {"CooperativeMatrixConversionsNV", func(c *Caps) bool { return c.CooperativeMatrix2.Conversions }},
	5432: {"CooperativeMatrixPerElementOperationsNV", func(c *Caps) bool { return c.CooperativeMatrix2.PerElementOperations }},
	5433: {"CooperativeMatrixTensorAddressingNV", func(c *Caps) bool { return c.CooperativeMatrix2.TensorAddressing }},
	5434: {"CooperativeMatrixBlockLoadsNV", func(c *Caps) bool { return c.CooperativeMatrix2.BlockLoads }},
	5439: {"TensorAddressingNV", func(c *Caps) bool { return c.CooperativeMatrix2.TensorAddressing }},
	6016: {"DotProductInputAll", func(c *Caps) bool { return c.DotProduct }},
	6017: {"DotProductInput4x8Bit", func(c *Caps) bool { return c.DotProduct }},
	6018: {"DotProductInput4x8BitPacked", func(c *Caps) bool { return c.DotProduct }},
	6019: {"DotProduct", func(c *Caps) bool { return c.DotProduct }},
	6022: {"CooperativeMatrixKHR", needs(CapCoopMatrix)},
}

func needs(k Capability) func(*Caps) bool { return func(c *Caps) bool { return c.Has(k) } }

// checkSPIRV returns an error unless code looks like a SPIR-V module and the
// device has what it declares to need.
func checkSPIRV(code []byte, c *Caps) error {
	const (
		magic         = 0x07230203
		header        = 5 // words
		opCapability  = 17
		maxModuleSize = 16 << 20
	)
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(code[4*i:]) }
	n := len(code) / 4
	if n < header || len(code)%4 != 0 || len(code) > maxModuleSize || word(0) != magic {
		return errors.New("the code is no SPIR-V module")
	}
	// Capabilities come first in a module.
	for i := header; i+1 < n && word(i)&0xffff == opCapability; i += 2 {
		if word(i)>>16 != 2 {
			return errors.New("the code is no SPIR-V module")
		}
		if need, ok := spirvNeeds[word(i+1)]; ok && !need.has(c) {
			return fmt.Errorf("the kernel needs SPIR-V capability %s: %w", need.name, ErrUnsupported)
		}
	}
	return nil
}
