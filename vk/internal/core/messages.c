#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "calls.h"

struct VcMessages {
  atomic_flag lock;
  uint32_t count;
  char *text[VC_MESSAGES];
  VcValidationFeatures features;
  VcLayerSettings settings;
  VcDebugMessengerCreateInfo messenger;
};

// Messages are rare and the sections below are short: spinning is enough and
// needs no thread library.
static void lock(VcMessages *m) {
  while (atomic_flag_test_and_set_explicit(&m->lock, memory_order_acquire)) {
  }
}

static void unlock(VcMessages *m) {
  atomic_flag_clear_explicit(&m->lock, memory_order_release);
}

static VcBool32 VC_CALL on_message(uint32_t severity, uint32_t types,
                                   const VcDebugCallbackData *data, void *user) {
  (void)types;
  VcMessages *m = user;
  const char *level = severity >= VC_DEBUG_SEVERITY_ERROR ? "error" : "warning";
  const char *id = data->pMessageIdName != NULL ? data->pMessageIdName : "";
  const char *what = data->pMessage != NULL ? data->pMessage : "";
  size_t size = strlen(level) + strlen(id) + strlen(what) + 5;
  char *text = malloc(size);
  if (text != NULL) snprintf(text, size, "%s: %s: %s", level, id, what);
  lock(m);
  if (m->count < VC_MESSAGES) {
    m->text[m->count] = text;
    text = NULL;
  }
  m->count++;
  unlock(m);
  free(text);
  return 0;
}

static void describe(VcMessages *m, void *next) {
  m->messenger = (VcDebugMessengerCreateInfo){
      .head = {VC_STYPE_DEBUG_MESSENGER_CREATE_INFO, next},
      .messageSeverity = VC_DEBUG_SEVERITY_WARNING | VC_DEBUG_SEVERITY_ERROR,
      // The loader's own remarks about other drivers are of type GENERAL and
      // say nothing about this program.
      .messageType = VC_DEBUG_TYPE_VALIDATION,
      .pfnUserCallback = on_message,
      .pUserData = m,
  };
}

VcMessages *vc_messages_new(void) {
  VcMessages *m = calloc(1, sizeof *m);
  if (m != NULL) atomic_flag_clear(&m->lock);
  return m;
}

void vc_messages_free(VcMessages *m) {
  if (m == NULL) return;
  for (uint32_t i = 0; i < VC_MESSAGES; i++) free(m->text[i]);
  free(m);
}

uint32_t vc_messages_count(VcMessages *m) {
  lock(m);
  uint32_t n = m->count;
  unlock(m);
  return n;
}

const char *vc_messages_text(VcMessages *m, uint32_t i) {
  if (i >= VC_MESSAGES) return NULL;
  lock(m);
  const char *text = m->text[i];
  unlock(m);
  return text;
}

static const VcBool32 on = 1;
static const uint32_t synchronization = VC_VALIDATION_ENABLE_SYNCHRONIZATION;
// Newer layers look at what shaders read and write only when told to.
static const VcLayerSetting settings[] = {
    {"VK_LAYER_KHRONOS_validation", "validate_sync", VC_LAYER_SETTING_BOOL32, 1, &on},
    {"VK_LAYER_KHRONOS_validation", "syncval_shader_accesses_heuristic", VC_LAYER_SETTING_BOOL32,
     1, &on},
};

void *vc_messages_chain(VcMessages *m, VcBool32 has_settings) {
  describe(m, NULL);
  if (has_settings) {
    m->settings = (VcLayerSettings){
        .head = {VC_STYPE_LAYER_SETTINGS, &m->messenger},
        .settingCount = sizeof settings / sizeof settings[0],
        .pSettings = settings,
    };
    return &m->settings;
  }
  m->features = (VcValidationFeatures){
      .head = {VC_STYPE_VALIDATION_FEATURES, &m->messenger},
      .enabledValidationFeatureCount = 1,
      .pEnabledValidationFeatures = &synchronization,
  };
  return &m->features;
}

VcResult vc_messenger_create(VcInstanceCalls *c, VcMessages *m) {
  if (c->CreateDebugUtilsMessengerEXT == NULL) return VC_ERROR_EXTENSION_NOT_PRESENT;
  describe(m, NULL);
  return c->CreateDebugUtilsMessengerEXT(c->instance, &m->messenger, NULL, &c->messenger);
}

void vc_messenger_destroy(VcInstanceCalls *c) {
  if (c->messenger != 0) {
    c->DestroyDebugUtilsMessengerEXT(c->instance, c->messenger, NULL);
    c->messenger = 0;
  }
}

void vc_set_name(VcInstanceCalls *c, VcDevice device, uint32_t object_type,
                 uint64_t handle, const char *name) {
  if (c->messenger == 0 || c->SetDebugUtilsObjectNameEXT == NULL) return;
  VcDebugObjectName info = {
      .head = {VC_STYPE_DEBUG_OBJECT_NAME, NULL},
      .objectType = object_type,
      .objectHandle = handle,
      .pObjectName = name,
  };
  c->SetDebugUtilsObjectNameEXT(device, &info);
}
