// Buffers and images, each with memory of its own: the renderer has a handful.
#include "screen.h"

static uint32_t memory_type(const GpDevice *d, uint32_t bits, VrFlags wanted) {
  for (uint32_t i = 0; i < d->memory.memoryTypeCount; i++) {
    if ((bits >> i & 1) != 0 && (d->memory.memoryTypes[i].propertyFlags & wanted) == wanted) {
      return i;
    }
  }
  return ~0u;
}

static int allocate(GpDevice *d, VrMemoryRequirements need, VrFlags wanted, VrHandle *out, GpError *error) {
  uint32_t type = memory_type(d, need.memoryTypeBits, wanted);
  if (type == ~0u) {
    type = memory_type(d, need.memoryTypeBits, 0);
  }
  VrMemoryAllocateInfo info = {.sType = VR_STRUCTURE_TYPE_MEMORY_ALLOCATE_INFO,
                               .allocationSize = need.size,
                               .memoryTypeIndex = type};
  return gp_fail(error, "vkAllocateMemory", d->AllocateMemory(d->handle, &info, NULL, out));
}

int gp_buffer_new(GpDevice *d, VrDeviceSize size, VrFlags usage, Buffer *out, GpError *error) {
  VrBufferCreateInfo info = {.sType = VR_STRUCTURE_TYPE_BUFFER_CREATE_INFO, .size = size, .usage = usage};
  if (gp_fail(error, "vkCreateBuffer", d->CreateBuffer(d->handle, &info, NULL, &out->handle))) {
    return 1;
  }
  VrMemoryRequirements need;
  d->GetBufferMemoryRequirements(d->handle, out->handle, &need);
  // Every device has a type that is both, and nothing has to be flushed in it.
  if (allocate(d, need, VR_MEMORY_PROPERTY_HOST_VISIBLE_BIT | VR_MEMORY_PROPERTY_HOST_COHERENT_BIT, &out->memory,
               error) ||
      gp_fail(error, "vkBindBufferMemory", d->BindBufferMemory(d->handle, out->handle, out->memory, 0)) ||
      gp_fail(error, "vkMapMemory", d->MapMemory(d->handle, out->memory, 0, size, 0, &out->bytes))) {
    gp_buffer_free(d, out);
    return 1;
  }
  out->size = size;
  return 0;
}

void gp_buffer_free(GpDevice *d, Buffer *b) {
  d->DestroyBuffer(d->handle, b->handle, NULL);
  d->FreeMemory(d->handle, b->memory, NULL);
  *b = (Buffer){0};
}

int gp_view_new(GpDevice *d, VrHandle image, uint32_t format, VrHandle *out, GpError *error) {
  VrImageViewCreateInfo info = {.sType = VR_STRUCTURE_TYPE_IMAGE_VIEW_CREATE_INFO,
                                .image = image,
                                .viewType = VR_IMAGE_VIEW_TYPE_2D,
                                .format = format,
                                .subresourceRange = {VR_IMAGE_ASPECT_COLOR_BIT, 0, 1, 0, 1}};
  return gp_fail(error, "vkCreateImageView", d->CreateImageView(d->handle, &info, NULL, out));
}

int gp_image_new(GpDevice *d, uint32_t width, uint32_t height, uint32_t format, VrFlags usage, Image *out,
                 GpError *error) {
  VrImageCreateInfo info = {.sType = VR_STRUCTURE_TYPE_IMAGE_CREATE_INFO,
                            .imageType = VR_IMAGE_TYPE_2D,
                            .format = format,
                            .extent = {width, height, 1},
                            .mipLevels = 1,
                            .arrayLayers = 1,
                            .samples = VR_SAMPLE_COUNT_1_BIT,
                            .tiling = VR_IMAGE_TILING_OPTIMAL,
                            .usage = usage,
                            .initialLayout = VR_IMAGE_LAYOUT_UNDEFINED};
  if (gp_fail(error, "vkCreateImage", d->CreateImage(d->handle, &info, NULL, &out->handle))) {
    return 1;
  }
  VrMemoryRequirements need;
  d->GetImageMemoryRequirements(d->handle, out->handle, &need);
  if (allocate(d, need, VR_MEMORY_PROPERTY_DEVICE_LOCAL_BIT, &out->memory, error) ||
      gp_fail(error, "vkBindImageMemory", d->BindImageMemory(d->handle, out->handle, out->memory, 0)) ||
      gp_view_new(d, out->handle, format, &out->view, error)) {
    gp_image_free(d, out);
    return 1;
  }
  return 0;
}

void gp_image_free(GpDevice *d, Image *i) {
  d->DestroyImageView(d->handle, i->view, NULL);
  d->DestroyImage(d->handle, i->handle, NULL);
  d->FreeMemory(d->handle, i->memory, NULL);
  *i = (Image){0};
}
