package core

// #include <stdlib.h>
// #include "core.h"
import "C"

import "unsafe"

// Chain bits: which structures a device understands.
const (
	Has8BitStorage  = C.VC_HAS_8BIT_STORAGE
	HasFloat16Int8  = C.VC_HAS_FLOAT16_INT8
	HasMemoryModel  = C.VC_HAS_MEMORY_MODEL
	HasSubgroupSize = C.VC_HAS_SUBGROUP_SIZE
	HasDotProduct   = C.VC_HAS_DOT_PRODUCT
	HasMaintenance4 = C.VC_HAS_MAINTENANCE_4
	HasDriver       = C.VC_HAS_DRIVER
	HasCoopMat      = C.VC_HAS_COOPMAT
	HasCoopMat2     = C.VC_HAS_COOPMAT2
	HasBFloat16     = C.VC_HAS_BFLOAT16
	HasExecutable   = C.VC_HAS_EXECUTABLE
)

// Features are the features that package vk knows.
type Features struct {
	Int16, Int64    bool
	Storage16       bool // storageBuffer16BitAccess
	Storage8        bool // storageBuffer8BitAccess
	Float16, Int8   bool
	MemoryModel     bool // with device scope, without which the model would forbid what other kernels do
	SubgroupSize    bool // subgroupSizeControl
	FullSubgroups   bool
	DotProduct      bool
	Maintenance4    bool
	CoopMat         bool
	CoopMat2        CoopMat2
	BFloat16        bool // storage and conversion
	BFloat16CoopMat bool
	ExecutableInfo  bool
}

// CoopMat2 are the features of VK_NV_cooperative_matrix2.
type CoopMat2 struct {
	WorkgroupScope, FlexibleDimensions, Reductions, Conversions bool
	PerElementOperations, TensorAddressing, BlockLoads          bool
}

// Row is a feature with the name that its Vulkan structure gives it.
type Row struct {
	Name string
	On   *bool
}

// Rows are all of f, always in the same order.
func (f *Features) Rows() []Row {
	return []Row{
		{"shaderInt16", &f.Int16},
		{"shaderInt64", &f.Int64},
		{"storageBuffer16BitAccess", &f.Storage16},
		{"storageBuffer8BitAccess", &f.Storage8},
		{"shaderFloat16", &f.Float16},
		{"shaderInt8", &f.Int8},
		{"vulkanMemoryModel", &f.MemoryModel},
		{"subgroupSizeControl", &f.SubgroupSize},
		{"computeFullSubgroups", &f.FullSubgroups},
		{"shaderIntegerDotProduct", &f.DotProduct},
		{"maintenance4", &f.Maintenance4},
		{"cooperativeMatrix", &f.CoopMat},
		{"cooperativeMatrixWorkgroupScope", &f.CoopMat2.WorkgroupScope},
		{"cooperativeMatrixFlexibleDimensions", &f.CoopMat2.FlexibleDimensions},
		{"cooperativeMatrixReductions", &f.CoopMat2.Reductions},
		{"cooperativeMatrixConversions", &f.CoopMat2.Conversions},
		{"cooperativeMatrixPerElementOperations", &f.CoopMat2.PerElementOperations},
		{"cooperativeMatrixTensorAddressing", &f.CoopMat2.TensorAddressing},
		{"cooperativeMatrixBlockLoads", &f.CoopMat2.BlockLoads},
		{"shaderBFloat16Type", &f.BFloat16},
		{"shaderBFloat16CooperativeMatrix", &f.BFloat16CoopMat},
		{"pipelineExecutableInfo", &f.ExecutableInfo},
	}
}

// Chain returns the structures that the features which are on stand in.
func (f *Features) Chain() (has uint32) {
	for _, s := range []struct {
		on  bool
		has uint32
	}{
		{f.Storage8, Has8BitStorage},
		{f.Float16 || f.Int8, HasFloat16Int8},
		{f.MemoryModel, HasMemoryModel},
		{f.SubgroupSize || f.FullSubgroups, HasSubgroupSize},
		{f.DotProduct, HasDotProduct},
		{f.Maintenance4, HasMaintenance4},
		{f.CoopMat, HasCoopMat},
		{f.CoopMat2 != CoopMat2{}, HasCoopMat2},
		{f.BFloat16 || f.BFloat16CoopMat, HasBFloat16},
		{f.ExecutableInfo, HasExecutable},
	} {
		if s.on {
			has |= s.has
		}
	}
	return has
}

// Properties are the properties above Vulkan 1.0 that package vk knows. What a
// device does not report stays zero.
type Properties struct {
	DeviceUUID, DriverUUID [16]byte
	DriverName, DriverInfo string

	MaxAllocationSize, MaxBufferSize uint64

	SubgroupSize, SubgroupStages, SubgroupOps uint32
	MinSubgroupSize, MaxSubgroupSize          uint32
	MaxWorkgroupSubgroups, SizeStages         uint32

	DotAccelerated bool // packed 4x8 signed, plain and saturating
}

// Query reads features and properties; has says which chain structures the
// device understands.
func (in *Instance) Query(p Handle, has uint32) (Features, Properties) {
	// The chain holds pointers into itself, so it lives in C memory.
	f := (*C.VcFeatures)(C.calloc(1, C.sizeof_VcFeatures))
	q := (*C.VcProperties)(C.calloc(1, C.sizeof_VcProperties))
	defer C.free(unsafe.Pointer(f))
	defer C.free(unsafe.Pointer(q))
	C.vc_query(in.calls, physical(p), C.uint32_t(has), f, q)
	features := Features{
		Int16:         f.core10.flag[C.VC_FEATURE_SHADER_INT16] != 0,
		Int64:         f.core10.flag[C.VC_FEATURE_SHADER_INT64] != 0,
		Storage16:     f.storage16.storageBuffer16BitAccess != 0,
		Storage8:      f.storage8.storageBuffer8BitAccess != 0,
		Float16:       f.float16_int8.shaderFloat16 != 0,
		Int8:          f.float16_int8.shaderInt8 != 0,
		MemoryModel:   f.memory_model.vulkanMemoryModel != 0 && f.memory_model.vulkanMemoryModelDeviceScope != 0,
		SubgroupSize:  f.subgroup_size.subgroupSizeControl != 0,
		FullSubgroups: f.subgroup_size.computeFullSubgroups != 0,
		DotProduct:    f.dot_product.shaderIntegerDotProduct != 0,
		Maintenance4:  f.maintenance4.maintenance4 != 0,
		CoopMat:       f.coopmat.cooperativeMatrix != 0,
		CoopMat2: CoopMat2{
			WorkgroupScope:       f.coopmat2.cooperativeMatrixWorkgroupScope != 0,
			FlexibleDimensions:   f.coopmat2.cooperativeMatrixFlexibleDimensions != 0,
			Reductions:           f.coopmat2.cooperativeMatrixReductions != 0,
			Conversions:          f.coopmat2.cooperativeMatrixConversions != 0,
			PerElementOperations: f.coopmat2.cooperativeMatrixPerElementOperations != 0,
			TensorAddressing:     f.coopmat2.cooperativeMatrixTensorAddressing != 0,
			BlockLoads:           f.coopmat2.cooperativeMatrixBlockLoads != 0,
		},
		BFloat16:        f.bfloat16.shaderBFloat16Type != 0,
		BFloat16CoopMat: f.bfloat16.shaderBFloat16CooperativeMatrix != 0,
		ExecutableInfo:  f.executable.pipelineExecutableInfo != 0,
	}
	properties := Properties{
		DriverName:            text(q.driver.driverName[:]),
		DriverInfo:            text(q.driver.driverInfo[:]),
		MaxAllocationSize:     uint64(q.maintenance3.maxMemoryAllocationSize),
		MaxBufferSize:         uint64(q.maintenance4.maxBufferSize),
		SubgroupSize:          uint32(q.subgroup.subgroupSize),
		SubgroupStages:        uint32(q.subgroup.supportedStages),
		SubgroupOps:           uint32(q.subgroup.supportedOperations),
		MinSubgroupSize:       uint32(q.subgroup_size.minSubgroupSize),
		MaxSubgroupSize:       uint32(q.subgroup_size.maxSubgroupSize),
		MaxWorkgroupSubgroups: uint32(q.subgroup_size.maxComputeWorkgroupSubgroups),
		SizeStages:            uint32(q.subgroup_size.requiredSubgroupSizeStages),
		DotAccelerated: q.dot_product.accelerated[C.VC_DOT_4X8_PACKED_SIGNED] != 0 &&
			q.dot_product.accelerated[C.VC_DOT_ACC_SAT_4X8_PACKED_SIGNED] != 0,
	}
	for i := range properties.DeviceUUID {
		properties.DeviceUUID[i] = byte(q.id.deviceUUID[i])
		properties.DriverUUID[i] = byte(q.id.driverUUID[i])
	}
	return features, properties
}

// CreateDevice makes a VkDevice with one queue of the family and just these
// features and extensions; has is as for Query.
func (in *Instance) CreateDevice(p Handle, family uint32, lowPriority bool, extensions []string, f Features, has uint32) (Handle, Result) {
	c := (*C.VcFeatures)(C.calloc(1, C.sizeof_VcFeatures))
	defer C.free(unsafe.Pointer(c))
	f.fill(c)
	C.vc_link_features(c, C.uint32_t(has))
	var arena Arena
	defer arena.Free()
	var out Handle
	r := C.vc_create_device(in.calls, physical(p), C.uint32_t(family), bool32(lowPriority),
		(*C.char)(arena.strings(extensions)), C.uint32_t(len(extensions)),
		c, (*C.VcDevice)(unsafe.Pointer(&out)))
	return out, Result(r)
}

func (f *Features) fill(c *C.VcFeatures) {
	c.core10.flag[C.VC_FEATURE_SHADER_INT16] = bool32(f.Int16)
	c.core10.flag[C.VC_FEATURE_SHADER_INT64] = bool32(f.Int64)
	c.storage16.storageBuffer16BitAccess = bool32(f.Storage16)
	c.storage8.storageBuffer8BitAccess = bool32(f.Storage8)
	c.float16_int8.shaderFloat16 = bool32(f.Float16)
	c.float16_int8.shaderInt8 = bool32(f.Int8)
	c.memory_model.vulkanMemoryModel = bool32(f.MemoryModel)
	c.memory_model.vulkanMemoryModelDeviceScope = bool32(f.MemoryModel)
	c.subgroup_size.subgroupSizeControl = bool32(f.SubgroupSize)
	c.subgroup_size.computeFullSubgroups = bool32(f.FullSubgroups)
	c.dot_product.shaderIntegerDotProduct = bool32(f.DotProduct)
	c.maintenance4.maintenance4 = bool32(f.Maintenance4)
	c.coopmat.cooperativeMatrix = bool32(f.CoopMat)
	c.coopmat2.cooperativeMatrixWorkgroupScope = bool32(f.CoopMat2.WorkgroupScope)
	c.coopmat2.cooperativeMatrixFlexibleDimensions = bool32(f.CoopMat2.FlexibleDimensions)
	c.coopmat2.cooperativeMatrixReductions = bool32(f.CoopMat2.Reductions)
	c.coopmat2.cooperativeMatrixConversions = bool32(f.CoopMat2.Conversions)
	c.coopmat2.cooperativeMatrixPerElementOperations = bool32(f.CoopMat2.PerElementOperations)
	c.coopmat2.cooperativeMatrixTensorAddressing = bool32(f.CoopMat2.TensorAddressing)
	c.coopmat2.cooperativeMatrixBlockLoads = bool32(f.CoopMat2.BlockLoads)
	c.bfloat16.shaderBFloat16Type = bool32(f.BFloat16)
	c.bfloat16.shaderBFloat16CooperativeMatrix = bool32(f.BFloat16CoopMat)
	c.executable.pipelineExecutableInfo = bool32(f.ExecutableInfo)
}
