// One frame: wait, record, submit, present.
#include <string.h>

#include "screen.h"

int gp_screen_begin(GpScreen *s, uint64_t timeout_ns, GpError *error) {
  GpDevice *d = s->d;
  Frame *f = &s->frames[s->frame];
  VrResult r = d->WaitForFences(d->handle, 1, &f->fence, 1, timeout_ns);
  if (r == VR_TIMEOUT) {
    return GP_BUSY;
  }
  if (gp_fail(error, "vkWaitForFences", r)) {
    return GP_FAILED;
  }
  s->picture = 0;
  if (s->surface == 0) {
    return GP_READY;
  }
  r = d->AcquireNextImageKHR(d->handle, s->swapchain, timeout_ns, f->acquired, 0, &s->picture);
  switch (r) {
  case VR_SUCCESS:
  case VR_SUBOPTIMAL_KHR: // drawn all the same: the semaphore will be signalled
    return GP_READY;
  case VR_TIMEOUT:
  case VR_NOT_READY:
    return GP_BUSY;
  case VR_ERROR_OUT_OF_DATE_KHR:
    return GP_STALE;
  default:
    gp_fail(error, "vkAcquireNextImageKHR", r);
    return GP_FAILED;
  }
}

static void barrier(GpScreen *s, VrCommandBuffer c, VrHandle image, uint32_t from, uint32_t to, VrFlags source,
                    VrFlags written, VrFlags target, VrFlags read) {
  VrImageMemoryBarrier b = {.sType = VR_STRUCTURE_TYPE_IMAGE_MEMORY_BARRIER,
                            .srcAccessMask = written,
                            .dstAccessMask = read,
                            .oldLayout = from,
                            .newLayout = to,
                            .srcQueueFamilyIndex = VR_QUEUE_FAMILY_IGNORED,
                            .dstQueueFamilyIndex = VR_QUEUE_FAMILY_IGNORED,
                            .image = image,
                            .subresourceRange = {VR_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}};
  s->d->CmdPipelineBarrier(c, source, target, 0, 0, NULL, 0, NULL, 1, &b);
}

// grow makes room in a buffer of the frame, which nothing reads now.
static int grow(GpDevice *d, Buffer *b, VrDeviceSize size, VrFlags usage, GpError *error) {
  if (b->size >= size) {
    return 0;
  }
  gp_buffer_free(d, b);
  return gp_buffer_new(d, size + size / 2, usage, b, error);
}

// atlas_resize makes a new texture. It waits for the frames that read the old one: this happens a few times in a run.
static int atlas_resize(GpScreen *s, uint32_t size, GpError *error) {
  GpDevice *d = s->d;
  if (gp_screen_wait(s, ~0ull, error) != GP_READY) {
    return 1;
  }
  gp_image_free(d, &s->atlas);
  s->atlas_size = 0;
  if (gp_image_new(d, size, size, VR_FORMAT_R8_UNORM, VR_IMAGE_USAGE_SAMPLED_BIT | VR_IMAGE_USAGE_TRANSFER_DST_BIT,
                   &s->atlas, error)) {
    return 1;
  }
  s->atlas_size = size;
  s->atlas_ready = 0;
  VrDescriptorImageInfo image = {s->sampler, s->atlas.view, VR_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL};
  VrWriteDescriptorSet write = {.sType = VR_STRUCTURE_TYPE_WRITE_DESCRIPTOR_SET,
                                .dstSet = s->set,
                                .descriptorCount = 1,
                                .descriptorType = VR_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER,
                                .pImageInfo = &image};
  d->UpdateDescriptorSets(d->handle, 1, &write, 0, NULL);
  return 0;
}

static int upload(GpScreen *s, Frame *f, const GpAtlas *atlas, GpError *error) {
  GpDevice *d = s->d;
  uint32_t x = atlas->x, y = atlas->y, width = atlas->width, height = atlas->height;
  if (!s->atlas_ready) {
    x = y = 0;
    width = height = atlas->size;
  }
  if (width == 0) {
    return 0;
  }
  if (grow(d, &f->staging, (VrDeviceSize)width * height, VR_BUFFER_USAGE_TRANSFER_SRC_BIT, error)) {
    return 1;
  }
  for (uint32_t row = 0; row < height; row++) {
    memcpy((uint8_t *)f->staging.bytes + (size_t)row * width, atlas->pixels + (size_t)(y + row) * atlas->size + x,
           width);
  }
  barrier(s, f->commands, s->atlas.handle,
          s->atlas_ready ? VR_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL : VR_IMAGE_LAYOUT_UNDEFINED,
          VR_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, VR_PIPELINE_STAGE_FRAGMENT_SHADER_BIT, 0,
          VR_PIPELINE_STAGE_TRANSFER_BIT, VR_ACCESS_TRANSFER_WRITE_BIT);
  VrBufferImageCopy copy = {.imageSubresource = {VR_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
                            .imageOffset = {(int32_t)x, (int32_t)y, 0},
                            .imageExtent = {width, height, 1}};
  d->CmdCopyBufferToImage(f->commands, f->staging.handle, s->atlas.handle, VR_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL, 1,
                          &copy);
  barrier(s, f->commands, s->atlas.handle, VR_IMAGE_LAYOUT_TRANSFER_DST_OPTIMAL,
          VR_IMAGE_LAYOUT_SHADER_READ_ONLY_OPTIMAL, VR_PIPELINE_STAGE_TRANSFER_BIT, VR_ACCESS_TRANSFER_WRITE_BIT,
          VR_PIPELINE_STAGE_FRAGMENT_SHADER_BIT, VR_ACCESS_SHADER_READ_BIT);
  s->atlas_ready = 1;
  return 0;
}

static void draw(GpScreen *s, Frame *f, uint32_t count, const float clear[4]) {
  GpDevice *d = s->d;
  VrCommandBuffer c = f->commands;
  VrClearColorValue color;
  memcpy(color.float32, clear, sizeof color.float32);
  VrRenderPassBeginInfo begin = {.sType = VR_STRUCTURE_TYPE_RENDER_PASS_BEGIN_INFO,
                                 .renderPass = s->pass,
                                 .framebuffer = s->pictures[s->picture].framebuffer,
                                 .renderArea = {{0, 0}, s->extent},
                                 .clearValueCount = 1,
                                 .pClearValues = &color};
  d->CmdBeginRenderPass(c, &begin, 0);
  VrViewport viewport = {0, 0, (float)s->extent.width, (float)s->extent.height, 0, 1};
  VrRect2D scissor = {{0, 0}, s->extent};
  PushConstants push = {{2 / viewport.width, 2 / viewport.height}, s->encode_linear};
  const VrDeviceSize offset = 0;
  d->CmdBindPipeline(c, VR_PIPELINE_BIND_POINT_GRAPHICS, s->pipeline);
  d->CmdBindDescriptorSets(c, VR_PIPELINE_BIND_POINT_GRAPHICS, s->layout, 0, 1, &s->set, 0, NULL);
  d->CmdBindVertexBuffers(c, 0, 1, &f->quads.handle, &offset);
  d->CmdSetViewport(c, 0, 1, &viewport);
  d->CmdSetScissor(c, 0, 1, &scissor);
  d->CmdPushConstants(c, s->layout, VR_SHADER_STAGE_VERTEX_BIT | VR_SHADER_STAGE_FRAGMENT_BIT, 0, sizeof push, &push);
  d->CmdDraw(c, 4, count, 0, 0);
  d->CmdEndRenderPass(c);
}

// read_back copies the picture to the host's buffer, for whoever waits for the fence.
static void read_back(GpScreen *s, Frame *f) {
  VrBufferImageCopy copy = {.imageSubresource = {VR_IMAGE_ASPECT_COLOR_BIT, 0, 0, 1},
                            .imageExtent = {s->extent.width, s->extent.height, 1}};
  s->d->CmdCopyImageToBuffer(f->commands, s->offscreen.handle, VR_IMAGE_LAYOUT_TRANSFER_SRC_OPTIMAL,
                             s->readback.handle, 1, &copy);
  VrMemoryBarrier host = {.sType = VR_STRUCTURE_TYPE_MEMORY_BARRIER,
                          .srcAccessMask = VR_ACCESS_TRANSFER_WRITE_BIT,
                          .dstAccessMask = VR_ACCESS_HOST_READ_BIT};
  s->d->CmdPipelineBarrier(f->commands, VR_PIPELINE_STAGE_TRANSFER_BIT, VR_PIPELINE_STAGE_HOST_BIT, 0, 1, &host, 0,
                           NULL, 0, NULL);
}

int gp_screen_draw(GpScreen *s, const GpQuad *quads, uint32_t count, const GpAtlas *atlas, const float clear[4],
                   GpError *error) {
  GpDevice *d = s->d;
  Frame *f = &s->frames[s->frame];
  if (atlas->size != s->atlas_size && atlas_resize(s, atlas->size, error)) {
    return GP_FAILED;
  }
  if (grow(d, &f->quads, (count + 1) * sizeof *quads, VR_BUFFER_USAGE_VERTEX_BUFFER_BIT, error)) {
    return GP_FAILED;
  }
  memcpy(f->quads.bytes, quads, count * sizeof *quads);
  VrCommandBufferBeginInfo begin = {.sType = VR_STRUCTURE_TYPE_COMMAND_BUFFER_BEGIN_INFO,
                                    .flags = VR_COMMAND_BUFFER_USAGE_ONE_TIME_SUBMIT_BIT};
  if (gp_fail(error, "vkBeginCommandBuffer", d->BeginCommandBuffer(f->commands, &begin)) ||
      upload(s, f, atlas, error)) {
    return GP_FAILED;
  }
  draw(s, f, count, clear);
  if (s->surface == 0) {
    read_back(s, f);
  }
  if (gp_fail(error, "vkEndCommandBuffer", d->EndCommandBuffer(f->commands))) {
    return GP_FAILED;
  }
  return GP_READY;
}

int gp_screen_submit(GpScreen *s, GpError *error) {
  GpDevice *d = s->d;
  Frame *f = &s->frames[s->frame];
  const VrFlags stage = VR_PIPELINE_STAGE_COLOR_ATTACHMENT_OUTPUT_BIT;
  uint32_t semaphores = s->surface != 0;
  VrSubmitInfo info = {.sType = VR_STRUCTURE_TYPE_SUBMIT_INFO,
                       .waitSemaphoreCount = semaphores,
                       .pWaitSemaphores = &f->acquired,
                       .pWaitDstStageMask = &stage,
                       .commandBufferCount = 1,
                       .pCommandBuffers = &f->commands,
                       .signalSemaphoreCount = semaphores,
                       .pSignalSemaphores = &s->pictures[s->picture].drawn};
  if (gp_fail(error, "vkResetFences", d->ResetFences(d->handle, 1, &f->fence)) ||
      gp_fail(error, "vkQueueSubmit", d->QueueSubmit(d->queue[0], 1, &info, f->fence))) {
    return GP_FAILED;
  }
  s->frame = (s->frame + 1) % FRAMES;
  if (s->surface == 0) {
    return GP_READY;
  }
  VrPresentInfoKHR present = {.sType = VR_STRUCTURE_TYPE_PRESENT_INFO_KHR,
                              .waitSemaphoreCount = 1,
                              .pWaitSemaphores = &s->pictures[s->picture].drawn,
                              .swapchainCount = 1,
                              .pSwapchains = &s->swapchain,
                              .pImageIndices = &s->picture};
  VrResult r = d->QueuePresentKHR(d->queue[0], &present);
  if (r == VR_ERROR_OUT_OF_DATE_KHR || r == VR_SUBOPTIMAL_KHR) {
    return GP_STALE;
  }
  return gp_fail(error, "vkQueuePresentKHR", r) ? GP_FAILED : GP_READY;
}

int gp_screen_wait(GpScreen *s, uint64_t timeout_ns, GpError *error) {
  VrHandle fences[FRAMES];
  for (int i = 0; i < FRAMES; i++) {
    fences[i] = s->frames[i].fence;
  }
  VrResult r = s->d->WaitForFences(s->d->handle, FRAMES, fences, 1, timeout_ns);
  if (r == VR_TIMEOUT) {
    return GP_BUSY;
  }
  return gp_fail(error, "vkWaitForFences", r) ? GP_FAILED : GP_READY;
}

int gp_screen_read(GpScreen *s, uint8_t *out, GpError *error) {
  int state = gp_screen_wait(s, ~0ull, error);
  if (state == GP_READY) {
    memcpy(out, s->readback.bytes, (size_t)s->extent.width * s->extent.height * 4);
  }
  return state;
}
