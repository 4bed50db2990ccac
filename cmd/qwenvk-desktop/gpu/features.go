package gpu

// #include "gpu.h"
import "C"

import (
	"fmt"
	"slices"
)

// structures lists the feature structures that a device may be opened with: their sType, and the names of their booleans in
// order. Of VkPhysicalDeviceFeatures, which stands in VkPhysicalDeviceFeatures2, those that compute kernels use are named.
var structures = []struct {
	Name     string
	Type     uint32
	Features []string
	First    int // place of the first name among the structure's booleans
}{
	{"VkPhysicalDeviceFeatures2", 1000059000, []string{"shaderInt64", "shaderInt16"}, 40},
	{"VkPhysicalDevice16BitStorageFeatures", 1000083000, []string{"storageBuffer16BitAccess"}, 0},
	{"VkPhysicalDevice8BitStorageFeatures", 1000177000, []string{"storageBuffer8BitAccess"}, 0},
	{"VkPhysicalDeviceShaderFloat16Int8Features", 1000082000, []string{"shaderFloat16", "shaderInt8"}, 0},
	{"VkPhysicalDeviceVulkanMemoryModelFeatures", 1000211000, []string{"vulkanMemoryModel", deviceScope}, 0},
	{"VkPhysicalDeviceSubgroupSizeControlFeatures", 1000225002, []string{"subgroupSizeControl", "computeFullSubgroups"}, 0},
	{"VkPhysicalDeviceShaderIntegerDotProductFeatures", 1000280000, []string{"shaderIntegerDotProduct"}, 0},
	{"VkPhysicalDeviceMaintenance4Features", 1000413000, []string{"maintenance4"}, 0},
	{"VkPhysicalDeviceCooperativeMatrixFeaturesKHR", 1000506000, []string{"cooperativeMatrix"}, 0},
	{"VkPhysicalDeviceShaderBfloat16FeaturesKHR", 1000141000, []string{"shaderBFloat16Type", "shaderBFloat16DotProduct", "shaderBFloat16CooperativeMatrix"}, 0},
	{"VkPhysicalDeviceCooperativeMatrix2FeaturesNV", 1000593000, []string{
		"cooperativeMatrixWorkgroupScope", "cooperativeMatrixFlexibleDimensions", "cooperativeMatrixReductions", "cooperativeMatrixConversions",
		"cooperativeMatrixPerElementOperations", "cooperativeMatrixTensorAddressing", "cooperativeMatrixBlockLoads",
	}, 0},
}

// deviceScope comes with vulkanMemoryModel: without it the model would forbid what kernels do that know nothing of the model.
const deviceScope = "vulkanMemoryModelDeviceScope"

// featureChain makes the structures that switch features on: only those in which one is on, because a structure belongs
// to an extension or a version that a device need not have.
func featureChain(names []string) ([]C.GpFeatures, error) {
	var chain []C.GpFeatures
	names = slices.Clone(names)
	if slices.Contains(names, "vulkanMemoryModel") && !slices.Contains(names, deviceScope) {
		names = append(names, deviceScope)
	}
	known := 0
	for _, s := range structures {
		f := C.GpFeatures{structure: C.uint32_t(s.Type), count: C.uint32_t(s.First + len(s.Features))}
		used := false
		for i, name := range s.Features {
			if slices.Contains(names, name) {
				f.on[s.First+i], used = 1, true
				known++
			}
		}
		if used {
			chain = append(chain, f)
		}
	}
	if known != len(names) {
		return nil, fmt.Errorf("BUG: of the features %v only %d are known to package gpu", names, known)
	}
	return chain, nil
}

// quadSize is the size of a quad in C.
const quadSize = C.sizeof_GpQuad
