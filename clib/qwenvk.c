/*
 * The functions of qwenvk.h. Those that take time begin a job in Go and ask it for events, one call per event, until it is done.
 * Callbacks are called here, between two such calls: no frame of Go lies beneath them, so that longjmp and C++ exceptions (the
 * file is compiled with -fexceptions) can pass.
 */
#include "bridge.h"
#include "_cgo_export.h"

#include <string.h>

/* take copies a structure of the caller's, of whatever version, over one of zeros. It returns 0 for one that cannot be read: of no
 * size, or larger than this version's with something in what this version does not know. */
static int take(void *own, size_t own_size, const void *theirs)
{
	uint32_t size;
	size_t i;
	memset(own, 0, own_size);
	if (theirs == NULL)
		return 1;
	memcpy(&size, theirs, sizeof size);
	if (size < sizeof size || size > 1u << 16)
		return 0;
	for (i = own_size; i < size; i++)
		if (((const unsigned char *)theirs)[i] != 0)
			return 0;
	memcpy(own, theirs, size < own_size ? size : own_size);
	return 1;
}

/* give is take the other way round: it leaves the caller's struct_size alone. */
static int give(void *theirs, const void *own, size_t own_size)
{
	uint32_t size;
	memcpy(&size, theirs, sizeof size);
	if (size < sizeof size || size > 1u << 16)
		return 0;
	memcpy((char *)theirs + sizeof size, (const char *)own + sizeof size, (size < own_size ? size : own_size) - sizeof size);
	return 1;
}

static qwenvk_status bad(qwenvk_error *error, const char *what)
{
	return go_qwenvk_refuse((char *)what, error);
}

static const char bad_size[] = "struct_size is not that of a structure of this header";

#define REFUSE_NULL(p) \
	do { \
		if ((p) == NULL) \
			return bad(error, #p " is NULL"); \
	} while (0)

typedef struct callbacks {
	qwenvk_delta_fn delta;
	qwenvk_progress_fn progress;
	void *user;
} callbacks;

/* finish passes on what a job has to tell until it is done. */
static qwenvk_status finish(uint64_t job, const callbacks *call, bridge_result *result, qwenvk_error *error)
{
	int stopped = 0;
	memset(result, 0, sizeof *result);
	for (;;) {
		bridge_event event;
		memset(&event, 0, sizeof event);
		go_qwenvk_next(job, &event);
		switch (event.kind) {
		case BRIDGE_DELTA:
			if (!stopped && call->delta != NULL)
				stopped = call->delta(call->user, &event.delta);
			break;
		case BRIDGE_PROGRESS:
			if (!stopped && call->progress != NULL)
				stopped = call->progress(call->user, event.done, event.total);
			break;
		case BRIDGE_LOG:
			event.log(event.user, event.level, event.line);
			continue;
		default:
			return go_qwenvk_finish(job, result, error);
		}
		if (stopped)
			go_qwenvk_stop(job);
	}
}

static const callbacks none;

uint32_t qwenvk_abi(void) { return QWENVK_ABI; }

const char *qwenvk_status_name(qwenvk_status status)
{
	switch (status) {
	case QWENVK_OK: return "OK";
	case QWENVK_FAILED: return "FAILED";
	case QWENVK_USAGE: return "USAGE";
	case QWENVK_NO_DEVICE: return "NO_DEVICE";
	case QWENVK_MODEL: return "MODEL";
	case QWENVK_MEMORY: return "MEMORY";
	case QWENVK_HANDLE: return "HANDLE";
	case QWENVK_CLOSED: return "CLOSED";
	case QWENVK_BUSY: return "BUSY";
	case QWENVK_CONTEXT_FULL: return "CONTEXT_FULL";
	case QWENVK_TOO_SMALL: return "TOO_SMALL";
	case QWENVK_DEVICE_LOST: return "DEVICE_LOST";
	case QWENVK_INTERNAL: return "INTERNAL";
	case QWENVK_INTERRUPTED: return "INTERRUPTED";
	}
	return "UNKNOWN";
}

qwenvk_status qwenvk_open(const qwenvk_options *options, qwenvk_runtime *runtime, qwenvk_error *error)
{
	qwenvk_options own;
	bridge_result result;
	qwenvk_status status;
	REFUSE_NULL(runtime);
	if (!take(&own, sizeof own, options))
		return bad(error, bad_size);
	status = finish(go_qwenvk_open(&own), &none, &result, error);
	if (status == QWENVK_OK)
		*runtime = result.handle;
	return status;
}

static qwenvk_status end(uint64_t handle, int32_t kind, qwenvk_error *error)
{
	bridge_result result;
	return finish(go_qwenvk_close(handle, kind), &none, &result, error);
}

qwenvk_status qwenvk_runtime_close(qwenvk_runtime runtime, qwenvk_error *error) { return end(runtime, 1, error); }
qwenvk_status qwenvk_model_close(qwenvk_model model, qwenvk_error *error) { return end(model, 2, error); }
qwenvk_status qwenvk_chat_close(qwenvk_chat chat, qwenvk_error *error) { return end(chat, 3, error); }

qwenvk_status qwenvk_devices(qwenvk_runtime runtime, qwenvk_device *devices, size_t capacity, size_t *count, qwenvk_error *error)
{
	size_t i, size;
	qwenvk_status status;
	REFUSE_NULL(count);
	if (capacity > 0)
		REFUSE_NULL(devices);
	status = go_qwenvk_count_devices(runtime, count, error);
	if (status != QWENVK_OK)
		return status;
	size = capacity > 0 ? devices[0].struct_size : 0; /* an older caller's are smaller */
	for (i = 0; i < *count && i < capacity; i++) {
		qwenvk_device own;
		memset(&own, 0, sizeof own);
		status = go_qwenvk_device(runtime, i, &own, error);
		if (status != QWENVK_OK)
			return status;
		if (((qwenvk_device *)((char *)devices + i * size))->struct_size != size || !give((char *)devices + i * size, &own, sizeof own))
			return bad(error, bad_size);
	}
	return *count > capacity ? go_qwenvk_small(*count, error) : QWENVK_OK;
}

static qwenvk_status load(qwenvk_runtime runtime, const char *path, const void *data, size_t size, const qwenvk_load_options *options, qwenvk_model *model, qwenvk_error *error)
{
	qwenvk_load_options own;
	bridge_result result;
	callbacks call;
	qwenvk_status status;
	if (!take(&own, sizeof own, options))
		return bad(error, bad_size);
	memset(&call, 0, sizeof call);
	call.progress = own.progress;
	call.user = own.progress_user;
	status = finish(go_qwenvk_load(runtime, (char *)path, (void *)data, size, &own), &call, &result, error);
	if (status == QWENVK_OK)
		*model = result.handle;
	return status;
}

qwenvk_status qwenvk_load(qwenvk_runtime runtime, const char *path, const qwenvk_load_options *options, qwenvk_model *model, qwenvk_error *error)
{
	REFUSE_NULL(path);
	REFUSE_NULL(model);
	return load(runtime, path, NULL, 0, options, model, error);
}

qwenvk_status qwenvk_load_bytes(qwenvk_runtime runtime, const char *name, const void *data, size_t size, const qwenvk_load_options *options, qwenvk_model *model, qwenvk_error *error)
{
	REFUSE_NULL(name);
	REFUSE_NULL(data);
	REFUSE_NULL(model);
	return load(runtime, name, data, size, options, model, error);
}

qwenvk_status qwenvk_model_describe(qwenvk_model model, qwenvk_model_info *info, qwenvk_error *error)
{
	qwenvk_model_info own;
	qwenvk_status status;
	REFUSE_NULL(info);
	memset(&own, 0, sizeof own);
	status = go_qwenvk_describe(model, &own, error);
	if (status == QWENVK_OK && !give(info, &own, sizeof own))
		return bad(error, bad_size);
	return status;
}

qwenvk_status qwenvk_tokenize(qwenvk_model model, const char *text, int32_t *ids, size_t capacity, size_t *count, qwenvk_error *error)
{
	REFUSE_NULL(text);
	REFUSE_NULL(count);
	if (capacity > 0)
		REFUSE_NULL(ids);
	return go_qwenvk_tokenize(model, (char *)text, ids, capacity, count, error);
}

qwenvk_status qwenvk_detokenize(qwenvk_model model, const int32_t *ids, size_t count, char *text, size_t capacity, size_t *size, qwenvk_error *error)
{
	REFUSE_NULL(size);
	if (count > 0)
		REFUSE_NULL(ids);
	if (capacity > 0)
		REFUSE_NULL(text);
	return go_qwenvk_detokenize(model, (int32_t *)ids, count, text, capacity, size, error);
}

qwenvk_status qwenvk_embed(qwenvk_model model, const char *const *texts, size_t count, const char *instruct, float *vectors, size_t capacity, size_t *values, qwenvk_error *error)
{
	size_t i;
	REFUSE_NULL(values);
	if (count > 0)
		REFUSE_NULL(texts);
	for (i = 0; i < count; i++)
		REFUSE_NULL(texts[i]);
	if (capacity > 0)
		REFUSE_NULL(vectors);
	return go_qwenvk_embed(model, (char **)texts, count, (char *)instruct, vectors, capacity, values, error);
}

/* answer finishes a job that is an answer. */
static qwenvk_status answer(uint64_t job, qwenvk_delta_fn callback, void *user, qwenvk_usage *usage, qwenvk_error *error)
{
	bridge_result result;
	callbacks call;
	qwenvk_status status;
	memset(&call, 0, sizeof call);
	call.delta = callback;
	call.user = user;
	status = finish(job, &call, &result, error);
	if (usage != NULL && (status == QWENVK_OK || status == QWENVK_INTERRUPTED))
		give(usage, &result.usage, sizeof result.usage);
	return status;
}

static int sized(const void *structure)
{
	uint32_t size;
	if (structure == NULL)
		return 1;
	memcpy(&size, structure, sizeof size);
	return size >= sizeof size && size <= 1u << 16;
}

qwenvk_status qwenvk_generate(qwenvk_model model, const char *prompt, const qwenvk_generate_options *options, qwenvk_delta_fn callback, void *user, qwenvk_usage *usage, qwenvk_error *error)
{
	qwenvk_generate_options own;
	qwenvk_sampling sampling;
	REFUSE_NULL(prompt);
	if (!take(&own, sizeof own, options) || !take(&sampling, sizeof sampling, own.sampling) || !sized(usage))
		return bad(error, bad_size);
	if (own.sampling != NULL)
		own.sampling = &sampling;
	return answer(go_qwenvk_generate(model, (char *)prompt, &own), callback, user, usage, error);
}

qwenvk_status qwenvk_chat_new(qwenvk_model model, const qwenvk_chat_options *options, qwenvk_chat *chat, qwenvk_error *error)
{
	qwenvk_chat_options own;
	qwenvk_sampling sampling;
	REFUSE_NULL(chat);
	if (!take(&own, sizeof own, options) || !take(&sampling, sizeof sampling, own.sampling))
		return bad(error, bad_size);
	if (own.sampling != NULL)
		own.sampling = &sampling;
	return go_qwenvk_chat_new(model, &own, chat, error);
}

qwenvk_status qwenvk_chat_send(qwenvk_chat chat, const char *text, qwenvk_delta_fn callback, void *user, qwenvk_usage *usage, qwenvk_error *error)
{
	if (!sized(usage))
		return bad(error, bad_size);
	return answer(go_qwenvk_chat_send(chat, (char *)text), callback, user, usage, error);
}

qwenvk_status qwenvk_chat_add(qwenvk_chat chat, const char *role, const char *id, const char *content, qwenvk_error *error)
{
	REFUSE_NULL(role);
	REFUSE_NULL(content);
	return go_qwenvk_chat_add(chat, (char *)role, (char *)id, (char *)content, error);
}

qwenvk_status qwenvk_chat_cancel(qwenvk_chat chat, qwenvk_error *error) { return go_qwenvk_chat_cancel(chat, error); }
qwenvk_status qwenvk_chat_reset(qwenvk_chat chat, qwenvk_error *error) { return go_qwenvk_chat_reset(chat, error); }
