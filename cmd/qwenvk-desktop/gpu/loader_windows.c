#define WIN32_LEAN_AND_MEAN
#include <windows.h>

#include "gpu.h"

void *gp_loader(void) {
  HMODULE library = LoadLibraryA("vulkan-1.dll");
  return library == NULL ? NULL : (void *)(uintptr_t)GetProcAddress(library, "vkGetInstanceProcAddr");
}
