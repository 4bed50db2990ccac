package core_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// mirrors names the Khronos structure that each structure of vulkan.h stands
// for, and the extension whose headers have it ("" for every header). A
// structure that is missing here fails the test.
var mirrors = map[string]struct{ khronos, since string }{
	"VcHead":                       {"VkBaseOutStructure", ""},
	"VcApplicationInfo":            {"VkApplicationInfo", ""},
	"VcInstanceCreateInfo":         {"VkInstanceCreateInfo", ""},
	"VcDeviceQueueCreateInfo":      {"VkDeviceQueueCreateInfo", ""},
	"VcFeatures10":                 {"VkPhysicalDeviceFeatures", ""},
	"VcDeviceCreateInfo":           {"VkDeviceCreateInfo", ""},
	"VcExtensionProperties":        {"VkExtensionProperties", ""},
	"VcLayerProperties":            {"VkLayerProperties", ""},
	"VcQueueFamilyProperties":      {"VkQueueFamilyProperties", ""},
	"VcProperties2":                {"VkPhysicalDeviceProperties2", ""},
	"VcFeatures2":                  {"VkPhysicalDeviceFeatures2", ""},
	"VcMemoryProperties2":          {"VkPhysicalDeviceMemoryProperties2", ""},
	"VcMemoryBudget":               {"VkPhysicalDeviceMemoryBudgetPropertiesEXT", ""},
	"VcIDProperties":               {"VkPhysicalDeviceIDProperties", ""},
	"VcDriverProperties":           {"VkPhysicalDeviceDriverProperties", ""},
	"VcSubgroupProperties":         {"VkPhysicalDeviceSubgroupProperties", ""},
	"VcMaintenance3Properties":     {"VkPhysicalDeviceMaintenance3Properties", ""},
	"VcMaintenance4Properties":     {"VkPhysicalDeviceMaintenance4Properties", ""},
	"VcMaintenance4Features":       {"VkPhysicalDeviceMaintenance4Features", ""},
	"VcSubgroupSizeProperties":     {"VkPhysicalDeviceSubgroupSizeControlProperties", ""},
	"VcSubgroupSizeFeatures":       {"VkPhysicalDeviceSubgroupSizeControlFeatures", ""},
	"Vc16BitStorageFeatures":       {"VkPhysicalDevice16BitStorageFeatures", ""},
	"Vc8BitStorageFeatures":        {"VkPhysicalDevice8BitStorageFeatures", ""},
	"VcFloat16Int8Features":        {"VkPhysicalDeviceShaderFloat16Int8Features", ""},
	"VcMemoryModelFeatures":        {"VkPhysicalDeviceVulkanMemoryModelFeatures", ""},
	"VcDotProductFeatures":         {"VkPhysicalDeviceShaderIntegerDotProductFeatures", ""},
	"VcDotProductProperties":       {"VkPhysicalDeviceShaderIntegerDotProductProperties", ""},
	"VcCoopMatFeatures":            {"VkPhysicalDeviceCooperativeMatrixFeaturesKHR", "VK_KHR_cooperative_matrix"},
	"VcCoopMatProperties":          {"VkCooperativeMatrixPropertiesKHR", "VK_KHR_cooperative_matrix"},
	"VcCoopMat2Features":           {"VkPhysicalDeviceCooperativeMatrix2FeaturesNV", "VK_NV_cooperative_matrix2"},
	"VcBFloat16Features":           {"VkPhysicalDeviceShaderBfloat16FeaturesKHR", "VK_KHR_shader_bfloat16"},
	"VcPipelineExecutableFeatures": {"VkPhysicalDevicePipelineExecutablePropertiesFeaturesKHR", ""},
	"VcQueueGlobalPriority":        {"VkDeviceQueueGlobalPriorityCreateInfoKHR", ""},
	"VcPushConstantRange":          {"VkPushConstantRange", ""},
	"VcPipelineLayoutCreateInfo":   {"VkPipelineLayoutCreateInfo", ""},
	"VcSetLayoutBinding":           {"VkDescriptorSetLayoutBinding", ""},
	"VcSetLayoutCreateInfo":        {"VkDescriptorSetLayoutCreateInfo", ""},
	"VcDescriptorPoolSize":         {"VkDescriptorPoolSize", ""},
	"VcDescriptorPoolCreateInfo":   {"VkDescriptorPoolCreateInfo", ""},
	"VcSpecializationMapEntry":     {"VkSpecializationMapEntry", ""},
	"VcSpecializationInfo":         {"VkSpecializationInfo", ""},
	"VcRequiredSubgroupSize":       {"VkPipelineShaderStageRequiredSubgroupSizeCreateInfo", ""},
	"VcShaderStageCreateInfo":      {"VkPipelineShaderStageCreateInfo", ""},
	"VcComputePipelineCreateInfo":  {"VkComputePipelineCreateInfo", ""},
	"VcPipelineInfo":               {"VkPipelineInfoKHR", ""},
	"VcExecutableProperties":       {"VkPipelineExecutablePropertiesKHR", ""},
	"VcExecutableInfo":             {"VkPipelineExecutableInfoKHR", ""},
	"VcExecutableStatistic":        {"VkPipelineExecutableStatisticKHR", ""},
	"VcDescriptorSetAllocateInfo":  {"VkDescriptorSetAllocateInfo", ""},
	"VcDescriptorBufferInfo":       {"VkDescriptorBufferInfo", ""},
	"VcWriteDescriptorSet":         {"VkWriteDescriptorSet", ""},
	"VcCommandBufferBeginInfo":     {"VkCommandBufferBeginInfo", ""},
	"VcMemoryBarrier":              {"VkMemoryBarrier", ""},
	"VcBufferMemoryBarrier":        {"VkBufferMemoryBarrier", ""},
	"VcBufferCopy":                 {"VkBufferCopy", ""},
	"VcSubmitInfo":                 {"VkSubmitInfo", ""},
	"VcMappedMemoryRange":          {"VkMappedMemoryRange", ""},
	"VcDebugObjectName":            {"VkDebugUtilsObjectNameInfoEXT", ""},
	"VcDebugCallbackData":          {"VkDebugUtilsMessengerCallbackDataEXT", ""},
	"VcDebugMessengerCreateInfo":   {"VkDebugUtilsMessengerCreateInfoEXT", ""},
	"VcValidationFeatures":         {"VkValidationFeaturesEXT", ""},
	"VcLayerSetting":               {"VkLayerSettingEXT", "VK_EXT_layer_settings"},
	"VcLayerSettings":              {"VkLayerSettingsCreateInfoEXT", "VK_EXT_layer_settings"},
}

// grouped are fields that stand for several of the Khronos structure: only the
// structure's size and the fields before are compared.
var grouped = map[string]string{"VcFeatures10": "flag", "VcDotProductProperties": "accelerated"}

// open are structures of which only the beginning is declared.
var open = map[string]bool{"VcDebugCallbackData": true}

// values names the Khronos constant of each constant of vulkan.h.
var values = map[string]struct{ khronos, since string }{
	"VC_SUCCESS":                                 {"VK_SUCCESS", ""},
	"VC_NOT_READY":                               {"VK_NOT_READY", ""},
	"VC_TIMEOUT":                                 {"VK_TIMEOUT", ""},
	"VC_INCOMPLETE":                              {"VK_INCOMPLETE", ""},
	"VC_ERROR_OUT_OF_HOST_MEMORY":                {"VK_ERROR_OUT_OF_HOST_MEMORY", ""},
	"VC_ERROR_OUT_OF_DEVICE_MEMORY":              {"VK_ERROR_OUT_OF_DEVICE_MEMORY", ""},
	"VC_ERROR_INITIALIZATION_FAILED":             {"VK_ERROR_INITIALIZATION_FAILED", ""},
	"VC_ERROR_DEVICE_LOST":                       {"VK_ERROR_DEVICE_LOST", ""},
	"VC_ERROR_MEMORY_MAP_FAILED":                 {"VK_ERROR_MEMORY_MAP_FAILED", ""},
	"VC_ERROR_LAYER_NOT_PRESENT":                 {"VK_ERROR_LAYER_NOT_PRESENT", ""},
	"VC_ERROR_EXTENSION_NOT_PRESENT":             {"VK_ERROR_EXTENSION_NOT_PRESENT", ""},
	"VC_ERROR_FEATURE_NOT_PRESENT":               {"VK_ERROR_FEATURE_NOT_PRESENT", ""},
	"VC_ERROR_INCOMPATIBLE_DRIVER":               {"VK_ERROR_INCOMPATIBLE_DRIVER", ""},
	"VC_STYPE_APPLICATION_INFO":                  {"VK_STRUCTURE_TYPE_APPLICATION_INFO", ""},
	"VC_STYPE_INSTANCE_CREATE_INFO":              {"VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO", ""},
	"VC_STYPE_DEVICE_QUEUE_CREATE_INFO":          {"VK_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO", ""},
	"VC_STYPE_DEVICE_CREATE_INFO":                {"VK_STRUCTURE_TYPE_DEVICE_CREATE_INFO", ""},
	"VC_STYPE_SUBMIT_INFO":                       {"VK_STRUCTURE_TYPE_SUBMIT_INFO", ""},
	"VC_STYPE_MAPPED_MEMORY_RANGE":               {"VK_STRUCTURE_TYPE_MAPPED_MEMORY_RANGE", ""},
	"VC_STYPE_PIPELINE_SHADER_STAGE_CREATE_INFO": {"VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO", ""},
	"VC_STYPE_COMPUTE_PIPELINE_CREATE_INFO":      {"VK_STRUCTURE_TYPE_COMPUTE_PIPELINE_CREATE_INFO", ""},
	"VC_STYPE_PIPELINE_LAYOUT_CREATE_INFO":       {"VK_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO", ""},
	"VC_STYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO": {"VK_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO", ""},
	"VC_STYPE_DESCRIPTOR_POOL_CREATE_INFO":       {"VK_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO", ""},
	"VC_STYPE_DESCRIPTOR_SET_ALLOCATE_INFO":      {"VK_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO", ""},
	"VC_STYPE_WRITE_DESCRIPTOR_SET":              {"VK_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET", ""},
	"VC_STYPE_COMMAND_BUFFER_BEGIN_INFO":         {"VK_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO", ""},
	"VC_STYPE_BUFFER_MEMORY_BARRIER":             {"VK_STRUCTURE_TYPE_BUFFER_MEMORY_BARRIER", ""},
	"VC_STYPE_MEMORY_BARRIER":                    {"VK_STRUCTURE_TYPE_MEMORY_BARRIER", ""},
	"VC_STYPE_FEATURES_2":                        {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_FEATURES_2", ""},
	"VC_STYPE_PROPERTIES_2":                      {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PROPERTIES_2", ""},
	"VC_STYPE_MEMORY_PROPERTIES_2":               {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_PROPERTIES_2", ""},
	"VC_STYPE_ID_PROPERTIES":                     {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_ID_PROPERTIES", ""},
	"VC_STYPE_FLOAT16_INT8_FEATURES":             {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_FLOAT16_INT8_FEATURES", ""},
	"VC_STYPE_16BIT_STORAGE_FEATURES":            {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_16BIT_STORAGE_FEATURES", ""},
	"VC_STYPE_SUBGROUP_PROPERTIES":               {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_PROPERTIES", ""},
	"VC_STYPE_DEBUG_OBJECT_NAME":                 {"VK_STRUCTURE_TYPE_DEBUG_UTILS_OBJECT_NAME_INFO_EXT", ""},
	"VC_STYPE_DEBUG_MESSENGER_CREATE_INFO":       {"VK_STRUCTURE_TYPE_DEBUG_UTILS_MESSENGER_CREATE_INFO_EXT", ""},
	"VC_STYPE_BFLOAT16_FEATURES":                 {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_BFLOAT16_FEATURES_KHR", "VK_KHR_shader_bfloat16"},
	"VC_STYPE_MAINTENANCE_3_PROPERTIES":          {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_3_PROPERTIES", ""},
	"VC_STYPE_QUEUE_GLOBAL_PRIORITY":             {"VK_STRUCTURE_TYPE_DEVICE_QUEUE_GLOBAL_PRIORITY_CREATE_INFO_KHR", ""},
	"VC_STYPE_8BIT_STORAGE_FEATURES":             {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_8BIT_STORAGE_FEATURES", ""},
	"VC_STYPE_DRIVER_PROPERTIES":                 {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_DRIVER_PROPERTIES", ""},
	"VC_STYPE_MEMORY_MODEL_FEATURES":             {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_VULKAN_MEMORY_MODEL_FEATURES", ""},
	"VC_STYPE_SUBGROUP_SIZE_PROPERTIES":          {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_PROPERTIES", ""},
	"VC_STYPE_REQUIRED_SUBGROUP_SIZE":            {"VK_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_REQUIRED_SUBGROUP_SIZE_CREATE_INFO", ""},
	"VC_STYPE_SUBGROUP_SIZE_FEATURES":            {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SUBGROUP_SIZE_CONTROL_FEATURES", ""},
	"VC_STYPE_MEMORY_BUDGET":                     {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MEMORY_BUDGET_PROPERTIES_EXT", ""},
	"VC_STYPE_VALIDATION_FEATURES":               {"VK_STRUCTURE_TYPE_VALIDATION_FEATURES_EXT", ""},
	"VC_STYPE_PIPELINE_EXECUTABLE_FEATURES":      {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_PIPELINE_EXECUTABLE_PROPERTIES_FEATURES_KHR", ""},
	"VC_STYPE_PIPELINE_INFO":                     {"VK_STRUCTURE_TYPE_PIPELINE_INFO_KHR", ""},
	"VC_STYPE_EXECUTABLE_PROPERTIES":             {"VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_PROPERTIES_KHR", ""},
	"VC_STYPE_EXECUTABLE_INFO":                   {"VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_INFO_KHR", ""},
	"VC_STYPE_EXECUTABLE_STATISTIC":              {"VK_STRUCTURE_TYPE_PIPELINE_EXECUTABLE_STATISTIC_KHR", ""},
	"VC_STYPE_DOT_PRODUCT_FEATURES":              {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_FEATURES", ""},
	"VC_STYPE_DOT_PRODUCT_PROPERTIES":            {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_SHADER_INTEGER_DOT_PRODUCT_PROPERTIES", ""},
	"VC_STYPE_MAINTENANCE_4_FEATURES":            {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_FEATURES", ""},
	"VC_STYPE_MAINTENANCE_4_PROPERTIES":          {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_MAINTENANCE_4_PROPERTIES", ""},
	"VC_STYPE_LAYER_SETTINGS":                    {"VK_STRUCTURE_TYPE_LAYER_SETTINGS_CREATE_INFO_EXT", "VK_EXT_layer_settings"},
	"VC_LAYER_SETTING_BOOL32":                    {"VK_LAYER_SETTING_TYPE_BOOL32_EXT", "VK_EXT_layer_settings"},
	"VC_STYPE_COOPMAT_FEATURES":                  {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_FEATURES_KHR", "VK_KHR_cooperative_matrix"},
	"VC_STYPE_COOPMAT_PROPERTIES":                {"VK_STRUCTURE_TYPE_COOPERATIVE_MATRIX_PROPERTIES_KHR", "VK_KHR_cooperative_matrix"},
	"VC_STYPE_COOPMAT2_FEATURES":                 {"VK_STRUCTURE_TYPE_PHYSICAL_DEVICE_COOPERATIVE_MATRIX_2_FEATURES_NV", "VK_NV_cooperative_matrix2"},
	"VC_ACCESS_MEMORY_READ":                      {"VK_ACCESS_MEMORY_READ_BIT", ""},
	"VC_ACCESS_MEMORY_WRITE":                     {"VK_ACCESS_MEMORY_WRITE_BIT", ""},
	"VC_PIPELINE_STAGE_DRAW_INDIRECT":            {"VK_PIPELINE_STAGE_DRAW_INDIRECT_BIT", ""},
	"VC_PIPELINE_STAGE_COMPUTE_SHADER":           {"VK_PIPELINE_STAGE_COMPUTE_SHADER_BIT", ""},
	"VC_PIPELINE_STAGE_TRANSFER":                 {"VK_PIPELINE_STAGE_TRANSFER_BIT", ""},
	"VC_PIPELINE_STAGE_BOTTOM":                   {"VK_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT", ""},
	"VC_BIND_POINT_COMPUTE":                      {"VK_PIPELINE_BIND_POINT_COMPUTE", ""},
	"VC_SHADER_STAGE_COMPUTE":                    {"VK_SHADER_STAGE_COMPUTE_BIT", ""},
	"VC_DESCRIPTOR_STORAGE_BUFFER":               {"VK_DESCRIPTOR_TYPE_STORAGE_BUFFER", ""},
	"VC_PIPELINE_CREATE_CAPTURE_STATISTICS":      {"VK_PIPELINE_CREATE_CAPTURE_STATISTICS_BIT_KHR", ""},
	"VC_PIPELINE_CREATE_DISPATCH_BASE":           {"VK_PIPELINE_CREATE_DISPATCH_BASE_BIT", ""},
	"VC_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS":     {"VK_PIPELINE_SHADER_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS_BIT", ""},
	"VC_QUERY_RESULT_64":                         {"VK_QUERY_RESULT_64_BIT", ""},
	"VC_DEBUG_SEVERITY_WARNING":                  {"VK_DEBUG_UTILS_MESSAGE_SEVERITY_WARNING_BIT_EXT", ""},
	"VC_DEBUG_SEVERITY_ERROR":                    {"VK_DEBUG_UTILS_MESSAGE_SEVERITY_ERROR_BIT_EXT", ""},
	"VC_DEBUG_TYPE_VALIDATION":                   {"VK_DEBUG_UTILS_MESSAGE_TYPE_VALIDATION_BIT_EXT", ""},
	"VC_VALIDATION_ENABLE_SYNCHRONIZATION":       {"VK_VALIDATION_FEATURE_ENABLE_SYNCHRONIZATION_VALIDATION_EXT", ""},
	"VC_EXECUTABLE_STATISTIC_BOOL":               {"VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_BOOL32_KHR", ""},
	"VC_EXECUTABLE_STATISTIC_INT64":              {"VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_INT64_KHR", ""},
	"VC_EXECUTABLE_STATISTIC_UINT64":             {"VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_UINT64_KHR", ""},
	"VC_EXECUTABLE_STATISTIC_FLOAT64":            {"VK_PIPELINE_EXECUTABLE_STATISTIC_FORMAT_FLOAT64_KHR", ""},
	"VC_QUEUE_GLOBAL_PRIORITY_LOW":               {"VK_QUEUE_GLOBAL_PRIORITY_LOW_KHR", ""},
}

// indices says which field of a Khronos structure an index into a grouped
// array stands for.
var indices = map[string]struct{ structure, first, field string }{
	"VC_FEATURE_SHADER_INT64":          {"VkPhysicalDeviceFeatures", "robustBufferAccess", "shaderInt64"},
	"VC_FEATURE_SHADER_INT16":          {"VkPhysicalDeviceFeatures", "robustBufferAccess", "shaderInt16"},
	"VC_DOT_4X8_PACKED_SIGNED":         {"VkPhysicalDeviceShaderIntegerDotProductProperties", "integerDotProduct8BitUnsignedAccelerated", "integerDotProduct4x8BitPackedSignedAccelerated"},
	"VC_DOT_ACC_SAT_4X8_PACKED_SIGNED": {"VkPhysicalDeviceShaderIntegerDotProductProperties", "integerDotProduct8BitUnsignedAccelerated", "integerDotProductAccumulatingSaturating4x8BitPackedSignedAccelerated"},
}

var (
	structure = regexp.MustCompile(`(?s)typedef (?:struct|union) \{(.*?)\n\} (Vc\w+);`)
	field     = regexp.MustCompile(`(\w+)(?:\[\d+\])?;`)
	constant  = regexp.MustCompile(`(?m)^  (VC_\w+) = `)
)

// TestLayout compares vulkan.h with the Khronos headers, field by field, by
// compiling static assertions. QWENVK_VULKAN_HEADERS names an include folder
// other than the system's; newer headers hold more structures.
func TestLayout(t *testing.T) {
	include := os.Getenv("QWENVK_VULKAN_HEADERS")
	if include == "" {
		include = "/usr/include"
	}
	if _, err := os.Stat(filepath.Join(include, "vulkan/vulkan_core.h")); err != nil {
		t.Skip("the Vulkan headers (package libvulkan-dev) are not installed")
	}
	header, err := os.ReadFile("vulkan.h")
	if err != nil {
		t.Fatal(err)
	}
	source := "#include <vulkan/vulkan_core.h>\n#include \"vulkan.h\"\n" + assertions(t, string(header))
	file := filepath.Join(t.TempDir(), "layout.c")
	if err := os.WriteFile(file, []byte(source), 0o600); err != nil {
		t.Fatal(err)
	}
	compile(t, "-I"+include, file)
}

// TestWarnings compiles the C files as strictly as gcc can.
func TestWarnings(t *testing.T) {
	files, err := filepath.Glob("*.c")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !strings.HasSuffix(f, "_windows.c") {
			compile(t, "-Wall", "-Wextra", f)
		}
	}
}

func compile(t *testing.T, args ...string) {
	t.Helper()
	gcc, err := exec.LookPath("gcc")
	if err != nil {
		t.Skip("gcc is not installed")
	}
	args = append([]string{"-std=c11", "-O1", "-Werror", "-I.", "-c", "-o", filepath.Join(t.TempDir(), "out.o")}, args...)
	if out, err := exec.Command(gcc, args...).CombinedOutput(); err != nil {
		t.Errorf("gcc: %v\n%s", err, out)
	}
}

func assertions(t *testing.T, header string) string {
	var b strings.Builder
	guarded := func(since, format string, args ...any) {
		if since != "" {
			fmt.Fprintf(&b, "#ifdef %s\n", since)
		}
		fmt.Fprintf(&b, format, args...)
		if since != "" {
			b.WriteString("#endif\n")
		}
	}
	for _, m := range structure.FindAllStringSubmatch(header, -1) {
		ours := m[2]
		if ours == "VcExecutableValue" {
			continue // compared as a field
		}
		theirs, ok := mirrors[ours]
		if !ok {
			t.Errorf("%s is compared with nothing", ours)
			continue
		}
		if !open[ours] {
			guarded(theirs.since, "_Static_assert(sizeof(%s) == sizeof(%s), \"size of %s\");\n", ours, theirs.khronos, ours)
		}
		for _, f := range field.FindAllStringSubmatch(stripComments(m[1]), -1) {
			name := f[1]
			if name == "head" {
				name = "pNext"
				guarded(theirs.since, "_Static_assert(offsetof(VcHead, pNext) == offsetof(%s, pNext), \"pNext of %s\");\n", theirs.khronos, ours)
				continue
			}
			if grouped[ours] == name {
				continue
			}
			guarded(theirs.since, "_Static_assert(offsetof(%s, %s) == offsetof(%s, %s) && sizeof(((%s *)0)->%s) == sizeof(((%s *)0)->%s), \"%s.%s\");\n",
				ours, name, theirs.khronos, name, ours, name, theirs.khronos, name, ours, name)
		}
	}
	for _, m := range constant.FindAllStringSubmatch(header, -1) {
		ours := m[1]
		if at, ok := indices[ours]; ok {
			fmt.Fprintf(&b, "_Static_assert(%s * 4 == offsetof(%s, %s) - offsetof(%s, %s), \"%s\");\n",
				ours, at.structure, at.field, at.structure, at.first, ours)
			continue
		}
		theirs, ok := values[ours]
		if !ok {
			t.Errorf("%s is compared with nothing", ours)
			continue
		}
		guarded(theirs.since, "_Static_assert((long long)%s == (long long)%s, \"%s\");\n", ours, theirs.khronos, ours)
	}
	return b.String()
}

func stripComments(s string) string {
	return regexp.MustCompile(`//[^\n]*`).ReplaceAllString(s, "")
}
