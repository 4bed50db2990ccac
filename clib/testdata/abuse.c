/* Uses the library in every wrong way that the header names, and a few right ones beside: abuse MODEL. Each wrong one must get its
 * status and a sentence. */
#include <pthread.h>
#include <setjmp.h>
#include <stdio.h>
#include <string.h>

#include "qwenvk.h"

static int failures, checks;

static void expect_at(int line, qwenvk_status got, qwenvk_status want, const qwenvk_error *error)
{
	checks++;
	if (got != want || (error != NULL && (error->status != got || (got != QWENVK_OK) != (error->message[0] != 0)))) {
		printf("line %d: %s, want %s: %s\n", line, qwenvk_status_name(got), qwenvk_status_name(want), error ? error->message : "");
		failures++;
	}
}

static void hold_at(int line, int ok, const char *what)
{
	checks++;
	if (!ok) {
		printf("line %d: %s\n", line, what);
		failures++;
	}
}

#define EXPECT(want, call) expect_at(__LINE__, (call), (want), &error)
#define EXPECT_QUIET(want, call) expect_at(__LINE__, (call), (want), NULL)
#define HOLD(condition) hold_at(__LINE__, (condition), #condition)

static const char bad_text[] = "a\xff\xfe";
static qwenvk_chat_options greedy_options = QWENVK_CHAT_OPTIONS_INIT;
static qwenvk_sampling greedy = QWENVK_SAMPLING_INIT;

struct answer {
	char text[4096];
	qwenvk_chat chat;
	qwenvk_model model;
	qwenvk_runtime runtime;
	qwenvk_status inner;
	jmp_buf *jump;
	int calls, stop_at;
	pthread_t thread;
};

static int collect(void *user, const qwenvk_delta *delta)
{
	struct answer *a = user;
	if (strlen(delta->text) != delta->text_size || delta->struct_size != sizeof *delta)
		return 1;
	strncat(a->text, delta->text, sizeof a->text - strlen(a->text) - 1);
	return ++a->calls == a->stop_at;
}

static int jump(void *user, const qwenvk_delta *delta)
{
	(void)delta;
	longjmp(*((struct answer *)user)->jump, 1);
}

static int jump_progress(void *user, uint64_t done, uint64_t total)
{
	(void)done;
	(void)total;
	longjmp(*((struct answer *)user)->jump, 1);
}

static void jump_log(void *user, int32_t level, const char *line)
{
	(void)level;
	(void)line;
	longjmp(*((struct answer *)user)->jump, 1);
}

static int send_again(void *user, const qwenvk_delta *delta)
{
	struct answer *a = user;
	(void)delta;
	a->inner = qwenvk_chat_send(a->chat, "What is 1 + 1?", NULL, NULL, NULL, NULL);
	return 0;
}

static int cancel(void *user, const qwenvk_delta *delta)
{
	(void)delta;
	((struct answer *)user)->inner = qwenvk_chat_cancel(((struct answer *)user)->chat, NULL);
	return 0;
}

static int close_chat(void *user, const qwenvk_delta *delta)
{
	struct answer *a = user;
	(void)delta;
	a->inner = qwenvk_chat_close(a->chat, NULL);
	return 0;
}

static int close_model(void *user, const qwenvk_delta *delta)
{
	struct answer *a = user;
	(void)delta;
	a->inner = qwenvk_model_close(a->model, NULL);
	return 0;
}

static void *close_runtime_thread(void *user)
{
	struct answer *a = user;
	a->inner = qwenvk_runtime_close(a->runtime, NULL);
	return NULL;
}

static int close_runtime_elsewhere(void *user, const qwenvk_delta *delta)
{
	struct answer *a = user;
	(void)delta;
	if (a->calls++ == 0 && pthread_create(&a->thread, NULL, close_runtime_thread, a) == 0)
		pthread_join(a->thread, NULL);
	return 0;
}

static int close_runtime_progress(void *user, uint64_t done, uint64_t total)
{
	struct answer *a = user;
	(void)done;
	(void)total;
	if (a->calls++ == 0)
		a->inner = qwenvk_runtime_close(a->runtime, NULL);
	return 0;
}

static int refuse(void *user, uint64_t done, uint64_t total)
{
	(void)user;
	(void)done;
	(void)total;
	return 1;
}

static void nulls(qwenvk_runtime runtime, qwenvk_model model, qwenvk_chat chat)
{
	qwenvk_error error;
	qwenvk_model out = 0;
	qwenvk_chat talk = 0;
	size_t n = 0;
	float vector[1];
	const char *texts[] = {"a", NULL};

	EXPECT(QWENVK_USAGE, qwenvk_open(NULL, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_devices(runtime, NULL, 0, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_devices(runtime, NULL, 1, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_load(runtime, NULL, NULL, &out, &error));
	EXPECT(QWENVK_USAGE, qwenvk_load(runtime, "x", NULL, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_load_bytes(runtime, "x", NULL, 10, NULL, &out, &error));
	EXPECT(QWENVK_USAGE, qwenvk_model_describe(model, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_tokenize(model, NULL, NULL, 0, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_tokenize(model, "a", NULL, 0, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_tokenize(model, "a", NULL, 5, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_detokenize(model, NULL, 1, NULL, 0, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_detokenize(model, NULL, 0, NULL, 0, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_embed(model, NULL, 1, NULL, vector, 1, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_embed(model, texts, 2, NULL, vector, 1, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_embed(model, texts, 1, NULL, NULL, 1, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_generate(model, NULL, NULL, NULL, NULL, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_chat_new(model, NULL, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_chat_send(chat, NULL, NULL, NULL, NULL, &error)); /* nothing was added */
	EXPECT(QWENVK_USAGE, qwenvk_chat_add(chat, NULL, NULL, "x", &error));
	EXPECT(QWENVK_USAGE, qwenvk_chat_add(chat, "user", NULL, NULL, &error));
	EXPECT_QUIET(QWENVK_USAGE, qwenvk_load(runtime, NULL, NULL, NULL, NULL));
	HOLD(out == 0 && talk == 0);
}

static void handles(qwenvk_runtime runtime, qwenvk_model model, qwenvk_chat chat)
{
	qwenvk_error error;
	qwenvk_chat other = 0, third = 0;
	qwenvk_model out = 0;
	size_t n = 0, i;
	uint64_t wrong[8];
	qwenvk_model_info info = QWENVK_MODEL_INFO_INIT;

	wrong[0] = 0;
	wrong[1] = 1;
	wrong[2] = UINT64_MAX;
	wrong[3] = runtime;
	wrong[4] = (uint64_t)(uintptr_t)&error; /* an address */
	wrong[5] = model + 1;                   /* a place that nobody has */
	wrong[6] = model ^ (uint64_t)1 << 40;   /* another generation */
	wrong[7] = chat;
	for (i = 0; i < 8; i++) {
		EXPECT(QWENVK_HANDLE, qwenvk_model_describe(wrong[i], &info, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_tokenize(wrong[i], "a", NULL, 0, &n, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_detokenize(wrong[i], NULL, 0, NULL, 0, &n, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_embed(wrong[i], NULL, 0, NULL, NULL, 0, &n, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_generate(wrong[i], "a", NULL, NULL, NULL, NULL, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_chat_new(wrong[i], NULL, &other, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_model_close(wrong[i], &error));
	}
	wrong[3] = model;
	wrong[5] = chat + 7;
	wrong[6] = chat ^ (uint64_t)1 << 40;
	wrong[7] = runtime;
	for (i = 0; i < 8; i++) {
		EXPECT(QWENVK_HANDLE, qwenvk_chat_send(wrong[i], "a", NULL, NULL, NULL, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_chat_add(wrong[i], "user", NULL, "a", &error));
		EXPECT(QWENVK_HANDLE, qwenvk_chat_cancel(wrong[i], &error));
		EXPECT(QWENVK_HANDLE, qwenvk_chat_reset(wrong[i], &error));
		EXPECT(QWENVK_HANDLE, qwenvk_chat_close(wrong[i], &error));
		if (wrong[i] == runtime)
			continue;
		EXPECT(QWENVK_HANDLE, qwenvk_devices(wrong[i], NULL, 0, &n, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_load(wrong[i], "x", NULL, &out, &error));
		EXPECT(QWENVK_HANDLE, qwenvk_runtime_close(wrong[i], &error));
	}
	/* A freed handle stays dead when its place has another owner. */
	EXPECT(QWENVK_OK, qwenvk_chat_new(model, NULL, &other, &error));
	EXPECT(QWENVK_OK, qwenvk_chat_close(other, &error));
	EXPECT(QWENVK_HANDLE, qwenvk_chat_close(other, &error));
	EXPECT(QWENVK_OK, qwenvk_chat_new(model, NULL, &third, &error));
	HOLD(third != other && (uint32_t)third == (uint32_t)other);
	EXPECT(QWENVK_HANDLE, qwenvk_chat_reset(other, &error));
	EXPECT(QWENVK_OK, qwenvk_chat_close(third, &error));
}

static void texts(qwenvk_runtime runtime, qwenvk_model model, qwenvk_chat chat)
{
	qwenvk_error error;
	qwenvk_options options = QWENVK_OPTIONS_INIT;
	qwenvk_load_options load = QWENVK_LOAD_OPTIONS_INIT;
	qwenvk_chat_options talk = QWENVK_CHAT_OPTIONS_INIT;
	qwenvk_generate_options generate = QWENVK_GENERATE_OPTIONS_INIT;
	qwenvk_runtime new_runtime = 0;
	qwenvk_model new_model = 0;
	qwenvk_chat new_chat = 0;
	const char *list[] = {bad_text};
	int32_t ids[8], wrong_id[] = {1 << 30};
	char text[8];
	size_t n = 0;

	options.device = bad_text;
	EXPECT(QWENVK_USAGE, qwenvk_open(&options, &new_runtime, &error));
	EXPECT(QWENVK_USAGE, qwenvk_load(runtime, bad_text, NULL, &new_model, &error));
	load.quant = bad_text;
	EXPECT(QWENVK_USAGE, qwenvk_load(runtime, "x", &load, &new_model, &error));
	EXPECT(QWENVK_USAGE, qwenvk_tokenize(model, bad_text, ids, 8, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_embed(model, list, 1, NULL, NULL, 0, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_embed(model, NULL, 0, bad_text, NULL, 0, &n, &error));
	EXPECT(QWENVK_USAGE, qwenvk_generate(model, bad_text, NULL, NULL, NULL, NULL, &error));
	generate.json_schema = "{";
	EXPECT(QWENVK_USAGE, qwenvk_generate(model, "a", &generate, NULL, NULL, NULL, &error));
	generate.json_schema = bad_text;
	EXPECT(QWENVK_USAGE, qwenvk_generate(model, "a", &generate, NULL, NULL, NULL, &error));
	generate.json_schema = NULL;
	generate.max_tokens = -1;
	EXPECT(QWENVK_USAGE, qwenvk_generate(model, "a", &generate, NULL, NULL, NULL, &error));
	talk.system = bad_text;
	EXPECT(QWENVK_USAGE, qwenvk_chat_new(model, &talk, &new_chat, &error));
	talk.system = NULL;
	talk.tools = "[1]";
	EXPECT(QWENVK_USAGE, qwenvk_chat_new(model, &talk, &new_chat, &error));
	talk.tools = NULL;
	talk.think = 9;
	EXPECT(QWENVK_USAGE, qwenvk_chat_new(model, &talk, &new_chat, &error));
	EXPECT(QWENVK_USAGE, qwenvk_chat_send(chat, bad_text, NULL, NULL, NULL, &error));
	EXPECT(QWENVK_USAGE, qwenvk_chat_add(chat, "tool", bad_text, "a", &error));
	EXPECT(QWENVK_USAGE, qwenvk_chat_add(chat, "judge", NULL, "a", &error));
	EXPECT(QWENVK_USAGE, qwenvk_detokenize(model, wrong_id, 1, text, sizeof text, &n, &error));
	HOLD(new_runtime == 0 && new_model == 0 && new_chat == 0);
	options.device = "no such device";
	EXPECT(QWENVK_NO_DEVICE, qwenvk_open(&options, &new_runtime, &error));
	EXPECT(QWENVK_MODEL, qwenvk_load(runtime, "/no/such/file", NULL, &new_model, &error));
	EXPECT(QWENVK_MODEL, qwenvk_load_bytes(runtime, "bytes", bad_text, sizeof bad_text, NULL, &new_model, &error));
}

static void sizes(qwenvk_runtime runtime, qwenvk_model model, qwenvk_chat chat)
{
	qwenvk_error error;
	qwenvk_options options = QWENVK_OPTIONS_INIT;
	qwenvk_usage usage = QWENVK_USAGE_INIT;
	qwenvk_runtime new_runtime = 0;
	struct {
		qwenvk_model_info info;
		char more[16];
	} larger;
	struct {
		qwenvk_generate_options options;
		char more[16];
	} newer;
	qwenvk_model_info info = QWENVK_MODEL_INFO_INIT;
	qwenvk_device device[8];
	int32_t ids[8];
	char text[16];
	float *none = NULL;
	const char *list[] = {"a"};
	size_t n = 0, i, count;

	options.struct_size = 0;
	EXPECT(QWENVK_USAGE, qwenvk_open(&options, &new_runtime, &error));
	options.struct_size = 1u << 30;
	EXPECT(QWENVK_USAGE, qwenvk_open(&options, &new_runtime, &error));
	info.struct_size = 0;
	EXPECT(QWENVK_USAGE, qwenvk_model_describe(model, &info, &error));
	usage.struct_size = 3;
	EXPECT(QWENVK_USAGE, qwenvk_chat_send(chat, "a", NULL, NULL, &usage, &error));
	/* An older caller's structure is shorter, a newer one's longer: what it adds must be zero. */
	memset(&info, 0x55, sizeof info);
	info.struct_size = 8;
	EXPECT(QWENVK_OK, qwenvk_model_describe(model, &info, &error));
	HOLD(info.layers == 4 && info.name[0] == 0x55 && info.struct_size == 8);
	memset(&larger, 0x55, sizeof larger);
	larger.info.struct_size = sizeof larger;
	EXPECT(QWENVK_OK, qwenvk_model_describe(model, &larger.info, &error));
	HOLD(strcmp(larger.info.architecture, "qwen3") == 0 && larger.more[0] == 0x55);
	memset(&newer, 0, sizeof newer);
	newer.options.struct_size = sizeof newer;
	newer.options.max_tokens = 2;
	EXPECT(QWENVK_OK, qwenvk_generate(model, "a", &newer.options, NULL, NULL, NULL, &error));
	newer.more[3] = 1;
	EXPECT(QWENVK_USAGE, qwenvk_generate(model, "a", &newer.options, NULL, NULL, NULL, &error));

	EXPECT(QWENVK_TOO_SMALL, qwenvk_tokenize(model, "one two three", NULL, 0, &n, &error));
	count = n;
	ids[0] = -7;
	EXPECT(QWENVK_TOO_SMALL, qwenvk_tokenize(model, "one two three", ids, count - 1, &n, &error));
	HOLD(n == count && ids[0] == -7);
	EXPECT(QWENVK_OK, qwenvk_tokenize(model, "one two three", ids, count, &n, &error));
	EXPECT(QWENVK_TOO_SMALL, qwenvk_detokenize(model, ids, count, text, 13, &n, &error));
	HOLD(n == 13);
	EXPECT(QWENVK_OK, qwenvk_detokenize(model, ids, count, text, 14, &n, &error));
	HOLD(strcmp(text, "one two three") == 0);
	EXPECT(QWENVK_OK, qwenvk_detokenize(model, NULL, 0, text, 1, &n, &error));
	EXPECT(QWENVK_TOO_SMALL, qwenvk_embed(model, list, 1, NULL, none, 0, &n, &error));
	HOLD(n == (size_t)larger.info.hidden);
	EXPECT(QWENVK_TOO_SMALL, qwenvk_devices(runtime, NULL, 0, &n, &error));
	HOLD(n >= 1);
	memset(device, 0, sizeof device);
	EXPECT(QWENVK_USAGE, qwenvk_devices(runtime, device, 8, &n, &error));
	for (i = 0; i < 8; i++)
		device[i].struct_size = sizeof device[i];
	EXPECT(QWENVK_OK, qwenvk_devices(runtime, device, 8, &n, &error));
	HOLD(device[0].name[0] != 0 && device[0].memory_bytes > 0);
}

static void callbacks(qwenvk_runtime runtime, qwenvk_model model, const char *path)
{
	qwenvk_error error;
	qwenvk_usage usage = QWENVK_USAGE_INIT;
	qwenvk_load_options load = QWENVK_LOAD_OPTIONS_INIT;
	qwenvk_options options = QWENVK_OPTIONS_INIT;
	static struct answer a;
	static qwenvk_chat chat;
	static jmp_buf here;
	qwenvk_model other = 0;
	qwenvk_runtime new_runtime = 0;

	memset(&a, 0, sizeof a);
	a.jump = &here;
	EXPECT(QWENVK_OK, qwenvk_chat_new(model, &greedy_options, &chat, &error));
	a.chat = chat;
	EXPECT(QWENVK_OK, qwenvk_chat_send(chat, "What is 17 + 25?", send_again, &a, &usage, &error));
	HOLD(a.inner == QWENVK_BUSY && usage.completion_tokens > 0 && usage.finish == QWENVK_FINISH_STOP);
	a.stop_at = 1;
	EXPECT(QWENVK_INTERRUPTED, qwenvk_chat_send(chat, "What is 17 + 25?", collect, &a, &usage, &error));
	HOLD(a.calls == 1 && usage.finish == QWENVK_FINISH_INTERRUPTED);
	EXPECT(QWENVK_INTERRUPTED, qwenvk_chat_send(chat, "What is 17 + 25?", cancel, &a, NULL, &error));
	HOLD(a.inner == QWENVK_OK);
	EXPECT(QWENVK_OK, qwenvk_chat_cancel(chat, &error)); /* nothing is under way */

	if (setjmp(here) == 0) {
		qwenvk_chat_send(chat, "What is 17 + 25?", jump, &a, NULL, &error);
		HOLD(0);
	}
	EXPECT(QWENVK_BUSY, qwenvk_chat_send(chat, "What is 17 + 25?", NULL, NULL, NULL, &error));
	EXPECT(QWENVK_BUSY, qwenvk_chat_reset(chat, &error));
	EXPECT(QWENVK_OK, qwenvk_chat_cancel(chat, &error));
	EXPECT(QWENVK_OK, qwenvk_chat_reset(chat, &error));
	a.text[0] = 0;
	a.stop_at = 0;
	EXPECT(QWENVK_OK, qwenvk_chat_send(chat, "What is 17 + 25?", collect, &a, NULL, &error));
	HOLD(strcmp(a.text, "17+25=42") == 0);
	EXPECT(QWENVK_CLOSED, qwenvk_chat_send(chat, "What is 17 + 25?", close_chat, &a, NULL, &error));
	HOLD(a.inner == QWENVK_OK || a.inner == QWENVK_HANDLE); /* the second delta finds it closed */
	EXPECT(QWENVK_HANDLE, qwenvk_chat_close(chat, &error));

	load.progress = refuse;
	EXPECT(QWENVK_INTERRUPTED, qwenvk_load(runtime, path, &load, &other, &error));
	load.progress = jump_progress;
	load.progress_user = &a;
	if (setjmp(here) == 0) {
		qwenvk_load(runtime, path, &load, &other, &error);
		HOLD(0);
	}
	load.progress = NULL;
	EXPECT(QWENVK_OK, qwenvk_load(runtime, path, &load, &other, &error));
	a.model = other;
	if (setjmp(here) == 0) {
		qwenvk_generate(other, "one two three", NULL, jump, &a, NULL, &error);
		HOLD(0);
	}
	HOLD(qwenvk_generate(other, "one two three", NULL, close_model, &a, NULL, &error) == QWENVK_BUSY); /* it has one session */
	EXPECT(QWENVK_OK, qwenvk_model_close(other, &error));
	EXPECT(QWENVK_HANDLE, qwenvk_model_close(other, &error));
	load.sessions = 2;
	EXPECT(QWENVK_OK, qwenvk_load(runtime, path, &load, &other, &error));
	a.model = other;
	HOLD(qwenvk_generate(other, "one two three", NULL, close_model, &a, NULL, &error) == QWENVK_CLOSED);

	options.log = jump_log;
	options.log_user = &a;
	options.log_level = QWENVK_LOG_DEBUG;
	if (setjmp(here) == 0) {
		if (qwenvk_open(&options, &new_runtime, &error) == QWENVK_OK)
			qwenvk_runtime_close(new_runtime, NULL);
	}
}

static void order(const char *path)
{
	qwenvk_error error;
	qwenvk_runtime runtime = 0;
	qwenvk_model model = 0;
	qwenvk_load_options load = QWENVK_LOAD_OPTIONS_INIT;
	qwenvk_model_info info = QWENVK_MODEL_INFO_INIT;
	static struct answer a;
	size_t n = 0;

	memset(&a, 0, sizeof a);
	EXPECT(QWENVK_OK, qwenvk_open(NULL, &runtime, &error));
	EXPECT(QWENVK_OK, qwenvk_load(runtime, path, NULL, &model, &error));
	EXPECT(QWENVK_OK, qwenvk_chat_new(model, NULL, &a.chat, &error));
	a.runtime = runtime;
	/* The runtime is closed by another thread in the middle of an answer; then model and chat, in the wrong order. */
	EXPECT(QWENVK_CLOSED, qwenvk_chat_send(a.chat, "What is 17 + 25?", close_runtime_elsewhere, &a, NULL, &error));
	HOLD(a.inner == QWENVK_OK);
	EXPECT(QWENVK_CLOSED, qwenvk_chat_send(a.chat, "What is 17 + 25?", NULL, NULL, NULL, &error));
	EXPECT(QWENVK_CLOSED, qwenvk_tokenize(model, "a", NULL, 0, &n, &error));
	EXPECT(QWENVK_OK, qwenvk_model_describe(model, &info, &error));
	EXPECT(QWENVK_HANDLE, qwenvk_runtime_close(runtime, &error));
	EXPECT(QWENVK_OK, qwenvk_model_close(model, &error));
	EXPECT(QWENVK_OK, qwenvk_chat_close(a.chat, &error));
	EXPECT(QWENVK_HANDLE, qwenvk_chat_close(a.chat, &error));

	EXPECT(QWENVK_OK, qwenvk_open(NULL, &a.runtime, &error));
	load.progress = close_runtime_progress;
	load.progress_user = &a;
	a.calls = 0;
	HOLD(qwenvk_load(a.runtime, path, &load, &model, &error) == QWENVK_CLOSED);
	HOLD(a.inner == QWENVK_OK);
}

struct worker {
	qwenvk_model model;
	qwenvk_chat chat;
	int answers, busy, other;
};

static void *work(void *user)
{
	struct worker *w = user;
	int i;
	for (i = 0; i < 6; i++) {
		qwenvk_status s = qwenvk_chat_send(w->chat, "What is 17 + 25?", NULL, NULL, NULL, NULL);
		w->answers += s == QWENVK_OK;
		w->busy += s == QWENVK_BUSY;
		w->other += s != QWENVK_OK && s != QWENVK_BUSY;
	}
	return NULL;
}

static void threads(qwenvk_model model)
{
	qwenvk_error error;
	struct worker workers[4];
	pthread_t ids[4];
	qwenvk_chat chat = 0;
	int i, answers = 0, sum = 0;

	EXPECT(QWENVK_OK, qwenvk_chat_new(model, &greedy_options, &chat, &error));
	memset(workers, 0, sizeof workers);
	for (i = 0; i < 4; i++) {
		workers[i].chat = chat; /* one chat, made by a fifth thread */
		HOLD(pthread_create(&ids[i], NULL, work, &workers[i]) == 0);
	}
	for (i = 0; i < 4; i++) {
		pthread_join(ids[i], NULL);
		answers += workers[i].answers;
		sum += workers[i].answers + workers[i].busy;
		HOLD(workers[i].other == 0);
	}
	HOLD(answers >= 1 && sum == 24);
	EXPECT(QWENVK_OK, qwenvk_chat_close(chat, &error));
}

int main(int argc, char **argv)
{
	qwenvk_error error;
	qwenvk_runtime runtime = 0;
	qwenvk_model model = 0;
	qwenvk_chat chat = 0;

	if (argc != 2)
		return 2;
	greedy_options.think = QWENVK_THINK_OFF;
	greedy_options.sampling = &greedy;
	HOLD(qwenvk_abi() == QWENVK_ABI);
	HOLD(strcmp(qwenvk_status_name(12345), "UNKNOWN") == 0);
	EXPECT(QWENVK_OK, qwenvk_open(NULL, &runtime, &error));
	EXPECT(QWENVK_OK, qwenvk_load(runtime, argv[1], NULL, &model, &error));
	EXPECT(QWENVK_OK, qwenvk_chat_new(model, &greedy_options, &chat, &error));
	nulls(runtime, model, chat);
	handles(runtime, model, chat);
	texts(runtime, model, chat);
	sizes(runtime, model, chat);
	callbacks(runtime, model, argv[1]);
	threads(model);
	order(argv[1]);
	EXPECT(QWENVK_OK, qwenvk_chat_close(chat, &error));
	EXPECT(QWENVK_OK, qwenvk_model_close(model, &error));
	EXPECT(QWENVK_OK, qwenvk_runtime_close(runtime, &error)); /* it names Vulkan objects that are left */
	printf("%d checks, %d failures\n", checks, failures);
	return failures != 0;
}
