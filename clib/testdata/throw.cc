// A C++ exception leaves a callback, passes the library and is caught: throw MODEL.
#include <cstdio>
#include <stdexcept>

#include "qwenvk.h"

static int thrower(void *, const qwenvk_delta *) { throw std::runtime_error("enough"); }

int main(int argc, char **argv)
{
	qwenvk_error error;
	qwenvk_runtime runtime = 0;
	qwenvk_model model = 0;
	qwenvk_chat chat = 0;
	qwenvk_chat_options options = QWENVK_CHAT_OPTIONS_INIT;
	options.think = QWENVK_THINK_OFF;
	if (argc != 2 || qwenvk_open(nullptr, &runtime, &error) || qwenvk_load(runtime, argv[1], nullptr, &model, &error) ||
	    qwenvk_chat_new(model, &options, &chat, &error))
		return 1;
	for (int i = 0; i < 3; i++) {
		bool caught = false;
		try {
			qwenvk_chat_send(chat, "What is 17 + 25?", thrower, nullptr, nullptr, &error);
		} catch (const std::runtime_error &e) {
			caught = true;
		}
		if (!caught || qwenvk_chat_cancel(chat, &error) || qwenvk_chat_send(chat, "What is 17 + 26?", nullptr, nullptr, nullptr, &error))
			return 2;
	}
	if (qwenvk_chat_close(chat, &error) || qwenvk_model_close(model, &error) || qwenvk_runtime_close(runtime, &error))
		return 3;
	std::puts("caught");
	return 0;
}
