// Answers one question for setup.sh: does a Vulkan program find a device here?
//
// Exit status: 0 a device is there, 2 no loader, 3 a loader but no device. It asks the loader and not the file system,
// because a driver whose hardware is absent leaves its files behind. It needs no Vulkan header: the few structs it uses
// are declared here, as the specification (chapter "Initialization") lays them out.
#include <dlfcn.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
	int32_t sType; // VK_STRUCTURE_TYPE_INSTANCE_CREATE_INFO = 1
	const void *pNext;
	uint32_t flags;
	const void *pApplicationInfo;
	uint32_t layerCount;
	const char *const *layers;
	uint32_t extensionCount;
	const char *const *extensions;
} InstanceCreateInfo;

typedef void *(*GetInstanceProcAddr)(void *instance, const char *name);
typedef int32_t (*CreateInstance)(const InstanceCreateInfo *, const void *, void **);
typedef int32_t (*EnumeratePhysicalDevices)(void *, uint32_t *, void *);

int main(void) {
	void *loader = dlopen("libvulkan.so.1", RTLD_NOW);
	if (!loader)
		return 2;
	GetInstanceProcAddr get = (GetInstanceProcAddr)dlsym(loader, "vkGetInstanceProcAddr");
	if (!get)
		return 2;
	CreateInstance create = (CreateInstance)get(NULL, "vkCreateInstance");
	InstanceCreateInfo info = {.sType = 1};
	void *instance = NULL;
	if (!create || create(&info, NULL, &instance) != 0)
		return 3;
	EnumeratePhysicalDevices enumerate = (EnumeratePhysicalDevices)get(instance, "vkEnumeratePhysicalDevices");
	uint32_t count = 0;
	if (!enumerate || enumerate(instance, &count, NULL) != 0 || count == 0)
		return 3;
	return 0;
}
