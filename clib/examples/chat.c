/*
 * A conversation of two questions with a model, as the answers come.
 *
 *     scripts/build_clib.sh build
 *     gcc -std=c99 -Ibuild clib/examples/chat.c -Lbuild -lqwenvk -Wl,-rpath,build -o build/chat
 *     build/chat demo/qwenvk-demo-Q8_0.gguf
 */
#include <stdio.h>

#include "qwenvk.h"

static int on_delta(void *user, const qwenvk_delta *delta)
{
	int *pieces = user;
	++*pieces;
	if (delta->kind == QWENVK_TEXT)
		fputs(delta->text, stdout);
	return 0; /* anything else ends the answer */
}

static int on_progress(void *user, uint64_t done, uint64_t total)
{
	(void)user;
	if (done == total)
		printf("%.1f MiB of weights are on the device\n", (double)total / (1 << 20));
	return 0;
}

static void on_log(void *user, int32_t level, const char *line)
{
	(void)user;
	if (level >= QWENVK_LOG_WARN)
		fprintf(stderr, "%s\n", line);
}

int main(int argc, char **argv)
{
	qwenvk_options options = QWENVK_OPTIONS_INIT;
	qwenvk_load_options load = QWENVK_LOAD_OPTIONS_INIT;
	qwenvk_chat_options talk = QWENVK_CHAT_OPTIONS_INIT;
	qwenvk_sampling greedy = QWENVK_SAMPLING_INIT;
	qwenvk_model_info info = QWENVK_MODEL_INFO_INIT;
	qwenvk_usage usage = QWENVK_USAGE_INIT;
	qwenvk_runtime runtime = 0;
	qwenvk_model model = 0;
	qwenvk_chat chat = 0;
	qwenvk_error error;
	const char *questions[] = {"What is 17 + 25?", "Please reverse: fox bird ball"};
	int pieces = 0, i;

	if (argc != 2) {
		fprintf(stderr, "usage: %s MODEL\n", argv[0]);
		return QWENVK_USAGE;
	}
	if (qwenvk_abi() != QWENVK_ABI) {
		fprintf(stderr, "the library is of another version than qwenvk.h\n");
		return QWENVK_FAILED;
	}
	options.log = on_log;
	load.progress = on_progress;
	talk.think = QWENVK_THINK_OFF;
	talk.sampling = &greedy;
	if (qwenvk_open(&options, &runtime, &error) ||
	    qwenvk_load(runtime, argv[1], &load, &model, &error) ||
	    qwenvk_model_describe(model, &info, &error) ||
	    qwenvk_chat_new(model, &talk, &chat, &error))
		goto done;
	printf("%s: %d layers, context %d\n", info.architecture, (int)info.layers, (int)info.context);
	for (i = 0; i < 2; i++) {
		printf("> %s\n", questions[i]);
		if (qwenvk_chat_send(chat, questions[i], on_delta, &pieces, &usage, &error))
			goto done;
		printf("\n(%d tokens, %d of the prompt were cached)\n", (int)usage.completion_tokens, (int)usage.cached_tokens);
	}
done:
	if (error.status)
		fprintf(stderr, "%s: %s\n", qwenvk_status_name(error.status), error.message);
	qwenvk_chat_close(chat, NULL); /* 0 is no chat, and harmless */
	qwenvk_model_close(model, NULL);
	qwenvk_runtime_close(runtime, NULL);
	return error.status;
}
