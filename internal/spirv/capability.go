package spirv

import "fmt"

// Capability is a number of the specification's table "Capability".
type Capability uint32

// The capabilities that kernels declare or must not.
const (
	Shader                Capability = 1
	Float16               Capability = 9
	Float64               Capability = 10
	Int64                 Capability = 11
	Int16                 Capability = 22
	Int8                  Capability = 39
	GroupNonUniform       Capability = 61
	GroupNonUniformArith  Capability = 63
	StorageBuffer16Bit    Capability = 4433
	StorageBuffer8Bit     Capability = 4448
	VulkanMemoryModel     Capability = 5345
	CooperativeMatrixKHR  Capability = 6022
	DotProductInput4x8Bit Capability = 6018
	DotProduct            Capability = 6019
)

var capabilityNames = map[Capability]string{
	Shader: "Shader", Float16: "Float16", Float64: "Float64", Int64: "Int64", Int16: "Int16", Int8: "Int8",
	GroupNonUniform: "GroupNonUniform", GroupNonUniformArith: "GroupNonUniformArithmetic",
	StorageBuffer16Bit: "StorageBuffer16BitAccess", StorageBuffer8Bit: "StorageBuffer8BitAccess",
	VulkanMemoryModel: "VulkanMemoryModel", CooperativeMatrixKHR: "CooperativeMatrixKHR",
	DotProductInput4x8Bit: "DotProductInput4x8BitPacked", DotProduct: "DotProduct",
}

func (c Capability) String() string {
	if name, ok := capabilityNames[c]; ok {
		return name
	}
	return fmt.Sprintf("capability %d", uint32(c))
}
