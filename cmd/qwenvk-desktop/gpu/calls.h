// The entry points, private to the C files of this package.
#ifndef QWENVK_DESKTOP_CALLS_H
#define QWENVK_DESKTOP_CALLS_H

#include "gpu.h"

typedef void (*VrVoidFunction)(void);
typedef VrVoidFunction(VR_CALL *PfnGetInstanceProcAddr)(VrInstance, const char *);

// INSTANCE_CALLS and DEVICE_CALLS name each function with its result and parameters: fields and their loading are made
// from the one list.
#define INSTANCE_CALLS(X)                                                                             \
  X(void, DestroyInstance, (VrInstance, const void *))                                                \
  X(VrResult, EnumeratePhysicalDevices, (VrInstance, uint32_t *, VrPhysicalDevice *))                 \
  X(void, GetPhysicalDeviceProperties, (VrPhysicalDevice, VrPhysicalDeviceProperties *))              \
  X(void, GetPhysicalDeviceMemoryProperties, (VrPhysicalDevice, VrPhysicalDeviceMemoryProperties *))  \
  X(void, GetPhysicalDeviceQueueFamilyProperties,                                                     \
    (VrPhysicalDevice, uint32_t *, VrQueueFamilyProperties *))                                        \
  X(VrResult, EnumerateDeviceExtensionProperties,                                                     \
    (VrPhysicalDevice, const char *, uint32_t *, VrExtensionProperties *))                            \
  X(VrResult, CreateDevice, (VrPhysicalDevice, const VrDeviceCreateInfo *, const void *, VrDevice *)) \
  X(VrVoidFunction, GetDeviceProcAddr, (VrDevice, const char *))

// Those of VK_KHR_surface; absent where nothing is presented.
#define SURFACE_CALLS(X)                                                                                      \
  X(void, DestroySurfaceKHR, (VrInstance, VrHandle, const void *))                                            \
  X(VrResult, GetPhysicalDeviceSurfaceSupportKHR, (VrPhysicalDevice, uint32_t, VrHandle, VrBool32 *))         \
  X(VrResult, GetPhysicalDeviceSurfaceCapabilitiesKHR, (VrPhysicalDevice, VrHandle, VrSurfaceCapabilitiesKHR *)) \
  X(VrResult, GetPhysicalDeviceSurfaceFormatsKHR, (VrPhysicalDevice, VrHandle, uint32_t *, VrSurfaceFormatKHR *))

#define DEVICE_CALLS(X)                                                                                         \
  X(void, DestroyDevice, (VrDevice, const void *))                                                              \
  X(void, GetDeviceQueue, (VrDevice, uint32_t, uint32_t, VrQueue *))                                            \
  X(VrResult, QueueSubmit, (VrQueue, uint32_t, const VrSubmitInfo *, VrHandle))                                 \
  X(VrResult, QueueWaitIdle, (VrQueue))                                                                         \
  X(VrResult, AllocateMemory, (VrDevice, const VrMemoryAllocateInfo *, const void *, VrHandle *))               \
  X(void, FreeMemory, (VrDevice, VrHandle, const void *))                                                       \
  X(VrResult, MapMemory, (VrDevice, VrHandle, VrDeviceSize, VrDeviceSize, VrFlags, void **))                    \
  X(VrResult, BindBufferMemory, (VrDevice, VrHandle, VrHandle, VrDeviceSize))                                   \
  X(VrResult, BindImageMemory, (VrDevice, VrHandle, VrHandle, VrDeviceSize))                                    \
  X(void, GetBufferMemoryRequirements, (VrDevice, VrHandle, VrMemoryRequirements *))                            \
  X(void, GetImageMemoryRequirements, (VrDevice, VrHandle, VrMemoryRequirements *))                             \
  X(VrResult, CreateFence, (VrDevice, const VrFenceCreateInfo *, const void *, VrHandle *))                     \
  X(void, DestroyFence, (VrDevice, VrHandle, const void *))                                                     \
  X(VrResult, ResetFences, (VrDevice, uint32_t, const VrHandle *))                                              \
  X(VrResult, WaitForFences, (VrDevice, uint32_t, const VrHandle *, VrBool32, uint64_t))                        \
  X(VrResult, CreateSemaphore, (VrDevice, const VrSemaphoreCreateInfo *, const void *, VrHandle *))             \
  X(void, DestroySemaphore, (VrDevice, VrHandle, const void *))                                                 \
  X(VrResult, CreateBuffer, (VrDevice, const VrBufferCreateInfo *, const void *, VrHandle *))                   \
  X(void, DestroyBuffer, (VrDevice, VrHandle, const void *))                                                    \
  X(VrResult, CreateImage, (VrDevice, const VrImageCreateInfo *, const void *, VrHandle *))                     \
  X(void, DestroyImage, (VrDevice, VrHandle, const void *))                                                     \
  X(VrResult, CreateImageView, (VrDevice, const VrImageViewCreateInfo *, const void *, VrHandle *))             \
  X(void, DestroyImageView, (VrDevice, VrHandle, const void *))                                                 \
  X(VrResult, CreateShaderModule, (VrDevice, const VrShaderModuleCreateInfo *, const void *, VrHandle *))       \
  X(void, DestroyShaderModule, (VrDevice, VrHandle, const void *))                                              \
  X(VrResult, CreateGraphicsPipelines,                                                                          \
    (VrDevice, VrHandle, uint32_t, const VrGraphicsPipelineCreateInfo *, const void *, VrHandle *))             \
  X(void, DestroyPipeline, (VrDevice, VrHandle, const void *))                                                  \
  X(VrResult, CreatePipelineLayout, (VrDevice, const VrPipelineLayoutCreateInfo *, const void *, VrHandle *))   \
  X(void, DestroyPipelineLayout, (VrDevice, VrHandle, const void *))                                            \
  X(VrResult, CreateSampler, (VrDevice, const VrSamplerCreateInfo *, const void *, VrHandle *))                 \
  X(void, DestroySampler, (VrDevice, VrHandle, const void *))                                                   \
  X(VrResult, CreateDescriptorSetLayout,                                                                        \
    (VrDevice, const VrDescriptorSetLayoutCreateInfo *, const void *, VrHandle *))                              \
  X(void, DestroyDescriptorSetLayout, (VrDevice, VrHandle, const void *))                                       \
  X(VrResult, CreateDescriptorPool, (VrDevice, const VrDescriptorPoolCreateInfo *, const void *, VrHandle *))   \
  X(void, DestroyDescriptorPool, (VrDevice, VrHandle, const void *))                                            \
  X(VrResult, AllocateDescriptorSets, (VrDevice, const VrDescriptorSetAllocateInfo *, VrHandle *))              \
  X(void, UpdateDescriptorSets, (VrDevice, uint32_t, const VrWriteDescriptorSet *, uint32_t, const void *))     \
  X(VrResult, CreateFramebuffer, (VrDevice, const VrFramebufferCreateInfo *, const void *, VrHandle *))         \
  X(void, DestroyFramebuffer, (VrDevice, VrHandle, const void *))                                               \
  X(VrResult, CreateRenderPass, (VrDevice, const VrRenderPassCreateInfo *, const void *, VrHandle *))           \
  X(void, DestroyRenderPass, (VrDevice, VrHandle, const void *))                                                \
  X(VrResult, CreateCommandPool, (VrDevice, const VrCommandPoolCreateInfo *, const void *, VrHandle *))         \
  X(void, DestroyCommandPool, (VrDevice, VrHandle, const void *))                                               \
  X(VrResult, AllocateCommandBuffers, (VrDevice, const VrCommandBufferAllocateInfo *, VrCommandBuffer *))       \
  X(VrResult, BeginCommandBuffer, (VrCommandBuffer, const VrCommandBufferBeginInfo *))                          \
  X(VrResult, EndCommandBuffer, (VrCommandBuffer))                                                              \
  X(void, CmdBeginRenderPass, (VrCommandBuffer, const VrRenderPassBeginInfo *, uint32_t))                       \
  X(void, CmdEndRenderPass, (VrCommandBuffer))                                                                  \
  X(void, CmdBindPipeline, (VrCommandBuffer, uint32_t, VrHandle))                                               \
  X(void, CmdBindDescriptorSets, (VrCommandBuffer, uint32_t, VrHandle, uint32_t, uint32_t, const VrHandle *,    \
                                  uint32_t, const uint32_t *))                                                  \
  X(void, CmdBindVertexBuffers, (VrCommandBuffer, uint32_t, uint32_t, const VrHandle *, const VrDeviceSize *))  \
  X(void, CmdSetViewport, (VrCommandBuffer, uint32_t, uint32_t, const VrViewport *))                            \
  X(void, CmdSetScissor, (VrCommandBuffer, uint32_t, uint32_t, const VrRect2D *))                               \
  X(void, CmdPushConstants, (VrCommandBuffer, VrHandle, VrFlags, uint32_t, uint32_t, const void *))             \
  X(void, CmdDraw, (VrCommandBuffer, uint32_t, uint32_t, uint32_t, uint32_t))                                   \
  X(void, CmdPipelineBarrier, (VrCommandBuffer, VrFlags, VrFlags, VrFlags, uint32_t, const VrMemoryBarrier *,   \
                               uint32_t, const void *, uint32_t, const VrImageMemoryBarrier *))                 \
  X(void, CmdCopyBufferToImage, (VrCommandBuffer, VrHandle, VrHandle, uint32_t, uint32_t, const VrBufferImageCopy *)) \
  X(void, CmdCopyImageToBuffer, (VrCommandBuffer, VrHandle, uint32_t, VrHandle, uint32_t, const VrBufferImageCopy *))

#define SWAPCHAIN_CALLS(X)                                                                                     \
  X(VrResult, CreateSwapchainKHR, (VrDevice, const VrSwapchainCreateInfoKHR *, const void *, VrHandle *))      \
  X(void, DestroySwapchainKHR, (VrDevice, VrHandle, const void *))                                             \
  X(VrResult, GetSwapchainImagesKHR, (VrDevice, VrHandle, uint32_t *, VrHandle *))                             \
  X(VrResult, AcquireNextImageKHR, (VrDevice, VrHandle, uint64_t, VrHandle, VrHandle, uint32_t *))             \
  X(VrResult, QueuePresentKHR, (VrQueue, const VrPresentInfoKHR *))

#define POINTER(result, name, parameters) result(VR_CALL *name) parameters;

struct GpInstance {
  VrInstance handle;
  PfnGetInstanceProcAddr get;
  INSTANCE_CALLS(POINTER)
  SURFACE_CALLS(POINTER)
};

struct GpDevice {
  GpInstance *in;
  VrPhysicalDevice physical;
  VrDevice handle;
  uint32_t family;
  VrQueue queue[2];
  VrPhysicalDeviceMemoryProperties memory;
  DEVICE_CALLS(POINTER)
  SWAPCHAIN_CALLS(POINTER)
};

// gp_fail notes what failed; it returns r < 0, so that a caller can return at once.
static inline int gp_fail(GpError *error, const char *call, VrResult r) {
  if (r >= 0) {
    return 0;
  }
  error->call = call;
  error->result = r;
  return 1;
}

#endif
