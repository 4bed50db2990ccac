/*
 * qwenvk.h: Qwen language models on the GPU of the machine, through Vulkan.
 *
 * A program opens a runtime (a device), loads a model and talks with it in chats:
 *
 *     qwenvk_error error;
 *     qwenvk_runtime runtime = 0;
 *     qwenvk_model model = 0;
 *     qwenvk_chat chat = 0;
 *     if (qwenvk_open(NULL, &runtime, &error) ||
 *         qwenvk_load(runtime, "Qwen3-0.6B-Q8_0.gguf", NULL, &model, &error) ||
 *         qwenvk_chat_new(model, NULL, &chat, &error) ||
 *         qwenvk_chat_send(chat, "What is a token?", on_delta, NULL, NULL, &error))
 *         fprintf(stderr, "%s\n", error.message);
 *     qwenvk_chat_close(chat, NULL);
 *     qwenvk_model_close(model, NULL);
 *     qwenvk_runtime_close(runtime, NULL);
 *
 * Handles are numbers that name an object; 0 names none. What is no handle, one of another kind, or one that is closed
 * already, gets QWENVK_HANDLE. Every handle is to be closed once, in any order and also while another thread uses it: that
 * call then ends with QWENVK_CLOSED.
 *
 * Errors. Functions return a status, QWENVK_OK is 0. `error`, unless NULL, gets the status and a sentence that says what is
 * wrong, in English and UTF-8; it is written also where all is well. Outputs are written where the status is QWENVK_OK, and
 * where a function says so.
 *
 * Text is UTF-8 and ends with a zero byte; text that is not UTF-8 gets QWENVK_USAGE. Text that a callback is given is valid
 * until it returns. Pointers that may be NULL say so.
 *
 * Structures begin with struct_size, which the caller sets to the size that it was compiled with (the _INIT macros do); what
 * later versions add at a structure's end is then left at its default. A structure of zeros but for that has good defaults.
 *
 * Threads. Every function may be called from any thread at any time. A chat gives one answer at a time, a second one gets
 * QWENVK_BUSY. Callbacks run on the thread that called the function, before it returns, with no lock held and no frame of the
 * library's language beneath them: they may call any function of this header, and may be left by longjmp or by a C++ exception.
 * The answer that was left then still owns its chat: qwenvk_chat_cancel gives it back.
 *
 * Process. The library never prints, never ends the process and changes no environment. It is written in Go, whose runtime
 * installs handlers for the signals that it needs (SIGSEGV, SIGPROF, SIGURG and others) and passes on to earlier handlers what is
 * not its own; handlers that the program installs later need SA_ONSTACK. After fork a child may only call exec.
 *
 * Versions. Within one QWENVK_ABI functions, constants and members are only added. qwenvk_abi() is the loaded library's.
 */
#ifndef QWENVK_H
#define QWENVK_H

#include <stddef.h>
#include <stdint.h>

#define QWENVK_ABI 1

#ifndef QWENVK_API
#ifdef _WIN32
#define QWENVK_API __declspec(dllimport)
#else
#define QWENVK_API
#endif
#endif

#ifdef __cplusplus
extern "C" {
#endif

typedef uint64_t qwenvk_runtime; /* an open device */
typedef uint64_t qwenvk_model;   /* a checkpoint in the device's memory */
typedef uint64_t qwenvk_chat;    /* a conversation */

/* What functions return. 0 to 5 and 130 mean what the exit status of the command `qwenvk` means. */
typedef int32_t qwenvk_status;
enum {
	QWENVK_OK = 0,
	QWENVK_FAILED = 1,        /* anything else */
	QWENVK_USAGE = 2,         /* an argument or an option makes no sense: NULL, no UTF-8, out of range */
	QWENVK_NO_DEVICE = 3,     /* no Vulkan loader, no device, or none of that name */
	QWENVK_MODEL = 4,         /* the model is not there, damaged, or of a kind that is not computed */
	QWENVK_MEMORY = 5,        /* weights, cache or scratch do not fit the device or the limit */
	QWENVK_HANDLE = 10,       /* 0, not a handle of this kind, or closed already */
	QWENVK_CLOSED = 11,       /* something that this handle belongs to was closed */
	QWENVK_BUSY = 12,         /* the chat is answering, or as many answers are under way as the model was loaded for */
	QWENVK_CONTEXT_FULL = 13, /* the text does not fit the context */
	QWENVK_TOO_SMALL = 14,    /* a buffer is too small; the size that is needed was written */
	QWENVK_DEVICE_LOST = 15,  /* the driver gave the device up during the call; the next one opens it again and goes on */
	QWENVK_INTERNAL = 20,     /* a fault of the library: please report it */
	QWENVK_INTERRUPTED = 130  /* a callback or qwenvk_chat_cancel ended it */
};

typedef struct qwenvk_error {
	qwenvk_status status;
	char message[1020]; /* UTF-8, "" for QWENVK_OK; cut at a character where it is longer */
} qwenvk_error;

/* qwenvk_abi returns the QWENVK_ABI that the library was built with. A program compares it with its own before anything else. */
QWENVK_API uint32_t qwenvk_abi(void);

/* qwenvk_status_name returns a status' name without its prefix, such as "NO_DEVICE"; "UNKNOWN" for other numbers. */
QWENVK_API const char *qwenvk_status_name(qwenvk_status status);

/* ---- runtimes ---- */

enum { QWENVK_LOG_DEBUG = -4, QWENVK_LOG_INFO = 0, QWENVK_LOG_WARN = 4, QWENVK_LOG_ERROR = 8 };

/* qwenvk_log_fn gets a line of the log. Lines are kept until the program is in a function that takes time (open, load, send,
 * generate, close), and passed on by it; at most the last 256. */
typedef void (*qwenvk_log_fn)(void *user, int32_t level, const char *line);

typedef struct qwenvk_options {
	uint32_t struct_size;
	int32_t tier;          /* use no capability group above this one, 1 to 4; 0: all that the device has; -1: group 0 alone */
	const char *device;    /* index, UUID or part of the name; NULL: discrete before integrated before software */
	const char *cache_dir; /* of compiled kernels; NULL: the user's cache folder, "none": nowhere */
	uint64_t memory_limit; /* bytes of device memory for all models together; 0: what is free */
	qwenvk_log_fn log;     /* NULL: no log */
	void *log_user;        /* passed to log */
	int32_t log_level;     /* the lowest that is wanted; 0 is QWENVK_LOG_INFO */
} qwenvk_options;
#define QWENVK_OPTIONS_INIT {sizeof(qwenvk_options), 0, NULL, NULL, 0, NULL, NULL, 0}

/* qwenvk_open opens a device. options may be NULL. Status: QWENVK_NO_DEVICE, QWENVK_USAGE. */
QWENVK_API qwenvk_status qwenvk_open(const qwenvk_options *options, qwenvk_runtime *runtime, qwenvk_error *error);

/* qwenvk_runtime_close closes a runtime; chats and models of it are closed with it, but keep their handles. It waits for the
 * step that the device computes. QWENVK_FAILED names Vulkan objects that were not given back. error may be NULL. */
QWENVK_API qwenvk_status qwenvk_runtime_close(qwenvk_runtime runtime, qwenvk_error *error);

typedef struct qwenvk_device {
	uint32_t struct_size;
	int32_t index;
	char name[256];
	char type[16]; /* "discrete", "integrated", "virtual", "software" */
	char uuid[40];
	char driver[256];
	uint64_t memory_bytes; /* of the device */
	uint64_t free_bytes;   /* of them, as the driver estimates it */
	int32_t tier;          /* highest kernel group that it can run */
	int32_t is_default;    /* 1: chosen where no device is named */
} qwenvk_device;

/* qwenvk_devices writes the machine's devices: at most capacity of them, each with struct_size set by the caller. *count gets how
 * many there are, also with QWENVK_TOO_SMALL. devices may be NULL where capacity is 0. */
QWENVK_API qwenvk_status qwenvk_devices(qwenvk_runtime runtime, qwenvk_device *devices, size_t capacity, size_t *count, qwenvk_error *error);

/* ---- models ---- */

/* qwenvk_progress_fn hears how many bytes of weights are on the device. A result other than 0 ends the load, which then returns
 * QWENVK_INTERRUPTED. */
typedef int (*qwenvk_progress_fn)(void *user, uint64_t done, uint64_t total);

typedef struct qwenvk_load_options {
	uint32_t struct_size;
	int32_t context;        /* tokens of a conversation; 0: the smallest of the trained context, 8192 and what fits */
	int32_t sessions;       /* answers that can be under way at the same time; 0: 1. Any number of chats can be open */
	int32_t group;          /* elements that share a scale with quant: 32 or 128; 0: 32 */
	const char *quant;      /* "int8" or "int4": of layers that the file stores in 16 or 32 bits; NULL: as they are */
	const char *kv;         /* type of the cache: "f16", "f32", "q8_0", "q4_0"; NULL: "f16" */
	const char *template_;  /* chat template in place of the model's own; NULL: its own */
	uint64_t memory_limit;  /* bytes of device memory for this model; 0: no limit of its own */
	qwenvk_progress_fn progress; /* NULL: none */
	void *progress_user;
} qwenvk_load_options;
#define QWENVK_LOAD_OPTIONS_INIT {sizeof(qwenvk_load_options), 0, 0, 0, NULL, NULL, NULL, 0, NULL, NULL}

/* qwenvk_load loads a .gguf file, or a folder in Hugging Face layout. options may be NULL. Status: QWENVK_MODEL, QWENVK_MEMORY,
 * QWENVK_USAGE, QWENVK_INTERRUPTED, QWENVK_DEVICE_LOST, QWENVK_CLOSED. */
QWENVK_API qwenvk_status qwenvk_load(qwenvk_runtime runtime, const char *path, const qwenvk_load_options *options, qwenvk_model *model, qwenvk_error *error);

/* qwenvk_load_bytes loads a GGUF file that is in memory, which must stay as it is until the model is closed. name stands for it in
 * messages. */
QWENVK_API qwenvk_status qwenvk_load_bytes(qwenvk_runtime runtime, const char *name, const void *data, size_t size, const qwenvk_load_options *options, qwenvk_model *model, qwenvk_error *error);

/* qwenvk_model_close closes a model; chats of it are closed with it, but keep their handles. error may be NULL. */
QWENVK_API qwenvk_status qwenvk_model_close(qwenvk_model model, qwenvk_error *error);

typedef struct qwenvk_model_info {
	uint32_t struct_size;
	int32_t layers;
	char name[256];
	char architecture[32]; /* "qwen3" */
	char type[16];         /* what most weights are stored as: "Q4_K" */
	int64_t params;        /* weights */
	int32_t hidden;        /* width; also how many values a vector of qwenvk_embed has */
	int32_t vocab;         /* tokens that it knows */
	int32_t context;       /* tokens that a conversation can have */
	int32_t trained_context;
	uint64_t weight_bytes;  /* on the device */
	uint64_t cache_bytes;   /* on the device */
	uint64_t scratch_bytes; /* on the device */
} qwenvk_model_info;
#define QWENVK_MODEL_INFO_INIT {sizeof(qwenvk_model_info), 0, {0}, {0}, {0}, 0, 0, 0, 0, 0, 0, 0, 0}

/* qwenvk_model_describe fills in info, whose struct_size the caller has set. It works for a model that was closed with its runtime. */
QWENVK_API qwenvk_status qwenvk_model_describe(qwenvk_model model, qwenvk_model_info *info, qwenvk_error *error);

/* qwenvk_tokenize turns text into tokens: at most capacity of them. *count gets how many there are, also with QWENVK_TOO_SMALL. Control
 * tokens that the text spells out become what they spell. ids may be NULL where capacity is 0. */
QWENVK_API qwenvk_status qwenvk_tokenize(qwenvk_model model, const char *text, int32_t *ids, size_t capacity, size_t *count, qwenvk_error *error);

/* qwenvk_detokenize turns tokens into text with a zero byte behind it. *size gets its bytes without that one, also with
 * QWENVK_TOO_SMALL, where capacity is not larger. text may be NULL where capacity is 0. */
QWENVK_API qwenvk_status qwenvk_detokenize(qwenvk_model model, const int32_t *ids, size_t count, char *text, size_t capacity, size_t *size, qwenvk_error *error);

/* qwenvk_embed turns each of count texts into a vector of length 1 of as many values as qwenvk_model_info.hidden, one behind the other;
 * capacity counts values. instruct is the task that the texts are queries of, NULL for documents. *values gets how many there are,
 * also with QWENVK_TOO_SMALL. */
QWENVK_API qwenvk_status qwenvk_embed(qwenvk_model model, const char *const *texts, size_t count, const char *instruct, float *vectors, size_t capacity, size_t *values, qwenvk_error *error);

/* ---- answers ---- */

/* How tokens are drawn. Of a structure of zeros temperature 0 takes the likeliest token; where no qwenvk_sampling is given, the values are
 * those that the model's makers recommend. */
typedef struct qwenvk_sampling {
	uint32_t struct_size;
	int32_t top_k;             /* 0: off */
	double temperature;        /* 0: always the likeliest token */
	double top_p;              /* 0 or 1: off */
	double min_p;              /* 0: off */
	double repetition_penalty; /* 0 or 1: off */
	double presence_penalty;   /* 0: off */
	double frequency_penalty;  /* 0: off */
	uint64_t seed;
} qwenvk_sampling;
#define QWENVK_SAMPLING_INIT {sizeof(qwenvk_sampling), 0, 0, 0, 0, 0, 0, 0, 0}

enum {
	QWENVK_TEXT = 0,      /* a piece of the answer */
	QWENVK_REASONING = 1, /* a piece of what the model thinks before it answers */
	QWENVK_TOOL_CALL = 2  /* a function that the model wants called: name, id, and in text its arguments as JSON */
};

typedef struct qwenvk_delta {
	uint32_t struct_size; /* set by the library */
	int32_t kind;         /* QWENVK_TEXT, QWENVK_REASONING, QWENVK_TOOL_CALL */
	const char *text;     /* never NULL */
	size_t text_size;     /* bytes, without the zero byte */
	const char *name;     /* of QWENVK_TOOL_CALL, else NULL */
	const char *id;       /* of QWENVK_TOOL_CALL, else NULL */
} qwenvk_delta;

/* qwenvk_delta_fn gets an answer as it is computed. A result other than 0 ends the answer, and the function returns
 * QWENVK_INTERRUPTED; what was said joins the conversation. */
typedef int (*qwenvk_delta_fn)(void *user, const qwenvk_delta *delta);

enum { QWENVK_FINISH_STOP = 0, QWENVK_FINISH_LENGTH = 1, QWENVK_FINISH_INTERRUPTED = 2 };

typedef struct qwenvk_usage {
	uint32_t struct_size;
	int32_t finish; /* QWENVK_FINISH_STOP: the model was done; _LENGTH: max_tokens, or the context is full */
	int32_t prompt_tokens;
	int32_t cached_tokens; /* of those, that were not computed again */
	int32_t completion_tokens;
	int32_t reasoning_tokens; /* of those, of the model's thoughts */
	double prefill_seconds;
	double decode_seconds;
} qwenvk_usage;
#define QWENVK_USAGE_INIT {sizeof(qwenvk_usage), 0, 0, 0, 0, 0, 0, 0}

typedef struct qwenvk_generate_options {
	uint32_t struct_size;
	int32_t max_tokens;              /* 0: until the context is full */
	const qwenvk_sampling *sampling; /* NULL: the likeliest token each time */
	const char *json_schema;         /* form that the answer must have; NULL: any */
} qwenvk_generate_options;
#define QWENVK_GENERATE_OPTIONS_INIT {sizeof(qwenvk_generate_options), 0, NULL, NULL}

/* qwenvk_generate continues a text as it stands, without messages and template. options, callback and usage may be NULL. usage, whose
 * struct_size the caller has set, is filled in also with QWENVK_INTERRUPTED. */
QWENVK_API qwenvk_status qwenvk_generate(qwenvk_model model, const char *prompt, const qwenvk_generate_options *options, qwenvk_delta_fn callback, void *user, qwenvk_usage *usage, qwenvk_error *error);

enum { QWENVK_THINK_AUTO = 0, QWENVK_THINK_ON = 1, QWENVK_THINK_OFF = 2 };

typedef struct qwenvk_chat_options {
	uint32_t struct_size;
	int32_t think;                   /* QWENVK_THINK_AUTO leaves it to the model's template */
	const char *system;              /* system message; NULL: none */
	const char *tools;               /* functions that the model may call, a JSON array as in OpenAI's API; NULL: none */
	const char *json_schema;         /* form that answers must have; NULL: any. The model calls no tools then */
	const qwenvk_sampling *sampling; /* NULL: what the model's makers recommend */
	int32_t max_tokens;              /* of an answer; 0: until the context is full */
	int32_t think_budget;            /* tokens that the model may think; 0: as many as it likes; -1: none */
	int32_t context_shift;           /* 1: leave out the oldest turns where the context is full; 0: the answer ends there */
} qwenvk_chat_options;
#define QWENVK_CHAT_OPTIONS_INIT {sizeof(qwenvk_chat_options), 0, NULL, NULL, NULL, NULL, 0, 0, 0}

/* qwenvk_chat_new begins a conversation. options may be NULL. Status: QWENVK_MODEL where the model has no chat template. */
QWENVK_API qwenvk_status qwenvk_chat_new(qwenvk_model model, const qwenvk_chat_options *options, qwenvk_chat *chat, qwenvk_error *error);

/* qwenvk_chat_send adds a user's message and passes the answer on as it is computed. text may be NULL: the answer is then to what
 * qwenvk_chat_add added. callback and usage may be NULL; usage, whose struct_size the caller has set, is filled in also with
 * QWENVK_INTERRUPTED. After QWENVK_OK and QWENVK_INTERRUPTED the answer is a part of the conversation; after others the conversation is as
 * it was before. Status: QWENVK_BUSY, QWENVK_CLOSED, QWENVK_CONTEXT_FULL, QWENVK_DEVICE_LOST. */
QWENVK_API qwenvk_status qwenvk_chat_send(qwenvk_chat chat, const char *text, qwenvk_delta_fn callback, void *user, qwenvk_usage *usage, qwenvk_error *error);

/* qwenvk_chat_add adds a message in front of what is sent next: the result of a tool (role "tool", id as in its call), or a part of an
 * earlier conversation (role "user" or "assistant"). id may be NULL. */
QWENVK_API qwenvk_status qwenvk_chat_add(qwenvk_chat chat, const char *role, const char *id, const char *content, qwenvk_error *error);

/* qwenvk_chat_cancel ends the answer under way, from any thread: its qwenvk_chat_send returns QWENVK_INTERRUPTED. Without an answer it does
 * nothing. error may be NULL. */
QWENVK_API qwenvk_status qwenvk_chat_cancel(qwenvk_chat chat, qwenvk_error *error);

/* qwenvk_chat_reset begins the conversation anew. error may be NULL. Status: QWENVK_BUSY. */
QWENVK_API qwenvk_status qwenvk_chat_reset(qwenvk_chat chat, qwenvk_error *error);

/* qwenvk_chat_close ends a conversation; an answer under way ends with QWENVK_CLOSED. error may be NULL. */
QWENVK_API qwenvk_status qwenvk_chat_close(qwenvk_chat chat, qwenvk_error *error);

#ifdef __cplusplus
}
#endif

#endif
