#include <stdlib.h>

#include "calls.h"

VcDeviceCalls *vc_device_new(VcInstanceCalls *c, VcDevice device,
                             VcBool32 executable) {
  VcDeviceCalls *d = calloc(1, sizeof *d);
  if (d == NULL) return NULL;
  d->device = device;
#define GET(name) \
  d->name = (Pfn##name)(uintptr_t)c->GetDeviceProcAddr(device, "vk" #name);
#define NEED(name) \
  GET(name)        \
  if (d->name == NULL) goto missing;
  VC_DEVICE_CALLS(NEED)
  if (executable) {
    GET(GetPipelineExecutablePropertiesKHR)
    GET(GetPipelineExecutableStatisticsKHR)
  }
#undef NEED
#undef GET
  return d;
missing:
  free(d);
  return NULL;
}

void vc_device_free(VcDeviceCalls *d) { free(d); }

VcResult vc_create_set_layout(VcDeviceCalls *d, uint32_t buffers, VcHandle *out) {
  VcSetLayoutBinding *bindings = calloc(buffers, sizeof *bindings);
  if (bindings == NULL) return VC_ERROR_OUT_OF_HOST_MEMORY;
  for (uint32_t i = 0; i < buffers; i++) {
    bindings[i] = (VcSetLayoutBinding){
        .binding = i,
        .descriptorType = VC_DESCRIPTOR_STORAGE_BUFFER,
        .descriptorCount = 1,
        .stageFlags = VC_SHADER_STAGE_COMPUTE,
    };
  }
  VcSetLayoutCreateInfo info = {
      .head = {VC_STYPE_DESCRIPTOR_SET_LAYOUT_CREATE_INFO, NULL},
      .bindingCount = buffers,
      .pBindings = bindings,
  };
  VcResult r = d->CreateDescriptorSetLayout(d->device, &info, NULL, out);
  free(bindings);
  return r;
}

VcResult vc_create_pipeline_layout(VcDeviceCalls *d, VcHandle set,
                                   uint32_t push_size, VcHandle *out) {
  VcPushConstantRange push = {VC_SHADER_STAGE_COMPUTE, 0, push_size};
  VcPipelineLayoutCreateInfo info = {
      .head = {VC_STYPE_PIPELINE_LAYOUT_CREATE_INFO, NULL},
      .setLayoutCount = set != 0,
      .pSetLayouts = &set,
      .pushConstantRangeCount = push_size != 0,
      .pPushConstantRanges = &push,
  };
  return d->CreatePipelineLayout(d->device, &info, NULL, out);
}

VcResult vc_create_pool(VcDeviceCalls *d, uint32_t sets, uint32_t buffers,
                        VcHandle *out) {
  VcDescriptorPoolSize size = {VC_DESCRIPTOR_STORAGE_BUFFER, buffers};
  VcDescriptorPoolCreateInfo info = {
      .head = {VC_STYPE_DESCRIPTOR_POOL_CREATE_INFO, NULL},
      .maxSets = sets,
      .poolSizeCount = 1,
      .pPoolSizes = &size,
  };
  return d->CreateDescriptorPool(d->device, &info, NULL, out);
}

VcResult vc_create_pipeline(VcDeviceCalls *d, const VcPipelineDesc *desc,
                            const uint32_t *constants, VcHandle *out) {
  VcSpecializationMapEntry *entries = NULL;
  if (desc->constant_count > 0) {
    entries = calloc(desc->constant_count, sizeof *entries);
    if (entries == NULL) return VC_ERROR_OUT_OF_HOST_MEMORY;
    for (uint32_t i = 0; i < desc->constant_count; i++) {
      entries[i] = (VcSpecializationMapEntry){i, i * 4, 4};
    }
  }
  VcSpecializationInfo specialization = {
      .mapEntryCount = desc->constant_count,
      .pMapEntries = entries,
      .dataSize = (size_t)desc->constant_count * 4,
      .pData = constants,
  };
  VcRequiredSubgroupSize required = {
      .head = {VC_STYPE_REQUIRED_SUBGROUP_SIZE, NULL},
      .requiredSubgroupSize = desc->subgroup_size,
  };
  VcComputePipelineCreateInfo info = {
      .head = {VC_STYPE_COMPUTE_PIPELINE_CREATE_INFO, NULL},
      .flags = (desc->capture_statistics ? VC_PIPELINE_CREATE_CAPTURE_STATISTICS : 0) |
               (desc->parts ? VC_PIPELINE_CREATE_DISPATCH_BASE : 0),
      .stage =
          {
              .head = {VC_STYPE_PIPELINE_SHADER_STAGE_CREATE_INFO,
                       desc->subgroup_size != 0 ? &required : NULL},
              .flags = desc->full_subgroups ? VC_STAGE_CREATE_REQUIRE_FULL_SUBGROUPS : 0,
              .stage = VC_SHADER_STAGE_COMPUTE,
              .module = desc->module,
              .pName = "main",
              .pSpecializationInfo = entries != NULL ? &specialization : NULL,
          },
      .layout = desc->layout,
      .basePipelineIndex = -1,
  };
  VcResult r = d->CreateComputePipelines(d->device, desc->cache, 1, &info, NULL, out);
  free(entries);
  return r;
}

// Compute pipelines have one executable; where a driver reports several, the
// first is the program that runs.
VcResult vc_statistics(VcDeviceCalls *d, VcHandle pipeline, uint32_t *count,
                       VcExecutableStatistic *out) {
  if (d->GetPipelineExecutablePropertiesKHR == NULL ||
      d->GetPipelineExecutableStatisticsKHR == NULL) {
    *count = 0;
    return VC_SUCCESS;
  }
  VcPipelineInfo info = {{VC_STYPE_PIPELINE_INFO, NULL}, pipeline};
  uint32_t executables = 0;
  VcResult r = d->GetPipelineExecutablePropertiesKHR(d->device, &info, &executables, NULL);
  if (r < 0 || executables == 0) {
    *count = 0;
    return r;
  }
  if (out != NULL) {
    for (uint32_t i = 0; i < *count; i++) {
      out[i] = (VcExecutableStatistic){.head = {VC_STYPE_EXECUTABLE_STATISTIC, NULL}};
    }
  }
  VcExecutableInfo which = {{VC_STYPE_EXECUTABLE_INFO, NULL}, pipeline, 0};
  return d->GetPipelineExecutableStatisticsKHR(d->device, &which, count, out);
}

VcResult vc_make_sets(VcDeviceCalls *d, VcHandle pool, const VcSetDesc *sets,
                      uint32_t count, const VcDescriptorBufferInfo *infos,
                      VcHandle *out) {
  if (count == 0) return VC_SUCCESS;
  VcHandle *layouts = calloc(count, sizeof *layouts);
  VcWriteDescriptorSet *writes = calloc(count, sizeof *writes);
  VcResult r = VC_ERROR_OUT_OF_HOST_MEMORY;
  if (layouts == NULL || writes == NULL) goto done;
  for (uint32_t i = 0; i < count; i++) layouts[i] = sets[i].layout;
  VcDescriptorSetAllocateInfo info = {
      .head = {VC_STYPE_DESCRIPTOR_SET_ALLOCATE_INFO, NULL},
      .descriptorPool = pool,
      .descriptorSetCount = count,
      .pSetLayouts = layouts,
  };
  r = d->AllocateDescriptorSets(d->device, &info, out);
  if (r != VC_SUCCESS) goto done;
  // The bindings of a layout are consecutive and of one type, so a write that
  // starts at binding 0 runs on over all of them.
  for (uint32_t i = 0; i < count; i++) {
    writes[i] = (VcWriteDescriptorSet){
        .head = {VC_STYPE_WRITE_DESCRIPTOR_SET, NULL},
        .dstSet = out[i],
        .descriptorCount = sets[i].count,
        .descriptorType = VC_DESCRIPTOR_STORAGE_BUFFER,
        .pBufferInfo = infos + sets[i].first,
    };
  }
  d->UpdateDescriptorSets(d->device, count, writes, 0, NULL);
done:
  free(layouts);
  free(writes);
  return r;
}

VcResult vc_submit(VcDeviceCalls *d, VcQueue queue, VcCommandBuffer cmd,
                   VcHandle fence) {
  VcResult r = d->ResetFences(d->device, 1, &fence);
  if (r != VC_SUCCESS) return r;
  VcSubmitInfo info = {
      .head = {VC_STYPE_SUBMIT_INFO, NULL},
      .commandBufferCount = 1,
      .pCommandBuffers = &cmd,
  };
  return d->QueueSubmit(queue, 1, &info, fence);
}

VcResult vc_wait(VcDeviceCalls *d, VcHandle fence, uint64_t timeout_ns) {
  return d->WaitForFences(d->device, 1, &fence, 1, timeout_ns);
}

VcResult vc_query_result(VcDeviceCalls *d, VcHandle pool, uint32_t index,
                         uint64_t *out) {
  return d->GetQueryPoolResults(d->device, pool, index, 1, sizeof *out, out, sizeof *out,
                                VC_QUERY_RESULT_64);
}

VcResult vc_flush(VcDeviceCalls *d, VcHandle memory, uint64_t offset,
                  uint64_t size) {
  VcMappedMemoryRange range = {{VC_STYPE_MAPPED_MEMORY_RANGE, NULL}, memory, offset, size};
  return d->FlushMappedMemoryRanges(d->device, 1, &range);
}

VcResult vc_invalidate(VcDeviceCalls *d, VcHandle memory, uint64_t offset,
                       uint64_t size) {
  VcMappedMemoryRange range = {{VC_STYPE_MAPPED_MEMORY_RANGE, NULL}, memory, offset, size};
  return d->InvalidateMappedMemoryRanges(d->device, 1, &range);
}
