// The part of Vulkan that this package calls, declared here so that a build
// needs no Vulkan headers. Names are those of the specification with Vc in
// place of Vk; layout_test.go holds every size, offset and value against the
// Khronos headers where a machine has them.
//
// Non-dispatchable handles are uint64_t, which is what they are in the ABI of
// every 64-bit platform. Other platforms are refused below.
#ifndef QWENVK_VULKAN_H
#define QWENVK_VULKAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define VC_CALL __stdcall
#else
#define VC_CALL
#endif

_Static_assert(sizeof(void *) == 8, "qwenvk needs a 64-bit platform");

typedef uint32_t VcBool32;
typedef int32_t VcResult;
typedef struct VcInstance_T *VcInstance;
typedef struct VcPhysicalDevice_T *VcPhysicalDevice;
typedef struct VcDevice_T *VcDevice;
typedef struct VcQueue_T *VcQueue;
typedef struct VcCommandBuffer_T *VcCommandBuffer;
typedef uint64_t VcHandle;  // any non-dispatchable handle

enum {
  VC_SUCCESS = 0,
  VC_NOT_READY = 1,
  VC_TIMEOUT = 2,
  VC_INCOMPLETE = 5,
  VC_ERROR_OUT_OF_HOST_MEMORY = -1,
  VC_ERROR_OUT_OF_DEVICE_MEMORY = -2,
  VC_ERROR_INITIALIZATION_FAILED = -3,
  VC_ERROR_DEVICE_LOST = -4,
  VC_ERROR_MEMORY_MAP_FAILED = -5,
  VC_ERROR_LAYER_NOT_PRESENT = -6,
  VC_ERROR_EXTENSION_NOT_PRESENT = -7,
  VC_ERROR_FEATURE_NOT_PRESENT = -8,
  VC_ERROR_INCOMPATIBLE_DRIVER = -9,
};

#define VC_QUEUE_FAMILY_IGNORED (~0u)

// Structure types.
enum {
  VC_STYPE_APPLICATION_INFO = 0,
  VC_STYPE_INSTANCE_CREATE_INFO = 1,
  VC_STYPE_DEVICE_QUEUE_CREATE_INFO = 2,
  VC_STYPE_DEVICE_CREATE_INFO = 3,
  VC_STYPE_SUBMIT_INFO = 4,
  VC_STYPE_MAPPED_MEMORY_RANGE = 6,
  VC_STYPE_PIPELINE_SHADER_STAGE_CREATE_INFO = 18,
  VC_STYPE_COMPUTE_PIPELINE_CREATE_INFO = 29,
  VC_STYPE_PIPELINE_LAYOUT_CREATE_INFO = 30,
  VC_STYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO = 32,
  VC_STYPE_DESCRIPTOR_POOL_CREATE_INFO = 33,
  VC_STYPE_DESCRIPTOR_SET_ALLOCATE_INFO = 34,
  VC_STYPE_WRITE_DESCRIPTOR_SET = 35,
  VC_STYPE_COMMAND_BUFFER_BEGIN_INFO = 42,
  VC_STYPE_BUFFER_MEMORY_BARRIER = 44,
  VC_STYPE_MEMORY_BARRIER = 46,
  VC_STYPE_FEATURES_2 = 1000059000,
  VC_STYPE_PROPERTIES_2 = 1000059001,
  VC_STYPE_MEMORY_PROPERTIES_2 = 1000059006,
  VC_STYPE_ID_PROPERTIES = 1000071004,
  VC_STYPE_FLOAT16_INT8_FEATURES = 1000082000,
  VC_STYPE_16BIT_STORAGE_FEATURES = 1000083000,
  VC_STYPE_SUBGROUP_PROPERTIES = 1000094000,
  VC_STYPE_DEBUG_OBJECT_NAME = 1000128000,
  VC_STYPE_DEBUG_MESSENGER_CREATE_INFO = 1000128004,
  VC_STYPE_BFLOAT16_FEATURES = 1000141000,
  VC_STYPE_MAINTENANCE_3_PROPERTIES = 1000168000,
  VC_STYPE_QUEUE_GLOBAL_PRIORITY = 1000174000,
  VC_STYPE_8BIT_STORAGE_FEATURES = 1000177000,
  VC_STYPE_DRIVER_PROPERTIES = 1000196000,
  VC_STYPE_MEMORY_MODEL_FEATURES = 1000211000,
  VC_STYPE_SUBGROUP_SIZE_PROPERTIES = 1000225000,
  VC_STYPE_REQUIRED_SUBGROUP_SIZE = 1000225001,
  VC_STYPE_SUBGROUP_SIZE_FEATURES = 1000225002,
  VC_STYPE_MEMORY_BUDGET = 1000237000,
  VC_STYPE_VALIDATION_FEATURES = 1000247000,
  VC_STYPE_PIPELINE_EXECUTABLE_FEATURES = 1000269000,
  VC_STYPE_PIPELINE_INFO = 1000269001,
  VC_STYPE_EXECUTABLE_PROPERTIES = 1000269002,
  VC_STYPE_EXECUTABLE_INFO = 1000269003,
  VC_STYPE_EXECUTABLE_STATISTIC = 1000269004,
  VC_STYPE_DOT_PRODUCT_FEATURES = 1000280000,
  VC_STYPE_DOT_PRODUCT_PROPERTIES = 1000280001,
  VC_STYPE_MAINTENANCE_4_FEATURES = 1000413000,
  VC_STYPE_MAINTENANCE_4_PROPERTIES = 1000413001,
  VC_STYPE_LAYER_SETTINGS = 1000496000,
  VC_STYPE_COOPMAT_FEATURES = 1000506000,
  VC_STYPE_COOPMAT_PROPERTIES = 1000506001,
  VC_STYPE_COOPMAT2_FEATURES = 1000593000,
};

enum {
  VC_ACCESS_MEMORY_READ = 0x8000,
  VC_ACCESS_MEMORY_WRITE = 0x10000,
  VC_PIPELINE_STAGE_DRAW_INDIRECT = 0x2,
  VC_PIPELINE_STAGE_COMPUTE_SHADER = 0x800,
  VC_PIPELINE_STAGE_TRANSFER = 0x1000,
  VC_PIPELINE_STAGE_BOTTOM = 0x2000,
  VC_BIND_POINT_COMPUTE = 1,
  VC_SHADER_STAGE_COMPUTE = 0x20,
  VC_DESCRIPTOR_STORAGE_BUFFER = 7,
  VC_PIPELINE_CREATE_CAPTURE_STATISTICS = 0x40,
  VC_PIPELINE_CREATE_DISPATCH_BASE = 0x10,
  VC_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS = 0x2,
  VC_QUERY_RESULT_64 = 0x1,
  VC_DEBUG_SEVERITY_WARNING = 0x100,
  VC_DEBUG_SEVERITY_ERROR = 0x1000,
  VC_DEBUG_TYPE_VALIDATION = 0x2,
  VC_VALIDATION_ENABLE_SYNCHRONIZATION = 4,
  VC_LAYER_SETTING_BOOL32 = 0,
  VC_EXECUTABLE_STATISTIC_BOOL = 0,
  VC_EXECUTABLE_STATISTIC_INT64 = 1,
  VC_EXECUTABLE_STATISTIC_UINT64 = 2,
  VC_EXECUTABLE_STATISTIC_FLOAT64 = 3,
  VC_QUEUE_GLOBAL_PRIORITY_LOW = 128,
};

// Head of every structure that can stand in a pNext chain.
typedef struct {
  int32_t sType;
  void *pNext;
} VcHead;

typedef struct {
  VcHead head;
  const char *pApplicationName;
  uint32_t applicationVersion;
  const char *pEngineName;
  uint32_t engineVersion;
  uint32_t apiVersion;
} VcApplicationInfo;

typedef struct {
  VcHead head;
  uint32_t flags;
  const VcApplicationInfo *pApplicationInfo;
  uint32_t enabledLayerCount;
  const char *const *ppEnabledLayerNames;
  uint32_t enabledExtensionCount;
  const char *const *ppEnabledExtensionNames;
} VcInstanceCreateInfo;

typedef struct {
  VcHead head;
  uint32_t flags;
  uint32_t queueFamilyIndex;
  uint32_t queueCount;
  const float *pQueuePriorities;
} VcDeviceQueueCreateInfo;

// VkPhysicalDeviceFeatures: 55 flags in the order of the specification; the two
// that kernels may need have names (indices checked by layout_test.go).
enum {
  VC_FEATURE_SHADER_INT64 = 40,
  VC_FEATURE_SHADER_INT16 = 41,
};
typedef struct {
  VcBool32 flag[55];
} VcFeatures10;

typedef struct {
  VcHead head;
  uint32_t flags;
  uint32_t queueCreateInfoCount;
  const VcDeviceQueueCreateInfo *pQueueCreateInfos;
  uint32_t enabledLayerCount;
  const char *const *ppEnabledLayerNames;
  uint32_t enabledExtensionCount;
  const char *const *ppEnabledExtensionNames;
  const VcFeatures10 *pEnabledFeatures;
} VcDeviceCreateInfo;

typedef struct {
  char extensionName[256];
  uint32_t specVersion;
} VcExtensionProperties;

typedef struct {
  char layerName[256];
  uint32_t specVersion;
  uint32_t implementationVersion;
  char description[256];
} VcLayerProperties;

typedef struct {
  uint32_t queueFlags;
  uint32_t queueCount;
  uint32_t timestampValidBits;
  uint32_t minImageTransferGranularity[3];
} VcQueueFamilyProperties;

// The 1.0 properties inside these are read through the binding; only their
// size matters here.
typedef struct {
  VcHead head;
  uint64_t properties[103];
} VcProperties2;

typedef struct {
  VcHead head;
  VcFeatures10 features;
} VcFeatures2;

typedef struct {
  VcHead head;
  uint64_t memoryProperties[65];
} VcMemoryProperties2;

typedef struct {
  VcHead head;
  uint64_t heapBudget[16];
  uint64_t heapUsage[16];
} VcMemoryBudget;

typedef struct {
  VcHead head;
  uint8_t deviceUUID[16];
  uint8_t driverUUID[16];
  uint8_t deviceLUID[8];
  uint32_t deviceNodeMask;
  VcBool32 deviceLUIDValid;
} VcIDProperties;

typedef struct {
  VcHead head;
  uint32_t driverID;
  char driverName[256];
  char driverInfo[256];
  uint8_t conformanceVersion[4];
} VcDriverProperties;

typedef struct {
  VcHead head;
  uint32_t subgroupSize;
  uint32_t supportedStages;
  uint32_t supportedOperations;
  VcBool32 quadOperationsInAllStages;
} VcSubgroupProperties;

typedef struct {
  VcHead head;
  uint32_t maxPerSetDescriptors;
  uint64_t maxMemoryAllocationSize;
} VcMaintenance3Properties;

typedef struct {
  VcHead head;
  uint64_t maxBufferSize;
} VcMaintenance4Properties;

typedef struct {
  VcHead head;
  VcBool32 maintenance4;
} VcMaintenance4Features;

typedef struct {
  VcHead head;
  uint32_t minSubgroupSize;
  uint32_t maxSubgroupSize;
  uint32_t maxComputeWorkgroupSubgroups;
  uint32_t requiredSubgroupSizeStages;
} VcSubgroupSizeProperties;

typedef struct {
  VcHead head;
  VcBool32 subgroupSizeControl;
  VcBool32 computeFullSubgroups;
} VcSubgroupSizeFeatures;

typedef struct {
  VcHead head;
  VcBool32 storageBuffer16BitAccess;
  VcBool32 uniformAndStorageBuffer16BitAccess;
  VcBool32 storagePushConstant16;
  VcBool32 storageInputOutput16;
} Vc16BitStorageFeatures;

typedef struct {
  VcHead head;
  VcBool32 storageBuffer8BitAccess;
  VcBool32 uniformAndStorageBuffer8BitAccess;
  VcBool32 storagePushConstant8;
} Vc8BitStorageFeatures;

typedef struct {
  VcHead head;
  VcBool32 shaderFloat16;
  VcBool32 shaderInt8;
} VcFloat16Int8Features;

typedef struct {
  VcHead head;
  VcBool32 vulkanMemoryModel;
  VcBool32 vulkanMemoryModelDeviceScope;
  VcBool32 vulkanMemoryModelAvailabilityVisibilityChains;
} VcMemoryModelFeatures;

typedef struct {
  VcHead head;
  VcBool32 shaderIntegerDotProduct;
} VcDotProductFeatures;

// Thirty "accelerated" flags in the order of the specification; the two that
// kernels use have names (indices checked by layout_test.go).
enum {
  VC_DOT_4X8_PACKED_SIGNED = 4,
  VC_DOT_ACC_SAT_4X8_PACKED_SIGNED = 19,
};
typedef struct {
  VcHead head;
  VcBool32 accelerated[30];
} VcDotProductProperties;

typedef struct {
  VcHead head;
  VcBool32 cooperativeMatrix;
  VcBool32 cooperativeMatrixRobustBufferAccess;
} VcCoopMatFeatures;

typedef struct {
  VcHead head;
  uint32_t MSize;
  uint32_t NSize;
  uint32_t KSize;
  uint32_t AType;
  uint32_t BType;
  uint32_t CType;
  uint32_t ResultType;
  VcBool32 saturatingAccumulation;
  uint32_t scope;
} VcCoopMatProperties;

typedef struct {
  VcHead head;
  VcBool32 cooperativeMatrixWorkgroupScope;
  VcBool32 cooperativeMatrixFlexibleDimensions;
  VcBool32 cooperativeMatrixReductions;
  VcBool32 cooperativeMatrixConversions;
  VcBool32 cooperativeMatrixPerElementOperations;
  VcBool32 cooperativeMatrixTensorAddressing;
  VcBool32 cooperativeMatrixBlockLoads;
} VcCoopMat2Features;

typedef struct {
  VcHead head;
  VcBool32 shaderBFloat16Type;
  VcBool32 shaderBFloat16DotProduct;
  VcBool32 shaderBFloat16CooperativeMatrix;
} VcBFloat16Features;

typedef struct {
  VcHead head;
  VcBool32 pipelineExecutableInfo;
} VcPipelineExecutableFeatures;

typedef struct {
  VcHead head;
  uint32_t globalPriority;
} VcQueueGlobalPriority;

typedef struct {
  uint32_t constantID;
  uint32_t offset;
  size_t size;
} VcSpecializationMapEntry;

typedef struct {
  uint32_t mapEntryCount;
  const VcSpecializationMapEntry *pMapEntries;
  size_t dataSize;
  const void *pData;
} VcSpecializationInfo;

typedef struct {
  VcHead head;
  uint32_t requiredSubgroupSize;
} VcRequiredSubgroupSize;

typedef struct {
  VcHead head;
  uint32_t flags;
  uint32_t stage;
  VcHandle module;
  const char *pName;
  const VcSpecializationInfo *pSpecializationInfo;
} VcShaderStageCreateInfo;

typedef struct {
  VcHead head;
  uint32_t flags;
  VcShaderStageCreateInfo stage;
  VcHandle layout;
  VcHandle basePipelineHandle;
  int32_t basePipelineIndex;
} VcComputePipelineCreateInfo;

typedef struct {
  VcHead head;
  VcHandle pipeline;
} VcPipelineInfo;

typedef struct {
  VcHead head;
  uint32_t stages;
  char name[256];
  char description[256];
  uint32_t subgroupSize;
} VcExecutableProperties;

typedef struct {
  VcHead head;
  VcHandle pipeline;
  uint32_t executableIndex;
} VcExecutableInfo;

typedef union {
  VcBool32 b32;
  int64_t i64;
  uint64_t u64;
  double f64;
} VcExecutableValue;

typedef struct {
  VcHead head;
  char name[256];
  char description[256];
  uint32_t format;
  VcExecutableValue value;
} VcExecutableStatistic;

typedef struct {
  uint32_t stageFlags;
  uint32_t offset;
  uint32_t size;
} VcPushConstantRange;

typedef struct {
  VcHead head;
  uint32_t flags;
  uint32_t setLayoutCount;
  const VcHandle *pSetLayouts;
  uint32_t pushConstantRangeCount;
  const VcPushConstantRange *pPushConstantRanges;
} VcPipelineLayoutCreateInfo;

typedef struct {
  uint32_t binding;
  uint32_t descriptorType;
  uint32_t descriptorCount;
  uint32_t stageFlags;
  const VcHandle *pImmutableSamplers;
} VcSetLayoutBinding;

typedef struct {
  VcHead head;
  uint32_t flags;
  uint32_t bindingCount;
  const VcSetLayoutBinding *pBindings;
} VcSetLayoutCreateInfo;

typedef struct {
  uint32_t type;
  uint32_t descriptorCount;
} VcDescriptorPoolSize;

typedef struct {
  VcHead head;
  uint32_t flags;
  uint32_t maxSets;
  uint32_t poolSizeCount;
  const VcDescriptorPoolSize *pPoolSizes;
} VcDescriptorPoolCreateInfo;

typedef struct {
  VcHead head;
  VcHandle descriptorPool;
  uint32_t descriptorSetCount;
  const VcHandle *pSetLayouts;
} VcDescriptorSetAllocateInfo;

typedef struct {
  VcHandle buffer;
  uint64_t offset;
  uint64_t range;
} VcDescriptorBufferInfo;

typedef struct {
  VcHead head;
  VcHandle dstSet;
  uint32_t dstBinding;
  uint32_t dstArrayElement;
  uint32_t descriptorCount;
  uint32_t descriptorType;
  const void *pImageInfo;
  const VcDescriptorBufferInfo *pBufferInfo;
  const VcHandle *pTexelBufferView;
} VcWriteDescriptorSet;

typedef struct {
  VcHead head;
  uint32_t flags;
  const void *pInheritanceInfo;
} VcCommandBufferBeginInfo;

typedef struct {
  VcHead head;
  uint32_t srcAccessMask;
  uint32_t dstAccessMask;
} VcMemoryBarrier;

typedef struct {
  VcHead head;
  uint32_t srcAccessMask;
  uint32_t dstAccessMask;
  uint32_t srcQueueFamilyIndex;
  uint32_t dstQueueFamilyIndex;
  VcHandle buffer;
  uint64_t offset;
  uint64_t size;
} VcBufferMemoryBarrier;

typedef struct {
  uint64_t srcOffset;
  uint64_t dstOffset;
  uint64_t size;
} VcBufferCopy;

typedef struct {
  VcHead head;
  uint32_t waitSemaphoreCount;
  const VcHandle *pWaitSemaphores;
  const uint32_t *pWaitDstStageMask;
  uint32_t commandBufferCount;
  const VcCommandBuffer *pCommandBuffers;
  uint32_t signalSemaphoreCount;
  const VcHandle *pSignalSemaphores;
} VcSubmitInfo;

typedef struct {
  VcHead head;
  VcHandle memory;
  uint64_t offset;
  uint64_t size;
} VcMappedMemoryRange;

typedef struct {
  VcHead head;
  uint32_t objectType;
  uint64_t objectHandle;
  const char *pObjectName;
} VcDebugObjectName;

typedef struct {
  VcHead head;
  uint32_t flags;
  const char *pMessageIdName;
  int32_t messageIdNumber;
  const char *pMessage;
  // more follows, unread
} VcDebugCallbackData;

typedef VcBool32(VC_CALL *VcDebugCallback)(uint32_t severity, uint32_t types,
                                           const VcDebugCallbackData *data,
                                           void *user);

typedef struct {
  VcHead head;
  uint32_t flags;
  uint32_t messageSeverity;
  uint32_t messageType;
  VcDebugCallback pfnUserCallback;
  void *pUserData;
} VcDebugMessengerCreateInfo;

typedef struct {
  VcHead head;
  uint32_t enabledValidationFeatureCount;
  const uint32_t *pEnabledValidationFeatures;
  uint32_t disabledValidationFeatureCount;
  const uint32_t *pDisabledValidationFeatures;
} VcValidationFeatures;

typedef struct {
  const char *pLayerName;
  const char *pSettingName;
  uint32_t type;
  uint32_t valueCount;
  const void *pValues;
} VcLayerSetting;

typedef struct {
  VcHead head;
  uint32_t settingCount;
  const VcLayerSetting *pSettings;
} VcLayerSettings;

#endif
