#include <stdlib.h>

#include "calls.h"

// What earlier submissions wrote, by shaders or copies, becomes visible to
// everything that follows: a fence alone orders them for the host, not for the
// next command buffer.
static void opening_barrier(VcDeviceCalls *d, VcCommandBuffer cmd) {
  const uint32_t stages = VC_PIPELINE_STAGE_COMPUTE_SHADER | VC_PIPELINE_STAGE_TRANSFER;
  VcMemoryBarrier all = {
      .head = {VC_STYPE_MEMORY_BARRIER, NULL},
      .srcAccessMask = VC_ACCESS_MEMORY_WRITE,
      .dstAccessMask = VC_ACCESS_MEMORY_READ | VC_ACCESS_MEMORY_WRITE,
  };
  d->CmdPipelineBarrier(cmd, stages, stages | VC_PIPELINE_STAGE_DRAW_INDIRECT, 0, 1, &all, 0,
                        NULL, 0, NULL);
}

static void bind(VcDeviceCalls *d, VcCommandBuffer cmd, const VcOp *op,
                 const uint8_t *push) {
  if (op->flags & VC_BIND_PIPELINE) {
    d->CmdBindPipeline(cmd, VC_BIND_POINT_COMPUTE, op->pipeline);
  }
  if (op->flags & VC_BIND_SET) {
    d->CmdBindDescriptorSets(cmd, VC_BIND_POINT_COMPUTE, op->layout, 0, 1, &op->set, 0, NULL);
  }
  if (op->push_size != 0) {
    d->CmdPushConstants(cmd, op->layout, VC_SHADER_STAGE_COMPUTE, 0, op->push_size,
                        push + op->push_offset);
  }
}

static void barrier(VcDeviceCalls *d, VcCommandBuffer cmd, const VcOp *op,
                    const VcBarrier *barriers, VcBufferMemoryBarrier *scratch) {
  for (uint32_t i = 0; i < op->count; i++) {
    const VcBarrier *b = &barriers[op->first + i];
    scratch[i] = (VcBufferMemoryBarrier){
        .head = {VC_STYPE_BUFFER_MEMORY_BARRIER, NULL},
        .srcAccessMask = b->src_access,
        .dstAccessMask = b->dst_access,
        .srcQueueFamilyIndex = VC_QUEUE_FAMILY_IGNORED,
        .dstQueueFamilyIndex = VC_QUEUE_FAMILY_IGNORED,
        .buffer = b->buffer,
        .offset = b->offset,
        .size = b->size,
    };
  }
  d->CmdPipelineBarrier(cmd, op->x, op->y, 0, 0, NULL, op->count, scratch, 0, NULL);
}

VcResult vc_record(VcDeviceCalls *d, VcCommandBuffer cmd, const VcOp *ops,
                   uint64_t count, const VcBarrier *barriers,
                   uint32_t max_barriers, const uint8_t *push,
                   VcHandle query_pool, uint32_t query_count) {
  VcBufferMemoryBarrier *scratch = NULL;
  if (max_barriers > 0) {
    scratch = calloc(max_barriers, sizeof *scratch);
    if (scratch == NULL) return VC_ERROR_OUT_OF_HOST_MEMORY;
  }
  VcCommandBufferBeginInfo begin = {.head = {VC_STYPE_COMMAND_BUFFER_BEGIN_INFO, NULL}};
  VcResult r = d->BeginCommandBuffer(cmd, &begin);
  if (r != VC_SUCCESS) goto done;
  opening_barrier(d, cmd);
  if (query_count > 0) d->CmdResetQueryPool(cmd, query_pool, 0, query_count);
  for (uint64_t i = 0; i < count; i++) {
    const VcOp *op = &ops[i];
    switch (op->kind) {
      case VC_OP_DISPATCH:
        bind(d, cmd, op, push);
        if (op->base_x != 0 || op->base_y != 0 || op->base_z != 0) {
          d->CmdDispatchBase(cmd, op->base_x, op->base_y, op->base_z, op->x, op->y, op->z);
        } else {
          d->CmdDispatch(cmd, op->x, op->y, op->z);
        }
        break;
      case VC_OP_DISPATCH_INDIRECT:
        bind(d, cmd, op, push);
        d->CmdDispatchIndirect(cmd, op->buffer, op->offset);
        break;
      case VC_OP_BARRIER:
        barrier(d, cmd, op, barriers, scratch);
        break;
      case VC_OP_COPY: {
        VcBufferCopy region = {op->source_offset, op->offset, op->size};
        d->CmdCopyBuffer(cmd, op->source, op->buffer, 1, &region);
        break;
      }
      case VC_OP_FILL:
        d->CmdFillBuffer(cmd, op->buffer, op->offset, op->size, op->x);
        break;
      case VC_OP_TIMESTAMP:
        d->CmdWriteTimestamp(cmd, VC_PIPELINE_STAGE_BOTTOM, query_pool, op->x);
        break;
    }
  }
  r = d->EndCommandBuffer(cmd);
done:
  free(scratch);
  return r;
}
