/* What qwenvk.c and the Go files tell each other. */
#ifndef QWENVK_BRIDGE_H
#define QWENVK_BRIDGE_H

#ifdef _WIN32
#define QWENVK_API __declspec(dllexport)
#endif
#include "qwenvk.h"

enum { BRIDGE_DONE, BRIDGE_DELTA, BRIDGE_PROGRESS, BRIDGE_LOG };

/* bridge_event is what a job has to tell. Its texts are valid until the job's next one. */
typedef struct bridge_event {
	int32_t kind;
	qwenvk_delta delta;
	uint64_t done, total;
	int32_t level;
	const char *line;
	qwenvk_log_fn log;
	void *user;
} bridge_event;

/* bridge_result is what a job leaves. */
typedef struct bridge_result {
	uint64_t handle;
	qwenvk_usage usage;
} bridge_result;

#endif
