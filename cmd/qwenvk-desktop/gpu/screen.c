// A screen: the pictures of a window, or one that is read back, and the objects that drawing needs.
#include "screen.h"

#include <stdlib.h>
#include <string.h>

static void choose_format(GpScreen *s) {
  GpInstance *in = s->d->in;
  VrSurfaceFormatKHR list[64];
  uint32_t n = sizeof list / sizeof *list;
  s->format = VR_FORMAT_R8G8B8A8_UNORM;
  if (s->surface == 0 || in->GetPhysicalDeviceSurfaceFormatsKHR(s->d->physical, s->surface, &n, list) < 0 || n == 0) {
    return;
  }
  for (uint32_t i = 0; i < n; i++) {
    int plain = list[i].format == VR_FORMAT_B8G8R8A8_UNORM || list[i].format == VR_FORMAT_R8G8B8A8_UNORM;
    if (plain && list[i].colorSpace == VR_COLOR_SPACE_SRGB_NONLINEAR_KHR) {
      s->format = list[i].format;
      s->color_space = list[i].colorSpace;
      return;
    }
  }
  s->format = list[0].format;
  s->color_space = list[0].colorSpace;
  s->encode_linear = s->format == VR_FORMAT_B8G8R8A8_SRGB || s->format == VR_FORMAT_R8G8B8A8_SRGB;
}

static int descriptors_new(GpScreen *s, GpError *error) {
  GpDevice *d = s->d;
  VrSamplerCreateInfo sampler = {.sType = VR_STRUCTURE_TYPE_SAMPLER_CREATE_INFO,
                                 .magFilter = VR_FILTER_NEAREST,
                                 .minFilter = VR_FILTER_NEAREST,
                                 .addressModeU = VR_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
                                 .addressModeV = VR_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE,
                                 .addressModeW = VR_SAMPLER_ADDRESS_MODE_CLAMP_TO_EDGE};
  if (gp_fail(error, "vkCreateSampler", d->CreateSampler(d->handle, &sampler, NULL, &s->sampler))) {
    return 1;
  }
  VrDescriptorPoolSize size = {VR_DESCRIPTOR_TYPE_COMBINED_IMAGE_SAMPLER, 1};
  VrDescriptorPoolCreateInfo pool = {.sType = VR_STRUCTURE_TYPE_DESCRIPTOR_POOL_CREATE_INFO,
                                     .maxSets = 1,
                                     .poolSizeCount = 1,
                                     .pPoolSizes = &size};
  if (gp_fail(error, "vkCreateDescriptorPool", d->CreateDescriptorPool(d->handle, &pool, NULL, &s->descriptor_pool))) {
    return 1;
  }
  VrDescriptorSetAllocateInfo set = {.sType = VR_STRUCTURE_TYPE_DESCRIPTOR_SET_ALLOCATE_INFO,
                                     .descriptorPool = s->descriptor_pool,
                                     .descriptorSetCount = 1,
                                     .pSetLayouts = &s->set_layout};
  return gp_fail(error, "vkAllocateDescriptorSets", d->AllocateDescriptorSets(d->handle, &set, &s->set));
}

static int frames_new(GpScreen *s, GpError *error) {
  GpDevice *d = s->d;
  VrCommandPoolCreateInfo pool = {.sType = VR_STRUCTURE_TYPE_COMMAND_POOL_CREATE_INFO,
                                  .flags = VR_COMMAND_POOL_CREATE_RESET_COMMAND_BUFFER_BIT,
                                  .queueFamilyIndex = d->family};
  if (gp_fail(error, "vkCreateCommandPool", d->CreateCommandPool(d->handle, &pool, NULL, &s->command_pool))) {
    return 1;
  }
  for (int i = 0; i < FRAMES; i++) {
    Frame *f = &s->frames[i];
    VrCommandBufferAllocateInfo commands = {.sType = VR_STRUCTURE_TYPE_COMMAND_BUFFER_ALLOCATE_INFO,
                                            .commandPool = s->command_pool,
                                            .commandBufferCount = 1};
    VrFenceCreateInfo fence = {.sType = VR_STRUCTURE_TYPE_FENCE_CREATE_INFO, .flags = VR_FENCE_CREATE_SIGNALED_BIT};
    VrSemaphoreCreateInfo semaphore = {.sType = VR_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
    if (gp_fail(error, "vkAllocateCommandBuffers", d->AllocateCommandBuffers(d->handle, &commands, &f->commands)) ||
        gp_fail(error, "vkCreateFence", d->CreateFence(d->handle, &fence, NULL, &f->fence)) ||
        gp_fail(error, "vkCreateSemaphore", d->CreateSemaphore(d->handle, &semaphore, NULL, &f->acquired))) {
      return 1;
    }
  }
  return 0;
}

GpScreen *gp_screen_new(GpDevice *d, uint64_t surface, const uint32_t *vertex, size_t vertex_size,
                        const uint32_t *fragment, size_t fragment_size, GpError *error) {
  GpScreen *s = calloc(1, sizeof *s);
  if (s == NULL) {
    gp_fail(error, "calloc", VR_ERROR_OUT_OF_HOST_MEMORY);
    return NULL;
  }
  s->d = d;
  s->surface = surface;
  choose_format(s);
  if (gp_pipeline_new(s, vertex, vertex_size, fragment, fragment_size, error) || descriptors_new(s, error) ||
      frames_new(s, error)) {
    gp_screen_free(s);
    return NULL;
  }
  return s;
}

static void pictures_free(GpScreen *s) {
  GpDevice *d = s->d;
  for (uint32_t i = 0; i < s->picture_count; i++) {
    d->DestroyFramebuffer(d->handle, s->pictures[i].framebuffer, NULL);
    d->DestroySemaphore(d->handle, s->pictures[i].drawn, NULL);
    if (s->surface != 0) { // else the view is the image's own
      d->DestroyImageView(d->handle, s->pictures[i].view, NULL);
    }
  }
  memset(s->pictures, 0, sizeof s->pictures);
  s->picture_count = 0;
  if (s->surface == 0) {
    gp_image_free(d, &s->offscreen);
    gp_buffer_free(d, &s->readback);
  }
}

void gp_screen_free(GpScreen *s) {
  GpDevice *d = s->d;
  d->QueueWaitIdle(d->queue[0]);
  pictures_free(s);
  if (s->swapchain != 0) {
    d->DestroySwapchainKHR(d->handle, s->swapchain, NULL);
  }
  for (int i = 0; i < FRAMES; i++) {
    Frame *f = &s->frames[i];
    d->DestroyFence(d->handle, f->fence, NULL);
    d->DestroySemaphore(d->handle, f->acquired, NULL);
    gp_buffer_free(d, &f->quads);
    gp_buffer_free(d, &f->staging);
  }
  gp_image_free(d, &s->atlas);
  d->DestroyCommandPool(d->handle, s->command_pool, NULL);
  d->DestroyDescriptorPool(d->handle, s->descriptor_pool, NULL);
  d->DestroySampler(d->handle, s->sampler, NULL);
  d->DestroyPipeline(d->handle, s->pipeline, NULL);
  d->DestroyPipelineLayout(d->handle, s->layout, NULL);
  d->DestroyDescriptorSetLayout(d->handle, s->set_layout, NULL);
  d->DestroyRenderPass(d->handle, s->pass, NULL);
  free(s);
}

static int picture_new(GpScreen *s, uint32_t i, VrHandle image, VrHandle view, GpError *error) {
  GpDevice *d = s->d;
  Picture *p = &s->pictures[i];
  p->image = image;
  p->view = view;
  s->picture_count = i + 1;
  if (view == 0 && gp_view_new(d, image, s->format, &p->view, error)) {
    return 1;
  }
  VrFramebufferCreateInfo framebuffer = {.sType = VR_STRUCTURE_TYPE_FRAMEBUFFER_CREATE_INFO,
                                         .renderPass = s->pass,
                                         .attachmentCount = 1,
                                         .pAttachments = &p->view,
                                         .width = s->extent.width,
                                         .height = s->extent.height,
                                         .layers = 1};
  VrSemaphoreCreateInfo semaphore = {.sType = VR_STRUCTURE_TYPE_SEMAPHORE_CREATE_INFO};
  return gp_fail(error, "vkCreateFramebuffer", d->CreateFramebuffer(d->handle, &framebuffer, NULL, &p->framebuffer)) ||
         gp_fail(error, "vkCreateSemaphore", d->CreateSemaphore(d->handle, &semaphore, NULL, &p->drawn));
}

static int swapchain_new(GpScreen *s, uint32_t width, uint32_t height, GpError *error) {
  GpDevice *d = s->d;
  VrSurfaceCapabilitiesKHR c;
  if (gp_fail(error, "vkGetPhysicalDeviceSurfaceCapabilitiesKHR",
              d->in->GetPhysicalDeviceSurfaceCapabilitiesKHR(d->physical, s->surface, &c))) {
    return 0;
  }
  VrExtent2D extent = c.currentExtent;
  if (extent.width == ~0u) { // the surface takes what it gets
    extent.width = width < c.minImageExtent.width   ? c.minImageExtent.width
                   : width > c.maxImageExtent.width ? c.maxImageExtent.width
                                                    : width;
    extent.height = height < c.minImageExtent.height   ? c.minImageExtent.height
                    : height > c.maxImageExtent.height ? c.maxImageExtent.height
                                                       : height;
  }
  s->extent = extent;
  if (extent.width == 0 || extent.height == 0) {
    return 0;
  }
  uint32_t count = c.minImageCount + 1;
  if (c.maxImageCount != 0 && count > c.maxImageCount) {
    count = c.maxImageCount;
  }
  uint32_t alpha = c.supportedCompositeAlpha & VR_COMPOSITE_ALPHA_OPAQUE_BIT_KHR;
  if (alpha == 0) { // the lowest that there is
    alpha = c.supportedCompositeAlpha & (~c.supportedCompositeAlpha + 1);
  }
  VrSwapchainCreateInfoKHR info = {.sType = VR_STRUCTURE_TYPE_SWAPCHAIN_CREATE_INFO_KHR,
                                   .surface = s->surface,
                                   .minImageCount = count,
                                   .imageFormat = s->format,
                                   .imageColorSpace = s->color_space,
                                   .imageExtent = extent,
                                   .imageArrayLayers = 1,
                                   .imageUsage = VR_IMAGE_USAGE_COLOR_ATTACHMENT_BIT,
                                   .preTransform = c.currentTransform,
                                   .compositeAlpha = alpha,
                                   .presentMode = VR_PRESENT_MODE_FIFO_KHR,
                                   .clipped = 1,
                                   .oldSwapchain = s->swapchain};
  VrHandle fresh = 0;
  int failed =
      gp_fail(error, "vkCreateSwapchainKHR", d->CreateSwapchainKHR(d->handle, &info, NULL, &fresh));
  if (s->swapchain != 0) {
    d->DestroySwapchainKHR(d->handle, s->swapchain, NULL);
  }
  s->swapchain = fresh;
  if (failed) {
    return 0;
  }
  VrHandle images[MAX_PICTURES];
  uint32_t n = MAX_PICTURES;
  if (gp_fail(error, "vkGetSwapchainImagesKHR", d->GetSwapchainImagesKHR(d->handle, fresh, &n, images))) {
    return 0;
  }
  for (uint32_t i = 0; i < n; i++) {
    if (picture_new(s, i, images[i], 0, error)) {
      return 0;
    }
  }
  return 1;
}

int gp_screen_resize(GpScreen *s, uint32_t width, uint32_t height, GpError *error) {
  GpDevice *d = s->d;
  // A present in flight still waits for a semaphore that goes now.
  if (gp_fail(error, "vkQueueWaitIdle", d->QueueWaitIdle(d->queue[0]))) {
    return 0;
  }
  pictures_free(s);
  if (s->surface != 0) {
    return swapchain_new(s, width, height, error);
  }
  s->extent = (VrExtent2D){width, height};
  return !gp_image_new(d, width, height, s->format,
                       VR_IMAGE_USAGE_COLOR_ATTACHMENT_BIT | VR_IMAGE_USAGE_TRANSFER_SRC_BIT, &s->offscreen, error) &&
         !gp_buffer_new(d, (VrDeviceSize)width * height * 4, VR_BUFFER_USAGE_TRANSFER_DST_BIT, &s->readback, error) &&
         !picture_new(s, 0, s->offscreen.handle, s->offscreen.view, error);
}

VrExtent2D gp_screen_extent(const GpScreen *s) { return s->extent; }
