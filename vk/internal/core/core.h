// What Go calls. Every function takes handles as plain integers or pointers
// and flat arrays; none keeps a pointer it was given after it returns, except
// the chains that say so.
#ifndef QWENVK_CORE_H
#define QWENVK_CORE_H

#include "vulkan.h"

// Dynamic library (loader_unix.c, loader_windows.c). vc_open_library returns
// NULL and writes the reason into err.
void *vc_open_library(const char *path, char *err, size_t err_size);
void *vc_symbol(void *library, const char *name);
// Has the C library give memory that drivers freed back to the system, where it
// can (glibc).
void vc_trim(void);

// Loader: entry points that need no instance.
typedef struct VcLoader VcLoader;
VcLoader *vc_loader_new(void *get_instance_proc_addr);
// An address that tells one loader from another.
void *vc_loader_identity(VcLoader *l);
uint32_t vc_instance_version(VcLoader *l);
// Extensions of the loader and its drivers, or of one layer.
VcResult vc_instance_extensions(VcLoader *l, const char *layer, uint32_t *count,
                                VcExtensionProperties *out);
VcResult vc_layers(VcLoader *l, uint32_t *count, VcLayerProperties *out);

// Creates an instance with these layers and extensions, `count_*` strings that
// end in zero, one behind the other.
VcResult vc_create_instance(VcLoader *l, uint32_t api_version, uint32_t flags,
                            const char *layers, uint32_t count_layers,
                            const char *extensions, uint32_t count_extensions,
                            const void *next, VcInstance *out);

// Validation messages. The store is filled by the driver's threads and read by
// Go; it holds the first VC_MESSAGES texts and counts the rest.
enum { VC_MESSAGES = 256 };
typedef struct VcMessages VcMessages;
VcMessages *vc_messages_new(void);
void vc_messages_free(VcMessages *m);
uint32_t vc_messages_count(VcMessages *m);
const char *vc_messages_text(VcMessages *m, uint32_t i);
// Chain for VkInstanceCreateInfo.pNext: synchronization validation on, and a
// messenger that covers vkCreateInstance itself. settings says that the layer
// has VK_EXT_layer_settings. Valid until vc_messages_free.
void *vc_messages_chain(VcMessages *m, VcBool32 settings);

// Instance: entry points of one VkInstance.
typedef struct VcInstanceCalls VcInstanceCalls;
VcInstanceCalls *vc_instance_new(VcLoader *l, VcInstance instance);
void vc_instance_free(VcInstanceCalls *c);
VcResult vc_messenger_create(VcInstanceCalls *c, VcMessages *m);
void vc_messenger_destroy(VcInstanceCalls *c);
VcResult vc_physical_devices(VcInstanceCalls *c, uint32_t *count,
                             VcPhysicalDevice *out);
VcResult vc_device_extensions(VcInstanceCalls *c, VcPhysicalDevice p,
                              uint32_t *count, VcExtensionProperties *out);
void vc_queue_families(VcInstanceCalls *c, VcPhysicalDevice p, uint32_t *count,
                       VcQueueFamilyProperties *out);
VcResult vc_coopmat_shapes(VcInstanceCalls *c, VcPhysicalDevice p,
                           uint32_t *count, VcCoopMatProperties *out);
void vc_memory_budget(VcInstanceCalls *c, VcPhysicalDevice p,
                      VcMemoryBudget *out);

// Extensions (or core versions that contain them) whose structures may stand
// in a chain. One bit each; Go decides them from names and versions.
enum {
  VC_HAS_8BIT_STORAGE = 1 << 0,
  VC_HAS_FLOAT16_INT8 = 1 << 1,
  VC_HAS_MEMORY_MODEL = 1 << 2,
  VC_HAS_SUBGROUP_SIZE = 1 << 3,
  VC_HAS_DOT_PRODUCT = 1 << 4,
  VC_HAS_MAINTENANCE_4 = 1 << 5,
  VC_HAS_DRIVER = 1 << 6,
  VC_HAS_COOPMAT = 1 << 7,
  VC_HAS_COOPMAT2 = 1 << 8,
  VC_HAS_BFLOAT16 = 1 << 9,
  VC_HAS_EXECUTABLE = 1 << 10,
};

// Features as read from a device or to be enabled on one.
typedef struct {
  VcFeatures10 core10;
  Vc16BitStorageFeatures storage16;
  Vc8BitStorageFeatures storage8;
  VcFloat16Int8Features float16_int8;
  VcMemoryModelFeatures memory_model;
  VcSubgroupSizeFeatures subgroup_size;
  VcDotProductFeatures dot_product;
  VcMaintenance4Features maintenance4;
  VcCoopMatFeatures coopmat;
  VcCoopMat2Features coopmat2;
  VcBFloat16Features bfloat16;
  VcPipelineExecutableFeatures executable;
} VcFeatures;

typedef struct {
  VcIDProperties id;
  VcSubgroupProperties subgroup;
  VcMaintenance3Properties maintenance3;
  VcMaintenance4Properties maintenance4;
  VcDriverProperties driver;
  VcSubgroupSizeProperties subgroup_size;
  VcDotProductProperties dot_product;
} VcProperties;

// Fills the structures that `has` allows; the others stay zero.
void vc_query(VcInstanceCalls *c, VcPhysicalDevice p, uint32_t has,
              VcFeatures *features, VcProperties *properties);

// Links the structures that `has` allows inside *f, which must be C memory. The
// first is always storage16.
void *vc_link_features(VcFeatures *f, uint32_t has);

// Creates a device with one queue. features is what vc_link_features linked;
// extensions as for vc_create_instance.
VcResult vc_create_device(VcInstanceCalls *c, VcPhysicalDevice p,
                          uint32_t family, VcBool32 low_priority,
                          const char *extensions, uint32_t count_extensions,
                          VcFeatures *features, VcDevice *out);

// Device: entry points of one VkDevice.
typedef struct VcDeviceCalls VcDeviceCalls;
VcDeviceCalls *vc_device_new(VcInstanceCalls *c, VcDevice device,
                             VcBool32 executable);
void vc_device_free(VcDeviceCalls *d);
void vc_set_name(VcInstanceCalls *c, VcDevice device, uint32_t object_type,
                 uint64_t handle, const char *name);

// Layout of n storage buffers at bindings 0..n-1 of one set.
VcResult vc_create_set_layout(VcDeviceCalls *d, uint32_t buffers, VcHandle *out);
// Layout of that set (0: none) and push constants.
VcResult vc_create_pipeline_layout(VcDeviceCalls *d, VcHandle set,
                                   uint32_t push_size, VcHandle *out);
VcResult vc_create_pool(VcDeviceCalls *d, uint32_t sets, uint32_t buffers,
                        VcHandle *out);

typedef struct {
  VcHandle module;
  VcHandle layout;
  VcHandle cache;
  uint32_t subgroup_size;     // 0: the driver's choice
  VcBool32 full_subgroups;
  VcBool32 capture_statistics;
  VcBool32 parts;             // dispatches may begin at another workgroup than 0
  uint32_t constant_count;
} VcPipelineDesc;

VcResult vc_create_pipeline(VcDeviceCalls *d, const VcPipelineDesc *desc,
                            const uint32_t *constants, VcHandle *out);
VcResult vc_statistics(VcDeviceCalls *d, VcHandle pipeline, uint32_t *count,
                       VcExecutableStatistic *out);

typedef struct {
  VcHandle layout;
  uint32_t first;  // of the buffer infos of all sets
  uint32_t count;
} VcSetDesc;

// Allocates and writes `count` sets of storage buffers at bindings 0..n-1.
VcResult vc_make_sets(VcDeviceCalls *d, VcHandle pool, const VcSetDesc *sets,
                      uint32_t count, const VcDescriptorBufferInfo *infos,
                      VcHandle *out);

enum {
  VC_OP_DISPATCH,
  VC_OP_DISPATCH_INDIRECT,
  VC_OP_BARRIER,
  VC_OP_COPY,
  VC_OP_FILL,
  VC_OP_TIMESTAMP,
};
enum {
  VC_BIND_PIPELINE = 1,
  VC_BIND_SET = 2,
};

// One recorded command; which fields count depends on kind. Mirrored by core.Op.
typedef struct {
  uint32_t kind;
  uint32_t flags;            // dispatch: VC_BIND_*
  VcHandle pipeline;
  VcHandle layout;
  VcHandle set;
  uint32_t push_offset;      // in the push bytes of the whole recording
  uint32_t push_size;        // 0: keep what was pushed
  uint32_t x, y, z;          // groups; source and destination stages; fill value; query
  uint32_t count;            // of buffer barriers
  uint32_t base_x, base_y, base_z;  // dispatch: first workgroup
  uint32_t reserved;
  uint64_t first;            // of them
  VcHandle buffer;           // indirect arguments, copy and fill destination
  uint64_t offset;
  VcHandle source;           // copy
  uint64_t source_offset;
  uint64_t size;
} VcOp;

// Mirrored by core.BufferBarrier.
typedef struct {
  VcHandle buffer;
  uint64_t offset;
  uint64_t size;
  uint32_t src_access;
  uint32_t dst_access;
} VcBarrier;

VcResult vc_record(VcDeviceCalls *d, VcCommandBuffer cmd, const VcOp *ops,
                   uint64_t count, const VcBarrier *barriers,
                   uint32_t max_barriers, const uint8_t *push,
                   VcHandle query_pool, uint32_t query_count);

VcResult vc_submit(VcDeviceCalls *d, VcQueue queue, VcCommandBuffer cmd,
                   VcHandle fence);
VcResult vc_wait(VcDeviceCalls *d, VcHandle fence, uint64_t timeout_ns);
VcResult vc_query_result(VcDeviceCalls *d, VcHandle pool, uint32_t index,
                         uint64_t *out);
VcResult vc_flush(VcDeviceCalls *d, VcHandle memory, uint64_t offset,
                  uint64_t size);
VcResult vc_invalidate(VcDeviceCalls *d, VcHandle memory, uint64_t offset,
                       uint64_t size);

#endif
