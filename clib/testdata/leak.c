/*
 * leak load MODEL ROUNDS: opens, loads, asks and closes everything, ROUNDS times.
 * leak device ROUNDS: makes and destroys a bare VkInstance and VkDevice, without the library's help.
 *
 * Both print the resident memory after a fifth of the rounds and after all of them, each the least of the last five rounds: what
 * threads of the driver have not given back yet comes and goes.
 */
#include <dlfcn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "qwenvk.h"

static long resident(void)
{
	long total = 0, pages = 0;
	FILE *f = fopen("/proc/self/statm", "r");
	if (f == NULL || fscanf(f, "%ld %ld", &total, &pages) != 2)
		exit(3);
	fclose(f);
	return pages * (sysconf(_SC_PAGESIZE) / 1024);
}

static int text(void *user, const qwenvk_delta *delta)
{
	char *all = user;
	strncat(all, delta->text, 255 - strlen(all));
	return 0;
}

static int use(const char *path)
{
	qwenvk_error error;
	qwenvk_runtime runtime = 0;
	qwenvk_model model = 0;
	qwenvk_chat chat = 0;
	qwenvk_sampling greedy = QWENVK_SAMPLING_INIT;
	qwenvk_chat_options options = QWENVK_CHAT_OPTIONS_INIT;
	char all[256] = "";

	options.think = QWENVK_THINK_OFF;
	options.sampling = &greedy;
	if (qwenvk_open(NULL, &runtime, &error) || qwenvk_load(runtime, path, NULL, &model, &error) ||
	    qwenvk_chat_new(model, &options, &chat, &error) ||
	    qwenvk_chat_send(chat, "What is 17 + 25?", text, all, NULL, &error) ||
	    qwenvk_chat_close(chat, &error) || qwenvk_model_close(model, &error) || qwenvk_runtime_close(runtime, &error)) {
		fprintf(stderr, "%s\n", error.message);
		return 1;
	}
	if (strcmp(all, "17+25=42") != 0) {
		fprintf(stderr, "the answer is %s\n", all);
		return 1;
	}
	return 0;
}

/* The structures as the Vulkan specification lays them out; no header is needed. */
typedef struct {
	int32_t type;
	const void *next;
	uint32_t flags;
	const void *application;
	uint32_t layers;
	const char *const *layer;
	uint32_t extensions;
	const char *const *extension;
} instance_info;

typedef struct {
	int32_t type;
	const void *next;
	uint32_t flags, family, count;
	const float *priorities;
} queue_info;

typedef struct {
	int32_t type;
	const void *next;
	uint32_t flags, queues;
	const queue_info *queue;
	uint32_t layers;
	const char *const *layer;
	uint32_t extensions;
	const char *const *extension;
	const void *features;
} device_info;

typedef void (*any)(void);
typedef any (*get_proc)(void *, const char *);

static int bare(void)
{
	static get_proc get;
	instance_info info;
	queue_info queue;
	device_info device;
	void *instance = NULL, *physical = NULL, *made = NULL;
	uint32_t count = 1;
	float priority = 1;
	int32_t result;

	if (get == NULL) {
		void *loader = dlopen("libvulkan.so.1", RTLD_NOW);
		void *symbol = loader ? dlsym(loader, "vkGetInstanceProcAddr") : NULL;
		memcpy(&get, &symbol, sizeof get);
		if (get == NULL)
			return 1;
	}
	memset(&info, 0, sizeof info);
	info.type = 1;
	if (((int32_t(*)(const instance_info *, const void *, void **))get(NULL, "vkCreateInstance"))(&info, NULL, &instance) != 0)
		return 1;
	result = ((int32_t(*)(void *, uint32_t *, void **))get(instance, "vkEnumeratePhysicalDevices"))(instance, &count, &physical);
	if ((result != 0 && result != 5) || count == 0)
		return 1;
	memset(&queue, 0, sizeof queue);
	queue.type = 2;
	queue.count = 1;
	queue.priorities = &priority;
	memset(&device, 0, sizeof device);
	device.type = 3;
	device.queues = 1;
	device.queue = &queue;
	if (((int32_t(*)(void *, const device_info *, const void *, void **))get(instance, "vkCreateDevice"))(physical, &device, NULL, &made) != 0)
		return 1;
	((void (*)(void *, const void *))get(instance, "vkDestroyDevice"))(made, NULL);
	((void (*)(void *, const void *))get(instance, "vkDestroyInstance"))(instance, NULL);
	return 0;
}

enum { most = 100000 };
static long samples[most + 1];

/* least of the last five rounds up to one of them */
static long least(int round)
{
	long found = samples[round];
	int i;
	for (i = round; i > 0 && i > round - 5; i--)
		if (samples[i] < found)
			found = samples[i];
	return found;
}

int main(int argc, char **argv)
{
	int rounds, i, load;

	if (argc < 3)
		return 2;
	load = strcmp(argv[1], "load") == 0;
	rounds = atoi(argv[argc - 1]);
	if (rounds < 5 || rounds > most)
		return 2;
	for (i = 1; i <= rounds; i++) {
		if (load ? use(argv[2]) : bare())
			return 1;
		samples[i] = resident();
	}
	printf("%ld %ld\n", least(rounds / 5), least(rounds));
	return 0;
}
