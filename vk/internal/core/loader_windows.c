#define WIN32_LEAN_AND_MEAN
#include <stdio.h>
#include <windows.h>

#include "core.h"

void *vc_open_library(const char *path, char *err, size_t err_size) {
  HMODULE library = LoadLibraryA(path);
  if (library == NULL) {
    snprintf(err, err_size, "%s: LoadLibrary failed with code %lu", path,
             (unsigned long)GetLastError());
  }
  return (void *)library;
}

void *vc_symbol(void *library, const char *name) {
  return (void *)(uintptr_t)GetProcAddress((HMODULE)library, name);
}

void vc_trim(void) {}
