// Loader, instance and device: what a program needs before it can draw.
#include <stdlib.h>
#include <string.h>

#include "calls.h"

// load fetches one entry point into a field of in; a missing one makes the device or instance unusable.
#define FROM_INSTANCE(result, name, parameters) \
  in->name = (result(VR_CALL *) parameters)(void *)in->get(in->handle, "vk" #name);

GpInstance *gp_instance_new(void *get_instance_proc_addr, uint32_t api_version, const char *const *layers,
                            uint32_t layer_count, const char *const *extensions, uint32_t extension_count,
                            GpError *error) {
  GpInstance *in = calloc(1, sizeof *in);
  if (in == NULL) {
    gp_fail(error, "calloc", VR_ERROR_OUT_OF_HOST_MEMORY);
    return NULL;
  }
  in->get = (PfnGetInstanceProcAddr)get_instance_proc_addr;
  VrResult(VR_CALL * create)(const VrInstanceCreateInfo *, const void *, VrInstance *) =
      (VrResult(VR_CALL *)(const VrInstanceCreateInfo *, const void *, VrInstance *))(void *)in->get(
          NULL, "vkCreateInstance");
  VrResult(VR_CALL * version)(uint32_t *) =
      (VrResult(VR_CALL *)(uint32_t *))(void *)in->get(NULL, "vkEnumerateInstanceVersion");
  if (create == NULL || version == NULL) { // a loader of Vulkan 1.0 refuses every higher apiVersion
    gp_fail(error, "vkGetInstanceProcAddr", VR_ERROR_INCOMPATIBLE_DRIVER);
    free(in);
    return NULL;
  }
  VrApplicationInfo application = {
      .sType = VR_STRUCTURE_TYPE_APPLICATION_INFO, .pApplicationName = "qwenvk-desktop", .apiVersion = api_version};
  VrInstanceCreateInfo info = {.sType = VR_STRUCTURE_TYPE_INSTANCE_CREATE_INFO,
                               .pApplicationInfo = &application,
                               .enabledLayerCount = layer_count,
                               .ppEnabledLayerNames = layers,
                               .enabledExtensionCount = extension_count,
                               .ppEnabledExtensionNames = extensions};
  if (gp_fail(error, "vkCreateInstance", create(&info, NULL, &in->handle))) {
    free(in);
    return NULL;
  }
  INSTANCE_CALLS(FROM_INSTANCE)
  SURFACE_CALLS(FROM_INSTANCE)
  return in;
}

void *gp_instance_handle(const GpInstance *in) { return in->handle; }

void gp_instance_free(GpInstance *in) {
  in->DestroyInstance(in->handle, NULL);
  free(in);
}

void gp_surface_free(GpInstance *in, uint64_t surface) { in->DestroySurfaceKHR(in->handle, surface, NULL); }

static uint32_t has_extension(GpInstance *in, VrPhysicalDevice p, const char *name) {
  uint32_t n = 0, found = 0;
  if (in->EnumerateDeviceExtensionProperties(p, NULL, &n, NULL) < 0 || n == 0) {
    return 0;
  }
  VrExtensionProperties *list = calloc(n, sizeof *list);
  if (list != NULL && in->EnumerateDeviceExtensionProperties(p, NULL, &n, list) >= 0) {
    for (uint32_t i = 0; i < n; i++) {
      found |= strcmp(list[i].extensionName, name) == 0;
    }
  }
  free(list);
  return found;
}

static void describe(GpInstance *in, VrPhysicalDevice p, uint64_t surface, GpPhysical *out) {
  VrPhysicalDeviceProperties properties;
  memset(out, 0, sizeof *out);
  in->GetPhysicalDeviceProperties(p, &properties);
  out->handle = p;
  memcpy(out->name, properties.deviceName, sizeof out->name);
  out->name[sizeof out->name - 1] = 0;
  out->type = properties.deviceType;
  out->api_version = properties.apiVersion;
  memcpy(out->uuid, properties.pipelineCacheUUID, sizeof out->uuid);
  out->family = ~0u;
  out->swapchain = has_extension(in, p, "VK_KHR_swapchain");

  VrQueueFamilyProperties families[32];
  uint32_t n = sizeof families / sizeof *families;
  in->GetPhysicalDeviceQueueFamilyProperties(p, &n, families);
  for (uint32_t i = 0; i < n; i++) {
    const uint32_t both = VR_QUEUE_GRAPHICS_BIT | VR_QUEUE_COMPUTE_BIT;
    if ((families[i].queueFlags & both) != both || families[i].queueCount == 0) {
      continue;
    }
    out->draws = 1;
    VrBool32 presents = 1;
    if (surface != 0 && in->GetPhysicalDeviceSurfaceSupportKHR(p, i, surface, &presents) < 0) {
      presents = 0;
    }
    if (presents && (surface == 0 || out->swapchain)) {
      out->family = i;
      out->queues = families[i].queueCount;
      return;
    }
  }
}

uint32_t gp_physicals(GpInstance *in, uint64_t surface, GpPhysical *out, uint32_t max, GpError *error) {
  uint32_t n = 0;
  if (gp_fail(error, "vkEnumeratePhysicalDevices", in->EnumeratePhysicalDevices(in->handle, &n, NULL)) || n == 0) {
    return 0;
  }
  VrPhysicalDevice *list = calloc(n, sizeof *list);
  if (list == NULL) {
    gp_fail(error, "calloc", VR_ERROR_OUT_OF_HOST_MEMORY);
    return 0;
  }
  if (gp_fail(error, "vkEnumeratePhysicalDevices", in->EnumeratePhysicalDevices(in->handle, &n, list))) {
    n = 0;
  }
  for (uint32_t i = 0; i < n && i < max; i++) {
    describe(in, list[i], surface, &out[i]);
  }
  free(list);
  return n;
}

// Link is the form that all structures of a feature chain have.
typedef struct {
  uint32_t sType;
  void *pNext;
  VrBool32 on[64];
} Link;

#define FROM_DEVICE(result, name, parameters) \
  d->name = (result(VR_CALL *) parameters)(void *)in->GetDeviceProcAddr(d->handle, "vk" #name);

GpDevice *gp_device_new(GpInstance *in, void *physical, uint32_t family, uint32_t queues,
                        const char *const *extensions, uint32_t extension_count, const GpFeatures *features,
                        uint32_t feature_count, GpError *error) {
  GpDevice *d = calloc(1, sizeof *d);
  Link *chain = calloc(feature_count + 1, sizeof *chain);
  if (d == NULL || chain == NULL) {
    gp_fail(error, "calloc", VR_ERROR_OUT_OF_HOST_MEMORY);
    free(d);
    free(chain);
    return NULL;
  }
  for (uint32_t i = 0; i < feature_count; i++) {
    chain[i].sType = features[i].structure;
    chain[i].pNext = i + 1 < feature_count ? &chain[i + 1] : NULL;
    memcpy(chain[i].on, features[i].on, sizeof chain[i].on);
  }
  const float priority[2] = {1.0f, 0.5f}; // drawing before computing, where there are two queues
  VrDeviceQueueCreateInfo queue = {.sType = VR_STRUCTURE_TYPE_DEVICE_QUEUE_CREATE_INFO,
                                   .queueFamilyIndex = family,
                                   .queueCount = queues,
                                   .pQueuePriorities = priority};
  VrDeviceCreateInfo info = {.sType = VR_STRUCTURE_TYPE_DEVICE_CREATE_INFO,
                             .pNext = feature_count > 0 ? chain : NULL,
                             .queueCreateInfoCount = 1,
                             .pQueueCreateInfos = &queue,
                             .enabledExtensionCount = extension_count,
                             .ppEnabledExtensionNames = extensions};
  VrResult r = in->CreateDevice((VrPhysicalDevice)physical, &info, NULL, &d->handle);
  free(chain);
  if (gp_fail(error, "vkCreateDevice", r)) {
    free(d);
    return NULL;
  }
  d->in = in;
  d->physical = (VrPhysicalDevice)physical;
  d->family = family;
  DEVICE_CALLS(FROM_DEVICE)
  SWAPCHAIN_CALLS(FROM_DEVICE)
  d->GetDeviceQueue(d->handle, family, 0, &d->queue[0]);
  d->queue[1] = d->queue[0];
  if (queues > 1) {
    d->GetDeviceQueue(d->handle, family, 1, &d->queue[1]);
  }
  in->GetPhysicalDeviceMemoryProperties(d->physical, &d->memory);
  return d;
}

void *gp_device_handle(const GpDevice *d) { return d->handle; }

void *gp_device_queue(const GpDevice *d, uint32_t index) { return d->queue[index & 1]; }

void gp_device_free(GpDevice *d) {
  d->DestroyDevice(d->handle, NULL);
  free(d);
}
