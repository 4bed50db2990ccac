// What the Go side sees of the renderer. Pointers are the caller's for the time of a call only, unless said otherwise.
#ifndef QWENVK_DESKTOP_GPU_H
#define QWENVK_DESKTOP_GPU_H

#include "vulkan.h"

// GpError says which Vulkan call failed, and how.
typedef struct {
  const char *call; // a literal; NULL: none failed
  int32_t result;   // VkResult
} GpError;

typedef struct GpInstance GpInstance;
typedef struct GpDevice GpDevice;
typedef struct GpScreen GpScreen;

typedef struct {
  void *handle; // VkPhysicalDevice
  char name[256];
  uint32_t type; // VkPhysicalDeviceType
  uint32_t api_version;
  uint8_t uuid[16]; // of the pipeline cache: tells two equal cards' drivers apart, not the cards
  uint32_t family;  // queue family that draws, computes and presents; ~0: there is none
  uint32_t queues;  // of that family
  uint32_t draws;   // a family draws and computes, whether or not it can present
  uint32_t swapchain;
} GpPhysical;

// GpFeatures is one structure of a device's feature chain: every such structure is sType, pNext and booleans.
typedef struct {
  uint32_t structure; // sType
  uint32_t count;
  uint32_t on[64];
} GpFeatures;

// GpQuad is one instance of the only draw call. Positions and sizes are pixels of the target.
typedef struct {
  float x0, y0, x1, y1;
  uint16_t u0, v0, u1, v1;         // texels of the atlas
  int16_t clip_x0, clip_y0, clip_x1, clip_y1;
  uint8_t r, g, b, a;              // sRGB, alpha not premultiplied
  uint8_t radius, border, soft, kind; // kind 0: shape, 1: glyph
} GpQuad;

// GpAtlas is the texture of glyph coverage, size by size bytes, and the part that changed since the last frame.
typedef struct {
  const uint8_t *pixels;
  uint32_t size;
  uint32_t x, y, width, height; // width 0: nothing changed
} GpAtlas;

// gp_loader opens the machine's Vulkan loader and returns its vkGetInstanceProcAddr, or NULL.
void *gp_loader(void);

GpInstance *gp_instance_new(void *get_instance_proc_addr, uint32_t api_version, const char *const *layers,
                            uint32_t layer_count, const char *const *extensions, uint32_t extension_count,
                            GpError *error);
void *gp_instance_handle(const GpInstance *in);
void gp_instance_free(GpInstance *in);
void gp_surface_free(GpInstance *in, uint64_t surface);

// gp_physicals fills at most max entries and returns how many devices there are. surface 0: nothing is presented.
uint32_t gp_physicals(GpInstance *in, uint64_t surface, GpPhysical *out, uint32_t max, GpError *error);

// gp_device_new opens a device with queues (1 or 2) of one family.
GpDevice *gp_device_new(GpInstance *in, void *physical, uint32_t family, uint32_t queues,
                        const char *const *extensions, uint32_t extension_count, const GpFeatures *features,
                        uint32_t feature_count, GpError *error);
void *gp_device_handle(const GpDevice *d);
void *gp_device_queue(const GpDevice *d, uint32_t index);
void gp_device_free(GpDevice *d);

// gp_screen_new makes what drawing needs, for pictures of the surface's best format; surface 0: for pictures that are
// read back. The shaders are SPIR-V.
GpScreen *gp_screen_new(GpDevice *d, uint64_t surface, const uint32_t *vertex, size_t vertex_size,
                        const uint32_t *fragment, size_t fragment_size, GpError *error);
// gp_screen_free waits for what is drawn. The queue must be locked.
void gp_screen_free(GpScreen *s);

// gp_screen_resize makes pictures of a size; a surface may insist on another one, see gp_screen_extent. The queue must
// be locked. Returns 0 for a surface without area, such as a minimised window's.
int gp_screen_resize(GpScreen *s, uint32_t width, uint32_t height, GpError *error);
VrExtent2D gp_screen_extent(const GpScreen *s);

enum { GP_READY, GP_BUSY, GP_STALE, GP_FAILED };

// gp_screen_begin waits at most timeout_ns for the frame before the last one, and for a picture to draw in. GP_BUSY: not
// yet; GP_STALE: the surface wants pictures of another size.
int gp_screen_begin(GpScreen *s, uint64_t timeout_ns, GpError *error);

// gp_screen_draw records the frame. clear is linear in the target's encoding, as the shader writes it.
int gp_screen_draw(GpScreen *s, const GpQuad *quads, uint32_t count, const GpAtlas *atlas, const float clear[4],
                   GpError *error);

// gp_screen_submit submits and presents. The queue must be locked.
int gp_screen_submit(GpScreen *s, GpError *error);

// gp_screen_wait waits until all that was submitted is drawn. GP_BUSY after the time.
int gp_screen_wait(GpScreen *s, uint64_t timeout_ns, GpError *error);

// gp_screen_read copies the last picture of a screen without a surface: RGBA, 4 bytes each, rows without padding.
int gp_screen_read(GpScreen *s, uint8_t *out, GpError *error);

#endif
