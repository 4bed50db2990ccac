// The entry points themselves: types and the three tables. Private to the C
// files of this package.
#ifndef QWENVK_CALLS_H
#define QWENVK_CALLS_H

#include "core.h"

typedef void (*VcVoidFunction)(void);

typedef VcVoidFunction(VC_CALL *PfnGetInstanceProcAddr)(VcInstance, const char *);
typedef VcVoidFunction(VC_CALL *PfnGetDeviceProcAddr)(VcDevice, const char *);
typedef VcResult(VC_CALL *PfnCreateInstance)(
    const VcInstanceCreateInfo *, const void *, VcInstance *);
typedef VcResult(VC_CALL *PfnEnumerateInstanceVersion)(uint32_t *);
typedef VcResult(VC_CALL *PfnEnumerateInstanceExtensionProperties)(
    const char *, uint32_t *, VcExtensionProperties *);
typedef VcResult(VC_CALL *PfnEnumerateInstanceLayerProperties)(uint32_t *, VcLayerProperties *);

typedef VcResult(VC_CALL *PfnCreateDevice)(
    VcPhysicalDevice, const VcDeviceCreateInfo *, const void *, VcDevice *);
typedef VcResult(VC_CALL *PfnEnumeratePhysicalDevices)(VcInstance, uint32_t *, VcPhysicalDevice *);
typedef VcResult(VC_CALL *PfnEnumerateDeviceExtensionProperties)(
    VcPhysicalDevice, const char *, uint32_t *, VcExtensionProperties *);
typedef void(VC_CALL *PfnGetPhysicalDeviceQueueFamilyProperties)(
    VcPhysicalDevice, uint32_t *, VcQueueFamilyProperties *);
typedef void(VC_CALL *PfnGetPhysicalDeviceFeatures2)(VcPhysicalDevice, VcFeatures2 *);
typedef void(VC_CALL *PfnGetPhysicalDeviceProperties2)(VcPhysicalDevice, VcProperties2 *);
typedef void(VC_CALL *PfnGetPhysicalDeviceMemoryProperties2)(VcPhysicalDevice, VcMemoryProperties2 *);
typedef VcResult(VC_CALL *PfnGetPhysicalDeviceCooperativeMatrixPropertiesKHR)(
    VcPhysicalDevice, uint32_t *, VcCoopMatProperties *);
typedef VcResult(VC_CALL *PfnCreateDebugUtilsMessengerEXT)(
    VcInstance, const VcDebugMessengerCreateInfo *, const void *, VcHandle *);
typedef void(VC_CALL *PfnDestroyDebugUtilsMessengerEXT)(VcInstance, VcHandle, const void *);
typedef VcResult(VC_CALL *PfnSetDebugUtilsObjectNameEXT)(VcDevice, const VcDebugObjectName *);

typedef VcResult(VC_CALL *PfnCreateDescriptorSetLayout)(
    VcDevice, const VcSetLayoutCreateInfo *, const void *, VcHandle *);
typedef VcResult(VC_CALL *PfnCreatePipelineLayout)(
    VcDevice, const VcPipelineLayoutCreateInfo *, const void *, VcHandle *);
typedef VcResult(VC_CALL *PfnCreateDescriptorPool)(
    VcDevice, const VcDescriptorPoolCreateInfo *, const void *, VcHandle *);
typedef VcResult(VC_CALL *PfnCreateComputePipelines)(
    VcDevice, VcHandle, uint32_t, const VcComputePipelineCreateInfo *, const void *, VcHandle *);
typedef VcResult(VC_CALL *PfnGetPipelineExecutablePropertiesKHR)(
    VcDevice, const VcPipelineInfo *, uint32_t *, VcExecutableProperties *);
typedef VcResult(VC_CALL *PfnGetPipelineExecutableStatisticsKHR)(
    VcDevice, const VcExecutableInfo *, uint32_t *, VcExecutableStatistic *);
typedef VcResult(VC_CALL *PfnAllocateDescriptorSets)(
    VcDevice, const VcDescriptorSetAllocateInfo *, VcHandle *);
typedef void(VC_CALL *PfnUpdateDescriptorSets)(
    VcDevice, uint32_t, const VcWriteDescriptorSet *, uint32_t, const void *);
typedef VcResult(VC_CALL *PfnBeginCommandBuffer)(VcCommandBuffer, const VcCommandBufferBeginInfo *);
typedef VcResult(VC_CALL *PfnEndCommandBuffer)(VcCommandBuffer);
typedef void(VC_CALL *PfnCmdBindPipeline)(VcCommandBuffer, uint32_t, VcHandle);
typedef void(VC_CALL *PfnCmdBindDescriptorSets)(
    VcCommandBuffer, uint32_t, VcHandle, uint32_t, uint32_t, const VcHandle *, uint32_t,
    const uint32_t *);
typedef void(VC_CALL *PfnCmdPushConstants)(
    VcCommandBuffer, VcHandle, uint32_t, uint32_t, uint32_t, const void *);
typedef void(VC_CALL *PfnCmdDispatch)(VcCommandBuffer, uint32_t, uint32_t, uint32_t);
typedef void(VC_CALL *PfnCmdDispatchBase)(
    VcCommandBuffer, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t, uint32_t);
typedef void(VC_CALL *PfnCmdDispatchIndirect)(VcCommandBuffer, VcHandle, uint64_t);
typedef void(VC_CALL *PfnCmdPipelineBarrier)(
    VcCommandBuffer, uint32_t, uint32_t, uint32_t, uint32_t, const VcMemoryBarrier *, uint32_t,
    const VcBufferMemoryBarrier *, uint32_t, const void *);
typedef void(VC_CALL *PfnCmdCopyBuffer)(
    VcCommandBuffer, VcHandle, VcHandle, uint32_t, const VcBufferCopy *);
typedef void(VC_CALL *PfnCmdFillBuffer)(VcCommandBuffer, VcHandle, uint64_t, uint64_t, uint32_t);
typedef void(VC_CALL *PfnCmdResetQueryPool)(VcCommandBuffer, VcHandle, uint32_t, uint32_t);
typedef void(VC_CALL *PfnCmdWriteTimestamp)(VcCommandBuffer, uint32_t, VcHandle, uint32_t);
typedef VcResult(VC_CALL *PfnGetQueryPoolResults)(
    VcDevice, VcHandle, uint32_t, uint32_t, size_t, void *, uint64_t, uint32_t);
typedef VcResult(VC_CALL *PfnResetFences)(VcDevice, uint32_t, const VcHandle *);
typedef VcResult(VC_CALL *PfnWaitForFences)(VcDevice, uint32_t, const VcHandle *, VcBool32, uint64_t);
typedef VcResult(VC_CALL *PfnQueueSubmit)(VcQueue, uint32_t, const VcSubmitInfo *, VcHandle);
typedef VcResult(VC_CALL *PfnFlushMappedMemoryRanges)(VcDevice, uint32_t, const VcMappedMemoryRange *);
typedef PfnFlushMappedMemoryRanges PfnInvalidateMappedMemoryRanges;

struct VcLoader {
  PfnGetInstanceProcAddr GetInstanceProcAddr;
  PfnCreateInstance CreateInstance;
  PfnEnumerateInstanceVersion EnumerateInstanceVersion;
  PfnEnumerateInstanceExtensionProperties EnumerateInstanceExtensionProperties;
  PfnEnumerateInstanceLayerProperties EnumerateInstanceLayerProperties;
};

struct VcInstanceCalls {
  VcInstance instance;
  VcHandle messenger;
  PfnCreateDevice CreateDevice;
  PfnEnumeratePhysicalDevices EnumeratePhysicalDevices;
  PfnEnumerateDeviceExtensionProperties EnumerateDeviceExtensionProperties;
  PfnGetPhysicalDeviceQueueFamilyProperties GetPhysicalDeviceQueueFamilyProperties;
  PfnGetPhysicalDeviceFeatures2 GetPhysicalDeviceFeatures2;
  PfnGetPhysicalDeviceProperties2 GetPhysicalDeviceProperties2;
  PfnGetPhysicalDeviceMemoryProperties2 GetPhysicalDeviceMemoryProperties2;
  PfnGetDeviceProcAddr GetDeviceProcAddr;
  PfnGetPhysicalDeviceCooperativeMatrixPropertiesKHR
      GetPhysicalDeviceCooperativeMatrixPropertiesKHR;
  PfnCreateDebugUtilsMessengerEXT CreateDebugUtilsMessengerEXT;
  PfnDestroyDebugUtilsMessengerEXT DestroyDebugUtilsMessengerEXT;
  PfnSetDebugUtilsObjectNameEXT SetDebugUtilsObjectNameEXT;
};

#define VC_DEVICE_CALLS(X)          \
  X(CreateDescriptorSetLayout)      \
  X(CreatePipelineLayout)           \
  X(CreateDescriptorPool)           \
  X(CreateComputePipelines)         \
  X(AllocateDescriptorSets)         \
  X(UpdateDescriptorSets)           \
  X(BeginCommandBuffer)             \
  X(EndCommandBuffer)               \
  X(CmdBindPipeline)                \
  X(CmdBindDescriptorSets)          \
  X(CmdPushConstants)               \
  X(CmdDispatch)                    \
  X(CmdDispatchBase)                \
  X(CmdDispatchIndirect)            \
  X(CmdPipelineBarrier)             \
  X(CmdCopyBuffer)                  \
  X(CmdFillBuffer)                  \
  X(CmdResetQueryPool)              \
  X(CmdWriteTimestamp)              \
  X(GetQueryPoolResults)            \
  X(ResetFences)                    \
  X(WaitForFences)                  \
  X(QueueSubmit)                    \
  X(FlushMappedMemoryRanges)        \
  X(InvalidateMappedMemoryRanges)

struct VcDeviceCalls {
  VcDevice device;
#define FIELD(name) Pfn##name name;
  VC_DEVICE_CALLS(FIELD)
#undef FIELD
  PfnGetPipelineExecutablePropertiesKHR GetPipelineExecutablePropertiesKHR;
  PfnGetPipelineExecutableStatisticsKHR GetPipelineExecutableStatisticsKHR;
};

#endif
