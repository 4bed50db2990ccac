#include <stdlib.h>
#include <string.h>

#include "calls.h"

VcLoader *vc_loader_new(void *get_instance_proc_addr) {
  VcLoader *l = calloc(1, sizeof *l);
  if (l == NULL) return NULL;
  l->GetInstanceProcAddr = (PfnGetInstanceProcAddr)(uintptr_t)get_instance_proc_addr;
#define GET(name) \
  l->name = (Pfn##name)(uintptr_t)l->GetInstanceProcAddr(NULL, "vk" #name)
  GET(CreateInstance);
  GET(EnumerateInstanceVersion);
  GET(EnumerateInstanceExtensionProperties);
  GET(EnumerateInstanceLayerProperties);
#undef GET
  if (l->CreateInstance == NULL || l->EnumerateInstanceExtensionProperties == NULL ||
      l->EnumerateInstanceLayerProperties == NULL) {
    free(l);
    return NULL;
  }
  return l;
}

void *vc_loader_identity(VcLoader *l) { return (void *)(uintptr_t)l->CreateInstance; }

// Makes an array of the strings that lie one behind the other in s.
static const char **pointers(const char *s, uint32_t count) {
  const char **out = calloc(count + 1, sizeof *out);
  if (out == NULL) return NULL;
  for (uint32_t i = 0; i < count; i++) {
    out[i] = s;
    s += strlen(s) + 1;
  }
  return out;
}

VcResult vc_create_instance(VcLoader *l, uint32_t api_version, uint32_t flags,
                            const char *layers, uint32_t count_layers,
                            const char *extensions, uint32_t count_extensions,
                            const void *next, VcInstance *out) {
  const char **layer_names = pointers(layers, count_layers);
  const char **extension_names = pointers(extensions, count_extensions);
  VcResult r = VC_ERROR_OUT_OF_HOST_MEMORY;
  if (layer_names != NULL && extension_names != NULL) {
    VcApplicationInfo app = {
        .head = {VC_STYPE_APPLICATION_INFO, NULL},
        .pApplicationName = "qwenvk",
        .pEngineName = "qwenvk",
        .apiVersion = api_version,
    };
    VcInstanceCreateInfo info = {
        .head = {VC_STYPE_INSTANCE_CREATE_INFO, (void *)next},
        .flags = flags,
        .pApplicationInfo = &app,
        .enabledLayerCount = count_layers,
        .ppEnabledLayerNames = layer_names,
        .enabledExtensionCount = count_extensions,
        .ppEnabledExtensionNames = extension_names,
    };
    r = l->CreateInstance(&info, NULL, out);
  }
  free(layer_names);
  free(extension_names);
  return r;
}

uint32_t vc_instance_version(VcLoader *l) {
  uint32_t v = 1u << 22;  // a 1.0 loader lacks the call
  if (l->EnumerateInstanceVersion != NULL) l->EnumerateInstanceVersion(&v);
  return v;
}

VcResult vc_instance_extensions(VcLoader *l, const char *layer, uint32_t *count,
                                VcExtensionProperties *out) {
  return l->EnumerateInstanceExtensionProperties(layer, count, out);
}

VcResult vc_layers(VcLoader *l, uint32_t *count, VcLayerProperties *out) {
  return l->EnumerateInstanceLayerProperties(count, out);
}

VcInstanceCalls *vc_instance_new(VcLoader *l, VcInstance instance) {
  VcInstanceCalls *c = calloc(1, sizeof *c);
  if (c == NULL) return NULL;
  c->instance = instance;
#define GET(name) \
  c->name = (Pfn##name)(uintptr_t)l->GetInstanceProcAddr(instance, "vk" #name)
  GET(CreateDevice);
  GET(EnumeratePhysicalDevices);
  GET(EnumerateDeviceExtensionProperties);
  GET(GetPhysicalDeviceQueueFamilyProperties);
  GET(GetPhysicalDeviceFeatures2);
  GET(GetPhysicalDeviceProperties2);
  GET(GetPhysicalDeviceMemoryProperties2);
  GET(GetDeviceProcAddr);
  GET(GetPhysicalDeviceCooperativeMatrixPropertiesKHR);
  GET(CreateDebugUtilsMessengerEXT);
  GET(DestroyDebugUtilsMessengerEXT);
  GET(SetDebugUtilsObjectNameEXT);
#undef GET
  if (c->CreateDevice == NULL || c->EnumeratePhysicalDevices == NULL ||
      c->EnumerateDeviceExtensionProperties == NULL ||
      c->GetPhysicalDeviceQueueFamilyProperties == NULL ||
      c->GetPhysicalDeviceFeatures2 == NULL ||
      c->GetPhysicalDeviceProperties2 == NULL ||
      c->GetPhysicalDeviceMemoryProperties2 == NULL || c->GetDeviceProcAddr == NULL) {
    free(c);
    return NULL;
  }
  return c;
}

void vc_instance_free(VcInstanceCalls *c) { free(c); }

VcResult vc_physical_devices(VcInstanceCalls *c, uint32_t *count,
                             VcPhysicalDevice *out) {
  return c->EnumeratePhysicalDevices(c->instance, count, out);
}

VcResult vc_device_extensions(VcInstanceCalls *c, VcPhysicalDevice p,
                              uint32_t *count, VcExtensionProperties *out) {
  return c->EnumerateDeviceExtensionProperties(p, NULL, count, out);
}

void vc_queue_families(VcInstanceCalls *c, VcPhysicalDevice p, uint32_t *count,
                       VcQueueFamilyProperties *out) {
  c->GetPhysicalDeviceQueueFamilyProperties(p, count, out);
}

VcResult vc_coopmat_shapes(VcInstanceCalls *c, VcPhysicalDevice p,
                           uint32_t *count, VcCoopMatProperties *out) {
  if (c->GetPhysicalDeviceCooperativeMatrixPropertiesKHR == NULL) {
    *count = 0;
    return VC_SUCCESS;
  }
  if (out != NULL) {
    for (uint32_t i = 0; i < *count; i++) {
      memset(&out[i], 0, sizeof out[i]);
      out[i].head.sType = VC_STYPE_COOPMAT_PROPERTIES;
    }
  }
  return c->GetPhysicalDeviceCooperativeMatrixPropertiesKHR(p, count, out);
}

void vc_memory_budget(VcInstanceCalls *c, VcPhysicalDevice p,
                      VcMemoryBudget *out) {
  memset(out, 0, sizeof *out);
  out->head.sType = VC_STYPE_MEMORY_BUDGET;
  VcMemoryProperties2 m = {.head = {VC_STYPE_MEMORY_PROPERTIES_2, out}};
  c->GetPhysicalDeviceMemoryProperties2(p, &m);
}

// A chain under construction: next is where the following structure hangs.
typedef struct {
  void *first;
  void **next;
} Chain;

static void hang(Chain *c, VcHead *h, int32_t type) {
  h->sType = type;
  h->pNext = NULL;
  if (c->first == NULL) {
    c->first = h;
  } else {
    *c->next = h;
  }
  c->next = &h->pNext;
}

void *vc_link_features(VcFeatures *f, uint32_t has) {
  Chain c = {NULL, NULL};
  hang(&c, &f->storage16.head, VC_STYPE_16BIT_STORAGE_FEATURES);
  if (has & VC_HAS_8BIT_STORAGE) hang(&c, &f->storage8.head, VC_STYPE_8BIT_STORAGE_FEATURES);
  if (has & VC_HAS_FLOAT16_INT8) hang(&c, &f->float16_int8.head, VC_STYPE_FLOAT16_INT8_FEATURES);
  if (has & VC_HAS_MEMORY_MODEL) hang(&c, &f->memory_model.head, VC_STYPE_MEMORY_MODEL_FEATURES);
  if (has & VC_HAS_SUBGROUP_SIZE) hang(&c, &f->subgroup_size.head, VC_STYPE_SUBGROUP_SIZE_FEATURES);
  if (has & VC_HAS_DOT_PRODUCT) hang(&c, &f->dot_product.head, VC_STYPE_DOT_PRODUCT_FEATURES);
  if (has & VC_HAS_MAINTENANCE_4) hang(&c, &f->maintenance4.head, VC_STYPE_MAINTENANCE_4_FEATURES);
  if (has & VC_HAS_COOPMAT) hang(&c, &f->coopmat.head, VC_STYPE_COOPMAT_FEATURES);
  if (has & VC_HAS_COOPMAT2) hang(&c, &f->coopmat2.head, VC_STYPE_COOPMAT2_FEATURES);
  if (has & VC_HAS_BFLOAT16) hang(&c, &f->bfloat16.head, VC_STYPE_BFLOAT16_FEATURES);
  if (has & VC_HAS_EXECUTABLE) hang(&c, &f->executable.head, VC_STYPE_PIPELINE_EXECUTABLE_FEATURES);
  return c.first;
}

void vc_query(VcInstanceCalls *c, VcPhysicalDevice p, uint32_t has,
              VcFeatures *features, VcProperties *properties) {
  memset(features, 0, sizeof *features);
  VcFeatures2 f2 = {.head = {VC_STYPE_FEATURES_2, vc_link_features(features, has)}};
  c->GetPhysicalDeviceFeatures2(p, &f2);
  features->core10 = f2.features;

  memset(properties, 0, sizeof *properties);
  Chain chain = {NULL, NULL};
  hang(&chain, &properties->id.head, VC_STYPE_ID_PROPERTIES);
  hang(&chain, &properties->subgroup.head, VC_STYPE_SUBGROUP_PROPERTIES);
  hang(&chain, &properties->maintenance3.head, VC_STYPE_MAINTENANCE_3_PROPERTIES);
  if (has & VC_HAS_MAINTENANCE_4) hang(&chain, &properties->maintenance4.head, VC_STYPE_MAINTENANCE_4_PROPERTIES);
  if (has & VC_HAS_DRIVER) hang(&chain, &properties->driver.head, VC_STYPE_DRIVER_PROPERTIES);
  if (has & VC_HAS_SUBGROUP_SIZE) hang(&chain, &properties->subgroup_size.head, VC_STYPE_SUBGROUP_SIZE_PROPERTIES);
  if (has & VC_HAS_DOT_PRODUCT) hang(&chain, &properties->dot_product.head, VC_STYPE_DOT_PRODUCT_PROPERTIES);
  VcProperties2 p2 = {.head = {VC_STYPE_PROPERTIES_2, chain.first}};
  c->GetPhysicalDeviceProperties2(p, &p2);
}

VcResult vc_create_device(VcInstanceCalls *c, VcPhysicalDevice p,
                          uint32_t family, VcBool32 low_priority,
                          const char *extensions, uint32_t count_extensions,
                          VcFeatures *features, VcDevice *out) {
  const char **names = pointers(extensions, count_extensions);
  if (names == NULL) return VC_ERROR_OUT_OF_HOST_MEMORY;
  const float priority = 1;
  VcQueueGlobalPriority low = {
      .head = {VC_STYPE_QUEUE_GLOBAL_PRIORITY, NULL},
      .globalPriority = VC_QUEUE_GLOBAL_PRIORITY_LOW,
  };
  VcDeviceQueueCreateInfo queue = {
      .head = {VC_STYPE_DEVICE_QUEUE_CREATE_INFO, low_priority ? &low : NULL},
      .queueFamilyIndex = family,
      .queueCount = 1,
      .pQueuePriorities = &priority,
  };
  VcDeviceCreateInfo info = {
      .head = {VC_STYPE_DEVICE_CREATE_INFO, &features->storage16},
      .queueCreateInfoCount = 1,
      .pQueueCreateInfos = &queue,
      .enabledExtensionCount = count_extensions,
      .ppEnabledExtensionNames = names,
      .pEnabledFeatures = &features->core10,
  };
  VcResult r = c->CreateDevice(p, &info, NULL, out);
  free(names);
  return r;
}
