//go:build unix

#include <dlfcn.h>
#include <stdio.h>

#include "core.h"

void *vc_open_library(const char *path, char *err, size_t err_size) {
  void *library = dlopen(path, RTLD_NOW | RTLD_LOCAL);
  if (library == NULL) {
    const char *why = dlerror();
    snprintf(err, err_size, "%s", why != NULL ? why : "dlopen failed");
  }
  return library;
}

void *vc_symbol(void *library, const char *name) {
  return dlsym(library, name);
}

#ifdef __linux__
// Weak, as only glibc has it.
extern int malloc_trim(size_t keep) __attribute__((weak));

void vc_trim(void) {
  if (malloc_trim != NULL)
    malloc_trim(0);
}
#else
void vc_trim(void) {}
#endif
