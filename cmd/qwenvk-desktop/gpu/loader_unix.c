//go:build unix

#include <dlfcn.h>

#include "gpu.h"

void *gp_loader(void) {
  // The first belongs to the loader itself, the second to its development package only; then macOS.
  const char *const names[] = {"libvulkan.so.1", "libvulkan.so", "libvulkan.1.dylib", "libMoltenVK.dylib"};
  for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
    void *library = dlopen(names[i], RTLD_NOW | RTLD_LOCAL);
    if (library != NULL) {
      return dlsym(library, "vkGetInstanceProcAddr");
    }
  }
  return NULL;
}
