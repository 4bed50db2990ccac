// What a screen is made of, private to the C files of this package.
#ifndef QWENVK_DESKTOP_SCREEN_H
#define QWENVK_DESKTOP_SCREEN_H

#include "calls.h"

// FRAMES may be in flight: while one is drawn the next is recorded.
#define FRAMES 2
#define MAX_PICTURES 16

typedef struct {
  VrHandle handle, memory;
  VrDeviceSize size;
  void *bytes; // mapped for good
} Buffer;

typedef struct {
  VrHandle handle, memory, view;
} Image;

typedef struct {
  VrCommandBuffer commands;
  VrHandle fence, acquired;
  Buffer quads, staging;
} Frame;

typedef struct {
  VrHandle image, view, framebuffer;
  VrHandle drawn; // semaphore that presenting waits for
} Picture;

struct GpScreen {
  GpDevice *d;
  uint64_t surface;
  uint32_t format, color_space;
  uint32_t encode_linear; // the target encodes sRGB itself, so the shader must not
  VrExtent2D extent;

  VrHandle pass, set_layout, layout, pipeline, sampler, descriptor_pool, set, command_pool;
  Image atlas;
  uint32_t atlas_size;
  int atlas_ready; // it has been written once

  VrHandle swapchain;
  Picture pictures[MAX_PICTURES];
  uint32_t picture_count;
  Image offscreen;
  Buffer readback;

  Frame frames[FRAMES];
  uint32_t frame, picture;
};

int gp_buffer_new(GpDevice *d, VrDeviceSize size, VrFlags usage, Buffer *out, GpError *error);
void gp_buffer_free(GpDevice *d, Buffer *b);
int gp_image_new(GpDevice *d, uint32_t width, uint32_t height, uint32_t format, VrFlags usage, Image *out,
                 GpError *error);
void gp_image_free(GpDevice *d, Image *i);
int gp_view_new(GpDevice *d, VrHandle image, uint32_t format, VrHandle *out, GpError *error);
int gp_pipeline_new(GpScreen *s, const uint32_t *vertex, size_t vertex_size, const uint32_t *fragment,
                    size_t fragment_size, GpError *error);

// PushConstants are those of ui.vert and ui.frag.
typedef struct {
  float scale[2]; // 2 / extent
  uint32_t encode_linear;
} PushConstants;

#endif
