// The part of Vulkan 1.0 and its window system extensions that the renderer calls, declared here so that a build needs
// no Vulkan headers. Names are those of the specification with Vr in place of Vk, so that layout_test.go can hold every
// size, offset and value against the Khronos headers where a machine has them.
#ifndef QWENVK_DESKTOP_VULKAN_H
#define QWENVK_DESKTOP_VULKAN_H

#include <stddef.h>
#include <stdint.h>

#ifdef _WIN32
#define VR_CALL __stdcall
#else
#define VR_CALL
#endif

_Static_assert(sizeof(void *) == 8, "qwenvk-desktop needs a 64-bit platform");

typedef uint32_t VrBool32;
typedef uint32_t VrFlags;
typedef uint64_t VrDeviceSize;
typedef int32_t VrResult;
typedef struct VrInstance_T *VrInstance;
typedef struct VrPhysicalDevice_T *VrPhysicalDevice;
typedef struct VrDevice_T *VrDevice;
typedef struct VrQueue_T *VrQueue;
typedef struct VrCommandBuffer_T *VrCommandBuffer;
typedef uint64_t VrHandle; // any non-dispatchable handle

enum {
  VR_SUCCESS = 0,
  VR_NOT_READY = 1,
  VR_TIMEOUT = 2,
  VR_INCOMPLETE = 5,
  VR_SUBOPTIMAL_KHR = 1000001003,
  VR_ERROR_OUT_OF_HOST_MEMORY = -1,
  VR_ERROR_OUT_OF_DEVICE_MEMORY = -2,
  VR_ERROR_INITIALIZATION_FAILED = -3,
  VR_ERROR_DEVICE_LOST = -4,
  VR_ERROR_LAYER_NOT_PRESENT = -6,
  VR_ERROR_EXTENSION_NOT_PRESENT = -7,
  VR_ERROR_FEATURE_NOT_PRESENT = -8,
  VR_ERROR_INCOMPATIBLE_DRIVER = -9,
  VR_ERROR_SURFACE_LOST_KHR = -1000000000,
  VR_ERROR_OUT_OF_DATE_KHR = -1000001004,
};

enum {
  VR_STRUCTURE_TYPE_APPLICATION_INFO = 0,
  VR_STRUCTURE_TYPE_INSTANCE_CREATE_INFO = 1,
  VR_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO = 2,
  VR_STRUCTURE_TYPE_DEVICE_CREATE_INFO = 3,
  VR_STRUCTURE_TYPE_SUBMIT_INFO = 4,
  VR_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO = 5,
  VR_STRUCTURE_TYPE_FENCE_CREATE_INFO = 8,
  VR_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO = 9,
  VR_STRUCTURE_TYPE_BUFFER_CREATE_INFO = 12,
  VR_STRUCTURE_TYPE_IMAGE_CREATE_INFO = 14,
  VR_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO = 15,
  VR_STRUCTURE_TYPE_SHADER_MODULE_CREATE_INFO = 16,
  VR_STRUCTURE_TYPE_PIPELINE_SHADER_STAGE_CREATE_INFO = 18,
  VR_STRUCTURE_TYPE_PIPELINE_VERTEX_INPUT_STATE_CREATE_INFO = 19,
  VR_STRUCTURE_TYPE_PIPELINE_INPUT_ASSEMBLY_STATE_CREATE_INFO = 20,
  VR_STRUCTURE_TYPE_PIPELINE_VIEWPORT_STATE_CREATE_INFO = 22,
  VR_STRUCTURE_TYPE_PIPELINE_RASTERIZATION_STATE_CREATE_INFO = 23,
  VR_STRUCTURE_TYPE_PIPELINE_MULTISAMPLE_STATE_CREATE_INFO = 24,
  VR_STRUCTURE_TYPE_PIPELINE_COLOR_BLEND_STATE_CREATE_INFO = 26,
  VR_STRUCTURE_TYPE_PIPELINE_DYNAMIC_STATE_CREATE_INFO = 27,
  VR_STRUCTURE_TYPE_GRAPHICS_PIPELINE_CREATE_INFO = 28,
  VR_STRUCTURE_TYPE_PIPELINE_LAYOUT_CREATE_INFO = 30,
  VR_STRUCTURE_TYPE_SAMPLER_CREATE_INFO = 31,
  VR_STRUCTURE_TYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO = 32,
  VR_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO = 33,
  VR_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO = 34,
  VR_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET = 35,
  VR_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO = 37,
  VR_STRUCTURE_TYPE_RENDER_PASS_CREATE_INFO = 38,
  VR_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO = 39,
  VR_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO = 40,
  VR_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO = 42,
  VR_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO = 43,
  VR_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER = 45,
  VR_STRUCTURE_TYPE_MEMORY_BARRIER = 46,
  VR_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR = 1000001000,
  VR_STRUCTURE_TYPE_PRESENT_INFO_KHR = 1000001001,
};

enum {
  VR_QUEUE_GRAPHICS_BIT = 1,
  VR_QUEUE_COMPUTE_BIT = 2,
  VR_PHYSICAL_DEVICE_TYPE_INTEGRATED_GPU = 1,
  VR_PHYSICAL_DEVICE_TYPE_DISCRETE_GPU = 2,
  VR_PHYSICAL_DEVICE_TYPE_VIRTUAL_GPU = 3,
  VR_PHYSICAL_DEVICE_TYPE_CPU = 4,
  VR_MEMORY_PROPERTY_DEVICE_LOCAL_BIT = 1,
  VR_MEMORY_PROPERTY_HOST_VISIBLE_BIT = 2,
  VR_MEMORY_PROPERTY_HOST_COHERENT_BIT = 4,
  VR_FORMAT_R8_UNORM = 9,
  VR_FORMAT_R8G8B8A8_UNORM = 37,
  VR_FORMAT_R8G8B8A8_UINT = 41,
  VR_FORMAT_R8G8B8A8_SRGB = 43,
  VR_FORMAT_B8G8R8A8_UNORM = 44,
  VR_FORMAT_B8G8R8A8_SRGB = 50,
  VR_FORMAT_R16G16B16A16_UINT = 95,
  VR_FORMAT_R16G16B16A16_SINT = 96,
  VR_FORMAT_R32G32B32A32_SFLOAT = 109,
  VR_COLOR_SPACE_SRGB_NONLINEAR_KHR = 0,
  VR_PRESENT_MODE_FIFO_KHR = 2,
  VR_COMPOSITE_ALPHA_OPAQUE_BIT_KHR = 1,
  VR_IMAGE_USAGE_TRANSFER_SRC_BIT = 1,
  VR_IMAGE_USAGE_TRANSFER_DST_BIT = 2,
  VR_IMAGE_USAGE_SAMPLED_BIT = 4,
  VR_IMAGE_USAGE_COLOR_ATTACHMENT_BIT = 16,
  VR_BUFFER_USAGE_TRANSFER_SRC_BIT = 1,
  VR_BUFFER_USAGE_TRANSFER_DST_BIT = 2,
  VR_BUFFER_USAGE_VERTEX_BUFFER_BIT = 128,
  VR_IMAGE_TYPE_2D = 1,
  VR_IMAGE_VIEW_TYPE_2D = 1,
  VR_IMAGE_TILING_OPTIMAL = 0,
  VR_IMAGE_ASPECT_COLOR_BIT = 1,
  VR_IMAGE_LAYOUT_UNDEFINED = 0,
  VR_IMAGE_LAYOUT_COLOR_ATTACHMENT_OPTIMAL = 2,
  VR_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL = 5,
  VR_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL = 6,
  VR_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL = 7,
  VR_IMAGE_LAYOUT_PRESENT_SRC_KHR = 1000001002,
  VR_SAMPLE_COUNT_1_BIT = 1,
  VR_ATTACHMENT_LOAD_OP_CLEAR = 1,
  VR_ATTACHMENT_LOAD_OP_DONT_CARE = 2,
  VR_ATTACHMENT_STORE_OP_STORE = 0,
  VR_ATTACHMENT_STORE_OP_DONT_CARE = 1,
  VR_PIPELINE_BIND_POINT_GRAPHICS = 0,
  VR_SHADER_STAGE_VERTEX_BIT = 1,
  VR_SHADER_STAGE_FRAGMENT_BIT = 16,
  VR_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER = 1,
  VR_FILTER_NEAREST = 0,
  VR_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE = 2,
  VR_VERTEX_INPUT_RATE_INSTANCE = 1,
  VR_PRIMITIVE_TOPOLOGY_TRIANGLE_STRIP = 4,
  VR_FRONT_FACE_CLOCKWISE = 1,
  VR_BLEND_FACTOR_ONE = 1,
  VR_BLEND_FACTOR_ONE_MINUS_SRC_ALPHA = 7,
  VR_BLEND_OP_ADD = 0,
  VR_DYNAMIC_STATE_VIEWPORT = 0,
  VR_DYNAMIC_STATE_SCISSOR = 1,
  VR_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT = 2,
  VR_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT = 1,
  VR_FENCE_CREATE_SIGNALED_BIT = 1,
  VR_PIPELINE_STAGE_TOP_OF_PIPE_BIT = 0x1,
  VR_PIPELINE_STAGE_FRAGMENT_SHADER_BIT = 0x80,
  VR_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT = 0x400,
  VR_PIPELINE_STAGE_TRANSFER_BIT = 0x1000,
  VR_PIPELINE_STAGE_BOTTOM_OF_PIPE_BIT = 0x2000,
  VR_PIPELINE_STAGE_HOST_BIT = 0x4000,
  VR_ACCESS_SHADER_READ_BIT = 0x20,
  VR_ACCESS_COLOR_ATTACHMENT_WRITE_BIT = 0x100,
  VR_ACCESS_TRANSFER_READ_BIT = 0x800,
  VR_ACCESS_TRANSFER_WRITE_BIT = 0x1000,
  VR_ACCESS_HOST_READ_BIT = 0x2000,
};

#define VR_SUBPASS_EXTERNAL (~0u)
#define VR_QUEUE_FAMILY_IGNORED (~0u)

typedef struct {
  uint32_t width;
  uint32_t height;
} VrExtent2D;

typedef struct {
  uint32_t width;
  uint32_t height;
  uint32_t depth;
} VrExtent3D;

typedef struct {
  int32_t x;
  int32_t y;
} VrOffset2D;

typedef struct {
  int32_t x;
  int32_t y;
  int32_t z;
} VrOffset3D;

typedef struct {
  VrOffset2D offset;
  VrExtent2D extent;
} VrRect2D;

typedef struct {
  float x;
  float y;
  float width;
  float height;
  float minDepth;
  float maxDepth;
} VrViewport;

typedef struct {
  uint32_t sType;
  const void *pNext;
  const char *pApplicationName;
  uint32_t applicationVersion;
  const char *pEngineName;
  uint32_t engineVersion;
  uint32_t apiVersion;
} VrApplicationInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  const VrApplicationInfo *pApplicationInfo;
  uint32_t enabledLayerCount;
  const char *const *ppEnabledLayerNames;
  uint32_t enabledExtensionCount;
  const char *const *ppEnabledExtensionNames;
} VrInstanceCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t queueFamilyIndex;
  uint32_t queueCount;
  const float *pQueuePriorities;
} VrDeviceQueueCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t queueCreateInfoCount;
  const VrDeviceQueueCreateInfo *pQueueCreateInfos;
  uint32_t enabledLayerCount;
  const char *const *ppEnabledLayerNames;
  uint32_t enabledExtensionCount;
  const char *const *ppEnabledExtensionNames;
  const void *pEnabledFeatures;
} VrDeviceCreateInfo;

typedef struct {
  char extensionName[256];
  uint32_t specVersion;
} VrExtensionProperties;

typedef struct {
  VrFlags queueFlags;
  uint32_t queueCount;
  uint32_t timestampValidBits;
  VrExtent3D minImageTransferGranularity;
} VrQueueFamilyProperties;

// The limits are not read: they are room at the size that the specification gives them.
typedef struct {
  uint32_t apiVersion;
  uint32_t driverVersion;
  uint32_t vendorID;
  uint32_t deviceID;
  uint32_t deviceType;
  char deviceName[256];
  uint8_t pipelineCacheUUID[16];
  uint64_t limits[63];
  uint32_t sparseProperties[5];
} VrPhysicalDeviceProperties;

typedef struct {
  VrFlags propertyFlags;
  uint32_t heapIndex;
} VrMemoryType;

typedef struct {
  VrDeviceSize size;
  VrFlags flags;
} VrMemoryHeap;

typedef struct {
  uint32_t memoryTypeCount;
  VrMemoryType memoryTypes[32];
  uint32_t memoryHeapCount;
  VrMemoryHeap memoryHeaps[16];
} VrPhysicalDeviceMemoryProperties;

typedef struct {
  VrDeviceSize size;
  VrDeviceSize alignment;
  uint32_t memoryTypeBits;
} VrMemoryRequirements;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrDeviceSize allocationSize;
  uint32_t memoryTypeIndex;
} VrMemoryAllocateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
} VrFenceCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
} VrSemaphoreCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  VrDeviceSize size;
  VrFlags usage;
  uint32_t sharingMode;
  uint32_t queueFamilyIndexCount;
  const uint32_t *pQueueFamilyIndices;
} VrBufferCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t imageType;
  uint32_t format;
  VrExtent3D extent;
  uint32_t mipLevels;
  uint32_t arrayLayers;
  uint32_t samples;
  uint32_t tiling;
  VrFlags usage;
  uint32_t sharingMode;
  uint32_t queueFamilyIndexCount;
  const uint32_t *pQueueFamilyIndices;
  uint32_t initialLayout;
} VrImageCreateInfo;

typedef struct {
  uint32_t r;
  uint32_t g;
  uint32_t b;
  uint32_t a;
} VrComponentMapping;

typedef struct {
  VrFlags aspectMask;
  uint32_t baseMipLevel;
  uint32_t levelCount;
  uint32_t baseArrayLayer;
  uint32_t layerCount;
} VrImageSubresourceRange;

typedef struct {
  VrFlags aspectMask;
  uint32_t mipLevel;
  uint32_t baseArrayLayer;
  uint32_t layerCount;
} VrImageSubresourceLayers;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  VrHandle image;
  uint32_t viewType;
  uint32_t format;
  VrComponentMapping components;
  VrImageSubresourceRange subresourceRange;
} VrImageViewCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  size_t codeSize;
  const uint32_t *pCode;
} VrShaderModuleCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t stage;
  VrHandle module;
  const char *pName;
  const void *pSpecializationInfo;
} VrPipelineShaderStageCreateInfo;

typedef struct {
  uint32_t binding;
  uint32_t stride;
  uint32_t inputRate;
} VrVertexInputBindingDescription;

typedef struct {
  uint32_t location;
  uint32_t binding;
  uint32_t format;
  uint32_t offset;
} VrVertexInputAttributeDescription;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t vertexBindingDescriptionCount;
  const VrVertexInputBindingDescription *pVertexBindingDescriptions;
  uint32_t vertexAttributeDescriptionCount;
  const VrVertexInputAttributeDescription *pVertexAttributeDescriptions;
} VrPipelineVertexInputStateCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t topology;
  VrBool32 primitiveRestartEnable;
} VrPipelineInputAssemblyStateCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t viewportCount;
  const VrViewport *pViewports;
  uint32_t scissorCount;
  const VrRect2D *pScissors;
} VrPipelineViewportStateCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  VrBool32 depthClampEnable;
  VrBool32 rasterizerDiscardEnable;
  uint32_t polygonMode;
  VrFlags cullMode;
  uint32_t frontFace;
  VrBool32 depthBiasEnable;
  float depthBiasConstantFactor;
  float depthBiasClamp;
  float depthBiasSlopeFactor;
  float lineWidth;
} VrPipelineRasterizationStateCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t rasterizationSamples;
  VrBool32 sampleShadingEnable;
  float minSampleShading;
  const uint32_t *pSampleMask;
  VrBool32 alphaToCoverageEnable;
  VrBool32 alphaToOneEnable;
} VrPipelineMultisampleStateCreateInfo;

typedef struct {
  VrBool32 blendEnable;
  uint32_t srcColorBlendFactor;
  uint32_t dstColorBlendFactor;
  uint32_t colorBlendOp;
  uint32_t srcAlphaBlendFactor;
  uint32_t dstAlphaBlendFactor;
  uint32_t alphaBlendOp;
  VrFlags colorWriteMask;
} VrPipelineColorBlendAttachmentState;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  VrBool32 logicOpEnable;
  uint32_t logicOp;
  uint32_t attachmentCount;
  const VrPipelineColorBlendAttachmentState *pAttachments;
  float blendConstants[4];
} VrPipelineColorBlendStateCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t dynamicStateCount;
  const uint32_t *pDynamicStates;
} VrPipelineDynamicStateCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t stageCount;
  const VrPipelineShaderStageCreateInfo *pStages;
  const VrPipelineVertexInputStateCreateInfo *pVertexInputState;
  const VrPipelineInputAssemblyStateCreateInfo *pInputAssemblyState;
  const void *pTessellationState;
  const VrPipelineViewportStateCreateInfo *pViewportState;
  const VrPipelineRasterizationStateCreateInfo *pRasterizationState;
  const VrPipelineMultisampleStateCreateInfo *pMultisampleState;
  const void *pDepthStencilState;
  const VrPipelineColorBlendStateCreateInfo *pColorBlendState;
  const VrPipelineDynamicStateCreateInfo *pDynamicState;
  VrHandle layout;
  VrHandle renderPass;
  uint32_t subpass;
  VrHandle basePipelineHandle;
  int32_t basePipelineIndex;
} VrGraphicsPipelineCreateInfo;

typedef struct {
  VrFlags stageFlags;
  uint32_t offset;
  uint32_t size;
} VrPushConstantRange;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t setLayoutCount;
  const VrHandle *pSetLayouts;
  uint32_t pushConstantRangeCount;
  const VrPushConstantRange *pPushConstantRanges;
} VrPipelineLayoutCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t magFilter;
  uint32_t minFilter;
  uint32_t mipmapMode;
  uint32_t addressModeU;
  uint32_t addressModeV;
  uint32_t addressModeW;
  float mipLodBias;
  VrBool32 anisotropyEnable;
  float maxAnisotropy;
  VrBool32 compareEnable;
  uint32_t compareOp;
  float minLod;
  float maxLod;
  uint32_t borderColor;
  VrBool32 unnormalizedCoordinates;
} VrSamplerCreateInfo;

typedef struct {
  uint32_t binding;
  uint32_t descriptorType;
  uint32_t descriptorCount;
  VrFlags stageFlags;
  const VrHandle *pImmutableSamplers;
} VrDescriptorSetLayoutBinding;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t bindingCount;
  const VrDescriptorSetLayoutBinding *pBindings;
} VrDescriptorSetLayoutCreateInfo;

typedef struct {
  uint32_t type;
  uint32_t descriptorCount;
} VrDescriptorPoolSize;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t maxSets;
  uint32_t poolSizeCount;
  const VrDescriptorPoolSize *pPoolSizes;
} VrDescriptorPoolCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrHandle descriptorPool;
  uint32_t descriptorSetCount;
  const VrHandle *pSetLayouts;
} VrDescriptorSetAllocateInfo;

typedef struct {
  VrHandle sampler;
  VrHandle imageView;
  uint32_t imageLayout;
} VrDescriptorImageInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrHandle dstSet;
  uint32_t dstBinding;
  uint32_t dstArrayElement;
  uint32_t descriptorCount;
  uint32_t descriptorType;
  const VrDescriptorImageInfo *pImageInfo;
  const void *pBufferInfo;
  const VrHandle *pTexelBufferView;
} VrWriteDescriptorSet;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  VrHandle renderPass;
  uint32_t attachmentCount;
  const VrHandle *pAttachments;
  uint32_t width;
  uint32_t height;
  uint32_t layers;
} VrFramebufferCreateInfo;

typedef struct {
  VrFlags flags;
  uint32_t format;
  uint32_t samples;
  uint32_t loadOp;
  uint32_t storeOp;
  uint32_t stencilLoadOp;
  uint32_t stencilStoreOp;
  uint32_t initialLayout;
  uint32_t finalLayout;
} VrAttachmentDescription;

typedef struct {
  uint32_t attachment;
  uint32_t layout;
} VrAttachmentReference;

typedef struct {
  VrFlags flags;
  uint32_t pipelineBindPoint;
  uint32_t inputAttachmentCount;
  const VrAttachmentReference *pInputAttachments;
  uint32_t colorAttachmentCount;
  const VrAttachmentReference *pColorAttachments;
  const VrAttachmentReference *pResolveAttachments;
  const VrAttachmentReference *pDepthStencilAttachment;
  uint32_t preserveAttachmentCount;
  const uint32_t *pPreserveAttachments;
} VrSubpassDescription;

typedef struct {
  uint32_t srcSubpass;
  uint32_t dstSubpass;
  VrFlags srcStageMask;
  VrFlags dstStageMask;
  VrFlags srcAccessMask;
  VrFlags dstAccessMask;
  VrFlags dependencyFlags;
} VrSubpassDependency;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t attachmentCount;
  const VrAttachmentDescription *pAttachments;
  uint32_t subpassCount;
  const VrSubpassDescription *pSubpasses;
  uint32_t dependencyCount;
  const VrSubpassDependency *pDependencies;
} VrRenderPassCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  uint32_t queueFamilyIndex;
} VrCommandPoolCreateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrHandle commandPool;
  uint32_t level;
  uint32_t commandBufferCount;
} VrCommandBufferAllocateInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  const void *pInheritanceInfo;
} VrCommandBufferBeginInfo;

typedef union {
  float float32[4];
  uint32_t uint32[4];
} VrClearColorValue;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrHandle renderPass;
  VrHandle framebuffer;
  VrRect2D renderArea;
  uint32_t clearValueCount;
  const VrClearColorValue *pClearValues;
} VrRenderPassBeginInfo;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags srcAccessMask;
  VrFlags dstAccessMask;
} VrMemoryBarrier;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags srcAccessMask;
  VrFlags dstAccessMask;
  uint32_t oldLayout;
  uint32_t newLayout;
  uint32_t srcQueueFamilyIndex;
  uint32_t dstQueueFamilyIndex;
  VrHandle image;
  VrImageSubresourceRange subresourceRange;
} VrImageMemoryBarrier;

typedef struct {
  VrDeviceSize bufferOffset;
  uint32_t bufferRowLength;
  uint32_t bufferImageHeight;
  VrImageSubresourceLayers imageSubresource;
  VrOffset3D imageOffset;
  VrExtent3D imageExtent;
} VrBufferImageCopy;

typedef struct {
  uint32_t sType;
  const void *pNext;
  uint32_t waitSemaphoreCount;
  const VrHandle *pWaitSemaphores;
  const VrFlags *pWaitDstStageMask;
  uint32_t commandBufferCount;
  const VrCommandBuffer *pCommandBuffers;
  uint32_t signalSemaphoreCount;
  const VrHandle *pSignalSemaphores;
} VrSubmitInfo;

typedef struct {
  uint32_t minImageCount;
  uint32_t maxImageCount;
  VrExtent2D currentExtent;
  VrExtent2D minImageExtent;
  VrExtent2D maxImageExtent;
  uint32_t maxImageArrayLayers;
  VrFlags supportedTransforms;
  uint32_t currentTransform;
  VrFlags supportedCompositeAlpha;
  VrFlags supportedUsageFlags;
} VrSurfaceCapabilitiesKHR;

typedef struct {
  uint32_t format;
  uint32_t colorSpace;
} VrSurfaceFormatKHR;

typedef struct {
  uint32_t sType;
  const void *pNext;
  VrFlags flags;
  VrHandle surface;
  uint32_t minImageCount;
  uint32_t imageFormat;
  uint32_t imageColorSpace;
  VrExtent2D imageExtent;
  uint32_t imageArrayLayers;
  VrFlags imageUsage;
  uint32_t imageSharingMode;
  uint32_t queueFamilyIndexCount;
  const uint32_t *pQueueFamilyIndices;
  uint32_t preTransform;
  uint32_t compositeAlpha;
  uint32_t presentMode;
  VrBool32 clipped;
  VrHandle oldSwapchain;
} VrSwapchainCreateInfoKHR;

typedef struct {
  uint32_t sType;
  const void *pNext;
  uint32_t waitSemaphoreCount;
  const VrHandle *pWaitSemaphores;
  uint32_t swapchainCount;
  const VrHandle *pSwapchains;
  const uint32_t *pImageIndices;
  VrResult *pResults;
} VrPresentInfoKHR;

#endif
